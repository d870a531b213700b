"""The command line's contract: exit codes, streams, options."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import refused, track

from tracker import __version__
from tracker.cli import COMMANDS
from tracker.config_scores import TRAINED_METHODS
from tracker.errors import NoSolutionError, PinConflictError

pytestmark = pytest.mark.usefixtures("walk")

SIX_LINKS = (
    "note: measured on too little (6 links): the numbers of the preset auto are starting values (docs/auto.md)\n"
)


def failing(error: BaseException):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


# ---- exit codes


def test_success_prints_its_result_on_stdout(capsys, walk):
    assert track("run", "config.toml") == 0
    output = capsys.readouterr()
    assert output.err == SIX_LINKS
    lines = [line.rstrip() for line in output.out.splitlines()]
    assert lines[0] == "cost        -57.0458  (proven optimal by integral LP)"
    assert lines[1:5] == [
        "detections  8 of 8 in the lineage",
        "links       6 of 12 candidates",
        "divisions   0 of 6 candidates",
        "tracks      2; 2 appear, 2 disappear",
    ]
    assert lines[-1] == "result in result"
    assert sorted(path.name for path in (walk / "result").iterdir()) == [
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
@pytest.mark.parametrize("stage", ["solve_pinned", "write_result"])
def test_exit_codes(capsys, monkeypatch, error, code, message, stage):
    monkeypatch.setattr(f"tracker.pipeline.{stage}", failing(error))
    refused(capsys, message, "run", "config.toml", code=code)
    refused(capsys, message, "run", "--segmentation", "masks", code=code)


def test_ctrl_c_while_writing_leaves_the_earlier_result(capsys, monkeypatch):
    assert track("run", "config.toml", "-q") == 0
    monkeypatch.setattr("tracker.io.result.write_geff", failing(KeyboardInterrupt()))
    refused(capsys, "interrupted; nothing was written", "run", "config.toml", "--overwrite", code=1)


def test_a_traceback_only_when_asked_for(capsys, monkeypatch):
    monkeypatch.setattr("tracker.pipeline.solve_pinned", failing(ZeroDivisionError("x")))
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


def test_help_lists_the_commands(capsys):
    assert track("--help") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "Usage: track" in output.out
    listed = " ".join(output.out.split())
    for name, sentence in COMMANDS.items():  # as much of it as there is room for
        assert f" {name} {' '.join(sentence.split()[:5])}" in listed


@pytest.mark.parametrize("command", COMMANDS)
def test_help(capsys, command):
    assert track(command, "--help") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert f"Usage: track {command}" in output.out
    assert COMMANDS[command] in " ".join(output.out.split())
    for option in ("check", "merge") if command == "pins" else ("--quiet", "-q", "--verbose", "-v"):
        assert option in output.out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train", "Train a network and write its model folder, for [associations] or [embeddings] model."),
        ("embed", "Model folder (sam: file); default [associations] or [embeddings] model."),
        ("segment", "Find the objects in images and write a mask per frame, for [data] segmentation."),
    ],
)
def test_help_names_sections(capsys, command, told):
    assert track(command, "--help") == 0
    assert told in " ".join(capsys.readouterr().out.split())


def test_help_names_what_is_trained(capsys):
    assert track("train", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f" {', '.join(TRAINED_METHODS[:-1])} or stardist. [required]" in told
    assert "sam" not in TRAINED_METHODS


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


def test_brackets_in_a_message_are_no_markup(capsys, walk):
    shutil.copytree("masks", "masks [red]")
    assert track("run", "--segmentation", "masks [red]", "--output", "result[1]") == 0
    assert capsys.readouterr().out.endswith(f"result in {walk}/result[1], its config in {walk}/result[1].toml\n")
    assert track("check", "result[1].toml") == 0
    assert capsys.readouterr().err == SIX_LINKS + (
        f"note: the result folder {walk}/result[1] exists already. Name another [output] path, or replace it "
        "with --overwrite\n"
    )


# ---- JSON


def test_json_is_all_there_is_on_stdout(capsys, walk):
    (walk / "truth.csv").write_text("id,t,y,x,parent_id\n1,0,3.5,3.5,-1\n2,1,3.5,4.5,1\n")
    truth = ["--set", "data.truth=truth.csv"]
    assert track("run", "config.toml", "--json", *truth) == 0
    output = capsys.readouterr()
    assert output.err == ""
    printed = json.loads(output.out, parse_constant=pytest.fail)  # neither NaN nor Infinity
    metrics = printed.pop("metrics")
    assert printed == json.loads((walk / "result/run.json").read_text())
    assert metrics == json.loads((walk / "result/metrics.json").read_text())
    assert metrics["fn_edges"] == 0
    assert track("check", "config.toml", "--json") == 0
    json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert track("evaluate", "result", "truth.csv", "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    evaluated = json.loads(output.out, parse_constant=pytest.fail)
    assert [evaluated[name] for name in ("TRA", "fn_edges")] == [metrics[name] for name in ("TRA", "fn_edges")]


# ---- simulate and evaluate


def test_simulate_then_evaluate(capsys, walk):
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


def test_simulate_points(walk):
    assert track("simulate", "cells.csv", "--frames", "2", "--cells", "2", "--shape", "9,32,32", "-q") == 0
    assert (walk / "cells.csv").read_text().startswith("id,t,z,y,x,radius,parent_id\n1,0,")


# ---- as a program


def test_the_installed_program(walk):
    script = Path(sys.executable).with_name("track")
    done = subprocess.run([script, "run", "config.toml", "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["versions"]["pintrack"] == __version__
    done = subprocess.run([script, "run", "config.toml"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the result folder ")
    assert len(done.stderr.splitlines()) == 1
