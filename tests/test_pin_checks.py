"""Pins meet the movie: rows, and what is said about pins that do not fit it or each other."""

import re

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.pin_checks import resolve_pins
from tracker.pins import PinsFileError, pin_table, read_pins

HEADER = "kind,t,label,t2,label2,t3,label3,value,note,confidence\n"
FRAMES = np.arange(20)
LABELS = np.arange(30, 50)  # in every frame but the last, which is empty


def movie(frames=FRAMES):
    frames = np.asarray(frames, np.int64)
    frame = np.repeat(frames[:-1], len(LABELS))
    return Detections(
        frame=frame,
        label=np.tile(LABELS, len(frames) - 1),
        position=np.zeros((len(frame), 2)),
        frames=frames,
        scale=np.ones(2),
    )


def row(t, label):
    return t * 20 + label - 30


def resolve(tmp_path, text, detections=None, **more_files):
    paths = []
    for name, content in {"pins": text, **more_files}.items():
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(HEADER + content)
    return resolve_pins(read_pins(paths), movie() if detections is None else detections)


def refused(kind, message, *arguments, **files):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        resolve(*arguments, **files)


def test_rows_and_arrays(tmp_path):
    resolved = resolve(
        tmp_path,
        "link,5,31,6,40,,,true,\n"
        "division,5,33,6,45,6,41,false,\n"
        "detection,5,32,,,,,true,\n"
        "children,5,34,,,,,true,\n"
        "children,5,35,8,36,,,true,\n"
        "link,7,31,8,40,,,false,\n"
        "children,5,36,6,38,6,37,true,\n"
        "appear,5,37,,,,,false,\n"
        "disappear,5,38,,,,,true,\n",
    )
    hard = resolved.hard
    assert hard.link.tolist() == [[row(5, 31), row(6, 40), 1], [row(7, 31), row(8, 40), 0]]
    assert hard.division.tolist() == [[row(5, 33), row(6, 41), row(6, 45), 0]]
    assert hard.detection.tolist() == [[row(5, 32), 1]]
    assert hard.children.tolist() == [
        [row(5, 34), -1, -1],
        [row(5, 35), row(8, 36), -1],
        [row(5, 36), row(6, 37), row(6, 38)],
    ]
    assert hard.appear.tolist() == [[row(5, 37), 0]]
    assert hard.disappear.tolist() == [[row(5, 38), 1]]
    assert len(hard) == 9
    assert {kind: rows.tolist() for kind, rows in resolved.sources.items()} == {
        "detection": [2],
        "link": [0, 5],
        "division": [1],
        "appear": [7],
        "disappear": [8],
        "children": [3, 4, 6],
    }
    assert resolved.rows.tolist()[:3] == [
        [row(5, 31), row(6, 40), -1],
        [row(5, 33), row(6, 41), row(6, 45)],
        [row(5, 32), -1, -1],
    ]
    assert resolved.soft.tolist() == []


def test_duplicates_count_once(tmp_path):
    """Whatever the note, the order of the children, and the file; pins with another confidence are other pins."""
    resolved = resolve(
        tmp_path,
        "division,5,33,6,45,6,41,true,first\n"
        "link,5,31,6,40,,,true,,0.75\n"
        "division,5,33,6,41,6,45,true,second\n"
        "link,5,31,6,40,,,true,again,0.75\n"
        "link,5,31,6,40,,,true,,0.5\n"
        "link,5,31,6,40,,,true,\n",
        more="link,5,31,6,40,,,true,\nlink,5,31,6,40,,,false,,0.75\n",
    )
    assert resolved.sources["division"].tolist() == [0]
    assert resolved.sources["link"].tolist() == [5]
    assert resolved.soft.tolist() == [1, 4, 7]
    assert len(resolved.table) == 8


def test_soft_pins_do_not_contradict(tmp_path):
    text = "detection,5,31,,,,,false,\nlink,5,31,6,40,,,true,,0.9\n"
    text += "link,5,32,6,40,,,true,,0.9\nlink,5,31,6,40,,,false,,0.2\n"
    resolved = resolve(tmp_path, text)
    assert len(resolved.hard) == 1
    assert resolved.soft.tolist() == [1, 2, 3]


def test_no_pins():
    resolved = resolve_pins(read_pins([]), movie())
    assert len(resolved.hard) == 0
    assert resolved.rows.shape == (0, 3)


