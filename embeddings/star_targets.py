"""What StarDist (Schmidt et al., MICCAI 2018) learns of a label image: probabilities and rays. Numpy only.

Label images (y, x) of integers: objects are above 0, background is 0, -1 is not known. To a ray, and to the distance
from the border of an object, all that has another label is beyond that border, the edge of the image is not.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_OUTSIDE = -2
Pixel = TypeVar("Pixel", bound=np.generic)


def ray_directions(n_rays: int) -> NDArray[np.float64]:
    """(R, 2) unit vectors y, x at the angles 2 pi k / R: ray 0 runs along x, a quarter of them later along y."""
    angle = 2 * np.pi * np.arange(n_rays) / n_rays
    return np.column_stack([np.sin(angle), np.cos(angle)])


def star_distances(labels: NDArray[np.integer], n_rays: int, margin_px: int = 0) -> NDArray[np.float32]:
    """(R, y, x) how far the object of each pixel reaches along each ray, in pixels; 0 where there is no object.

    Along a ray the pixels nearest to the places 1, 2, ... away are looked at. Where the n-th is the first one of
    another label, or outside of the image, the distance is that to the border between pixels,
    n - 1 + 0.5 / max(|sin|, |cos|) of the ray's angle.
    margin_px: pixels closer than this to the edge are left out of the result, though rays run through them.
    """
    ray_step = ray_directions(n_rays)
    beyond = 0.5 / np.abs(ray_step).max(axis=1)
    shape = tuple(side - 2 * margin_px for side in labels.shape)
    padded = np.pad(labels.astype(np.int64), 1, constant_values=_OUTSIDE)
    y, x = np.nonzero(_inner(labels > 0, margin_px))
    flat, stride = padded.ravel(), padded.shape[1]
    start = (y + margin_px + 1) * stride + x + margin_px + 1
    own = flat[start]
    reach = np.zeros((n_rays, len(start)), np.float32)
    ray, pixel = np.repeat(np.arange(n_rays), len(start)), np.tile(np.arange(len(start)), n_rays)
    length = 0
    while len(ray):  # one step along all rays that have not ended yet
        length += 1
        whole = np.rint(length * ray_step).astype(np.int64)
        shift = whole[:, 0] * stride + whole[:, 1]
        ended = flat[start[pixel] + shift[ray]] != own[pixel]
        reach[ray[ended], pixel[ended]] = length - 1 + beyond[ray[ended]]
        ray, pixel = ray[~ended], pixel[~ended]
    found = np.zeros((n_rays, *shape), np.float32)
    found[:, y, x] = reach
    return found


def star_probabilities(labels: NDArray[np.integer], margin_px: int = 0) -> NDArray[np.float32]:
    """(y, x) in (0, 1] inside of objects: distance to the border, in parts of the largest of the object; else 0.

    -1 where nothing is known.   margin_px: as in `star_distances`; it counts for the largest distance.
    """
    distance = edge_distances(labels)
    inside = labels > 0
    names, own = np.unique(labels[inside], return_inverse=True)
    deepest = np.zeros(len(names))
    np.maximum.at(deepest, own, distance[inside])
    found = np.where(labels < 0, np.float32(-1), np.float32(0))
    found[inside] = distance[inside] / deepest[own]
    return np.ascontiguousarray(_inner(found, margin_px))


def edge_distances(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """(y, x) Euclidean distance from each pixel of an object to the nearest pixel of another label; 0 elsewhere.

    An image that is one object as a whole is taken to have background around it.
    """
    if labels.size and labels.min() == labels.max() > 0:
        return edge_distances(np.pad(labels, 1))[1:-1, 1:-1]
    across = _row_distances(labels) ** 2
    squared = np.where(labels > 0, across, 0.0)
    # What is nearest lies in some row; on the way there along the column nothing of another label can lie closer.
    _look_down(labels, across, squared)
    _look_down(labels[::-1], across[::-1], squared[::-1])
    distance: NDArray[np.float64] = np.sqrt(squared)
    return distance


def _row_distances(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """(y, x) distance within the row to the nearest pixel of another label, infinite where there is none."""
    nearest = np.full(labels.shape, np.inf)
    column = np.arange(labels.shape[1])
    for way in (slice(None), slice(None, None, -1)):
        row = labels[:, way]
        begins = np.zeros(row.shape, np.bool_)
        begins[:, 1:] = row[:, 1:] != row[:, :-1]
        start = np.maximum.accumulate(np.where(begins, column, 0), axis=1)  # of the run that a pixel is in
        away = np.where(start > 0, column - start + 1.0, np.inf)
        nearest[:, way] = np.minimum(nearest[:, way], away)
    return nearest


def _look_down(labels: NDArray[np.integer], across: NDArray[np.float64], squared: NDArray[np.float64]) -> None:
    """Lower `squared` in place by what lies in the rows below.   across: squared distances within the row."""
    y, x = np.nonzero(labels > 0)
    own, best = labels[y, x], squared[y, x]
    looking, distance = np.arange(len(y)), 0
    while len(looking):
        distance += 1
        looking = looking[(y[looking] + distance < len(labels)) & (distance**2 < best[looking])]
        there = y[looking] + distance, x[looking]
        same = labels[there] == own[looking]
        best[looking] = np.minimum(best[looking], distance**2 + np.where(same, across[there], 0.0))
        looking = looking[same]
    squared[y, x] = best


def _inner(image: NDArray[Pixel], margin_px: int) -> NDArray[Pixel]:
    """Without the margin."""
    return image[margin_px : image.shape[0] - margin_px, margin_px : image.shape[1] - margin_px]
