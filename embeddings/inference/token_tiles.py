"""Large images for a network of a fixed input: overlapping tiles, each token from the tile where it is most central."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError


@dataclass(frozen=True)
class AxisTiles:
    """starts: first token of each tile of an axis, increasing.   bounds: tile i gives bounds[i] .. bounds[i + 1]."""

    starts: tuple[int, ...]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, tokens: int, tile: int, overlap: float) -> "AxisTiles":
        """As few tiles as cover an axis, evenly spread.

        tokens: along the axis.   tile: tokens of a tile.   overlap: share of a tile that neighbours have in common at
            least, in [0, 1).   Raises ConfigError for another overlap.
        A token belongs to the tile whose centre is nearest, the first of two.
        """
        if not 0 <= overlap < 1:
            raise ConfigError(f"overlap must lie in [0, 1), found {overlap:g}")
        if tokens <= tile:
            return cls((0,), (0, tokens))
        step = max(tile - math.ceil(overlap * tile), 1)
        count = math.ceil((tokens - tile) / step) + 1
        starts = [round(at) for at in np.linspace(0, tokens - tile, count).tolist()]
        # Token k is nearer to the centre of tile i than to that of i + 1 while 2 k + 1 <= start_i + start_{i+1} + tile.
        between = [(before + after + tile + 1) // 2 for before, after in pairwise(starts)]
        return cls(tuple(starts), (0, *between, tokens))


@dataclass(frozen=True)
class TokenTile:
    """start: (y, x) first token of the tile.   rows, columns: the tokens of the whole image that it gives."""

    start: tuple[int, int]
    rows: slice
    columns: slice

    @property
    def within(self) -> tuple[slice, slice]:
        """Where these tokens are in the tile."""
        (y, x), rows, columns = self.start, self.rows, self.columns
        return slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)


def token_tiles(tokens: tuple[int, int], tile: int, overlap: float) -> list[TokenTile]:
    """The tiles of an image of (rows, columns) tokens, row by row; every token is given by one. Raises ConfigError."""
    y, x = (AxisTiles.of(count, tile, overlap) for count in tokens)
    return [
        TokenTile((start_y, start_x), rows, columns) for start_y, rows in _parts(y) for start_x, columns in _parts(x)
    ]


def _parts(axis: AxisTiles) -> Iterator[tuple[int, slice]]:
    for start, low, high in zip(axis.starts, axis.bounds[:-1], axis.bounds[1:], strict=True):
        yield start, slice(low, high)


def cut(image: NDArray[np.float32], start_px: tuple[int, int], side_px: int) -> NDArray[np.float32]:
    """(..., y, x) -> (..., side_px, side_px) from a start inside of the image, with 0 beyond it."""
    part = image[..., start_px[0] : start_px[0] + side_px, start_px[1] : start_px[1] + side_px]
    beyond = [(0, 0)] * (image.ndim - 2) + [(0, side_px - length) for length in part.shape[-2:]]
    return np.pad(part, beyond)
