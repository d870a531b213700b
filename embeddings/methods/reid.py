"""Embeddings by re-identification: a cell is to be recognised in two random views of it, among the others around."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embeddings.learning_movie import LearningMovie
from embeddings.losses.reid import reid_loss
from embeddings.methods.patch_models import (
    BatchSizes,
    Method,
    PatchSource,
    embed_movie,
    load_patch_model,
    patch_reader,
    train_on_patches,
)
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.nets.patch_encoder import PatchEncoder, seeded_patch_encoder
from embeddings.patch_augment import PatchAugmentation, augment_patches
from embeddings.patches import Intensity, PatchSettings
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.errors import ConfigError

METHOD = "reid"
#: Ours: the baseline was published without its settings.
DEFAULTS = TrainingSettings(
    steps=20_000, learning_rate=3e-4, weight_decay=1e-4, warmup_steps=500, clip_norm=1.0, validate_steps=500
)
_ABOUT = Method(METHOD, "the re-identification network")
_MOST_OF_A_FRAME = 32


def train_reid(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    config: AutoencoderConfig | None = None,
    intensity: Intensity = "frame",
    masked: bool = False,
    settings: TrainingSettings = DEFAULTS,
    batch_size: int = 64,
    temperature: float = 0.1,
    frames_held: int = 16,
    memory_mb: float = 256.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train on random views of the patches of movies and write the model to `folder`; no link, no truth is looked at.

    Each step takes F frames of one movie (drawn in proportion to its detections) and P detections of each, makes two
    random views of each detection (`PatchAugmentation`), and minimises `reid_loss` between them: the views of one
    detection are to be alike, those of others of its frame not. Frames with a single detection teach nothing, and are
    left out.

    config: sizes of the encoder, those of an auto-encoder, default those of Attrackt's.
    batch_size: detections per step, about F P: P as many as the fullest frame has, 32 at most; F what that leaves.
    temperature: of the loss; the lower, the more the most similar others count.
    intensity, masked, frames_held, memory_mb, settings, resume, watch; what is held out; an interrupt: as in
        `train_autoencoder`. What is held in memory is cut larger, about three times the pixels of a patch, so that
        turned patches have no empty corners.
    Raises ConfigError without movies, images or frames with two detections; what `train`, `PatchReader` and
    `write_model_folder` raise.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature must be positive, found {temperature:g}")
    if batch_size < 2:
        raise ConfigError(f"batch_size must be at least 2, a detection and another one, found {batch_size}")
    config, augmentation = config or AutoencoderConfig(), PatchAugmentation()
    sizes = BatchSizes(batch_size, frames_held, memory_mb)
    patches = PatchSettings(config.patch_px, intensity, masked)
    for movie in movies:
        patch_reader(movie, patches, _ABOUT)  # errors are about the patch, not the larger cut
    crops = PatchSettings(augmentation.crop_px(config.patch_px), intensity, masked)
    source = PatchSource(movies, crops, sizes, settings.seed, _ABOUT, crowd=2)
    fullest = max(int(np.diff(movie.detections.starts).max()) for movie in movies)
    each = min(fullest, _MOST_OF_A_FRAME, batch_size)
    n_frames = max(round(batch_size / each), 1)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        drawn, padding = source.reservoir(step).grouped(step, n_frames, each)
        return torch.from_numpy(drawn), torch.from_numpy(padding)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        crop, padding = batch
        first, second = (
            _placed(model(augment_patches(crop[~padding], config.patch_px, augmentation)), padding) for _ in range(2)
        )
        return reid_loss(first, second, padding=padding, temperature=temperature)

    return train_on_patches(
        _ABOUT,
        seeded_patch_encoder(config, settings.seed),
        source,
        batches,
        loss,
        _groups(source.held_out()) or None,
        patches,
        sizes,
        settings,
        folder,
        more={"loss": {"temperature": temperature}, "augmentation": asdict(augmentation)},
        resume=resume,
        watch=watch,
    )


def load_reid(folder: Path) -> tuple[PatchEncoder, PatchSettings, Mapping[str, Any]]:
    """What `train_reid` wrote: the network on the CPU, what patches show, provenance. Raises ModelError."""
    return load_patch_model(folder, _ABOUT, PatchEncoder)


def embed_reid(folder: Path, movie: LearningMovie, *, device: str = "auto", batch_size: int = 64) -> NodeEmbeddings:
    """The embedding of every detection by the model in `folder`, (N, latent), in the order of the detections.

    The cosine is what is trained, so vectors are of Euclidean length 1: |u - v|^2 = 2 - 2 cos(u, v), and distances
    order as cosines do. Patches are embedded as they are, not augmented.
    batch_size: patches at a time; it bounds the memory, and changes nothing else.
    Raises ModelError, also when the movie has other axes than the model; ConfigError without images; MovieError, as
    PatchReader.
    """
    return embed_movie(folder, _ABOUT, PatchEncoder, movie, device, batch_size)


def _placed(embeddings: Tensor, padding: Tensor) -> Tensor:
    """Embeddings (n, C) of what is not padding, in order, as (F, P, C) with zeros where padding (F, P) is."""
    placed = embeddings.new_zeros(*padding.shape, embeddings.shape[1])
    return placed.masked_scatter(~padding.unsqueeze(-1), embeddings)


def _groups(frames: list[NDArray[np.float32]]) -> list[tuple[Tensor, Tensor]]:
    """A batch (1, n, ...) of each frame that has a detection and another one, without padding."""
    return [
        (torch.from_numpy(crops)[None], torch.zeros(1, len(crops), dtype=torch.bool))
        for crops in frames
        if len(crops) > 1
    ]
