"""The solvers behind one door: HiGHS for linear and integer programs, others through ilpy for integer ones."""

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

import highspy
import ilpy
import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, SolverError
from tracker.ilp.block import Block

Backend = Literal["highs", "scip", "gurobi", "cuopt"]
_PREFERENCES = {"scip": ilpy.Preference.Scip, "gurobi": ilpy.Preference.Gurobi, "cuopt": ilpy.Preference.CuOpt}


@dataclass(frozen=True)
class SolverSettings:
    """How to solve.

    backend: "highs" solves linear relaxations first and proves the rest; "scip", "gurobi" and "cuopt" solve
        the integer program of each component as it is, through ilpy.
    gap: relative gap at which an integer program may stop, 0 for the exact optimum.
    time_limit_s: wall-clock seconds for everything.   threads: components solved at once, 0 for all cores.
    seed: passed to HiGHS.   batch_rows: small components are put together into programs of about this many rows.
    cancel: once it is set, linear programs end within about a second, or a third of the steps they have done.
    """

    backend: Backend = "highs"
    gap: float = 0.0
    time_limit_s: float = float("inf")
    threads: int = 0
    seed: int = 0
    batch_rows: int = 400
    cancel: threading.Event = field(default_factory=threading.Event, compare=False)


STOPPED = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt)


@dataclass(frozen=True)
class IntegerResult:
    """What an integer program gave: values (C,) or None if none was found, a lower bound, and how it ended."""

    values: NDArray[np.float64] | None
    bound: float
    infeasible: bool


def new_highs(settings: SolverSettings, deadline: float) -> highspy.Highs:
    """A silent, single-threaded, seeded HiGHS that stops at `deadline` (time.perf_counter seconds)."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    options: dict[str, bool | int | float | str] = {
        "output_flag": False,
        "threads": 1,
        "parallel": "off",
        "random_seed": settings.seed,
        "time_limit": max(0.0, min(deadline - time.perf_counter(), 1e20)),
    }
    for name, value in options.items():
        highs.setOptionValue(name, value)
    return highs


def pass_model(highs: highspy.Highs, block: Block, columns: NDArray[np.int64], *, integer: bool) -> None:
    """Hand the chosen columns of a block to HiGHS as arrays."""
    matrix = block.matrix[:, columns]
    count = len(columns)
    lower, upper = (np.zeros(count), np.ones(count)) if integer else column_bounds(block, columns)
    highs.passModel(
        count,
        len(block.rhs),
        matrix.nnz,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        block.cost[columns],
        lower,
        upper,
        np.where(block.equality, block.rhs, -highspy.kHighsInf),
        block.rhs,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        np.full(count, int(highspy.HighsVarType.kInteger if integer else highspy.HighsVarType.kContinuous), np.int32),
    )


def solver_failed(highs: highspy.Highs) -> SolverError:
    """What to raise when HiGHS neither solved a program nor ran out of time."""
    status = highs.modelStatusToString(highs.getModelStatus())
    return SolverError(
        f"the solver HiGHS ended with {status!r}. Costs that differ by many orders of magnitude can do that: look at "
        'the weights and constants of [costs], or try solver.backend = "scip"'
    )


def column_bounds(block: Block, columns: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of columns in a linear program: above only where the rows do not imply them, which is faster."""
    upper = np.where(block.bounded[columns], 1.0, highspy.kHighsInf)
    return block.lower[columns].astype(np.float64), np.where(block.upper[columns] == 0, 0.0, upper)


def solve_integer(block: Block, columns: NDArray[np.int64], settings: SolverSettings, deadline: float) -> IntegerResult:
    """The cheapest binary values of `columns` (indices into the block, all others 0) by the chosen backend."""
    if settings.backend != "highs":
        return _solve_with_ilpy(block, columns, settings, deadline)
    highs = new_highs(settings, deadline)
    highs.setOptionValue("mip_rel_gap", settings.gap)
    highs.setOptionValue("mip_abs_gap", 0.0)
    pass_model(highs, block, columns, integer=True)
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kSolveError:  # seen once in its presolve
        highs.clearSolver()
        highs.setOptionValue("presolve", "off")
        highs.run()
    status, info = highs.getModelStatus(), highs.getInfo()
    if status == highspy.HighsModelStatus.kInfeasible:
        return IntegerResult(None, np.inf, infeasible=True)
    if status not in (highspy.HighsModelStatus.kOptimal, *STOPPED):
        raise solver_failed(highs)
    values = None
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        values = np.zeros(len(block.cost))
        values[columns] = np.round(highs.getSolution().col_value)
    return IntegerResult(values, float(info.mip_dual_bound), infeasible=False)


def check_backend(backend: Backend) -> None:
    """Raise ConfigError, saying what to install, if the backend cannot be used here."""
    if backend == "highs":
        return
    try:
        ilpy.Solver(1, ilpy.VariableType.Binary, preference=_PREFERENCES[backend])
    except (RuntimeError, ImportError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f'solver.backend = "{backend}" cannot be used here: {reason}. Install it (scip: pyscipopt, gurobi: '
            'gurobipy and a licence, cuopt: cuopt and a CUDA device), or use the default, backend = "highs"'
        ) from error


def _solve_with_ilpy(
    block: Block, columns: NDArray[np.int64], settings: SolverSettings, deadline: float
) -> IntegerResult:
    remaining_s = deadline - time.perf_counter()
    if remaining_s <= 0:
        return IntegerResult(None, -np.inf, infeasible=False)
    solver = ilpy.Solver(len(columns), ilpy.VariableType.Binary, preference=_PREFERENCES[settings.backend])
    objective = ilpy.Objective(len(columns))
    for index, cost in enumerate(block.cost[columns].tolist()):
        objective.set_coefficient(index, cost)
    solver.set_objective(objective)
    rows = block.matrix[:, columns].tocsr()
    constraints = ilpy.Constraints()
    for row in range(rows.shape[0]):
        constraint = ilpy.Constraint()
        for entry in range(rows.indptr[row], rows.indptr[row + 1]):
            constraint.set_coefficient(int(rows.indices[entry]), float(rows.data[entry]))
        constraint.set_relation(ilpy.Relation.Equal if block.equality[row] else ilpy.Relation.LessEqual)
        constraint.set_value(float(block.rhs[row]))
        constraints.add(constraint)
    solver.set_constraints(constraints)
    solver.set_optimality_gap(settings.gap)
    solver.set_num_threads(1)
    if np.isfinite(remaining_s):
        solver.set_timeout(remaining_s)
    solution = solver.solve()
    if solution.status == ilpy.SolverStatus.INFEASIBLE:
        return IntegerResult(None, np.inf, infeasible=True)
    values = np.zeros(len(block.cost))
    values[columns] = np.round(solution.variable_values)
    if len(block.infeasible_rows(values)):  # ilpy hands back zeros when there is no incumbent
        return IntegerResult(None, -np.inf, infeasible=False)
    objective_value = float(block.cost @ values)
    if solution.status != ilpy.SolverStatus.OPTIMAL:
        return IntegerResult(values, -np.inf, infeasible=False)
    # SCIP and Gurobi measure the gap relative to the smaller of the two numbers, or to the objective.
    return IntegerResult(values, objective_value - settings.gap * abs(objective_value), infeasible=False)
