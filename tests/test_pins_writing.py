"""Files of pins, written: whole or not at all, and next to others who edit them."""

import os
import re
import threading
from pathlib import Path

import pytest

import tracker.pins
from tracker.errors import OutputError
from tracker.pins import PinRow, PinsFileError, append_pins, read_pin_rows, read_pins, write_pins

HEADER = "kind,t,label,t2,label2,t3,label3,value,note\n"
LINK = PinRow("link", ((5, 31), (6, 40)))
REJECT = PinRow("detection", ((5, 32),), False, None, 'sure, "very"')
DIVISION = PinRow("division", ((5, 33), (6, 41), (7, 42)), True, 0.75)
WAITING = PinRow("children", ((5, 34),), None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pins.csv"


def leftovers(path):
    return sorted(set(os.listdir(path.parent)) - {path.name})


def test_written_text(path):
    write_pins(path, [LINK, REJECT, WAITING, LINK])
    assert path.read_bytes().decode() == HEADER + (
        'link,5,31,6,40,,,true,\ndetection,5,32,,,,,false,"sure, ""very"""\nchildren,5,34,,,,,?,\n'
    )
    assert read_pin_rows([path]) == [LINK, REJECT, WAITING]
    assert leftovers(path) == []


def test_confidence_has_a_column_when_needed(path):
    write_pins(path, [LINK, DIVISION])
    assert path.read_text() == HEADER.strip() + ",confidence\n" + (
        "link,5,31,6,40,,,true,,\ndivision,5,33,6,41,7,42,true,,0.75\n"
    )
    assert read_pin_rows([path]) == [LINK, DIVISION]


def test_a_table_is_written_as_it_was_read(path, tmp_path):
    write_pins(path, [LINK, REJECT, DIVISION])
    write_pins(tmp_path / "copy.csv", read_pins([path]))
    assert (tmp_path / "copy.csv").read_bytes() == path.read_bytes()


def test_notes_stay_on_one_line_and_are_no_comments(path):
    path.write_text("note,kind,t,label,value\n")
    append_pins(path, [PinRow("detection", ((5, 31),), True, None, " # first\r\n second ")])
    assert path.read_text() == 'note,kind,t,label,value\n"# first second","detection","5","31","true"\n'
    assert read_pin_rows([path]) == [PinRow("detection", ((5, 31),), True, None, "# first second")]


def test_an_existing_file_is_not_overwritten_by_accident(path):
    write_pins(path, [LINK])
    message = f"{path} exists already. Name another file, or replace it with --overwrite"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        write_pins(path, [REJECT])
    assert read_pin_rows([path]) == [LINK]
    write_pins(path, [REJECT], overwrite=True)
    assert read_pin_rows([path]) == [REJECT]
    assert leftovers(path) == []


def test_append_makes_the_file_and_its_folder(tmp_path):
    path = tmp_path / "new" / "pins.csv"
    assert append_pins(path, [LINK, REJECT, LINK]) == 2
    assert read_pin_rows([path]) == [LINK, REJECT]


def test_append_to_an_empty_file(path):
    path.write_text("\n")
    assert append_pins(path, [LINK]) == 1
    assert path.read_text() == HEADER + "link,5,31,6,40,,,true,\n"


def test_append_leaves_everything_else_as_it_is(path):
    before = "\ufeff# mine\r\nKind;T;Label;t2;label2;Value\r\n\r\nlink; 5;31;6;40;TRUE\r\nhalf;typed\r\n\r\n"
    path.write_bytes(before.encode())
    assert append_pins(path, [LINK, REJECT]) == 1
    after = before.replace("Value", "Value;note").removesuffix("\r\n") + 'detection;5;32;;;false;"sure, ""very"""\r\n'
    assert path.read_bytes().decode() == after
    assert append_pins(path, [REJECT]) == 0
    assert path.read_bytes().decode() == after


def test_append_writes_the_columns_the_file_has(path):
    path.write_text("value,label,t,kind\n1,3,5,detection")
    append_pins(path, [LINK, DIVISION])
    assert path.read_text() == (
        "value,label,t,kind,t2,label2,t3,label3,confidence\n1,3,5,detection\n"
        "true,31,5,link,6,40,,,\ntrue,33,5,division,6,41,7,42,0.75\n"
    )
    assert read_pin_rows([path]) == [PinRow("detection", ((5, 3),)), LINK, DIVISION]


def test_append_keeps_permissions_and_links(path, tmp_path):
    path.write_text(HEADER)
    path.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    append_pins(link, [LINK])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_pin_rows([path]) == [LINK]


def test_write_since_keeps_what_others_did(path):
    path.write_text("# ours\n" + HEADER)
    append_pins(path, [LINK, REJECT, WAITING, DIVISION])
    read = read_pins([path])
    other = PinRow("appear", ((3, 1),))
    text = path.read_text().replace("division,5,33,6,41,7,42,true,,0.75\n", "")  # another person removes one
    path.write_text(text)
    append_pins(path, [other])  # and adds one
    new = PinRow("disappear", ((4, 1),), False)
    write_pins(path, [REJECT, DIVISION, new], since=read)  # we removed LINK and added `new`
    assert read_pin_rows([path]) == [REJECT, WAITING, other, new]
    assert path.read_text().startswith("# ours\n")


def test_what_changes_while_we_write_is_not_lost(path, monkeypatch):
    """An editor that knows no lock saves the file between our reading and our writing, twice."""
    append_pins(path, [LINK])
    write, saved = tracker.pins._write, []

    def write_slowly(partial, content, like):
        write(partial, content, like)
        if len(saved) < 2:
            saved.append(PinRow("appear", ((3, len(saved) + 1),)))
            path.write_text(path.read_text() + f"appear,3,{len(saved)},,,,,true,\n")

    monkeypatch.setattr(tracker.pins, "_write", write_slowly)
    assert append_pins(path, [REJECT]) == 1
    assert read_pin_rows([path]) == [LINK, *saved, REJECT]
    assert leftovers(path) == []


def test_a_file_that_never_rests(path, monkeypatch):
    append_pins(path, [LINK])
    write = tracker.pins._write

    def write_slowly(partial, content, like):
        write(partial, content, like)
        path.write_text(path.read_text() + "# again\n")

    monkeypatch.setattr(tracker.pins, "_write", write_slowly)
    message = f"{path} cannot be written: it changed 20 times meanwhile. Try again later"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        append_pins(path, [REJECT])
    assert read_pin_rows([path]) == [LINK]
    assert leftovers(path) == []


def test_many_at_once_lose_nothing(path):
    def add(person):
        for k in range(10):
            append_pins(path, [PinRow("detection", ((person, k),))])

    threads = [threading.Thread(target=add, args=(person,)) for person in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.keys[0] for row in read_pin_rows([path])) == [(p, k) for p in range(4) for k in range(10)]
    assert leftovers(path) == []


def test_a_failure_leaves_the_file(path, monkeypatch):
    append_pins(path, [LINK])

    def full(partial, content, like):
        partial.write_bytes(content[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tracker.pins, "_write", full)
    message = f"the pins cannot be written to {path}: No space left on device. Mend this, or name another file"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        append_pins(path, [REJECT])
    assert read_pin_rows([path]) == [LINK]
    assert leftovers(path) == []


def test_what_is_no_pins_file_is_left_alone(path):
    path.write_text("id,t,y,x\n1,0,5,5\n")
    columns = HEADER.strip()
    message = f"the pins file {path} has no header, its first line must be {columns}, found 'id,t,y,x'"
    with pytest.raises(PinsFileError, match=f"^{re.escape(message)}$"):
        append_pins(path, [LINK])
    assert path.read_text() == "id,t,y,x\n1,0,5,5\n"


def test_malformed_pins_are_not_written(path):
    with pytest.raises(PinsFileError, match=r"^pin 2: the kind link names 2 detections, found 1$"):
        append_pins(path, [LINK, PinRow("link", ((5, 31),))])
    assert not Path(path).exists()
