"""track tune: what it writes and says, and what it refuses."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from command_line import refused, track, tree
from tuning_movies import write_config, write_points

from tracker.tuning import strength
from tracker.tuning import tune as tuning

pytest.importorskip("optuna", reason="the search needs the extra tune")
pytest.importorskip("matplotlib", reason="the report needs the extra plot")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a movie of points and a config."""
    monkeypatch.chdir(tmp_path)
    write_points(tmp_path / "points.csv")
    write_config(tmp_path)
    for module in (strength, tuning):
        monkeypatch.setattr(module, "STRENGTHS", (0.01, 0.1))  # fewer, for speed
    return tmp_path


def aogm(config: str, result: str) -> float:
    assert track("run", config, "--output", result, "--quiet") == 0
    return json.loads((Path(result) / "metrics.json").read_text())["AOGM"]


def test_learns_writes_and_runs(folder, capsys):
    pytest.importorskip("traccuracy")
    assert track("tune", "config.toml", "--output", "tuned") == 0
    printed = capsys.readouterr()
    assert "tuned.toml has the costs of" in printed.out
    assert sorted(path.name for path in (folder / "tuned").iterdir()) == [
        "tuned.toml", "tuning.db", "tuning.json", "tuning.png",
    ]  # fmt: skip
    report = json.loads((folder / "tuned" / "tuning.json").read_text())
    assert list(report["held_out"]) == ["before", "SSVM", "search"]
    assert [fold["held_out"] for fold in report["folds"]] == ["t = 0 to 3", "t = 4 to 7"]
    assert report["held_out"][report["kept"]]["loss"]["mean"] < 0.5 * report["held_out"]["before"]["loss"]["mean"]
    assert aogm("tuned/tuned.toml", "after") < 0.5 * aogm("config.toml", "before")
    tuned = tomllib.loads((folder / "tuned" / "tuned.toml").read_text())
    assert tuned["data"]["points"] == "../points.csv"
    lines = (folder / "tuned" / "tuned.toml").read_text().splitlines()
    keys = [line for line in lines if " = " in line and not line.startswith("#")]
    assert all("  # " in line for line in keys)
    assert any(line.startswith("appear = ") and "appearing costs as much as a link of" in line for line in keys)


def test_two_runs_with_a_seed_agree(folder):
    for name in ("a", "b"):
        assert track("tune", "config.toml", "--output", name, "--seed", 3, "--quiet") == 0
    one, other = (json.loads((folder / name / "tuning.json").read_text()) for name in ("a", "b"))
    for report in (one, other):
        del report["seconds"], report["ssvm"]["seconds"]
    assert one == other
    assert (folder / "a" / "tuned.toml").read_text() == (folder / "b" / "tuned.toml").read_text()


def test_an_interrupted_tuning_goes_on(folder, capsys, monkeypatch):
    """Ctrl-C in the fifth solve of the search; then the same command, and one that was never interrupted."""
    calls, search = 0, tuning.search

    def interrupting(loss, *args, **kwargs):
        def asked(weights):
            nonlocal calls
            calls += 1
            if calls == 5:
                raise KeyboardInterrupt
            return loss(weights)

        return search(asked, *args, **kwargs)

    monkeypatch.setattr(tuning, "search", interrupting)
    assert track("tune", "config.toml", "--output", "cut") == 1
    database = Path("cut") / "tuning.db"
    assert capsys.readouterr().err.endswith(
        f"error: interrupted; {database} keeps the trials so far, and the same command goes on from there\n"
    )
    monkeypatch.setattr(tuning, "search", search)
    assert track("tune", "config.toml", "--output", "cut") == 0
    assert "4 trials taken over from" in capsys.readouterr().err.replace("\n", " ")
    assert track("tune", "config.toml", "--output", "whole", "--quiet") == 0
    assert (folder / "cut" / "tuned.toml").read_text() == (folder / "whole" / "tuned.toml").read_text()


def test_without_search_nothing_is_searched(folder, capsys):
    assert track("tune", "config.toml", "--output", "tuned", "--no-search", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["held_out"]) == ["before", "SSVM"]
    assert report["search"] is None
    assert not (folder / "tuned" / "tuning.db").exists()


def test_costs_that_cannot_be_better_are_kept_and_that_is_said(folder, capsys):
    """Steps are so short that the costs make no error: learning cannot help."""
    write_points(folder / "points.csv", step=0.3, divide=0.0)
    text = (folder / "config.toml").read_text().replace("appear = 0.2", "appear = 5.0")
    (folder / "config.toml").write_text(text)
    assert track("tune", "config.toml", "--output", "tuned", "--no-search") == 0
    assert (
        "tuning did not help: on held-out data SSVM gives 0, the costs as they were 0 (smaller is better); "
        "tuned.toml keeps the costs as they were"
    ) in capsys.readouterr().out
    given, tuned = (tomllib.loads((folder / name).read_text()) for name in ("config.toml", "tuned/tuned.toml"))
    assert tuned["costs"]["appear"] == 5.0
    assert [term["weight"] for term in tuned["costs"]["terms"]] == [term["weight"] for term in given["costs"]["terms"]]


