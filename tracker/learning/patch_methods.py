"""Methods that look at the patch around each detection: trained as a config says."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from embeddings.learning_movie import LearningMovie
from embeddings.methods import autoencoder, reid
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from tracker.config import Config
from tracker.config_learning import Autoencoder, Reid
from tracker.learning.recipes import own_loop, patch_network


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
    settings = own_loop(config, given, autoencoder.PUBLISHED)
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
    settings = own_loop(config, given, reid.DEFAULTS)
    return reid.train_reid(
        movies,
        folder,
        settings=settings,
        temperature=given.temperature,
        resume=resume,
        watch=watch,
        **_options(given),
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
