"""From probabilities and rays to objects: the best stars that do not overlap too much. Numpy only."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.star_targets import ray_directions
from tracker.errors import ConfigError


@dataclass(frozen=True)
class StarSettings:
    """How objects are chosen; checked on construction. Raises ConfigError naming the key.

    probability_threshold: stars of pixels below it are not looked at.   overlap: a star that shares more than this part
    of the smaller one's area with a better star is dropped.   smallest_px: so is one of fewer pixels.
    tile_px: as in `dense_maps`.
    """

    probability_threshold: float = 0.4
    overlap: float = 0.3
    smallest_px: int = 20
    tile_px: int = 512

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "probability_threshold must lie in (0, 1)": 0 < self.probability_threshold < 1,
            "overlap must lie in [0, 1)": 0 <= self.overlap < 1,
            "smallest_px must be at least 1": self.smallest_px >= 1,
            "tile_px must be positive": self.tile_px >= 1,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ConfigError(f"segmentation: {broken}; found {getattr(self, broken.split()[0])!r}")


def star_labels(
    probability: NDArray[np.float32], rays: NDArray[np.float32], settings: StarSettings
) -> NDArray[np.int64]:
    """(y, x) labels, 0 is background, objects are 1 .. n in order of their first pixels.

    Stars are taken one after the other, the most probable first, of equally probable ones that of the first pixel. One
    whose own pixel is taken already, or that overlaps with one taken by more than `overlap` of the area of the smaller
    of both (counted in pixels of the image), is dropped. What two have in common belongs to the better one.
    probability: (y, x) in [0, 1].   rays: (R, y, x) in pixels, as `star_distances`; negative ones count as 0.
    """
    shape = probability.shape
    labels = np.zeros(shape, np.int64)
    candidate = np.flatnonzero(probability.ravel() >= settings.probability_threshold)
    candidate = candidate[np.argsort(-probability.ravel()[candidate], kind="stable")]
    direction, reach = ray_directions(len(rays)), rays.reshape(len(rays), -1)
    taken, area = labels.ravel(), [0]  # a view; pixels of each whole star
    for pixel in candidate.tolist():
        if taken[pixel]:
            continue
        corner = np.array(divmod(pixel, shape[1])) + np.maximum(reach[:, pixel], 0.0)[:, None] * direction
        inside = star_pixels(corner, shape)
        below = taken[inside]
        if np.count_nonzero(below == 0) < settings.smallest_px:
            continue
        shared = np.bincount(below, minlength=len(area))[1:]
        if (shared > settings.overlap * np.minimum(area[1:], len(inside))).any():
            continue
        taken[inside[below == 0]] = len(area)
        area.append(len(inside))
    names, first = np.unique(taken, return_index=True)
    number = np.zeros(len(area), np.int64)
    number[names[names > 0][np.argsort(first[names > 0])]] = np.arange(1, np.count_nonzero(names) + 1)
    return number[labels]


def star_pixels(corner: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Flat indices of the pixels of an image whose centres lie inside of a polygon.   corner: (R, 2) y, x in turn.

    A ray from the pixel along x crosses the polygon's sides an odd number of times. The polygon is cut at the image.
    """
    low = [max(math.ceil(one), 0) for one in corner.min(axis=0)]
    high = [min(math.floor(one), side - 1) for one, side in zip(corner.max(axis=0), shape, strict=True)]
    y, x = (np.arange(a, b + 1) for a, b in zip(low, high, strict=True))
    after = np.roll(corner, -1, axis=0)
    rises = (corner[:, 0] > y[:, None]) != (after[:, 0] > y[:, None])  # (y, R): the side crosses this row
    height = np.where(corner[:, 0] == after[:, 0], 1.0, after[:, 0] - corner[:, 0])
    cross = corner[:, 1] + (y[:, None] - corner[:, 0]) / height * (after[:, 1] - corner[:, 1])
    inside = np.logical_xor.reduce(rises[:, None] & (x[:, None] < cross[:, None]), axis=2)
    down, across = np.nonzero(inside)
    return (down + low[0]) * shape[1] + across + low[1]
