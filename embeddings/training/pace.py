"""How long a training will take, as its first steps tell: on a CPU it may be refused."""

from dataclasses import dataclass

from tracker.errors import ConfigError

_STEPS, _SECONDS = 3, 5.0  # that must have been seen before anything is said
_LONG_SECONDS = 60.0  # are enough whatever the steps are


@dataclass
class Pace:
    """Told how long each step takes, it refuses a training of which more than `hours` are left; once, or never.

    hours: 0 = however long.   smaller: the keys that make a training shorter, for the message.
    The first step is not counted, as it also reads the movie; but where it takes a minute, that matters little.
    """

    hours: float
    smaller: str
    steps: int = 0
    seconds: float = 0.0
    begun: bool = False
    judged: bool = False

    def step(self, seconds: float, left: int) -> None:
        """Count a step; left: those still to do. Raises ConfigError with the estimate."""
        if self.judged or not self.hours:
            return
        if self.begun or seconds >= _LONG_SECONDS:
            self.steps += 1
            self.seconds += seconds
        self.begun = True
        if self.seconds < _LONG_SECONDS and (self.steps < _STEPS or self.seconds < _SECONDS):
            return
        self.judged = True
        each = self.seconds / self.steps
        if left * each <= self.hours * 3600:
            return
        raise ConfigError(
            f"on this CPU the training would take about {_duration(left * each)} ({left:,} steps of {each:.2g} s), and "
            f"at most {self.hours:g} h are allowed. Train on a GPU, make steps, {self.smaller} smaller, or train "
            "anyway with --yes (training.cpu_hours = 0). Nothing that had been saved is lost: --resume goes on from it"
        )


def _duration(seconds: float) -> str:
    """In the unit that fits: 2.5 h, 12 days."""
    hours = seconds / 3600
    return f"{hours:.2g} h" if hours < 48 else f"{round(hours / 24):,} days"
