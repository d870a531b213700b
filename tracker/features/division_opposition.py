"""Whether the children leave the place of their parent on opposite sides."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext


def division(context: FeatureContext) -> NDArray[np.float64]:
    """One plus the cosine of the angle between the children, seen from the parent.

    f = 1 + cos(p_v - p_u, p_w - p_u), with positions in data.unit; 1 where a child lies exactly on the parent.
    Returns (H,) in [0, 2] without unit: 0 = opposite, 1 = at a right angle, 2 = on the same side; larger is worse.
    """
    position = context.graph.detections.position
    parent, one, other = context.graph.divisions.T
    first, second = position[one] - position[parent], position[other] - position[parent]
    length = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    product = np.einsum("ij,ij->i", first, second)
    cosine = np.divide(product, length, out=np.zeros(len(length)), where=length > 0)
    return 1.0 + np.clip(cosine, -1.0, 1.0)  # rounding may pass 1
