"""The order of play for a motile model: as a flow where it is one, as rows where it is none, else part by part."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ilpy
import motile
import numpy as np
from motile.variables import NodeSelected
from numpy.typing import NDArray

from tracker.errors import NoSolutionError, first_five
from tracker.ilp.backends import Backend, SolverSettings
from tracker.ilp.problem import TrackingProblem, proves_optimal, relative_gap
from tracker.ilp.solve import InfeasibleProblemError, solve
from tracker.motile.blame import NoSelectionWarning, blame_flow, blame_rows, warn_of
from tracker.motile.flow import FlowProgram, fits, to_flow
from tracker.motile.meaning import values_of
from tracker.motile.mixed import Parts, idle, split_parts
from tracker.motile.model import Model, read_model
from tracker.motile.program import solve_program
from tracker.motile.tight_rows import to_program

if TYPE_CHECKING:
    from tracker.motile.solver import Solver

__all__ = ["Certificate", "NoSelectionWarning", "solve_model"]

_BACKENDS: dict[ilpy.Preference, Backend] = {
    ilpy.Preference.Any: "highs",
    ilpy.Preference.Scip: "scip",
    ilpy.Preference.Gurobi: "gurobi",
    ilpy.Preference.GurobiRestricted: "gurobi",
    ilpy.Preference.CuOpt: "cuopt",
}
_Log = Callable[[str], None]
_Event = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Certificate:
    """What was proven.

    objective, bound: the solution costs the one, no selection costs less than the other.   route: "flow", "rows" for
    one integer program of all rows, "flow and rows" where only some parts needed that, "motile" for its own solver.
    proof: see `tracker.ilp.problem.Solution`.   reasons: what kept the model from being a flow, empty if it is one.
    counts, seconds: how large, how long.
    """

    objective: float
    bound: float
    route: str
    proof: str
    reasons: tuple[str, ...]
    counts: dict[str, int]
    seconds: dict[str, float]

    @property
    def gap(self) -> float:
        """(objective - bound) / max(1, |objective|), never negative."""
        return relative_gap(self.objective, self.bound)


@dataclass
class _Found:
    """Selected nodes and edges, values of variables that are not motile's, and what was proven."""

    nodes: NDArray[np.bool_]
    edges: NDArray[np.bool_]
    others: NDArray[np.float64]
    bound: float = 0.0
    proof: str = "integral LP"
    parts: int = 0
    proven: bool = True


def solve_model(
    solver: "Solver",
    timeout_s: float,
    threads: int,
    backend: ilpy.Preference,
    on_event: _Event | None,
    log: _Log,
) -> tuple[ilpy.Solution, Certificate | None]:
    """The solution in motile's variables, and its certificate; see `Solver.solve`."""
    clock = time.perf_counter()
    limit_s = timeout_s if timeout_s > 0 else np.inf
    settings = SolverSettings(backend=_BACKENDS[backend], time_limit_s=limit_s, threads=max(1, threads))
    costs, model = solver.costs, read_model(solver)
    if model.quadratic:
        log(f"rows of {first_five(dict.fromkeys(model.quadratic))} are not linear: motile solves this model itself")
        return motile.Solver.solve(solver, timeout_s, threads, False, backend, on_event), None
    reasons = _reasons(model)
    used = _used(model)
    flow = to_flow(model, costs, used) if fits(model) else None
    if flow is not None:
        reasons += [f"{pin.who}, a sum of several columns," for pin in flow.left]
    for reason in reasons:
        log(f"{reason} is no part of a flow: dominance, components and cuts are switched off where it reaches")
    if on_event is not None:
        on_event(_event("PRESOLVEROUND", clock, nbinvars=model.n_variables, nativeconss=len(model.rows.low)))
    try:
        if flow is not None and not reasons:
            route, found = "flow", _solve_flow(flow, flow.problem, settings)
        else:
            parts = None if flow is None else split_parts(flow)
            route, found = _solve_parts(model, flow, parts, costs, settings, clock + limit_s)
    except _NoAnswerError as error:
        warn_of(str(error), error.status)
        zeros = [0.0] * model.n_variables
        return ilpy.Solution(zeros, 0.0, error.status, time.perf_counter() - clock, str(error)), None
    found.nodes |= idle(model, costs)[0]
    values = values_of(model, found.nodes, found.edges) + found.others
    objective = float(costs @ values)
    proven = found.proven and proves_optimal(found.bound, objective)
    seconds = time.perf_counter() - clock
    certificate = Certificate(
        objective=objective,
        bound=min(found.bound, objective),
        route=route,
        proof=found.proof if proven else "none",
        reasons=tuple(reasons),
        counts={"variables": model.n_variables, "parts": found.parts},
        seconds={"solve": seconds},
    )
    if on_event is not None:
        bounds = {"primalbound": objective, "dualbound": certificate.bound, "gap": certificate.gap}
        on_event(_event("BESTSOLFOUND", clock, **bounds))
    log(f"solved as {route}: objective {objective:.6g}, gap {certificate.gap:.1e}, {seconds:.2f} s")
    status = ilpy.SolverStatus.OPTIMAL if proven else ilpy.SolverStatus.TIMELIMIT
    return ilpy.Solution(values.tolist(), objective, status, seconds, certificate.proof), certificate


