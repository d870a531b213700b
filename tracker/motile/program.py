"""A sparse integer program put together row by row family, and solved component by component by HiGHS."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from tracker.ilp.backends import STOPPED, SolverSettings, new_highs, solver_failed
from tracker.ilp.reduce import batches, row_components

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]
Term = tuple[_Ints, _Ints, float]  # rows (counted from the first of the family), columns, coefficient
_STATUS = highspy.HighsModelStatus
_UNBOUNDED = (_STATUS.kUnbounded, _STATUS.kUnboundedOrInfeasible)


@dataclass
class RowFamilies:
    """Rows low <= sum of terms <= high, gathered family by family."""

    rows: list[_Ints] = field(default_factory=list)
    columns: list[_Ints] = field(default_factory=list)
    values: list[_Floats] = field(default_factory=list)
    low: list[_Floats] = field(default_factory=list)
    high: list[_Floats] = field(default_factory=list)
    count: int = 0

    def add(self, n_rows: int, terms: Sequence[Term], low: float | _Floats, high: float | _Floats) -> None:
        """A family of `n_rows` rows; terms of the same row and column add up."""
        for row, column, coefficient in terms:
            self.rows.append(np.asarray(row) + self.count)
            self.columns.append(np.asarray(column))
            self.values.append(np.full(len(row), coefficient, float))
        self.low.append(np.broadcast_to(np.asarray(low, float), n_rows))
        self.high.append(np.broadcast_to(np.asarray(high, float), n_rows))
        self.count += n_rows


@dataclass(frozen=True)
class Program:
    """Minimise cost @ x, low <= matrix @ x <= high, lower <= x <= upper, x whole where `integer`."""

    cost: _Floats
    matrix: csc_array
    low: _Floats
    high: _Floats
    lower: _Floats
    upper: _Floats
    integer: NDArray[np.bool_]


@dataclass(frozen=True)
class ProgramResult:
    """What solving a program gave.

    values: None where none was found.   bound: proven.   status: "optimal", "feasible", "infeasible", "unbounded",
    "nothing" (no time).   parts: components.   infeasible: columns of the parts that have no solution.
    """

    values: _Floats | None
    bound: float
    status: str
    parts: int
    infeasible: _Ints


def make_program(
    families: RowFamilies, cost: _Floats, lower: _Floats, upper: _Floats, integer: NDArray[np.bool_]
) -> Program:
    """The rows gathered so far over len(cost) columns."""
    rows, columns = (np.concatenate([np.empty(0, np.int64), *parts]) for parts in (families.rows, families.columns))
    values = np.concatenate([np.empty(0), *families.values])
    matrix = csc_array(coo_array((values, (rows, columns)), (families.count, len(cost))))
    low, high = (np.concatenate([np.empty(0), *parts]) for parts in (families.low, families.high))
    return Program(cost, matrix, low, high, lower, upper, integer)


def solve_program(program: Program, settings: SolverSettings, deadline: float) -> ProgramResult:
    """Every independent part of a program, small ones together."""
    if not len(program.low):
        values, bound, status = _alone(program, np.arange(len(program.cost)))
        return ProgramResult(values if status == "optimal" else None, bound, status, 0, np.arange(len(program.cost)))
    component = row_components(program.matrix)
    width = np.diff(program.matrix.indptr)
    alone = np.flatnonzero(width == 0)
    values, bound, status = _alone(program, alone)
    touched = np.flatnonzero(width > 0)
    column_component = component[program.matrix.indices[program.matrix.indptr[:-1][touched]]]
    names, size = np.unique(component, return_counts=True)
    batch = batches(size, settings.batch_rows)[np.searchsorted(names, column_component)]
    row_batch = batches(size, settings.batch_rows)[np.searchsorted(names, component)]
    parts = [(touched[batch == one], np.flatnonzero(row_batch == one)) for one in np.unique(row_batch)]
    with ThreadPoolExecutor(settings.threads or 1) as pool:
        results = list(pool.map(lambda part: _solve_part(program, part[0], part[1], settings, deadline), parts))
    infeasible = [alone[program.lower[alone] > program.upper[alone]]]
    order = ("optimal", "feasible", "nothing", "unbounded", "infeasible")
    for (columns, _), result in zip(parts, results, strict=True):
        status = max(status, result.status, key=order.index)
        bound += result.bound
        if result.values is not None:
            values[columns] = result.values
        if result.status == "infeasible":
            infeasible.append(columns)
    found = values if status in ("optimal", "feasible") else None
    return ProgramResult(found, bound, status, len(names), np.concatenate(infeasible))


def _alone(program: Program, columns: _Ints) -> tuple[_Floats, float, str]:
    """Columns in no row go where they are cheapest; those without a cost as near to 0 as they may."""
    values = np.zeros(len(program.cost))
    low, high, cost = program.lower[columns], program.upper[columns], program.cost[columns]
    best = np.where(cost > 0, low, np.where(cost < 0, high, np.clip(0.0, low, high)))
    if np.any(low > high):
        return values, np.inf, "infeasible"
    if not np.isfinite(best).all():
        return values, -np.inf, "unbounded"
    values[columns] = best
    return values, float(cost @ best), "optimal"


def _solve_part(
    program: Program, columns: _Ints, rows: _Ints, settings: SolverSettings, deadline: float
) -> ProgramResult:
    lower, upper = program.lower[columns], program.upper[columns]
    everything = np.arange(len(columns))
    if np.any(lower > upper) or (not len(columns) and np.any((program.low[rows] > 0) | (program.high[rows] < 0))):
        return ProgramResult(None, np.inf, "infeasible", 1, everything)
    if not len(columns):
        return ProgramResult(np.empty(0), 0.0, "optimal", 1, everything)
    highs = new_highs(settings, deadline)
    highs.setOptionValue("mip_rel_gap", settings.gap)
    highs.setOptionValue("mip_abs_gap", 0.0)
    matrix = csc_array(program.matrix[:, columns].tocsr()[rows].tocsc())
    whole = program.integer[columns]
    kinds = np.where(whole, int(highspy.HighsVarType.kInteger), int(highspy.HighsVarType.kContinuous))
    highs.passModel(
        len(columns),
        len(rows),
        matrix.nnz,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost[columns],
        np.maximum(lower, -highspy.kHighsInf),
        np.minimum(upper, highspy.kHighsInf),
        np.maximum(program.low[rows], -highspy.kHighsInf),
        np.minimum(program.high[rows], highspy.kHighsInf),
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        kinds.astype(np.int32),
    )
    if time.perf_counter() >= deadline:
        return ProgramResult(None, -np.inf, "nothing", 1, everything)
    highs.run()
    status, info = highs.getModelStatus(), highs.getInfo()
    if status == _STATUS.kInfeasible:
        return ProgramResult(None, np.inf, "infeasible", 1, everything)
    if status in _UNBOUNDED:
        # Both are reported by presolve; without costs only the one remains.
        bounded = ProgramResult(None, -np.inf, "unbounded", 1, everything)
        if not program.cost[columns].any():
            return ProgramResult(None, np.inf, "infeasible", 1, everything)
        free = Program(
            program.cost * 0, program.matrix, program.low, program.high, program.lower, program.upper, program.integer
        )
        without = _solve_part(free, columns, rows, settings, deadline)
        return without if without.status == "infeasible" else bounded
    if status not in (_STATUS.kOptimal, *STOPPED):
        raise solver_failed(highs)
    bound = float(info.mip_dual_bound if whole.any() else info.objective_function_value)
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return ProgramResult(None, bound, "nothing", 1, everything)
    values = np.array(highs.getSolution().col_value)
    values[whole] = np.round(values[whole])
    return ProgramResult(values, bound, "optimal" if status == _STATUS.kOptimal else "feasible", 1, everything)
