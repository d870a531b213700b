"""Random crops of the frames of movies, read lazily: a few frames are held, and exchanged now and then. Numpy only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.held_out import held_out_steps
from embeddings.zoomed_frames import ZoomedFrames
from tracker.errors import ConfigError, MovieError

_PADDING_PX = 4
_HELD_OUT_CROPS = 16


@dataclass(frozen=True)
class CropSizes:
    """What is drawn, and held. Raises ConfigError.

    batch_size: crops per step, all of one movie.   frames_held, memory_mb: frames of each movie that are in memory to
        draw from, and the most memory they take, all movies together (one frame of each is always held).
    exchange_steps: after so many steps, others are read.
    """

    batch_size: int
    frames_held: int = 16
    memory_mb: float = 256.0
    exchange_steps: int = 200

    def __post_init__(self) -> None:
        """Check ranges."""
        if min(self.batch_size, self.frames_held, self.exchange_steps) < 1 or not self.memory_mb > 0:
            raise ConfigError(
                "batch_size, frames_held, memory_mb and exchange_steps must be positive, found "
                f"{self.batch_size}, {self.frames_held}, {self.memory_mb:g} and {self.exchange_steps}"
            )


class CropSource:
    """Crops of several movies to learn from, and some that are held out; all depends on the seed and the step alone.

    Each step sees one movie, drawn in proportion to its frames; some of each are held out (`held_out_steps`).
    """

    def __init__(self, movies: Sequence[ZoomedFrames], image_px: int, sizes: CropSizes, seed: int) -> None:
        """image_px: side of a crop as the network sees it.

        Raises MovieError for a movie with frames smaller than the smallest crop, half of it.
        """
        for movie in movies:
            smallest = smallest_crop_px(image_px)
            if min(movie.shape) < smallest:
                factor = math.ceil(100 * smallest / min(movie.frames.images.shape)) / 100
                raise MovieError(
                    f"{movie.frames.noun} learns from crops of at least {smallest} px, but the frames of "
                    f"{movie.frames.images.name} are {movie.shape[0]} x {movie.shape[1]} px at zoom {movie.zoom:g}. "
                    f"Set zoom = {factor:g} or more, or a smaller image_px"
                )
        count = np.array([len(movie) for movie in movies])
        self._movies, self._image_px, self._sizes, self._seed = tuple(movies), image_px, sizes, seed
        self._share = count / count.sum()
        split = [held_out_steps(np.arange(len(movie)), seed, number) for number, movie in enumerate(movies)]
        self._held_out, self._steps = [away for away, _ in split], [own for _, own in split]
        self._turn = [-1] * len(movies)
        self._frames: list[NDArray[np.float32]] = [np.zeros((0, 0, 0), np.float32)] * len(movies)

    def __call__(self, step: int) -> NDArray[np.float32]:
        """(batch_size, image_px, image_px) of a step of the training."""
        number = int(np.random.default_rng([self._seed, 3, step]).choice(len(self._share), p=self._share))
        self._hold(number, step)
        rng = np.random.default_rng([self._seed, 1, step])
        return draw_crops(rng, self._frames[number], self._sizes.batch_size, self._image_px)

    def held_out(self) -> list[NDArray[np.float32]]:
        """16 crops (16, image_px, image_px) of each frame that is held out."""
        drawn = []
        for number, (movie, steps) in enumerate(zip(self._movies, self._held_out, strict=True)):
            rng = np.random.default_rng([self._seed, 4, number])
            drawn += [
                draw_crops(rng, _padded(movie.image(step))[None], _HELD_OUT_CROPS, self._image_px)
                for step in steps.tolist()
            ]
        return drawn

    def _hold(self, number: int, step: int) -> None:
        """Have the frames of a movie in memory that belong to a step of the training."""
        movie, own = self._movies[number], self._steps[number]
        padded = [size + 2 * _PADDING_PX for size in movie.shape]
        room = int(self._sizes.memory_mb * float(self._share[number]) * 2**20 / (4 * math.prod(padded)))
        most = max(min(self._sizes.frames_held, room), 1)
        turn = 0 if len(own) <= most else step // self._sizes.exchange_steps
        if turn == self._turn[number]:
            return
        self._frames[number] = np.zeros((0, 0, 0), np.float32)  # free the old ones first
        chosen = np.random.default_rng([self._seed, 0, turn, number]).permutation(own)[:most]
        held = np.empty((len(chosen), *padded), np.float32)
        for place, one in enumerate(chosen.tolist()):
            held[place] = _padded(movie.image(one))
        self._frames[number], self._turn[number] = held, turn


def smallest_crop_px(image_px: int) -> int:
    """Side of the smallest square that is enlarged to a crop."""
    return math.ceil(image_px / 2)


def draw_crops(rng: np.random.Generator, frames: NDArray[np.float32], count: int, image_px: int) -> NDArray[np.float32]:
    """(count, image_px, image_px) random squares of random frames, each enlarged to the size and flipped at random.

    Sides are drawn evenly from half of image_px to the whole, or to what a frame holds; then the place; either axis is
    flipped in every second crop.   frames: (F, y, x), at least half of image_px along both.
    """
    shape = np.array(frames.shape[1:])
    which = rng.integers(len(frames), size=count)
    side = rng.integers(smallest_crop_px(image_px), min(image_px, *shape.tolist()) + 1, size=count)
    start = rng.integers(0, shape - side[:, None] + 1)
    flip = rng.random((count, 2)) < 0.5
    return resized_squares(frames, which, start, side, flip, image_px)


def resized_squares(
    frames: NDArray[np.float32],
    which: NDArray[np.int64],
    start: NDArray[np.int64],
    side: NDArray[np.int64],
    flip: NDArray[np.bool_],
    image_px: int,
) -> NDArray[np.float32]:
    """(n, image_px, image_px) squares of frames (F, y, x), resized bilinearly.

    which: (n,) their frames.   start: (n, 2) y, x.   side: (n,) pixels.   flip: (n, 2) where y, x run backwards.
    Pixel i of an axis shows the place (i + 1/2) side / image_px - 1/2 of the square, held inside [0, side - 1].
    """
    place = (np.arange(image_px) + 0.5) * side[:, None] / image_px - 0.5
    place = np.clip(place, 0, side[:, None] - 1)[:, None]  # (n, 1, image_px), the same for both axes
    place = np.where(flip[:, :, None], place[..., ::-1], place)  # (n, 2, image_px)
    low = np.minimum(np.floor(place).astype(np.int64), np.maximum(side - 2, 0)[:, None, None])
    high = np.minimum(low + 1, (side - 1)[:, None, None])
    weight = (place - low).astype(np.float32)
    low, high = low + start[:, :, None], high + start[:, :, None]
    frame = which[:, None, None]
    down, across = weight[:, 0, :, None], weight[:, 1, None, :]

    def at(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, image_px, image_px) pixels at the rows of y and the columns of x."""
        return frames[frame, y[:, 0, :, None], x[:, 1, None, :]]

    above = at(low, low) * (1 - across) + at(low, high) * across
    below = at(high, low) * (1 - across) + at(high, high) * across
    return np.asarray(above * (1 - down) + below * down, np.float32)


def _padded(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """With some zeros around, so that crops show the border as the field of view does."""
    return np.pad(image, _PADDING_PX)
