"""How likely a link is to a learned association, or to any other tool that scores links."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Score of the link, 0 where none was given. Returns (E,); higher is better, so give it a negative weight.

    Source: Attrackt, cost d2 = -A_uv; Trackastra.
    """
    if context.association is None:
        raise FeatureError("feature 'association' needs scores; give associations.path or associations.geff")
    return context.association


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Mean of the two links' scores. Returns (H,); higher is better."""
    return link(context)[context.graph.division_links].mean(axis=1)
