"""Methods that look at whole frames, MAESTER and time arrow prediction: trained and asked as a config says."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embeddings.arrow_augment import PairAugmentation
from embeddings.arrow_pairs import PairSettings
from embeddings.learning_movie import LearningMovie
from embeddings.methods import maester, tap
from embeddings.nets.errors import ModelError
from embeddings.nets.mae_config import MaeConfig
from embeddings.nets.tap_config import TapConfig
from embeddings.train import TrainingResult
from embeddings.training.history import Progress
from tracker.config import Config
from tracker.config_dense import Maester, Tap
from tracker.errors import ConfigError
from tracker.learning.recipes import own_loop


def train_maester_of(
    config: Config,
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Progress], None],
) -> TrainingResult:
    """Train the masked auto-encoder that [maester] describes. Raises ConfigError for sizes that do not go together."""
    given = config.maester or Maester()
    with _named("maester", "masked auto-encoder: "):
        sizes = MaeConfig(
            image_px=given.image_px,
            patch_px=given.patch_px,
            central_tokens=given.central_tokens,
            width=given.width,
            depth=given.depth,
            heads=given.heads,
            mlp_ratio=given.mlp_ratio,
            position_weight=given.position_weight,
            mask_share=given.mask_share,
            decoder_width=given.decoder_width,
            decoder_depth=given.decoder_depth,
            decoder_heads=given.decoder_heads,
        )
    return maester.train_maester(
        movies,
        folder,
        config=sizes,
        zoom=given.zoom or 1.0,
        settings=own_loop(config, given, maester.DEFAULTS),
        batch_size=given.batch_size,
        frames_held=given.frames_held,
        memory_mb=given.memory_mb,
        resume=resume,
        watch=watch,
    )


def maester_options(config: Config) -> dict[str, Any]:
    """How [maester] has it asked about detections: keyword arguments of `embed_maester`."""
    given = config.maester or Maester()
    options: dict[str, Any] = {"aggregation": given.aggregation, "zoom": given.zoom}
    if given.aggregation == "mask_mean":
        options["pixels_per_detection"] = given.pixels_per_detection or None
    return options


def check_maester(model: Path, movie: LearningMovie, *, zoom: float | None, **others: Any) -> None:
    """Raise ConfigError where the cells of a movie do not fit the field of view of a model.

    zoom: as in `maester_options`, whose other options do not matter here.
    """
    network, trained_zoom, _ = maester.load_maester(model)
    maester.frames_in_scale(movie, network.config, trained_zoom if zoom is None else zoom)


def train_tap_of(
    config: Config,
    movies: Sequence[LearningMovie],
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Progress], None],
) -> TrainingResult:
    """Train the time arrow network that [tap] describes. Raises ConfigError for numbers that do not go together."""
    given = config.tap or Tap()
    with _named("tap", "time arrow network: "):
        sizes = TapConfig(given.channels, given.levels, given.features, given.aggregate)
    return tap.train_tap(
        movies,
        folder,
        config=sizes,
        pairs=PairSettings(given.crop_px, given.gaps_frames, given.near_detections, given.near_changes, given.zoom),
        augmentation=PairAugmentation(
            probability=given.augment_probability,
            scale=given.scale,
            elastic=given.elastic,
            frame_shift=given.frame_shift,
            frame_scale=given.frame_scale,
            gain=given.gain,
            offset=given.offset,
            frame_gain=given.frame_gain,
            frame_offset=given.frame_offset,
            noise=given.noise,
        ),
        settings=own_loop(config, given, tap.PUBLISHED),
        batch_size=given.batch_size,
        decorrelation_weight=given.decorrelation_weight,
        temperature=given.temperature,
        decorrelation=given.decorrelation,
        frames_held=given.frames_held,
        memory_mb=given.memory_mb,
        resume=resume,
        watch=watch,
    )


def tap_options(config: Config) -> dict[str, Any]:
    """How [tap] has it asked about detections: keyword arguments of `embed_tap`."""
    given = config.tap or Tap()
    return {"radius_px": given.radius_px, "tile_px": given.tile_px}


def attribution_options(config: Config) -> dict[str, Any]:
    """How [tap] has detections scored: keyword arguments of `division_scores`."""
    given = config.tap or Tap()
    return {
        "role": given.role,
        "evidence": given.evidence,
        "decision": given.decision,
        "pool": given.pool,
        **tap_options(config),
    }


@contextmanager
def _named(section: str, prefix: str) -> Iterator[None]:
    """Sizes that a network refuses become a ConfigError that names the section."""
    try:
        yield
    except ModelError as error:
        raise ConfigError(f"[{section}] {str(error).removeprefix(prefix)}") from error
