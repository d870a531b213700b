"""How long the frames that are left will take, as those that are done tell."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

log = logging.getLogger(__name__)
Item = TypeVar("Item")
_LONG_SECONDS = 300.0  # a person is told how long it will take


@dataclass
class FrameClock:
    """count: frames to do.   done: of them."""

    count: int
    done: int = 0
    began: float = field(default_factory=lambda: time.monotonic())

    @property
    def each_seconds(self) -> float:
        """Mean over the frames done, at least one."""
        return (time.monotonic() - self.began) / self.done

    @property
    def left(self) -> str:
        """What the rest will take, as the end of a sentence; empty before a frame is done."""
        return f", {_duration((self.count - self.done) * self.each_seconds)} left" if self.done else ""


def timed(steps: Iterable[Item], count: int, noun: str, where: object) -> Iterator[Item]:
    """The `count` steps, one frame each, one after another; how far it is is logged.

    Once the first frame is done, how long the others will take is logged as a warning where that is long.
    noun: what works on them.   where: on which device.
    """
    clock = FrameClock(count)
    for step in steps:
        yield step
        clock.done += 1
        log.debug("%s: frame %d of %d", noun, clock.done, clock.count)
        if clock.done > 1:
            continue
        each = clock.each_seconds
        rest = (clock.count - 1) * each
        if rest > _LONG_SECONDS:
            log.warning(
                "%s takes %s per frame on %s, so another %s for %d frames",
                noun, _duration(each), where, _duration(rest), clock.count - 1,
            )  # fmt: skip


def _duration(seconds: float) -> str:
    """In the unit that fits: 0.5 s, 100 s, 8 minutes, 2.5 hours."""
    if seconds < 10:
        return f"{seconds:.1g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
