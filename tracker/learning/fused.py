"""Embeddings that a tracking transformer sees beside shapes: where those of a movie come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embeddings.aligned import aligned
from embeddings.learning_movie import LearningMovie
from embeddings.methods.load import TrackingModel
from embeddings.nets.errors import ModelError
from embeddings.table import NodeEmbeddings
from tracker.config import Config
from tracker.errors import ConfigError
from tracker.learning.detection_methods import METHODS, method_of
from tracker.learning.embedder import Embedder, named_embedder, read_vectors
from tracker.learning.kept import kept_in
from tracker.stopwatch import Progress

#: Folder inside that of a tracking model: the model of the embeddings that it sees.
EMBEDDER = "embedder"


@dataclass(frozen=True)
class Tracking:
    """A tracking model and its folder."""

    model: TrackingModel
    folder: Path

    @property
    def fused(self) -> bool:
        """Whether it sees embeddings."""
        return self.model.network.config.embedding_channels > 0


@dataclass(frozen=True)
class FusedSource:
    """identity: tells the vectors from others before they are computed.   table: the vectors, which `progress` shows.

    check: raises what computing them would raise before a network has looked at anything.
    """

    identity: str
    table: Callable[[Progress], NodeEmbeddings]
    check: Callable[[], None]


def check_fuse(fuse: str | None, model: TrackingModel, name: str) -> None:
    """Raise ConfigError where [associations] fuse names what a model has not learnt with."""
    if fuse is None:
        return
    if not model.network.config.embedding_channels:
        raise ConfigError(
            f'associations.fuse = "{fuse}", but the model {name} has learnt without embeddings: train one with '
            "them, or leave fuse out"
        )
    learnt = model.provenance.get("fuse", {}).get("method", fuse)
    if learnt != fuse:
        raise ConfigError(
            f'associations.fuse = "{fuse}", but the model {name} has learnt with embeddings of {learnt}: name another '
            f'model, or fuse = "{learnt}"'
        )


def fused_source(config: Config, tracking: Tracking, movie: LearningMovie) -> FusedSource | None:
    """Where the vectors of a movie come from that a tracking model sees; None where it sees none.

    Either the file in [embeddings] path, if it is of the method that the model has learnt with; or the model's own
    embedder, asked as in its training; or, where it has none, [embeddings] model, if it is the one of its training.
    config: of the movie.   Raises ModelError or ConfigError where none of these does.
    """
    model, folder, channels = tracking.model, tracking.folder, tracking.model.network.config.embedding_channels
    if not channels:
        return None
    learnt = model.provenance.get("fuse", {})
    method, made_with = learnt.get("method"), learnt.get("made_with")
    given, found = config.embeddings, "[embeddings] gives none"
    if given is not None and given.model is None:
        table = read_vectors(config, given)
        if method in (None, table.method):
            _check_table(table, channels, made_with, f"{given.path}", folder)
            aligned(movie.detections, table, movie.name)  # or says who is missing
            passed = replace(table, provenance={"made_with": made_with, **table.provenance})
            return FusedSource(table.digest, lambda progress: passed, lambda: None)
        found = f"{given.path} holds vectors of {table.method or 'an unnamed method'}"
    embedder = _embedder_of(config, folder, made_with)
    if embedder is None and given is not None and given.model is not None:
        asked = named_embedder(config)
        options = _options(made_with) if made_with else asked.options
        if options != asked.options:
            asked = replace(asked, options=options, path=kept_in(config, None, "fused"))
        if asked.method == method and made_with in (None, asked.made_with):
            embedder = asked
        found = f"{given.model} is {'another' if asked.method == method else 'a'} model of {asked.method}"
    if embedder is None:
        raise ModelError(
            f"the model {folder} has learnt with embeddings of the method {method or 'unknown'} ({channels} channels) "
            f"and does not hold the model that computes them; {found}. Give [embeddings] path (a NodeEmbeddings file "
            "of this movie), or the model that it was trained with"
        )
    chosen = embedder

    def computed(progress: Progress) -> NodeEmbeddings:
        table = chosen.table(config, movie, progress)
        _check_table(table, channels, None, f"the model {chosen.model}", folder)
        return table

    return FusedSource(chosen.identity(config, movie), computed, lambda: chosen.check(movie))


def _embedder_of(config: Config, folder: Path, made_with: Mapping[str, Any] | None) -> Embedder | None:
    """The embedder inside a tracking model.   made_with: the vectors of its training."""
    own, given = folder / EMBEDDER, config.embeddings
    if not (own / "model.json").exists():
        return None
    method = method_of(own)
    options = _options(made_with) if made_with else METHODS[method].options(config)
    device = "auto" if config.associations is None else config.associations.device
    embedder = Embedder(method, own, options, device, kept_in(config, None, "fused"))
    if given is not None and given.model is not None:
        other = named_embedder(config)
        if other.made_with == embedder.made_with:  # the same vectors, that are needed anyway
            return other
    return embedder


def _options(made_with: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made_with.items() if name != "model"}


def _check_table(table: NodeEmbeddings, channels: int, made_with: object, name: str, folder: Path) -> None:
    """Raise ConfigError where these cannot be the vectors that a model has learnt with."""
    if table.vector.shape[1] != channels:
        raise ConfigError(
            f"the model {folder} has learnt with embeddings of {channels} channels, {name} gives "
            f"{table.vector.shape[1]}: embed the movie by the model that it was trained with"
        )
    theirs = table.provenance.get("made_with")
    if None not in (made_with, theirs) and theirs != made_with:
        raise ConfigError(
            f"the vectors in {name} come from another model than those that {folder} has learnt with, or were asked "
            "for differently: embed the movie by the model that it was trained with"
        )
