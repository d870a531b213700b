"""How sure each decision is: a proven lower bound on what the next best answer would cost more.

margin(u) = (optimum if u's chosen way out - its link, division or end - were forbidden) - optimum >= 0, and likewise
for v's way in. With duals y, every lineage costs at least  L + sum_j max(0, rc_j) over the columns it uses
+ sum_j max(0, -rc_j) over those it does not (L: the duals' bound, rc: reduced costs over *all* columns). Forbidding a
column therefore costs at least max(0, rc) of the cheapest other way of *each* of its ends, a link's parent and child,
less what the optimum itself lies above L around there (`Solution.slack`).

Columns that dominance left out of the solve take no part in L: a lineage needs one only where the choice that dominates
it is the forbidden one. Their rc may be negative, and one may join parts of the problem that were solved apart, so it
also gives up the slack around its other rows.

A small margin means that the model nearly said something else: ask a person there. Infinite: there is no other way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.dropped_ways import DroppedWays
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


def bound_margins(problem: TrackingProblem, solution: Solution, dropped: DroppedWays | None = None) -> Margins:
    """Lower bounds of all margins from the reduced costs of one solve.

    dropped: what the candidates cost that are not in the problem because they are dominated; None when there are none.
    """
    with np.errstate(invalid="ignore"):  # NaN, where there are no duals, stays NaN
        reduced = reduced_costs(problem, solution)
        switch = switching_costs(problem, solution.values, reduced)
        left_out = np.flatnonzero(dominated(problem))
        worth = reduced[left_out] - abs(constraint_matrix(problem, left_out)).T @ solution.slack
        switch[left_out] = np.minimum(worth, 2 * worth)  # a division in model B may need two such links
        unproven = solution.objective - solution.bound
        return margins_from(problem, solution.values, switch, solution.slack, unproven, dropped)


def switching_costs(
    problem: TrackingProblem, values: NDArray[np.bool_], reduced: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(columns,) what switching each column costs at least; infinite where the bounds forbid it.

    values: (columns,) of the lineage.   reduced: (columns,) reduced costs of columns that all take part in the bound.
    """
    free = problem.lower < problem.upper
    switch = np.where(free, np.maximum(np.where(values, -reduced, reduced), 0.0), np.inf)
    switch[np.isnan(reduced)] = np.nan
    return switch


def margins_from(
    problem: TrackingProblem,
    chosen: NDArray[np.bool_],
    switch: NDArray[np.float64],
    slack: NDArray[np.float64],
    unproven: float,
    dropped: DroppedWays | None,
) -> Margins:
    """Lower bounds of all margins of a lineage, from what switching each column costs at least.

    chosen, switch: (columns,) the lineage, and of `switching_costs`.   slack: (2N or more,) of the rows in(v), out(v),
    what proofs on top of the duals add around each.   unproven: what the lineage costs more than is proven in all.
    dropped: as in `bound_margins`.
    A detection's margins are right when all columns are there that touch it or those that it is joined to.
    """
    layout, count = problem.layout, problem.n_detections
    leave = np.where(chosen, switch, 0.0)
    others = np.where(chosen, np.inf, switch)
    parent, child = problem.links.T
    mother, one, other = problem.divisions.T
    rows = np.arange(count)
    # Per detection, the cheapest other way in and out; a selected one might also be dropped.
    in_ways = [(child, layout.link), (one, layout.division), (other, layout.division), (rows, layout.appear)]
    way_in = _least(count, others, in_ways)
    way_out = _least(count, others, [(parent, layout.link), (mother, layout.division), (rows, layout.disappear)])
    if dropped is not None:
        np.minimum(way_in, dropped.into, out=way_in)
        np.minimum(way_out, dropped.out, out=way_out)
    selected = chosen[layout.detection]
    forced = switch[layout.detection] + way_in + way_out
    way_in[selected] = np.minimum(way_in, switch[layout.detection])[selected]
    way_out[selected] = np.minimum(way_out, switch[layout.detection])[selected]
    if problem.split:  # what a parent does without a child: divide no longer, or something else
        divides = chosen[layout.splits]
        way_out_of_one = np.where(divides, np.minimum(way_out, switch[layout.splits]), way_out)
    else:
        way_out_of_one = way_out
    slack_in, slack_out = slack[:count], slack[count : 2 * count]
    into, out = way_in + leave[layout.appear] - slack_in, way_out + leave[layout.disappear] - slack_out

    # A chosen link that goes leaves its parent and its child to find another way each, ...
    used = np.flatnonzero(chosen[layout.link])
    u, v = parent[used], child[used]
    apart = way_out_of_one[u] + way_in[v]
    if len(problem.divisions):  # ... which a division with the same child may be for both
        apart = np.minimum(apart, _cheapest_division(problem, others)[used])
    if dropped is not None:
        apart = np.minimum(apart, dropped.division[v])
    alone = np.maximum(way_out_of_one[u] - slack_out[u], way_in[v] - slack_in[v])
    without = leave[layout.link][used] + np.maximum(alone, apart - slack_out[u] - slack_in[v])
    into[v] = without
    if problem.split:
        links_out = _least(count, others, [(parent, layout.link)])
        further = (
            (links_out if dropped is None else np.minimum(links_out, dropped.link_out))
            + switch[layout.splits]
            - slack_out
        )
        out[u] = np.where(divides, np.inf, further)[u]  # a second child, the first kept
        np.minimum.at(out, u, without)
    else:
        out[u] = without
    # A chosen division that goes leaves at least one of its children without its parent.
    used = np.flatnonzero(chosen[layout.division])
    u, v, w = problem.divisions[used].T
    alone = np.maximum(way_out[u] - slack_out[u], np.maximum(way_in[v] - slack_in[v], way_in[w] - slack_in[w]))
    apart = way_out[u] + np.minimum(way_in[v], way_in[w]) - slack_out[u] - slack_in[v] - slack_in[w]
    out[u] = into[v] = into[w] = leave[layout.division][used] + np.maximum(alone, apart)

    forced -= slack_in + slack_out
    out, into = np.where(selected, out, forced) - unproven, np.where(selected, into, forced) - unproven
    return Margins(np.maximum(out, 0.0), np.maximum(into, 0.0))


_Entries = Iterable[tuple[NDArray[np.integer], slice]]


def _least(count: int, values: NDArray[np.float64], entries: _Entries) -> NDArray[np.float64]:
    """(N,) smallest value of the columns that belong to each detection; inf where there are none."""
    best = np.full(count, np.inf)
    for rows, family in entries:
        np.minimum.at(best, rows, values[family])
    return best


def _cheapest_division(problem: TrackingProblem, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(E,) smallest value of the divisions that hold each link; inf where there are none."""
    best = np.full(len(problem.links) + 1, np.inf)  # the last stands for links that are no candidates
    for place in problem.division_links.T:
        np.minimum.at(best, place, values[problem.layout.division])
    return best[:-1]
