"""Random cells to be priced."""

import numpy as np

from tracker.candidates import build_candidates
from tracker.detections import Detections
from tracker.features.context import FeatureContext


def movie(counts=(3, 4, 5, 3), seed=0, **properties):
    rng = np.random.default_rng(seed)
    total = sum(counts)
    label = np.concatenate([np.arange(1, count + 1) for count in counts])
    columns = {"area_px": rng.uniform(5, 20, total), **properties}
    return Detections(
        np.repeat(np.arange(len(counts)), counts),
        label,
        rng.uniform(0, 30, (total, 2)),
        np.arange(len(counts)),
        np.ones(2),
        properties={name: np.asarray(column, float) for name, column in columns.items()},
    )


def context_of(detections=None, *, association=False, **options):
    graph = build_candidates(movie() if detections is None else detections, **options)
    scores = np.random.default_rng(1).uniform(0, 1, len(graph.links)) if association else None
    return FeatureContext(graph, association=scores)
