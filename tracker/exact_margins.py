"""Exact margins: what the optimum would cost more if a decision were forbidden, each by re-solving around it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.resolve import Resolver
from tracker.margins import Margins


def exact_margins(
    problem: TrackingProblem, values: NDArray[np.bool_], settings: SolverSettings | None = None
) -> Margins:
    """Margins of an optimal solution `values` (columns,), defined as in margins.py, by re-solving.

    A detection's way out is its link, its division or its end; its way in its link, its division or its appearance
    (split model: its parent or its appearance; "exactly this one child" is forbidden by forbidding the child, or
    demanding a second one). A detection that is not selected is forced in. Re-solves work on living linear programs, a
    few simplex steps each, with as many threads as the settings say; a link is asked about once for both its ends.
    """
    layout, count = problem.layout, problem.n_detections
    resolver = Resolver(problem, replace(settings or SolverSettings(), backend="highs", gap=0.0))
    way_out, way_in = _chosen_columns(problem, values)
    asked: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (column, value): who wants to know (side, detection)
    for row in range(count):
        if not values[row]:
            asked[row, 1] = [(0, row), (1, row)]
            continue
        for column in way_out[row]:
            asked.setdefault((column, 0), []).append((0, row))
        if problem.split and len(way_out[row]) == 1 and way_out[row][0] < layout.disappear.start:
            asked.setdefault((layout.splits.start + row, 1), []).append((0, row))
        asked.setdefault((int(way_in[row]), 0), []).append((1, row))
    costs = resolver.cost_of([(np.array([column]), value) for column, value in asked])
    margins = np.full((2, count), np.inf)
    for cost, wanted in zip(costs.tolist(), asked.values(), strict=True):
        for side, row in wanted:
            margins[side, row] = min(margins[side, row], cost)
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
