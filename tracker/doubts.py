"""The decisions that a result is least sure of, and what else those cells could have become."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.lineage import Lineage

MOST_UNCERTAIN = 60  # that a result names, and its report shows
RIVALS = 3


def uncertain_rows(
    detections: Detections, selected: NDArray[np.bool_], margin: NDArray[np.float64], most: int = MOST_UNCERTAIN
) -> NDArray[np.int64]:
    """Rows whose way out is least certain, smallest margin first: what `track suggest` asks about, by bounds.

    selected, margin: (N,).
    """
    rows = np.flatnonzero(selected & np.isfinite(margin) & (detections.step < len(detections.frames) - 1))
    return rows[np.argsort(margin[rows], kind="stable")[:most]]


def doubts_of(
    lineage: Lineage, margin: NDArray[np.float64], links: NDArray[np.integer], link_cost: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """What run.json says of the least certain decisions, the first one the least.

    margin: (N,) of the way out.   link_cost: (E,).
    links: (E, 2) rows of candidates, sorted by parent; all of those whose parents are `uncertain_rows` among them.
    Each has `t` and `label`, and `others`: up to three [t, label] of what it is not linked to but could be, the link
    of least cost first.
    """
    found = lineage.detections

    def key(row: int) -> list[int]:
        return [int(found.frame[row]), int(found.label[row])]

    said = []
    for row in uncertain_rows(found, lineage.selected, margin).tolist():
        first, last = np.searchsorted(links[:, 0], [row, row + 1])
        child, cost = links[first:last, 1], link_cost[first:last]
        free = lineage.parent[child] != row
        rivals = child[free][np.argsort(cost[free], kind="stable")[:RIVALS]]
        t, label = key(row)
        said.append({"t": t, "label": label, "others": [key(rival) for rival in rivals.tolist()]})
    return said
