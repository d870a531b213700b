"""Embeddings by an auto-encoder: what a cell looks like, as the latent numbers of the patch around it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embeddings.learning_movie import LearningMovie
from embeddings.methods.patch_models import (
    BatchSizes,
    Method,
    PatchSource,
    embed_movie,
    load_patch_model,
    train_on_patches,
    with_channel,
)
from embeddings.nets.autoencoder import Autoencoder, reconstruction_error, seeded_autoencoder
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.patches import Intensity, PatchSettings
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings

METHOD = "autoencoder"
#: As published for Attrackt; its Adam is AdamW without weight decay.
PUBLISHED = TrainingSettings(
    steps=100_000, learning_rate=5e-5, weight_decay=0.0, schedule="polynomial", clip_norm=0.0, validate_steps=1000
)
_ABOUT = Method(METHOD, "the auto-encoder")


def train_autoencoder(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    config: AutoencoderConfig | None = None,
    intensity: Intensity = "frame",
    masked: bool = False,
    settings: TrainingSettings = PUBLISHED,
    batch_size: int = 8,
    frames_held: int = 16,
    memory_mb: float = 256.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train on the patches of movies and write the model to `folder`; no link, no truth is looked at.

    config: sizes, default those of Attrackt.   intensity, masked: as in PatchSettings; the default scales each frame
        and masks nothing. The published code divides 16-bit images by 65535 ("dtype") instead.
    batch_size: patches per step, all of one movie, drawn in proportion to its detections.
    frames_held, memory_mb: how many frames of each movie, and how much of the patches of all, are in memory to draw
        from, as in PatchReservoir.   settings, resume, watch: as in `embeddings.train.train`.
    A tenth of the detections of a few frames, 256 at most, is held out (see PatchSource); the weights with the lowest
    loss on it are kept. An interrupted training leaves a model, too, whose provenance says so.
    Raises ConfigError without movies, images or detections; what `train`, `PatchReader`, `write_model_folder` raise.
    """
    config = config or AutoencoderConfig()
    sizes = BatchSizes(batch_size, frames_held, memory_mb)
    patches = PatchSettings(config.patch_px, intensity, masked)
    source = PatchSource(movies, patches, sizes, settings.seed, _ABOUT)
    kept = source.held_out()
    return train_on_patches(
        _ABOUT,
        seeded_autoencoder(config, settings.seed),
        source,
        lambda step: with_channel(source.reservoir(step)(step)),
        reconstruction_error,
        torch.split(with_channel(np.concatenate(kept)), batch_size) if kept else None,
        patches,
        sizes,
        settings,
        folder,
        more={},
        resume=resume,
        watch=watch,
    )


def load_autoencoder(folder: Path) -> tuple[Autoencoder, PatchSettings, Mapping[str, Any]]:
    """What `train_autoencoder` wrote: the network on the CPU, what patches show, provenance. Raises ModelError."""
    return load_patch_model(folder, _ABOUT, Autoencoder)


def embed_autoencoder(
    folder: Path, movie: LearningMovie, *, device: str = "auto", batch_size: int = 64
) -> NodeEmbeddings:
    """The embedding of every detection by the model in `folder`, (N, latent), in the order of the detections.

    batch_size: patches at a time; it bounds the memory, and changes nothing else.
    Raises ModelError, also when the movie has other axes than the model; ConfigError without images; MovieError, as
    PatchReader.
    """
    return embed_movie(folder, _ABOUT, Autoencoder, movie, device, batch_size)
