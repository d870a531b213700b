"""`track run` block by block: workers as processes, resumed after being killed, and what it refuses."""

import json
import random
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import track
from kills import SCHEDULER, WORKER, kill_and_resume, tables

from tracker.blocks.grid import Grid
from tracker.blocks.plan import Plan, read_plan
from tracker.blocks.run import place_of
from tracker.blocks.schedule import BlockError, launch_command, solve_blocks
from tracker.blocks.stored import Forbidden
from tracker.blocks.work import SupersededError, is_done
from tracker.blocks.worker import _attempt
from tracker.config import load_config, make_config
from tracker.ilp.backends import SolverSettings
from tracker.store import create_store, open_store
from tracker.store.configured import config_identity
from tracker.store.rows import Header

BLOCKS = """
[blocks]
count = [2, 1, 2]
context = [1, 3, 3]
workers = 2
"""


def write_points(folder: Path) -> None:
    """Twelve cells that walk for eight frames; two divide, some detections are missing."""
    rng = np.random.default_rng(7)
    cells, lines, number = list(rng.uniform(0, 60, (12, 2))), ["id,t,y,x"], 0
    for t in range(8):
        if t in (3, 5):
            cells.append(cells[t] + 3)
        cells = [cell + rng.normal(0, 1.0, 2) for cell in cells]
        for cell in cells:
            number += 1
            if rng.random() > 0.05:
                lines.append(f"{number},{t},{cell[0]:.3f},{cell[1]:.3f}")
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")


def write_config(folder: Path, more: str = "", *, blocks: str = BLOCKS) -> Path:
    write_points(folder)
    path = folder / "run.toml"
    text = (
        '[data]\npoints = "cells.csv"\n[candidates]\nneighbors = 5\nmax_frame_gap = 2\n[costs]\npreset = "attrackt"\n'
    )
    path.write_text(text + more + blocks + '[output]\npath = "result"\n')
    return path


