"""Methods that look at the patch around each detection: training and embedding as a config says."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embeddings.learning_movie import LearningMovie
from embeddings.methods import autoencoder, reid
from embeddings.methods.load import kind_of_model
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import read_model_folder, write_model_folder
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.config import Config
from tracker.config_learning import Autoencoder, Reid, Training
from tracker.errors import ConfigError
from tracker.learning.recipes import patch_network

_EMBED = {"autoencoder": autoencoder.embed_autoencoder, "reid": reid.embed_reid}


def train_autoencoder_of(
    config: Config,
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Progress], None],
) -> TrainingResult:
    """Train the auto-encoder that [autoencoder] describes."""
    given = config.autoencoder or Autoencoder()
    settings = _loop(config, given, autoencoder.PUBLISHED)
    return autoencoder.train_autoencoder(
        movies, folder, settings=settings, resume=resume, watch=watch, **_options(given)
    )


def train_reid_of(
    config: Config,
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Progress], None],
) -> TrainingResult:
    """Train the re-identification network that [reid] describes."""
    given = config.reid or Reid()
    settings = _loop(config, given, reid.DEFAULTS)
    return reid.train_reid(
        movies,
        folder,
        settings=settings,
        temperature=given.temperature,
        resume=resume,
        watch=watch,
        **_options(given),
    )


def _loop(config: Config, given: Autoencoder | Reid, defaults: TrainingSettings) -> TrainingSettings:
    """The training loop: the method's own, with the numbers of its section and what [training] says of all methods."""
    loop = config.training or Training()
    return replace(
        defaults,
        steps=given.steps,
        learning_rate=given.learning_rate,
        warmup_steps=min(defaults.warmup_steps, given.steps // 10),
        seed=loop.seed,
        device=loop.device,
        mixed_precision=loop.mixed_precision,
        checkpoint_minutes=loop.checkpoint_minutes,
        report_steps=loop.report_steps,
    )


def _options(given: Autoencoder | Reid) -> dict[str, Any]:
    """What both methods take of their sections."""
    return {
        "config": patch_network(given),
        "intensity": given.intensity,
        "masked": given.masked,
        "batch_size": given.batch_size,
        "frames_held": given.frames_held,
        "memory_mb": given.memory_mb,
    }


def embed_with(folder: Path, movie: LearningMovie, device: str) -> NodeEmbeddings:
    """The vector of every detection by the model in a folder. Raises ModelError, also for another kind of model."""
    return _EMBED[_kind(folder)](folder, movie, device=device)


def embed_patches(config: Config, movie: LearningMovie) -> NodeEmbeddings:
    """The vectors by the model of [embeddings]. Raises ConfigError where it is of another method than named."""
    given = config.embeddings
    assert given is not None
    return embed_with(_checked(config), movie, given.device)


def patch_model_digest(config: Config) -> str:
    """Tells the model of [embeddings] from others."""
    return hashlib.sha256((_checked(config) / "model.json").read_bytes()).hexdigest()[:16]


def weights_digest(folder: Path) -> str:
    """File and checksum of the weights, as model.json names them. Raises ModelError."""
    _kind(folder)
    return str(json.loads((folder / "model.json").read_text(encoding="utf-8")).get("weights"))


def copy_patch_model(folder: Path, to: Path) -> None:
    """Put a copy of a model into another folder, so that a model that needs it is complete. Raises ModelError."""
    write_model_folder(to, read_model_folder(folder, _kind(folder)))


def _checked(config: Config) -> Path:
    """The folder of the model of [embeddings]."""
    given = config.embeddings
    assert given is not None
    assert given.model is not None
    folder = config.path(given.model)
    kind = _kind(folder)
    if given.method is not None and given.method != kind:
        raise ConfigError(
            f"wanted a model of the method {given.method}, but {given.model} was made by {kind}: name another model, "
            f"or the method {kind}"
        )
    return folder


def _kind(folder: Path) -> str:
    """Which of the methods made the model. Raises ModelError for a model of another kind."""
    kind = kind_of_model(folder)
    if kind not in _EMBED:
        raise ModelError(f"{folder} holds a {kind}, which gives no vectors: name a model of {' or '.join(_EMBED)}")
    return kind
