"""How likely a link is to a learned association, or to any other tool that scores links."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Score of the link, 0 where none was given. Returns (E,); higher is better, so give it a negative weight.

    Source: Attrackt, cost d2 = -A_uv; Trackastra.
    """
    return scores_for("association", context)


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Mean of the two links' scores. Returns (H,); higher is better."""
    return link(context)[context.graph.division_links].mean(axis=1)


def scores_for(feature: str, context: FeatureContext) -> NDArray[np.float64]:
    """(E,) scores of the links. Raises FeatureError naming the feature that needs them, where there are none."""
    if context.association is None:
        raise FeatureError(
            f"feature {feature!r} needs scores; give associations.model, associations.path or associations.geff"
        )
    return context.association
