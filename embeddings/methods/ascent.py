"""Embeddings by ASCENT: a detection is recognised in two random views of its frame, among the others of the frame."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from embeddings.ascent_augment import AscentAugmentation
from embeddings.ascent_frames import NOUN, AscentFrames
from embeddings.ascent_source import FrameSizes, ViewSource
from embeddings.frame_images import FrameImages
from embeddings.inference.time_left import timed
from embeddings.learning_movie import LearningMovie, about_movie
from embeddings.losses.nt_xent import Negatives, nt_xent
from embeddings.methods.trained import train_and_write
from embeddings.nets.ascent import AscentBatch, AscentNetwork, seeded_ascent
from embeddings.nets.ascent_config import AscentConfig
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import fill_weights, read_model_folder
from embeddings.nets.vit import fill_dino, read_dino
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.device import choose_device, memory_watched
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.errors import ConfigError

METHOD = "ascent"
#: As published, at a constant rate; the steps are what 50 epochs of a movie of 1000 frames are.
PUBLISHED = TrainingSettings(
    steps=12_500, learning_rate=1e-4, weight_decay=0.01, final_rate=1.0, clip_norm=0.0, validate_steps=250
)


def train_ascent(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    config: AscentConfig | None = None,
    augmentation: AscentAugmentation | None = None,
    zoom: float = 1.0,
    dino: Path | None = None,
    settings: TrainingSettings = PUBLISHED,
    batch_size: int = 4,
    max_detections: int = 0,
    temperature: float = 0.05,
    negatives: Negatives = "other_view",
    memory_mb: float = 512.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train on pairs of random views of frames and write the model to `folder`; no link, no truth is looked at.

    `nt_xent` between the two views of each frame is minimised: a detection is to be like itself, and unlike the others.
    config: sizes, default those of ASCENT.   augmentation: of the views, default the numbers of its supplement.
    zoom: how much y and x are enlarged first, for cells that are small or large beside the patches.
    dino: checkpoint of DINO's backbone that the vision transformer begins with; without it from random weights.
    batch_size: frames per step.   max_detections: most of a frame that a step sees, neighbours; 0 = all.
    temperature, negatives: of the loss.   memory_mb: of frames that are kept in memory rather than read again.
    settings, resume, watch: as in `embeddings.train.train`.
    A tenth of the frames of each movie is held out (see ViewSource); the weights with the lowest loss between views of
    them are kept. An interrupted training leaves a model, too, whose provenance says so.
    Raises ConfigError without movies, images or frames with two detections, for movies of different axes, for cells and
    frames that do not fit the patches; ModelError for a checkpoint that does not fit; MovieError for pixels that are
    NaN; what `train` and `write_model_folder` raise.
    """
    config, augmentation = config or AscentConfig(), augmentation or AscentAugmentation()
    if not temperature > 0:
        raise ConfigError(f"temperature must be positive, found {temperature:g}")
    if negatives not in get_args(Negatives):
        raise ConfigError(f"negatives must be one of {', '.join(get_args(Negatives))}, found {negatives!r}")
    if not movies:
        raise ConfigError(f"{NOUN} needs at least one movie to learn from, found none")
    sizes = FrameSizes(batch_size, max_detections, memory_mb)
    frames = [frames_in_scale(movie, config, zoom) for movie in movies]
    axes = sorted({movie.detections.ndim for movie in movies})
    if len(axes) > 1:
        raise ConfigError(f"{NOUN} learns from 2-D movies or from 3-D ones, found both: train a model of each")
    source = ViewSource(frames, augmentation, sizes, settings.seed)
    network = seeded_ascent(config, settings.seed)
    if dino is not None:
        fill_dino(network.encoder, read_dino(dino), dino)

    def loss(model: nn.Module, batch: AscentBatch) -> Tensor:
        first, second = model(batch).float().chunk(2)
        gone = batch.padding.view(2, *first.shape[:2]).any(dim=0)
        with torch.autocast(first.device.type, enabled=False):  # cosines are divided by a small temperature
            return nt_xent(first, second, gone, temperature=temperature, negatives=negatives)

    away = source.held_out()
    stored = {METHOD: config.as_mapping(), "frames": {"zoom": zoom, "dimensions": axes[0]}}
    more: dict[str, Any] = {
        "loss": {"temperature": temperature, "negatives": negatives},
        "augmentation": {**asdict(augmentation), "scale": list(augmentation.scale)},
        "dino": None if dino is None else hashlib.sha256(dino.read_bytes()).hexdigest()[:16],
    }
    return train_and_write(
        METHOD,
        network,
        source,
        loss,
        settings,
        folder,
        stored=stored,
        told=more,
        sizes=sizes,
        movies=movies,
        about=[
            {**about_movie(movie), "detections": len(movie.detections), "held_out_frames": held}
            for movie, held in zip(movies, source.held_out_frames(), strict=True)
        ],
        held_out=away or None,
        memory_keys="max_detections, batch_size, width or depth",
        resume=resume,
        watch=watch,
    )


