"""A worker process: takes blocks from the scheduler and solves them, until there are none.

Started by daisy on this machine, or by `python -m tracker.blocks.worker PLAN` anywhere the scheduler, the store and the
plan's folder can be reached from.
"""

import os
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from tracker.blocks.plan import Plan, read_plan
from tracker.blocks.work import SupersededError, is_done, solve_in_store
from tracker.errors import StoreError, StoreLostError
from tracker.store import Store, open_store

_ATTEMPTS = 3  # on a store whose connection is lost
_WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # before it is opened again
_LOOK_S = 0.5


def run_worker(plan: Plan, *, watch_parent: bool) -> None:
    """Solve blocks until the scheduler has none left.

    watch_parent: end at once when the process that started this one is gone: without its scheduler nobody wants the
    answers.
    """
    daisy: Any = import_module("daisy.v2")
    if watch_parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    deadline = time.perf_counter() + plan.settings.time_limit_s
    store = open_store(plan.place)
    client = daisy.Client()
    try:
        while True:
            with client.acquire_block() as block:
                if block is None:
                    return
                halo = plan.grid.ticks()[1]
                offset = [int(at) - far for at, far in zip(block.write_roi.offset, halo, strict=True)]
                store, good = _attempt(store, plan, plan.grid.number_at(offset), deadline)
                if not good:
                    block.status = daisy.BlockStatus.FAILED
    finally:
        store.close()


def _attempt(store: Store, plan: Plan, number: int, deadline: float) -> tuple[Store, bool]:
    """Solve one block unless it is done; False where it fails, which is then told in its log and in the store."""
    if plan.stop_mark.exists() or not plan.is_current():
        return store, False
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if not is_done(store, plan, number):
                solve_in_store(store, plan, number, deadline)
            return store, True
        except SupersededError:
            return store, False
        except StoreLostError as error:
            if attempt == _ATTEMPTS:
                return store, _give_up(store, plan, number, error)
            store.close()
            try:
                store = _reopened(plan)
            except Exception as failure:
                return store, _give_up(store, plan, number, failure)
        except Exception as error:
            return store, _give_up(store, plan, number, error)
    raise AssertionError


def _reopened(plan: Plan) -> Store:
    """The store, waited for while its server may be starting again."""
    for wait_s in _WAITS_S:
        time.sleep(wait_s)
        try:
            return open_store(plan.place)
        except StoreError as error:
            failure = error
    raise failure


def _give_up(store: Store, plan: Plan, number: int, error: Exception) -> bool:
    """Tell why a block failed, and stop the others; unless they are another run's by now."""
    if not plan.is_current():
        return False
    message = f"{type(error).__name__}: {error}"
    try:
        plan.stop(number, message)
        plan.log_path(number).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:  # a full disk: the scheduler will see an unfinished block
        sys.stderr.write(f"block {plan.grid.name(number)} failed: {message}\n")
    try:
        store.mark_failed(plan.record(number), plan.digest, message)
    except Exception as failure:
        sys.stderr.write(f"that block {plan.grid.name(number)} failed could not be noted: {failure}\n")
    return False


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    run_worker(read_plan(Path(sys.argv[1])), watch_parent=False)
