"""Embeddings by MAESTER: the texture around a pixel, as a masked auto-encoder of the movie's own frames sees it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embeddings.frame_crops import CropSizes, CropSource
from embeddings.frame_images import FrameImages
from embeddings.inference.detection_places import box_centres_px, mask_places_px
from embeddings.inference.field_of_view import pixel_embeddings
from embeddings.inference.mask_pixels import sample_pixels
from embeddings.inference.time_left import timed
from embeddings.learning_movie import LearningMovie, about_movie
from embeddings.methods.trained import train_and_write
from embeddings.nets.errors import ModelError
from embeddings.nets.mae import MaskedAutoencoder, draw_kept, masked_pixel_error, seeded_mae
from embeddings.nets.mae_config import MaeConfig
from embeddings.nets.model_folder import fill_weights, read_model_folder
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.device import choose_device
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from embeddings.zoomed_frames import ZoomedFrames
from tracker.errors import ConfigError

METHOD = "maester"
Aggregation = Literal["centroid", "mask_mean"]
#: Learning rate and weight decay as published; more steps than these brought nothing there. The schedule is ours.
DEFAULTS = TrainingSettings(
    steps=4400, learning_rate=6e-5, weight_decay=1e-5, warmup_steps=200, clip_norm=1.0, validate_steps=200
)
_NOUN = "MAESTER"
_IDEAL_SHARE = 0.25  # of the field of view, that a cell takes: as much as its tokens in the middle do


def train_maester(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    config: MaeConfig | None = None,
    zoom: float = 1.0,
    settings: TrainingSettings = DEFAULTS,
    batch_size: int = 32,
    frames_held: int = 16,
    memory_mb: float = 256.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train a masked auto-encoder on random crops of the frames and write it to `folder`; no link, no truth is seen.

    Crops are random squares of half to the whole field of view, resized to it and flipped (`embeddings.frame_crops`).
    config: sizes, default those of MAESTER.   zoom: how much the frames are enlarged first, for cells that are small or
        large beside the field of view.   batch_size: crops per step, all of one movie.
    frames_held, memory_mb: as in CropSizes.   settings, resume, watch: as in `embeddings.train.train`.
    A tenth of the frames of each movie is held out (see CropSource); the weights with the lowest loss on crops of them
    are kept. An interrupted training leaves a model, too, whose provenance says so.
    Raises ConfigError without movies or images, for images that are not 2-D and cells that do not fit the field of
    view; MovieError for pixels that are NaN or infinite and frames that are too small; what `train` raises.
    """
    config = config or MaeConfig()
    if not movies:
        raise ConfigError(f"{_NOUN} needs at least one movie to learn from, found none")
    sizes = CropSizes(batch_size, frames_held, memory_mb)
    frames = [frames_in_scale(movie, config, zoom) for movie in movies]
    source = CropSource(frames, config.image_px, sizes, settings.seed)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        return _batch(source(step), np.random.default_rng([settings.seed, 5, step]), config)

    away = source.held_out()
    stored = {METHOD: config.as_mapping(), "frames": {"zoom": zoom}}
    network = seeded_mae(config, settings.seed)
    return train_and_write(
        METHOD,
        network,
        batches,
        masked_pixel_error,
        settings,
        folder,
        stored=stored,
        told={},
        sizes=sizes,
        movies=movies,
        about=[{**about_movie(one.frames.movie), "frames": len(one)} for one in frames],
        held_out=[
            _batch(crops, np.random.default_rng([settings.seed, 6, number]), config)
            for number, crops in enumerate(away)
        ]
        or None,
        memory_keys="batch_size, width or depth",
        resume=resume,
        watch=watch,
    )


def load_maester(folder: Path) -> tuple[MaskedAutoencoder, float, Mapping[str, Any]]:
    """What `train_maester` wrote: the network on the CPU, the zoom of its frames, provenance. Raises ModelError."""
    stored = read_model_folder(folder, METHOD)
    path = folder / "model.json"
    try:
        sizes, zoom = stored.config[METHOD], float(stored.config["frames"]["zoom"])
        config = MaeConfig.from_mapping(sizes, path)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not describe a masked auto-encoder and its frames: {error!r}") from error
    network = MaskedAutoencoder(config)
    fill_weights(network, stored.weights, folder)
    network.eval()
    return network, zoom, stored.provenance


