"""What a feature may look at."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tracker.auto.model import MovieModel, Surprise
from tracker.candidates import CandidateGraph
from tracker.errors import FeatureError
from tracker.io.movie import Movie

T = TypeVar("T")
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
    of_detections: what features have computed per detection; of_links: per link. See `once_per_movie`.
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
    of_detections: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    of_links: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def surprise(self) -> Surprise:
        """What is around each detection, looked at once for links, divisions and ends."""
        return self.once_per_movie("surprise", lambda: Surprise(self.graph.detections))

    def once_per_movie(self, name: str, compute: Callable[[], T]) -> T:
        """What is computed from the detections alone: kept, and shared by the contexts of one movie's windows."""
        if name not in self.of_detections:
            self.of_detections[name] = compute()
        value: T = self.of_detections[name]
        return value

    def once_per_links(self, name: str, compute: Callable[[], T]) -> T:
        """What is computed from the links: kept while only the divisions change (`with_divisions`)."""
        if name not in self.of_links:
            self.of_links[name] = compute()
        value: T = self.of_links[name]
        return value

    def with_links(self, graph: CandidateGraph, association: NDArray[np.float64] | None) -> "FeatureContext":
        """The same movie with other candidates; association: (E,) scores of its links."""
        other = replace(self, graph=graph, association=association)
        object.__setattr__(other, "of_detections", self.of_detections)
        object.__setattr__(other, "drifts", self.drifts)
        return other

    def with_divisions(self, graph: CandidateGraph) -> "FeatureContext":
        """The same movie and links with other divisions."""
        other = self.with_links(graph, self.association)
        object.__setattr__(other, "of_links", self.of_links)
        return other

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
