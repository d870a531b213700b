"""How far a cell would be from where its surroundings are going."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext
from tracker.local_motion import residuals


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Distance from the child to the position extrapolated by the local motion.  f_uv = ||p_v - p_u - g_uv flow_u||_2.

    g_uv: steps of the link, so that a motion goes on over a gap.   flow: (N, D) of the context, per step.
    Returns (E,) float >= 0 in data.unit; larger is worse. Source: the usual motion model of linkers, with the median
    of the neighbours' displacements (tracker/local_motion.py) in place of a velocity of the cell itself.
    """
    return np.linalg.norm(residuals(context.graph.detections, context.graph.links, _flow(context)), axis=1)


def division(context: FeatureContext) -> NDArray[np.float64]:
    """The same for the midpoint of the children.  f = ||(p_v + p_w) / 2 - p_u - (g_uv + g_uw) / 2 flow_u||_2.

    Returns (H,) float >= 0 in data.unit; larger is worse.
    """
    flow, position = _flow(context), context.graph.detections.position
    parent, one, other = context.graph.divisions.T
    gap = context.graph.link_gap_frames[context.graph.division_links].mean(axis=1)[:, None]
    middle = 0.5 * (position[one] + position[other])
    return np.linalg.norm(middle - position[parent] - gap * flow[parent], axis=1)


def _flow(context: FeatureContext) -> NDArray[np.float64]:
    if context.flow is None:
        raise FeatureError(
            "feature 'velocity' needs an estimate of the local motion; "
            'set costs.preset = "auto" or features.flow = "neighbors"'
        )
    return context.flow
