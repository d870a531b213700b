"""One writer at a time: a lock beside the file that is written."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tracker.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PAUSE_S = 0.01


@contextmanager
def locked(path: Path, *, wait_s: float = 10.0) -> Iterator[None]:
    """Hold the lock of `path`, the file `.NAME.lock` beside it, against other programs and threads.

    Where the system knows file locks, a program that dies lets go; elsewhere the existence of the file is the lock.
    Raises OutputError after waiting `wait_s` seconds in vain; OSError when the folder cannot be written to.
    """
    lock = path.with_name(f".{path.name}.lock")
    until = time.monotonic() + wait_s
    while (held := _take(lock)) is None:
        if time.monotonic() >= until:
            raise OutputError(
                f"{path} cannot be written: another program has been writing it for {wait_s:g} seconds. "
                f"Try again when it is done; when there is none, delete {lock}"
            )
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        if fcntl is None:
            os.close(held)
            lock.unlink(missing_ok=True)
        else:  # delete first: a lock that can still be found must not be free of its file
            lock.unlink(missing_ok=True)
            os.close(held)


def _take(lock: Path) -> int | None:
    """An open descriptor of the lock file when the lock is ours now, else None."""
    if fcntl is None:
        with suppress(FileExistsError, PermissionError):
            return os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR)
        return None
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held the lock before us has deleted its file: then the lock of today is another file.
        if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