def report(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


@pytest.mark.parametrize("divisions", ["pair", "split"])
def test_blocks_give_what_the_whole_gives_with_pins_too(divisions, tmp_path, capsys):
    pins = tmp_path / "pins.csv"
    pins.write_text(
        "kind,t,label,t2,label2,t3,label3,value,note\n"
        "link,2,30,3,45,,,true,far\n"
        "children,3,40,4,54,4,55,true,\n"
        "detection,1,16,,,,,false,\n"
        "disappear,4,57,,,,,true,\n"
        "division,5,68,6,83,6,84,false,\n"
    )
    more = "detection = -0.5\n"
    config = write_config(tmp_path, more)
    options = ("--quiet", "--pins", pins, "--set", f"candidates.divisions={divisions}")
    whole = tmp_path / "whole.toml"
    whole.write_text(config.read_text().replace(BLOCKS, ""))
    assert track("run", whole, "--output", tmp_path / "whole", *options) == 0
    assert track("run", config, *options) == 0
    found, wanted = report(tmp_path / "result"), report(tmp_path / "whole")
    assert found["status"] == "optimal"
    assert found["objective"] == pytest.approx(wanted["objective"], abs=1e-6)
    for key in ("detections", "links", "divisions", "pins"):
        assert found["counts"][key] == wanted["counts"][key]
    assert found["blockwise"]["blocks"] == 4
    assert found["blockwise"]["gap"] <= 1e-9
    assert found["blockwise"]["before"]["bound"] <= found["objective"] + 1e-9
    # One worker instead of two, and the other way of counting blocks: the same files.
    grid = found["blockwise"]["grid"]
    size = f"[blocks]\nsize = {grid['size']}\ncontext = [1, 3, 3]\nworkers = 1\n"
    config.write_text(config.read_text().replace(BLOCKS, size))
    one = ("run", config, "--output", tmp_path / "one", *options)
    assert track(*one) == 0
    assert tables(tmp_path / "one") == tables(tmp_path / "result")
    # A store that is there is not taken over by chance; --resume writes its result again.
    assert track(*one) == 2
    pins.write_text(pins.read_text() + "detection,1,17,,,,,false,\n")
    assert track(*one, "--resume", "--overwrite") == 2
    assert "filled from other pins" in capsys.readouterr().err
    pins.write_text(pins.read_text().replace("detection,1,17,,,,,false,\n", ""))
    (tmp_path / "one" / "tracks.csv").unlink()
    assert track(*one, "--resume", "--overwrite") == 0
    assert tables(tmp_path / "one") == tables(tmp_path / "result")


def test_a_killed_run_is_resumed_to_the_same_answer(tmp_path):
    config, chance = write_config(tmp_path), random.Random(4)
    assert track("run", config, "--output", tmp_path / "calm", "--quiet") == 0
    seconds = report(tmp_path / "calm")["seconds"]["total"]
    for victim in (WORKER, SCHEDULER):
        kill_and_resume(
            config, tmp_path / "killed", victim, seconds * chance.uniform(0.6, 1.2), chance, cut=lambda: None
        )
        assert tables(tmp_path / "killed") == tables(tmp_path / "calm")
        assert report(tmp_path / "killed")["objective"] == report(tmp_path / "calm")["objective"]


def test_workers_start_by_another_command(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    launcher = tmp_path / "submit.py"
    launcher.write_text(
        "import subprocess, sys, pathlib\n"
        "pathlib.Path(sys.argv[1]).open('a').write('asked\\n')\n"
        "sys.exit(subprocess.run(sys.argv[2], shell=True).returncode)\n"
    )
    config = write_config(tmp_path)
    launch = f"{sys.executable} {launcher} {tmp_path / 'asked'} '{{command}}'"
    assert track("run", config, "--quiet", "--set", f'blocks.launcher="{launch}"') == 0
    assert (tmp_path / "asked").read_text().count("asked") >= 1
    assert report(tmp_path / "result")["status"] == "optimal"
    assert not list(elsewhere.iterdir())  # logs lie beside the result
    assert list((tmp_path / "result.blocks").rglob("worker_0.err"))


def test_the_launcher_is_a_template():
    words = launch_command("run {command}", Path("a b/plan.json"))
    assert words[0] == "run"
    words_of_worker = ["-m", "tracker.blocks.worker", "a b/plan.json"]
    assert words[1:] == [sys.executable, *words_of_worker]
    words = launch_command('sbatch --wait --wrap="{command}"', Path("a b/plan.json"))
    assert words[:2] == ["sbatch", "--wait"]
    assert words[2] == f"--wrap={shlex.join([sys.executable, *words_of_worker])}"
    assert launch_command("run '{command}'", Path("a b/plan.json"))[1] == words[2].removeprefix("--wrap=")


def test_what_does_not_go_is_refused(tmp_path, capsys):
    config = write_config(tmp_path)

    def refused(*options: str, code: int = 2) -> str:
        assert track("run", config, "--quiet", *options) == code
        return capsys.readouterr().err

    assert "3 numbers along t, y, x, found 2" in refused("--set", "blocks.count=[2,2]")
    assert "found both" in refused("--set", "blocks.size=[2,9,9]")
    assert "{command}" in refused("--set", "blocks.launcher=sbatch")
    assert 'solver.backend = "scip"' in refused("--set", "solver.backend=scip")
    assert "cannot be shared" in refused("--set", "store.url=memory:")
    assert "--explain" in refused("--explain", "1:13")
    (tmp_path / "pins.csv").write_text(
        "kind,t,label,t2,label2,t3,label3,value,note\nlink,0,1,1,13,,,true,\ndetection,1,13,,,,,false,\n"
    )
    error = refused("--pins", str(tmp_path / "pins.csv"), "--overwrite", code=3)
    assert "line 2" in error
    assert "line 3" in error
    text = config.read_text()
    config.write_text(text.replace(BLOCKS, "[blocks]\nsize = [1.5, 9, 9]\n"))
    assert "whole number of frames" in refused("--overwrite")
    config.write_text(text.replace(BLOCKS, "[blocks]\nsize = [1, 0.5, 0.5]\n"))
    assert "more than its" in refused("--overwrite")
    assert "span 8 frames" in refused("--overwrite")
    other = tmp_path / "other.toml"
    other.write_text(config.read_text().replace('"result"', '"other"'))
    config.write_text(text)
    assert track("run", other, "--quiet") == 2
    assert not (tmp_path / "other.store.db").exists()  # it was said before anything was filled
    assert track("check", other) == 2
    capsys.readouterr()
    assert track("check", config) == 0
    assert "2 x 1 x 2, of 4 frames" in " ".join(capsys.readouterr().out.split())
    assert "no database at all" in refused("--set", "store.url=sqlite:///cells.csv")
    config.write_text(text.replace(BLOCKS, ""))
    assert track("run", config, "--resume", "--quiet") == 2
    assert "[store] nor [blocks]" in capsys.readouterr().err


def test_a_store_of_another_config_or_in_use_is_refused(tmp_path, capsys):
    path = write_config(tmp_path)
    config = load_config(path)
    header = Header(config={**config_identity(config), "candidates.neighbors": 9}, frames=np.arange(8), ndim=2)
    store = create_store(place_of(config), header)
    assert track("run", path, "--quiet") == 2
    assert "--resume" in capsys.readouterr().err
    assert track("run", path, "--quiet", "--resume") == 2
    assert "candidates.neighbors" in capsys.readouterr().err
    with store.lock():
        assert track("run", path, "--quiet", "--overwrite") == 2
    assert "another" in capsys.readouterr().err
    store.close()


def plan_of(tmp_path: Path) -> Plan:
    """A plan for an empty store of one block."""
    config = make_config({"data": {"points": "cells.csv"}, "output": {"path": "result"}}, folder=tmp_path)
    place = place_of(config)
    header = Header(config={}, frames=np.arange(2), ndim=2, detection_columns=("bounds",), link_columns=("bounds",))
    create_store(place, header).close()
    grid = Grid(2, (1, 1, 1), (0.0,) * 3, (2.0, 1.0, 1.0), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    plan = Plan(place, grid, Forbidden(), SolverSettings(threads=1), "digest", tmp_path, "token")
    plan.token_file.write_text("token", encoding="utf-8")
    return plan


def test_a_block_that_fails_stops_the_run_with_its_name_and_log(tmp_path):
    # The store lacks the column of bounds of divisions: every worker fails at once.
    plan = plan_of(tmp_path)
    with pytest.raises(BlockError, match=r"block t0_y0_x0 failed: KeyError.*t0_y0_x0\.log"):
        solve_blocks(plan, set(), workers=1, launcher="", retries=2, progress=lambda count: None)
    assert "Traceback" in (tmp_path / "t0_y0_x0.log").read_text()
    store = open_store(plan.place)
    assert store.blocks()[plan.record(0)].status == "failed"
    assert not is_done(store, plan, 0)
    assert _attempt(store, plan, 0, np.inf)[1] is False  # nobody begins another block while the mark is there
    store.close()


def test_a_worker_of_an_earlier_run_writes_nothing(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    plan.write(tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json").grid == plan.grid
    plan.token_file.write_text("of the next run", encoding="utf-8")
    store = open_store(plan.place)
    assert _attempt(store, plan, 0, np.inf)[1] is False
    assert store.blocks() == {}
    assert issubclass(SupersededError, Exception)
    store.close()


def test_pins_that_only_blocks_together_contradict_are_named(tmp_path, capsys):
    """One detection, then three that are real and do not appear: no two pins clash, and no block alone sees it."""
    (tmp_path / "cells.csv").write_text("id,t,y,x\n1,0,5,5\n2,1,5,4\n3,1,5,5\n4,1,5,6\n5,2,5,5\n")
    (tmp_path / "pins.csv").write_text(
        "kind,t,label,t2,label2,t3,label3,value,note\n"
        + "".join(f"appear,1,{label},,,,,false,\n" for label in (2, 3, 4))
    )
    config = tmp_path / "run.toml"
    config.write_text(
        '[data]\npoints = "cells.csv"\n[costs]\npreset = "attrackt"\n[annotations]\npins = ["pins.csv"]\n'
        '[blocks]\ncount = [3, 1, 1]\nworkers = 1\n[output]\npath = "result"\n'
    )
    assert track("run", config, "--quiet") == 3
    error = capsys.readouterr().err
    assert "cannot hold together" in error
    assert all(f"line {line}" in error for line in (2, 3, 4))
    assert not (tmp_path / "result").exists()
