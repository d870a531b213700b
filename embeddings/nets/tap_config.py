"""The sizes of a network that predicts the arrow of time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from embeddings.nets.errors import ModelError

Aggregate = Literal["mean", "sum"]


@dataclass(frozen=True)
class TapConfig:
    """Sizes, those published by default (1.95 million weights); checked on construction. Raises ModelError.

    channels: of the first level of the U-Net; they double from level to level.
    levels: halvings of the picture.   features: C, length of the vector of a pixel.
    aggregate: over the two frames, in the head: "mean" as in the published code, "sum" as in the paper.
    """

    channels: int = 32
    levels: int = 3
    features: int = 32
    aggregate: Aggregate = "mean"

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "channels must be at least 1": _whole(self.channels) and self.channels >= 1,
            "levels must lie in 1 .. 6": _whole(self.levels) and 1 <= self.levels <= 6,
            "features must be at least 2": _whole(self.features) and self.features >= 2,
            f"aggregate must be one of {', '.join(get_args(Aggregate))}": self.aggregate in get_args(Aggregate),
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ModelError(f"time arrow network: {broken}; found {getattr(self, broken.split()[0])!r}")

    @property
    def multiple_px(self) -> int:
        """Sides of pictures must be multiples of this."""
        return int(2**self.levels)

    @property
    def reach_px(self) -> int:
        """No pixel further away than this changes the features of a pixel; a multiple of `multiple_px`.

        With m = 2^levels: the convolutions reach 4 (m - 1) + 2 m, halving and doubling another 2 (m - 1).
        """
        return 8 * self.multiple_px

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any], source: object) -> "TapConfig":
        """From model.json, named `source` in messages. Raises ModelError."""
        known = {field.name for field in fields(cls)}
        if set(stored) != known:
            raise ModelError(
                f"{source}: wanted a time arrow network with the keys {', '.join(sorted(known))}, found "
                f"{', '.join(sorted(stored)) or 'none'}"
            )
        return cls(**stored)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
