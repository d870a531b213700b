"""ASCENT as a config says: how it is trained, and asked for vectors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from embeddings.ascent_augment import AscentAugmentation
from embeddings.learning_movie import LearningMovie
from embeddings.methods import ascent
from embeddings.nets.ascent_config import AscentConfig
from embeddings.nets.errors import ModelError
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from tracker.config import Config
from tracker.config_ascent import Ascent
from tracker.errors import ConfigError
from tracker.learning.recipes import own_loop


def train_ascent_of(
    config: Config,
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Progress], None],
) -> TrainingResult:
    """Train the network that [ascent] describes. Raises ConfigError for sizes that do not go together."""
    given = config.ascent or Ascent()
    return ascent.train_ascent(
        movies,
        folder,
        config=_network(given),
        augmentation=AscentAugmentation(
            elastic_px=given.elastic_px,
            jitter_px=given.jitter_px,
            jitter_planes=given.jitter_planes,
            rotation_deg=given.rotation_deg,
            scale=given.scale,
            brightness=given.brightness,
            contrast=given.contrast,
            dropout=given.object_dropout,
        ),
        zoom=given.zoom or 1.0,
        dino=None if given.dino is None else config.path(given.dino),
        settings=own_loop(config, given, ascent.PUBLISHED),
        batch_size=given.batch_size,
        max_detections=given.max_detections,
        temperature=given.temperature,
        negatives=given.negatives,
        memory_mb=given.memory_mb,
        resume=resume,
        watch=watch,
    )


def ascent_options(config: Config) -> dict[str, Any]:
    """How [ascent] has it asked about detections: keyword arguments of `embed_ascent`."""
    return {"zoom": (config.ascent or Ascent()).zoom}


def check_ascent(model: Path, movie: LearningMovie, *, zoom: float | None) -> None:
    """Raise ConfigError where the frames or cells of a movie do not fit the patches of a model."""
    network, trained_zoom, _, _ = ascent.load_ascent(model)
    ascent.frames_in_scale(movie, network.config, trained_zoom if zoom is None else zoom)


def _network(given: Ascent) -> AscentConfig:
    try:
        return AscentConfig(
            patch_px=given.patch_px,
            token_px=given.token_px,
            width=given.width,
            depth=given.depth,
            heads=given.heads,
            mlp_ratio=given.mlp_ratio,
            pool=given.pool,
            visual_norm=given.visual_norm,
            embedding=given.embedding,
            positions=given.positions,
            set_layers=given.set_layers,
            set_heads=given.set_heads,
            feed_forward=given.feed_forward,
            dropout=given.dropout,
            projection=given.projection,
        )
    except ModelError as error:
        raise ConfigError(f"[ascent] {str(error).removeprefix('ASCENT network: ')}") from error
