"""Vectors of detections brought into the order of a movie."""

import numpy as np
from numpy.typing import NDArray

from embeddings.table import NodeEmbeddings
from tracker.detections import Detections
from tracker.errors import InputError


def aligned(detections: Detections, table: NodeEmbeddings, name: str) -> NDArray[np.float32]:
    """(N, C) vector of each detection of the movie `name`, whatever the order of the table; it may hold others, too.

    Raises InputError where a detection has no vector, or one that is not finite.
    """
    rows = detections.rows_of(table.key[:, 0], table.key[:, 1])
    found = np.full((len(detections), table.vector.shape[1]), np.nan, np.float32)
    found[rows[rows >= 0]] = table.vector[rows >= 0]
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        raise InputError(
            f"every detection of {name} needs a finite vector; none for frame:label {detections.names(bad)}. Embed "
            "this movie again"
        )
    return found
