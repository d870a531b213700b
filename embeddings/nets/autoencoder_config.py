"""The sizes of an auto-encoder of patches."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from embeddings.nets.errors import ModelError

GRID = 4  # pixels along each axis of the latent picture


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of an auto-encoder; checked on construction. Raises ModelError naming the key.

    patch_px: ([z,] y, x) pixels of a patch, each 4 * 2^k, the largest 4 * 2^(levels - 1); shorter axes (few planes)
        are halved in the last levels only.
    channels, multipliers: channels of a level = channels * multiplier; as many levels as multipliers.
    blocks: residual blocks per level of the encoder; the decoder has one more.
    groups: of the group norms; a divisor of the channels of every level.
    attention_px: levels at which the longest axis has this size get self-attention, beside the middle.
    latent: length of the embedding, a multiple of 4^axes.   dropout: inside the residual blocks.
    """

    patch_px: tuple[int, ...] = (64, 64)
    channels: int = 32
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    blocks: int = 2
    groups: int = 16
    attention_px: int = 16
    latent: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        largest = GRID * 2 ** (len(self.multipliers) - 1)
        allowed = {GRID * 2**level for level in range(len(self.multipliers))}
        cells = GRID ** len(self.patch_px)
        widths = [self.channels * multiplier for multiplier in self.multipliers]
        wanted = {
            "multipliers must be at least one positive number": bool(widths) and min(self.multipliers) >= 1,
            f"patch_px must be two or three sizes out of {sorted(allowed)}, the largest {largest}": len(self.patch_px)
            in (2, 3)
            and set(self.patch_px) <= allowed
            and max(self.patch_px) == largest,
            "channels must be at least 1": self.channels >= 1,
            "blocks must be at least 1": self.blocks >= 1,
            f"groups must divide the channels of every level, {widths}": self.groups >= 1
            and not any(width % self.groups for width in widths),
            f"latent must be a positive multiple of {cells}": self.latent >= cells and self.latent % cells == 0,
            "dropout must lie in [0, 1)": 0 <= self.dropout < 1,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ModelError(f"auto-encoder: {broken}; found {getattr(self, broken.split()[0])}")

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.patch_px)

    @property
    def sizes_px(self) -> list[tuple[int, ...]]:
        """([z,] y, x) of the picture at each level, from the patch down to the latent one."""
        levels = len(self.multipliers)
        return [tuple(min(size, GRID * 2 ** (levels - 1 - level)) for size in self.patch_px) for level in range(levels)]

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any], source: object) -> "AutoencoderConfig":
        """From model.json, named `source` in messages. Raises ModelError."""
        known = {field.name for field in fields(cls)}
        if set(stored) != known:
            raise ModelError(
                f"{source}: wanted an auto-encoder with the keys {', '.join(sorted(known))}, found "
                f"{', '.join(sorted(stored)) or 'none'}"
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise ModelError(f"{source}: a size of the auto-encoder is of the wrong type: {error}") from error
