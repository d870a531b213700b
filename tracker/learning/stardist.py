"""StarDist as a config says: what it learns from, how it is trained, and how it segments."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from embeddings.frame_images import FrameImages
from embeddings.inference.star_polygons import StarSettings
from embeddings.methods import stardist
from embeddings.nets.cellulus_config import MiniUNetConfig
from embeddings.nets.stardist_config import StarDistConfig
from embeddings.star_crops import StarVariation
from embeddings.star_movie import NOUN, StarMovie, check_images
from embeddings.train import TrainingResult
from embeddings.training.device import choose_device
from embeddings.training.history import Progress
from tracker.config import Config, load_config
from tracker.config_learning import Training
from tracker.config_stardist import Stardist
from tracker.inputs import ctc_masks
from tracker.io.movie import Movie
from tracker.io.movies import open_movie
from tracker.learning.cellulus import image_movie
from tracker.learning.recipes import own_loop
from tracker.learning.segmenter import Segmenter


def star_movies(config: Config) -> list[StarMovie]:
    """The images and masks of the config, then those of `training.movies`, whose [stardist] names masks of their own.

    Raises ConfigError where one names no images or no masks, and what reading raises.
    """
    others = () if config.training is None else config.training.movies
    return [_star_movie(one) for one in (config, *(load_config(config.path(other)) for other in others))]


def train_stardist_of(
    config: Config, folder: Path, *, resume: bool, watch: Callable[[Progress], None]
) -> TrainingResult:
    """Train the network that [stardist] describes."""
    given = config.stardist or Stardist()
    unet = MiniUNetConfig(channels=given.channels, growth=given.growth, depth=given.depth, features=given.features)
    return stardist.train_stardist(
        star_movies(config),
        folder,
        config=StarDistConfig(unet, given.n_rays),
        pseudo_weight=given.pseudo_weight,
        ray_weight=given.ray_weight,
        crop_px=given.crop_px,
        variation=StarVariation(given.contrast, given.noise),
        vary=given.vary,
        settings=own_loop(config, given, stardist.PUBLISHED),
        batch_size=given.batch_size,
        frames_held=given.frames_held,
        memory_mb=given.memory_mb,
        resume=resume,
        watch=watch,
    )


def star_settings(config: Config) -> StarSettings:
    """What [stardist] says of segmenting."""
    given = config.stardist or Stardist()
    return StarSettings(given.probability_threshold, given.overlap, given.smallest_px, given.tile_px)


def stardist_segmenter(config: Config, model: Path) -> Segmenter:
    """StarDist with its model. Raises ModelError; ConfigError where the images are 3-D, and what reading raises."""
    settings = star_settings(config)
    device = choose_device((config.training or Training()).device)
    network, _ = stardist.load_stardist(model)
    movie = image_movie(config, NOUN)
    check_images(movie)
    frames = FrameImages(movie, NOUN)
    network.to(device)
    return Segmenter(
        images=frames.images,
        frames=movie.detections.frames,
        find=lambda step: (stardist.find_stars(network, frames.image(step), settings, device), {}),
        settings=asdict(settings),
        most=math.prod(frames.images.shape) / settings.smallest_px,
        notes=(),
    )


def _star_movie(config: Config) -> StarMovie:
    given = config.stardist or Stardist()

    def masks(path: str | None) -> Movie | None:
        return None if path is None else open_movie(ctc_masks(config.path(path)), kind="masks")

    return StarMovie(
        image_movie(config, NOUN), masks(given.pseudo), masks(given.sparse), given.unknown_label, given.background_px
    )
