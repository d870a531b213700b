"""Movies as napari wants them: arrays (t, [z,] y, x) that read a frame when it is looked at."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.io.movie import Movie
from tracker.io.tracked_masks import relabel

_FRAMES_KEPT = 8


class LazyFrames:
    """An array over the kept frames of a movie. frames: (T,) t of each.   convert: from the pixels of step k to others.

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

    def read(self, step: int) -> NDArray[np.generic]:
        """The pixels of a frame as they are in the movie."""
        if step not in self._held:
            self._held[step] = self._movie.read(int(self._frames[step]))
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


def contrast_of(frames: LazyFrames) -> tuple[float, float]:
    """Percentiles 1 and 99.8 of the first, the middle and the last frame."""
    steps = sorted({0, frames.shape[0] // 2, frames.shape[0] - 1})
    pixels = np.concatenate([np.asarray(frames[step], np.float64).ravel() for step in steps])
    pixels = pixels[np.isfinite(pixels)]
    low, high = np.percentile(pixels, [1, 99.8]) if len(pixels) else (0.0, 1.0)
    return float(low), float(high) if high > low else float(low) + 1.0
