"""track run --explain: the bill on a terminal and as JSON; docs/explain.md tells the truth."""

import json
import re
import shlex
from pathlib import Path

import pytest
from command_line import refused, track

DOCUMENT = Path(__file__).parents[1] / "docs" / "explain.md"
CONFIG = """
[data]
points = "line.csv"
[annotations]
pins = ["pins.csv"]
[solver]
threads = 1
[costs]
preset = "none"
appear = 3
disappear = 3
division = 1.5
terms = [{on = "link", feature = "distance"}]
"""
HEADER = "kind,t,label,t2,label2,t3,label3,value,confidence\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: cells 7 in frame 0, 3 and 4 in frame 1, of which 3 is nearer to 7, and a config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.csv").write_text("id,t,y,x\n7,0,0,0\n3,1,0,1\n4,1,0,-2\n")
    (tmp_path / "pins.csv").write_text(HEADER)
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Standard output without the blanks that fill the columns of tables."""
    assert track(*arguments) == 0, capsys.readouterr().err
    return re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE)


# ---- on a terminal


def test_a_bill(capsys):
    out = printed(capsys, "run", "config.toml", "--explain", "0:7")
    wanted = """\
0:7 continues as 1:3; otherwise it would divide into 1:3 and 1:4, +0.50
0:7 appears; there is no other way

out of 0:7                 cost  more  made of
link to 1:3 (chosen)          1        +1  1 x distance 1
division into 1:3 and 1:4   4.5  +0.5  +1  1 x link to 1:3, distance 1
                                       +2  1 x link to 1:4, distance 2
                                       +1.5  costs.division
link to 1:4                   2    +1  +2  1 x distance 2
disappear                     3    +5  +3  costs.disappear

into 0:7         cost  more  made of
appear (chosen)     0        +0  costs.appear, free in the first frame

"""
    assert out.partition("cost        4")[0] == wanted
    assert Path("result/tracks.csv").is_file()


def test_bills_with_pins_and_a_cost_of_being_a_cell(capsys):
    Path("pins.csv").write_text(HEADER + "children,0,7,1,4,,,true,\nappear,1,3,,,,,false,0.25\n")
    out = printed(capsys, "run", "config.toml", "--explain", "0:7", "--explain", "1:3", "--set", "costs.detection=-2")
    wanted = """\
0:7 continues as 1:4; there is no other way
0:7 appears; there is no other way

0:7 itself                     cost  more  made of
being a cell (chosen, pinned)    -2        -2  costs.detection

out of 0:7                    cost  more  made of
link to 1:4 (chosen, pinned)     2        +2  1 x distance 2
3 impossible                              3 closed by pins

into 0:7         cost  more  made of
appear (chosen)     0        +0  costs.appear, free in the first frame

1:3 ends; otherwise it would not be a cell, +0.10
1:3 appears; otherwise it would not be a cell, +0.10

1:3 itself             cost  more  made of
being a cell (chosen)    -2        -2  costs.detection

without 1:3 the lineage would cost 0.09861 more

out of 1:3          cost  more  made of
disappear (chosen)     0        +0  costs.disappear, free in the last frame

into 1:3          cost  more  made of
appear (chosen)  1.901        +3  costs.appear
                              -1.099  pins.csv line 3 says 1:3 does not appear, confidence 0.25
2 impossible                  2 closed by pins

"""
    assert out.partition("cost        -2.09861")[0] == wanted


def test_the_split_model(capsys):
    out = printed(
        capsys, "run", "config.toml", "--explain", "1:4", "--explain", "0:7",
        "--set", "candidates.divisions=split", "--set", "costs.division=-1.5",
    )  # fmt: skip
    assert "1:4 comes from the division of 0:7, with 1:3; otherwise it would appear, +2.50\n" in out
    wanted = """
0:7 divides into 1:3 and 1:4; otherwise it would continue as 1:3, +2.50
0:7 appears; there is no other way

