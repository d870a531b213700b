"""The command line's contract: exit codes, streams, options."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import refused, track, tree, write_walk

from tracker import __version__
from tracker.errors import NoSolutionError, PinConflictError
from tracker.io.tracks_csv import read_tracks_csv

CONFIG = '[data]\nimages = "images"\nsegmentation = "masks"\n'
COMMANDS = ("init", "check", "run", "evaluate", "simulate")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a movie of two cells and a config."""
    monkeypatch.chdir(write_walk(tmp_path))
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def failing(error: BaseException):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


# ---- exit codes


def test_success_prints_on_stdout_alone(capsys, folder):
    assert track("run", "config.toml") == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = [line.rstrip() for line in output.out.splitlines()]
    assert lines[0] == "cost        -5.97405  (proven optimal by integral LP, gap 0)"
    assert lines[1:5] == [
        "detections  8 of 8 in the lineage",
        "links       6 of 12 candidates",
        "divisions   0 of 6 candidates",
        "tracks      2; 2 appear, 2 disappear",
    ]
    assert lines[-1] == "result in result"
    assert sorted(path.name for path in (folder / "result").iterdir()) == [
        "ctc", "run.json", "tracks.csv", "tracks.geff",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PinConflictError("pins.csv line 2 and line 3 contradict"), 3, "pins.csv line 2 and line 3 contradict"),
        (NoSolutionError("the time limit came first"), 4, "the time limit came first"),
        (KeyboardInterrupt(), 1, "interrupted; nothing was written"),
        (
            MemoryError(),
            1,
            "out of memory; nothing was written. `track check` says how much a run needs; fewer neighbors or "
            "pairs_per_parent need less",
        ),
        (
            ZeroDivisionError("by [zero]"),
            1,
            "unexpected ZeroDivisionError: by [zero]. This is a bug; run again with --verbose and report it",
        ),
    ],
)
@pytest.mark.parametrize("stage", ["solve", "write_result"])
def test_exit_codes(capsys, monkeypatch, error, code, message, stage):
    monkeypatch.setattr(f"tracker.pipeline.{stage}", failing(error))
    refused(capsys, message, "run", "config.toml", code=code)
    refused(capsys, message, "run", "--segmentation", "masks", code=code)


def test_ctrl_c_while_writing_leaves_the_earlier_result(capsys, monkeypatch):
    assert track("run", "config.toml", "-q") == 0
    monkeypatch.setattr("tracker.io.result.write_geff", failing(KeyboardInterrupt()))
    refused(capsys, "interrupted; nothing was written", "run", "config.toml", "--overwrite", code=1)


def test_a_traceback_only_when_asked_for(capsys, monkeypatch):
    monkeypatch.setattr("tracker.pipeline.solve", failing(ZeroDivisionError("x")))
    assert track("run", "config.toml", "--verbose") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" in output.err


def test_the_time_limit_still_gives_a_lineage(capsys):
    assert track("run", "config.toml", "--json", "--set", "solver.time_limit_s=1e-9") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["status"] in ("optimal", "feasible")
    assert report["bound"] <= report["objective"]
    assert report["config"]["solver"]["time_limit_s"] == 1e-9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--nonsense"], "No such option: --nonsense"),
        (["walk"], "No such command 'walk'"),
        (["evaluate", "result"], "Missing argument"),
        (["simulate", "movie", "--frames", "0"], "Invalid value for '--frames'"),
        ([], "Usage: track"),
    ],
)
def test_a_mistake_on_the_command_line(capsys, arguments, said):
    assert track(*arguments) == 2
    output = capsys.readouterr()
    assert said in output.err + output.out  # help asked for by giving nothing goes to stdout
    assert "Traceback" not in output.err


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(capsys, command):
    assert track(*command, "--help") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "Usage: track" in output.out
    for option in ["--quiet", "-q", "--verbose", "-v"] if command else COMMANDS:
        assert option in output.out


# ---- messages