def test_no_division_to_learn_from_is_said(folder, capsys):
    write_points(folder / "points.csv", divide=0.0, seed=0)
    assert track("tune", "config.toml", "--output", "tuned", "--no-search") == 0
    messages = capsys.readouterr().err
    assert "nothing divides in what is learnt from when t = 0 to 3, t = 4 to 7 is held out" in messages
    tuned = tomllib.loads((folder / "tuned" / "tuned.toml").read_text())
    assert tuned["costs"]["division"] == 0.1


def test_the_division_score_needs_divisions(folder, capsys):
    write_points(folder / "points.csv", divide=0.0)
    refused(
        capsys,
        "the objective division_f1 needs true divisions: nothing divides in the truth, in the frames that are used. "
        "Use aogm, or frames in which cells divide",
        "tune", "config.toml", "--objective", "division_f1", "--quiet",
    )  # fmt: skip


def test_pins_alone(folder, capsys):
    """Without a truth the search, and every metric, is left out; learnt is from what the pins decide."""
    assert track("pins", "from-truth", "config.toml", "--output", "pins.csv") == 0
    text = (folder / "config.toml").read_text().replace('truth = "points.csv"\n', "")
    (folder / "config.toml").write_text(text)
    capsys.readouterr()
    assert track("tune", "config.toml", "--pins", "pins.csv", "--output", "tuned") == 0
    printed = capsys.readouterr()
    assert "scored is the share of these choices that come out wrong, and there is no search" in printed.err
    report = json.loads((folder / "tuned" / "tuning.json").read_text())
    assert report["objective"] == "share of wrong decisions"
    assert report["held_out"]["SSVM"]["loss"]["mean"] < 0.5 * report["held_out"]["before"]["loss"]["mean"]
    assert tomllib.loads((folder / "tuned" / "tuned.toml").read_text())["annotations"]["pins"] == ["../pins.csv"]


def test_pins_that_are_asked_for_go_before_the_truth_of_the_config(folder, capsys):
    assert track("pins", "from-truth", "config.toml", "--output", "pins.csv") == 0
    capsys.readouterr()
    asked = ("tune", "config.toml", "--pins", "pins.csv", "--no-search")
    assert track(*asked, "--output", "tuned") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "learnt from the pins pins.csv, as --pins asks; not from the truth points.csv" in said
    report = json.loads((folder / "tuned" / "tuning.json").read_text())
    assert report["objective"] == "share of wrong decisions"
    tuned = tomllib.loads((folder / "tuned" / "tuned.toml").read_text())
    assert tuned["data"]["truth"] == "../points.csv"
    assert tuned["annotations"]["pins"] == ["../pins.csv"]

    assert track(*asked, "--truth", "points.csv", "--output", "both") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "points.csv, not from the pins pins.csv" in said
    assert json.loads((folder / "both" / "tuning.json").read_text())["objective"] == "aogm"


@pytest.mark.parametrize("more", [(), ("--truth", "points.csv")])
def test_pins_that_cannot_be_honoured_are_refused(folder, capsys, more):
    assert track("tune", "config.toml", "--pins", "nowhere.csv", *more) == 2
    assert "nowhere.csv" in capsys.readouterr().err
    rows = [line.split(",") for line in (folder / "points.csv").read_text().splitlines()[1:]]
    parents, children = ([row[0] for row in rows if row[1] == t] for t in ("0", "1"))
    lines = [f"link,0,{parent},1,{children[0]},true" for parent in parents[:2]]
    (folder / "wrong.csv").write_text("\n".join(["kind,t,label,t2,label2,value", *lines]) + "\n")
    assert track("tune", "config.toml", "--pins", "wrong.csv", *more) == 3
    assert "a detection has one parent. Correct or remove one of the rows" in capsys.readouterr().err


def test_with_what_the_movie_measures_constants_are_numbers(folder):
    """Preset auto: constants are times a surprise; without a division in the truth that constant is left alone."""
    write_points(folder / "points.csv", divide=0.0)
    text = (folder / "config.toml").read_text()
    start, end = text.index("[costs]"), text.index("[tuning]")
    (folder / "config.toml").write_text(text[:start] + text[end:])
    assert track("tune", "config.toml", "--output", "tuned", "--no-search", "--features", "config", "--quiet") == 0
    lines = (folder / "tuned" / "tuned.toml").read_text().splitlines()
    appear, division = (next(line for line in lines if line.startswith(key)) for key in ("appear = ", "division = "))
    assert re.search(r"# times its surprise: about [\d.]+ at a typical cell, as much as a link of [\d.]+ nats$", appear)
    assert division.endswith(
        "every division costs what its terms say; left alone: nothing in the annotation decides it"
    )


