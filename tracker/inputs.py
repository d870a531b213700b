"""What a config names, read: detections, the movies they come from, and pins."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.annotations import check_divisions
from tracker.config import Config
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.io.movie import Movie
from tracker.io.movies import open_movie
from tracker.io.points import read_points
from tracker.pin_checks import ResolvedPins, resolve_pins
from tracker.pins import read_pins
from tracker.reading import detections_from_masks, detections_from_points, frames_of_points, select_frames

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """What was read: detections, and the movies they came from (None where not given)."""

    detections: Detections
    masks: Movie | None
    images: Movie | None


def read_annotations(config: Config, detections: Detections) -> ResolvedPins | None:
    """The pins of the config, checked; None when it names no files."""
    if not config.annotations.pins:
        return None
    table = read_pins([config.path(path) for path in config.annotations.pins])
    if table.unanswered:
        log.info("rows of pins that are not answered yet (?) and so ignored: %d", table.unanswered)
    resolved = resolve_pins(table, detections)
    check_divisions(resolved, config.candidates.divisions)
    return resolved


def read_inputs(config: Config) -> Inputs:
    """Detections and movies of a config."""
    data = config.data
    scale = None if data.scale is None else np.asarray(data.scale, float)
    images = None if data.images is None else open_movie(config.path(data.images), channel=data.channel)
    if data.segmentation is not None:
        masks = open_movie(ctc_masks(config.path(data.segmentation)), kind="masks")
        frames = select_frames(masks.frames, data.frames, data.every)
        found = detections_from_masks(masks, images, scale=scale, unit=data.unit, frames=frames, workers=2)
        return Inputs(found, masks, images)
    if data.points is None:
        raise ConfigError(
            "[data] gives images alone, and this needs detections: give segmentation (masks) or points. "
            "`track segment cellulus` makes masks of images"
        )
    table = read_points(config.path(data.points), lineage=False)
    frames = select_frames(frames_of_points(table), data.frames, data.every)
    found = detections_from_points(
        table, scale=scale, unit=data.unit, frames=frames, image_shape=None if images is None else images.shape
    )
    return Inputs(found, None, images)


def ctc_masks(path: Path) -> Path:
    """A folder of the Cell Tracking Challenge such as 01_ST or 01_GT stands for the masks inside it."""
    if path.is_dir() and not any(path.glob("*.tif*")):
        for inside in ("SEG", "TRA"):
            if (path / inside).is_dir():
                return path / inside
    return path
