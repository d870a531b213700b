"""The sizes of a masked auto-encoder of fields of view."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from embeddings.nets.errors import ModelError


@dataclass(frozen=True)
class MaeConfig:
    """Sizes of a masked auto-encoder; checked on construction. Raises ModelError naming the key.

    image_px: side of the square field of view.   patch_px: side of a patch, odd so that it has a centre pixel; each
        patch is a token.   central_tokens: along each axis; only so many tokens in the middle of the field give
        embeddings, since they see the most around them.
    width, depth, heads, mlp_ratio: of the encoder; the embedding has `width` channels.
    position_weight: of the positions of the tokens; small, so that tokens tell texture rather than place.
    mask_share: part of the patches that is hidden in training.
    decoder_width, decoder_depth, decoder_heads: of the decoder, which only training needs.
    The defaults are those of MAESTER (Xie et al., CVPR 2023).
    """

    image_px: int = 80
    patch_px: int = 5
    central_tokens: int = 4
    width: int = 192
    depth: int = 14
    heads: int = 1
    mlp_ratio: int = 2
    position_weight: float = 0.08
    mask_share: float = 0.5
    decoder_width: int = 128
    decoder_depth: int = 7
    decoder_heads: int = 8

    def __post_init__(self) -> None:
        """Check ranges."""
        odd = self.patch_px >= 1 and self.patch_px % 2 == 1
        grid = self.grid if odd else 0
        wanted = {
            "patch_px must be odd and positive": odd,
            f"image_px must be a multiple of patch_px = {self.patch_px}, at least twice it": grid >= 2
            and self.image_px % self.patch_px == 0,
            f"central_tokens must lie in the middle of {grid} tokens: at least 1, as many left over on both sides": 1
            <= self.central_tokens
            <= grid
            and (grid - self.central_tokens) % 2 == 0,
            "width must be a positive multiple of 4": self.width >= 4 and self.width % 4 == 0,
            "depth must be at least 1": self.depth >= 1,
            f"heads must divide width = {self.width}": self.heads >= 1 and self.width % self.heads == 0,
            "mlp_ratio must be at least 1": self.mlp_ratio >= 1,
            "position_weight must be at least 0 and finite": 0 <= self.position_weight < math.inf,
            f"mask_share must hide some of {self.tokens if odd else 0} patches and leave some": 0 < self.mask_share < 1
            and 0 < self.kept_tokens < self.tokens,
            "decoder_width must be a positive multiple of 4": self.decoder_width >= 4 and self.decoder_width % 4 == 0,
            "decoder_depth must be at least 1": self.decoder_depth >= 1,
            f"decoder_heads must divide decoder_width = {self.decoder_width}": self.decoder_heads >= 1
            and self.decoder_width % self.decoder_heads == 0,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ModelError(f"masked auto-encoder: {broken}; found {getattr(self, broken.split()[0])}")

    @property
    def grid(self) -> int:
        """Tokens along each axis."""
        return self.image_px // self.patch_px

    @property
    def tokens(self) -> int:
        """Tokens of a field of view, row by row."""
        return self.grid**2

    @property
    def kept_tokens(self) -> int:
        """Patches that the encoder sees in training."""
        return self.tokens - round(self.mask_share * self.tokens)

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any], source: object) -> "MaeConfig":
        """From model.json, named `source` in messages. Raises ModelError."""
        known = {field.name for field in fields(cls)}
        if set(stored) != known:
            raise ModelError(
                f"{source}: wanted a masked auto-encoder with the keys {', '.join(sorted(known))}, found "
                f"{', '.join(sorted(stored)) or 'none'}"
            )
        try:
            return cls(**stored)
        except TypeError as error:
            raise ModelError(f"{source}: a size of the masked auto-encoder is of the wrong type: {error}") from error
