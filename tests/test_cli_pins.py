"""track pins: check, show, merge, from-truth, from-result."""

import json
from collections import Counter
from pathlib import Path

import pytest
from command_line import refused, track

from tracker.io.tracks_csv import read_tracks_csv
from tracker.pins import read_pin_rows

HEADER = "kind,t,label,t2,label2,t3,label3,value,note\n"
CONFIG = '[data]\nsegmentation = "masks"\n[annotations]\npins = ["pins.csv"]\n'
SIMULATED = '[data]\nsegmentation = "movie/01_SEG"\ntruth = "movie/01_GT/TRA"\n[solver]\nthreads = 1\n'


@pytest.fixture
def walk(walk):
    """The same, and its config names pins."""
    (walk / "config.toml").write_text(CONFIG)
    return walk


@pytest.fixture
def simulated(tmp_path, monkeypatch, capsys):
    """The current folder: a simulated movie whose costs alone do not find the truth."""
    monkeypatch.chdir(tmp_path)
    assert track("simulate", "movie", "--seed", 1, "--frames", 8, "--cells", 12, "--blink", 0.03, "-q") == 0
    (tmp_path / "config.toml").write_text(SIMULATED)
    return tmp_path


def pins(text, name="pins.csv"):
    Path(name).write_text(HEADER + text)


def edges(folder):
    """Links and detections of a result by the input's own t and label."""
    table = read_tracks_csv(Path(folder) / "tracks.csv")
    key = dict(zip(table.id.tolist(), zip(table.t.tolist(), table.label.tolist(), strict=True), strict=True))
    parents = zip(table.id.tolist(), table.parent_id.tolist(), strict=True)
    return {(key.get(parent), key[own]) for own, parent in parents}


# ---- made from a truth, from a result


def test_all_of_the_truth_gives_the_truth(simulated, capsys):
    pytest.importorskip("traccuracy")
    assert track("run", "config.toml", "--output", "free", "-q") == 0
    assert json.loads(Path("free/metrics.json").read_text())["AOGM"] > 0
    assert track("pins", "from-truth", "config.toml", "--output", "all.csv") == 0
    detections = len(read_tracks_csv(Path("free/tracks.csv")).t)
    rows = read_pin_rows([Path("all.csv")])
    kinds = Counter(row.kind for row in rows)
    assert kinds["children"] + kinds["detection"] == detections
    assert {row.keys[0][0] for row in rows if row.kind == "detection"} == {7}  # nobody knows what comes after
    line = capsys.readouterr().out
    assert line.startswith(f"wrote {len(rows)} pins (")
    assert line.endswith(" to all.csv\n")
    assert track("run", "config.toml", "--pins", "all.csv", "--output", "pinned", "-q") == 0
    assert json.loads(Path("pinned/metrics.json").read_text())["AOGM"] == 0


def test_a_truth_for_some_detections(simulated, capsys):
    for name, first, seed in (("ten", 10, 3), ("twenty", 20, 3), ("other", 10, 4)):
        arguments = ("--first", first, "--seed", seed, "--output", f"{name}.csv", "-q")
        assert track("pins", "from-truth", "config.toml", *arguments) == 0
    ten, twenty, other = (read_pin_rows([Path(f"{name}.csv")]) for name in ("ten", "twenty", "other"))
    assert len({row.keys[0] for row in ten}) == 10
    assert twenty[: len(ten)] == ten
    assert other != ten
    backwards = [row.keys[0] for row in reversed(ten) if row.kind != "appear"]
    pins("".join(f"children,{t},{label},,,,,?,\n" for t, label in backwards), "asked.csv")
    arguments = ("--order", "asked.csv", "--first", 4, "--truth", "movie/01_GT", "--output", "answered.csv", "-q")
    assert track("pins", "from-truth", "config.toml", *arguments) == 0
    answered = read_pin_rows([Path("answered.csv")])
    assert list(dict.fromkeys(row.keys[0] for row in answered)) == backwards[:4]
    assert set(answered) <= set(ten)
    assert track("pins", "merge", "asked.csv", "answered.csv", "--output", "both.csv") == 0
    assert capsys.readouterr().out.endswith("; 6 not answered yet) to both.csv\n")


def test_false_detections_are_rejected_unless_kept(simulated, capsys):
    table = Path("movie/01_GT/TRA/man_track.txt")
    assert table.is_file()
    points = "id,t,y,x,parent_id\n1,0,5,5,-1\n2,1,5,5,1\n"
    Path("points.csv").write_text(points + "3,1,90,90,-1\n")
    Path("truth.csv").write_text(points)
    Path("points.toml").write_text('[data]\npoints = "points.csv"\ntruth = "truth.csv"\n')
    assert track("pins", "from-truth", "points.toml", "--output", "all.csv", "-q") == 0
    assert Path("all.csv").read_text() == HEADER + (
        "children,0,1,1,2,,,true,from truth\ndetection,1,2,,,,,true,from truth\ndetection,1,3,,,,,false,from truth\n"
    )
    assert track("pins", "from-truth", "points.toml", "--keep-unmatched", "--output", "real.csv", "-q") == 0
    assert [row.kind for row in read_pin_rows([Path("real.csv")])] == ["children", "detection"]


