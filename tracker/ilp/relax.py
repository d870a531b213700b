"""The linear relaxation of a block by column generation and cuts, and the bound that any duals prove."""

import time
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tracker.ilp.backends import (
    STOPPED,
    SolverSettings,
    column_bounds,
    new_highs,
    pass_model,
    solver_failed,
)
from tracker.ilp.block import Block
from tracker.ilp.cuts import packing_rows, violated_cuts, with_cuts

_ENTERING = -1e-9  # a column with a reduced cost below this would still lower the relaxation
_CUT_ROUNDS = 30
_SLICE = 1_000_000_000  # simplex steps times rows, about a second's work, after which a program asks if it should go on
_INFEASIBLE = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible)
_SOLVED = (highspy.HighsModelStatus.kOptimal, *_INFEASIBLE)
_DUAL_SIMPLEX, _PRIMAL_SIMPLEX = 1, 4


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
    """Lagrangian bound L(y) = y.b + sum_j min(rc_j l_j, rc_j u_j) and the reduced costs rc = c - A^T y, for any y.

    Valid whatever y is, once it is clipped to <= 0 on the `<=` rows, because every column lies in [l, u], within
    [0, 1]: the tolerances of the linear program do not enter the proof.
    """
    clipped = np.where(block.equality, duals, np.minimum(duals, 0.0))
    reduced_cost = block.cost - block.matrix.T @ clipped
    least = np.minimum(reduced_cost * block.lower, reduced_cost * block.upper)
    return float(clipped @ block.rhs + least.sum()), reduced_cost


def relax(block: Block, settings: SolverSettings, deadline: float) -> tuple[Block, Relaxation]:
    """Solve the linear relaxation; where it is fractional, tighten it with cuts as long as that helps.

    Returns the block with the cuts that the last relaxation leans on, and that relaxation.
    """
    program = Program(block, settings, deadline)
    relaxation = program.tighten()
    binding = np.ones(len(relaxation.duals), bool)
    binding[len(block.rhs) :] = relaxation.duals[len(block.rhs) :] < 0
    if binding.all() or relaxation.values is None:
        return program.block, relaxation
    tight = program.block.with_rows(np.flatnonzero(binding))
    bound, reduced_cost = safe_bound(tight, relaxation.duals[binding])
    return tight, Relaxation(relaxation.values, relaxation.duals[binding], reduced_cost, bound)


def is_integral(values: NDArray[np.float64]) -> bool:
    """Whether every value is 0 or 1, to the tolerance of a linear program."""
    return bool(np.abs(values - np.round(values)).max(initial=0.0) <= 1e-6)


