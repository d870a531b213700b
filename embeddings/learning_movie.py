"""A movie as the learned methods take it: to learn from, or to be scored."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.aligned import aligned
from embeddings.table import NodeEmbeddings
from embeddings.windows import TokenMovie, token_movie
from tracker.detections import Detections
from tracker.io.movie import Movie


@dataclass(frozen=True)
class LearningMovie:
    """Detections with the movies they came from, None where not given.

    truth: tracklet (N,) of each detection's true object, and parent of each tracklet (K,), as of
        `embeddings.windows.truth_of_detections`; None where it is not known or not to be looked at.
    name: for messages and provenance.
    fused: a vector for each detection that a tracking transformer sees beside its shape; None for places and shapes
        alone.
    """

    detections: Detections
    images: Movie | None = None
    masks: Movie | None = None
    truth: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    name: str = "the movie"
    fused: NodeEmbeddings | None = None

    @cached_property
    def tokens(self) -> TokenMovie:
        """What a tracking transformer sees of it; of points without shape, their places alone (F = 0).

        Raises FeatureError where a property is missing or not finite, InputError where a vector of `fused` is.
        """
        found = self.detections
        tokens = None if "inertia_tensor_px2" in found.properties else np.zeros((len(found), 0), np.float32)
        embeddings = None if self.fused is None else aligned(found, self.fused, self.name)
        return token_movie(found, tokens, truth=self.truth, name=self.name, embeddings=embeddings)

    @cached_property
    def digest(self) -> str:
        """Tells one set of detections from another: 16 hexadecimal digits of keys, places and properties.

        Not of images, nor of embeddings.
        """
        found = self.detections
        known = [(name, found.properties[name]) for name in sorted(found.properties)]
        keys = ("frames", "scale", "frame", "label", "position")
        content = hashlib.sha256()
        for name, array in [*((key, getattr(found, key)) for key in keys), *known]:
            content.update(name.encode())
            content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()[:16]


def about_movie(movie: LearningMovie) -> dict[str, Any]:
    """A movie, for provenance."""
    return {"name": movie.name, "digest": movie.digest, "images": movie.images.name if movie.images else None}


class HasDigest(Protocol):
    """What can be told from another by its content."""

    @property
    def digest(self) -> str:
        """Hexadecimal digits."""


def digests(movies: Sequence[HasDigest]) -> dict[str, str]:
    """What a resumed training must share of its movies: by content, for their paths may be named otherwise now."""
    return {f"movie {number}": movie.digest for number, movie in enumerate(movies, start=1)}
