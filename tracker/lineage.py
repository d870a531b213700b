"""Lineage: the answer, as arrays over detections; a networkx graph on request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Lineage:
    """Who descends from whom.

    selected: (N,) bool, detections that belong to the lineage.   parent: (N,) int64, row of the parent or -1.
    links: (L, 2) int64 rows (parent, child), both links of a division included, sorted by child row.
    divisions: (K, 3) int64 rows (parent, child, child).
    track_id: (N,) int64, 1.. for selected detections, else 0. A track is a maximal run without division:
        it starts where a cell appears or is born, and ends where it divides or disappears; it may skip frames.
    """

    detections: Detections
    selected: NDArray[np.bool_]
    parent: NDArray[np.int64]
    links: NDArray[np.int64]
    divisions: NDArray[np.int64]
    track_id: NDArray[np.int64]

    @property
    def appears(self) -> NDArray[np.bool_]:
        """(N,) selected detections without a parent."""
        return self.selected & (self.parent < 0)

    @property
    def n_children(self) -> NDArray[np.int64]:
        """(N,) 0, 1 or 2."""
        return np.bincount(self.links[:, 0], minlength=len(self.detections)).astype(np.int64)

    @property
    def disappears(self) -> NDArray[np.bool_]:
        """(N,) selected detections without a child."""
        childless: NDArray[np.bool_] = self.n_children == 0
        return self.selected & childless

    def to_networkx(self) -> "nx.DiGraph[int]":
        """Nodes are rows with t, label, track_id and position axes; edges are links."""
        import networkx as nx

        graph: nx.DiGraph[int] = nx.DiGraph()
        found = self.detections
        axes = ("z", "y", "x")[-found.ndim :]
        for row in np.flatnonzero(self.selected).tolist():
            place = dict(zip(axes, found.position[row].tolist(), strict=True))
            graph.add_node(
                row, t=int(found.frame[row]), label=int(found.label[row]), track_id=int(self.track_id[row]), **place
            )
        graph.add_edges_from(self.links.tolist())
        return graph


def make_lineage(detections: Detections, selected: NDArray[np.bool_], links: NDArray[np.integer]) -> Lineage:
    """Lineage from the selected detections and links; every detection has at most one parent, two children.

    links: (L, 2) rows (parent, child). Track ids count up by the row of each track's first detection.
    """
    count = len(detections)
    links = np.asarray(links, np.int64).reshape(-1, 2)
    links = links[np.argsort(links[:, 1], kind="stable")]
    parent = np.full(count, -1, np.int64)
    parent[links[:, 1]] = links[:, 0]
    children = np.bincount(links[:, 0], minlength=count)
    dividing = np.flatnonzero(children == 2)
    by_parent = links[np.argsort(links[:, 0], kind="stable")]
    first = np.searchsorted(by_parent[:, 0], dividing)
    divisions = np.column_stack([dividing, by_parent[first, 1], by_parent[first + 1, 1]]) if len(dividing) else None
    goes_on = (parent >= 0) & (children[np.maximum(parent, 0)] == 1)
    selected = np.asarray(selected, bool)
    return Lineage(
        detections=detections,
        selected=selected,
        parent=parent,
        links=links,
        divisions=np.empty((0, 3), np.int64) if divisions is None else divisions,
        track_id=_number_runs(selected, np.where(goes_on, parent, -1)),
    )


def ctc_labels(lineage: Lineage) -> NDArray[np.int64]:
    """(N,) labels of the Cell Tracking Challenge: 1.. for selected detections, 0 for the others.

    A label is a maximal run without division and without a skipped frame: a link that skips kept frames (steps)
    begins a new label, whose parent is the old one. Numbered by the row of each run's first detection.
    """
    parent, step = lineage.parent, lineage.detections.step
    before = np.maximum(parent, 0)
    goes_on = (parent >= 0) & (lineage.n_children[before] == 1) & (step - step[before] == 1)
    return _number_runs(lineage.selected, np.where(goes_on, parent, -1))


def lineage_ids(lineage: Lineage) -> NDArray[np.int64]:
    """(N,) 1.. for selected detections, else 0: all that descends from one first detection shares a number."""
    return _number_runs(lineage.selected, lineage.parent)


def track_parents(lineage: Lineage) -> NDArray[np.int64]:
    """(T,) of the tracks 1 .. T in turn, the id of the track that divided into it; 0 where there is none."""
    rows = np.flatnonzero(lineage.selected)
    first = rows[np.unique(lineage.track_id[rows], return_index=True)[1]]
    above = lineage.parent[first]
    return np.where(above >= 0, lineage.track_id[np.maximum(above, 0)], 0)


def _number_runs(selected: NDArray[np.bool_], previous: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the trees that `previous` (a smaller row, or -1 where a tree begins) makes of the selected rows."""
    head = np.where(previous >= 0, previous, np.arange(len(previous)))
    # Pointer doubling: after k rounds every row points 2**k rows up its tree, or to its root.
    while not np.array_equal(further := head[head], head):
        head = further
    roots = np.unique(head[selected])
    number = np.zeros(len(previous), np.int64)
    number[selected] = np.searchsorted(roots, head[selected]) + 1
    return number
