"""One for every link, division or detection: its weight is a constant cost."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """(E,) ones. Positive weight: fewer links."""
    return np.ones(len(context.graph.links))


def division(context: FeatureContext) -> NDArray[np.float64]:
    """(H,) ones. Positive weight: fewer divisions."""
    return np.ones(len(context.graph.divisions))


def detection(context: FeatureContext) -> NDArray[np.float64]:
    """(N,) ones. Negative weight: a reward for using a detection."""
    return np.ones(len(context.graph.detections))
