"""What follows from bounds: the columns that every lineage within them must or must not choose, as far as rows show."""

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.problem import TrackingProblem
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side

_HALF = 0.5  # activities are whole numbers: half of one tells them apart whatever rounding does


def propagate(
    problem: TrackingProblem, lower: NDArray[np.int8], upper: NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Tighten bounds (columns,) until no single row of the program says more; the given ones stay as they are.

    In a row sum(a x) <= b every a_j x_j is at most b minus the least that the others can be; an equality also holds the
    other way round. Where bounds contradict each other the result is of no use; `solve` then finds no lineage.
    """
    lower, upper = lower.copy(), upper.copy()
    matrix = constraint_matrix(problem, np.arange(problem.layout.n_columns)).tocoo()
    row, column, sign = matrix.row, matrix.col, matrix.data
    rhs = right_hand_side(problem)
    positive, equal = sign > 0, row < n_equalities(problem)
    while True:
        at_lower, at_upper = sign * lower[column], sign * upper[column]
        least, most = np.minimum(at_lower, at_upper), np.maximum(at_lower, at_upper)
        room_above = rhs[row] - np.bincount(row, least, len(rhs))[row]  # how far the row may rise above its least
        room_below = np.bincount(row, most, len(rhs))[row] - rhs[row]
        stuck_low = room_above < _HALF  # this entry cannot leave its least value
        stuck_high = equal & (room_below < _HALF)
        down = column[(stuck_low & positive) | (stuck_high & ~positive)]
        up = column[(stuck_low & ~positive) | (stuck_high & positive)]
        down, up = down[upper[down] > lower[down]], up[lower[up] < upper[up]]
        if not len(down) and not len(up):
            return lower, upper
        upper[down] = 0
        lower[up] = 1
