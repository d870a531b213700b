"""How unlikely a candidate is under the movie's own habits."""

import numpy as np
from numpy.typing import NDArray

from tracker.auto.model import MovieModel
from tracker.errors import FeatureError
from tracker.features.context import FeatureContext


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Minus the log of how much better a link explains its child than chance does, in nats.

    f_uv = -log [p(v | u) / p(v by chance)] from steps, sizes and intensities (docs/auto.md). Returns (E,), either sign;
    larger is worse.
    """
    return context.surprise.links(context.graph.links, _model(context))


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Minus the log of how much better a division explains its two children than chance does, in nats.

    From the midpoint and the distance of the children, sizes and intensities, and how often cells divide. Returns (H,)
    of both signs; larger is worse.
    """
    graph, model = context.graph, _model(context)
    about = context.once_per_links("surprise", lambda: context.surprise.link_parts(graph.links, model))
    return context.surprise.divisions(graph.links, graph.division_links, model, about)


def _model(context: FeatureContext) -> MovieModel:
    if context.movie is None:
        raise FeatureError("feature 'surprise' needs a measured movie; this is a bug, please report it")
    return context.movie
