"""Target of the supervised losses: who is whose ancestor, numpy only."""

import numpy as np
from numpy.typing import NDArray


def tracklets_of(parent: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut a lineage of M objects into K tracklets: maximal runs without a division.

    parent: (M,) row of each object's parent or -1, as in `tracker.truth.Truth`; a parent may lie several frames back,
        but always earlier.
    Returns the tracklet of each object (M,) int64 in 0 .. K-1, and the parent of each tracklet (K,) int64 or -1.
    """
    rows = np.arange(len(parent))
    n_children = np.bincount(parent[parent >= 0], minlength=len(parent))
    starts = (parent < 0) | (n_children[parent] != 1)
    first = np.where(starts, rows, parent)
    for _ in range(len(parent).bit_length()):  # each turn doubles the way back
        first = first[first]
    tracklet = np.cumsum(starts)[first] - 1
    above = parent[starts]
    return tracklet, np.where(above >= 0, tracklet[above], -1) if len(above) else above


def association_target(tracklet: NDArray[np.int64], parent_tracklet: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Target association matrix A of the N detections of a window.

        A_ij = 1 where the tracklets of i and j are the same, or one descends from the other; else 0.

    So a cell is associated with its mother and her ancestors, its daughters and their descendants, but not with its
    sister. Detections that match no true object have only zeros, also on the diagonal.

    tracklet: (N,) tracklet of each detection's true object, -1 where it matches none; several detections may share one.
    parent_tracklet: (K,) parent of each tracklet of the whole movie or -1.   Returns (N, N) bool, symmetric.
    """
    present, place = np.unique(tracklet, return_inverse=True)
    column = np.full(len(parent_tracklet) + 1, -1, np.int64)  # the last entry stands for "none"
    known = np.flatnonzero(present >= 0)
    column[present[known]] = known
    related = np.zeros((len(present), len(present)), np.bool_)
    row, above = known, present[known]
    for _ in range(len(parent_tracklet) + 1):
        inside = column[above] >= 0
        related[row[inside], column[above[inside]]] = True
        above = parent_tracklet[above]
        row, above = row[above >= 0], above[above >= 0]
        if not len(row):
            break
    related |= related.T
    return related[place][:, place]
