"""How surprising a link is to a learned association: its score on the scale of a log-likelihood."""

import numpy as np
from numpy.typing import NDArray

from tracker.features import association
from tracker.features.context import FeatureContext

FLOOR = 0.01  # so that a score of 0 costs 4.6, and no single score forbids anything


def link(context: FeatureContext) -> NDArray[np.float64]:
    """-log(A + 0.01) of the score A of the link, 4.6 where none was given. Returns (E,); lower is better."""
    return _surprise(association.scores_for("association_surprise", context))


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Mean of the two links'. Returns (H,); lower is better."""
    return context.once_per_links("association_surprise", lambda: link(context))[context.graph.division_links].mean(
        axis=1
    )


def _surprise(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(score, 0) + FLOOR)
