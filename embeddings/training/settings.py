"""How long, how fast and on what a network is trained."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tracker.errors import ConfigError

Schedule = Literal["cosine", "polynomial"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]

# They say where and how often, but do not change what is learnt.
_NO_MATTER = ("device", "checkpoint_minutes", "checkpoint_steps", "report_steps", "cpu_hours")


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of `train`; checked on construction. Raises ConfigError naming the key.

    steps: batches to learn from.   seed: of all randomness in the network and the loss.
    learning_rate: the highest; see `rate`.   weight_decay: of AdamW; 0 makes it Adam.
    warmup_steps, warmup_start: the rate grows over so many steps, from this part of the highest.
    schedule, final_rate: then it falls as a cosine to this part of the highest, or as a polynomial to 0.
    clip_norm: longer gradients are shortened to this length; 0 = never.
    device: auto takes cuda where there is one, else mps, else cpu.
    mixed_precision: on cuda with bfloat16, run the network and the loss in it where torch deems that safe; elsewhere
        this changes nothing.
    checkpoint_minutes, checkpoint_steps: save after so much time, and after so many steps; 0 = not because of that.
    validate_steps: steps between two looks at the held-out loss.
    patience: stop when so many looks in a row brought no new lowest; 0 = never.
    report_steps: steps between two lines of `training.csv`.
    cpu_hours: a training that would take longer on a CPU is refused after its first steps; 0 = never.
    """

    steps: int
    seed: int = 0
    learning_rate: float = 1e-4
    weight_decay: float = 1e-5
    warmup_steps: int = 0
    warmup_start: float = 0.01
    schedule: Schedule = "cosine"
    final_rate: float = 0.001
    clip_norm: float = 1.0
    device: DeviceName = "auto"
    mixed_precision: bool = True
    checkpoint_minutes: float = 5.0
    checkpoint_steps: int = 0
    validate_steps: int = 1000
    patience: int = 0
    report_steps: int = 50
    cpu_hours: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "steps must be at least 1": self.steps >= 1,
            "seed must be at least 0": self.seed >= 0,
            "learning_rate must be positive": 0 < self.learning_rate < math.inf,
            "weight_decay must be at least 0": 0 <= self.weight_decay < math.inf,
            "warmup_steps must be at least 0": self.warmup_steps >= 0,
            "warmup_start must be above 0 and at most 1": 0 < self.warmup_start <= 1,
            f"schedule must be one of {', '.join(get_args(Schedule))}": self.schedule in get_args(Schedule),
            "final_rate must lie in [0, 1]": 0 <= self.final_rate <= 1,
            "clip_norm must be at least 0": 0 <= self.clip_norm < math.inf,
            f"device must be one of {', '.join(get_args(DeviceName))}": self.device in get_args(DeviceName),
            "checkpoint_minutes must be at least 0": self.checkpoint_minutes >= 0,
            "checkpoint_steps must be at least 0": self.checkpoint_steps >= 0,
            "validate_steps must be at least 1": self.validate_steps >= 1,
            "patience must be at least 0": self.patience >= 0,
            "report_steps must be at least 1": self.report_steps >= 1,
            "cpu_hours must be at least 0": 0 <= self.cpu_hours < math.inf,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ConfigError(f"training: {broken}; found {getattr(self, broken.split()[0])!r}")

    def rate(self, step: int) -> float:
        """The learning rate of a step n, counted from 0.

        warm-up    r_max (s + (1 - s) n / n_w)                          n < n_w = warmup_steps, s = warmup_start
        cosine     r_max (f + (1 - f) (1 + cos(pi x)) / 2)              f = final_rate
        polynomial r_max (1 - x)^0.9                                    x = (n - n_w) / (steps - n_w)
        """
        if step < self.warmup_steps:
            return self.learning_rate * (self.warmup_start + (1 - self.warmup_start) * step / self.warmup_steps)
        along = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        if self.schedule == "polynomial":
            return float(self.learning_rate * (1 - along) ** 0.9)
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * along)) / 2)

    def identity(self) -> dict[str, Any]:
        """The settings that change what is learnt: a training is resumed with the same ones."""
        return {name: value for name, value in asdict(self).items() if name not in _NO_MATTER}
