"""Cellulus: objects without a single label, from the one thing that neighbouring pixels of an object agree upon."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from embeddings.cellulus_crops import Bending, CropBatch, CropPairs, PairSampling, idle_loss
from embeddings.cellulus_frames import IDEAL_PX, NOUN, ScaledFrames, per_axis, resized
from embeddings.frame_crops import CropSizes
from embeddings.inference.cellulus_offsets import dense_maps
from embeddings.inference.time_left import timed
from embeddings.learning_movie import LearningMovie, about_movie
from embeddings.losses.object_centric import object_centric_loss
from embeddings.methods.trained import train_and_write
from embeddings.nets.cellulus import CellulusNetwork, seeded_cellulus
from embeddings.nets.cellulus_config import MiniUNetConfig
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import fill_weights, read_model_folder
from embeddings.pixel_pools import PixelPools
from embeddings.table import NodeEmbeddings
from embeddings.train import TrainingResult
from embeddings.training.device import choose_device
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.errors import ConfigError

METHOD = "cellulus"
Vector = Literal["features", "offsets"]
#: As published, but for the short warm-up.
PUBLISHED = TrainingSettings(
    steps=100_000,
    learning_rate=4e-5,
    weight_decay=0.01,
    warmup_steps=100,
    final_rate=1.0,
    clip_norm=0.0,
    validate_steps=1000,
)


_IDLE_SHARE = 0.95


def train_cellulus(
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    config: MiniUNetConfig | None = None,
    zoom: tuple[float, ...] = (1.0,),
    crop_px: tuple[int, ...] = (252,),
    pairs: PairSampling | None = None,
    bending: Bending | None = None,
    bend: bool = True,
    temperature: float = 10.0,
    offset_weight: float = 1e-5,
    settings: TrainingSettings = PUBLISHED,
    batch_size: int = 8,
    frames_held: int = 16,
    memory_mb: float = 256.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Learn offsets to the middles of objects from images alone, and write the model to `folder`.

    Detections of the movies are not looked at; `embeddings.cellulus_frames.images_alone` is a movie without any.
    config: sizes, default those published; its `dimensions` are those of the images.   zoom: how much the frames are
        enlarged first, as in ScaledFrames, so that objects are larger than the field of view.
    crop_px: side of the crops after that, [z,] y, x or one for all axes.   batch_size: crops per step, of one movie.
    pairs: which pixels are compared.   bending, bend: how crops are varied, and whether they are at all.
    temperature, offset_weight: of `object_centric_loss`.   frames_held, memory_mb: as in CropSizes.
    settings, resume, watch: as in `embeddings.train.train`.
    A tenth of the frames of each movie is held out (see CropPairs); the weights with the lowest loss on crops of them
    are kept. An interrupted training leaves a model, too, whose provenance says so.
    Raises ConfigError without movies or images, and for what is out of range; MovieError for pixels that are NaN or
    infinite and frames smaller than a crop; what `train` raises.
    """
    if not movies:
        raise ConfigError(f"{NOUN} needs at least one movie to learn from, found none")
    if not temperature > 0 or not offset_weight >= 0:
        raise ConfigError(
            f"temperature must be positive and offset_weight at least 0, found {temperature:g} and {offset_weight:g}"
        )
    frames = [ScaledFrames(movie, zoom) for movie in movies]
    config = _of_images(config or MiniUNetConfig(), frames)
    pairs, sizes = pairs or PairSampling(), CropSizes(batch_size, frames_held, memory_mb)
    crop = _crop_shape(crop_px, config, pairs)
    varied = (bending or Bending()) if bend else None
    source = CropPairs(frames, crop, config.lost_px, sizes, settings.seed, pairs=pairs, bending=varied)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        images, anchor, reference = batch
        return object_centric_loss(
            model(images), anchor, reference, temperature=temperature, offset_weight=offset_weight
        )

    away = source.held_out()
    stored = {METHOD: config.as_mapping(), "frames": {"zoom": list(zoom)}}
    more = {
        "loss": {"temperature": temperature, "offset_weight": offset_weight, **asdict(pairs)},
        "crops": {"crop_px": list(crop), "bending": None if varied is None else asdict(varied)},
    }
    network = seeded_cellulus(config, settings.seed)
    done = train_and_write(
        METHOD,
        network,
        lambda step: _tensors(source(step)),
        loss,
        settings,
        folder,
        stored=stored,
        told=more,
        sizes=sizes,
        movies=frames,
        about=[
            {**_about(one), "frames": len(one), "held_out_frames": held}
            for one, held in zip(frames, source.held_out_frames(), strict=True)
        ],
        held_out=[_tensors(batch) for batch in away] or None,
        memory_keys="batch_size, crop_px, density or channels",
        resume=resume,
        watch=watch,
    )
    return _judged(done, idle_loss(pairs, config.dimensions, temperature))


