"""Work in several processes: all of it is done, and a process that ends, for whatever reason, is told."""

import os
import pickle
import re
import signal
from functools import partial
from itertools import count

import pytest

pytest.importorskip("torch", reason="networks need the extra learn")

from tracker.errors import ConfigError, MissingExtraError, StoreMismatchError, WorkerError
from tracker.learning.block_workers import each_done


def start(folder, bad):
    """What does an item: writes a file; or what goes wrong."""
    if bad == "start":
        raise MissingExtraError("something", "learn", "this")

    def do(item):
        if item == 3 and bad == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 3 and bad == "error":
            raise ConfigError("not this one")
        (folder / str(item)).write_text(str(os.getpid()))

    return do


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_done_once(tmp_path, workers):
    assert sum(1 for _ in each_done(partial(start, tmp_path, ""), iter(range(4)), workers)) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]
    assert ({path.read_text() for path in tmp_path.iterdir()} == {str(os.getpid())}) == (workers == 1)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            "killed",
            WorkerError,
            "was killed by signal 9, perhaps for want of memory. The blocks that",
        ),
        ("error", ConfigError, "not this one"),
        ("start", MissingExtraError, "this needs the package something"),
    ],
)
def test_what_goes_wrong_ends_all(tmp_path, bad, error, message):
    with pytest.raises(error, match=re.escape(message)):
        list(each_done(partial(start, tmp_path, bad), count(), 2))  # or it would never end


def test_errors_come_back_from_other_processes():
    for error in (StoreMismatchError("other", ("a.b",)), MissingExtraError("p", "x", "this"), ConfigError("c")):
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))
