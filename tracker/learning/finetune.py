"""Fine-tuning a model with the pins of a config and its current solution."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embeddings.known_pairs import KnownLinks, known_links_of_lineage, known_links_of_pins, pseudo_labelled
from embeddings.learning_movie import LearningMovie
from embeddings.low_rank import require_peft
from embeddings.methods.attrackt import load_reconstruction
from embeddings.methods.finetune import FinetuneSettings, Unsupervised, train_finetune
from embeddings.methods.load import load_tracking_model
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from tracker.annotations import solve_pinned
from tracker.config import Config, load_config
from tracker.config_learning import Attrackt, Finetune
from tracker.config_scores import AssociationSettings
from tracker.errors import ConfigError, first_five
from tracker.learning.detection_methods import copy_model, embed_with
from tracker.learning.fused import Tracking, check_fuse
from tracker.learning.fused_training import fused_movies, keep_embedder
from tracker.learning.movies import learning_movie
from tracker.learning.recipes import going_on, recipe
from tracker.pipeline import to_lineage
from tracker.prepare import prepare, solver_settings
from tracker.scores import scores_out
from tracker.stopwatch import Stopwatch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Annotated:
    """A movie with what its pins say, and what its solution makes believe."""

    movie: LearningMovie
    annotated: KnownLinks
    believed: KnownLinks


def finetune(config: Config, folder: Path, *, resume: bool, watch: Callable[[Progress], None]) -> TrainingResult:
    """Fine-tune finetune.start on the pins of the config, and of the configs in training.movies.

    Raises ConfigError where the start or pins are missing, and what peft, reading, solving and training raise.
    """
    require_peft()
    given = config.finetune or Finetune()
    if given.start is None:
        raise ConfigError("track train finetune needs [finetune] start, the folder of the model to begin with")
    begin = config.path(given.start)
    others = () if config.training is None else config.training.movies
    configs = {other: load_config(config.path(other)) for other in others}
    _check_pins(config, configs)
    found = [_annotated(one, given, config) for one in (config, *configs.values())]
    start = load_tracking_model(begin, given.start, found[0].movie.detections.ndim)
    tracking = Tracking(start, begin)
    check_fuse(None if config.associations is None else config.associations.fuse, start, given.start)
    movies = fused_movies(config, [one.movie for one in found], log.info, tracking)
    count = sum(len(one.annotated.anchors) for one in found)
    wanted = recipe(config, max(given.steps_per_annotation * count, 1))
    wanted = going_on(wanted, start, config)
    wanted = replace(wanted, training=replace(wanted.training, warmup_steps=0), validate=False)  # as published
    device = wanted.training.device
    unsupervised = _unsupervised(begin, movies, device) if given.unsupervised else None
    if given.unsupervised and unsupervised is None:
        log.warning("%s has not learnt from embeddings, so fine-tuning uses the annotations alone", begin)
    log.info("fine-tuning with %d annotated detections", count)
    before = start.provenance.get("attrackt", {})
    settings = FinetuneSettings(
        rank=given.rank,
        alpha=given.alpha,
        dropout=given.dropout,
        transitive_weight=float(before.get("transitive_weight", Attrackt().transitive_weight)),
        standardise=bool(before.get("standardise", False)),
        judged=given.judged,
    )
    done = train_finetune(
        movies,
        [one.annotated for one in found],
        [one.believed for one in found],
        folder,
        start=start,
        recipe=wanted,
        settings=settings,
        unsupervised=unsupervised,
        resume=resume,
        watch=watch,
    )
    keep_embedder(config, folder, tracking)
    if unsupervised is not None:
        copy_model(begin / "autoencoder", folder / "autoencoder")
    return done


def _check_pins(config: Config, others: Mapping[str, Config]) -> None:
    """Raise ConfigError for a movie without pins, before any is tracked. others: by name, from training.movies."""
    if not config.annotations.pins:
        raise ConfigError(
            "fine-tuning learns from pins: give [annotations] pins, or --pins (`track suggest` asks what helps most)"
        )
    without = [name for name, other in others.items() if not other.annotations.pins]
    if without:
        raise ConfigError(
            "fine-tuning learns from pins of every movie, and those in training.movies bring their own: give "
            f"[annotations] pins in {first_five(without)}, or leave it out"
        )


def _annotated(config: Config, given: Finetune, main: Config) -> Annotated:
    """Track a movie with the model as it is, and say what its pins and its solution tell."""
    assert given.start is not None
    config = config.model_copy(update={"associations": _scores_of_start(config, main.path(given.start), given.start)})
    prepared = prepare(config, Stopwatch())
    problem, solution = solve_pinned(prepared.problem, prepared.pins, solver_settings(config))
    lineage = to_lineage(prepared.graph, problem, solution)
    assert prepared.pins is not None
    annotated = known_links_of_pins(prepared.pins)
    known = np.zeros(len(prepared.inputs.detections), np.bool_)
    known[annotated.anchors] = True
    assert prepared.association is not None
    sums = scores_out(prepared.graph, prepared.association)
    rows = pseudo_labelled(sums, lineage, known, share=given.pseudo_share)
    return Annotated(learning_movie(config, prepared.inputs), annotated, known_links_of_lineage(lineage, rows))


def _scores_of_start(config: Config, folder: Path, name: str) -> AssociationSettings:
    """The [associations] of a movie with the model to begin with in place of any other; a file stays as it is."""
    before = config.associations
    if before is not None and before.model is None and before.geff is None:
        return before
    start = str(folder.resolve()) if folder.exists() else name
    if before is None:
        return AssociationSettings(model=start)
    same = before.model is not None and config.path(before.model).resolve() == folder.resolve()
    changes = {"model": start, "geff": None, "method": None, "path": before.path if same else None}
    return AssociationSettings.model_validate({**before.model_dump(), **changes})


def _unsupervised(begin: Path, movies: list[LearningMovie], device: str) -> Unsupervised | None:
    """What the losses without labels need, where the model has learnt with them."""
    if not (begin / "reconstruction").is_dir():
        return None
    own = begin / "autoencoder"
    return Unsupervised(load_reconstruction(begin), [embed_with(own, movie, device) for movie in movies])
