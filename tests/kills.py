"""Runs that are killed at random moments and resumed: the answer must be that of a run which nobody disturbed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

WORKER, SCHEDULER, CONNECTION = "worker", "scheduler", "connection"


def track_command(*arguments: object) -> list[str]:
    """`track` of this very tree, as a process of its own."""
    return [sys.executable, "-c", "from tracker.cli import main; raise SystemExit(main())", *map(str, arguments)]


def environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def start(*arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        track_command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(track_command(*arguments), env=environment(), capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr


def children(parent: int) -> list[int]:
    """Processes that `parent` started and that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def disturb(
    process: "subprocess.Popen[bytes]", victim: str, delay_s: float, chance: random.Random, cut: Callable[[], None]
) -> str:
    """Wait, then kill; returns whom. A worker, where there is one by then; else the scheduler."""
    try:
        process.wait(delay_s)
        return "nobody: it was done"
    except subprocess.TimeoutExpired:
        pass
    if victim == CONNECTION:
        cut()
        return CONNECTION
    if victim == WORKER:
        until = time.monotonic() + 5.0
        while time.monotonic() < until and process.poll() is None:
            workers = children(process.pid)
            if workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
                return WORKER
            time.sleep(0.02)
    process.kill()
    return SCHEDULER


def tables(folder: Path) -> dict[str, bytes]:
    """What a result says of the movie."""
    return {name: (folder / name).read_bytes() for name in ("tracks.csv",)}


def kill_and_resume(
    config: Path,
    result: Path,
    victim: str,
    delay_s: float,
    chance: random.Random,
    cut: Callable[[], None],
    options: Sequence[str] = (),
) -> tuple[str, int]:
    """One run from the beginning, disturbed once, resumed until it is done; whom it hit, and how many resumes."""
    shutil.rmtree(result, ignore_errors=True)
    run = ("run", config, "--output", result, "--quiet", *options)
    process = start(*run, "--overwrite")  # of the store
    hit = disturb(process, victim, delay_s, chance, cut)
    error = process.communicate(timeout=600)[1].decode()
    code, resumes = process.returncode, 0
    if code < 0:  # its workers see that within half a second; until then they may still hold the store's file
        time.sleep(1.0)
    while code != 0:
        resumes += 1
        if resumes > 5:
            raise AssertionError(f"not done after {resumes - 1} resumes: {error}")
        code, error = finish(*run, "--resume", "--overwrite")  # it may be killed when the result is there already
    return hit, resumes
