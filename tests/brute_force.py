"""Brute force: every lineage of a tiny problem, priced by what it means. The referee of the solver.

It knows nothing of rows and multipliers. A lineage is written as `ways`, one number per detection:
UNSELECTED, FOUNDER (selected, without a parent), or the row of its parent. All else follows from that:

    detection x_v   v is selected                     appearance a_v     v is a founder
    link e_uv       model A: v is the only child      disappearance d_v  v is selected and has no child
                    of u; model B: v is a child of u  split s_v          v has two children (model B)
    division h      v and w are the children of u

Rows must be in order of time (parent < child), as they are in `Detections`.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem

UNSELECTED, FOUNDER = -2, -1
Ways = tuple[int, ...]
Children = tuple[int, ...]


def best(problem: TrackingProblem, pins: PinArrays | None = None) -> tuple[float, Ways] | None:
    """The cheapest lineage that honours the bounds and the pins, as (objective, ways); None where there is none."""
    return min(lineages(problem, pins), default=None)


def lineages(problem: TrackingProblem, pins: PinArrays | None = None) -> Iterator[tuple[float, Ways]]:
    """Every lineage that honours the bounds and the pins, with its price; one child after the other."""
    pins = pins or PinArrays()
    lower = problem.lower.copy()
    lower[[row for row, value in pins.detection if not value]] = 0  # rejecting goes before keeping every detection
    problem = problem.with_bounds(lower, problem.upper)
    rows = range(problem.n_detections)
    ways_in = [_ways_in(problem, v, pins) for v in rows]
    ways_out = [_ways_out(problem, u, pins) for u in rows]
    rivals = [{int(w) for members in problem.exclusive_sets if v in members for w in members} - {v} for v in rows]
    ways: list[int] = []
    children: list[Children] = [() for _ in rows]

    def extend(paid: float) -> Iterator[tuple[float, Ways]]:
        v = len(ways)
        if v == len(rows):
            states = [None if ways[u] == UNSELECTED else children[u] for u in rows]
            if all(state in ways_out[u] for u, state in enumerate(states)) and _no_forbidden_pair(problem, ways):
                yield paid + sum(ways_out[u][state] for u, state in enumerate(states)), tuple(ways)
            return
        for way, price in ways_in[v].items():
            if way >= 0 and (ways[way] == UNSELECTED or len(children[way]) == 2):
                continue
            if way != UNSELECTED and any(w < v and ways[w] != UNSELECTED for w in rivals[v]):
                continue
            ways.append(way)
            if way >= 0:
                children[way] += (v,)
            yield from extend(paid + price)
            if way >= 0:
                children[way] = children[way][:-1]
            ways.pop()

    yield from extend(0.0)


def _ways_in(problem: TrackingProblem, v: int, pins: PinArrays) -> dict[int, float]:
    """What v may be (unselected, founder, child of u), and the price of its detection and appearance."""
    layout, cost = problem.layout, problem.cost
    detection, appear = layout.detection.start + v, layout.appear.start + v
    parents = [int(u) for u, w in problem.links if w == v] + [int(u) for u, *pair in problem.divisions if v in pair]
    assert all(u < v for u in parents)
    allowed = {}
    for way in (UNSELECTED, FOUNDER, *sorted(set(parents))):
        selected, founder = way != UNSELECTED, way == FOUNDER
        honours = [
            _within(problem, detection, selected),
            _within(problem, appear, founder),
            *(selected == bool(value) for row, value in pins.detection if row == v),
            *((way == parent) == bool(value) for parent, child, value in pins.link if child == v),
            *(founder == bool(value) for row, value in pins.appear if row == v),
        ]
        if all(honours):
            allowed[way] = float(selected * cost[detection] + founder * cost[appear])
    return allowed


def _ways_out(problem: TrackingProblem, u: int, pins: PinArrays) -> dict[Children | None, float]:
    """Which children u may have (None where it is unselected), and the price of links, division, disappearance."""
    layout, cost = problem.layout, problem.cost
    links = {int(v): layout.link.start + i for i, (parent, v) in enumerate(problem.links) if parent == u}
    divisions = {_pair(v, w): layout.division.start + i for i, (m, v, w) in enumerate(problem.divisions) if m == u}
    end, split = layout.disappear.start + u, layout.splits.start + u
    price: dict[Children | None, float] = {None: 0.0, (): cost[end]}
    price |= {(v,): cost[column] for v, column in links.items()}
    if problem.split:
        for v, w in combinations(sorted(links), 2):
            price[v, w] = cost[links[v]] + cost[links[w]] + cost[split]
    else:
        price |= {pair: cost[column] for pair, column in divisions.items()}

    allowed = {}
    for state, paid in price.items():
        has = state or ()
        honours = [
            _within(problem, end, state == ()),
            *(_within(problem, c, v in has and (problem.split or len(has) == 1)) for v, c in links.items()),
            *(_within(problem, c, has == pair) for pair, c in divisions.items()),
            *([_within(problem, split, len(has) == 2)] if problem.split else []),
            *((has == _pair(v, w)) == bool(value) for parent, v, w, value in pins.division if parent == u),
            *(state == _pair(v, w) for parent, v, w in pins.children if parent == u),
            *((state == ()) == bool(value) for row, value in pins.disappear if row == u),
        ]
        if all(honours):
            allowed[state] = float(paid)
    return allowed


def _within(problem: TrackingProblem, column: int, value: bool) -> bool:
    return bool(problem.lower[column] <= value <= problem.upper[column])


def _pair(v: int, w: int) -> Children:
    return tuple(sorted(int(child) for child in (v, w) if child >= 0))


def _no_forbidden_pair(problem: TrackingProblem, ways: list[int]) -> bool:
    links = problem.links
    return not any(all(ways[links[i, 1]] == links[i, 0] for i in pair) for pair in problem.forbidden_pairs)


def children_of(ways: Ways) -> list[Children]:
    """Children of each detection, in order."""
    return [tuple(v for v, way in enumerate(ways) if way == u) for u in range(len(ways))]


def links_of(ways: Ways) -> set[tuple[int, int]]:
    """Pairs (parent, child), both links of a division included."""
    return {(way, v) for v, way in enumerate(ways) if way >= 0}


def columns_of(problem: TrackingProblem, ways: Ways) -> NDArray[np.bool_]:
    """(columns,) what every column must be, by its name, in this lineage."""
    layout = problem.layout
    values = np.zeros(layout.n_columns, bool)
    children = children_of(ways)
    values[layout.detection] = [way != UNSELECTED for way in ways]
    values[layout.appear] = [way == FOUNDER for way in ways]
    values[layout.disappear] = [way != UNSELECTED and not has for way, has in zip(ways, children, strict=True)]
    alone = [problem.split or len(children[u]) == 1 for u in range(len(ways))]
    values[layout.link] = [ways[v] == u and alone[u] for u, v in problem.links]
    values[layout.division] = [children[u] == _pair(v, w) for u, v, w in problem.divisions]
    if problem.split:
        values[layout.splits] = [len(has) == 2 for has in children]
    return values


def ways_of(problem: TrackingProblem, values: NDArray[np.bool_]) -> Ways:
    """The lineage that the detection, link and division columns describe; no detection may have two parents."""
    layout = problem.layout
    ways = np.where(values[layout.detection], FOUNDER, UNSELECTED)
    pairs = [(u, v) for u, v in problem.links[values[layout.link]]]
    pairs += [(u, child) for u, *both in problem.divisions[values[layout.division]] for child in both]
    for u, v in pairs:
        assert values[u], f"the parent {u} of {v} is not selected"
        assert values[v], f"the child {v} of {u} is not selected"
        assert ways[v] == FOUNDER, f"detection {v} has two parents, {ways[v]} and {u}"
        ways[v] = u
    return tuple(ways.tolist())


def check_lineage(problem: TrackingProblem, values: NDArray[np.bool_]) -> None:
    """Assert that `values` is a lineage that the problem allows, and that every column is what its name says."""
    layout = problem.layout
    assert values.shape == (layout.n_columns,)
    assert values.dtype == bool
    ways = ways_of(problem, values)
    for u, children in enumerate(children_of(ways)):
        assert len(children) <= 2, f"detection {u} has the children {children}"
        if not problem.split and len(children) == 2:
            pairs = [_pair(v, w) for parent, v, w in problem.divisions if parent == u]
            assert children in pairs, f"detection {u} divides into {children}, which is no division column"
    wrong = np.flatnonzero(columns_of(problem, ways) != values)
    assert not len(wrong), f"columns {wrong.tolist()} are not what their names say in the lineage {ways}"
    for members in problem.exclusive_sets:
        assert values[members].sum() <= 1, f"the exclusive set {members} holds more than one selected detection"
    assert _no_forbidden_pair(problem, list(ways)), "a forbidden pair of links is selected"
    outside = np.flatnonzero((values < problem.lower) | (values > problem.upper))
    assert not len(outside), f"columns {outside.tolist()} are outside their bounds"


def value_of(problem: TrackingProblem, values: NDArray[np.bool_]) -> float:
    """Sum of cost times column."""
    return float((problem.cost * values).sum())
