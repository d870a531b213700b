"""A movie with the labels that StarDist learns from: those of a program, those of a person, or both. Numpy only."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from embeddings.frame_images import FrameImages
from embeddings.learning_movie import LearningMovie
from tracker.errors import ConfigError, MovieError
from tracker.io.movie import Movie

NOUN = "StarDist"
Part = Literal["sparse", "pseudo"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class StarMovie:
    """Images (y, x), and masks of their frames; the t of mask and image are the same.

    movie: its images; detections are not looked at.   pseudo: masks of all objects, as a program found them.
    sparse: masks of some objects, as a person drew them; what is 0 is not known.   unknown_label: pixels of `sparse`
        that hold it are known to be unknown, however near an annotated object is.
    background_px: what is 0 in both masks and so near an annotated object is background.
    Raises ConfigError without images or masks, and for 3-D images; MovieError where masks have another shape than the
    images, none of their frames, or no object at all.
    """

    movie: LearningMovie
    pseudo: Movie | None = None
    sparse: Movie | None = None
    unknown_label: int | None = None
    background_px: float = 30.0

    def __post_init__(self) -> None:
        """Check that all fits together."""
        check_images(self.movie)
        frames = self.frames
        if self.pseudo is None and self.sparse is None:
            raise ConfigError(
                f"{NOUN} learns from masks of {frames.images.name}: give pseudo (of all objects, as `track segment "
                "cellulus` makes them), sparse (of some objects, drawn by a person), or both"
            )
        for masks in (self.pseudo, self.sparse):
            if masks is None:
                continue
            if masks.shape != frames.images.shape:
                raise MovieError(
                    f"images and masks must have one shape (y, x); found {frames.images.shape} in "
                    f"{frames.images.name} and {masks.shape} in {masks.name}"
                )
            if not np.isin(self.movie.detections.frames, masks.frames).any():
                chosen = self.movie.detections.frames
                raise MovieError(
                    f"the masks {masks.name} (t = {masks.frames[0]} to {masks.frames[-1]}) are of none of the frames "
                    f"of {frames.images.name} that are used (t = {chosen[0]} to {chosen[-1]}). Give masks of this movie"
                )
        for part in PARTS:
            if getattr(self, part) is not None and not self.steps(part):
                raise MovieError(
                    f"the masks in {getattr(self, part).name} hold no object in the frames that are used: give others, "
                    f"or leave {part} out"
                )

    @cached_property
    def frames(self) -> FrameImages:
        """The images."""
        return FrameImages(self.movie, NOUN)

    def steps(self, part: Part) -> list[int]:
        """The steps to learn from: with a mask of this kind; of a sparse one with an annotated object.

        Empty where no mask holds an object.
        """
        return self._sparse_steps if part == "sparse" else self._pseudo_steps

    def labels(self, part: Part, step: int) -> NDArray[np.int64]:
        """(y, x) what is known of a step: objects above 0, background 0, -1 unknown."""
        annotated, pseudo = self._annotated(step), self._read(self.pseudo, step)
        if part == "sparse":
            return sparse_labels(annotated, pseudo, self.background_px)
        return pseudo_labels(pseudo, annotated)

    @cached_property
    def digest(self) -> str:
        """Tells one movie from another: 16 hexadecimal digits of frame numbers, and first and last image and masks."""
        numbers = self.movie.detections.frames
        content = hashlib.sha256(numbers.tobytes())
        for step in sorted({0, len(numbers) - 1}):
            content.update(np.ascontiguousarray(self.frames.pixels(step)).tobytes())
        for part in PARTS:
            steps = self.steps(part)
            content.update(f"{part} {steps}".encode())
            for step in sorted({*steps[:1], *steps[-1:]}):
                content.update(self.labels(part, step).tobytes())
        return content.hexdigest()[:16]

    @cached_property
    def _sparse_steps(self) -> list[int]:
        masked = self._masked(self.sparse)
        return [step for step in masked if bool((self._annotated(step) > 0).any())]

    @cached_property
    def _pseudo_steps(self) -> list[int]:
        masked = self._masked(self.pseudo)
        return masked if any(bool(self._read(self.pseudo, step).any()) for step in masked) else []

    def _masked(self, masks: Movie | None) -> list[int]:
        """The steps that have a mask."""
        if masks is None:
            return []
        there: list[int] = np.flatnonzero(np.isin(self.movie.detections.frames, masks.frames)).tolist()
        return there

    def _annotated(self, step: int) -> NDArray[np.int64]:
        """The sparse mask, -1 where it is known to be unknown."""
        found = self._read(self.sparse, step)
        return found if self.unknown_label is None else np.where(found == self.unknown_label, -1, found)

    def _read(self, masks: Movie | None, step: int) -> NDArray[np.int64]:
        """The mask of a step, all 0 where there is none."""
        frame = int(self.movie.detections.frames[step])
        if masks is None or frame not in masks.frames:
            return np.zeros(self.frames.images.shape, np.int64)
        return masks.read(frame).astype(np.int64)


def check_images(movie: LearningMovie) -> None:
    """Raise ConfigError where images are 3-D."""
    images = movie.images
    if images is not None and len(images.shape) != 2:
        raise ConfigError(
            f"{NOUN} is for 2-D images here, but those of {images.name} have {len(images.shape)} axes (z, y, x): use "
            "Cellulus alone, which is for 3-D, too, or a projection along z"
        )


def sparse_labels(annotated: NDArray[np.int64], pseudo: NDArray[np.int64], background_px: float) -> NDArray[np.int64]:
    """What a person's mask says: objects; background around them; and -1 for all else.

    Background are pixels at most `background_px` away from an annotated object that are 0 in both masks: where a
    program saw an object, there is likely to be one that was not annotated.
    """
    empty = (annotated == 0) & (pseudo == 0)
    if not (annotated > 0).any():
        return np.full(annotated.shape, -1, np.int64)
    near = distance_transform_edt(annotated <= 0) <= background_px
    return np.where(annotated > 0, annotated, np.where(empty & near, 0, -1))


def pseudo_labels(pseudo: NDArray[np.int64], annotated: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a program found, corrected by a person: objects that share a pixel with an annotated one give way to it."""
    own = annotated > 0
    kept = np.where(np.isin(pseudo, pseudo[own]), 0, pseudo)
    return np.where(own, annotated + pseudo.max(initial=0), kept)
