"""The linear relaxation of a block by column generation, and the bound that any duals prove."""

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings, new_highs, pass_model
from tracker.ilp.block import Block

_ENTERING = -1e-9  # a column with a reduced cost below this would still lower the relaxation
_PRIMAL_SIMPLEX = 4


@dataclass(frozen=True)
class Relaxation:
    """What the linear relaxation of a block says.

    values: (C,) float, the relaxed optimum; None when time ran out first.
    duals: (R,) row multipliers, `<= 0` on `<=` rows.   reduced_cost: (C,) under these duals.
    bound: proven lower bound of the block's integer optimum.   infeasible: no values satisfy the rows.
    """

    values: NDArray[np.float64] | None
    duals: NDArray[np.float64]
    reduced_cost: NDArray[np.float64]
    bound: float
    infeasible: bool = False


def safe_bound(block: Block, duals: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Lagrangian bound L(y) = y.b + sum_j min(0, c_j - (A^T y)_j) and the reduced costs, for any duals y.

    Valid whatever y is, once it is clipped to <= 0 on the `<=` rows, because every column lies in [0, 1]: the
    tolerances of the linear program do not enter the proof.
    """
    clipped = np.where(block.equality, duals, np.minimum(duals, 0.0))
    reduced_cost = block.cost - block.matrix.T @ clipped
    return float(clipped @ block.rhs + np.minimum(reduced_cost, 0.0).sum()), reduced_cost


def relax(block: Block, settings: SolverSettings, deadline: float) -> Relaxation:
    """Solve the linear relaxation, starting from `block.start` and pricing the other columns in.

    Most divisions are never needed: the first program holds a few columns per detection, and its duals tell
    which others could lower the objective. Those are added, until none could.
    """
    highs = new_highs(settings, deadline)
    highs.setOptionValue("solver", "simplex")
    highs.setOptionValue("presolve", "off")
    active = block.start.copy()
    order = np.flatnonzero(active)
    pass_model(highs, block, order, integer=False)
    duals = np.zeros(len(block.rhs))
    while True:
        highs.run()
        status = highs.getModelStatus()
        solution = highs.getSolution()
        if status == highspy.HighsModelStatus.kOptimal:
            duals = np.asarray(solution.row_dual)
            bound, reduced_cost = safe_bound(block, duals)
            new = np.flatnonzero((reduced_cost < _ENTERING) & ~active)
            if not len(new):
                values = np.zeros(len(block.cost))
                values[order] = solution.col_value
                return Relaxation(values, duals, reduced_cost, bound)
        elif status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            new = np.flatnonzero(~active)
            if not len(new):
                return Relaxation(None, duals, block.cost, np.inf, infeasible=True)
        else:  # out of time: whatever duals there are still prove something
            if solution.dual_valid:
                duals = np.asarray(solution.row_dual)
            bound, reduced_cost = safe_bound(block, duals)
            return Relaxation(None, duals, reduced_cost, bound)
        active[new] = True
        order = np.concatenate([order, new])
        _add_columns(highs, block, new)
        highs.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)  # the basis stays primal feasible


def _add_columns(highs: highspy.Highs, block: Block, columns: NDArray[np.int64]) -> None:
    matrix = block.matrix[:, columns]
    highs.addCols(
        len(columns),
        block.cost[columns],
        np.zeros(len(columns)),
        np.where(block.bounded[columns], 1.0, highspy.kHighsInf),
        matrix.nnz,
        matrix.indptr[:-1].astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
    )
