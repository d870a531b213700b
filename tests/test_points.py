"""Point tables as text."""

import re

import numpy as np
import pytest
from point_files import refused, write

from tracker.errors import PointsError
from tracker.io.points import read_points

PLAIN = "id,t,z,y,x,radius,parent_id\n7,0,1.5,2,3,4.5,-1\n9,1,1.25,2.5,3.5,5,7\n8,1,0,1e1,-2,6,7\n"

SAME = {
    "plain": PLAIN,
    "semicolon": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "spaces": PLAIN.replace(",", "  "),
    "space after comma": PLAIN.replace(",", ", "),
    "windows": PLAIN.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + PLAIN,
    "no newline at the end": PLAIN.rstrip("\n"),
    "blank lines and comments": "# made by hand\n\n" + PLAIN.replace("\n9", "\n# a comment\n\n9") + "\n\n",
    "header as comment": "# written by a program\n# " + PLAIN,
    "upper case": PLAIN.replace("id,t,z,y,x", "ID,T,Z,Y,X").replace("parent_id", "Parent_ID"),
    "other names": "node_id,frame,POSITION_Z,pos_y,position_x,radius,parent\n" + PLAIN.split("\n", 1)[1],
    "other order": "parent_id,x,y,z,radius,t,id\n-1,3,2,1.5,4.5,0,7\n7,3.5,2.5,1.25,5,1,9\n7,-2,1e1,0,6,1,8\n",
    "integers with a point": PLAIN.replace("7,0,", "7.0,0.0,").replace(",7\n", ",7.0\n"),
    "no parent is empty": PLAIN.replace("-1\n", "\n"),
    "no parent is nan": PLAIN.replace("-1\n", "nan\n"),
    "no parent is 0": PLAIN.replace("-1\n", "0\n"),
    "quoted": PLAIN.replace("7,0,", '"7","0",'),
    "index of a data frame": "," + PLAIN.replace("\n7", "\n0,7").replace("\n9", "\n1,9").replace("\n8", "\n2,8"),
    "a column of text": "name," + PLAIN.replace("\n7", "\na b,7").replace("\n9", "\n,9").replace("\n8", "\nc,8"),
}


@pytest.mark.parametrize("name", SAME)
def test_text(tmp_path, name):
    path = write(tmp_path, SAME[name])
    table = read_points(path)
    assert table.id.tolist() == [7, 9, 8]
    assert table.frame.tolist() == [0, 1, 1]
    assert table.axes == ("z", "y", "x")
    assert table.position.tolist() == [[1.5, 2, 3], [1.25, 2.5, 3.5], [0, 10, -2]]
    assert table.parent_id.tolist() == [-1, 7, 7]
    assert {name: column.tolist() for name, column in table.properties.items()} == {"radius": [4.5, 5, 6]}
    assert table.name == str(path)
    assert table.id.dtype == table.frame.dtype == table.parent_id.dtype == np.int64
    assert len(table) == 3


def test_two_dimensions_and_no_id(tmp_path):
    table = read_points(write(tmp_path, "t y x\n4 1 2\n2 3 4\n", "points.txt"))
    assert table.id.tolist() == [1, 2]
    assert table.frame.tolist() == [4, 2]
    assert table.axes == ("y", "x")
    assert table.position.tolist() == [[1, 2], [3, 4]]
    assert table.parent_id is None
    assert not table.properties


def test_one_point(tmp_path):
    assert read_points(write(tmp_path, "t,y,x\n4,1,2\n")).position.tolist() == [[1, 2]]


def test_an_id_of_0_can_be_a_parent(tmp_path):
    assert read_points(write(tmp_path, "id,t,y,x,parent_id\n0,0,1,1,-1\n5,1,1,1,0\n")).parent_id.tolist() == [-1, 0]


def test_ids_beyond_53_bits_are_exact(tmp_path):
    number = 2**62 + 1
    table = read_points(write(tmp_path, f"id,t,y,x,parent_id\n{number},0,1,1,\n3,1,1,1,{number}\n"))
    assert table.id.tolist() == [number, 3]
    assert table.parent_id.tolist() == [-1, number]


def test_a_gap_in_a_column_is_nan(tmp_path):
    table = read_points(write(tmp_path, "t,y,x,size,word\n0,1,1,,a\n1,1,1,5,\n"))
    np.testing.assert_array_equal(table.properties["size"], [np.nan, 5])
    assert list(table.properties) == ["size"]


