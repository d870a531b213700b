"""Embeddings by an auto-encoder: what a cell looks like, as the latent numbers of the patch around it."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.nets.autoencoder import Autoencoder, reconstruction_error, seeded_autoencoder
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import StoredModel, fill_weights, read_model_folder, write_model_folder
from embeddings.patches import Intensity, PatchReader, PatchReservoir, PatchSettings
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult, train
from embeddings.training.device import choose_device, memory_watched
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.io.movie import Movie

METHOD = "autoencoder"
#: As published for Attrackt; its Adam is AdamW without weight decay.
PUBLISHED = TrainingSettings(
    steps=100_000, learning_rate=5e-5, weight_decay=0.0, schedule="polynomial", clip_norm=0.0, validate_steps=1000
)
_NETWORK = "autoencoder"
_HELD_OUT_FRAMES, _HELD_OUT_PATCHES, _HELD_OUT_SHARE = 8, 256, 0.1


def train_autoencoder(
    detections: Detections,
    images: Movie,
    folder: Path,
    *,
    masks: Movie | None = None,
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
    """Train on the patches of a movie and write the model to `folder`; no link, no label is looked at.

    config: sizes, default those of Attrackt.   intensity, masked: as in PatchSettings; the default scales each frame
        and masks nothing. The published code divides 16-bit images by 65535 ("dtype") instead.
    batch_size: patches per step.   frames_held, memory_mb: how many frames, and how much of their patches, are in
        memory to draw from, as in PatchReservoir.   settings, resume, watch: as in `embeddings.train.train`.
    A tenth of the detections of a few frames, 256 at most, is held out; the weights with the lowest loss on it are
    kept. An interrupted training leaves a model, too, whose provenance says so.
    Raises what `train`, `PatchReader` and `write_model_folder` raise.
    """
    if batch_size < 1 or frames_held < 1 or not memory_mb > 0:
        raise ConfigError(
            "batch_size, frames_held and memory_mb must be positive, found "
            f"{batch_size}, {frames_held} and {memory_mb:g}"
        )
    config = config or AutoencoderConfig()
    patches = PatchSettings(config.patch_px, intensity, masked)
    reader = PatchReader(detections, images, patches, masks)
    learnt, held_out = _split(detections, settings.seed)
    reservoir = PatchReservoir(reader, learnt, batch_size, settings.seed, frames_held=frames_held, memory_mb=memory_mb)
    network = seeded_autoencoder(config, settings.seed)
    identity = {
        "network": config.as_mapping(),
        "patches": patches.as_mapping(),
        "batches": {"batch_size": batch_size, "frames_held": frames_held, "memory_mb": memory_mb},
        "movie": {"detections": _digest(detections)},
    }
    done = train(
        network,
        lambda step: _tensor(reservoir(step)),
        reconstruction_error,
        settings,
        folder,
        held_out=_held_out(reader, held_out, batch_size) or None,
        identity=identity,
        resume=resume,
        watch=watch,
        memory_keys="batch_size, channels or patch_px",
    )
    provenance = {
        "method": METHOD,
        "images": images.name,
        "detections": len(detections),
        "training": asdict(settings),
        "batch_size": batch_size,
        "stopped": done.stopped,
        "steps": done.steps,
        "best_step": done.best_step,
        "held_out_loss": None if math.isnan(done.held_out_loss) else done.held_out_loss,
        "seconds": done.seconds,
        "device": done.device,
        "torch": torch.__version__,
    }
    stored = {"autoencoder": config.as_mapping(), "patches": patches.as_mapping()}
    write_model_folder(folder, StoredModel(_NETWORK, stored, network.state_dict(), provenance))
    return done


def load_autoencoder(folder: Path) -> tuple[Autoencoder, PatchSettings, Mapping[str, Any]]:
    """What `train_autoencoder` wrote: the network on the CPU, what patches show, provenance. Raises ModelError."""
    stored = read_model_folder(folder, _NETWORK)
    source = folder / "model.json"
    try:
        sizes, patches = stored.config["autoencoder"], PatchSettings.from_mapping(stored.config["patches"])
        config = AutoencoderConfig.from_mapping(sizes, source)
    except (KeyError, TypeError, ConfigError) as error:
        raise ModelError(f"{source} does not describe an auto-encoder and its patches: {error!r}") from error
    if patches.patch_px != config.patch_px:
        raise ModelError(f"{source}: patches of {patches.patch_px} px do not fit a network for {config.patch_px} px")
    network = Autoencoder(config)
    fill_weights(network, stored.weights, folder)
    return network.eval(), patches, stored.provenance


def embed_autoencoder(
    folder: Path,
    detections: Detections,
    images: Movie,
    *,
    masks: Movie | None = None,
    device: str = "auto",
    batch_size: int = 64,
) -> NodeEmbeddings:
    """The embedding of every detection by the model in `folder`, (N, latent), in the order of the detections.

    batch_size: patches at a time; it bounds the memory, and changes nothing else.
    Raises ModelError, also when the movie has other axes than the model; MovieError, as PatchReader; ConfigError.
    """
    network, patches, provenance = load_autoencoder(folder)
    if len(patches.patch_px) != len(images.shape):
        raise ModelError(
            f"the auto-encoder in {folder} is for {len(patches.patch_px)}-D images, but {images.name} is "
            f"{len(images.shape)}-D: train one on such a movie"
        )
    reader = PatchReader(detections, images, patches, masks)
    vector = patch_embeddings(network, reader, choose_device(device), batch_size)
    key = np.column_stack([detections.frame, detections.label])
    return NodeEmbeddings(key, vector, METHOD, {"model": dict(provenance), "images": images.name})


def patch_embeddings(
    network: Autoencoder, reader: PatchReader, device: torch.device, batch_size: int = 64
) -> NDArray[np.float32]:
    """(N, latent) embeddings of all detections of a reader, frame by frame; the network is left on `device`."""
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
    network.to(device).eval()
    vector = np.zeros((len(reader.detections), network.config.latent), np.float32)
    with torch.inference_mode(), memory_watched(device, 0, "batch_size"):
        for rows, patches in reader:
            for start in range(0, len(rows), batch_size):
                part = slice(start, start + batch_size)
                vector[rows[part]] = network.encode(_tensor(patches[part]).to(device)).cpu().numpy()
    return vector


def _split(detections: Detections, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from, and rows held out: of a few random frames."""
    rng = np.random.default_rng([seed, 2])
    step = detections.step
    frames = rng.permutation(np.unique(step))[:_HELD_OUT_FRAMES]
    rows = rng.permutation(np.flatnonzero(np.isin(step, frames)))
    held_out = np.sort(rows[: min(_HELD_OUT_PATCHES, int(_HELD_OUT_SHARE * len(rows)))])
    return np.setdiff1d(np.arange(len(detections)), held_out), held_out


def _held_out(reader: PatchReader, rows: NDArray[np.int64], batch_size: int) -> list[torch.Tensor]:
    """The patches of some rows, in batches, the whole of them in memory."""
    step = reader.detections.step[rows]
    drawn = [reader.patches(one, rows[step == one]) for one in np.unique(step).tolist()]
    return list(torch.split(_tensor(np.concatenate(drawn)), batch_size)) if drawn else []


def _tensor(patches: NDArray[np.float32]) -> torch.Tensor:
    """(n, *patch_px) -> (n, 1, *patch_px)."""
    return torch.from_numpy(patches).unsqueeze(1)


def _digest(detections: Detections) -> str:
    """Tells one set of detections from another."""
    arrays = (detections.frame, detections.label, detections.position)
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]
