"""How far a cell would move."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Distance between the linked detections, in data.unit.  f_uv = ||p_u - p_v||_2.

    Returns (E,) float >= 0; larger is worse. Source: Attrackt, position cost d1.
    """
    position = context.graph.detections.position
    parent, child = context.graph.links.T
    return _length(position[parent] - position[child])


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Distance from the parent to the midpoint of its children, in data.unit.  f = ||p_u - (p_v + p_w) / 2||_2.

    Returns (H,) float >= 0; larger is worse. Source: Attrackt, hyperedge cost d1'.
    """
    position = context.graph.detections.position
    parent, one, other = context.graph.divisions.T
    return _length(position[parent] - 0.5 * (position[one] + position[other]))


def _length(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("ij,ij->i", vector, vector))
