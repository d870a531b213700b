"""The outlines of all regions of a label image at once, as smooth closed lines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Sides of a pixel, clockwise with y downwards: top, right, bottom, left. Where the line along each goes, what it faces.
_ALONG = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
_OUT = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
_MIDDLE = np.array([(-0.5, 0.0), (0.0, 0.5), (0.5, 0.0), (0.0, -0.5)])
_FEWEST_POINTS = 6


@dataclass(frozen=True)
class Contours:
    """C closed lines, sorted by label; a region with holes or in pieces has several (fill them even-odd).

    label: (C,) int64.   start: (C + 1,) int64 offsets into points.   points: (P, 2) float32, y, x in pixels, 0 is the
        centre of the first pixel; the last point of a line is not repeated.
    """

    label: NDArray[np.int64]
    start: NDArray[np.int64]
    points: NDArray[np.float32]


def find_contours(labels: NDArray[np.integer], *, step_px: float = 2.0, smoothing: int = 2) -> Contours:
    """Walk around every region of `labels` (y, x), 0 = background; pieces that touch at a corner only are apart.

    The line goes through the middle of each pixel side that parts the region from what is not it, smoothed
    `smoothing` times by (1, 2, 1) / 4 along itself, and keeps a point every `step_px`, but at least six.
    """
    image = np.pad(np.asarray(labels, np.int64), 1)
    y, x = np.nonzero(image)
    own = image[y, x]
    side = np.concatenate([np.flatnonzero(image[y + dy, x + dx] != own) for dy, dx in _OUT])
    which = np.repeat(np.arange(4), [int((image[y + dy, x + dx] != own).sum()) for dy, dx in _OUT])
    y, x, own = y[side], x[side], own[side]
    following = _following(image.shape, which, y, x)
    head, rank = _order(following)
    order = np.lexsort((rank, head, own))
    first = np.flatnonzero(np.append(True, np.diff(head[order]) != 0)[: len(order)])
    start = np.append(first, len(order))
    line = np.column_stack([y, x])[order] - 1 + _MIDDLE[which[order]]
    points = _thinned(_smoothed(line, start, smoothing), start, step_px)
    return Contours(own[order][first], *points)


def thin(contours: Contours, factor: int) -> Contours:
    """Keep one of `factor` points, but at least six of each line that has them."""
    start, points = _keep(contours.points, contours.start, -(-np.diff(contours.start) // factor))
    return Contours(contours.label, start, points)


def _following(
    shape: tuple[int, ...], which: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(n,) the side that goes on where each ends: of the same pixel, else of the next one, else of the one across."""
    number = np.full((4, *shape), -1, np.int64)
    number[which, y, x] = np.arange(len(which))
    ahead_y, ahead_x = y + _ALONG[which, 0], x + _ALONG[which, 1]
    turning = number[(which + 1) % 4, y, x]
    straight = number[which, ahead_y, ahead_x]
    across = number[(which + 3) % 4, ahead_y + _OUT[which, 0], ahead_x + _OUT[which, 1]]
    return np.where(turning >= 0, turning, np.where(straight >= 0, straight, across))


def _order(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each element of a permutation the smallest of its cycle, and how many steps after that one it comes."""
    head, jump = np.arange(len(following)), following
    while True:  # pointer doubling: after k rounds `head` is the least of the next 2**k
        least = np.minimum(head, head[jump])
        if np.array_equal(least, head) and np.array_equal(least, least[following]):
            break
        head, jump = least, jump[jump]
    # Steps until the head comes again: stop there and add up what was jumped over.
    at_head = following == head
    jump = np.where(at_head, np.arange(len(following)), following)
    left = np.where(at_head, 0, 1)
    while left[jump].any():
        left, jump = left + left[jump], jump[jump]
    length = np.bincount(head, minlength=len(head))[head]
    return head, length - 1 - left


def _smoothed(line: NDArray[np.float64], start: NDArray[np.int64], times: int) -> NDArray[np.float64]:
    before, after = np.arange(-1, len(line) - 1), np.arange(1, len(line) + 1)
    if len(line):
        before[start[:-1]], after[start[1:] - 1] = start[1:] - 1, start[:-1]
    for _ in range(times):
        line = (line[before] + 2 * line + line[after]) / 4
    return line


def _thinned(
    line: NDArray[np.float64], start: NDArray[np.int64], step_px: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return _keep(line.astype(np.float32), start, np.ceil(np.diff(start) / step_px).astype(np.int64))


def _keep(
    points: NDArray[np.float32], start: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`wanted` points (C,) of each line, evenly; at least six where there are."""
    length = np.diff(start)
    count = np.minimum(length, np.maximum(wanted, _FEWEST_POINTS))
    ends = np.append(0, np.cumsum(count))
    place = np.arange(ends[-1]) - np.repeat(ends[:-1], count)
    chosen = np.repeat(start[:-1], count) + place * np.repeat(length, count) // np.repeat(count, count)
    return ends, points[chosen]
