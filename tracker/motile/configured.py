"""A run whose config names classes written for motile, or asks for motile itself as the solver."""

import contextlib
import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import ilpy
import motile
import numpy as np
from motile.constraints import Constraint
from motile.costs import Cost
from motile.variables import EdgeSelected, NodeSelected
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tracker.config import Config
from tracker.config_motile import MotileTerm
from tracker.errors import ConfigError, NoSolutionError, PinConflictError, first_five
from tracker.ilp.bounds import apply_pins
from tracker.ilp.problem import Solution, TrackingProblem, find_links
from tracker.ilp.rows import right_hand_side
from tracker.motile.blame import NoSelectionWarning
from tracker.motile.convert import to_motile
from tracker.motile.solver import Solver
from tracker.motile.vocabulary import index_map
from tracker.prepare import Prepared

log = logging.getLogger(__name__)


def solve_as_motile(config: Config, prepared: Prepared) -> tuple[TrackingProblem, Solution]:
    """The problem under its pins, and the lineage of least cost once the user's costs and constraints are added.

    With solver.engine = "motile" motile and its SCIP solve, else `tracker.motile.Solver`. There are no duals, so that
    margins are unknown. Objective and bound hold the user's costs, which `problem` does not know.
    Raises ConfigError for classes that cannot be used, PinConflictError and NoSolutionError where there is no lineage.
    """
    by_motile = config.solver.engine == "motile"
    if by_motile and min(prepared.costs.appear.min(initial=0), prepared.costs.disappear.min(initial=0)) < 0:
        raise ConfigError(
            'solver.engine = "motile" needs costs of appearing and disappearing of 0 or more: its indicators may be 1 '
            'where nobody does. Raise them, or use engine = "flow"'
        )
    solver = to_motile(
        prepared.graph,
        prepared.costs,
        prepared.pins,
        keep=config.costs.detection == "keep",
        soft_weight=config.annotations.soft_weight,
        solver_class=motile.Solver if by_motile else Solver,
    )
    for number, term in enumerate(config.costs.motile):
        _add(solver, term, f"{term.motile} {number}", config.path("."))
    settings = config.solver
    limit_s = settings.time_limit_s if np.isfinite(settings.time_limit_s) else 0.0
    backend = ilpy.Preference.Scip if by_motile else ilpy.Preference.Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSelectionWarning)  # it becomes an error here
        found = solver.solve(timeout=limit_s, num_threads=max(1, settings.threads), backend=backend)
    if found.status in (ilpy.SolverStatus.INFEASIBLE, ilpy.SolverStatus.INF_OR_UNBOUNDED):
        raise PinConflictError(
            str(found.native_status) if isinstance(solver, Solver) else "motile finds no lineage that honours all pins"
        )
    chosen = np.asarray(found.variable_values) > 0.5
    nothing = config.costs.detection == "keep" and not chosen.any() and len(prepared.graph.detections) > 0
    if nothing or found.status not in (ilpy.SolverStatus.OPTIMAL, ilpy.SolverStatus.TIMELIMIT):
        raise NoSolutionError(f"no lineage was found; the solver ended with {found.status.value!r}. Give it more time")
    return _as_solution(config, prepared, solver, found, chosen)


def _add(solver: motile.Solver, term: MotileTerm, name: str, folder: Path) -> None:
    module_name, class_name = term.motile.split(":")
    with _importable(folder):
        try:
            made = getattr(importlib.import_module(module_name), class_name)
        except ImportError as error:
            raise ConfigError(
                f'costs.terms: motile = "{term.motile}" cannot be imported: {error}. Modules are looked for among the '
                f"installed packages and in {folder}"
            ) from error
        except AttributeError as error:
            raise ConfigError(f'costs.terms: motile = "{term.motile}": the module has no {class_name}') from error
    if not (isinstance(made, type) and issubclass(made, Cost | Constraint)):
        raise ConfigError(f'costs.terms: motile = "{term.motile}" must be a class of motile costs or constraints')
    try:
        part = made(**term.arguments)
    except TypeError as error:
        given = first_five(term.arguments) or "no arguments"
        raise ConfigError(
            f'costs.terms: motile = "{term.motile}" does not take {given}: {error}. Keys of the term are its arguments'
        ) from error
    if isinstance(part, Cost):
        solver.add_cost(part, name)
    else:
        solver.add_constraint(part)


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules in a folder can be imported."""
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)


def _as_solution(
    config: Config, prepared: Prepared, solver: motile.Solver, found: ilpy.Solution, chosen: NDArray[np.bool_]
) -> tuple[TrackingProblem, Solution]:
    problem = prepared.problem
    if prepared.pins is not None:
        problem = apply_pins(problem, prepared.pins.hard)
    nodes = [row for row, index in index_map(solver.get_variables(NodeSelected)).items() if chosen[index]]
    edges = [edge for edge, index in index_map(solver.get_variables(EdgeSelected)).items() if chosen[index]]
    values = columns_of(problem, np.array(nodes, np.int64), np.array(edges, np.int64).reshape(-1, 2))
    certificate = solver.certificate if isinstance(solver, Solver) else None
    # By the values themselves: variables of the user's own need not be 0 or 1.
    objective = float(np.asarray(solver.costs, np.float64) @ np.asarray(found.variable_values, np.float64))
    optimal = found.status is ilpy.SolverStatus.OPTIMAL
    bound = certificate.bound if certificate is not None else objective if optimal else -np.inf
    unknown = np.full(len(right_hand_side(problem)), np.nan)
    counts = {"components": 0 if certificate is None else certificate.counts["parts"], "rows": len(unknown)}
    counts |= {"columns": problem.layout.n_columns, "free_columns": solver.num_variables, "unsolved_blocks": 0}
    return problem, Solution(
        values=values,
        objective=objective,
        bound=bound,
        status="optimal" if optimal else "feasible",
        proof=certificate.proof if certificate is not None else f"{config.solver.engine}: SCIP",
        duals=unknown,
        cuts=csr_array((0, problem.layout.n_columns)),
        cut_duals=np.empty(0),
        clusters=(),
        slack=unknown,
        seconds={"solve": float(found.time)},
        counts=counts,
    )


def columns_of(problem: TrackingProblem, nodes: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(columns,) of a lineage with some detections (K,) and links (L, 2), two of a parent being its division."""
    layout, count = problem.layout, problem.n_detections
    values = np.zeros(layout.n_columns, bool)
    n_children = np.bincount(edges[:, 0], minlength=count)
    n_parents = np.bincount(edges[:, 1], minlength=count)
    values[nodes] = True
    values[layout.appear][nodes[n_parents[nodes] == 0]] = True
    values[layout.disappear][nodes[n_children[nodes] == 0]] = True
    if problem.split:
        values[layout.splits][n_children == 2] = True
        single = edges
    else:
        single = edges[n_children[edges[:, 0]] == 1]
        key = {tuple(edge) for edge in edges.tolist()}
        own = np.flatnonzero(n_children[problem.divisions[:, 0]] == 2) if len(problem.divisions) else np.empty(0, int)
        held = [(u, v) in key and (u, w) in key for u, v, w in problem.divisions[own].tolist()]
        values[layout.division.start + own[np.array(held, bool)]] = True
    place = find_links(problem.links, single[:, [0, 1, 1]])[:, 0]
    values[layout.link.start + place] = True
    return values
