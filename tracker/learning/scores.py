"""Scores and vectors that a model computes for a movie: kept in a file, and used again as long as they fit."""

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embeddings.aligned import aligned
from embeddings.inference import link_scores
from embeddings.learning_movie import LearningMovie
from embeddings.methods.load import TrackingModel, load_tracking_model
from embeddings.nets.errors import ModelError
from embeddings.table import Associations, DetectionScores
from embeddings.training.device import choose_device
from tracker.candidates import CandidateGraph
from tracker.config import Config
from tracker.config_scores import AssociationSettings
from tracker.errors import ConfigError
from tracker.inputs import Inputs
from tracker.learning.block_tasks import score_settings
from tracker.learning.division_scores import check_division_model
from tracker.learning.embedder import named_embedder
from tracker.learning.fused import Tracking, check_fuse, fused_source
from tracker.learning.in_blocks import scores_in_blocks, vectors_in_blocks
from tracker.learning.kept import fitting, identity_of, keep, kept_in, kept_table
from tracker.learning.movies import learning_movie
from tracker.scores import find_links
from tracker.stopwatch import Progress

log = logging.getLogger(__name__)


def check_models(config: Config, inputs: Inputs) -> None:
    """Raise what a run would raise before its models have looked at anything."""
    movie = learning_movie(config, inputs)
    associations, embeddings = config.associations, config.embeddings
    if associations is not None and associations.model is not None:
        model = association_model(config, associations, movie)
        source = fused_source(config, Tracking(model, config.path(associations.model)), movie)
        if source is not None:
            source.check()
        choose_device(associations.device)
        kept_table(kept_in(config, associations.path, "associations"), Associations)
    if embeddings is not None and embeddings.model is not None:
        named_embedder(config).check(movie)
    divisions = config.division_scores
    if divisions is not None and divisions.model is not None:
        check_division_model(config, divisions, movie)
        kept_table(kept_in(config, divisions.path, "division_scores"), DetectionScores)


def association_model(config: Config, given: AssociationSettings, movie: LearningMovie) -> TrackingModel:
    """The model that [associations] names, if it fits the movie. Raises ModelError, ConfigError."""
    assert given.model is not None
    model = load_tracking_model(config.path(given.model), given.model, movie.detections.ndim)
    if given.method is not None and given.method != model.method:
        raise ConfigError(
            f"wanted a model of the method {given.method}, but {given.model} was made by {model.method}: name another "
            f"model, or the method {model.method}"
        )
    check_fuse(given.fuse, model, given.model)
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
    `anew` they are all scored, whatever is kept there. With [store] they are kept in its arrays, block by block.
    """
    given = config.associations
    assert given is not None
    assert given.model is not None
    movie = learning_movie(config, inputs)
    model = association_model(config, given, movie)
    source = fused_source(config, Tracking(model, config.path(given.model)), movie)
    seen = {} if source is None else {"fused": source.identity}
    identity = identity_of(
        movie, model.digest, variants=given.variants, competition=given.competition, threshold=given.threshold, **seen
    )
    if config.store is not None:
        if source is not None:
            movie = replace(movie, fused=source.table(progress))
        return scores_in_blocks(config, movie, model, graph.links, identity, progress, anew=anew).astype(np.float64)
    path = kept_in(config, given.path, "associations")
    table = None if anew else fitting(kept_table(path, Associations), identity, path)
    links = graph.links.astype(np.int64)
    score = np.full(len(links), np.nan, np.float32)
    if table is not None:
        place = find_links(graph, table.link)
        score[place[place >= 0]] = table.score[place >= 0]
    new = np.flatnonzero(np.isnan(score))
    if len(new):
        if source is not None:
            movie = replace(movie, fused=source.table(progress))
        progress(f"scoring {len(new):,} links")
        score[new] = link_scores(
            model.network,
            movie.tokens,
            links[new],
            score_settings(given, model),
            lambda done, of: progress(f"scoring {len(new):,} links, window {done:,} of {of:,}"),
        )
        about = {"identity": identity, "model": given.model, "made_by": dict(model.provenance)}
        found = graph.detections
        key = np.column_stack([found.frame, found.label])
        keep(Associations(key[links], score, model.method, about), path)
    elif table is not None:
        log.debug("the scores in %s are used again", path)
    return score.astype(np.float64)


def embedding_vectors(
    config: Config, inputs: Inputs, progress: Progress = lambda stage: None, *, anew: bool = False
) -> NDArray[np.float64]:
    """(N, C) vector of every detection by the model of [embeddings], kept like the scores of links."""
    movie = learning_movie(config, inputs)
    embedder = named_embedder(config)
    if config.store is not None:
        return vectors_in_blocks(config, embedder, movie, progress, anew=anew)
    table = embedder.table(config, movie, progress, anew=anew)
    return aligned(inputs.detections, table, movie.name).astype(np.float64)