class _NoAnswerError(Exception):
    """No selection: the message, and the status that goes with it."""

    def __init__(self, message: str, status: ilpy.SolverStatus) -> None:
        super().__init__(message)
        self.status = status


def _reasons(model: Model) -> list[str]:
    """What is no part of a flow."""
    found = [f"the constraint {name}" for name in dict.fromkeys(model.rows.sources)]
    found = [name for name in found if name.removeprefix("the constraint ") not in model.custom_kinds]
    found += [f"the variable {name}" for name in model.custom_kinds]
    if model.max_parents > 1:
        found.append(f"a node with up to {model.max_parents} parents (no MaxParents(1))")
    if model.max_children > 2:
        found.append(f"a node with up to {model.max_children} children (no MaxChildren(2))")
    return found


def _used(model: Model) -> NDArray[np.bool_]:
    """(variables,) that pins or rows of others speak of."""
    used = np.zeros(model.n_variables, bool)
    used[model.rows.matrix.indices] = True
    used[[pin.variable for pin in model.pins]] = True
    return used


def _solve_flow(flow: FlowProgram, problem: TrackingProblem, settings: SolverSettings) -> _Found:
    try:
        solution = solve(problem, settings)
    except InfeasibleProblemError as error:
        raise _NoAnswerError(blame_flow(flow, error, settings), ilpy.SolverStatus.INFEASIBLE) from error
    except NoSolutionError as error:
        raise _NoAnswerError(_OUT_OF_TIME, ilpy.SolverStatus.TIMELIMIT) from error
    nodes, edges = flow.selected(solution.values)
    return _Found(
        nodes,
        edges,
        np.zeros(flow.model.n_variables),
        solution.bound,
        solution.proof,
        solution.counts["components"],
        solution.status == "optimal",
    )


_OUT_OF_TIME = "no selection was found within the time given: raise the timeout of solve, or remove pins"


def _solve_parts(
    model: Model,
    flow: FlowProgram | None,
    parts: Parts | None,
    costs: NDArray[np.float64],
    settings: SolverSettings,
    deadline: float,
) -> tuple[str, _Found]:
    """Parts that others' rows reach as rows; the rest, where the model is a flow otherwise, as a flow."""
    if parts is None:
        parts = Parts(np.ones(model.n_nodes, bool), ~idle(model, costs)[1], None)
    tight = to_program(model, costs, parts.nodes, parts.edges)
    result = solve_program(tight.program, settings, deadline)
    if result.status == "infeasible":
        raise _NoAnswerError(blame_rows(model, parts, costs, result, settings), ilpy.SolverStatus.INFEASIBLE)
    if result.status == "unbounded":
        message = "the cost falls without limit: give variables that are not binary costs or rows that bound them"
        raise _NoAnswerError(message, ilpy.SolverStatus.UNBOUNDED)
    if result.values is None:
        raise _NoAnswerError(_OUT_OF_TIME, ilpy.SolverStatus.TIMELIMIT)
    here = tight.columns >= 0
    values = np.zeros(model.n_variables)
    values[here] = result.values[tight.columns[here]]
    found = _Found(
        nodes=_flags(model, NodeSelected, values),
        edges=_flags(model, motile.variables.EdgeSelected, values),
        others=np.where(model.custom, values, 0.0),
        bound=result.bound,
        proof="MIP",
        parts=result.parts,
        proven=result.status == "optimal",
    )
    if flow is None or parts.rest is None:
        return "rows", found
    rest = _solve_flow(flow, parts.rest, settings)
    found.nodes |= rest.nodes
    found.edges |= rest.edges
    found.bound += rest.bound
    found.parts += rest.parts
    found.proven &= rest.proven
    return "flow and rows", found


def _flags(model: Model, kind: Any, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    if kind not in model.starts:
        return np.zeros(model.count(kind), bool)
    return values[model.variables(kind)] > 0.5


def _event(name: str, clock: float, **details: float) -> dict[str, Any]:
    return {"event_type": name, "backend": "pintrack", "runtime": time.perf_counter() - clock, **details}