out of 0:7                cost  more  made of
dividing at all (chosen)  -1.5        -1.5  costs.division
link to 1:3 (chosen)         1        +1  1 x distance 1
link to 1:4 (chosen)         2        +2  1 x distance 2
disappear                    3  +7.5  +3  costs.disappear
"""
    assert wanted in out


def test_many_ways_are_cut_short(capsys, folder):
    rows = [f"{30 + 10 * t + number},{t},0,{10 * number + t * number}" for t in (0, 1) for number in range(9)]
    (folder / "line.csv").write_text("id,t,y,x\n" + "\n".join(rows) + "\n")
    settings = ("--set", "costs.division=0.25", "--set", "data.unit=um")
    out = printed(capsys, "run", "config.toml", "--explain", "0:34", *settings)
    table = out[out.index("out of 0:34") : out.index("\n\ninto")].splitlines()
    found = re.fullmatch(r"(\d+) others +([\d.]+) +\? +or dearer; not re-solved", table[-1])
    document = json.loads(
        printed(capsys, "run", "config.toml", "--explain", "0:34", *settings, "--overwrite", "--json")
    )
    ways = document["explain"][0]["out"]["ways"]
    assert len(ways) == 9 + 36 + 1
    unknown = [way for way in ways if way["possible"] is None]
    assert len(unknown) == int(found[1])
    assert min(way["cost"] for way in unknown) == pytest.approx(float(found[2]), rel=1e-3)
    assert all(way["more"] is None for way in unknown)


def test_quiet_prints_nothing(capsys):
    assert printed(capsys, "run", "config.toml", "--explain", "0:7", "-q") == ""


# ---- as JSON


def test_json(capsys):
    Path("pins.csv").write_text(HEADER + "link,0,7,1,4,,,false,\n")
    arguments = ("run", "config.toml", "--json", "--explain", "0:7", "--explain", " 0 : 7 ")
    (bill,) = json.loads(printed(capsys, *arguments))["explain"]  # asked twice, answered once
    into = bill.pop("into")
    assert into["sentence"] == "0:7 appears; there is no other way"
    assert into["margin"] is None
    link, end, *closed = bill["out"].pop("ways")
    assert bill == {
        "t": 0,
        "label": 7,
        "selected": True,
        "detection": {
            "kind": "detection", "keys": [], "column": 0, "lines": [], "cost": 0.0, "chosen": True, "pin": "",
            "more": 0.0, "possible": True,
        },
        "more_without": None,
        "out": {"sentence": "0:7 continues as 1:3; otherwise it would end, +5.00", "margin": 5.0},
    }  # fmt: skip
    assert link == {
        "kind": "link", "keys": [[1, 3]], "column": 3, "cost": 1.0, "chosen": True, "pin": "", "more": 0.0,
        "possible": True,
        "lines": [{"name": "distance", "cost": 1.0, "value": 1.0, "standardised": None, "weight": 1.0}],
    }  # fmt: skip
    assert (end["kind"], end["more"], end["lines"][0]["weight"]) == ("disappear", 5.0, None)
    assert [(way["kind"], way["pin"], way["more"], way["possible"]) for way in closed] == [
        ("link", "closes", None, False),
        ("division", "closes", None, False),
    ]


def test_json_without_explain_has_no_such_key(capsys):
    assert "explain" not in json.loads(printed(capsys, "run", "config.toml", "--json"))


# ---- refused, before anything is solved or written


@pytest.mark.parametrize("text", ["5-31", "5", ":", "5:", "a:1", "1:2:3", "-1:2", "1.5:2", "1:٣", "1:" + "9" * 19])
def test_malformed(capsys, text):
    message = f"--explain wants T:LABEL, the frame and label of a detection, such as 5:31, found {text!r}"
    refused(capsys, message, "run", "config.toml", f"--explain={text}")


def test_unknown_detections(capsys, monkeypatch):
    monkeypatch.setattr("tracker.pipeline.solve_pinned", None)
    refused(
        capsys,
        "there is no detection 0:8 to explain: frame 0 has the label 7. Name one that is there",
        "run", "config.toml", "--explain", "0:8",
    )  # fmt: skip
    refused(
        capsys,
        "there is no detection 1:-5 to explain: frame 1 has 2 labels, the nearest are 3, 4. Name one that is there",
        "run", "config.toml", "--explain", "0:7", "--explain", "1:-5",
    )  # fmt: skip
    refused(
        capsys,
        "there is no detection 1:3 to explain: the frames of this run are t = 0. Name one of them, or change "
        "data.frames",
        "run", "config.toml", "--explain", "1:3", "--set", "data.frames=[0,1]",
    )  # fmt: skip


# ---- the document


def test_the_document_shows_what_is_printed(capsys):
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(sh|text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    commands, wanted = blocks["sh"], blocks["text"]
    out = ""
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "track"
        out = printed(capsys, *arguments)
    assert out.startswith(wanted + "\ncost ")
