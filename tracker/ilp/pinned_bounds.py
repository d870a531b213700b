"""Bounds that follow pins: after a change of a few pins only the columns around them are looked at.

A pin acts on columns of the detections it names, and on no others. So when pins come or go, the bounds of all columns
that touch a detection named by them are computed anew, from all pins that name an end of such a column, in a small
problem cut out around them; everything else stays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import Layout, TrackingProblem
from tracker.ilp.rows import constraint_matrix

_KINDS = ("detection", "link", "division", "children", "appear", "disappear")
_VALUED = ("detection", "link", "division", "appear", "disappear")  # their last entry is true or false


@dataclass(frozen=True)
class CutOut:
    """A part of a problem, for its bounds only: its costs are 0.

    problem: the part.   columns: (its columns,) their numbers in the whole.   inside: its detections, sorted.
    """

    problem: TrackingProblem
    columns: NDArray[np.int64]
    inside: NDArray[np.int64]

    def places_of(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns of the part for columns of the whole, all of which are in it."""
        order = np.argsort(self.columns)
        return np.asarray(order[np.searchsorted(self.columns, columns, sorter=order)])

    def renumbered(self, pins: PinArrays) -> PinArrays:
        """Pins that name only detections of the part, in its row numbers."""
        parts = {}
        for kind in _KINDS:
            moved = getattr(pins, kind).copy()
            given = moved[:, : -1 if kind in _VALUED else None]
            given[:] = np.where(given < 0, -1, np.searchsorted(self.inside, given))
            parts[kind] = moved
        return PinArrays(**parts)


def cut_out(
    problem: TrackingProblem,
    detections: NDArray[np.int64],
    links: NDArray[np.int64],
    divisions: NDArray[np.int64],
) -> CutOut:
    """The part of some links and divisions (indices), with `detections` and all ends of those."""
    inside = np.unique(np.concatenate([problem.links[links].ravel(), problem.divisions[divisions].ravel(), detections]))
    whole, part = problem.layout, Layout(len(inside), len(links), len(divisions), problem.split)
    own = np.empty(part.n_columns, np.int64)
    own[part.link], own[part.division] = whole.link.start + links, whole.division.start + divisions
    own[part.detection] = inside
    own[part.appear], own[part.disappear] = whole.appear.start + inside, whole.disappear.start + inside
    if problem.split:
        own[part.splits] = whole.splits.start + inside
    small = TrackingProblem(
        links=np.searchsorted(inside, problem.links[links]),
        divisions=np.searchsorted(inside, problem.divisions[divisions]),
        split=problem.split,
        cost=np.zeros(part.n_columns),
        lower=problem.lower[own],
        upper=problem.upper[own],
        n_detections=len(inside),
        division_links=np.zeros((len(divisions), 2), np.int64),
    )
    return CutOut(small, own, inside)


class PinnedBounds:
    """The bounds of a problem under pins and closed columns, kept up to date.

    pins, closed: the present ones.
    lower, upper: (columns,) as `apply_pins` gives for them, the closed columns' upper bounds being 0 before.
    """

    def __init__(self, problem: TrackingProblem) -> None:
        """No pins, nothing closed."""
        self.problem = problem
        self.lower, self.upper = problem.lower.copy(), problem.upper.copy()
        self.pins, self.closed = PinArrays(), np.empty(0, np.int64)
        count, layout = problem.n_detections, problem.layout
        flow = constraint_matrix(problem, np.arange(layout.n_columns))[: 2 * count].astype(np.int8).tocsr()
        self._touching = csr_array(abs(flow[:count]) + abs(flow[count:]))  # columns of each detection

    def move(self, pins: PinArrays, closed: NDArray[np.int64]) -> NDArray[np.int64]:
        """Go over to other pins and closed columns (link and division columns); returns the columns that changed.

        Every link and division that a true pin demands must be a candidate. Contradictions show as a lower bound above
        an upper bound. On an error nothing has changed.
        """
        named = [named_by(_difference(self.pins, pins))]
        named += [self._ends(np.setxor1d(closed, self.closed))]
        touched = np.unique(np.concatenate(named))
        if not len(touched):
            return touched
        columns = self._columns_of(touched)
        lower, upper = self._around(self._ends(columns), columns, pins, closed)
        changed = (lower != self.lower[columns]) | (upper != self.upper[columns])
        self.lower[columns], self.upper[columns] = lower, upper
        self.pins, self.closed = pins, closed
        return columns[changed]

    def _around(
        self, ends: NDArray[np.int64], wanted: NDArray[np.int64], pins: PinArrays, closed: NDArray[np.int64]
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Bounds of the `wanted` columns, all of whose detections are among `ends`."""
        whole = self.problem.layout
        near = naming(pins, ends)
        ends = np.union1d(ends, named_by(near))  # so that whatever these pins demand is there
        columns = self._columns_of(ends)
        part = cut_out(self.problem, ends, _members(columns, whole.link), _members(columns, whole.division))
        part.problem.upper[np.isin(part.columns, closed)] = 0
        found = apply_pins(part.problem, part.renumbered(near))
        place = part.places_of(wanted)
        return found.lower[place], found.upper[place]

    def _columns_of(self, detections: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns that touch any of the detections, sorted."""
        return np.unique(self._touching[detections].indices).astype(np.int64)

    def _ends(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Detections that any of the columns touches, sorted."""
        layout, problem = self.problem.layout, self.problem
        families = [layout.detection, layout.appear, layout.disappear, layout.splits]
        single = [_members(columns, family) for family in families]
        links, divisions = _members(columns, layout.link), _members(columns, layout.division)
        many = [problem.links[links].ravel(), problem.divisions[divisions].ravel()]
        return np.unique(np.concatenate([*single, *many])).astype(np.int64)


def _members(columns: NDArray[np.int64], family: slice) -> NDArray[np.int64]:
    """Those of the sorted columns that lie in a family, counted from its start."""
    low, high = np.searchsorted(columns, [family.start, family.stop])
    return np.asarray(columns[low:high] - family.start)


def _difference(before: PinArrays, after: PinArrays) -> PinArrays:
    """Rows that only one of the two has."""
    parts = {}
    for kind in _KINDS:
        both = np.concatenate([getattr(before, kind), getattr(after, kind)])
        # Each row occurs at most once in either, so whatever occurs twice is in both.
        rows, times = np.unique(both, axis=0, return_counts=True)
        parts[kind] = rows[times == 1]
    return PinArrays(**parts)


def named_by(pins: PinArrays) -> NDArray[np.int64]:
    """All detections that pins name."""
    rows = [getattr(pins, kind)[:, : -1 if kind in _VALUED else None].ravel() for kind in _KINDS]
    found = np.concatenate(rows)
    return np.asarray(found[found >= 0])


def naming(pins: PinArrays, detections: NDArray[np.int64]) -> PinArrays:
    """The pins that name any of the detections."""
    rows = {kind: getattr(pins, kind) for kind in _KINDS}
    return PinArrays(**{
        kind: own[np.isin(own[:, : -1 if kind in _VALUED else None], detections).any(axis=1)]
        for kind, own in rows.items()
    })  # fmt: skip
