"""One writer at a time."""

import os
import re
import threading
import time

import pytest

from tracker import file_lock
from tracker.errors import OutputError
from tracker.file_lock import locked


@pytest.fixture(params=["file locks", "existence"])
def kind(request, monkeypatch):
    if request.param == "existence":
        monkeypatch.setattr(file_lock, "fcntl", None)
    return request.param


@pytest.mark.usefixtures("kind")
def test_one_at_a_time(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(10):
            with locked(tmp_path / "a.csv"):
                inside.append(1)
                time.sleep(0.001)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 40
    assert max(most) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("kind")
def test_waits_in_vain(tmp_path):
    path = tmp_path / "a.csv"
    message = (
        f"{path} cannot be written: another program has been writing it for 0.05 seconds. "
        f"Try again when it is done; when there is none, delete {tmp_path / '.a.csv.lock'}"
    )
    with locked(path):
        with pytest.raises(OutputError, match=f"^{re.escape(message)}$"), locked(path, wait_s=0.05):
            pass
        with locked(tmp_path / "b.csv", wait_s=0):
            pass
    with locked(path, wait_s=0):
        pass


@pytest.mark.usefixtures("kind")
def test_lets_go_after_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a.csv"):
        _ = 1 / 0
    with locked(tmp_path / "a.csv", wait_s=0):
        pass


def test_a_dead_program_holds_no_file_lock(tmp_path, kind):
    """What it left behind is no lock where the system knows locks; elsewhere a person has to delete it."""
    (tmp_path / ".a.csv.lock").touch()
    if kind == "existence":
        with pytest.raises(OutputError), locked(tmp_path / "a.csv", wait_s=0):
            pass
    else:
        with locked(tmp_path / "a.csv", wait_s=0):
            pass


@pytest.mark.usefixtures("kind")
def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "none" / "a.csv"):
        pass


@pytest.mark.parametrize("follower", [False, True])
def test_a_lock_that_was_deleted_is_no_lock(tmp_path, monkeypatch, follower):
    """Between our opening of the lock file and our locking it, its holder lets go (and another one begins)."""
    lock, calls, flock = tmp_path / ".a.csv.lock", [], file_lock.fcntl.flock

    def late(descriptor, operation):
        if not calls:
            lock.rename(tmp_path / "deleted")
            if follower:
                lock.touch()
        calls.append(os.fstat(descriptor).st_ino)
        flock(descriptor, operation)

    monkeypatch.setattr(file_lock.fcntl, "flock", late)
    with locked(tmp_path / "a.csv"):
        assert calls[-1] == lock.stat().st_ino
        assert len(calls) == 2
