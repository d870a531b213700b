"""Dense features of whole frames by a network that predicts the arrow of time, tile by tile."""

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.nets.tap import TapNetwork
from embeddings.nets.tap_config import TapConfig
from embeddings.training.device import memory_watched
from tracker.errors import ConfigError


def dense_features(
    network: TapNetwork,
    image: NDArray[np.float32],
    device: torch.device,
    *,
    tile_px: int = 512,
    batch_size: int = 1,
) -> NDArray[np.float32]:
    """The features z (C, y, x) of all pixels of an image (y, x), normalised.

    network: on `device`, in evaluation mode.   tile_px, batch_size: side of a tile, and tiles at a time; they bound the
    memory of the network and change nothing else, since tiles overlap by as much as the network reaches.
    Raises ConfigError for tiles that are too small; TrainingError when memory runs out.
    """
    config = network.config
    _check(config, tile_px, batch_size)
    multiple = config.multiple_px
    beyond = [-length % multiple for length in image.shape]
    padded = np.pad(image, [(0, one) for one in beyond], mode="edge")
    height, width = image.shape
    dense = np.empty((config.features, height, width), np.float32)
    spans = [_spans(length, tile_px, config) for length in padded.shape]
    tiles = [(rows, columns) for rows in spans[0] for columns in spans[1]]
    advice = 'Make tile_px or batch_size smaller, or use the CPU (device = "cpu")'
    with torch.inference_mode(), memory_watched(device, "computing the features of a frame", advice):
        for first in range(0, len(tiles), batch_size):
            part = tiles[first : first + batch_size]
            cut = np.stack([padded[y[0] : y[1], x[0] : x[1]] for y, x in part])
            found = network.features(torch.from_numpy(cut).to(device)).float().cpu().numpy()
            for one, (y, x) in zip(found, part, strict=True):
                bottom, right = min(y[3], height), min(x[3], width)
                dense[:, y[2] : bottom, x[2] : right] = one[:, y[2] - y[0] : bottom - y[0], x[2] - x[0] : right - x[0]]
    return dense


def _spans(length: int, tile_px: int, config: TapConfig) -> list[tuple[int, int, int, int]]:
    """Tiles along an axis: start, stop, and the start and stop of the pixels that are taken from it."""
    if length <= tile_px:
        return [(0, length, 0, length)]
    reach = config.reach_px
    starts = [*range(0, length - tile_px, tile_px - 2 * reach), length - tile_px]
    takes = [0, *(start + reach for start in starts[1:]), length]
    return [(start, start + tile_px, takes[n], takes[n + 1]) for n, start in enumerate(starts)]


def _check(config: TapConfig, tile_px: int, batch_size: int) -> None:
    smallest = 2 * config.reach_px + config.multiple_px
    if tile_px < smallest or tile_px % config.multiple_px:
        raise ConfigError(
            f"tile_px must be a multiple of {config.multiple_px}, at least {smallest} for this network; found {tile_px}"
        )
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