def test_chosen_frames_end_no_track(simulated):
    """The same cells, in fewer frames: only the last of these is said otherwise."""
    assert track("pins", "from-truth", "config.toml", "--output", "all.csv", "-q") == 0
    arguments = ("--set", "data.frames=[0, 5]", "--output", "early.csv", "-q")
    assert track("pins", "from-truth", "config.toml", *arguments) == 0
    whole, early = (set(read_pin_rows([Path(name)])) for name in ("all.csv", "early.csv"))
    assert {row for row in early - whole if row.keys[0][0] < 4} == set()
    unknown = {row.keys[0] for row in early - whole}
    assert {row.kind for row in early - whole} == {"detection"}
    assert unknown == {row.keys[0] for row in whole if row.keys[0][0] == 4 and len(row.keys) > 1}
    assert track("pins", "check", "config.toml", "--pins", "early.csv", "--pins", "all.csv", "-q") == 0


def test_what_the_truth_lacks_is_named(walk, capsys):
    Path("points.csv").write_text("id,t,y,x\n1,0,5,5\n2,1,5,5\n4,2,5,5\n")
    Path("truth.csv").write_text("id,t,y,x,parent_id\n1,0,5,5,-1\n2,1,5,5,1\n")
    Path("points.toml").write_text('[data]\npoints = "points.csv"\n')
    assert track("pins", "from-truth", "points.toml", "--truth", "truth.csv", "--output", "pins.csv") == 0
    told = capsys.readouterr()
    assert told.err == "note: nothing is said of frames that the truth lacks: t = 2\n"
    assert told.out == "wrote 2 pins (1 detection, 1 children) to pins.csv\n"


def test_from_result_freezes(simulated):
    Path("config.toml").write_text(SIMULATED.replace("truth =", "# truth ="))
    assert track("run", "config.toml", "--output", "first", "-q", "--set", "costs.detection=-0.3") == 0
    report = json.loads(Path("first/run.json").read_text())["counts"]
    assert report["selected_detections"] < report["detections"]  # so some are left out, and stay so
    assert track("pins", "from-result", "first", "--output", "frozen.csv", "-q") == 0
    for name, setting in (("keep", "costs.appear=0"), ("dear", "costs.appear=9"), ("few", "candidates.neighbors=1")):
        arguments = ("--pins", "frozen.csv", "--output", name, "-q", "--set", setting)
        assert track("run", "config.toml", *arguments) == 0
        assert edges(name) == edges("first")
    assert track("run", "config.toml", "--output", "unpinned", "-q", "--set", "costs.appear=9") == 0
    assert edges("unpinned") != edges("first")


# ---- check and show


def test_check_counts(walk, capsys):
    pins("link,0,1,1,1,,,true,\nlink,0,5,1,1,,,false,\nappear,1,5,,,,,?,\n")
    pins("children,2,5,,,,,true,\n", "more.csv")
    assert track("pins", "check", "config.toml", "--pins", "more.csv") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["link", "2"], ["children", "1"], ["pins", "3"], ["with", "confidence", "0"], ["unanswered", "1"],
        ["no", "contradictions:", "a", "lineage", "honours", "them", "all"],
    ]  # fmt: skip
    assert track("pins", "check", "config.toml", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "pins": 2,
        "duplicates": 0,
        "kinds": {"detection": 0, "link": 2, "division": 0, "appear": 0, "disappear": 0, "children": 0},
        "with_confidence": 0,
        "unanswered": 1,
        "files": ["pins.csv"],
    }


def test_check_counts_each_different_pin_once(walk, capsys):
    pins("link,0,1,1,1,,,true,\nlink,0,1,1,1,,,true,again\n")
    pins("link,0,1,1,1,,,true,\nlink,0,5,1,5,,,true,\n", "more.csv")
    assert track("pins", "check", "config.toml", "--pins", "more.csv") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [["link", "2"], ["pins", "2"], ["duplicates", "2"]]


