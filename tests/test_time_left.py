"""What is said of the time that is left."""

import logging

import pytest

from embeddings.inference import time_left
from embeddings.inference.time_left import FrameClock, timed


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test lets pass."""
    now = [0.0]
    monkeypatch.setattr(time_left.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("passed", "done", "said"),
    [
        (0.0, 0, ""),
        (0.06, 1, ", 0.5 s left"),
        (8.0, 1, ", 72 s left"),
        (100.0, 1, ", 15 minutes left"),
        (300.0, 3, ", 12 minutes left"),
        (2000.0, 1, ", 5.0 hours left"),
        (50.0, 10, ", 0 s left"),
    ],
)
def test_what_is_left_of_ten_frames(clock, passed, done, said):
    begun = FrameClock(10)
    clock[0], begun.done = passed, done
    assert begun.left == said


@pytest.mark.parametrize(("seconds", "said"), [(100, "100 s"), (61, "61 s")])
def test_a_long_wait_is_announced_once(clock, caplog, seconds, said):
    with caplog.at_level(logging.WARNING, logger=time_left.__name__):
        seen = []
        for step in timed([3, 4, 5, 7, 8, 9], 6, "TAP", "cpu"):
            clock[0] += seconds
            seen.append(step)
    assert seen == [3, 4, 5, 7, 8, 9]
    assert caplog.messages == [
        f"TAP takes {said} per frame on cpu, so another {5 * seconds / 60:.0f} minutes for 5 frames"
    ]


def test_a_short_wait_is_not(clock, caplog):
    with caplog.at_level(logging.WARNING, logger=time_left.__name__):
        for _ in timed(range(6), 6, "TAP", "cpu"):
            clock[0] += 60
    assert caplog.messages == []
