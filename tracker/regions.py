"""Properties of every labelled region of one mask, in one pass over its foreground pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError


@dataclass(frozen=True)
class Regions:
    """n regions of one mask of D axes ([z,] y, x), sorted by label. Everything is in pixels.

    label: (n,) int64.   area_px: (n,) number of pixels (voxels in 3-D).   centroid_px: (n, D) mean coordinate.
    bbox_px: (n, 2D) int64, the first D columns the smallest coordinate, the last D the largest plus one.
    equivalent_diameter_px: (n,) diameter of the disk (2-D) or ball (3-D) of the same area.
    inertia_tensor_px2: (n, D, D). With the covariance C of the pixel coordinates of a region, it is
        trace(C) * identity - C.
    border_distance_px: (n,) pixels between the bounding box and the nearest image edge along y and x, 0 where it
        touches. z does not count: stacks are shallow, and most cells would touch the top or the bottom.
    intensity_mean: (n,) mean of the image over the region, None when no image was given.
    """

    label: NDArray[np.int64]
    area_px: NDArray[np.float64]
    centroid_px: NDArray[np.float64]
    bbox_px: NDArray[np.int64]
    equivalent_diameter_px: NDArray[np.float64]
    inertia_tensor_px2: NDArray[np.float64]
    border_distance_px: NDArray[np.float64]
    intensity_mean: NDArray[np.float64] | None

    def __len__(self) -> int:
        """Number of regions n."""
        return len(self.label)


def region_properties(mask: NDArray[np.generic], image: NDArray[np.generic] | None = None) -> Regions:
    """Measure every region of `mask` (2-D or 3-D integers, 0 = background, labels may have holes in between).

    image: same shape as the mask. A NaN in it makes the mean intensity of its region NaN; that is left to the caller.
    Raises MovieError when the mask does not hold integers >= 0, or the image has another shape.
    """
    _check(mask, image)
    ndim = mask.ndim
    flat = np.flatnonzero(mask != 0)
    label, index, area = _compact(mask.ravel()[flat])
    count = len(label)
    low = np.empty((count, ndim), np.int64)
    high = np.empty((count, ndim), np.int64)
    total = np.empty((count, ndim))
    coordinates = []
    for axis, coordinate in enumerate(_unravel(flat, mask.shape)):
        smallest, largest = np.full(count, mask.shape[axis], np.int64), np.zeros(count, np.int64)
        np.minimum.at(smallest, index, coordinate)
        np.maximum.at(largest, index, coordinate)
        low[:, axis], high[:, axis] = smallest, largest + 1
        coordinates.append(coordinate.astype(np.float64))
        total[:, axis] = np.bincount(index, coordinates[axis], minlength=count)
    # Sums of coordinates and of their products are integers below 2**53, hence exact; so is moving their origin to
    # the corner of each region's own box. Only the last subtraction rounds, and it is one of small numbers.
    local = total - area[:, None] * low
    mean = local / area[:, None]
    covariance = np.empty((count, ndim, ndim))
    for i in range(ndim):
        for j in range(i, ndim):
            shift = area * low[:, i] * low[:, j] - low[:, i] * total[:, j] - low[:, j] * total[:, i]
            product = np.bincount(index, coordinates[i] * coordinates[j], minlength=count) + shift
            covariance[:, i, j] = covariance[:, j, i] = product / area - mean[:, i] * mean[:, j]
    trace = np.trace(covariance, axis1=1, axis2=2)
    in_plane = slice(ndim - 2, ndim)
    size = np.array(mask.shape[-2:])
    border = np.minimum(low[:, in_plane], size - high[:, in_plane]).min(axis=1, initial=max(mask.shape))
    intensity = None
    if image is not None:
        values = image.ravel()[flat].astype(np.float64)
        intensity = np.bincount(index, values, minlength=count) / area
    return Regions(
        label=label,
        area_px=area,
        centroid_px=low + mean,
        bbox_px=np.hstack([low, high]),
        equivalent_diameter_px=(2 * ndim * area / np.pi) ** (1 / ndim),
        inertia_tensor_px2=trace[:, None, None] * np.eye(ndim) - covariance,
        border_distance_px=border.astype(np.float64),
        intensity_mean=intensity,
    )


def _check(mask: NDArray[np.generic], image: NDArray[np.generic] | None) -> None:
    """Refuse what is not a label mask, or an image that does not fit it."""
    if mask.dtype.kind not in "iu" or mask.ndim not in (2, 3):
        raise MovieError(f"a label mask must be a 2-D or 3-D array of integers, found {mask.ndim}-D {mask.dtype}")
    if mask.dtype.kind == "i" and mask.size and mask.min() < 0:
        raise MovieError(f"labels must not be negative, found {mask.min()}; use 0 for the background")
    if image is not None and image.shape != mask.shape:
        raise MovieError(f"an image must have the shape of its mask, wanted {mask.shape}, found {image.shape}")


def _compact(labels: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sorted distinct labels, for each pixel the index of its label among them, and the pixels of each label."""
    pixels = labels.astype(np.int64)
    if len(pixels) and pixels.max() > 4 * len(pixels) + 65536:  # a look-up table would be larger than the mask
        label, index, area = np.unique(pixels, return_inverse=True, return_counts=True)
        return label, index.astype(np.int64), area.astype(np.float64)
    counts = np.bincount(pixels)
    label = np.flatnonzero(counts)
    place = np.zeros(len(counts), np.int64)
    place[label] = np.arange(len(label))
    return label.astype(np.int64), place[pixels], counts[label].astype(np.float64)


def _unravel(flat: NDArray[np.int64], shape: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Coordinates of the flat indices, one array per axis."""
    coordinates = []
    for size in shape[:0:-1]:
        flat, along = np.divmod(flat, size)
        coordinates.append(along)
    return [flat, *coordinates[::-1]]
