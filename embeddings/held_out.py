"""Which frames of a movie are held out from learning. Numpy only."""

import math

import numpy as np
from numpy.typing import NDArray

_SHARE, _MOST, _FEWEST = 0.1, 8, 4


def held_out_steps(steps: NDArray[np.int64], seed: int, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The steps of a movie that are held out, and those to learn from; both sorted, and by seed and number alone.

    Of at least 4 steps a tenth is held out, rounded up, 8 at most; of fewer none.
    number: of the movie among those of the training.
    """
    order = np.random.default_rng([seed, 2, number]).permutation(steps)
    away = min(math.ceil(_SHARE * len(steps)), _MOST) if len(steps) >= _FEWEST else 0
    return np.sort(order[:away]), np.sort(order[away:])
