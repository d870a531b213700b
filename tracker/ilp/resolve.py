"""Re-solving after small changes: linear programs that stay alive, changed in place and re-optimised as they are.

The problem is split once into blocks that no pin can join: components over all columns, dominated ones included. Each
keeps its HiGHS instance with basis and priced columns. A change of bounds takes a few simplex steps in the blocks it
touches; the proof is the same as in a cold solve: reduced costs over all columns, cuts, clusters.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings
from tracker.ilp.block import Block, split_into_blocks
from tracker.ilp.pinned_bounds import PinnedBounds
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.relax import Program, is_integral
from tracker.ilp.repair import repair
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side

_FOREVER_S = 1e15
_Result = TypeVar("_Result")


class ConflictError(Exception):
    """No lineage satisfies the bounds. `rows`: program rows of the block where that shows."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        """Remember the rows."""
        super().__init__("no lineage satisfies the bounds")
        self.rows = rows


@dataclass(frozen=True)
class _Optimum:
    """Of one block. values: (C,) bool.   objective: their cost.   bound: proven."""

    values: NDArray[np.bool_]
    objective: float
    bound: float


class _Live:
    """One block with its living program."""

    def __init__(self, block: Block, settings: SolverSettings) -> None:
        self.rows, self.columns, self.cost = block.rows, block.columns, block.cost
        self._settings = settings
        self.program = Program(block, settings, _FOREVER_S)

    def solve(self) -> _Optimum:
        """The optimum under the present bounds. Raises ConflictError."""
        relaxation = self.program.tighten()
        if relaxation.infeasible or relaxation.values is None:
            raise ConflictError(self.rows)
        values, bound = np.round(relaxation.values), relaxation.bound
        if not is_integral(relaxation.values):
            repaired = repair(self.program.block, relaxation, self._settings, _FOREVER_S)
            if repaired.values is None:
                raise ConflictError(self.rows)
            values, bound = repaired.values, repaired.bound
        return _Optimum(values > 0.5, float(self.cost @ values), bound)


class Resolver:
    """The optimum of a problem, kept up to date while bounds change. values: (columns,) the optimum.

    Columns that are fixed in `problem` as given (kept detections) may still be rejected; what they put into the rows is
    a constant, which is what keeps blocks small.
    """

    def __init__(self, problem: TrackingProblem, settings: SolverSettings | None = None) -> None:
        """Solve the problem. Raises ConflictError when it has no solution."""
        self.problem = problem = problem.with_bounds(problem.lower.copy(), problem.upper.copy())  # kept up to date
        settings = settings or SolverSettings()
        self._threads = settings.threads or os.cpu_count() or 1
        self._constant = problem.lower == problem.upper
        self._constants = np.flatnonzero(self._constant)
        fixed_on = self._constants[problem.lower[self._constants] == 1]
        rhs_change = constraint_matrix(problem, fixed_on) @ np.ones(len(fixed_on))
        free = np.flatnonzero(~self._constant)
        blocks, _, _ = split_into_blocks(problem, free, rhs_change, settings.batch_rows)
        self._rhs = right_hand_side(problem) - rhs_change
        self._lives = [_Live(block, settings) for block in blocks]
        count = problem.layout.n_columns
        self._block_of, self._place = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
        self._block_of_row = np.full(len(self._rhs), -1, np.int64)
        self._row_place = np.full(len(self._rhs), -1, np.int64)
        for number, block in enumerate(blocks):
            self._block_of[block.columns], self._place[block.columns] = number, np.arange(len(block.columns))
            self._block_of_row[block.rows], self._row_place[block.rows] = number, np.arange(len(block.rows))
        self._alone = np.flatnonzero(self._block_of_row < 0)  # rows that no column may change
        self._check_alone()
        self._optima = self._parallel(lambda number: self._lives[number].solve(), range(len(blocks)))
        self.values = np.zeros(count, bool)
        self.values[self._constants] = self.problem.lower[self._constants]
        for live, optimum in zip(self._lives, self._optima, strict=True):
            self.values[live.columns] = optimum.values

    @property
    def objective(self) -> float:
        """Cost of the optimum."""
        return self._constant_cost() + sum(optimum.objective for optimum in self._optima)

    @property
    def bound(self) -> float:
        """Proven lower bound."""
        return self._constant_cost() + sum(optimum.bound for optimum in self._optima)

    def rebind(self, columns: NDArray[np.int64], lower: NDArray[np.int8], upper: NDArray[np.int8]) -> None:
        """Change the bounds of some columns (sorted, each once) and re-solve the blocks they touch.

        Raises ConflictError. Whatever is raised, nothing has changed then.
        """
        problem = self.problem
        before = problem.lower[columns], problem.upper[columns]
        touched = self._set_bounds(columns, lower, upper)
        try:
            if np.any(lower > upper):
                wrong = columns[lower > upper]
                raise ConflictError(np.unique(constraint_matrix(problem, wrong).indices).astype(np.int64))
            self._check_alone()
            found = self._parallel(lambda number: self._lives[number].solve(), touched)
        except BaseException:  # Ctrl-C and failing solvers as well: what is half done would be taken for solved
            self._set_bounds(columns, *before)
            raise
        for number, optimum in zip(touched, found, strict=True):
            self._optima[number] = optimum
            self.values[self._lives[number].columns] = optimum.values
        constant = columns[self._constant[columns]]
        self.values[constant] = problem.lower[constant]

    def cost_of(self, choices: list[tuple[NDArray[np.int64], int]]) -> NDArray[np.float64]:
        """(K,) how much dearer the optimum were under each choice alone: columns of one block fixed at 0 or 1.

        Infinite where no lineage is left. Blocks are worked on in parallel.
        """
        costs = np.full(len(choices), np.inf)
        blocks = np.array([self._block_of[columns[0]] if len(columns) else -1 for columns, _ in choices])

        def work(number: int) -> None:
            for index in np.flatnonzero(blocks == number):
                columns, value = choices[index]
                costs[index] = self._cost_of(int(number), columns, value)

        self._parallel(work, [int(number) for number in np.unique(blocks) if number >= 0])
        return costs

    def _cost_of(self, number: int, columns: NDArray[np.int64], value: int) -> float:
        live, place = self._lives[number], self._place[columns]
        lower, upper = self.problem.lower[columns], self.problem.upper[columns]
        if np.any((value < lower) | (value > upper)):
            return float("inf")
        fixed = np.full(len(columns), value, np.int8)
        live.program.set_bounds(place, fixed, fixed)
        try:
            return max(0.0, live.solve().objective - self._optima[number].objective)
        except ConflictError:
            return float("inf")
        finally:
            live.program.set_bounds(place, lower, upper)

    def _set_bounds(self, columns: NDArray[np.int64], lower: NDArray[np.int8], upper: NDArray[np.int8]) -> list[int]:
        """Hand bounds to the programs; returns the blocks that are touched."""
        problem, constant = self.problem, self._constant[columns]
        touched = set(self._add_constants(columns[constant], lower[constant] - problem.lower[columns[constant]]))
        problem.lower[columns], problem.upper[columns] = lower, upper
        moving = columns[~constant]
        for number in np.unique(self._block_of[moving]).tolist():
            own = moving[self._block_of[moving] == number]
            # A contradiction is reported by the caller; the program must not see it.
            least = np.minimum(problem.lower[own], problem.upper[own])
            self._lives[number].program.set_bounds(self._place[own], least, problem.upper[own])
            touched.add(number)
        return sorted(touched)

    def _add_constants(self, columns: NDArray[np.int64], change: NDArray[np.int8]) -> list[int]:
        """Move values of constant columns into the right-hand sides; returns the blocks that are touched."""
        columns, change = columns[change != 0], change[change != 0]
        if not len(columns):
            return []
        matrix = constraint_matrix(self.problem, columns)
        rows = np.unique(matrix.indices)
        self._rhs -= matrix @ change.astype(np.float64)
        touched = np.unique(self._block_of_row[rows])
        touched = touched[touched >= 0]
        for number in touched.tolist():
            own = rows[self._block_of_row[rows] == number]
            self._lives[number].program.set_rhs(self._row_place[own], self._rhs[own])
        return [int(number) for number in touched]

    def _check_alone(self) -> None:
        left = self._rhs[self._alone]
        broken = self._alone[np.where(self._alone < n_equalities(self.problem), left != 0, left < 0)]
        if len(broken):
            raise ConflictError(broken)

    def _constant_cost(self) -> float:
        return float(self.problem.cost[self._constants] @ self.problem.lower[self._constants])

    def _parallel(self, work: Callable[[int], _Result], numbers: Iterable[int]) -> list[_Result]:
        todo = list(numbers)
        if self._threads == 1 or len(todo) < 2:
            return [work(number) for number in todo]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(work, todo))


class PinnedResolver(Resolver):
    """The optimum of a problem without pins, kept up to date under changing pins."""

    def __init__(self, problem: TrackingProblem, settings: SolverSettings | None = None) -> None:
        """Solve without pins. Raises ConflictError when even then there is no solution."""
        super().__init__(problem, settings)
        self._pinned = PinnedBounds(problem)

    def follow(self, pins: PinArrays, closed: NDArray[np.int64]) -> None:
        """Re-solve under exactly these pins, without the `closed` link and division columns.

        Every link and division that a true pin demands must be a candidate; pairs that pins forbid (split model) must
        be forbidden in the problem already. Raises ConflictError. Whatever is raised, nothing has changed then.
        """
        pinned = self._pinned
        before = pinned.pins, pinned.closed
        columns = pinned.move(pins, closed)
        try:
            self.rebind(columns, pinned.lower[columns], pinned.upper[columns])
        except BaseException:
            pinned.move(*before)
            raise
