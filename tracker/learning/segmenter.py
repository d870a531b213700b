"""What `track segment` needs of a method: a trained model, ready to find the objects of a movie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.io.movie import Movie


@dataclass(frozen=True)
class Segmenter:
    """A model and the images that it is to find objects in.

    images: all of the movie.   frames: (T,) the numbers of those to segment, one per step.
    find: the objects of a step, ([z,] y, x) int64 with 0 as background, and what else is kept about them (JSON).
    settings: all that masks depend on beside model and pixels (JSON).   most: objects that a frame can hold.
    notes: sentences for people.
    """

    images: Movie
    frames: NDArray[np.int64]
    find: Callable[[int], tuple[NDArray[np.int64], Mapping[str, Any]]]
    settings: Mapping[str, Any]
    most: float
    notes: tuple[str, ...]
