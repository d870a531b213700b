"""Movies of tokens small enough to write down, and one large enough to be cut."""

import numpy as np

from embeddings.targets import tracklets_of
from embeddings.windows import TokenMovie, token_movie
from tracker.detections import Detections


def movie_of(places: list[list[tuple[float, ...]]], shape: tuple[int, ...] = (600, 400), **changes) -> TokenMovie:
    """A movie from the places [z,] y, x in px of each frame; pixels are 0.5 wide; tokens count upwards."""
    count, ndim = sum(map(len, places)), len(shape)
    detections = Detections(
        frame=np.repeat(np.arange(len(places)) + 10, [len(frame) for frame in places]),
        label=np.arange(count) + 1,
        position=np.array([place for frame in places for place in frame], np.float64).reshape(-1, ndim) * 0.5,
        frames=np.arange(len(places)) + 10,
        scale=np.full(ndim, 0.5),
        image_shape=shape,
    )
    size = 3 + ndim**2
    tokens = np.arange(count * size, dtype=np.float32).reshape(count, size)
    return token_movie(detections, **({"tokens": tokens, "name": "cells"} | changes))


def field(seed: int = 0, n_frames: int = 8, per_frame: int = 60, shape: tuple[int, ...] = (600, 400)) -> TokenMovie:
    """Detections anywhere; the frames 3 and 4 are empty."""
    rng = np.random.default_rng(seed)
    counts = [0 if step in (3, 4) else per_frame for step in range(n_frames)]
    return movie_of([[tuple(place) for place in rng.random((n, len(shape))) * shape] for n in counts], shape)


def family() -> TokenMovie:
    """20 frames with two cells far apart; the cell at (500, 300) divides between the steps 9 and 10."""
    places, parent, last = [], [], [-1, -1]
    for step in range(20):
        here = [(100.0, 100.0)] + ([(500.0, 300.0)] if step < 10 else [(490.0, 300.0), (510.0, 300.0)])
        first = len(parent)
        mothers = [last[0], *([last[1]] * 2 if step == 10 else last[1:])]
        parent += mothers
        last = list(range(first, first + len(here)))
        places.append(here)
    tracklet, above = tracklets_of(np.array(parent))
    return movie_of(places, truth=(tracklet, above))
