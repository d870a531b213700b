"""Exact margins: what the optimum would cost more if a decision were forbidden, each by re-solving around it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.resolve import Resolver
from tracker.margins import Margins

_Choice = tuple[NDArray[np.int64], int]  # columns, and the value they are fixed at


def exact_margins(
    problem: TrackingProblem, values: NDArray[np.bool_], settings: SolverSettings | None = None
) -> Margins:
    """Margins of an optimal solution `values` (columns,), defined as in margins.py, by re-solving.

    A detection's way out is its link, its division or its end; its way in its link, its division or its appearance
    (split model: its parent or its appearance; "exactly this one child" is forbidden by forbidding the child, or
    demanding a second one). A detection that is not selected is forced in. Re-solves work on living linear programs, a
    few simplex steps each, with as many threads as the settings say.
    """
    layout, count = problem.layout, problem.n_detections
    resolver = Resolver(problem, replace(settings or SolverSettings(), backend="highs", gap=0.0))
    way_out, way_in = _chosen_columns(problem, values)
    choices: list[_Choice] = []
    target: list[tuple[int, int]] = []  # side, detection

    def ask(side: int, row: int, column: int, value: int) -> None:
        choices.append((np.array([column]), value))
        target.append((side, row))

    for row in range(count):
        if not values[row]:
            ask(0, row, row, 1)
            ask(1, row, row, 1)
            continue
        for column in way_out[row]:
            ask(0, row, column, 0)
        if problem.split and len(way_out[row]) == 1 and way_out[row][0] < layout.disappear.start:
            ask(0, row, layout.splits.start + row, 1)
        ask(1, row, way_in[row], 0)
    margins = np.full((2, count), np.inf)
    costs = resolver.cost_of(choices)
    sides, rows = np.array(target, np.int64).reshape(-1, 2).T
    np.minimum.at(margins, (sides, rows), costs)
    return Margins(margins[0], margins[1])


def _chosen_columns(problem: TrackingProblem, values: NDArray[np.bool_]) -> tuple[list[list[int]], NDArray[np.int64]]:
    """Per detection the columns of its way out (two links in a split model's division) and the column of its way in."""
    layout, count = problem.layout, problem.n_detections
    out: list[list[int]] = [[] for _ in range(count)]
    into = np.full(count, -1, np.int64)
    links = np.flatnonzero(values[layout.link])
    divisions = np.flatnonzero(values[layout.division])
    ends = np.flatnonzero(values[layout.disappear])
    for family, rows, columns in (
        (layout.link, problem.links[links, 0], links),
        (layout.division, problem.divisions[divisions, 0], divisions),
        (layout.disappear, ends, ends),
    ):
        for row, column in zip(rows.tolist(), (columns + family.start).tolist(), strict=True):
            out[row].append(column)
    into[problem.links[links, 1]] = layout.link.start + links
    into[problem.divisions[divisions, 1]] = layout.division.start + divisions
    into[problem.divisions[divisions, 2]] = layout.division.start + divisions
    starts = np.flatnonzero(values[layout.appear])
    into[starts] = layout.appear.start + starts
    return out, into