def test_check_refuses(walk, capsys):
    pins("link,0,1,1,1,,,true,\nlink,0,5,1,1,,,true,\n")
    refused(
        capsys,
        "pins.csv line 2 links 0:1 to 1:1, pins.csv line 3 links 0:5 to 1:1: a detection has one parent. "
        "Correct or remove one of the rows",
        "pins", "check", "config.toml", code=3,
    )  # fmt: skip
    pins("tie,0,1,,,,,true,\n")
    known = "detection, link, division, appear, disappear, children"
    message = f"pins.csv line 2: unknown kind 'tie', known are {known}"
    refused(capsys, message, "pins", "check", "config.toml")
    message = "there are no pins: name files in config.toml ([annotations] pins), or with --pins FILE"
    refused(capsys, message, "pins", "check", "config.toml", "--set", "annotations.pins=[]")


def test_check_finds_what_only_the_solver_sees(walk, capsys):
    # Each frame has two cells; two that end and none that may begin cannot be.
    pins("children,0,1,,,,,true,\nchildren,0,5,,,,,true,\nappear,1,1,,,,,false,\nchildren,1,5,,,,,true,\n")
    assert track("pins", "check", "config.toml") == 3
    message = capsys.readouterr().err
    assert message.startswith("error: these pins cannot hold together: ")
    assert all(f"pins.csv line {line} " in message for line in (2, 3, 4))
    assert "line 5" not in message


def test_show(walk, capsys):
    pins("link,0,1,1,1,,,true,see [red]here\n\ndetection,9,77,,,,,false,\nappear,1,5,,,,,?,\n")
    assert track("pins", "show", "config.toml") == 0
    told = capsys.readouterr()
    lines = [line.rstrip() for line in told.out.splitlines()]
    assert lines[1].split() == ["pins.csv:2", "links", "0:1", "to", "1:1", "see", "[red]here"]
    assert lines[2].split() == ["pins.csv:4", "rejects", "9:77"]
    assert len(lines) == 3
    assert told.err == "note: 1 rows are not answered yet (?)\n"
    assert track("pins", "show", "config.toml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unanswered"] == 1
    assert found["pins"][1] == {
        "file": "pins.csv", "line": 4, "meaning": "rejects 9:77", "kind": "detection", "keys": [[9, 77]],
        "value": False, "confidence": None, "note": "",
    }  # fmt: skip


# ---- merge, and what is refused


def test_merge(walk, capsys):
    pins("link,0,1,1,1,,,true,\nchildren,1,1,2,1,,,?,\nappear,1,5,,,,,?,\n", "a.csv")
    pins("link,0,1,1,1,,,true,\nchildren,1,1,2,5,,,true,\n", "b.csv")
    assert track("pins", "merge", "a.csv", "b.csv", "--output", "c.csv") == 0
    assert capsys.readouterr().out == "wrote 3 pins (1 link, 1 appear, 1 children; 1 not answered yet) to c.csv\n"
    wanted = HEADER + "link,0,1,1,1,,,true,\nappear,1,5,,,,,?,\nchildren,1,1,2,5,,,true,\n"
    assert Path("c.csv").read_text() == wanted
    message = "c.csv exists already. Name another file, or replace it with --overwrite"
    refused(capsys, message, "pins", "merge", "a.csv", "--output", "c.csv")
    assert Path("c.csv").read_text() == wanted
    assert track("pins", "merge", "b.csv", "--output", "c.csv", "--overwrite", "-q") == 0
    assert Path("c.csv").read_text() == Path("b.csv").read_text()


def test_merge_warns_of_contradictions(walk, capsys):
    """They show in the rows alone, whatever the movie; the file is written to be corrected."""
    pins("link,0,1,1,1,,,true,\n", "a.csv")
    pins("link,0,5,1,1,,,true,\n", "b.csv")
    assert track("pins", "merge", "a.csv", "b.csv", "--output", "c.csv") == 0
    assert capsys.readouterr().err == (
        "warning: these pins contradict each other: a.csv line 2 links 0:1 to 1:1, b.csv line 2 links 0:5 to 1:1: "
        "a detection has one parent. Correct or remove one of the rows\n"
    )
    assert len(read_pin_rows([Path("c.csv")])) == 2
    pins("", "empty.csv")
    assert track("pins", "merge", "empty.csv", "a.csv", "--output", "d.csv") == 0
    assert track("pins", "merge", "empty.csv", "--output", "e.csv") == 0
    assert capsys.readouterr().err == ""


def test_makers_refuse(walk, capsys):
    message = "a ground truth is needed: set data.truth in config.toml, or give --truth PATH"
    refused(capsys, message, "pins", "from-truth", "config.toml", "--output", "new.csv")
    message = "--seed shuffles the detections of which --first takes some; it goes with --first alone"
    refused(capsys, message, "pins", "from-truth", "config.toml", "--output", "new.csv", "--seed", 1)
    message = "there is no tracks.csv in masks. Give the folder that `track run` wrote"
    refused(capsys, message, "pins", "from-result", "masks", "--output", "new.csv")
