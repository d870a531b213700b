"""How strongly learning is held back: the L2 strength that is best on frames held out of what is learnt from."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings
from tracker.tuning.parts import Annotated, Part, make_part
from tracker.tuning.splits import can_be_split, time_blocks
from tracker.tuning.ssvm import Learnt

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
USUAL = 0.1  # where too few frames are annotated to hold any out
_BLOCKS = 2

Learning = Callable[[Part, float], Learnt]


def choose_strength(
    movie: Annotated, known: NDArray[np.bool_], objective: str, settings: SolverSettings, learning: Learning
) -> tuple[float, dict[float, list[float]]]:
    """The strength with the smallest mean loss, and all losses: strength -> one per half.

    known: (T,) bool, frames that may be looked at: they are cut into two blocks of time, and each half is scored with
    what was learnt from the other. Of equals the strongest wins, which changes the costs least. 0.1 and no losses
    where there are too few frames, or nothing is decided in a half.   learning: of a part, with a strength.
    """
    if not can_be_split(known, _BLOCKS):
        return USUAL, {}
    blocks = time_blocks(movie.detections.frames, known, _BLOCKS)
    pairs = [(make_part(movie, one.train, settings), make_part(movie, one.test, settings)) for one in blocks]
    if not all(part.n_decided for pair in pairs for part in pair):
        return USUAL, {}
    losses = {l2: [test.loss(learning(train, l2).weights, objective) for train, test in pairs] for l2 in STRENGTHS}
    least = min(np.mean(own) for own in losses.values())
    return max(l2 for l2, own in losses.items() if np.mean(own) <= least * (1 + 1e-12)), losses
