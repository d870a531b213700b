"""How long each stage takes, and telling a person where things stand."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

log = logging.getLogger(__name__)
Progress = Callable[[str], None]
_TELL_S = 0.5


@dataclass
class Stopwatch:
    """Seconds per named stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    progress: Progress = lambda stage: None

    @contextmanager
    def stage(self, name: str, message: str) -> Iterator[None]:
        """Time a stage and announce it."""
        self.progress(message)
        start = time.perf_counter()
        yield
        passed = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + passed
        log.debug("%s: %.2f s", message, passed)

    def share(self, message: str) -> Callable[[float], None]:
        """What to tell the share that is behind; announced with the time left, at most twice a second."""
        start = last = time.perf_counter()

        def tell(share: float) -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last >= _TELL_S and 0 < share < 1:
                last = now
                left_s = (now - start) * (1 - share) / share
                self.progress(f"{message}: {100 * share:.0f} %, about {left_s:.0f} s left")

        return tell
