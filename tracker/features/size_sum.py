"""Whether volume is kept."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext
from tracker.features.sizes import sizes


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Change of size on a logarithmic scale.  f_uv = |log(A_v / A_u)|.

    A: area_px of masks (voxels in 3-D), or radius^D of points. Returns (E,) >= 0 without unit: 0 = same size, 0.69 =
    twice or half; larger is worse. Unlike area_ratio it keeps telling large mismatches apart.
    """
    size = sizes(context, "size_sum")
    parent, child = context.graph.links.T
    return np.abs(np.log(size[child] / size[parent]))


def division(context: FeatureContext) -> NDArray[np.float64]:
    """The same for both children together.  f = |log((A_v + A_w) / A_u)|. Returns (H,) >= 0; larger is worse.

    In projections (2-D) daughters cover less or more than their mother; z-score it, or let the weight be learnt.
    """
    size = sizes(context, "size_sum")
    parent, one, other = context.graph.divisions.T
    return np.abs(np.log((size[one] + size[other]) / size[parent]))
