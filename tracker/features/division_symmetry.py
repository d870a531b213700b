"""Whether a division makes two cells of one size."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext
from tracker.features.sizes import sizes


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Smaller over larger child.  f = min(A_v, A_w) / max(A_v, A_w).

    A: area_px of masks (voxels in 3-D), or radius^D of points. Returns (H,) in (0, 1] without unit; 1 = twins. Higher
    is better where cells divide evenly, so give it a negative weight.
    """
    size = sizes(context, "division_symmetry")
    _, one, other = context.graph.divisions.T
    return np.minimum(size[one], size[other]) / np.maximum(size[one], size[other])
