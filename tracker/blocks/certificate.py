"""One certificate for a movie solved in blocks: the bound that stitched duals prove, and where it is not tight.

For any multipliers y of the rows (<= 0 on <= rows), every lineage costs at least

    L(y) = y.b + sum_j min(rc_j l_j, rc_j u_j),     rc = c - A^T y,

whoever made y: duals of blocks solved apart, put side by side, prove a bound of the whole. A lineage x that satisfies
the rows costs L(y) plus the sum of its *excesses*, one per column and `<=` row, none of them negative:

    column: rc_j x_j - min(rc_j l_j, rc_j u_j)          row: -y_i (b_i - (A x)_i)

So the gap is a sum over places, and one sees where it lies. What the integer programs of windows add (window.py) comes
on top of L(y).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.problem import TrackingProblem
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side


@dataclass(frozen=True)
class Excess:
    """What duals prove and where values cost more.

    bound: L(y).   columns: (columns,) and rows: (rows,) the excesses, >= 0.   broken: (rows,) those not satisfied.
    reduced_cost: (columns,) c - A^T y.
    """

    bound: float
    columns: NDArray[np.float64]
    rows: NDArray[np.float64]
    broken: NDArray[np.bool_]
    reduced_cost: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Objective - bound, where no row is broken."""
        return float(self.columns.sum() + self.rows.sum())


def measure_excess(problem: TrackingProblem, values: NDArray[np.bool_], duals: NDArray[np.float64]) -> Excess:
    """The bound of `duals` over all columns of the problem, and the excess of `values`."""
    matrix = constraint_matrix(problem, np.arange(problem.layout.n_columns))
    rhs, equality = right_hand_side(problem), n_equalities(problem)
    clipped = duals.copy()
    clipped[equality:] = np.minimum(clipped[equality:], 0.0)
    reduced_cost = problem.cost - matrix.T @ clipped
    least = np.minimum(reduced_cost * problem.lower, reduced_cost * problem.upper)
    left = rhs - matrix @ values.astype(np.float64)
    broken = np.abs(left) > 1e-6
    broken[equality:] = left[equality:] < -1e-6
    rows = np.zeros(len(rhs))
    rows[equality:] = -clipped[equality:] * np.maximum(left[equality:], 0.0)
    return Excess(
        bound=float(clipped @ rhs + least.sum()),
        columns=np.maximum(np.where(values, reduced_cost, 0.0) - least, 0.0),
        rows=rows,
        broken=broken,
        reduced_cost=reduced_cost,
    )
