"""Offsets of a whole frame with their uncertainty: the network sees it several times, each time with other noise."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embeddings.nets.cellulus_config import MiniUNetConfig
from embeddings.training.device import memory_watched
from tracker.errors import ConfigError


@dataclass(frozen=True)
class NoiseSettings:
    """Noise at test time; as published. Raises ConfigError for what is out of range.

    repeats: passes for each of `values`, which are what the pixels hit are set to.   share: of the pixels that is hit.
    """

    repeats: int = 16
    values: tuple[float, ...] = (0.5, 1.0)
    share: float = 0.01

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.repeats < 1 or len(self.values) * self.repeats < 2:
            raise ConfigError(f"noise_repeats must be at least 1, and passes at least 2; found {self.repeats}")
        if not 0 < self.share < 1:
            raise ConfigError(f"noise_share must lie in (0, 1), found {self.share:g}")

    @property
    def passes(self) -> int:
        """How often the network sees a frame."""
        return self.repeats * len(self.values)


def noisy_offsets(
    network: nn.Module,
    config: MiniUNetConfig,
    image: NDArray[np.float32],
    device: torch.device,
    *,
    noise: NoiseSettings,
    rng: np.random.Generator,
    tile_px: int = 512,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean offset (D, [z,] y, x) of each pixel over all passes, and its spread ([z,] y, x), both in pixels.

    spread: standard deviations of the offsets over the passes, summed over their channels; large where the network has
    nothing to hold on to, as in the background.
    image: ([z,] y, x).   rng: draws which pixels are hit.   tile_px: as in `dense_maps`.
    """
    mean = np.zeros((config.dimensions, *image.shape), np.float32)
    squares = np.zeros_like(mean)
    for count in range(1, noise.passes + 1):
        hit = rng.random(image.shape, dtype=np.float32) < noise.share
        seen = np.where(hit, np.float32(noise.values[(count - 1) % len(noise.values)]), image)
        offsets = dense_maps(network, config, seen, device, tile_px=tile_px)
        change = offsets - mean  # Welford's running mean and sum of squares: exact where the spread is small
        mean += change / count
        squares += change * (offsets - mean)
    return mean, np.sqrt(squares / noise.passes).sum(axis=0)


def dense_maps(
    network: nn.Module,
    config: MiniUNetConfig,
    image: NDArray[np.float32],
    device: torch.device,
    *,
    tile_px: int = 512,
) -> NDArray[np.float32]:
    """What a network of valid convolutions says of every pixel: (C, [z,] y, x) of an image ([z,] y, x).

    Beyond the edges the image is mirrored. tile_px: the frame is gone through in tiles of about this side, which
    bounds the memory and changes nothing else: the tiles are those of the whole frame.
    """
    if tile_px < 1:
        raise ConfigError(f"tile_px must be positive, found {tile_px}")
    step, lost = config.multiple_px, config.lost_px
    side = math.ceil(tile_px / step) * step
    whole = [math.ceil(length / step) * step for length in image.shape]
    after = [full - length + lost for full, length in zip(whole, image.shape, strict=True)]
    # One pixel can be mirrored only as itself.
    padded = np.pad(image, [(lost, more) for more in after], mode="reflect" if min(image.shape) > 1 else "symmetric")
    maps: NDArray[np.float32] | None = None
    starts = np.stack(np.meshgrid(*[np.arange(0, full, side) for full in whole], indexing="ij"), axis=-1)
    advice = "Set a smaller tile_px"
    with torch.inference_mode(), memory_watched(device, "over a frame", advice):
        for start in starts.reshape(-1, image.ndim).tolist():
            stop = [min(low + side, full) for low, full in zip(start, whole, strict=True)]
            cut = tuple(slice(low, high + 2 * lost) for low, high in zip(start, stop, strict=True))
            shown = torch.from_numpy(padded[cut])[None, None].to(device)
            found = network(shown)[0].float().cpu().numpy()
            if maps is None:
                maps = np.empty((len(found), *whole), np.float32)
            maps[(slice(None), *(slice(low, high) for low, high in zip(start, stop, strict=True)))] = found
    assert maps is not None
    return maps[(slice(None), *(slice(length) for length in image.shape))]
