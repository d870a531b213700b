"""Scores and vectors that a model computes for a movie: kept in a file, and used again as long as they fit."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.inference import ScoreSettings, link_scores
from embeddings.learning_movie import LearningMovie
from embeddings.methods.load import TrackingModel, load_tracking_model
from embeddings.nets.errors import ModelError
from embeddings.table import Associations, NodeEmbeddings, TableError
from embeddings.training.device import choose_device
from tracker.candidates import CandidateGraph
from tracker.config import Config
from tracker.config_scores import AssociationSettings
from tracker.errors import ConfigError, InputError
from tracker.learning.movies import learning_movie
from tracker.learning.patch_methods import embed_patches, patch_model_digest
from tracker.prepare import Inputs, Progress
from tracker.scores import find_links

log = logging.getLogger(__name__)
Table = TypeVar("Table", Associations, NodeEmbeddings)


def check_models(config: Config, inputs: Inputs) -> None:
    """Raise what a run would raise before its models have looked at anything."""
    movie = learning_movie(config, inputs)
    associations, embeddings = config.associations, config.embeddings
    if associations is not None and associations.model is not None:
        association_model(config, associations, movie)
        choose_device(associations.device)
        _kept(kept_in(config, associations.path, "associations"), Associations)
    if embeddings is not None and embeddings.model is not None:
        nothing = np.zeros(0, np.int64)
        found = movie.detections
        none = replace(found, frame=nothing, label=nothing, position=found.position[:0], properties={})
        embed_patches(config, replace(movie, detections=none))
        _kept(kept_in(config, embeddings.path, "embeddings"), NodeEmbeddings)


def association_model(config: Config, given: AssociationSettings, movie: LearningMovie) -> TrackingModel:
    """The model that [associations] names, if it fits the movie. Raises ModelError, ConfigError."""
    assert given.model is not None
    model = load_tracking_model(config.path(given.model), given.model, movie.detections.ndim)
    if given.method is not None and given.method != model.method:
        raise ConfigError(
            f"wanted a model of the method {given.method}, but {given.model} was made by {model.method}: name another "
            f"model, or the method {model.method}"
        )
    found, wanted = movie.tokens.tokens.shape[1], model.network.config.features
    if found != wanted:
        raise ModelError(
            f"the model {given.model} was made for {wanted} features per detection, {movie.name} has {found}: name a "
            "model that was trained on such movies"
        )
    return model


def association_scores(
    config: Config,
    inputs: Inputs,
    graph: CandidateGraph,
    progress: Progress = lambda stage: None,
    *,
    anew: bool = False,
) -> NDArray[np.float64]:
    """(E,) score of every link of the graph by the model of [associations].

    Scores are kept beside the result (or in associations.path) with what they depend on: detections, weights of the
    model, settings. Where all of that is unchanged they are used again, and only links that are new are scored; with
    `anew` they are all scored, whatever is kept there.
    """
    given = config.associations
    assert given is not None
    movie = learning_movie(config, inputs)
    model = association_model(config, given, movie)
    identity = _identity(
        movie, model.digest, variants=given.variants, competition=given.competition, threshold=given.threshold
    )
    path = kept_in(config, given.path, "associations")
    table = None if anew else _fitting(_kept(path, Associations), identity, path)
    links = graph.links.astype(np.int64)
    score = np.full(len(links), np.nan, np.float32)
    if table is not None:
        place = find_links(graph, table.link)
        score[place[place >= 0]] = table.score[place >= 0]
    new = np.flatnonzero(np.isnan(score))
    if len(new):
        progress(f"scoring {len(new):,} links")
        settings = ScoreSettings(
            variants=given.variants,
            competition=given.competition,
            threshold=given.threshold,
            logit_clamp=model.logit_clamp,
            device=given.device,
        )
        score[new] = link_scores(
            model.network,
            movie.tokens,
            links[new],
            settings,
            lambda done, of: progress(f"scoring {len(new):,} links, window {done:,} of {of:,}"),
        )
        about = {"identity": identity, "model": given.model, "made_by": dict(model.provenance)}
        found = graph.detections
        key = np.column_stack([found.frame, found.label])
        _keep(Associations(key[links], score, model.method, about), path)
    elif table is not None:
        log.debug("the scores in %s are used again", path)
    return score.astype(np.float64)


def embedding_vectors(
    config: Config, inputs: Inputs, progress: Progress = lambda stage: None, *, anew: bool = False
) -> NDArray[np.float64]:
    """(N, C) vector of every detection by the model of [embeddings], kept like the scores of links."""
    given = config.embeddings
    assert given is not None
    movie = learning_movie(config, inputs)
    data = config.data
    identity = _identity(movie, patch_model_digest(config), images=data.images, channel=data.channel)
    path = kept_in(config, given.path, "embeddings")
    table = None if anew else _fitting(_kept(path, NodeEmbeddings), identity, path)
    if table is None:
        progress(f"embedding {len(inputs.detections):,} detections")
        made = embed_patches(config, movie)
        table = NodeEmbeddings(made.key, made.vector, made.method, {**made.provenance, "identity": identity})
        _keep(table, path)
    rows = inputs.detections.rows_of(table.key[:, 0], table.key[:, 1])
    vectors = np.empty((len(inputs.detections), table.vector.shape[1]))
    vectors[rows] = table.vector
    return vectors


def kept_in(config: Config, path: str | None, kind: str) -> Path:
    """The file of a table: named by the config, else beside the result."""
    if path is not None:
        return config.path(path)
    result = config.path(config.output.path)
    return result.with_name(f"{result.name}.{kind}.npz")


def _identity(movie: LearningMovie, model: str, **settings: Any) -> str:
    """What scores depend on, in 16 hexadecimal digits."""
    text = json.dumps({"movie": movie.digest, "model": model, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kept(path: Path, kind: type[Table]) -> Table | None:
    """The table in a file, None where there is none.

    Raises InputError for a file that no model of ours wrote: it is not replaced.
    """
    if not path.exists():
        return None
    try:
        table = kind.load(path)
    except TableError as error:
        raise InputError(f"{error}. Remove it, or let path name another file for what the model computes") from error
    if "identity" not in table.provenance:
        held = "scores" if kind is Associations else "vectors"
        raise InputError(
            f"{path} holds {held} that came from elsewhere, and would be replaced by the model's. Leave out model to "
            "use them, or let path name another file"
        )
    return table


def _fitting(table: Table | None, identity: str, path: Path) -> Table | None:
    """The table, None where it is out of date."""
    if table is not None and table.provenance["identity"] != identity:
        log.info("%s is out of date (detections, model or settings changed) and is computed anew", path)
        return None
    return table


def _keep(table: Associations | NodeEmbeddings, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.save(path)
    except (OSError, TableError) as error:
        reason = f"{path} could not be written: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise InputError(f"{reason}. Let path name a place that can be written") from error
