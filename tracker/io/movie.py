"""What a movie is to the rest of the program: frames that are read one at a time."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Movie(Protocol):
    """A lazily read movie of images or label masks.

    frames: (T,) int64, the t of each frame as the input numbers it (file number, or 0..T-1).
    shape: spatial shape ([z,] y, x) of every frame in pixels.   dtype: of the pixels.
    name: how messages call it, usually its path.
    """

    name: str
    frames: NDArray[np.int64]
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    def read(self, frame: int) -> NDArray[np.generic]:
        """The pixels of the frame numbered `frame`, shape `shape`. Raises MovieError when unreadable."""
        ...
