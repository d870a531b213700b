"""Whether the brightness fits."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Absolute difference of mean intensities, in the image's grey levels.  f_uv = |I_u - I_v|.

    Returns (E,) >= 0; larger is worse. Needs data.images.
    """
    intensity = context.column("intensity_mean", "intensity_difference")
    parent, child = context.graph.links.T
    return np.abs(intensity[parent] - intensity[child])


def division(context: FeatureContext) -> NDArray[np.float64]:
    """|I_u - (I_v + I_w) / 2|: the parent against the mean of its children. Returns (H,) >= 0; larger is worse."""
    intensity = context.column("intensity_mean", "intensity_difference")
    parent, one, other = context.graph.divisions.T
    return np.abs(intensity[parent] - 0.5 * (intensity[one] + intensity[other]))
