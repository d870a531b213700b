"""Movies as napari wants them: arrays (t, [z,] y, x) that read a frame when it is looked at."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import MovieError
from tracker.io.movie import Movie
from tracker.io.tracked_masks import relabel
from tracker.mask_match import other_masks

_FRAMES_KEPT = 8


class LazyFrames:
    """An array over the kept frames of a movie. frames: (T,) t of each; -1 = there is none, and the step is all zeros.

    convert: from the pixels of step k to others.

    The last few frames stay in memory as they were read; what `convert` makes of them is made anew each time.
    """

    def __init__(
        self,
        movie: Movie,
        frames: NDArray[np.int64],
        convert: Callable[[int, NDArray[np.generic]], NDArray[Any]] = lambda step, pixels: pixels,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        """Nothing is read yet."""
        self._movie, self._frames, self._convert = movie, frames, convert
        self.shape = (len(frames), *movie.shape)
        self.dtype = movie.dtype if dtype is None else dtype
        self._held: OrderedDict[int, NDArray[np.generic]] = OrderedDict()

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels of the movie."""
        return int(np.prod(self.shape))

    @property
    def pictured(self) -> NDArray[np.int64]:
        """The steps that have a frame."""
        return np.flatnonzero(self._frames >= 0)

    def read(self, step: int) -> NDArray[np.generic]:
        """The pixels of a frame as they are in the movie."""
        if step not in self._held:
            frame = int(self._frames[step])
            blank = frame < 0
            self._held[step] = np.zeros(self._movie.shape, self._movie.dtype) if blank else self._movie.read(frame)
            while len(self._held) > _FRAMES_KEPT:
                self._held.popitem(last=False)
        self._held.move_to_end(step)
        return self._held[step]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Numpy's own indexing, with frames read as the first index asks."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        inside = tuple(rest)
        if isinstance(first, (int, np.integer)):
            return self._frame(int(first) % len(self._frames))[inside]
        steps = np.arange(len(self._frames))[first]
        if not len(steps):
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *inside)]
        return np.stack([self._frame(int(step))[inside] for step in steps])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole movie in memory."""
        return np.asarray(self[:], dtype)

    def _frame(self, step: int) -> NDArray[Any]:
        return self._convert(step, self.read(step))


def track_masks(masks: Movie, detections: Detections, track: Callable[[], NDArray[np.int64]]) -> LazyFrames:
    """Masks whose pixels hold the number of the track; 0 where there is none.

    track: says the (N,) number of each detection's track, asked each time.
    """
    starts = detections.starts

    def convert(step: int, pixels: NDArray[np.generic]) -> NDArray[Any]:
        rows = slice(starts[step], starts[step + 1])
        return relabel(pixels, detections.label[rows], track()[rows].astype(np.int32))[0]

    return LazyFrames(masks, detections.frames, convert, np.dtype(np.int32))


def read_masks(masks: Movie, detections: Detections, track: NDArray[np.int64]) -> LazyFrames:
    """As `track_masks`, of tracks that stay; masks that are not those of the detections are said when they are seen.

    Raises MovieError when the first, the middle or the last frame does not hold exactly the labels of its detections.
    """
    starts, frames = detections.starts, detections.frames

    def wrong(step: int, pixels: NDArray[np.generic]) -> str:
        return other_masks(pixels, detections.label[starts[step] : starts[step + 1]], masks.name, int(frames[step]))

    def convert(step: int, pixels: NDArray[np.generic]) -> NDArray[Any]:
        rows = slice(starts[step], starts[step + 1])
        shown, seen = relabel(pixels, detections.label[rows], track[rows].astype(np.int32))
        if not seen.all() or np.count_nonzero(shown) != np.count_nonzero(pixels):
            warnings.warn(wrong(step, pixels), stacklevel=2)  # napari shows it beside the movie
        return shown

    made = LazyFrames(masks, frames, convert, np.dtype(np.int32))
    for step in sorted({0, len(frames) // 2, len(frames) - 1}) if len(frames) else []:
        said = wrong(step, made.read(step))
        if said:
            raise MovieError(said)
    return made


def contrast_of(frames: LazyFrames) -> tuple[float, float]:
    """Percentiles 1 and 99.8 of the first, the middle and the last frame that there are."""
    steps = frames.pictured
    steps = np.unique(steps[[0, len(steps) // 2, -1]]) if len(steps) else steps
    pixels = np.concatenate([np.empty(0), *(np.asarray(frames[int(step)], np.float64).ravel() for step in steps)])
    pixels = pixels[np.isfinite(pixels)]
    low, high = np.percentile(pixels, [1, 99.8]) if len(pixels) else (0.0, 1.0)
    return float(low), float(high) if high > low else float(low) + 1.0
