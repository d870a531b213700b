"""`track train`: from a config to a model folder, one function per method."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from embeddings.methods.attrackt import AttracktSettings, train_attrackt
from embeddings.methods.load import load_tracking_model
from embeddings.methods.trackastra import SupervisedSettings, train_trackastra
from embeddings.methods.tracking import check_out_of_the_way, window_batches
from embeddings.train import TrainingResult
from embeddings.training.checkpoint import checkpoints
from embeddings.training.device import use_threads
from embeddings.training.history import Progress
from tracker.config import Config
from tracker.config_learning import Attrackt, Trackastra
from tracker.config_scores import TRAINED_METHODS
from tracker.errors import ConfigError
from tracker.learning.cellulus import image_movies, train_cellulus_of
from tracker.learning.detection_methods import METHODS as OF_DETECTIONS
from tracker.learning.detection_methods import copy_model, embed_with, weights_digest
from tracker.learning.finetune import finetune
from tracker.learning.fused import Tracking
from tracker.learning.fused_training import fused_movies, keep_embedder
from tracker.learning.movies import learning_movies
from tracker.learning.patch_methods import train_autoencoder_of
from tracker.learning.recipes import PUBLISHED_STEPS, going_on, recipe, unheeded
from tracker.learning.stardist import train_stardist_of

log = logging.getLogger(__name__)


class Watch(Protocol):
    """Told what is being learnt, and how it goes."""

    def __call__(self, stage: str, shown: Progress | None) -> None:
        """stage: what is under way.   shown: None when it begins."""


def train_method(method: str, config: Config, folder: Path, *, resume: bool, watch: Watch) -> TrainingResult:
    """Train a method as the config says and write its model to `folder`.

    Raises ConfigError, InputError and TrainingError; what was learnt until then is in the checkpoints.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r} to train. Known: {', '.join(TRAINED_METHODS)}")
    check_out_of_the_way(folder, resume=resume)
    if config.training is not None and config.training.threads:
        use_threads(config.training.threads)
    return METHODS[method](config, folder, resume, watch)


def _attrackt(config: Config, folder: Path, resume: bool, watch: Watch) -> TrainingResult:
    given = config.attrackt or Attrackt()
    wanted = recipe(config, PUBLISHED_STEPS["attrackt"])
    if wanted.network.normalisation != "quiet_softmax":  # or it would be scored otherwise than it has learnt
        raise ConfigError(
            f'attrackt learns with network.normalisation = "quiet_softmax" alone, found '
            f"{wanted.network.normalisation!r}; leave it out"
        )
    movies = learning_movies(config, truth=False)
    window_batches(wanted.fitted(movies), movies, target=False)  # mistakes show before the auto-encoder is trained
    own = folder / "autoencoder"
    _check_same_autoencoder(folder, own, None if given.autoencoder is None else config.path(given.autoencoder))
    if given.autoencoder is not None:
        copy_model(config.path(given.autoencoder), own)
    else:  # where an earlier session has finished it, this makes sure that it was the same one, and is done
        first = train_autoencoder_of(config, movies, own, resume=resume, watch=lambda p: watch("autoencoder", p))
        if first.stopped == "interrupted":
            return first
    watch("embedding", None)
    tables = [embed_with(own, movie, wanted.training.device) for movie in movies]
    movies = fused_movies(config, movies, lambda stage: watch(stage, None))
    keep_embedder(config, folder)
    watch("associations", None)
    settings = AttracktSettings(given.transitive_weight, given.hidden, given.standardise)
    return train_attrackt(
        movies, tables, folder, recipe=wanted, settings=settings, resume=resume, watch=lambda p: watch("attrackt", p)
    )


def _check_same_autoencoder(folder: Path, own: Path, given: Path | None) -> None:
    """Raise ConfigError where associations are to be learnt on with other embeddings than those they began with.

    own: the auto-encoder beside them.   given: the one that is named now, None where one is trained there.
    """
    if not checkpoints(folder) or not (own / "model.json").exists():
        return
    trained_here = bool(checkpoints(own))
    if trained_here if given is not None else not trained_here:
        other = "one that was trained with them" if trained_here else "a given one"
    elif given is not None and weights_digest(given) != weights_digest(own):
        other = "another one"
    else:
        return
    raise ConfigError(
        f"the associations in {folder} learn with the embeddings of an auto-encoder, and until now that was {other}: "
        "give attrackt.autoencoder as it was, or train into another folder"
    )


def _trackastra(config: Config, folder: Path, resume: bool, watch: Watch) -> TrainingResult:
    given = config.trackastra or Trackastra()
    wanted = recipe(config, PUBLISHED_STEPS["trackastra"])
    movies = learning_movies(config, truth=True)
    start = None
    if given.start is not None:
        begin = config.path(given.start)
        start = Tracking(load_tracking_model(begin, given.start, movies[0].detections.ndim), begin)
        wanted = going_on(wanted, start.model, config)
    movies = fused_movies(config, movies, lambda stage: watch(stage, None), start)
    keep_embedder(config, folder, start)
    settings = SupervisedSettings(given.division_upweight, given.max_gap_frames, given.logit_weight)
    return train_trackastra(
        movies, folder, recipe=wanted, settings=settings, start=None if start is None else start.model.network,
        resume=resume, watch=lambda p: watch("trackastra", p),
    )  # fmt: skip


def _finetune(config: Config, folder: Path, resume: bool, watch: Watch) -> TrainingResult:
    return finetune(config, folder, resume=resume, watch=lambda p: watch("finetune", p))


def _shown(config: Config, method: str, watch: Watch) -> Callable[[Progress], None]:
    """Shows the training of a method with numbers of its own; before all else, once it learns, what is not heeded."""
    notes = [note for note in (unheeded(config, method),) if note is not None]

    def show(shown: Progress) -> None:
        while notes:
            log.warning("%s", notes.pop())
        watch(method, shown)

    return show


def _of_detections(method: str) -> Callable[[Config, Path, bool, Watch], TrainingResult]:
    """Training of a method that gives a vector per detection."""

    def run(config: Config, folder: Path, resume: bool, watch: Watch) -> TrainingResult:
        learn = OF_DETECTIONS[method].train
        if learn is None:
            raise ConfigError(
                f'{method} is not trained here: give [embeddings] method = "{method}" and, as model, weights that were '
                "published for it"
            )
        movies = learning_movies(config, truth=False)
        return learn(config, movies, folder, resume=resume, watch=_shown(config, method, watch))

    return run


def _cellulus(config: Config, folder: Path, resume: bool, watch: Watch) -> TrainingResult:
    """It learns from images alone: there may be no detections yet."""
    movies = image_movies(config)
    return train_cellulus_of(config, movies, folder, resume=resume, watch=_shown(config, "cellulus", watch))


def _stardist(config: Config, folder: Path, resume: bool, watch: Watch) -> TrainingResult:
    """It learns from images and the masks that its own section names."""
    return train_stardist_of(config, folder, resume=resume, watch=_shown(config, "stardist", watch))


METHODS: Mapping[str, Callable[[Config, Path, bool, Watch], TrainingResult]] = {
    "attrackt": _attrackt,
    "trackastra": _trackastra,
    "finetune": _finetune,
    **{method: _of_detections(method) for method in OF_DETECTIONS},
    "cellulus": _cellulus,
    "stardist": _stardist,
}
