"""How different two detections look to a learned embedding."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext

_ROWS_PER_CHUNK = 200_000  # bounds the memory of gathered vectors


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Euclidean distance of the embeddings.  f_uv = ||e_u - e_v||_2. Returns (E,) >= 0; larger is worse.

    Source: Attrackt, cost d2 with auto-encoder embeddings.
    """
    vector = _vectors(context)
    return _chunked(context.graph.links, lambda rows: vector[rows[:, 0]] - vector[rows[:, 1]])


def division(context: FeatureContext) -> NDArray[np.float64]:
    """The parent's embedding against the mean of its children's.  f = ||e_u - (e_v + e_w) / 2||_2. Returns (H,)."""
    vector = _vectors(context)
    return _chunked(
        context.graph.divisions, lambda rows: vector[rows[:, 0]] - 0.5 * (vector[rows[:, 1]] + vector[rows[:, 2]])
    )


def _vectors(context: FeatureContext) -> NDArray[np.float64]:
    if context.embedding is None:
        raise FeatureError(
            "feature 'embedding_distance' needs node embeddings; give embeddings.model or embeddings.path"
        )
    return context.embedding


def _chunked(
    rows: NDArray[np.int32], difference: Callable[[NDArray[np.int32]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    out = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_PER_CHUNK):
        chunk = difference(rows[start : start + _ROWS_PER_CHUNK])
        out[start : start + _ROWS_PER_CHUNK] = np.sqrt(np.einsum("ij,ij->i", chunk, chunk))
    return out
