"""What else a detection could do, and how much dearer the lineage would be: re-solved around it, exactly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.reduce import row_components
from tracker.ilp.resolve import Resolver
from tracker.ilp.rows import constraint_matrix
from tracker.ilp.solve import solve
from tracker.pin_table import named

Side = Literal["out", "into"]
_NOTHING = 1e-6  # smaller differences are the solver's rounding


@dataclass(frozen=True)
class Choice:
    """What happens to a detection on one side of it, "out" (its children) or "into" (its parent).

    kind: "link": one child; the only child of its parent.   "division": two children; one of its parent's two.
        "end": it disappears; it appears.   "absent": it is not selected.
    rows: out, the children in ascending order; into, the parent and then the other child.
    """

    kind: Literal["link", "division", "end", "absent"]
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class SecondBest:
    """The cheapest lineage in which a detection makes another choice on one side.

    row, side: which detection, which side of it.   chosen: what it does.
    other: what it would do instead, None where there is no other way.
    more: what that lineage costs more, >= 0, infinite where there is no other way; the exact margin.
    """

    row: int
    side: Side
    chosen: Choice
    other: Choice | None
    more: float

    def sentence(self, detections: Detections) -> str:
        """In words: `5:31 continues as 6:40; otherwise it would divide into 6:40 and 6:44, +0.83`."""
        does = fact(self.chosen, self.row, self.side, detections)
        if self.other is None:
            return f"{does}; there is no other way"
        return f"{does}; otherwise it would {_words(self.other, self.side, detections)[1]}, {_difference(self.more)}"


def second_best(
    problem: TrackingProblem,
    values: NDArray[np.bool_],
    row: int,
    side: Side,
    settings: SolverSettings | None = None,
) -> SecondBest:
    """What detection `row` would do if it could not do on one side what it does in the optimum `values` (columns,).

    "Out" are the children all together: with another second child it makes another choice. "Into" is the parent, and
    where divisions are candidates of their own also the other child. Not being selected is a choice, too; a detection
    that is not selected is forced in. Where several lineages cost the same, one of them is named.
    problem: with the bounds of the pins under which `values` is optimal.
    """
    local = around(problem, values, row)
    chosen = choice_of(problem, values, row, side)
    best = SecondBest(row, side, chosen, None, math.inf)
    for column, value in _denials(problem, values, row, side):
        if not local.lower[column] <= value <= local.upper[column]:
            continue
        lower, upper = local.lower.copy(), local.upper.copy()
        lower[column] = upper[column] = value
        try:
            found = solve(local.with_bounds(lower, upper), _exact(settings)).values
        except PinConflictError:
            continue
        changed = np.flatnonzero(found != values)
        more = max(0.0, float(np.where(found[changed], 1.0, -1.0) @ problem.cost[changed]))
        if more < best.more:
            best = SecondBest(row, side, chosen, choice_of(problem, found, row, side), more)
    return best


def dearer(
    problem: TrackingProblem,
    values: NDArray[np.bool_],
    row: int,
    choices: Sequence[tuple[int, int]],
    settings: SolverSettings | None = None,
) -> NDArray[np.float64]:
    """(K,) how much dearer than `values` the optimum were under each choice (column, 0 or 1) alone; inf if impossible.

    values: (columns,) an optimum of `problem`.   choices: columns that belong to detection `row`, whose value there is
    another.
    """
    resolver = Resolver(around(problem, values, row), _exact(settings))
    return resolver.cost_of([(np.array([column]), value) for column, value in choices])


def around(problem: TrackingProblem, values: NDArray[np.bool_], row: int) -> TrackingProblem:
    """The problem with every column fixed at `values` that no choice about detection `row` can reach.

    Its optimum under any change of the bounds of columns of `row` is that of the whole problem, and is found faster.
    """
    columns = np.flatnonzero(problem.lower < problem.upper)
    matrix = constraint_matrix(problem, columns)
    component = row_components(matrix)
    own = component[matrix.indices[matrix.indptr[:-1]]]
    far = columns[~np.isin(own, component[[row, problem.n_detections + row]])]
    lower, upper = problem.lower.copy(), problem.upper.copy()
    lower[far] = upper[far] = values[far]
    return problem.with_bounds(lower, upper)


def choice_of(problem: TrackingProblem, values: NDArray[np.bool_], row: int, side: Side) -> Choice:
    """What `values` (columns,) choose on one side of a detection."""
    if not values[row]:
        return Choice("absent")
    links = problem.links[values[problem.layout.link]]
    divisions = problem.divisions[values[problem.layout.division]]

    def children(parent: int) -> list[int]:
        single = links[links[:, 0] == parent, 1]
        pair = divisions[divisions[:, 0] == parent, 1:].ravel()
        return [int(child) for child in np.sort(np.concatenate([single, pair]))]

    if side == "out":
        rows = children(row)
        return Choice(("end", "link", "division")[len(rows)], tuple(rows))
    parents = [*links[links[:, 1] == row, 0], *divisions[(divisions[:, 1:] == row).any(axis=1), 0]]
    if not parents:
        return Choice("end")
    parent = int(parents[0])
    others = [child for child in children(parent) if child != row]
    return Choice("division" if others else "link", (parent, *others))


def fact(choice: Choice, row: int, side: Side, detections: Detections) -> str:
    """A choice in words: `5:31 continues as 6:40`."""
    return f"{_name(row, detections)} {_words(choice, side, detections)[0]}"


def _denials(problem: TrackingProblem, values: NDArray[np.bool_], row: int, side: Side) -> list[tuple[int, int]]:
    """Changes (column, value) of which at least one holds wherever the detection makes another choice."""
    layout = problem.layout
    if not values[row]:
        return [(row, 1)]
    ends, children = (layout.disappear, slice(0, 1)) if side == "out" else (layout.appear, slice(1, None))
    families = (
        (layout.link, (problem.links[:, children] == row).any(axis=1)),
        (layout.division, (problem.divisions[:, children] == row).any(axis=1)),
        (ends, np.arange(problem.n_detections) == row),
    )
    chosen = [int(family.start + index) for family, own in families for index in np.flatnonzero(values[family] & own)]
    denials = [(column, 0) for column in chosen]
    if problem.split and side == "out" and not values[ends.start + row] and len(chosen) == 1:
        denials.append((layout.splits.start + row, 1))  # the same child, and a second one
    return denials


def _exact(settings: SolverSettings | None) -> SolverSettings:
    return replace(settings or SolverSettings(), backend="highs", gap=0.0, time_limit_s=math.inf)


def _words(choice: Choice, side: Side, detections: Detections) -> tuple[str, str]:
    """The verb as it is, and as it is after "would"."""
    names = [_name(other, detections) for other in choice.rows]
    if choice.kind == "absent":
        return "is not a cell", "not be a cell"
    if choice.kind == "end":
        return ("ends", "end") if side == "out" else ("appears", "appear")
    if side == "out":
        verb = ("continues as {0}", "divides into {0} and {1}")[len(names) - 1]
    else:
        verb = ("continues {0}", "comes from the division of {0}, with {1}")[len(names) - 1]
    verb = verb.format(*names)
    first, rest = verb.split(" ", 1)
    return verb, f"{first[:-1]} {rest}"


def _name(row: int, detections: Detections) -> str:
    return named((int(detections.frame[row]), int(detections.label[row])))


def _difference(more: float) -> str:
    if more < _NOTHING:
        return "+0.00"
    return f"{more:+.2f}" if more >= 0.01 else f"{more:+.2g}"
