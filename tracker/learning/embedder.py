"""What computes a vector for every detection of a movie, and keeps it in a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.learning_movie import LearningMovie
from embeddings.table import NodeEmbeddings, TableError
from tracker.config import Config
from tracker.config_scores import EmbeddingSettings
from tracker.errors import InputError
from tracker.learning.detection_methods import METHODS, model_digest, named_model
from tracker.learning.kept import fitting, identity_of, keep, kept_in, kept_table
from tracker.stopwatch import Progress


@dataclass(frozen=True)
class Embedder:
    """A method, its model (folder, or file of weights), how it is asked, and where its vectors of a movie are kept."""

    method: str
    model: Path
    options: Mapping[str, Any]
    device: str
    path: Path

    @property
    def made_with(self) -> dict[str, Any]:
        """What its vectors depend on beside the movie, as JSON gives it back."""
        plain: dict[str, Any] = json.loads(json.dumps({"model": model_digest(self.model), **self.options}))
        return plain

    def identity(self, config: Config, movie: LearningMovie) -> str:
        """Tells the vectors of this movie from others, and from those of other images."""
        return identity_of(movie, **self.made_with, images=config.data.images, channel=config.data.channel)

    def table(self, config: Config, movie: LearningMovie, progress: Progress, *, anew: bool = False) -> NodeEmbeddings:
        """The vectors of a movie: those that are kept, or new ones; with `anew` these, whatever is kept."""
        identity = self.identity(config, movie)
        table = None if anew else fitting(kept_table(self.path, NodeEmbeddings), identity, self.path)
        if table is None:
            progress(f"embedding {len(movie.detections):,} detections")
            made = METHODS[self.method].embed(self.model, movie, device=self.device, **self.options)
            about = {**made.provenance, "identity": identity, "made_with": self.made_with}
            table = replace(made, provenance=about)
            keep(table, self.path)
        return table

    def check(self, movie: LearningMovie) -> None:
        """Raise what `table` would raise before the network has looked at anything."""
        kept_table(self.path, NodeEmbeddings)
        method = METHODS[self.method]
        if method.check is not None:
            method.check(self.model, movie, **self.options)
        found, nothing = movie.detections, np.zeros(0, np.int64)
        none = replace(found, frame=nothing, label=nothing, position=found.position[:0], properties={})
        method.embed(self.model, replace(movie, detections=none), device=self.device, **self.options)


def named_embedder(config: Config) -> Embedder:
    """The one that [embeddings] names by its model. Raises what `named_model` does, and ModelError."""
    name, model = named_model(config)
    given = config.embeddings
    assert given is not None
    path = kept_in(config, given.path, "embeddings")
    return Embedder(name, model, METHODS[name].options(config), given.device, path)


def read_vectors(config: Config, given: EmbeddingSettings) -> NodeEmbeddings:
    """The table in a file that [embeddings] names."""
    assert given.path is not None
    try:
        return NodeEmbeddings.load(config.path(given.path))
    except TableError as error:
        raise InputError(f"embeddings.path: {error}") from error