def test_quiet(capsys):
    assert track("run", "config.toml", "--quiet") == 0
    assert track("check", "config.toml", "-q") == 0  # which would tell that the result exists
    assert track("init", "--output", "new.toml", "-q") == 0
    assert track("simulate", "movie", "--frames", "2", "--cells", "2", "--shape", "32,32", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert track("run", "config.toml", "-q") == 2
    assert capsys.readouterr().err.startswith("error: the result folder ")


def test_verbose_times_the_stages(capsys):
    assert track("run", "config.toml", "-v") == 0
    told = capsys.readouterr().err
    for stage in ("reading detections", "proposing candidates", "solving"):
        assert f"DEBUG    {stage}: 0." in told


def test_warnings_of_the_library_go_to_stderr(capsys, monkeypatch):
    def write_ctc(*_: object) -> None:
        logging.getLogger("tracker.io.write_ctc").warning("labels of [red] are beyond 16 bits")

    monkeypatch.setattr("tracker.io.result.write_ctc", write_ctc)
    assert track("run", "config.toml", "--json") == 0
    output = capsys.readouterr()
    assert " ".join(output.err.split()) == "WARNING labels of [red] are beyond 16 bits"
    json.loads(output.out)


def test_brackets_in_a_message_are_no_markup(capsys, folder):
    shutil.copytree("masks", "masks [red]")
    assert track("run", "--segmentation", "masks [red]", "--output", "result[1]") == 0
    assert capsys.readouterr().out.endswith(f"result in {folder}/result[1], its config in {folder}/result[1].toml\n")
    assert track("check", "result[1].toml") == 0
    assert capsys.readouterr().err == (
        f"note: the result folder {folder}/result[1] exists already. Name another [output] path, or replace it "
        "with --overwrite\n"
    )


# ---- JSON


def test_json_is_all_there_is_on_stdout(capsys, folder):
    (folder / "truth.csv").write_text("id,t,y,x,parent_id\n1,0,3.5,3.5,-1\n2,1,3.5,4.5,1\n")
    truth = ["--set", "data.truth=truth.csv"]
    assert track("run", "config.toml", "--json", *truth) == 0
    output = capsys.readouterr()
    assert output.err == ""
    printed = json.loads(output.out, parse_constant=pytest.fail)  # neither NaN nor Infinity
    metrics = printed.pop("metrics")
    assert printed == json.loads((folder / "result/run.json").read_text())
    assert metrics == json.loads((folder / "result/metrics.json").read_text())
    assert metrics["fn_edges"] == 0
    assert track("check", "config.toml", "--json") == 0
    json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert track("evaluate", "result", "truth.csv", "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    evaluated = json.loads(output.out, parse_constant=pytest.fail)
    assert [evaluated[name] for name in ("TRA", "fn_edges")] == [metrics[name] for name in ("TRA", "fn_edges")]


# ---- without a config


def test_a_run_without_config_leaves_one_that_repeats_it(capsys, folder):
    assert track("run", "--images", "images", "--segmentation", "masks", "--output", "out/result") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"result in {folder}/out/result, its config in {folder}/out/result.toml"
    assert sorted(path.name for path in Path("out").iterdir()) == ["result", "result.toml"]
    text = Path("out/result.toml").read_text()
    assert 'images = "../images" ' in text
    assert 'path = "result" ' in text
    first = tree(Path("out/result"))
    assert track("run", "out/result.toml", "-q") == 2
    assert track("run", "out/result.toml", "--overwrite", "-q") == 0
    again = tree(Path("out/result"))
    assert first.keys() == again.keys()
    changed = {name for name in first if first[name] != again[name]}
    assert changed == {"run.json"}  # seconds and memory
    configs = [json.loads(content["run.json"])["config"] for content in (first, again)]
    assert configs[0] == configs[1]


def test_points_without_config(capsys, folder):
    (folder / "cells.csv").write_text("id,t,y,x\n4,0,1,1\n2,1,1,2\n")
    assert track("run", "--points", "cells.csv", "--set", "data.unit=micrometer", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert 'unit = "micrometer"' in Path("result.toml").read_text()
    table = Path("result/tracks.csv").read_text().splitlines()
    assert table == ["id,t,y,x,label,track_id,parent_id,margin,margin_in", *table[1:]]
    assert [line.split(",")[:7] for line in table[1:]] == [
        ["4", "0", "1.0", "1.0", "4", "1", "-1"],
        ["2", "1", "1.0", "2.0", "2", "1", "4"],
    ]
    assert not Path("result/ctc").exists()


def test_a_run_without_config_refuses(capsys, folder):
    refused(capsys, "give a config file, or --segmentation (with --images), or --points", "run", "--images", "images")
    refused(
        capsys,
        "--images, --points cannot be combined with a config file; set it there, or with --set data.images=PATH",
        "run", "config.toml", "--images", "images", "--points", "a.csv",
    )  # fmt: skip
    refused(
        capsys,
        "options: [data]: give either segmentation (masks) or points, found both",
        "run", "--segmentation", "masks", "--points", "a.csv",
    )  # fmt: skip
    (folder / "result.toml").write_text("mine")
    refused(
        capsys,
        f"{folder}/result.toml exists already. Name another --output, or replace it with --overwrite",
        "run", "--segmentation", "masks",
    )  # fmt: skip


# ---- with a config


def test_set_overrides_the_file(capsys):
    settings = ["data.frames=[1, 4]", "data.unit=µm", "candidates.divisions=none", 'output.path="else where"']
    assert track("run", "config.toml", "--json", *(part for text in settings for part in ("--set", text))) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["config"]["data"]["frames"] == [1, 4]
    assert report["config"]["data"]["unit"] == "µm"
    assert report["counts"]["divisions"] == 0
    assert read_tracks_csv(Path("else where/tracks.csv")).t.tolist() == [1, 1, 2, 2, 3, 3]


def test_set_names_itself_when_it_is_wrong(capsys):
    refused(
        capsys,
        "--set: [solver] gapp: unknown key; did you mean 'gap'?",
        "run", "config.toml", "--set", "solver.gapp=0",
    )  # fmt: skip
    refused(
        capsys,
        "--set wants section.key=VALUE, such as solver.gap=0.01, found 'gap=0'",
        "check", "config.toml", "--set", "gap=0",
    )  # fmt: skip


def test_output_is_counted_from_the_current_folder(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert track("run", "../config.toml", "--output", "mine", "-q") == 0
    assert track("run", "../config.toml", "-q") == 0
    assert (folder / "elsewhere/mine/run.json").is_file()
    assert (folder / "result/run.json").is_file()


def test_plot(folder):
    assert track("run", "config.toml", "--plot", "-q") == 0
    assert (folder / "result/overview.png").read_bytes().startswith(b"\x89PNG")
    assert "overview.png" in json.loads((folder / "result/run.json").read_text())["files"]


def test_plot_without_matplotlib_is_told_before_the_work(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("tracker.pipeline.solve", None)
    assert track("run", "config.toml", "--plot") == 2
    assert 'pip install "pintrack[plot]"' in capsys.readouterr().err


# ---- check


def test_check_prints_sizes_and_writes_nothing(capsys, folder):
    before = tree(folder)
    assert track("check", "config.toml") == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = [line.strip().split(maxsplit=1) for line in output.out.splitlines()]
    assert lines[:5] == [
        ["frames", "4"], ["detections", "8"], ["links", "12"], ["divisions", "6"], ["columns", "42"],
    ]  # fmt: skip
    assert [line[1] for line in lines if line[0] == "term"] == [
        "+1 x link distance (z-score)",
        "+1 x division distance (z-score)",
    ]
    assert "intensity_mean" in output.out
    assert tree(folder) == before


def test_check_json(capsys):
    assert track("check", "config.toml", "--json", "--set", "candidates.divisions=split") == 0
    found = json.loads(capsys.readouterr().out)
    memory = found.pop("memory_mb")
    assert 20 < memory < 10_000
    assert found == {
        "frames": 4,
        "detections": 8,
        "links": 12,
        "divisions": 0,
        "columns": 44,
        "terms": [{"on": "link", "feature": "distance", "weight": 1.0, "standardise": "zscore"}],
        "features": {
            "link": found["features"]["division"],
            "division": [
                "area_ratio", "association", "constant", "distance", "embedding_distance", "frame_gap",
                "intensity_difference", "overlap",
            ],
            "detection": [
                "constant", "area_px", "border_distance_px", "equivalent_diameter_px", "intensity_mean",
            ],
        },
        "notes": [],
    }  # fmt: skip


def test_check_notes_what_is_odd(capsys, folder):
    (folder / "cells.csv").write_text("id,t,y,x\n1,0,1,1\n2,1,1,1\n3,1,90,90\n4,3,5,5\n")
    (folder / "result").mkdir()
    (folder / "points.toml").write_text('[data]\npoints = "cells.csv"\n[candidates]\nmax_distance = 9.0\n')
    notes = [
        "frames without detections: t = 2",
        "detections without any candidate link: 1:3, 3:4 (frame:label)",
        f"the result folder {folder}/result exists already. Name another [output] path, or replace it with --overwrite",
    ]
    assert track("check", "points.toml") == 0
    assert capsys.readouterr().err.splitlines() == [f"note: {note}" for note in notes]
    assert track("check", "points.toml", "--json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["notes"] == notes
    assert output.err == ""


def test_check_finds_a_missing_truth(capsys):
    refused(
        capsys, "data.truth: there is no 01_GT", "check", "config.toml", "--set", "data.truth=01_GT",
    )  # fmt: skip


# ---- simulate and evaluate


def test_simulate_then_evaluate(capsys, folder):
    shape = ["--shape", "48,48", "--frames", "4", "--cells", "3", "--blink", "0"]
    assert track("simulate", "movie", *shape, "--seed", "2") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.endswith(" detections in 4 frames to movie\n")
    assert track("run", "--segmentation", "movie/01_SEG", "--truth", "movie/01_GT/TRA", "-q") == 0
    assert track("evaluate", "result", "movie/01_GT") == 0
    output = capsys.readouterr()
    assert output.err == ""
    rows = dict(line.split()[:2] for line in output.out.splitlines())
    assert rows["AOGM"] == "0"
    assert rows["TRA"] == rows["complete_tracks"] == "1.0000"
    assert rows["division_f1"] == "-"
    refused(capsys, "--shape wants Y,X or Z,Y,X in whole pixels, found '3x4'", "simulate", "b", "--shape", "3x4")
    refused(
        capsys,
        "movie exists already; name another place for the simulated movie, or remove it first",
        "simulate", "movie",
    )  # fmt: skip


def test_simulate_points(folder):
    assert track("simulate", "cells.csv", "--frames", "2", "--cells", "2", "--shape", "9,32,32", "-q") == 0
    assert (folder / "cells.csv").read_text().startswith("id,t,z,y,x,radius,parent_id\n1,0,")


# ---- as a program


def test_the_installed_program(folder):
    script = Path(sys.executable).with_name("track")
    done = subprocess.run([script, "run", "config.toml", "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["versions"]["pintrack"] == __version__
    done = subprocess.run([script, "run", "config.toml"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the result folder ")
    assert len(done.stderr.splitlines()) == 1
