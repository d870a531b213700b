"""The frames of a movie at the size at which objects suit the field of view of Cellulus; numpy only."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embeddings.frame_images import FrameImages
from embeddings.learning_movie import LearningMovie
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.io.movie import Movie

NOUN = "Cellulus"
IDEAL_PX = 30.0  # the size of an object that the published numbers suit


def images_alone(images: Movie, frames: NDArray[np.int64], name: str) -> LearningMovie:
    """A movie of which nothing but images is known.   frames: (T,) those to use."""
    ndim = len(images.shape)
    nothing = np.zeros(0, np.int64)
    return LearningMovie(Detections(nothing, nothing, np.zeros((0, ndim)), frames, np.ones(ndim)), images, name=name)


@dataclass(frozen=True)
class ScaledFrames:
    """The images of a movie, 2-D or 3-D, enlarged.

    zoom: how much, along [z,] y, x; one number for all axes alike.
    Raises ConfigError without images, for a zoom that is not positive, has another number of axes, or leaves no pixel.
    """

    movie: LearningMovie
    zoom: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Check the zoom."""
        ndim = len(self.frames.images.shape)
        if not all(0 < one < math.inf for one in self.zoom):
            raise ConfigError(f"zoom must be positive and finite, found {named(self.zoom)}")
        if len(self.zoom) not in (1, ndim):
            raise ConfigError(
                f"zoom needs one number, or {ndim} ({', '.join('zyx'[-ndim:])}) for the images "
                f"{self.frames.images.name}, found {named(self.zoom)}"
            )
        if min(self.shape) < 1:
            raise ConfigError(f"zoom = {named(self.zoom)} leaves no pixel of images of {self.frames.images.shape}")

    def __len__(self) -> int:
        """Number of steps T."""
        return len(self.frames)

    @cached_property
    def frames(self) -> FrameImages:
        """The images as they are."""
        return FrameImages(self.movie, NOUN, volumes=True)

    @property
    def name(self) -> str:
        """Of the images."""
        return self.frames.images.name

    @property
    def shape(self) -> tuple[int, ...]:
        """([z,] y, x) pixels of every frame, enlarged."""
        shape = self.frames.images.shape
        return tuple(round(side * zoom) for side, zoom in zip(shape, per_axis(self.zoom, len(shape)), strict=True))

    def image(self, step: int) -> NDArray[np.float32]:
        """([z,] y, x) of a step, its brightness made comparable, enlarged linearly; made smaller, it is smoothed first.

        Raises what `FrameImages.image` does.
        """
        return resized(self.frames.image(step), self.shape)

    @cached_property
    def digest(self) -> str:
        """Tells one movie from another: 16 hexadecimal digits of frame numbers and the pixels of first and last."""
        found = self.movie.detections.frames
        content = hashlib.sha256(found.tobytes())
        for step in sorted({0, len(found) - 1}):
            content.update(np.ascontiguousarray(self.frames.pixels(step)).tobytes())
        return content.hexdigest()[:16]


def resized(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The image with another number of pixels, interpolated linearly; smoothed first along axes that get smaller."""
    if image.shape == shape:
        return image
    from skimage.transform import resize  # slow to import, and seldom needed

    smaller = any(after < before for before, after in zip(image.shape, shape, strict=True))
    done: NDArray[np.float32] = resize(image, shape, order=1, anti_aliasing=smaller)  # type: ignore[no-untyped-call]
    return done.astype(np.float32, copy=False)


def per_axis(zoom: Sequence[float], ndim: int) -> tuple[float, ...]:
    """A zoom for each axis."""
    return tuple(zoom) if len(zoom) == ndim else (zoom[0],) * ndim


def named(zoom: Sequence[float]) -> str:
    """A zoom as a person writes it."""
    return f"{zoom[0]:g}" if len(zoom) == 1 else f"[{', '.join(f'{one:g}' for one in zoom)}]"


def scale_note(object_size_px: float, zoom: Sequence[float], field_of_view_px: int) -> str | None:
    """A sentence where objects do not suit the field of view, with the zoom to use; None where they do.

    Wanted are objects larger than it, and at most three times as large; best is `IDEAL_PX`, or one and a half times it.
    """
    seen = object_size_px * zoom[-1]
    if field_of_view_px < seen <= 3 * field_of_view_px:
        return None
    ideal_px = max(IDEAL_PX, 1.5 * field_of_view_px)
    what = "merged, or not found" if seen <= field_of_view_px else "cut to pieces"
    return (
        f"objects of {object_size_px:g} px are {seen:.3g} px across at zoom {named(zoom)}, and {NOUN} sees "
        f"{field_of_view_px} px around each pixel: they are likely to be {what}. Train and segment with "
        f"zoom = {ideal_px / object_size_px:.2g} (objects of {ideal_px:g} px suit best), or another object_size_px if "
        "that is wrong"
    )
