"""Tiles: detections cut into groups of neighbours, and what lies within reach of each group.

Work on pairs within a cut-off distance is then done tile by tile, and most pairs of a wide field are never looked at.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Distances are compared again, exactly, where they count; rounding must not lose a pair before that.
_SLACK = 1.001


def cut_tiles(plane_px: NDArray[np.floating], most: int) -> list[NDArray[np.int64]]:
    """Groups of at most `most` neighbours, of equal size give or take one; each row is in exactly one.

    Halved again and again across the axis along which they spread most, by rank: any number may share a place.
    plane_px: (N, 2) places along y and x.   Returns rows, increasing within a group; none where N = 0.
    """
    groups = [np.arange(len(plane_px))] if len(plane_px) else []
    while groups and max(map(len, groups)) > most:
        groups = [half for group in groups for half in _halves(plane_px, group)]
    return [np.sort(group) for group in groups]


def within_reach(
    groups: Sequence[NDArray[np.int64]],
    plane_px: NDArray[np.floating],
    others_px: NDArray[np.floating],
    cutoff_px: float,
) -> list[NDArray[np.int64]]:
    """For each group all rows of others_px (M, 2), increasing, at most cutoff_px from the box around the group.

    groups: of rows of plane_px (N, 2), as of `cut_tiles`, none empty.
    """
    reach = cutoff_px * _SLACK
    order = np.argsort(others_px[:, 0], kind="stable")
    sorted_px = others_px[order].astype(np.float64)
    found = []
    for group in groups:
        low, high = plane_px[group].min(axis=0).astype(np.float64), plane_px[group].max(axis=0).astype(np.float64)
        first, last = np.searchsorted(sorted_px[:, 0], (low[0] - reach, high[0] + reach))
        strip = sorted_px[first:last]
        outside = np.maximum(np.maximum(low - strip, strip - high), 0)
        found.append(np.sort(order[first:last][np.square(outside).sum(axis=1) <= reach**2]))
    return found


def pad_rows(rows: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """T lists of rows as one array (T, longest), 0 where padded, and where it is not padded."""
    length = np.array([len(part) for part in rows])
    real = np.arange(length.max()) < length[:, None]
    index = np.zeros(real.shape, np.int64)
    index[real] = np.concatenate(rows)
    return index, real


def in_chunks(heights: NDArray[np.int64], widths: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """Items 0 .. T - 1 in groups which, padded to one height and width, hold at most `most` entries, or are one item.

    Items of like size come together, so that little is padded. heights, widths: (T,).
    """
    order = np.lexsort((heights, widths))
    first, tallest = 0, 0
    for place, item in enumerate(order):
        tallest = max(tallest, int(heights[item]))
        if place > first and (place + 1 - first) * tallest * int(widths[item]) > most:
            yield order[first:place]
            first, tallest = place, int(heights[item])
    if len(order):
        yield order[first:]


def _halves(plane_px: NDArray[np.floating], group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    plane = plane_px[group]
    middle = len(group) // 2
    order = np.argpartition(plane[:, int(np.argmax(np.ptp(plane, axis=0)))], middle)
    return group[order[:middle]], group[order[middle:]]
