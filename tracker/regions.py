"""Properties of every labelled region of one mask, in one pass over it.

A region is measured by its runs: pixels of one label side by side along x. There are many times fewer of them than
pixels, and the sums over a run are known in closed form.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError

RANGE_PERCENTILES = (1.0, 99.8)
RANGE_STRIDE = 4


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
    intensity_relative: (n,) the same on the scale of the image: (mean - low) / (high - low) of `intensity_range`, 0
        where the image is constant; None when no image was given.
    """

    label: NDArray[np.int64]
    area_px: NDArray[np.float64]
    centroid_px: NDArray[np.float64]
    bbox_px: NDArray[np.int64]
    equivalent_diameter_px: NDArray[np.float64]
    inertia_tensor_px2: NDArray[np.float64]
    border_distance_px: NDArray[np.float64]
    intensity_mean: NDArray[np.float64] | None
    intensity_relative: NDArray[np.float64] | None

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
    start, length, labels = _runs(mask)
    label, index, area = _compact(labels, length)
    count = len(label)
    first = _unravel(start, mask.shape)
    last = [*first[:-1], first[-1] + length - 1]
    low = np.empty((count, ndim), np.int64)
    high = np.empty((count, ndim), np.int64)
    for axis in range(ndim):
        smallest, largest = np.full(count, mask.shape[axis], np.int64), np.zeros(count, np.int64)
        np.minimum.at(smallest, index, first[axis])
        np.maximum.at(largest, index, last[axis])
        low[:, axis], high[:, axis] = smallest, largest + 1

    def total_of(per_run: NDArray[np.int64]) -> NDArray[np.float64]:
        return _sum_by(index, per_run, count)

    # Sums of coordinates and of their products are integers below 2**53, hence exact; so is moving their origin to
    # the corner of each region's own box. Only the last subtraction rounds, and it is one of small numbers.
    before = length * (length - 1) // 2  # 0 + 1 + ... + (length - 1)
    squares = before * (2 * length - 1) // 3  # 0 + 1 + 4 + ... + (length - 1)**2
    sums = [*(length * coordinate for coordinate in first[:-1]), length * first[-1] + before]
    total = np.column_stack([total_of(per_run) for per_run in sums])
    local = total - area[:, None] * low
    mean = local / area[:, None]
    covariance = np.empty((count, ndim, ndim))
    for i in range(ndim):
        for j in range(i, ndim):
            # Only x varies within a run.
            products = first[i] * sums[j] if i < ndim - 1 else first[i] * (sums[j] + before) + squares
            shift = area * low[:, i] * low[:, j] - low[:, i] * total[:, j] - low[:, j] * total[:, i]
            covariance[:, i, j] = (total_of(products) + shift) / area - mean[:, i] * mean[:, j]
            covariance[:, j, i] = covariance[:, i, j]
    trace = np.trace(covariance, axis1=1, axis2=2)
    in_plane = slice(ndim - 2, ndim)
    size = np.array(mask.shape[-2:])
    border = np.minimum(low[:, in_plane], size - high[:, in_plane]).min(axis=1, initial=max(mask.shape))
    intensity, relative = None, None
    if image is not None:
        intensity = _run_sums(image, mask, length, index, count) / area
        darkest, brightest = intensity_range(image)
        relative = (intensity - darkest) / ((brightest - darkest) or 1.0)
    return Regions(
        label=label,
        area_px=area,
        centroid_px=low + mean,
        bbox_px=np.hstack([low, high]),
        equivalent_diameter_px=(2 * ndim * area / np.pi) ** (1 / ndim),
        inertia_tensor_px2=trace[:, None, None] * np.eye(ndim) - covariance,
        border_distance_px=border.astype(np.float64),
        intensity_mean=intensity,
        intensity_relative=relative,
    )


def intensity_range(image: NDArray[np.generic]) -> tuple[float, float]:
    """The percentiles 1 and 99.8 of an image ([z,] y, x): what counts as dark and as bright in it.

    Of every fourth row and column where the image is larger than 256 px both ways; what is not finite is left out.
    Where the two are equal (nearly all pixels are the same) the smallest and the largest value. (NaN, NaN) where there
    is no value at all.
    """
    values = image[..., ::RANGE_STRIDE, ::RANGE_STRIDE] if min(image.shape[-2:]) > 64 * RANGE_STRIDE else image
    values = values.astype(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = (float(value) for value in np.percentile(values, RANGE_PERCENTILES))
    if low < high:
        return low, high
    present = image[np.isfinite(image)]
    return float(present.min()), float(present.max())


def _check(mask: NDArray[np.generic], image: NDArray[np.generic] | None) -> None:
    """Refuse what is not a label mask, or an image that does not fit it."""
    if mask.dtype.kind not in "iu" or mask.ndim not in (2, 3):
        raise MovieError(f"a label mask must be a 2-D or 3-D array of integers, found {mask.ndim}-D {mask.dtype}")
    if mask.dtype.kind == "i" and mask.size and mask.min() < 0:
        raise MovieError(f"labels must not be negative, found {mask.min()}; use 0 for the background")
    if image is not None and image.shape != mask.shape:
        raise MovieError(f"an image must have the shape of its mask, wanted {mask.shape}, found {image.shape}")


def _runs(mask: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Flat index of the first pixel, length and label of every run of one label along x, in order."""
    flat = mask.ravel()
    if not flat.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    begins = np.ones(flat.size, np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[:: mask.shape[-1]] = True
    start = np.flatnonzero(begins)
    length = np.diff(start, append=flat.size)
    labels = flat[start].astype(np.int64)
    labelled = labels != 0
    return start[labelled], length[labelled], labels[labelled]


def _run_sums(
    image: NDArray[np.generic],
    mask: NDArray[np.generic],
    length: NDArray[np.int64],
    index: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """(count,) sum of the image over each region: over each run first, then over the runs of a region."""
    if not count:
        return np.zeros(0)
    values = image[mask != 0].astype(np.float64)
    sums: NDArray[np.float64] = np.add.reduceat(values, np.cumsum(length) - length)
    return _sum_by(index, sums, count)


def _sum_by(index: NDArray[np.int64], values: NDArray[Any], count: int) -> NDArray[np.float64]:
    """(count,) sums of the values of equal index."""
    sums: NDArray[Any] = np.bincount(index, values.astype(np.float64), minlength=count)
    return sums


def _compact(
    labels: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sorted distinct labels, for each run the index of its label among them, and the pixels of each label."""
    if len(labels) and labels.max() > 4 * len(labels) + 65536:  # a look-up table would be larger than the mask
        label, place = np.unique(labels, return_inverse=True)
        index = place.astype(np.int64)
    else:
        label = np.flatnonzero(np.bincount(labels))
        table = np.zeros(int(label[-1]) + 1 if len(label) else 0, np.int64)
        table[label] = np.arange(len(label))
        index = table[labels]
    return label.astype(np.int64), index, _sum_by(index, length, len(label))


def _unravel(flat: NDArray[np.int64], shape: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Coordinates of the flat indices, one array per axis."""
    coordinates = []
    for size in shape[:0:-1]:
        flat, along = np.divmod(flat, size)
        coordinates.append(along)
    return [flat, *coordinates[::-1]]
