"""StarDist on few labels and pseudo labels: the supervised stage of Cellulus (Wolf et al., ICCV 2023); 2-D alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embeddings.frame_crops import CropSizes
from embeddings.inference.cellulus_offsets import dense_maps
from embeddings.inference.star_polygons import StarSettings, star_labels
from embeddings.losses.star_shapes import mixed_star_loss
from embeddings.methods.trained import train_and_write
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import fill_weights, read_model_folder
from embeddings.nets.stardist import StarDistNetwork, seeded_stardist
from embeddings.nets.stardist_config import StarDistConfig
from embeddings.star_crops import LabelledCrops, StarBatch, StarCrops, StarVariation
from embeddings.star_movie import NOUN, StarMovie
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from embeddings.training.settings import TrainingSettings
from tracker.errors import ConfigError

METHOD = "stardist"
#: Rate and weight decay as in the released code; it is said to fall in steps, here it falls as a cosine.
PUBLISHED = TrainingSettings(
    steps=100_000,
    learning_rate=1e-4,
    weight_decay=0.0,
    warmup_steps=100,
    final_rate=0.001,
    clip_norm=0.0,
    validate_steps=1000,
)


def train_stardist(
    movies: Sequence[StarMovie],
    folder: Path,
    *,
    config: StarDistConfig | None = None,
    pseudo_weight: float = 0.5,
    ray_weight: float = 1.0,
    crop_px: int = 252,
    variation: StarVariation | None = None,
    vary: bool = True,
    settings: TrainingSettings = PUBLISHED,
    batch_size: int = 8,
    frames_held: int = 16,
    memory_mb: float = 256.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Learn the shapes of objects from masks, and write the model to `folder`.

    config: sizes, default those published; its `ray_px` is measured.   pseudo_weight: a of the loss
        (1 - a) L_sparse + a L_pseudo; where one kind of labels is missing, the other has all the weight.
    ray_weight: as in `star_loss`.   crop_px: side of the crops.   variation, vary: how crops are varied, and whether
        they are at all.   batch_size: crops per step, half of them of each kind.   frames_held: of each movie and kind
        of labels.   memory_mb: as in CropSizes.   settings, resume, watch: as in `embeddings.train.train`.
    A tenth of the frames is held out (see StarCrops); the weights with the lowest loss on crops of them are kept. An
    interrupted training leaves a model, too, whose provenance says so.
    Raises ConfigError without movies, and for what is out of range; MovieError for pixels that are NaN or infinite;
    what `train` raises.
    """
    if not movies:
        raise ConfigError(f"{NOUN} needs at least one movie to learn from, found none")
    if not ray_weight >= 0:
        raise ConfigError(f"ray_weight must be at least 0, found {ray_weight:g}")
    config = config or StarDistConfig()
    _check_crop(crop_px, config)
    sizes, varies = CropSizes(batch_size, frames_held, memory_mb), (variation or StarVariation()) if vary else None
    source = StarCrops(
        movies, crop_px, config.unet.lost_px, config.n_rays, pseudo_weight, sizes, settings.seed, variation=varies
    )
    config = replace(config, ray_px=_mean_ray_px(source(0)))

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        images, probability, rays, pseudo = batch
        found = model(images)
        return mixed_star_loss(
            found[:, 0], found[:, 1:], probability, rays, pseudo,
            pseudo_weight=source.pseudo_weight, ray_weight=ray_weight,
        )  # fmt: skip

    away = source.held_out()
    more = {
        "loss": {"pseudo_weight": source.pseudo_weight, "ray_weight": ray_weight},
        "crops": {"crop_px": crop_px, "variation": None if varies is None else asdict(varies)},
    }
    network = seeded_stardist(config, settings.seed)
    return train_and_write(
        METHOD,
        network,
        lambda step: _tensors(source(step)),
        loss,
        settings,
        folder,
        stored={METHOD: config.as_mapping()},
        told=more,
        sizes=sizes,
        movies=movies,
        about=[
            {**_about(one), "held_out_frames": held} for one, held in zip(movies, source.held_out_frames(), strict=True)
        ],
        held_out=_Looks(source, away) if away else None,
        memory_keys="batch_size, crop_px or channels",
        resume=resume,
        watch=watch,
    )


def load_stardist(folder: Path) -> tuple[StarDistNetwork, Mapping[str, Any]]:
    """What `train_stardist` wrote: the network on the CPU, and its provenance. Raises ModelError."""
    stored = read_model_folder(folder, METHOD)
    path = folder / "model.json"
    try:
        config = StarDistConfig.from_mapping(stored.config[METHOD], path)
    except (KeyError, TypeError) as error:
        raise ModelError(f"{path} does not describe a network of {NOUN}: {error!r}") from error
    network = StarDistNetwork(config)
    fill_weights(network, stored.weights, folder)
    network.eval()
    return network, stored.provenance


def find_stars(
    network: StarDistNetwork, image: NDArray[np.float32], settings: StarSettings, device: torch.device
) -> NDArray[np.int64]:
    """(y, x) labels of an image (y, x) of comparable brightness (`FrameImages.image`).   network: on the device."""
    maps = dense_maps(network, network.config.unet, image, device, tile_px=settings.tile_px)
    # Written so that it does not overflow for logits far from 0.
    probability = (0.5 * (1 + np.tanh(maps[0] / 2))).astype(np.float32)
    return star_labels(probability, maps[1:], settings)


class _Looks:
    """Batches of what is held out; their targets are made anew at each look, as they need much memory."""

    def __init__(self, source: StarCrops, away: Sequence[Sequence[LabelledCrops]]) -> None:
        self._source, self._away = source, away

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for crops in self._away:
            yield _tensors(self._source.batch(*crops))


def _tensors(batch: StarBatch) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(part) for part in batch)


def _mean_ray_px(batch: StarBatch) -> float:
    """Mean length of a ray where there is an object, of three digits; 1 without any."""
    lengths = batch.rays.transpose(0, 2, 3, 1)[batch.probability > 0]
    return float(f"{lengths.mean():.3g}") if lengths.size else 1.0


def _check_crop(crop_px: int, config: StarDistConfig) -> None:
    """Raise ConfigError where the network cannot take crops of this side, naming the nearest it can."""
    unet = config.unet
    if not unet.fits(crop_px):
        smallest = 2 * unet.lost_px + unet.multiple_px
        near = max(smallest, crop_px - (crop_px - 2 * unet.lost_px) % unet.multiple_px)
        raise ConfigError(
            f"crop_px must be {smallest} or larger by a multiple of {unet.multiple_px}, as the network halves the "
            f"image and loses {unet.lost_px} px on each side; found {crop_px}. Nearest is {near}"
        )


def _about(movie: StarMovie) -> dict[str, Any]:
    """A movie, for provenance."""
    return {
        "name": movie.movie.name,
        "images": movie.frames.images.name,
        "pseudo": None if movie.pseudo is None else movie.pseudo.name,
        "sparse": None if movie.sparse is None else movie.sparse.name,
        "digest": movie.digest,
        "pseudo_frames": len(movie.steps("pseudo")),
        "sparse_frames": len(movie.steps("sparse")),
    }
