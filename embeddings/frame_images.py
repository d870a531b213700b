"""Whole frames of a movie with their brightness made comparable, read one at a time, numpy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.learning_movie import LearningMovie
from tracker.errors import ConfigError, MovieError
from tracker.io.movie import Movie
from tracker.reading import pair_frames
from tracker.regions import intensity_range

_BRIGHTEST = 2.0


@dataclass
class FrameImages:
    """The images of the steps of a movie; nothing is kept in memory.

    noun: what messages call the method.   volumes: whether it is for 3-D movies, too.
    Raises ConfigError without images, or when they or the detections are 3-D and `volumes` is not set, or of different
    axes; MovieError when images are missing.
    """

    movie: LearningMovie
    noun: str
    volumes: bool = False

    def __post_init__(self) -> None:
        """Check that all fit together, and find the image of each step."""
        images, found = self.movie.images, self.movie.detections
        if images is None:
            raise ConfigError(f"{self.noun} needs data.images: give the images of {self.movie.name}")
        if self.volumes and len(images.shape) != found.ndim:
            raise ConfigError(
                f"images and detections must have the same axes, but the images {images.name} have "
                f"{len(images.shape)} and the detections {found.ndim}: give both in 2-D, or both in 3-D"
            )
        if not self.volumes and (len(images.shape) != 2 or found.ndim != 2):
            raise ConfigError(
                f"{self.noun} is for 2-D movies, but the images {images.name} have {len(images.shape)} axes and the "
                f"detections {found.ndim}: use another method, or a projection along z"
            )
        self.images: Movie = images
        if self.movie.masks is not None:
            self._frames = pair_frames(self.movie.masks, images, found.frames)
            return
        missing = found.frames[~np.isin(found.frames, images.frames)]
        if len(missing):
            raise MovieError(f"{images.name} has no image for the detections of t = {missing[0]}")
        self._frames = found.frames

    def __len__(self) -> int:
        """Number of steps T."""
        return len(self._frames)

    def image(self, step: int) -> NDArray[np.float32]:
        """([z,] y, x) of a step: 0 at the percentile 1 of the frame, 1 at its percentile 99.8, clipped to [0, 2].

        Raises MovieError naming the frame when pixels are NaN or infinite.
        """
        image = self.pixels(step)
        dark, bright = intensity_range(image)
        scaled = image.astype(np.float32)
        scaled -= dark
        scaled /= (bright - dark) or 1.0
        return np.clip(scaled, 0.0, _BRIGHTEST, out=scaled)

    def pixels(self, step: int) -> NDArray[np.generic]:
        """([z,] y, x) of a step as they are. Raises MovieError naming the frame when pixels are NaN or infinite."""
        frame = int(self._frames[step])
        image = self.images.read(frame)
        bad = int(np.count_nonzero(~np.isfinite(image)))
        if bad:
            raise MovieError(
                f"pixels must be finite numbers; {bad} are NaN or infinite in frame t = {frame} of {self.images.name}. "
                "Replace them, for instance by the background"
            )
        return image
