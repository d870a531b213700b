"""CHOTA: one number for detection and for the association of whole lineages."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from tracker.lineage import Lineage


def chota(prediction: Lineage, truth: Lineage, rows: NDArray[np.int64]) -> float:
    """Cell-specific Higher Order Tracking Accuracy, in [0, 1], higher is better; NaN without any object.

    CHOTA = sqrt( sum over matched pairs of A / (matched pairs + false positives + false negatives) ), where for a
    pair in the tracks (i, j), A = TPA / (TPA + FPA + FNA). A track is seen here with all its ancestors and
    descendants: TPA counts the pairs within these of i and j, FNA and FPA the other objects of either.

    rows: (M,) row of the detection matched to each true object, -1 = none; detections may occur more than once.
    The same numbers as traccuracy's CHOTAMetric, with memory for the pairs of tracks that meet instead of all.
    Source: Kaiser et al., CHOTA: A Higher Order Accuracy Metric for Cell Tracking, 2024 (arXiv:2408.11571).
    """
    pairs = np.flatnonzero(rows >= 0)
    one, two = truth.track_id[pairs] - 1, prediction.track_id[rows[pairs]] - 1
    true_kin, kin = _kin(truth), _kin(prediction)
    shape = (true_kin.shape[0], kin.shape[0])
    shared = csr_array((np.ones(len(pairs)), (one, two)), shape)
    shared.sum_duplicates()
    unmatched = prediction.selected.copy()
    unmatched[rows[pairs]] = False
    false_positives = np.bincount(prediction.track_id[unmatched] - 1, minlength=shape[1])
    false_negatives = np.bincount(truth.track_id[rows < 0] - 1, minlength=shape[0])
    true_size = true_kin @ (shared.sum(axis=1) + false_negatives)
    size = kin @ (shared.sum(axis=0) + false_positives)
    meet = shared.tocoo()
    i, j = meet.coords
    together = np.asarray((true_kin @ shared @ kin).tocsr()[i, j]).ravel()
    agreement = (meet.data * together / (true_size[i] + size[j] - together)).sum()
    union = len(pairs) + false_positives.sum() + false_negatives.sum()
    return float(np.sqrt(agreement / union)) if union else float("nan")


def _kin(lineage: Lineage) -> csr_array:
    """(K, K) 1 where one of two tracks descends from the other, or they are the same; symmetric."""
    count = int(lineage.track_id.max(initial=0))
    begins = lineage.selected.copy()
    followed = np.flatnonzero(lineage.parent >= 0)
    begins[followed] &= lineage.track_id[followed] != lineage.track_id[lineage.parent[followed]]
    first = np.flatnonzero(begins)
    mother = np.full(count, -1, np.int64)
    parent = lineage.parent[first]
    mother[lineage.track_id[first] - 1] = np.where(parent >= 0, lineage.track_id[parent] - 1, -1)
    descendants, ancestors = [], []
    track, above = np.arange(count), mother
    while len(track := track[above >= 0]):
        above = above[above >= 0]
        descendants.append(track)
        ancestors.append(above)
        above = mother[above]
    if not descendants:
        return eye_array(count, format="csr")
    below, up = np.concatenate(descendants), np.concatenate(ancestors)
    descent = csr_array((np.ones(len(below)), (below, up)), (count, count))
    return (descent + descent.T + eye_array(count)).tocsr()