def load_cellulus(folder: Path) -> tuple[CellulusNetwork, tuple[float, ...], Mapping[str, Any]]:
    """What `train_cellulus` wrote: the network on the CPU, the zoom of its frames, provenance. Raises ModelError."""
    stored = read_model_folder(folder, METHOD)
    path = folder / "model.json"
    try:
        config = MiniUNetConfig.from_mapping(stored.config[METHOD], path)
        zoom = tuple(float(one) for one in stored.config["frames"]["zoom"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not describe a network of {NOUN} and its frames: {error!r}") from error
    network = CellulusNetwork(config)
    fill_weights(network, stored.weights, folder)
    network.eval()
    return network, zoom, stored.provenance


def embed_cellulus(
    folder: Path,
    movie: LearningMovie,
    *,
    vector: Vector = "features",
    zoom: Sequence[float] | None = None,
    radius_px: float = 8.0,
    device: str = "auto",
    tile_px: int = 512,
) -> NodeEmbeddings:
    """What the model in `folder` makes of every detection, in the order of the detections.

    vector: "features", (N, features): mean over the mask of what the offsets are made of. "offsets", (N, 2 D): mean and
        standard deviation over the mask of each component of the offsets, in pixels of the enlarged image: where the
        middle that the pixels agree upon lies, and how far they reach around it.
    zoom: of the frames, default as trained.   radius_px: without masks, means are over a disc around the centre of each
        detection (2-D alone).   tile_px: as in `dense_maps`.
    Raises ModelError; ConfigError without images; MovieError as FrameImages and PixelPools.
    """
    if vector not in get_args(Vector):
        raise ConfigError(f"vector must be one of {', '.join(get_args(Vector))}, found {vector!r}")
    network, trained_zoom, provenance = load_cellulus(folder)
    frames, chosen = ScaledFrames(movie, trained_zoom if zoom is None else tuple(zoom)), choose_device(device)
    check_axes(network.config, frames, folder)
    found, shape = movie.detections, frames.frames.images.shape
    if len(shape) == 3 and movie.masks is None:
        raise ConfigError(f"{NOUN} embeds 3-D detections by their masks: give data.segmentation")
    network.to(chosen)
    width = network.config.features if vector == "features" else 2 * network.config.dimensions
    table = np.zeros((len(found), width), np.float32)
    seen: nn.Module = network.unet if vector == "features" else network
    steps = np.flatnonzero(np.diff(found.starts)).tolist()
    for step in timed(steps, len(steps), NOUN, chosen):
        maps = dense_maps(seen, network.config, frames.image(step), chosen, tile_px=tile_px)
        maps = np.stack([resized(one, shape) for one in maps])
        pools = PixelPools(movie, step, shape, radius_px)
        mean = pools.of(maps)
        if vector == "offsets":
            spread = np.sqrt(np.maximum(pools.of(maps**2) - mean**2, 0))
            mean = np.hstack([mean, spread])
        table[pools.rows] = mean
    key = np.column_stack([found.frame, found.label])
    about = {"model": dict(provenance), "movie": _about(frames), "embedding": {"vector": vector, "zoom": frames.zoom}}
    return NodeEmbeddings(key, table, METHOD, about)


def check_axes(config: MiniUNetConfig, frames: ScaledFrames, folder: Path) -> None:
    """Raise ConfigError where a model of 2-D images is to see 3-D ones, or the other way."""
    found = len(frames.frames.images.shape)
    if config.dimensions != found:
        raise ConfigError(
            f"the model in {folder} has learnt from {config.dimensions}-D images, and those of {frames.name} are "
            f"{found}-D: train another on them"
        )


def _judged(done: TrainingResult, idle: float) -> TrainingResult:
    """With a note where next to nothing was learnt.   idle: the loss of offsets that are all alike."""
    loss = done.loss if math.isnan(done.held_out_loss) else done.held_out_loss
    if not loss > _IDLE_SHARE * idle:
        return done
    note = (
        f"next to nothing was learnt: the loss is {loss:.3g}, and {idle:.3g} where all offsets are alike. Masks by "
        "this model will be arbitrary. More steps help, or another learning rate, or a zoom at which objects are "
        f"{IDEAL_PX:g} px across"
    )
    return replace(done, notes=(*done.notes, note))


def _of_images(config: MiniUNetConfig, frames: Sequence[ScaledFrames]) -> MiniUNetConfig:
    """The sizes with the dimensions of the images. Raises ConfigError where movies differ."""
    found = sorted({len(one.shape) for one in frames})
    if len(found) > 1:
        raise ConfigError("movies that are learnt together must be all 2-D or all 3-D: train on one kind at a time")
    return MiniUNetConfig(**{**config.as_mapping(), "dimensions": found[0]})


def _crop_shape(crop_px: tuple[int, ...], config: MiniUNetConfig, pairs: PairSampling) -> tuple[int, ...]:
    """[z,] y, x of a crop. Raises ConfigError where the network or the pairs cannot take it, naming the nearest."""
    if len(crop_px) not in (1, config.dimensions):
        raise ConfigError(f"crop_px needs one number, or {config.dimensions}, found {list(crop_px)}")
    shape = tuple(crop_px) if len(crop_px) == config.dimensions else tuple(crop_px) * config.dimensions
    smallest = 2 * config.lost_px + math.ceil(pairs.smallest_px / config.multiple_px) * config.multiple_px
    wrong = [side for side in shape if side < smallest or not config.fits(side)]
    if wrong:
        near = max(smallest, wrong[0] - (wrong[0] - 2 * config.lost_px) % config.multiple_px)
        raise ConfigError(
            f"crop_px must be {smallest} or larger by a multiple of {config.multiple_px}, as the network halves the "
            f"image and loses {config.lost_px} px on each side, and pairs of pixels need {pairs.smallest_px} px of the "
            f"rest; found {wrong[0]}. Nearest is {near}; less is possible with a smaller pair_radius_px"
        )
    return shape


def _tensors(batch: CropBatch) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(batch.images), torch.from_numpy(batch.anchor_px), torch.from_numpy(batch.reference_px)


def _about(frames: ScaledFrames) -> dict[str, Any]:
    """A movie, for provenance."""
    zoom = list(per_axis(frames.zoom, len(frames.frames.images.shape)))
    return {**about_movie(frames.movie), "digest": frames.digest, "zoom": zoom}
