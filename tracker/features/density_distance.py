"""How far a cell would move, in units of the spacing of cells around it."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext
from tracker.neighbors import neighbor_distances


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Distance over the local spacing.  f_uv = ||p_u - p_v||_2 / ((s_u + s_v) / 2).

    s: distance of a detection to its nearest neighbour in its own frame; the movie's median where it is alone, or
    another lies at the very same place. Returns (E,) float >= 0 without unit; larger is worse: a link of 1 reaches as
    far as the next cell. Raises FeatureError when no frame holds two detections apart.
    """
    spacing, position = context.once_per_movie("spacing", lambda: _spacing(context)), context.graph.detections.position
    parent, child = context.graph.links.T
    return np.linalg.norm(position[parent] - position[child], axis=1) / (0.5 * (spacing[parent] + spacing[child]))


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Distance from the parent to the children's midpoint over its spacing.  f = ||p_u - (p_v + p_w) / 2||_2 / s_u.

    The children's own spacing is mostly their distance to each other, and plays no part. Returns (H,); larger is worse.
    """
    spacing, position = context.once_per_movie("spacing", lambda: _spacing(context)), context.graph.detections.position
    parent, one, other = context.graph.divisions.T
    return np.linalg.norm(position[parent] - 0.5 * (position[one] + position[other]), axis=1) / spacing[parent]


def _spacing(context: FeatureContext) -> NDArray[np.float64]:
    """(N,) distance to the nearest neighbour in the same frame, in data.unit, > 0."""
    spacing = neighbor_distances(context.graph.detections)[:, 0]
    known = np.isfinite(spacing) & (spacing > 0)
    if known.any():
        return np.where(known, spacing, np.median(spacing[known]))
    if len(context.graph.links):
        raise FeatureError(
            "feature 'density_distance' needs a frame with two detections at different places, found none. "
            "Use the feature 'distance' for a movie of a single cell"
        )
    return spacing
