"""How far apart detections of one frame are."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracker.detections import Detections


def neighbor_distances(
    detections: Detections, count: int = 1, steps: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """(n, count) distances to the nearest others of the own frame, in the unit of the positions, ascending.

    Infinite where a frame has fewer.   steps: only the detections of these kept frames, half-open; default all.
    """
    first, last = (0, len(detections.frames)) if steps is None else steps
    starts = detections.starts[first : last + 1]
    found = np.full((int(starts[-1] - starts[0]), count), np.inf)
    for low, high in pairwise(starts.tolist()):
        others = min(count, high - low - 1)
        if others > 0:
            place = detections.position[low:high]
            near, _ = cKDTree(place).query(place, k=np.arange(2, others + 2))
            found[low - starts[0] : high - starts[0], :others] = near
    return found
