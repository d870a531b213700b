"""What to look at next: margins that sharpen while one works, and a queue of doubtful detections.

All margins start as proven lower bounds, from one solve. The smallest are made exact, one re-solve each, on the living
programs of the session; so the first in the queue are doubtful in truth. After a change the detections whose links it
moved are asked again; those of all others are measured anew when the queue is ranked again.
"""

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.lineage import Lineage
from tracker.margins import Margins, bound_margins
from tracker.pin_table import KINDS, pin_table
from tracker.session import Session
from tracker.suggest import Order, suggest
from tracker.view.ways import way_out_columns

BATCH = 50  # suggestions ranked at once, as `track suggest` does


class Suggestions:
    """The queue. out, into: (N,) margins, exact where `exact` (N,) says so, else lower bounds; NaN nowhere."""

    def __init__(self, session: Session, *, order: Order = "diverse", batch: int = BATCH) -> None:
        """Nothing is measured yet: call `rank`."""
        self._session, self.order, self._batch = session, order, batch
        count = len(session.inputs.detections)
        self.out, self.into = np.full(count, np.inf), np.full(count, np.inf)
        self.exact = np.zeros(count, bool)
        self._queue: list[int] = []
        self._place = -1

    @property
    def current(self) -> int:
        """The detection that is suggested now, -1 before the first."""
        return self._queue[self._place] if self._place >= 0 else -1

    @property
    def place(self) -> tuple[int, int]:
        """Which of how many of this batch the current one is, from 1; (0, n) before the first."""
        return self._place + 1, len(self._queue)

    def rank(self) -> None:
        """Measure all margins, make the smallest exact, and begin a new queue."""
        _, problem, _ = self._session.program
        margins = bound_margins(problem, solve(problem, SolverSettings(threads=1)))
        self.out, self.into = np.nan_to_num(margins.out, posinf=np.inf), np.nan_to_num(margins.into, posinf=np.inf)
        self.exact[:] = False
        self._refine(2 * self._batch)
        lineage = self._session.lineage
        graph, _, _ = self._session.program
        found = suggest(
            lineage, graph, Margins(self.out, self.into), None,
            order=self.order, budget=self._batch, known=answered(self._session),
        )  # fmt: skip
        self._queue, self._place = found.rows.tolist(), -1

    def _refine(self, count: int) -> None:
        """Make margins exact until the `count` smallest are: behind a small bound may be a large margin."""
        lineage = self._session.lineage
        found = lineage.detections
        asked = np.flatnonzero(lineage.selected & (found.step < len(found.frames) - 1) & np.isfinite(self.out))
        while True:
            first = asked[np.argsort(self.out[asked], kind="stable")[:count]]
            first = first[~self.exact[first]]
            if not len(first):
                return
            self._measure(first, lineage)

    def changed(self, links: NDArray[np.int64]) -> None:
        """Ask the ends of changed links again. links: (K, 2) rows."""
        lineage = self._session.lineage
        rows = np.unique(links)
        self.exact[rows] = False
        self._measure(rows[lineage.selected[rows]], lineage)

    def next(self) -> int:
        """Go to the next suggestion that still is a question; ranks anew behind the last. -1 when nothing is left."""
        for _ in range(2):
            open_questions = self._open()
            for place in range(self._place + 1, len(self._queue)):
                if open_questions[self._queue[place]]:
                    self._place = place
                    return self._queue[place]
            self.rank()
        return -1

    def previous(self) -> int:
        """Go back to the suggestion before, answered or not; -1 when there is none."""
        if self._place <= 0:
            return -1
        self._place -= 1
        return self._queue[self._place]

    def _open(self) -> NDArray[np.bool_]:
        return self._session.lineage.selected & ~answered(self._session)

    def _measure(self, rows: NDArray[np.int64], lineage: Lineage) -> None:
        """Exact margins of the way out, which is the way in of the chosen children."""
        columns = [way_out_columns(self._session, row) for row in rows.tolist()]
        flat = [(int(column), 0) for own in columns for column in own]
        costs = self._session.dearer(flat)
        owner = np.repeat(np.arange(len(rows)), [len(own) for own in columns])
        least = np.full(len(rows), np.inf)
        np.minimum.at(least, owner, costs)
        self.out[rows] = least
        self.exact[rows] = True
        order = np.argsort(rows)
        place = np.searchsorted(rows, lineage.links[:, 0], sorter=order)
        place = order[np.minimum(place, max(len(rows) - 1, 0))] if len(rows) else place
        own = rows[place] == lineage.links[:, 0] if len(rows) else np.zeros(len(lineage.links), bool)
        self.into[lineage.links[own, 1]] = least[place[own]]


def answered(session: Session) -> NDArray[np.bool_]:
    """(N,) detections whose children a pin names all, or that are rejected."""
    detections = session.inputs.detections
    table = pin_table(session.pins)
    told = table.kind == KINDS.index("children")
    told |= (table.kind == KINDS.index("detection")) & ~table.value
    told &= np.isnan(table.confidence)
    known = np.zeros(len(detections), bool)
    known[detections.rows_of(table.key[told, 0, 0], table.key[told, 0, 1])] = True
    return known
