"""The sizes of a mini U-Net with a small field of view."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from embeddings.nets.errors import ModelError


@dataclass(frozen=True)
class MiniUNetConfig:
    """Sizes, those published for Cellulus by default; checked on construction. Raises ModelError naming the key.

    dimensions: 2 or 3 spatial axes.   inputs: channels of the image.
    channels: of the first level.   growth: each level has so many times the channels of the one above it.
    depth: halvings of the image; with it grows the field of view, which must stay smaller than an object.
    features: channels of what comes out, a vector per pixel.
    """

    dimensions: int = 2
    inputs: int = 1
    channels: int = 64
    growth: int = 3
    depth: int = 1
    features: int = 64

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "dimensions must be 2 or 3": _whole(self.dimensions) and self.dimensions in (2, 3),
            "inputs must be at least 1": _whole(self.inputs) and self.inputs >= 1,
            "channels must be at least 1": _whole(self.channels) and self.channels >= 1,
            "growth must be at least 1": _whole(self.growth) and self.growth >= 1,
            "depth must lie in 1 .. 5": _whole(self.depth) and 1 <= self.depth <= 5,
            "features must be at least 1": _whole(self.features) and self.features >= 1,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ModelError(f"mini U-Net: {broken}; found {getattr(self, broken.split()[0])!r}")

    @property
    def multiple_px(self) -> int:
        """2^depth: every side of the output is a multiple of it; shifts by it shift the output."""
        return int(2**self.depth)

    @property
    def lost_px(self) -> int:
        """Pixels that the output is smaller than the input, on each side along each axis.

        8 at depth 1, 20 at 2, 46 at 3. The convolutions lose 2 (2 m - 2) + 2 m with m = 2^depth (each block 2 on its
        level); the rest is cut off, so that an input whose halves come out even has an output in whole multiples of m.
        """
        lost = self.convolved_px
        while (2 * lost + 4) % self.multiple_px:
            lost += 1
        return lost

    @property
    def convolved_px(self) -> int:
        """The part of `lost_px` that the convolutions lose."""
        return 4 * (self.multiple_px - 1) + 2 * self.multiple_px

    @property
    def field_of_view_px(self) -> int:
        """Side of what the network sees around a pixel, as it is published: twice `lost_px`."""
        return 2 * self.lost_px

    def fits(self, side_px: int) -> bool:
        """Whether an image may have this side: what is left of it is a positive multiple of `multiple_px`."""
        left = side_px - 2 * self.lost_px
        return left > 0 and left % self.multiple_px == 0

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any], source: object) -> "MiniUNetConfig":
        """From model.json, named `source` in messages. Raises ModelError."""
        known = {field.name for field in fields(cls)}
        if set(stored) != known:
            raise ModelError(
                f"{source}: wanted a mini U-Net with the keys {', '.join(sorted(known))}, found "
                f"{', '.join(sorted(stored)) or 'none'}"
            )
        return cls(**stored)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
