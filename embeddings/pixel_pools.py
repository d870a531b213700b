"""From a value per pixel to a value per detection, over its mask or around its centre, numpy only."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.learning_movie import LearningMovie
from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError

Pool = Literal["mean", "max"]


class PixelPools:
    """The pixels of each of the n detections of a step: those of its mask, without masks those of a disc."""

    def __init__(self, movie: LearningMovie, step: int, shape: tuple[int, ...], radius_px: float) -> None:
        """shape: y, x of the images.   radius_px: of the discs, cut at the edge of the image.

        Raises ConfigError for a negative radius, MovieError when the mask lacks a detection.
        """
        found = movie.detections
        rows = np.arange(found.starts[step], found.starts[step + 1])
        labels = step_labels(movie, step)
        if labels is None:
            pixel, owner = _discs(centres_px(found, step, shape), shape, radius_px)
        else:
            pixel, owner = _regions(labels, found.label[rows])
        order = np.argsort(owner, kind="stable")
        self.rows, self._pixel, self._shape = rows, pixel[order], shape
        counts = np.bincount(owner, minlength=len(rows))
        if not counts.all():
            raise MovieError(
                f"every detection must have pixels in its mask; without any: {found.names(rows[counts == 0])}. "
                "Give the masks that the detections were read from"
            )
        self._counts = counts
        self._starts = np.cumsum(counts) - counts

    def of(self, values: NDArray[np.float32], pool: Pool = "mean") -> NDArray[np.float32]:
        """(C, y, x) -> (n, C): mean, or largest, over the pixels of each detection.

        Values of an image that was made larger or smaller are read where each pixel has its centre.
        """
        if not len(self.rows):
            return np.zeros((0, len(values)), np.float32)
        flat = values.reshape(len(values), -1)[:, self._pixels_of(values.shape[1:])]
        if pool == "max":
            return np.maximum.reduceat(flat, self._starts, axis=1).T
        total = np.add.reduceat(flat, self._starts, axis=1, dtype=np.float64)
        return (total / self._counts).T.astype(np.float32)

    def _pixels_of(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Flat pixels of an image of this shape that hold the centres of the pixels."""
        if shape == self._shape:
            return self._pixel
        y, x = (
            (2 * one + 1) * size // (2 * own)
            for one, size, own in zip(np.divmod(self._pixel, self._shape[1]), shape, self._shape, strict=True)
        )
        return np.asarray(y * shape[1] + x, np.int64)


def step_labels(movie: LearningMovie, step: int) -> NDArray[np.generic] | None:
    """(y, x) mask of a step, None without masks."""
    return None if movie.masks is None else movie.masks.read(int(movie.detections.frames[step]))


def centres_px(detections: Detections, step: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(n, 2) centres y, x of the detections of a step in pixels, moved into images of this shape."""
    rows = slice(detections.starts[step], detections.starts[step + 1])
    return np.clip(detections.position[rows] / detections.scale, 0, np.array(shape) - 1)


def _regions(labels: NDArray[np.generic], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat pixels of the wanted labels (sorted), and which of these each belongs to."""
    flat = labels.ravel()
    pixel = np.flatnonzero(flat)
    if not len(wanted):
        return pixel[:0], pixel[:0]
    value = flat[pixel].astype(np.int64)
    owner = np.minimum(np.searchsorted(wanted, value), len(wanted) - 1)
    own = wanted[owner] == value
    return pixel[own], owner[own]


def _discs(
    centres_px: NDArray[np.float64], shape: tuple[int, ...], radius_px: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat pixels within the radius of the pixel of each centre, and which centre each belongs to."""
    if not 0 <= radius_px < np.inf:
        raise ConfigError(f"radius_px must not be negative, found {radius_px:g}")
    reach = int(radius_px)
    axis = np.arange(-reach, reach + 1)
    offset = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    offset = offset[(offset**2).sum(axis=1) <= radius_px**2]
    place = np.floor(centres_px + 0.5).astype(np.int64)[:, None] + offset
    inside = ((place >= 0) & (place < np.array(shape))).all(axis=2)
    owner, _ = np.nonzero(inside)
    y, x = place[inside].T
    return y * shape[1] + x, owner
