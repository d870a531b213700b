"""The frames of a movie enlarged, so that its cells fit the field of view of a network; numpy only."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.frame_images import FrameImages
from tracker.errors import ConfigError


@dataclass(frozen=True)
class ZoomedFrames:
    """frames: read one at a time.   zoom: how much each is enlarged, bilinearly; below 1 it is smoothed first.

    Raises ConfigError for a zoom that is not positive, or leaves no pixel.
    """

    frames: FrameImages
    zoom: float = 1.0

    def __post_init__(self) -> None:
        """Check the zoom."""
        if not 0 < self.zoom < math.inf:
            raise ConfigError(f"zoom must be positive and finite, found {self.zoom:g}")
        if min(self.shape) < 1:
            raise ConfigError(f"zoom = {self.zoom:g} leaves no pixel of images of {self.frames.images.shape}")

    def __len__(self) -> int:
        """Number of steps T."""
        return len(self.frames)

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) pixels of every frame, enlarged."""
        height, width = self.frames.images.shape
        return round(height * self.zoom), round(width * self.zoom)

    def image(self, step: int) -> NDArray[np.float32]:
        """(y, x) of a step, enlarged; what `FrameImages.image` raises."""
        image = self.frames.image(step)
        if self.shape == image.shape:
            return image
        from skimage.transform import resize  # slow to import, and seldom needed

        enlarged: NDArray[np.float32] = resize(  # type: ignore[no-untyped-call]
            image, self.shape, order=1, anti_aliasing=self.zoom < 1
        )
        return enlarged

    def pixel_at(self, place_px: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n, 2) the enlarged pixel that holds each place; a place outside takes the nearest pixel.

        place_px: (n, 2) y, x in pixels of the images themselves, whole numbers being the centres of pixels.
        """
        factor = np.array(self.shape) / np.array(self.frames.images.shape)
        pixel = np.floor((place_px + 0.5) * factor).astype(np.int64)
        return np.clip(pixel, 0, np.array(self.shape) - 1)
