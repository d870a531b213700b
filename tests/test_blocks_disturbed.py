"""Runs in blocks on a disk that fills up, and beside a clock that goes backwards."""

import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import track
from kills import environment, tables, track_command
from test_blocks_run import plan_of, report, write_config

from tracker.blocks.filled import fingerprints
from tracker.blocks.seams import mend
from tracker.blocks.work import SupersededError
from tracker.blocks.worker import _attempt
from tracker.config import make_config
from tracker.detections import Detections
from tracker.errors import StoreLostError
from tracker.store import open_store

FILL = """
import os, pathlib, subprocess, sys
full = pathlib.Path(sys.argv[1]) / "filler"
if not full.exists():
    with full.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
sys.exit(subprocess.run(sys.argv[2], shell=True).returncode)
"""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of eight megabytes, where we may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small disk can be made here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a small disk is made by mount of Linux")
@pytest.mark.parametrize("all_of_it", [False, True], ids=["the store's disk", "the result's disk, too"])
def test_a_disk_that_fills_up_in_the_middle_of_blocks(all_of_it, small_disk, tmp_path, capsys):
    config = write_config(tmp_path)
    assert track("run", config, "--output", tmp_path / "calm", "--quiet") == 0
    script = tmp_path / "fill.py"
    script.write_text(FILL)
    launch = f"{sys.executable} {script} {small_disk} '{{command}}'"
    result = (small_disk if all_of_it else tmp_path) / "result"
    options = (
        "--quiet", "--output", result, "--set", "blocks.workers=1",
        "--set", f"store.url=sqlite:///{small_disk}/cells.db",
    )  # fmt: skip
    code = track("run", config, *options, "--set", f'blocks.launcher="{launch}"')
    error = capsys.readouterr().err
    assert code == (2 if all_of_it else 1), error
    assert "is full" in error
    assert "--resume" in error
    assert not result.exists()
    (small_disk / "filler").unlink()
    assert track("run", config, *options, "--resume") == 0
    assert tables(result) == tables(tmp_path / "calm")


def test_ctrl_c_leaves_what_is_done(tmp_path, capsys):
    config = write_config(tmp_path)
    assert track("run", config, "--output", tmp_path / "calm", "--quiet") == 0
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("tracker.blocks.run.mend_movie", interrupt)
        assert track("run", config, "--quiet") == 1
    assert (
        capsys.readouterr().err == "error: interrupted; what is done is in the store, and --resume goes on from there\n"
    )
    assert not (tmp_path / "result").exists()
    assert track("run", config, "--quiet", "--resume") == 0
    assert tables(tmp_path / "result") == tables(tmp_path / "calm")


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_a_filling_that_was_broken_off_is_done_anew(tmp_path):
    """Else what pins asked for that are gone would still stand in the store."""
    config = write_config(tmp_path)
    pins = tmp_path / "pins.csv"
    header = "kind,t,label,t2,label2,t3,label3,value,note\n"
    options = ("--quiet", "--pins", pins)
    pins.write_text(header + "detection,1,16,,,,,false,\n")
    assert track("run", config, "--output", tmp_path / "calm", *options) == 0
    pins.write_text(header + "children,2,28,3,45,,,true,far\ndetection,1,16,,,,,false,\n")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("tracker.blocks.fill.mark", interrupt)
        assert track("run", config, *options) == 1
    pins.write_text(header + "detection,1,16,,,,,false,\n")
    assert track("run", config, *options, "--resume") == 0
    assert tables(tmp_path / "result") == tables(tmp_path / "calm")


