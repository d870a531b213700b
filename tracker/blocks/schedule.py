"""daisy hands blocks to worker processes: those that could see each other's writing never run side by side."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tracker.blocks.plan import PASSWORD, Plan, read_plan
from tracker.blocks.worker import run_worker
from tracker.errors import MissingExtraError, PintrackError, SolverError

LOCAL_HOST = "127.0.0.1"
_AS_TEXT = "\x01"
_ROOM_BYTES = 1_000_000


class BlockError(PintrackError):
    """A block failed; the others were stopped."""


def solve_blocks(
    plan: Plan, done: set[int], *, workers: int, launcher: str, retries: int, progress: Callable[[int], None]
) -> None:
    """Solve all blocks of a plan that are not done. `done`: numbers of those that are, for the progress.

    workers: processes; 0 = all cores.   launcher: see `Blocks.launcher`.   progress: told how many blocks are done.
    Raises BlockError naming the block that failed, and its log; SolverError where workers died too often.
    """
    daisy = require_daisy()
    roi, coordinate = daisy.Roi, daisy.Coordinate
    todo = len(plan.grid) - len(done)
    if not todo:
        return
    plan.stop_mark.unlink(missing_ok=True)
    count = min(workers or os.cpu_count() or 1, todo)
    size, halo = plan.grid.ticks()
    total = [length + 2 * far for length, far in zip(plan.grid.total_ticks(), halo, strict=True)]
    write = roi(coordinate(halo), coordinate(size))
    plan_path = plan.folder / "plan.json"
    plan.write(plan_path)
    task = daisy.Task(
        "blocks",
        total_roi=roi(coordinate([0] * len(total)), coordinate(total)),
        read_roi=write.grow(coordinate(halo), coordinate(halo)),
        write_roi=write,
        process_function=partial(_start, plan_path, launcher, plan.place.password),
        read_write_conflict=True,
        fit="shrink",
        max_workers=count,
        max_retries=retries,
        timeout=float("inf"),
        tracking_path=False,
    )
    host = os.environ.get("DAISY_HOST") or (None if launcher else LOCAL_HOST)
    logs = import_module("daisy.logging")
    before = logs.get_log_basedir()
    logs.set_log_basedir(plan.folder.absolute())  # else daisy makes a folder wherever the run was started
    try:
        daisy.run_blockwise(
            daisy.Pipeline.from_task(task),
            progress=_Observer(progress),
            block_tracking=False,
            host=host,
            summary=False,
        )
    except RuntimeError as error:  # the workers died too often
        _tell_failure(plan)
        raise SolverError(
            "the workers of the blocks ended again and again. What is done is kept: `track run --resume` goes on. What "
            f"they said is in {plan.folder}{full_disk(plan.folder)}"
        ) from error
    finally:
        logs.set_log_basedir(before)
    _tell_failure(plan)


def full_disk(folder: Path) -> str:
    """A sentence where workers may have had no room to say why they ended."""
    if shutil.disk_usage(folder).free > _ROOM_BYTES:
        return ""
    return f". The disk of {folder} is full: free some space first"


def _tell_failure(plan: Plan) -> None:
    if not plan.stop_mark.exists():
        return
    number, _, message = plan.stop_mark.read_text(encoding="utf-8").partition("\n")
    name, log = plan.grid.name(int(number)), plan.log_path(int(number))
    raise BlockError(
        f"block {name} failed: {message}. The whole story is in {log}. Other blocks that are done are kept: mend what "
        "is wrong, then `track run --resume`"
    )


def _start(plan_path: Path, launcher: str, password: str | None) -> None:
    """What daisy runs in a process of its own: a worker, or the command that starts one elsewhere."""
    if password is not None:
        os.environ[PASSWORD] = password
    if launcher:
        subprocess.run(launch_command(launcher, plan_path), check=True)
    else:
        run_worker(read_plan(plan_path), watch_parent=True)


def launch_command(launcher: str, plan_path: Path) -> list[str]:
    """The launcher's template as a command: {command} stands for several words; in quotes, or in a word, for one."""
    command = [sys.executable, "-m", "tracker.blocks.worker", str(plan_path)]
    words: list[str] = []
    for quote in "\"'":
        launcher = launcher.replace(f"{quote}{{command}}{quote}", _AS_TEXT)
    for word in shlex.split(launcher):
        text = word.replace("{command}", shlex.join(command)).replace(_AS_TEXT, shlex.join(command))
        words += command if word == "{command}" else [text]
    return words


def require_daisy() -> Any:
    """The module. Raises MissingExtraError where it is not installed."""
    try:
        return import_module("daisy.v2")
    except ImportError as error:
        raise MissingExtraError("daisy", "scale", "solving block by block") from error


class _Observer:
    """Hears from daisy how many blocks are done."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell

    def on_start(self, states: dict[str, Any]) -> None:
        """Nothing is done yet."""

    def on_progress(self, states: dict[str, Any]) -> None:
        """Some are."""
        self._tell(sum(int(state.completed_count) for state in states.values()))

    def on_finish(self, states: dict[str, Any]) -> None:
        """All that could be."""
        self.on_progress(states)
