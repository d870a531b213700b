"""Files of pins, read: what is accepted, and what is said about the rest."""

import re

import numpy as np
import pytest

from tracker.errors import InputError
from tracker.pins import KINDS, PinRow, PinsFileError, merge_pins, pin_table, read_pin_rows, read_pins

HEADER = "kind,t,label,t2,label2,t3,label3,value,note\n"
PLAIN = HEADER + (
    'link,5,31,6,40,,,true,"seen, twice"\n'
    "detection,5,32,,,,,false,\n"
    "division,5,33,6,41,7,42,true,\n"
    "children,5,34,,,,,true,ends\n"
    "appear,5,35,,,,,?,\n"
    "disappear,5,36,,,,,false,\n"
)
ROWS = [
    PinRow("link", ((5, 31), (6, 40)), True, None, "seen, twice"),
    PinRow("detection", ((5, 32),), False),
    PinRow("division", ((5, 33), (6, 41), (7, 42))),
    PinRow("children", ((5, 34),), True, None, "ends"),
    PinRow("appear", ((5, 35),), None),
    PinRow("disappear", ((5, 36),), False),
]

SAME = {
    "plain": PLAIN,
    "windows": PLAIN.replace("\n", "\r\n"),
    "old mac": PLAIN.replace("\n", "\r"),
    "byte order mark": "\ufeff" + PLAIN,
    "no newline at the end": PLAIN.rstrip("\n"),
    "spreadsheet": PLAIN.replace("true", "TRUE").replace("false", "False"),
    "numbers for values": PLAIN.replace("true", "1").replace("false", "0"),
    "integers with a point": PLAIN.replace(",5,3", ",5.0,3").replace(",40,", ",40.,").replace(",41,", ",4.1E1,"),
    "spaces": PLAIN.replace(",,,", " , , , ").replace("true", " true ").replace("5,3", " 5 ,\t3").replace("6,", "6 ,"),
    "space before and after the quotes": PLAIN.replace('true,"seen, twice"', 'true,  "seen, twice"  '),
    "everything quoted": PLAIN.replace("link,5,31", '"link","5","31"'),
    "upper case": PLAIN.replace("kind,t,label,", "Kind,T,LABEL,").replace("link,", "Link,"),
    "blank lines and comments": "# by hand\n\n" + PLAIN.replace("\ndet", '\n\n  # it, "is\n,,,,,,,,\ndet') + "\n\n \n",
    "byte order mark before a comment": "\ufeff# by hand\n" + PLAIN,
    "empty columns at the end": PLAIN.replace("\n", ",,\n"),
    "short rows": PLAIN.replace("false,\n", "false\n").replace("?,\n", "?\n"),
    "semicolons": PLAIN.replace('"seen, twice"', "SEEN").replace(",", ";").replace("SEEN", "seen, twice"),
    "tabs": PLAIN.replace('"seen, twice"', "SEEN").replace(",", "\t").replace("SEEN", "seen, twice"),
}


