"""Masks relabelled by track, a frame at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError
from tracker.io.movie import Movie
from tracker.lineage import Lineage, ctc_labels


def tracked_masks(
    lineage: Lineage, masks: Movie, dtype: np.dtype[np.uint16] | np.dtype[np.uint32]
) -> Iterator[tuple[int, NDArray[np.generic]]]:
    """Each kept frame's t and its mask with `ctc_labels` as pixels, 0 where a detection was not selected.

    Raises MovieError when a mask does not hold a selected detection.
    """
    found, label, starts = lineage.detections, ctc_labels(lineage).astype(dtype), lineage.detections.starts
    for step, frame in enumerate(found.frames.tolist()):
        rows = slice(starts[step], starts[step + 1])
        image, seen = relabel(masks.read(frame), found.label[rows], label[rows])
        lost = np.flatnonzero(~seen & lineage.selected[rows])
        if len(lost):
            raise MovieError(
                f"{masks.name} must hold every tracked detection; missing now: {found.names(lost + starts[step])} "
                "(frame:label). Were the masks changed during the run? Run again"
            )
        yield frame, image


def relabel(
    image: NDArray[np.generic], labels: NDArray[np.int64], values: NDArray[np.generic]
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Replace `labels` (K, increasing) in `image` by `values` (K), everything else by 0.

    Returns the new image, of the dtype of `values`, and (K,) bool: which labels were seen.
    """
    result = np.zeros(image.shape, values.dtype)
    if not len(labels):
        return result, np.zeros(0, np.bool_)
    inside = image != 0
    pixels = image[inside].astype(np.int64)
    # Labels may be huge, so they are found by bisection rather than through a table as long as the largest label.
    place = np.minimum(np.searchsorted(labels, pixels), len(labels) - 1)
    known = labels[place] == pixels
    result[inside] = np.where(known, values[place], 0)
    return result, np.bincount(place[known], minlength=len(labels)) > 0
