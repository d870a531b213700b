"""Where the detections of a step are in its image: the centres of their boxes, or all pixels of their masks."""

import numpy as np
from numpy.typing import NDArray

from embeddings.inference.mask_pixels import labelled_pixels
from embeddings.learning_movie import LearningMovie
from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError


def box_centres_px(found: Detections, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, 2) y, x in pixels of the centre of each bounding box, where there are boxes, else the position."""
    box = found.properties.get("bbox_px")
    if box is None:
        return found.position[rows] / found.scale
    return (box[rows, :2] + box[rows, 2:] - 1) / 2  # the last columns are one beyond


def mask_places_px(
    movie: LearningMovie, step: int, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (m, 2) of the masks of the detections of a step, and whose they are, (m,) counted from rows[0].

    rows: all detections of the step.   Raises ConfigError for a movie without masks; MovieError where the mask lacks
    a detection.
    """
    found, masks = movie.detections, movie.masks
    if masks is None:
        raise ConfigError('aggregation = "mask_mean" needs data.segmentation; give it, or take "centroid"')
    place, owner = labelled_pixels(masks.read(int(found.frames[step])), found.label[rows])
    without = np.setdiff1d(np.arange(len(rows)), owner)
    if len(without):
        raise MovieError(
            f"the masks {masks.name} have no pixel of the detections {found.names(rows[without])}; give the masks "
            "that the detections were made from"
        )
    return place, owner