def write(tmp_path, text, name="pins.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return path


def refused(paths, message):
    """The exact message, in which FOLDER stands for the folder of the files."""
    with pytest.raises(PinsFileError) as error:
        read_pins(paths)
    assert str(error.value) == message.replace("FOLDER", str(paths[0].parent))


@pytest.mark.parametrize("name", SAME)
def test_text(tmp_path, name):
    path = write(tmp_path, SAME[name])
    assert read_pin_rows([path]) == ROWS
    table = read_pins([path])
    assert [table.row(row) for row in range(len(table))] == [row for row in ROWS if row.value is not None]
    assert table.unanswered == 1


def test_arrays(tmp_path):
    path = write(tmp_path, PLAIN)
    table = read_pins([path])
    assert [KINDS[kind] for kind in table.kind] == ["link", "detection", "division", "children", "disappear"]
    assert table.key.tolist() == [
        [[5, 31], [6, 40], [-1, -1]],
        [[5, 32], [-1, -1], [-1, -1]],
        [[5, 33], [6, 41], [7, 42]],
        [[5, 34], [-1, -1], [-1, -1]],
        [[5, 36], [-1, -1], [-1, -1]],
    ]
    assert table.value.tolist() == [True, False, True, True, False]
    assert np.isnan(table.confidence).all()
    assert table.note == ("seen, twice", "", "", "ends", "")
    assert table.line.tolist() == [2, 3, 4, 5, 7]
    assert table.file.tolist() == [0, 0, 0, 0, 0]
    assert table.files == (str(path),)
    assert (table.kind.dtype, table.key.dtype, table.value.dtype) == (np.int8, np.int64, bool)
    assert len(table) == 5


def test_confidence_anywhere_in_the_header_and_no_note(tmp_path):
    path = write(tmp_path, "confidence,value,kind,label,t\n0.8,1,detection,3,5\n,1,detection,4,5\n.25,?,appear,4,5\n")
    table = read_pins([path])
    assert table.confidence[0] == 0.8
    assert np.isnan(table.confidence[1])
    assert table.key[:, 0].tolist() == [[5, 3], [5, 4]]
    assert table.note == ("", "")
    decimal_comma = write(tmp_path, "kind;t;label;value;confidence\ndetection;5;3;1;0,8\n")
    assert read_pins([decimal_comma]).confidence.tolist() == [0.8]


def test_two_files(tmp_path):
    first = write(tmp_path, HEADER + "detection,5,31,,,,,true,\nappear,5,31,,,,,?,\n", "a.csv")
    second = write(tmp_path, "# more\n" + HEADER + "detection,5,31,,,,,false,\n", "b.csv")
    table = read_pins([first, second])
    assert table.unanswered == 1
    assert [table.describe(row) for row in (0, 1)] == ["a.csv line 2 says 5:31 is real", "b.csv line 3 rejects 5:31"]


def test_files_of_one_name_are_named_with_their_folders(tmp_path):
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(write(tmp_path / folder, HEADER + "detection,5,31,,,,,true,\n"))
    table = read_pins(paths)
    assert [table.where(row) for row in (0, 1)] == [f"{path} line 2" for path in paths]


def test_no_files_and_no_rows(tmp_path):
    assert len(read_pins([])) == 0
    assert read_pins([]).files == ()
    assert len(read_pins([write(tmp_path, HEADER)])) == 0


SENTENCES = {
    "detection,5,31,,,,,true": "says 5:31 is real",
    "detection,5,31,,,,,false": "rejects 5:31",
    "link,5,31,6,40,,,true": "links 5:31 to 6:40",
    "link,5,31,6,40,,,false": "forbids the link 5:31 to 6:40",
    "division,5,31,6,40,6,44,true": "divides 5:31 into 6:40 and 6:44",
    "division,5,31,6,40,6,44,false": "forbids the division of 5:31 into 6:40 and 6:44",
    "appear,5,31,,,,,true": "says 5:31 appears",
    "appear,5,31,,,,,false": "says 5:31 does not appear",
    "disappear,5,31,,,,,true": "says 5:31 disappears",
    "disappear,5,31,,,,,false": "says 5:31 does not disappear",
    "children,5,31,,,,,true": "ends 5:31",
    "children,5,31,6,40,,,true": "gives 5:31 the only child 6:40",
    "children,5,31,6,40,6,44,true": "gives 5:31 the children 6:40 and 6:44",
}


@pytest.mark.parametrize("line", SENTENCES)
def test_sentence(tmp_path, line):
    table = read_pins([write(tmp_path, f"{HEADER}\n{line}\n")])
    assert table.describe(0) == f"pins.csv line 3 {SENTENCES[line]}"


BAD_ROWS = {
    "lnik,5,31,6,40,,,true,": "unknown kind 'lnik', did you mean 'link'?",
    "7,5,31,6,40,,,true,": "unknown kind '7', known are detection, link, division, appear, disappear, children",
    ",5,31,6,40,,,true,": "kind is empty, known are detection, link, division, appear, disappear, children",
    "link,5,31,6,40,,,,": "value must be true, false or ? (not answered yet), but is empty",
    "link,5,31,6,40": "value must be true, false or ? (not answered yet), but is empty",
    "link,5,31,6,40,,,yes,": "value must be true, false or ? (not answered yet), found 'yes'",
    "link,5,31,,,,,true,": "the kind link needs t, label, t2 and label2, but t2 and label2 are empty",
    "link,5,31,6,,,,true,": "the kind link needs t, label, t2 and label2, but label2 is empty",
    "link,5,31,6,,,,?,": "the kind link needs t, label, t2 and label2, but label2 is empty",
    "link,5,31,6,40,6,41,true,": "the kind link takes only t, label, t2 and label2, but t3 and label3 are filled",
    "division,5,31,6,40,,,true,": (
        "the kind division needs t, label, t2, label2, t3 and label3, but t3 and label3 are empty"
    ),
    "detection,,31,,,,,true,": "the kind detection needs t and label, but t is empty",
    "appear,5,31,6,40,,,true,": "the kind appear takes only t and label, but t2 and label2 are filled",
    "disappear,5,31,,40,,,true,": "the kind disappear takes only t and label, but label2 is filled",
    "children,5,,,,,,true,": "the kind children needs t and label, but label is empty",
    "children,5,31,6,,,,true,": "t2 is given without label2",
    "children,5,31,6,40,,41,true,": "label3 is given without t3",
    "children,5,31,,,6,40,true,": "the first child belongs in t2 and label2, which are empty",
    "children,5,31,6,40,,,false,": (
        "children cannot be false (write a link with false to forbid one child, "
        "a division with false to forbid two together)"
    ),
    "detection,5.5,31,,,,,true,": "t must be an integer, found '5.5'",
    "detection,5,a,,,,,true,": "label must be an integer, found 'a'",
    "detection,5,nan,,,,,true,": "label must be an integer, found 'nan'",
    "detection,5,1e999,,,,,true,": "label must be an integer, found '1e999'",
    "detection,5,-31,,,,,true,": "label must not be negative, found '-31'",
    "detection,5,99999999999999999999,,,,,true,": "label is too large, found '99999999999999999999'",
    "link,5,31,5,40,,,true,": "a child must be later than its parent, but 5:40 is not later than 5:31",
    "division,5,31,6,40,4,41,?,": "a child must be later than its parent, but 4:41 is not later than 5:31",
    "division,5,31,6,40,6,40,true,": "the child 6:40 is named twice",
    "children,5,31,6,40,6,40,true,": "the child 6:40 is named twice",
    "link,5,31,6,40,,,true,maybe, look again": (
        "10 fields where the header has 9, too many commas? (put quotes around a note that holds them)"
    ),
    'link,5,31,6,40,,,true,"maybe': "a quote is opened but not closed on the same line",
}


@pytest.mark.parametrize("line", BAD_ROWS)
def test_bad_row(tmp_path, line):
    text = f"{HEADER}detection,5,31,,,,,true,\n{line}\ndetection,5,32,,,,,true,\n"
    refused([write(tmp_path, text)], f"pins.csv line 3: {BAD_ROWS[line]}")


@pytest.mark.parametrize("text", ["0", "1", "-0.5", "1.5", "nan", "sure", "inf"])
def test_bad_confidence(tmp_path, text):
    path = write(tmp_path, f"kind,t,label,value,confidence\ndetection,5,31,true,{text}\n")
    found = repr(text) if text in ("nan", "sure", "inf") else text
    message = f"pins.csv line 2: confidence must lie between 0 and 1 (leave it empty when certain), found {found}"
    refused([path], message)


def test_all_bad_rows_are_counted_and_five_named(tmp_path):
    first = write(tmp_path, HEADER + "link,5,31,6,40,,,,\n" * 4, "a.csv")
    second = write(tmp_path, HEADER + "links,5,31,6,40,,,true,\n" * 4, "b.csv")
    empty = "value must be true, false or ? (not answered yet), but is empty"
    refused(
        [first, second],
        "; ".join(f"a.csv line {line}: {empty}" for line in (2, 3, 4, 5))
        + "; b.csv line 2: unknown kind 'links', did you mean 'link'?; and 3 more (8)",
    )


COLUMNS = HEADER.strip()
BAD_FILES = {
    "": f"is empty, its first line must be {COLUMNS}",
    "# nothing\n\n": f"is empty, its first line must be {COLUMNS}",
    "link,5,31,6,40,,,true,\n": (f"has no header, its first line must be {COLUMNS}, found 'link,5,31,6,40,,,true,'"),
    "kind,t,label,valeu\n": "has an unknown column 'valeu' in its header, did you mean 'value'?",
    "kind,t,label,value,42\n": (
        "has an unknown column '42' in its header, known are kind, t, label, t2, label2, t3, label3, value, note, "
        "confidence"
    ),
    "kind,t,label,value,T\n": "has the column t twice in its header",
    "kind,t,note\n": "lacks label and value in its header, found 'kind,t,note'",
    'kind,t,"label\n': "a quote is opened but not closed on the same line",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_bad_file(tmp_path, text):
    refused([write(tmp_path, text)], f"the pins file FOLDER/pins.csv {BAD_FILES[text]}")


def test_a_field_in_a_column_without_a_name(tmp_path):
    path = write(tmp_path, "kind,t,label,value,\ndetection,5,31,true,why\n")
    refused([path], "pins.csv line 2: the field 'why' stands in a column without a name")


def test_files_that_are_no_text(tmp_path):
    encoded = write(tmp_path, "")
    encoded.write_bytes(b"kind,t,label,value,note\ndetection,5,31,true,gr\xf6\xdfer\n")
    wanted = 'must be text in UTF-8, which line {} is not. Save it again as "CSV UTF-8" or with that encoding'
    refused([encoded], f"the pins file FOLDER/pins.csv {wanted.format(2)}")
    encoded.write_bytes(HEADER.encode("utf-16"))
    refused([encoded], f"the pins file FOLDER/pins.csv {wanted.format(1)}")


def test_files_that_are_not_there(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    refused(
        [tmp_path / "none.csv", folder],
        "the pins file FOLDER/none.csv does not exist; the pins file FOLDER/folder cannot be read (Is a directory)",
    )


def test_merge_keeps_order_and_drops_exact_duplicates():
    link = PinRow("link", ((5, 31), (6, 40)))
    noted, soft, other = link._replace(note="sure"), link._replace(confidence=0.5), PinRow("appear", ((1, 2),), False)
    waiting = PinRow("appear", ((5, 31),), None)
    tables = [pin_table([link, soft, link, waiting], name="a.csv"), pin_table([other, noted, soft, link], name="b.csv")]
    merged = merge_pins(tables)
    assert [merged.row(row) for row in range(len(merged))] == [link, soft, other, noted]
    assert [merged.where(row) for row in range(4)] == ["a.csv line 1", "a.csv line 2", "b.csv line 1", "b.csv line 2"]
    assert merged.unanswered == 1
    assert len(merge_pins([])) == 0


def test_rows_given_by_programs_are_checked():
    rows = [PinRow("link", ((5, 31),)), PinRow("detecton", ((5, 31),)), PinRow("appear", ((-1, 31),))]
    message = (
        "pins line 1: the kind link names 2 detections, found 1; "
        "pins line 2: unknown kind 'detecton', known are detection, link, division, appear, disappear, children; "
        "pins line 3: t and label must not be negative, found -1:31"
    )
    with pytest.raises(PinsFileError, match=f"^{re.escape(message)}$"):
        pin_table(rows)
    with pytest.raises(PinsFileError, match=r"^pins line 1: the kind children names 1 to 3 detections, found 0$"):
        pin_table([PinRow("children", ())])


def test_the_error_is_a_mistake_of_input():
    assert issubclass(PinsFileError, InputError)
    assert PinsFileError.exit_code == 2
