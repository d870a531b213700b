"""How much a detection looks like dividing, to a learned score of detections."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Score of the parent. Returns (H,), in the unit of the scores; higher is better, so give it a negative weight.

    Where a probe has scored it is a log-likelihood ratio, and the weight -1 is that of Bayes; attributions are of a
    unit of their own: z-score them.
    """
    return scores_for("division_score", context)[context.graph.divisions[:, 0]]


def scores_for(feature: str, context: FeatureContext) -> NDArray[np.float64]:
    """(N,) scores of the detections. Raises FeatureError naming the feature that needs them, where there are none."""
    if context.division_score is None:
        raise FeatureError(
            f"feature {feature!r} needs scores of detections; give division_scores.model or division_scores.path"
        )
    return context.division_score
