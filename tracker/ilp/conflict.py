"""Which pins cannot hold together: a small set out of many, by dividing and testing."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, vstack

from tracker.ilp.backends import SolverSettings, solve_integer
from tracker.ilp.block import Block
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pinned_bounds import cut_out
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side


def smallest_conflict(
    problem: TrackingProblem,
    subset: Callable[[NDArray[np.int64]], PinArrays],
    named: NDArray[np.int64],
    rows: NDArray[np.int64],
    settings: SolverSettings,
) -> NDArray[np.int64]:
    """Pins (numbers) that contradict each other, none of which can be spared for the contradiction.

    problem: without pins.   subset: the pins of some numbers.   named: (P, 3) detections that each names, -1 = none.
    rows: program rows that cannot be satisfied under all.
    Only these rows are looked at, which is enough: all pins together break them; so only pins that name a detection
    some column of these rows touches can be guilty. QuickXplain (Junker 2004): about 2 k log2(n / k) feasibility tests
    for k guilty pins of n.
    """
    feasible = _Feasibility(problem, named, rows, settings)

    def holds(pins: NDArray[np.int64]) -> bool:
        return feasible.under(subset(np.sort(pins)))

    return quick_explain(holds, feasible.suspects)


def quick_explain(holds: Callable[[NDArray[np.int64]], bool], suspects: NDArray[np.int64]) -> NDArray[np.int64]:
    """A subset of the suspects, sorted, that does not hold together although it does without any one of them.

    holds: whether some of them do; all of them together do not.
    """

    def explain(background: NDArray[np.int64], added: bool, pins: NDArray[np.int64]) -> NDArray[np.int64]:
        if added and not holds(background):
            return np.empty(0, np.int64)
        if len(pins) < 2:
            return pins
        first, second = np.array_split(pins, 2)
        from_second = explain(np.concatenate([background, first]), True, second)
        from_first = explain(np.concatenate([background, from_second]), len(from_second) > 0, first)
        return np.concatenate([from_first, from_second])

    return np.sort(explain(np.empty(0, np.int64), False, suspects))


class _Feasibility:
    """Whether some rows of a problem can be satisfied under pins. suspects: numbers of the pins that touch them."""

    def __init__(
        self,
        problem: TrackingProblem,
        named: NDArray[np.int64],
        rows: NDArray[np.int64],
        settings: SolverSettings,
    ) -> None:
        self._settings = settings
        rows = rows[rows < len(right_hand_side(problem))]  # rows that pins add are made anew for each set of pins
        whole = constraint_matrix(problem, np.arange(problem.layout.n_columns)).tocsr()[rows]
        self._columns = np.unique(whole.indices).astype(np.int64)
        self._matrix = csc_array(whole.tocsc()[:, self._columns])
        self._rhs = right_hand_side(problem)[rows]
        self._equality = rows < n_equalities(problem)
        ends = np.unique(np.abs(constraint_matrix(problem, self._columns))[: 2 * problem.n_detections].indices)
        ends = np.unique(ends % problem.n_detections)  # of the rows in(v) and out(v)
        self.suspects = np.flatnonzero(np.isin(named, ends).any(axis=1))
        around = np.union1d(ends, named[self.suspects])
        near = np.zeros(problem.n_detections, bool)
        near[around[around >= 0]] = True
        links = np.flatnonzero(near[problem.links].all(axis=1))
        divisions = np.flatnonzero(near[problem.divisions].all(axis=1))
        self._part = cut_out(problem, np.flatnonzero(near), links, divisions)
        self._places = self._part.places_of(self._columns)

    def under(self, pins: PinArrays) -> bool:
        bounded = apply_pins(self._part.problem, self._part.renumbered(pins))
        lower, upper = bounded.lower[self._places], bounded.upper[self._places]
        if np.any(lower > upper):
            return False
        free = np.flatnonzero(lower < upper)
        forbidden = self._forbidden(bounded)
        matrix = csc_array(vstack([self._matrix, forbidden])) if forbidden.shape[0] else self._matrix
        rhs = np.concatenate([self._rhs, np.ones(forbidden.shape[0])]) - matrix @ lower.astype(np.float64)
        equality = np.concatenate([self._equality, np.zeros(forbidden.shape[0], bool)])
        block = Block(
            rows=np.arange(len(rhs)),
            columns=free,
            matrix=csc_array(matrix[:, free]),
            cost=np.zeros(len(free)),
            rhs=rhs,
            equality=equality,
            component=np.zeros(len(free), np.int32),
            bounded=np.ones(len(free), bool),
            start=np.ones(len(free), bool),
        )
        if not len(free):
            return not len(block.infeasible_rows(np.zeros(0)))
        return not solve_integer(block, np.arange(len(free)), self._settings, np.inf).infeasible

    def _forbidden(self, problem: TrackingProblem) -> csr_array:
        """Pairs of links that pins forbid, as rows `<= 1` over our columns; others bind nothing here."""
        pairs = self._part.columns[problem.forbidden_pairs + problem.layout.link.start]
        place = np.searchsorted(self._columns, pairs)
        inside = (place < len(self._columns)) & (self._columns[np.minimum(place, len(self._columns) - 1)] == pairs)
        place = place[inside.all(axis=1)]
        starts = 2 * np.arange(len(place) + 1)
        return csr_array((np.ones(place.size), place.ravel(), starts), shape=(len(place), len(self._columns)))
