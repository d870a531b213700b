"""Cellulus as a config says: how it is trained, asked for vectors, and how it segments."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embeddings.cellulus_crops import PairSampling
from embeddings.cellulus_frames import IDEAL_PX, NOUN, images_alone, scale_note
from embeddings.inference.cellulus_masks import SegmentSettings
from embeddings.inference.cellulus_offsets import NoiseSettings
from embeddings.learning_movie import LearningMovie
from embeddings.methods import cellulus
from embeddings.nets.cellulus_config import MiniUNetConfig
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from tracker.config import Config, load_config
from tracker.config_learning import Training
from tracker.config_segment import Cellulus
from tracker.errors import ConfigError
from tracker.io.movies import open_movie
from tracker.learning.recipes import own_loop
from tracker.reading import select_frames

log = logging.getLogger(__name__)


def image_movies(config: Config) -> list[LearningMovie]:
    """The images of the config, then those of `training.movies`; masks and points are not looked at."""
    others = () if config.training is None else config.training.movies
    return [image_movie(one) for one in (config, *(load_config(config.path(other)) for other in others))]


def image_movie(config: Config, noun: str = NOUN) -> LearningMovie:
    """The images of one config.   noun: who asks. Raises ConfigError where it names none, and what reading raises."""
    data = config.data
    if data.images is None:
        raise ConfigError(f"{noun} looks at images: give [data] images")
    images = open_movie(config.path(data.images), channel=data.channel)
    return images_alone(images, select_frames(images.frames, data.frames, data.every), images.name)


def train_cellulus_of(
    config: Config,
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Progress], None],
) -> TrainingResult:
    """Train the network that [cellulus] describes; objects that do not suit its field of view are warned of."""
    given = config.cellulus or Cellulus()
    sizes = _network(given)
    note = scale_note(given.object_size_px, zoom_of(given), sizes.field_of_view_px)
    if note:
        log.warning("%s", note)
    crop = given.crop_px
    return cellulus.train_cellulus(
        movies,
        folder,
        config=sizes,
        zoom=zoom_of(given),
        crop_px=(crop,) if isinstance(crop, int) else crop,
        pairs=PairSampling(given.density, given.pair_radius_px),
        bend=given.bend,
        temperature=given.temperature,
        offset_weight=given.offset_weight,
        settings=own_loop(config, given, cellulus.PUBLISHED),
        batch_size=given.batch_size,
        frames_held=given.frames_held,
        memory_mb=given.memory_mb,
        resume=resume,
        watch=watch,
    )


def cellulus_options(config: Config) -> Mapping[str, Any]:
    """What [cellulus] says of its vectors; without that section, the zoom of the training."""
    given = config.cellulus
    zoom = None if given is None else list(zoom_of(given))
    given = given or Cellulus()
    return {"vector": given.vector, "zoom": zoom, "radius_px": given.radius_px, "tile_px": given.tile_px}


def segment_settings(config: Config) -> SegmentSettings:
    """What [cellulus] says of segmenting; the seed is that of [training]."""
    given = config.cellulus or Cellulus()
    return SegmentSettings(
        object_size_px=given.object_size_px,
        noise=NoiseSettings(given.noise_repeats, share=given.noise_share),
        uncertainty=given.uncertainty,
        clustering=given.clustering,
        bandwidth_px=given.bandwidth_px,
        fit_share=given.fit_share,
        refinement=given.refinement,
        grow_px=given.grow_px,
        shrink_px=given.shrink_px,
        smallest_share=given.smallest_share,
        tile_px=given.tile_px,
        seed=(config.training or Training()).seed,
    )


def zoom_of(given: Cellulus) -> tuple[float, ...]:
    """How much images are enlarged, one number or one per axis."""
    if given.zoom is None:
        return (IDEAL_PX / given.object_size_px,)
    return given.zoom if isinstance(given.zoom, tuple) else (given.zoom,)


def _network(given: Cellulus) -> MiniUNetConfig:
    """Its dimensions are set by the images."""
    return MiniUNetConfig(channels=given.channels, growth=given.growth, depth=given.depth, features=given.features)
