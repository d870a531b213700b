"""Annotations in the solve: candidates they demand, bounds for what is certain, costs for what is likely."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.added_candidates import add_candidates
from tracker.candidates import CandidateGraph
from tracker.errors import ConfigError, PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins, find_divisions
from tracker.ilp.conflict import smallest_conflict
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import Solution, TrackingProblem, find_links
from tracker.ilp.solve import InfeasibleProblemError, solve
from tracker.pin_checks import ResolvedPins
from tracker.pin_table import KINDS

_CODE = {kind: number for number, kind in enumerate(KINDS)}


def with_demanded(graph: CandidateGraph, pins: ResolvedPins, *, pairs: bool) -> CandidateGraph:
    """The graph with every link and division that a true pin, certain or likely, speaks of.

    pairs: divisions are candidates of their own (candidates.divisions = "pair").
    Raises ConfigError for a division pinned where divisions are switched off altogether; see `check_divisions`.
    """
    links, divisions = demanded_rows(pins)
    return add_candidates(graph, links, divisions, pairs=pairs)


def demanded_rows(pins: ResolvedPins) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(K, 2) links and (M, 3) divisions, rows of the detections, that true pins, certain or likely, speak of."""
    used = np.union1d(np.concatenate([*pins.sources.values(), np.empty(0, np.int64)]), pins.soft).astype(np.int64)
    kind, rows = pins.table.kind[used], pins.rows[used]
    true = pins.table.value[used]
    n_children = (rows[:, 1:] >= 0).sum(axis=1)
    link = true & (((kind == _CODE["link"]) | (kind == _CODE["children"])) & (n_children == 1))
    division = true & (((kind == _CODE["division"]) | (kind == _CODE["children"])) & (n_children == 2))
    child = rows[:, 1:].max(axis=1)
    return np.column_stack([rows[:, 0], child])[link], rows[division]


def check_divisions(pins: ResolvedPins, divisions: str) -> None:
    """Raise ConfigError when pins divide cells and candidates.divisions = "none"."""
    two = (pins.rows[:, 2] >= 0) & pins.table.value
    if divisions == "none" and two.any():
        first = int(np.flatnonzero(two)[0])
        raise ConfigError(
            f'{pins.table.describe(first)}, but candidates.divisions = "none" allows no division. '
            'Set it to "pair" or "split", or remove the pin'
        )


def with_soft_pins(problem: TrackingProblem, pins: ResolvedPins, weight: float) -> TrackingProblem:
    """The problem with likely pins as costs: weight * log(p / (1 - p)) off each column that makes the pin true.

    A pin that says false, with confidence p, is one that says true with 1 - p. Columns: the detection; the link and
    every division that holds it; the division; the appearance; the disappearance; for `children` the way out that it
    names. Raises ConfigError in the split model for divisions and pairs of children, which are no single column there.
    """
    if not len(pins.soft):
        return problem
    layout, cost = problem.layout, problem.cost.copy()
    for pin in pins.soft.tolist():
        kind = KINDS[pins.table.kind[pin]]
        own, one, other = pins.rows[pin].tolist()
        p = float(pins.table.confidence[pin])
        odds = weight * float(np.log(p) - np.log1p(-p))
        price = -odds if pins.table.value[pin] else odds
        if problem.split and other >= 0:
            raise ConfigError(
                f'{pins.table.describe(pin)} with a confidence, which needs candidates.divisions = "pair". '
                "Make the pin certain, or change the config"
            )
        if kind == "children":
            kind = "disappear" if one < 0 and other < 0 else "division" if other >= 0 and one >= 0 else "only link"
        single = max(one, other)
        if kind == "detection":
            cost[own] += price
        elif kind in ("appear", "disappear"):
            cost[getattr(layout, kind).start + own] += price
        elif kind == "division":
            place = find_divisions(problem.divisions, np.array([[own, one, other]]))[0]
            if place >= 0:  # a false pin demands no candidate
                cost[layout.division.start + place] += price
        else:
            place = find_links(problem.links, np.array([[own, single, single]]))[0, 0]
            if place >= 0:
                cost[layout.link.start + place] += price
            if kind == "link":
                mother, children = problem.divisions[:, 0], problem.divisions[:, 1:]
                holds = (mother == own) & (children == single).any(axis=1)
                cost[layout.division][holds] += price
    return replace(problem, cost=cost)


def solve_pinned(
    problem: TrackingProblem, pins: ResolvedPins | None, settings: SolverSettings
) -> tuple[TrackingProblem, Solution]:
    """Solve under the certain pins; returns the problem with their bounds, too.

    Raises PinConflictError naming a small set of rows that cannot hold together.
    """
    if pins is None:
        return problem, solve(problem, settings)
    try:
        pinned = apply_pins(problem, pins.hard)
        return pinned, solve(pinned, settings)
    except InfeasibleProblemError as error:
        raise blame(problem, pins, error, settings) from error


def blame(
    problem: TrackingProblem, pins: ResolvedPins, error: InfeasibleProblemError, settings: SolverSettings
) -> PinConflictError:
    """The error that names a small set of rows of pins that cannot hold together. problem: without them."""
    order = np.concatenate([pins.sources[kind] for kind in KINDS])
    names = np.concatenate([np.full(len(pins.sources[kind]), number) for number, kind in enumerate(KINDS)])
    index = np.concatenate([np.arange(len(pins.sources[kind])) for kind in KINDS])

    def subset(chosen: NDArray[np.int64]) -> PinArrays:
        parts = {
            kind: getattr(pins.hard, kind)[index[chosen[names[chosen] == number]]] for number, kind in enumerate(KINDS)
        }
        return PinArrays(**parts)

    guilty = smallest_conflict(problem, subset, pins.rows[order], error.program_rows, settings)
    sentences = ", ".join(pins.table.describe(int(order[pin])) for pin in guilty)
    return PinConflictError(
        f"these pins cannot hold together: {sentences}. Each may be right alone; no lineage honours all of them. "
        "Correct or remove one of the rows"
    )
