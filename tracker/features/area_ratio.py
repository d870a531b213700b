"""Whether the sizes fit."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Smaller area over larger area of the linked detections.  f_uv = min(A_u, A_v) / max(A_u, A_v).

    Areas in pixels (voxels). Returns (E,) in (0, 1]; higher is better, so give it a negative weight.
    """
    area = context.column("area_px", "area_ratio")
    parent, child = context.graph.links.T
    return _ratio(area[parent], area[child])


def division(context: FeatureContext) -> NDArray[np.float64]:
    """The same ratio between the parent and the sum of its children, whose volume it splits into.

    f = min(A_u, A_v + A_w) / max(A_u, A_v + A_w). Returns (H,) in (0, 1]; higher is better.
    """
    area = context.column("area_px", "area_ratio")
    parent, one, other = context.graph.divisions.T
    return _ratio(area[parent], area[one] + area[other])


def _ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # two empty areas give NaN, which the caller reports
        return np.minimum(one, other) / np.maximum(one, other)