ABSENT = {
    "detection,40,31,,,,,true,": "pins.csv line 2: t=40 is outside the frames of this run, t = 0 to 19",
    "link,5,31,20,40,,,true,": "pins.csv line 2: t=20 is outside the frames of this run, t = 0 to 19",
    "link,5,31,6,40,,,true,\ndivision,5,32,6,47,6,60,false,,0.5": (
        "pins.csv line 3: there is no detection 6:60 in frame 6, nearest labels 47, 48, 49"
    ),
    "appear,5,0,,,,,true,": "pins.csv line 2: there is no detection 5:0 in frame 5, nearest labels 30, 31, 32",
    "appear,19,30,,,,,true,": "pins.csv line 2: there is no detection 19:30, frame 19 has no detections at all",
    "appear,5,1,,,,,true,\nappear,20,1,,,,,true,": (
        "pins.csv line 2: there is no detection 5:1 in frame 5, nearest labels 30, 31, 32; "
        "pins.csv line 3: t=20 is outside the frames of this run, t = 0 to 19"
    ),
}


@pytest.mark.parametrize("text", ABSENT)
def test_what_is_not_there(tmp_path, text):
    refused(PinsFileError, ABSENT[text], tmp_path, text)


def test_frames_that_are_left_out(tmp_path):
    frames = np.arange(4, 20, 4)
    message = (
        "pins.csv line 2: t=9 is none of the frames that this run keeps, t = 4 to 16 (the nearest are 8 and 12); "
        "pins.csv line 3: t=0 is outside the frames of this run, t = 4 to 16"
    )
    refused(PinsFileError, message, tmp_path, "appear,9,30,,,,,true,\nlink,0,31,4,31,,,true,\n", movie(frames))


def test_all_that_is_not_there_is_counted(tmp_path):
    text = "".join(f"appear,{t},30,,,,,true,\n" for t in range(20, 27))
    named = "; ".join(
        f"pins.csv line {t - 18}: t={t} is outside the frames of this run, t = 0 to 19" for t in range(20, 25)
    )
    refused(PinsFileError, f"{named}; and 2 more (7)", tmp_path, text)


def test_a_file_from_another_movie(tmp_path):
    """Frames beyond this run say nothing about the movie; good files next to it are no excuse."""
    foreign = "".join(f"link,{t},{label},{t + 1},{label},,,true,\n" for t in (3, 4, 18, 25) for label in (1, 2, 45))
    good = "".join(f"appear,3,{label},,,,,true,\n" for label in LABELS)
    message = (
        "foreign.csv seems to belong to another movie: of the 15 detections it names in the frames of this run 11 are "
        "not there (such as 3:1, 3:2, 4:1, 4:2, 5:1). Check that [annotations] pins and [data] go together"
    )
    refused(PinsFileError, message, tmp_path, good, foreign=foreign)
    bad = "appear,3,77,,,,,true,\n"
    message += "; pins.csv line 22: there is no detection 3:77 in frame 3, nearest labels 47, 48, 49"
    refused(PinsFileError, message, tmp_path, good + bad, foreign=foreign)


def test_half_unknown_or_four_are_mistakes(tmp_path):
    half = "".join(f"appear,3,{label},,,,,true,\n" for label in [1, 2, 3, 4, 5, *LABELS[:5]])
    with pytest.raises(PinsFileError, match=r"^pins.csv line 2: there is no detection 3:1 in frame 3, nearest labels"):
        resolve(tmp_path, half)
    four = "".join(f"appear,3,{label},,,,,true,\n" for label in [1, 2, 3, 4])
    with pytest.raises(PinsFileError, match=r"^pins.csv line 2: there is no detection 3:1 in frame 3, nearest labels"):
        resolve(tmp_path, four)


def test_contradiction_names_rows_and_files(tmp_path):
    message = (
        "pins.csv line 3 links 5:31 to 6:40, more.csv line 2 links 5:33 to 6:40: a detection has one parent. "
        "Correct or remove one of the rows"
    )
    text = "detection,5,31,,,,,true,\nlink,5,31,6,40,,,true,\nlink,5,31,6,40,,,true,\n"
    refused(PinConflictError, message, tmp_path, text, more="link,5,33,6,40,,,true,\n")


def test_contradictions_are_counted(tmp_path):
    text = "".join(f"appear,5,{label},,,,,true,\n" for label in LABELS[:7])
    text += "".join(f"appear,5,{label},,,,,false,\n" for label in LABELS[:7])
    named = "; ".join(
        f"pins.csv line {k + 2} says 5:{k + 30} appears, pins.csv line {k + 9} says 5:{k + 30} does not appear: "
        "a pin cannot be both true and false"
        for k in range(5)
    )
    message = f"{named}; and 2 more (7). Correct or remove one of the rows of each contradiction"
    refused(PinConflictError, message, tmp_path, text)
    assert PinConflictError.exit_code == 3


def test_pins_of_a_movie_without_detections():
    detections = Detections(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)), np.empty(0, np.int64), np.ones(2)
    )
    assert len(resolve_pins(pin_table([]), detections).hard) == 0