def embed_maester(
    folder: Path,
    movie: LearningMovie,
    *,
    aggregation: Aggregation = "centroid",
    pixels_per_detection: int | None = 16,
    zoom: float | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int = 64,
) -> NodeEmbeddings:
    """The embedding of every detection by the model in `folder`, (N, width), in the order of the detections.

    aggregation: "centroid": that of the pixel in the centre of the mask's bounding box, or at the position of a
        detection without one (points; outside of the image the nearest pixel). "mask_mean": the mean over pixels of
        the mask.
    pixels_per_detection: with "mask_mean", a random sample of so many of them by `seed` (see `sample_pixels`); None
        takes all, which is slow.   zoom: of the frames, default as trained.
    batch_size: fields of view at a time; it bounds the memory, and changes nothing else.
    Only fields of view that hold such a pixel in their middle are encoded; the provenance has how many.
    Raises ModelError; ConfigError and MovieError as `train_maester`, and where "mask_mean" has no masks.
    """
    if aggregation not in get_args(Aggregation):
        raise ConfigError(f"aggregation must be one of {', '.join(get_args(Aggregation))}, found {aggregation!r}")
    if pixels_per_detection is not None and pixels_per_detection < 1:
        raise ConfigError(f"pixels_per_detection must be at least 1, or none for all, found {pixels_per_detection}")
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, found {seed}")
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
    network, trained_zoom, provenance = load_maester(folder)
    frames = frames_in_scale(movie, network.config, trained_zoom if zoom is None else zoom)
    if aggregation == "mask_mean" and movie.masks is None:
        raise ConfigError('aggregation = "mask_mean" needs data.segmentation; give it, or take "centroid"')
    found, chosen = movie.detections, choose_device(device)
    network.to(chosen)
    vector = np.zeros((len(found), network.config.width), np.float32)
    passes = 0
    steps = np.flatnonzero(np.diff(found.starts)).tolist()
    for step in timed(steps, len(steps), _NOUN, chosen):
        rows = np.arange(found.starts[step], found.starts[step + 1])
        if aggregation == "centroid":
            pixel, owner = frames.pixel_at(box_centres_px(found, rows)), rows - rows[0]
        else:
            rng = np.random.default_rng([seed, step])
            pixel, owner = _mask_sample(frames, step, rows, pixels_per_detection, network.config.patch_px, rng)
        each, encoded = pixel_embeddings(network, frames.image(step), pixel, chosen, batch_size)
        passes += encoded
        np.add.at(vector, rows[owner], each / np.bincount(owner)[owner, None].astype(np.float32))
    key = np.column_stack([found.frame, found.label])
    how: dict[str, Any] = {"aggregation": aggregation, "zoom": frames.zoom, "fields_of_view": passes}
    if aggregation == "mask_mean":
        how |= {"pixels_per_detection": pixels_per_detection, "seed": seed}
    about = {"model": dict(provenance), "movie": about_movie(movie), "embedding": how}
    return NodeEmbeddings(key, vector, METHOD, about)


def frames_in_scale(movie: LearningMovie, config: MaeConfig, zoom: float) -> ZoomedFrames:
    """The frames of a movie, whose cells, where their size is known, fit the field of view. Raises ConfigError."""
    frames = ZoomedFrames(FrameImages(movie, _NOUN), zoom)
    diameter = movie.detections.properties.get("equivalent_diameter_px")
    if diameter is None or not len(diameter):
        return frames
    typical = float(np.median(diameter))
    if not config.patch_px <= typical * zoom <= config.image_px:
        ideal = _IDEAL_SHARE * config.image_px / typical
        raise ConfigError(
            f"{_NOUN} sees fields of {config.image_px} px in patches of {config.patch_px} px, but the cells of "
            f"{movie.name} are {typical * zoom:.3g} px across at zoom {zoom:g}: they must be larger than a patch and "
            f"smaller than the field. Set zoom = {ideal:.2g}, or other image_px and patch_px"
        )
    return frames


def _batch(crops: NDArray[np.float32], rng: np.random.Generator, config: MaeConfig) -> tuple[Tensor, Tensor]:
    """Crops (B, 1, S, S), and the tokens that the encoder sees of them (B, K)."""
    return torch.from_numpy(crops).unsqueeze(1), torch.from_numpy(draw_kept(rng, len(crops), config))


def _mask_sample(
    frames: ZoomedFrames,
    step: int,
    rows: NDArray[np.int64],
    most: int | None,
    patch_px: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (n, 2) of the masks of the detections of a step, and whose they are, (n,) counted from rows[0]."""
    place, owner = mask_places_px(frames.frames.movie, step, rows)
    pixel = frames.pixel_at(place.astype(np.float64))
    if most is not None:
        taken = sample_pixels(pixel, owner, most, patch_px, rng)
        pixel, owner = pixel[taken], owner[taken]
    return pixel, owner
