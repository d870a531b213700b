"""A piece of space and time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError


@dataclass(frozen=True, eq=False)
class Region:
    """Steps and a box, both half-open: first_step <= step < stop_step, box[0] <= position < box[1].

    first_step, stop_step: steps, that is, indices into the kept frames of the movie.
    box: (2, D) float64 in data.unit, [z,] y, x; may be negative, fractional, infinite on either side; None = all space.
    Raises InputError where the end comes before the beginning, or a bound is NaN.
    """

    first_step: int
    stop_step: int
    box: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check the bounds; an empty region is fine."""
        if self.first_step > self.stop_step:
            raise InputError(f"a region's steps must not decrease, found {self.first_step} to {self.stop_step}")
        if self.box is None:
            return
        box = np.asarray(self.box, np.float64)
        if box.ndim != 2 or len(box) != 2 or not np.all(box[0] <= box[1]):  # NaN fails, too
            raise InputError(f"a region's box must be two corners, lower then upper, found {box.tolist()}")
        object.__setattr__(self, "box", box)

    def contains(self, step: NDArray[np.int64], position: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) whether detections at step (N,) and position (N, D) lie in it."""
        inside = (step >= self.first_step) & (step < self.stop_step)
        if self.box is not None:
            inside &= ((position >= self.box[0]) & (position < self.box[1])).all(axis=1)
        return np.asarray(inside, bool)