class Program:
    """A linear program in HiGHS over some of a block's columns; the others are priced in with the duals.

    Most divisions are never needed: the first program holds a few columns per detection (`block.start`), and its duals
    tell which others could lower the objective. Those are added, until none could.
    """

    def __init__(self, block: Block, settings: SolverSettings, deadline: float) -> None:
        self.block = block
        self._settings, self._deadline = settings, deadline
        self._highs = new_highs(settings, deadline)
        self._highs.setOptionValue("solver", "simplex")
        self._highs.setOptionValue("presolve", "off")
        self._active = block.start.copy()
        self._order = np.flatnonzero(self._active)
        self._packing: NDArray[np.bool_] | None = None
        pass_model(self._highs, block, self._order, integer=False)

    def tighten(self) -> Relaxation:
        """The relaxed optimum, with cuts added as long as it is fractional and they help."""
        relaxation = self.optimise()
        for _ in range(_CUT_ROUNDS):
            if relaxation.values is None or is_integral(relaxation.values):
                break
            if self._packing is None:
                self._packing = packing_rows(self.block) & (self.block.rows >= 0)
            cuts = violated_cuts(self.block, relaxation.values, self._packing)
            if cuts is None:
                break
            self.add_cuts(cuts)
            relaxation = self.optimise()
        return relaxation

    def optimise(self) -> Relaxation:
        """The relaxed optimum over all columns."""
        while True:
            status = self._run()
            solution = self._highs.getSolution()
            if status == highspy.HighsModelStatus.kOptimal:
                duals = np.asarray(solution.row_dual)
                bound, reduced_cost = safe_bound(self.block, duals)
                new = np.flatnonzero((reduced_cost < _ENTERING) & ~self._active & (self.block.upper == 1))
                if not len(new):
                    values = np.zeros(len(self.block.cost))
                    values[self._order] = solution.col_value
                    return Relaxation(values, duals, reduced_cost, bound)
            elif status in _INFEASIBLE:
                new = np.flatnonzero(~self._active & (self.block.upper == 1))
                if not len(new):
                    unknown = np.zeros(len(self.block.rhs))
                    return Relaxation(None, unknown, self.block.cost, np.inf, infeasible=True)
            elif status not in STOPPED:
                raise solver_failed(self._highs)
            else:  # out of time: whatever duals there are still prove something
                duals = np.asarray(solution.row_dual) if solution.dual_valid else np.zeros(len(self.block.rhs))
                bound, reduced_cost = safe_bound(self.block, duals)
                return Relaxation(None, duals, reduced_cost, bound)
            self._add_columns(new)

    def _run(self) -> highspy.HighsModelStatus:
        """Run the simplex method in slices, so that it can be cancelled.

        Slices are counted in steps: a program that goes on from where it was stopped may find other duals, as good,
        so that slices of time would let the answer depend on how fast the machine is.
        """
        retried = False
        steps, done = max(1000, _SLICE // max(1, len(self.block.rhs))), 0
        while True:
            limit_s = max(0.0, self._deadline - time.perf_counter())
            self._highs.setOptionValue("time_limit", min(self._highs.getRunTime() + limit_s, 1e20))
            self._highs.setOptionValue("simplex_iteration_limit", steps)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kIterationLimit:
                if self._settings.cancel.is_set():
                    return highspy.HighsModelStatus.kInterrupt
                done += steps
                steps = max(steps, done // 3)  # restarting costs something, so long programs ask less often
            elif status in STOPPED or status in _SOLVED or retried:
                return status
            else:  # numerical trouble: once more from the beginning
                self._highs.clearSolver()
                retried = True

    def add_cuts(self, cuts: csr_array) -> None:
        """Add rows `<= 1` over all columns of the block."""
        self.block = with_cuts(self.block, cuts)
        if self._packing is not None:  # cuts are made from the rows of the problem, not from cuts
            self._packing = np.append(self._packing, np.zeros(cuts.shape[0], bool))
        active = csr_array(cuts[:, self._order])
        self._highs.addRows(
            cuts.shape[0],
            np.full(cuts.shape[0], -highspy.kHighsInf),
            np.ones(cuts.shape[0]),
            active.nnz,
            active.indptr[:-1].astype(np.int32),
            active.indices.astype(np.int32),
            active.data,
        )
        self._highs.setOptionValue("simplex_strategy", _DUAL_SIMPLEX)  # the basis stays dual feasible

    def set_bounds(self, columns: NDArray[np.int64], lower: NDArray[np.int8], upper: NDArray[np.int8]) -> None:
        """Change the bounds of some columns; the next `optimise` goes on from the present basis."""
        self.block.lower[columns], self.block.upper[columns] = lower, upper
        known = self._active[columns]
        present = columns[known]
        if len(present):
            place = np.full(len(self._active), -1, np.int32)
            place[self._order] = np.arange(len(self._order))
            self._highs.changeColsBounds(len(present), place[present], *column_bounds(self.block, present))
        forced = columns[~known & (lower == 1)]
        if len(forced):
            self._add_columns(forced)
        self._highs.setOptionValue("simplex_strategy", _DUAL_SIMPLEX)  # the basis stays dual feasible

    def set_rhs(self, rows: NDArray[np.int64], rhs: NDArray[np.float64]) -> None:
        """Change right-hand sides of rows."""
        self.block.rhs[rows] = rhs
        least = np.where(self.block.equality[rows], rhs, -highspy.kHighsInf)
        for row, low, high in zip(rows.tolist(), least.tolist(), rhs.tolist(), strict=True):
            self._highs.changeRowBounds(row, low, high)
        self._packing = None
        self._highs.setOptionValue("simplex_strategy", _DUAL_SIMPLEX)

    def _add_columns(self, columns: NDArray[np.int64]) -> None:
        self._active[columns] = True
        self._order = np.concatenate([self._order, columns])
        matrix = self.block.matrix[:, columns]
        self._highs.addCols(
            len(columns),
            self.block.cost[columns],
            *column_bounds(self.block, columns),
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
        )
        self._highs.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)  # the basis stays primal feasible
