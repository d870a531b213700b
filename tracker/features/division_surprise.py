"""How unremarkable it is, among all detections, how much a detection looks like dividing."""

import numpy as np
from numpy.typing import NDArray

from tracker.features import division_score
from tracker.features.context import FeatureContext


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Logarithm of the share of detections that score at least as high as the parent, plus 1, in nats. Returns (H,).

    f_u = 1 + log(n(s >= s_u) / N): 1 for the lowest score of the movie, 1 - log N for the highest; larger is worse. It
    knows of ranks alone, so whatever the scores are, weights compare. Over all detections its mean is 0.
    """
    score = division_score.scores_for("division_surprise", context)
    ordered = context.once_per_movie("ordered_division_score", lambda: np.sort(score))
    at_least = len(score) - np.searchsorted(ordered, score[context.graph.divisions[:, 0]], side="left")
    return 1.0 + np.log(at_least / max(len(score), 1))
