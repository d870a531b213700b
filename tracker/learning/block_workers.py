"""Work item by item, here or in processes of their own, each of which knows of the work what its item holds."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

from embeddings.training.device import use_threads
from tracker.errors import PintrackError, WorkerError

Item = TypeVar("Item")


def each_done(
    start: Callable[[], Callable[[Item], None]], items: Iterable[Item], workers: int
) -> Generator[None, None, None]:
    """Do every item; yields once after each, in the order in which they are done.

    start: called once in each process, gives what does an item.   workers: processes; with 1 it is this one, else start
    and items are pickled, and an item is not made before a process is free for it.
    Raises what start and items raise; WorkerError where a process ends before it is done, killed for want of memory for
    instance. The other processes end then, too, as they do where the caller is interrupted.
    """
    if workers == 1:
        do = start()
        for item in items:
            do(item)
            yield
        return
    context = multiprocessing.get_context("spawn")  # a process with threads and a GPU must not be forked
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            arguments = (start, theirs, max(1, (os.cpu_count() or 1) // workers))
            processes[ours] = context.Process(target=_serve, args=arguments, daemon=True)
            processes[ours].start()
            theirs.close()  # or nobody would notice that the process is gone
        yield from _hand_out(processes, iter(items))
    finally:
        for connection, process in processes.items():
            process.terminate()
            process.join()
            connection.close()


def _hand_out(processes: dict[Connection, BaseProcess], items: Iterator[Item]) -> Iterator[None]:
    """An item to every process that is ready, until there are none left and all are done."""
    open_ones, busy = list(processes), set[Connection]()
    while open_ones:
        ready = wait(open_ones)
        for connection in [one for one in open_ones if one in ready]:
            try:
                failure = connection.recv()
                if failure is not None:
                    raise failure
                if connection in busy:
                    busy.remove(connection)
                    yield
                item = next(items, None)
                if item is None:
                    open_ones.remove(connection)
                    continue
                connection.send(item)
                busy.add(connection)
            except (EOFError, ConnectionError) as error:
                raise _lost(processes[connection]) from error


def _lost(process: BaseProcess) -> WorkerError:
    process.join()
    code = process.exitcode or 0
    how = f"was killed by signal {-code}, perhaps for want of memory" if code < 0 else f"ended with code {code}"
    return WorkerError(
        f"a process that computed blocks {how}. The blocks that are done are kept: do the same again to go on, with "
        "fewer store.workers or smaller store.block_frames if it was memory"
    )


def _serve(start: Callable[[], Callable[[Item], None]], connection: Connection, threads: int) -> None:
    """What a process does: says that it is ready, takes an item, does it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    use_threads(threads)
    try:
        do = start()
        while True:
            connection.send(None)
            try:
                item = connection.recv()
            except EOFError:  # the process that started this one is gone
                return
            do(item)
    except PintrackError as error:
        connection.send(error)
