"""Why there is no solution: pins that cannot hold together, named as their author named them."""

import warnings
from dataclasses import replace

import ilpy
import numpy as np
from numpy.typing import NDArray

from tracker.errors import first_five
from tracker.ilp.backends import SolverSettings
from tracker.ilp.conflict import quick_explain, smallest_conflict
from tracker.ilp.solve import InfeasibleProblemError
from tracker.motile.flow import FlowProgram
from tracker.motile.mixed import Parts
from tracker.motile.model import Model, Pin
from tracker.motile.program import Program, ProgramResult, solve_program
from tracker.motile.tight_rows import to_program

_Ints = NDArray[np.int64]


class NoSelectionWarning(UserWarning):
    """`solve` found no selection; its status is not OPTIMAL, and its values mean nothing."""


def warn_of(message: str, status: ilpy.SolverStatus) -> None:
    """Say aloud that there is no selection."""
    warnings.warn(f"{status.name}: {message}", NoSelectionWarning, stacklevel=4)


def blame_flow(flow: FlowProgram, error: InfeasibleProblemError, settings: SolverSettings) -> str:
    """Which pins make a flow impossible."""
    guilty: list[Pin] = []
    if len(flow.pins):
        found = smallest_conflict(
            flow.free, flow.subset, flow.rows, error.program_rows, replace(settings, backend="highs")
        )
        guilty = [flow.pins[number] for number in found.tolist()]
    nodes = [flow.model.names[row] for row in error.rows[:5].tolist()]
    return _sentence(guilty, [], nodes)


def blame_rows(
    model: Model, parts: Parts, costs: NDArray[np.float64], result: ProgramResult, settings: SolverSettings
) -> str:
    """Which pins make the rows impossible, together with which constraints of others."""
    tight = to_program(model, costs, parts.nodes, parts.edges)
    guilty_columns = np.zeros(len(tight.program.cost), bool)
    guilty_columns[result.infeasible] = True
    suspects = [
        pin for pin in model.pins if tight.columns[pin.variable] >= 0 and guilty_columns[tight.columns[pin.variable]]
    ]

    def holds(chosen: _Ints) -> bool:
        pins = [suspects[number] for number in chosen.tolist()]
        program = to_program(replace(model, pins=pins), costs, parts.nodes, parts.edges).program
        return solve_program(_without_costs(program), settings, np.inf).status != "infeasible"

    nothing = np.empty(0, np.int64)
    found = quick_explain(holds, np.arange(len(suspects))) if suspects and holds(nothing) else nothing
    present = np.flatnonzero(tight.columns >= 0)
    here = present[guilty_columns[tight.columns[present]]]
    involved = abs(model.rows.matrix)[:, here].sum(axis=1) > 0
    without = np.diff(model.rows.matrix.indptr) == 0  # rows of no variable: true or false whatever is chosen
    involved |= without & ((model.rows.low > 0) | (model.rows.high < 0))
    sources = dict.fromkeys(name for name, own in zip(model.rows.sources, involved.tolist(), strict=True) if own)
    nodes = [model.names[row] for row in model.nodes_of(here)[:5].tolist()]
    return _sentence([suspects[number] for number in found.tolist()], list(sources), nodes)


def _without_costs(program: Program) -> Program:
    return replace(program, cost=np.zeros(len(program.cost)))


def _sentence(guilty: list[Pin], sources: list[str], nodes: list[object]) -> str:
    others = f" (rows of {first_five(sources)} are at work there, too)" if sources else ""
    if not guilty:
        around = f"; the contradiction lies around the nodes {first_five(map(repr, nodes))}" if nodes else ""
        return (
            f"no selection of nodes and edges satisfies the constraints, whatever the pins say{around}{others}. "
            "Relax one of the constraints"
        )
    named = ", ".join(pin.who for pin in guilty)
    return (
        f"these pins cannot hold together: {named}{others}. No selection of nodes and edges "
        "honours them. Correct or remove one"
    )
