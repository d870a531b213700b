"""How many frames a link skips."""

import numpy as np
from numpy.typing import NDArray

from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """(E,) kept frames between parent and child that are skipped: 0 for neighbouring frames. Larger is worse."""
    return (context.graph.link_gap_frames - 1).astype(np.float64)


def division(context: FeatureContext) -> NDArray[np.float64]:
    """(H,) frames skipped by both links together."""
    return context.once_per_links("frame_gap", lambda: link(context))[context.graph.division_links].sum(axis=1)