def load_ascent(folder: Path) -> tuple[AscentNetwork, float, int, Mapping[str, Any]]:
    """What `train_ascent` wrote: the network on the CPU, the zoom and axes (2, 3) of its frames, provenance.

    Raises ModelError.
    """
    stored = read_model_folder(folder, METHOD)
    path = folder / "model.json"
    try:
        sizes, frames = stored.config[METHOD], stored.config["frames"]
        zoom, dimensions = float(frames["zoom"]), int(frames["dimensions"])
        config = AscentConfig.from_mapping(sizes, path)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not describe an {NOUN} network and its frames: {error!r}") from error
    network = AscentNetwork(config)
    fill_weights(network, stored.weights, folder)
    network.eval()
    return network, zoom, dimensions, stored.provenance


def embed_ascent(
    folder: Path, movie: LearningMovie, *, zoom: float | None = None, device: str = "auto", batch_size: int = 64
) -> NodeEmbeddings:
    """The embedding of every detection by the model in `folder`, (N, embedding), in the order of the detections.

    The cosine is what is trained, so vectors are of Euclidean length 1: |u - v|^2 = 2 - 2 cos(u, v), and distances
    order as cosines do. Frames are seen whole, as they are.
    zoom: of the frames, default as trained.   batch_size: patches at a time; it bounds the memory, and changes nothing
    else.
    Raises ModelError, also when the movie has other axes than the model; ConfigError and MovieError as `train_ascent`.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
    network, trained_zoom, dimensions, provenance = load_ascent(folder)
    found = movie.detections
    if found.ndim != dimensions:
        raise ModelError(
            f"the {NOUN} model in {folder} is for {dimensions}-D movies, but {movie.name} is {found.ndim}-D: train one "
            "on such a movie"
        )
    frames = frames_in_scale(movie, network.config, trained_zoom if zoom is None else zoom)
    chosen = choose_device(device)
    network.to(chosen)
    view = frames.plain_view()
    vector = np.zeros((len(found), network.config.embedding), np.float32)
    steps = np.flatnonzero(np.diff(found.starts)).tolist()
    with (
        torch.inference_mode(),
        memory_watched(chosen, "embedding detections", 'Embed on the CPU (device = "cpu"), or train a smaller network'),
    ):
        for step in timed(steps, len(steps), NOUN, chosen):
            rows = np.arange(found.starts[step], found.starts[step + 1])
            image, place = frames.image(step), frames.place_px(rows)
            place[:, 1:] = view.from_frame(place[:, 1:])
            seen = [
                network.see(torch.from_numpy(frames.patches(image, view, place[part : part + batch_size])).to(chosen))
                for part in range(0, len(rows), batch_size)
            ]
            where = torch.from_numpy(frames.coordinates(place)).to(chosen)
            alone = torch.zeros(1, len(rows), dtype=torch.bool, device=chosen)
            compared = network.compare(torch.cat(seen), where, alone)
            vector[rows] = normalize(compared[0].float(), dim=1).cpu().numpy()
    key = np.column_stack([found.frame, found.label])
    about = {"model": dict(provenance), "movie": about_movie(movie), "embedding": {"zoom": frames.zoom}}
    return NodeEmbeddings(key, vector, METHOD, about)


def frames_in_scale(movie: LearningMovie, config: AscentConfig, zoom: float) -> AscentFrames:
    """The frames of a movie whose cells, where their size is known, fit the patches. Raises as `AscentFrames`."""
    return AscentFrames(FrameImages(movie, NOUN, volumes=True), config, zoom)
