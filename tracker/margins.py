"""How sure each decision is: a proven lower bound on what the next best answer would cost more.

margin(u) = (optimum if u's chosen way out - its link, division or end - were forbidden) - optimum >= 0, and likewise
for v's way in. With duals y, every lineage costs at least  L + sum_j max(0, rc_j) over the columns it uses
+ sum_j max(0, -rc_j) over those it does not (L: the duals' bound, rc: reduced costs over *all* columns). Forbidding the
chosen way therefore costs at least the cheapest other way's max(0, rc), plus the chosen column's max(0, -rc), less what
the optimum itself lies above L around there (`Solution.slack`). Columns that dominance left out of the solve take no
part in L: a lineage needs one only where the choice that dominates it is the forbidden one. Their rc may be negative,
and one may join parts of the problem that were solved apart, so it also gives up the slack around its other rows.

A small margin means that the model nearly said something else: ask a person there. Infinite: there is no other way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.problem import Solution, TrackingProblem
from tracker.ilp.reduce import dominated
from tracker.ilp.rows import constraint_matrix, reduced_costs


@dataclass(frozen=True)
class Margins:
    """out, into: (N,) lower bounds >= 0 for the way out and the way in; inf without alternative, NaN when unknown.

    For a detection that is not selected both say what forcing it in would cost at least.
    """

    out: NDArray[np.float64]
    into: NDArray[np.float64]


def bound_margins(problem: TrackingProblem, solution: Solution) -> Margins:
    """Lower bounds of all margins from the reduced costs of one solve."""
    layout, count = problem.layout, problem.n_detections
    reduced = reduced_costs(problem, solution)
    free = problem.lower < problem.upper
    chosen = solution.values
    # What switching each column costs at least; infinite where the bounds forbid it.
    switch = np.where(free, np.where(chosen, np.maximum(-reduced, 0.0), np.maximum(reduced, 0.0)), np.inf)
    left_out = np.flatnonzero(dominated(problem))
    worth = reduced[left_out] - abs(constraint_matrix(problem, left_out)).T @ solution.slack
    switch[left_out] = np.minimum(worth, 2 * worth)  # a division in model B may need two such links
    switch[np.isnan(reduced)] = np.nan
    selected = chosen[layout.detection]
    off = np.where(selected, switch[layout.detection], np.inf)  # the detection itself might be dropped

    others = np.where(chosen & (problem.upper == 1), np.inf, switch)
    parent, child = problem.links.T
    mother, one, other = problem.divisions.T
    rows_in = [(child, layout.link), (one, layout.division), (other, layout.division)]
    into = _least(count, others, [*rows_in, (np.arange(count), layout.appear)])
    out = _least(
        count, others, [(parent, layout.link), (mother, layout.division), (np.arange(count), layout.disappear)]
    )
    leave = np.where(chosen, switch, 0.0)  # the chosen column must go
    into += _most(count, leave, [*rows_in, (np.arange(count), layout.appear)])
    if problem.split:
        out = np.minimum(out, _drop_one_child(problem, switch, chosen))
        out += np.where(chosen[layout.disappear], leave[layout.disappear], 0.0)
    else:
        out += _most(
            count, leave, [(parent, layout.link), (mother, layout.division), (np.arange(count), layout.disappear)]
        )
    forced = switch[layout.detection] + out + into
    out, into = np.minimum(out, off), np.minimum(into, off)
    slack_in, slack_out = solution.slack[:count], solution.slack[count : 2 * count]
    unproven = solution.objective - solution.bound
    out = np.where(selected, out - slack_out, forced - slack_in - slack_out) - unproven
    into = np.where(selected, into - slack_in, forced - slack_in - slack_out) - unproven
    return Margins(np.maximum(out, 0.0), np.maximum(into, 0.0))


_Entries = Iterable[tuple[NDArray[np.integer], slice]]


def _least(count: int, values: NDArray[np.float64], entries: _Entries) -> NDArray[np.float64]:
    """(N,) smallest value of the columns that belong to each detection; inf where there are none."""
    best = np.full(count, np.inf)
    for rows, family in entries:
        np.minimum.at(best, rows, values[family])
    return best


def _most(count: int, values: NDArray[np.float64], entries: _Entries) -> NDArray[np.float64]:
    """(N,) largest value, at least 0."""
    best = np.zeros(count)
    for rows, family in entries:
        np.maximum.at(best, rows, values[family])
    return best


def _drop_one_child(
    problem: TrackingProblem, switch: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N,) model B: what keeping only one of two children costs at least; inf for detections that do not divide."""
    layout = problem.layout
    links = np.where(chosen[layout.link], switch[layout.link], np.inf)
    least = _least(problem.n_detections, links, [(problem.links[:, 0], slice(0, len(links)))])
    divides = chosen[layout.splits]
    return np.where(divides, least + switch[layout.splits], np.inf)
