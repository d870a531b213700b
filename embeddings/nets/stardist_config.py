"""The sizes of a StarDist network."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embeddings.nets.cellulus_config import MiniUNetConfig
from embeddings.nets.errors import ModelError


@dataclass(frozen=True)
class StarDistConfig:
    """Sizes, those of the supervised stage of Cellulus by default; checked on construction. Raises ModelError.

    unet: 2-D; at depth 3 it sees 92 px around a pixel.   n_rays: of each star, at least 3.
    ray_px: rays come out in this unit, so that what is learnt is about 1: their mean length in the training.
    """

    unet: MiniUNetConfig = field(default_factory=lambda: MiniUNetConfig(channels=32, depth=3))
    n_rays: int = 16
    ray_px: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        rays = self.n_rays
        if not isinstance(rays, int) or isinstance(rays, bool) or rays < 3:
            raise ModelError(f"StarDist: n_rays must be at least 3; found {rays!r}")
        if not isinstance(self.ray_px, float) or not 0 < self.ray_px < math.inf:
            raise ModelError(f"StarDist: ray_px must be positive; found {self.ray_px!r}")
        if self.unet.dimensions != 2:
            raise ModelError(f"StarDist: dimensions must be 2; found {self.unet.dimensions!r}")

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any], source: object) -> "StarDistConfig":
        """From model.json, named `source` in messages. Raises ModelError."""
        wanted = {"unet", "n_rays", "ray_px"}
        if set(stored) != wanted or not isinstance(stored["unet"], Mapping):
            raise ModelError(
                f"{source}: wanted a StarDist network with the keys {', '.join(sorted(wanted))}, found "
                f"{', '.join(sorted(stored)) or 'none'}"
            )
        return cls(MiniUNetConfig.from_mapping(stored["unet"], source), stored["n_rays"], stored["ray_px"])
