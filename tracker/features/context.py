"""What a feature may look at."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tracker.auto.model import MovieModel, Surprise
from tracker.candidates import CandidateGraph
from tracker.errors import FeatureError
from tracker.io.movie import Movie

OverlapShift = str | tuple[int, ...]  # "none", "centroid", "drift", or pixels per frame along [z,] y, x


@dataclass(frozen=True)
class FeatureContext:
    """The candidate graph with everything that features are computed from.

    masks: label movie, None for points.   overlap_shift: how a parent's mask is moved before overlap is measured.
    embedding: (N, C) vector per detection row or None.   association: (E,) score per link or None.
    division_score: (N,) how much each detection looks like dividing, or None.
    flow: (N, D) estimated displacement of the neighbourhood of each detection to the next kept frame, in data.unit.
    movie: what was measured on the movie, for `surprise`; None when nothing asks for it.
    images: image movie, None when not given.   drifts: whole-picture drifts measured so far, by (frame, frame).
    """

    graph: CandidateGraph
    masks: Movie | None = None
    overlap_shift: OverlapShift = "none"
    embedding: NDArray[np.float64] | None = None
    association: NDArray[np.float64] | None = None
    division_score: NDArray[np.float64] | None = None
    flow: NDArray[np.float64] | None = None
    movie: MovieModel | None = None
    images: Movie | None = None
    drifts: dict[tuple[int, int], NDArray[np.int64]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @cached_property
    def surprise(self) -> Surprise:
        """What is around each detection, looked at once for links, divisions and ends."""
        return Surprise(self.graph.detections)

    def column(self, name: str, feature: str) -> NDArray[np.float64]:
        """A detection property, (N, ...). Raises FeatureError naming the feature that wanted it."""
        properties = self.graph.detections.properties
        if name not in properties:
            masks = "give data.segmentation instead of points"
            hints = {"intensity_mean": "give data.images", "area_px": masks, "inertia_tensor_px2": masks}
            known = ", ".join(sorted(properties)) or "none"
            raise FeatureError(
                f"feature {feature!r} needs the detection property {name!r}, which this input does not have "
                f"(it has: {known}); {hints.get(name, 'add it as a column of the points')}"
            )
        return properties[name]