@pytest.mark.parametrize("parents", ["-1,7,7", "9,8,9", "7,nonsense,1.5", "1,,inf"])
def test_without_lineage_parents_are_not_even_looked_at(tmp_path, parents):
    lines = [f"{k},{k},1,1,{cell},{cell}\n" for k, cell in enumerate(parents.split(","), start=7)]
    text = "id,t,y,x,parent_id,parent\n" + "".join(lines)
    table = read_points(write(tmp_path, text), lineage=False)
    assert table.parent_id is None
    assert not table.properties
    assert table.id.tolist() == [7, 8, 9]


BAD_TEXT = {
    "empty file": ("", "no points in FILE"),
    "only comments": ("# nothing\n", "no points in FILE"),
    "header only": ("id,t,y,x\n\n", "no points in FILE"),
    "missing columns": (
        "id,t,x\n1,0,4\n",
        "a point table needs a header that names the columns t, [z,] y, x and may name id and parent_id; FILE has no "
        "y (its first line: 'id,t,x')",
    ),
    "no header": (
        "1,0,4,5\n2,0,4,5\n",
        "a point table needs a header that names the columns t, [z,] y, x and may name id and parent_id; FILE has no "
        "t, y, x (its first line: '1,0,4,5')",
    ),
    "column twice": (
        "t,y,x,X\n0,1,1,1\n",
        "the columns of a point table need different names; FILE has twice: x",
    ),
    "parent without id": (
        "t,y,x,Parent\n0,1,1,1\n",
        "FILE has the column Parent but no id for it to refer to",
    ),
    "duplicate ids": (
        "id,t,y,x\n5,0,1,1\n\n6,0,1,1\n5,1,1,1\n5,2,1,1\n",
        "every point needs an id of its own; FILE repeats the ids 5: line 2, line 5, line 6. "
        "Number the points anew over the whole movie",
    ),
    "negative id": (
        "id,t,y,x\n5,0,1,1\n-6,0,1,1\n",
        "the id of a point must not be negative; found otherwise in FILE line 3",
    ),
    "nan": (
        "t,y,x\n0,1,1\n" + "0,nan,1\n" * 6 + "0,1,1\n",
        "positions must be finite; NaN or infinite in FILE line 3, line 4, line 5, line 6, line 7 and 1 more (6). "
        "Remove or mend these points",
    ),
    "infinite": (
        "t,y,x\n0,1,1\n# comment\n0,1,-inf\n",
        "positions must be finite; NaN or infinite in FILE line 4. Remove or mend these points",
    ),
    "time is no integer": ("t,y,x\n0,1,1\n1.5,1,1\n", "t must be an integer; not so in FILE line 3 ('1.5')"),
    "time is missing": ("t,y,x\n,1,1\n1,1,1\n", "t must be an integer; not so in FILE line 2 ('')"),
    "id is text": ("id,t,y,x\na1,1,1,1\n", "id must be an integer; not so in FILE line 2 ('a1')"),
    "id is too large": (
        "id,t,y,x\n99999999999999999999,1,1,1\n",
        "id must be an integer; not so in FILE line 2 ('99999999999999999999')",
    ),
    "parent is no integer": (
        "id,t,y,x,parent_id\n1,1,1,1,0.5\n",
        "parent_id must be an integer; not so in FILE line 2 ('0.5')",
    ),
    "position is text": ("t,y,x\n0,1,1\n0,one,1\n", "y must be a number; not so in FILE line 3 ('one')"),
    "decimal comma": ("t;y;x\n0;1,5;1\n", "y must be a number; not so in FILE line 2 ('1,5')"),
    "fields missing": (
        "t,y,x\n0,1,1\n0,1\n0,1,1,1\n",
        "every line of FILE needs 3 fields, as its header has; found otherwise in line 3 (2), line 4 (4)",
    ),
}


@pytest.mark.parametrize("name", BAD_TEXT)
def test_bad_text(tmp_path, name):
    text, message = BAD_TEXT[name]
    refused(write(tmp_path, text), message)


def test_unreadable_text(tmp_path):
    path = tmp_path / "points.csv"
    path.write_bytes(b"t,y,x\n0,1,\xff\xfe\n")
    with pytest.raises(PointsError, match=re.escape(f"cannot read the point table {path}: 'utf-8' codec")):
        read_points(path)


def test_paths(tmp_path):
    refused(tmp_path / "none.csv", "no point table at FILE")
    refused(
        write(tmp_path, PLAIN, "points.xlsx"),
        "FILE is not a known form of points: wanted a text table (.csv, .tsv, .txt), TrackMate's .xml or a .geff "
        "folder",
    )