def test_scored_on_another_movie(folder):
    write_points(folder / "other.csv", seed=5)
    write_config(folder, "other.toml", "other.csv")
    settings = ["--set", "tuning.validate=movie", "--set", 'tuning.movies=["other.toml"]', "--no-search", "--quiet"]
    assert track("tune", "config.toml", "--output", "tuned", *settings) == 0
    report = json.loads((folder / "tuned" / "tuning.json").read_text())
    assert [fold["held_out"] for fold in report["folds"]] == ["other.toml"]
    assert report["held_out"]["SSVM"]["loss"]["mean"] < 0.5 * report["held_out"]["before"]["loss"]["mean"]
    assert tomllib.loads((folder / "tuned" / "tuned.toml").read_text())["tuning"]["movies"] == ["../other.toml"]


def test_refusals(folder, capsys):
    refused(
        capsys, "an objective must be one of aogm, lnk, division_f1, chota; found 'f1'",
        "tune", "config.toml", "--objective", "f1",
    )  # fmt: skip
    refused(capsys, "--features must be auto, all or config; found 'many'", "tune", "config.toml", "--features", "many")
    refused(
        capsys,
        'tuning solves with HiGHS, found solver.backend = "scip". Set it to "highs"; the tuned costs are good for '
        "every backend",
        "tune", "config.toml", "--set", "solver.backend=scip",
    )  # fmt: skip
    (folder / "tuned").mkdir()
    (folder / "tuned" / "tuned.toml").write_text("")
    refused(
        capsys,
        "tuned holds a tuning already (tuned.toml). Name another --output, or replace it with --overwrite",
        "tune", "config.toml",
    )  # fmt: skip
    text = (folder / "config.toml").read_text().replace('truth = "points.csv"\n', "")
    (folder / "config.toml").write_text(text)
    refused(
        capsys,
        "tuning learns from annotations: give a ground truth ([data] truth) or files of pins ([annotations] pins), "
        "found neither. `track suggest` says what is worth annotating",
        "tune", "config.toml", "--output", "other",
    )  # fmt: skip


def test_a_truth_of_other_frames_is_refused(folder, capsys):
    rows = [line.split(",") for line in (folder / "points.csv").read_text().splitlines()]
    late = [rows[0], *([row[0], str(int(row[1]) + 50), *row[2:]] for row in rows[1:])]
    (folder / "late.csv").write_text("\n".join(",".join(row) for row in late) + "\n")
    before = tree(folder)
    assert track("tune", "config.toml", "--truth", "late.csv") == 2
    assert "none of the frames wanted" in capsys.readouterr().err
    assert tree(folder) == before


def test_a_truth_of_another_movie_is_refused(folder, capsys):
    write_points(folder / "far.csv", seed=7)
    rows = [line.split(",") for line in (folder / "far.csv").read_text().splitlines()]
    far = [rows[0], *([str(int(row[0]) + 5000), row[1], str(float(row[2]) + 900), row[3], "-1"] for row in rows[1:])]
    (folder / "far.csv").write_text("\n".join(",".join(row) for row in far) + "\n")
    assert track("tune", "config.toml", "--truth", "far.csv") == 2
    message = capsys.readouterr().err
    assert "does not fit the detections: 0 of its" in message
    assert "wanted at least 50%" in message


def test_too_many_folds(capsys):
    refused(
        capsys,
        "5 time blocks need at least 2 blocks of 2 annotated frames each; the annotation covers 8 of the 8 frames. "
        "Choose other tuning.folds, or annotate more frames",
        "tune", "config.toml", "--folds", 5, "--quiet",
    )  # fmt: skip


def test_held_out_frames_are_never_learnt_from(folder):
    """The lineage of the second half is replaced by another one: what was learnt without it is the same bit for bit."""
    assert track("tune", "config.toml", "--output", "a", "--quiet") == 0
    rows = [line.split(",") for line in (folder / "points.csv").read_text().splitlines()]
    frame = {row[0]: row[1] for row in rows[1:]}
    for row in rows[1:]:
        if int(row[1]) >= 5:
            same = [other[0] for other in rows[1:] if other[1] == frame[row[4]]]
            row[4] = same[(same.index(row[4]) + 1) % len(same)]
    (folder / "wrong.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    assert track("tune", "config.toml", "--truth", "wrong.csv", "--output", "b", "--quiet") == 0
    one, other = (json.loads((folder / name / "tuning.json").read_text()) for name in ("a", "b"))
    held_out = [report["folds"][1] for report in (one, other)]
    assert held_out[0]["held_out"] == held_out[1]["held_out"] == "t = 4 to 7"
    assert held_out[0]["losses"]["before"] != held_out[1]["losses"]["before"]
    assert held_out[0]["l2"] == held_out[1]["l2"]
    np.testing.assert_array_equal(held_out[0]["weights"]["SSVM"], held_out[1]["weights"]["SSVM"])
    np.testing.assert_array_equal(held_out[0]["weights"]["search"], held_out[1]["weights"]["search"])
