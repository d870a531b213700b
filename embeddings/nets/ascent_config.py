"""The sizes of a network that tells the detections of a frame from each other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from embeddings.nets.errors import ModelError

Positions = Literal["relative", "physical", "none"]
Pool = Literal["class", "mean"]


@dataclass(frozen=True)
class AscentConfig:
    """Sizes, those of ASCENT by default; checked on construction. Raises ModelError naming the key.

    patch_px: side of the square that is seen around a detection.   token_px: side of the pieces it is cut into.
    width, depth, heads, mlp_ratio: of the vision transformer that sees it; the defaults are a ViT-S/16.
    pool: what it tells: its "class" token, as published and as DINO's weights have learnt it; or the "mean" of all
        others, with which a transformer of random weights learns far sooner.
    visual_norm: batch norm of what it tells. Not in the released code; but a transformer of random weights tells nearly
        the same of all patches, and without it takes long to learn otherwise.
    embedding: d, channels of a detection from there on.
    positions: what the network knows of the place of a detection: "relative" to the frame's centre, in halves of its
        size; "physical", in the unit of the movie; or "none".
    set_layers, set_heads, feed_forward, dropout: of the transformer over the detections of a frame; 0 layers leave each
        detection on its own.
    projection: width of a last Linear-ReLU-Linear; 0 = none, as in the released code (the paper's supplement has 1024).
    """

    patch_px: int = 64
    token_px: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    pool: Pool = "class"
    visual_norm: bool = False
    embedding: int = 256
    positions: Positions = "relative"
    set_layers: int = 4
    set_heads: int = 4
    feed_forward: int = 512
    dropout: float = 0.1
    projection: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "token_px must be at least 1": self.token_px >= 1,
            f"patch_px must be even and a multiple of token_px = {self.token_px}": self.patch_px >= 2
            and self.patch_px % 2 == 0
            and self.patch_px % max(self.token_px, 1) == 0,
            "depth must be at least 1": self.depth >= 1,
            f"heads must divide width = {self.width}": self.heads >= 1
            and self.width >= 1
            and self.width % self.heads == 0,
            "mlp_ratio must be at least 1": self.mlp_ratio >= 1,
            f"pool must be one of {', '.join(get_args(Pool))}": self.pool in get_args(Pool),
            f"set_heads must divide embedding = {self.embedding}": self.set_heads >= 1
            and self.embedding >= 1
            and self.embedding % self.set_heads == 0,
            f"positions must be one of {', '.join(get_args(Positions))}": self.positions in get_args(Positions),
            "set_layers must be at least 0": self.set_layers >= 0,
            "feed_forward must be at least 1": self.feed_forward >= 1,
            "dropout must lie in [0, 1)": 0 <= self.dropout < 1,
            "projection must be at least 0": self.projection >= 0,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ModelError(f"ASCENT network: {broken}; found {getattr(self, broken.split()[0])!r}")

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any], source: object) -> "AscentConfig":
        """From model.json, named `source` in messages. Raises ModelError."""
        known = {field.name for field in fields(cls)}
        if set(stored) != known:
            raise ModelError(
                f"{source}: wanted an ASCENT network with the keys {', '.join(sorted(known))}, found "
                f"{', '.join(sorted(stored)) or 'none'}"
            )
        try:
            return cls(**stored)
        except TypeError as error:
            raise ModelError(f"{source}: a size of the ASCENT network is of the wrong type: {error}") from error