def test_a_run_whose_time_was_up_is_resumed_to_the_optimum(tmp_path, capsys):
    """Twice, so that one mending goes on from another."""
    config = write_config(tmp_path, blocks="\n[blocks]\ncount = [4, 2, 2]\ncontext = [1, 0, 0]\nworkers = 1\n")
    assert track("run", config, "--output", tmp_path / "calm", "--quiet") == 0
    arguments, states = ("run", config, "--quiet"), []
    for number in range(3):
        with pytest.MonkeyPatch.context() as hurried:
            if number < 2:
                hurried.setattr("tracker.blocks.mending.mend", in_no_time)
                hurried.setattr("tracker.blocks.mending.time", Clock())
            assert track(*arguments, *(["--resume", "--overwrite"] if number else [])) == 0, capsys.readouterr().err
        states.append(report(tmp_path / "result"))
    assert [state["status"] for state in states] == ["feasible", "feasible", "optimal"]
    assert [state["blockwise"]["out_of_time"] for state in states] == [True, True, False]
    assert states[0]["bound"] <= states[2]["objective"] <= states[0]["objective"]
    assert tables(tmp_path / "result") == tables(tmp_path / "calm")


@pytest.mark.parametrize("key", ["path", "geff", "model"])
def test_scores_of_other_content_are_other_scores(key, tmp_path):
    config = make_config(
        {"data": {"points": "cells.csv"}, "associations": {key: "scores"}, "output": {"path": "result"}},
        folder=tmp_path,
    )
    nobody = Detections(np.empty(0, int), np.empty(0, int), np.empty((0, 2)), np.empty(0, int), np.ones(2))
    seen = set()
    for content in ("one", "another", "another"):
        if key == "path":
            (tmp_path / "scores").write_text(content)
        else:  # a folder
            (tmp_path / "scores").mkdir(exist_ok=True)
            (tmp_path / "scores" / "values").write_text(content)
        seen.add(fingerprints(config, nobody, None)["scores"])
    assert len(seen) == 2


class Clock:
    """Time that is always up."""

    def perf_counter(self):
        return float("inf")


def in_no_time(part, settings, deadline, **options):
    return mend(part, settings, 0.0, **options)


def test_a_run_whose_lock_is_lost_stops_its_workers(tmp_path, monkeypatch, capsys):
    config, looks = write_config(tmp_path), []
    assert track("run", config, "--output", tmp_path / "calm", "--quiet") == 0

    def lost(_):
        looks.append(1)
        if len(looks) > 2:  # not before blocks are solved
            raise StoreLostError("the connection that holds the lock broke")

    with monkeypatch.context() as broken:
        broken.setattr("tracker.store.sqlite._Held.check", lost)
        assert track("run", config, "--quiet", "--set", "blocks.workers=1") == 2
    assert "that holds the lock broke" in capsys.readouterr().err
    assert not (tmp_path / "result.blocks" / "token").exists()
    assert not (tmp_path / "result").exists()
    assert track("run", config, "--quiet", "--resume") == 0
    assert tables(tmp_path / "result") == tables(tmp_path / "calm")


def test_a_worker_that_is_superseded_while_it_solves_writes_nothing(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    store = open_store(plan.place)

    def taken_over(*_):
        plan.token_file.write_text("of the next run", encoding="utf-8")
        raise SupersededError("another run")

    monkeypatch.setattr("tracker.blocks.worker.solve_in_store", taken_over)
    assert _attempt(store, plan, 0, float("inf"))[1] is False
    assert store.blocks() == {}
    assert not plan.stop_mark.exists()
    monkeypatch.setattr("tracker.blocks.worker.solve_in_store", lambda *_: 1 / 0)
    assert _attempt(store, plan, 0, float("inf"))[1] is False
    assert store.blocks() == {}
    store.close()


BACKWARDS = """
import itertools, os, time
_start, _calls = time.time(), itertools.count()
time.time = lambda: _start - 60.0 * next(_calls)
time.time_ns = lambda: int(time.time() * 1e9)
open(os.environ["CLOCKS"], "a").write("one more\\n")
"""


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path):
    config = write_config(tmp_path)
    assert track("run", config, "--output", tmp_path / "calm", "--quiet") == 0
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BACKWARDS)
    paths = [str(tmp_path / "site"), environment()["PYTHONPATH"]]
    done = subprocess.run(
        track_command("run", config, "--quiet"),
        env={**environment(), "PYTHONPATH": os.pathsep.join(paths), "CLOCKS": str(tmp_path / "clocks")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert tables(tmp_path / "result") == tables(tmp_path / "calm")
    assert "one more" in (tmp_path / "clocks").read_text()
