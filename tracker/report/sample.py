"""Which lineages a report holds, where all are too many: whole ones, those most worth a look first."""

import numpy as np
from numpy.typing import NDArray

from tracker.lineage import Lineage, lineage_ids


def chosen_rows(
    lineage: Lineage, margin: NDArray[np.float64], wrong: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Rows of whole lineages, at most `most` of them (but one lineage at least), in order.

    First come lineages with errors, then those with the least certain decision, then those with most detections.
    margin: (N,), NaN = none.   wrong: rows that an error names, -1 = none.
    """
    number = lineage_ids(lineage)
    rows = np.flatnonzero(lineage.selected)
    if len(rows) <= most:
        return rows
    count = int(number.max(initial=0))
    size = np.bincount(number[rows] - 1, minlength=count)
    faulty = np.zeros(count, bool)
    faulty[number[wrong[wrong >= 0]] - 1] = True
    least = np.full(count, np.inf)
    np.fmin.at(least, number[rows] - 1, margin[rows])
    order = np.lexsort((np.arange(count), -size, least, ~faulty))
    fits = np.cumsum(size[order]) <= most
    fits[0] = True
    taken = np.zeros(count + 1, bool)
    taken[order[fits] + 1] = True
    return np.flatnonzero(taken[number])
