"""Which detection is which true object: by masks, by id, or by distance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from tracker.detections import Detections
from tracker.errors import TruthError, first_five
from tracker.io.movie import Movie
from tracker.truth import Truth

RULES = ("auto", "ctc", "iou", "id", "point")


@dataclass(frozen=True)
class Matching:
    """A detection for each of the M true objects.

    rows: (M,) int64 rows of detections, -1 = none. By "ctc" one detection may cover several true objects.
    quality: (M,) float64, higher is better: shared pixels, or minus the distance.
    rule: ctc | iou | id | point.   max_distance: of the rule `point`, else None.
    """

    rows: NDArray[np.int64]
    quality: NDArray[np.float64]
    rule: str
    max_distance: float | None = None

    def one_to_one(self) -> "Matching":
        """The same, but of the objects that share a detection only the best keeps it (a tie goes to the first)."""
        order = np.lexsort((np.arange(len(self.rows)), -self.quality, self.rows))
        again = np.append(False, self.rows[order][1:] == self.rows[order][:-1])[: len(order)]
        rows = self.rows.copy()
        rows[order[again]] = -1
        return Matching(rows, self.quality, self.rule, self.max_distance)


def match_truth(
    detections: Detections, truth: Truth, masks: Movie | None = None, max_distance: float | None = None
) -> tuple[NDArray[np.int64], str]:
    """(M,) the row of the detection that is each true object, -1 = none, and the rule; see `match_objects`."""
    found = match_objects(detections, truth, masks, max_distance=max_distance)
    return found.rows, found.rule


def match_objects(
    detections: Detections,
    truth: Truth,
    masks: Movie | None = None,
    *,
    rule: str = "auto",
    max_distance: float | None = None,
) -> Matching:
    """Find the detection of each true object.

    masks: in which `detections.label` are the labels, None for points.
    rule: "ctc": the detection that covers more than half of the true object (the Cell Tracking Challenge's rule).
        "iou": the one whose intersection over union with it is more than a half.
        "id": the one whose label is the id of the true point.
        "point": one to one within each frame, within `max_distance`, at the smallest sum of distances; an object
        left unmatched counts as twice `max_distance`.
        "auto": ctc when both have masks, else id when the ids agree, else point. Ids agree when each is used once,
        half of the smaller table's ids occur in the other, always in the same frame, and at the same place (a median
        distance within the default of `max_distance`).
    max_distance: in the unit of the positions; default half the median distance from a true object to the nearest
        other one of its frame, and without limit where no frame has two.
    Raises TruthError when the rule cannot be used, or the two do not describe the same space.
    """
    if rule not in RULES:
        raise TruthError(f"a matcher must be one of {', '.join(RULES)}; found {rule!r}")
    if detections.ndim != truth.position.shape[1]:
        raise TruthError(
            f"the result has {detections.ndim} spatial axes, the ground truth {truth.name} "
            f"{truth.position.shape[1]}: they are not of the same movie"
        )
    if rule == "auto":
        with_masks = masks is not None and truth.masks is not None
        rule = "ctc" if with_masks else "id" if _ids_agree(detections, truth) else "point"
    if rule == "id":
        return _by_id(detections, truth)
    if rule == "point":
        return _by_distance(detections, truth, _spacing(truth) if max_distance is None else max_distance)
    if masks is None or truth.masks is None:
        lacking = "the result" if masks is None else f"the ground truth {truth.name}"
        raise TruthError(f"the matcher {rule} compares masks, but {lacking} has none. Use the matcher point")
    return _by_overlap(detections, masks, truth, truth.masks, rule)


def _by_overlap(detections: Detections, masks: Movie, truth: Truth, truth_masks: Movie, rule: str) -> Matching:
    if masks.shape != truth_masks.shape:
        raise TruthError(
            f"the masks of result and ground truth must have one shape; found {masks.shape} in {masks.name} "
            f"and {truth_masks.shape} in {truth_masks.name}"
        )
    rows = np.full(len(truth), -1, np.int64)
    quality = np.zeros(len(truth))
    for frame in np.intersect1d(detections.frames, truth.frames).tolist():
        here, there = _rows_in(truth.frame, frame), _rows_in(detections.frame, frame)
        if here.start == here.stop or there.start == there.stop:
            continue
        true_pixels, pixels = truth_masks.read(frame).ravel(), masks.read(frame).ravel()
        index, area = _index_pixels(true_pixels, truth.label[here], truth_masks.name, frame)
        other, other_area = _index_pixels(pixels, detections.label[there], masks.name, frame)
        both = (index >= 0) & (other >= 0)
        pair, shared = np.unique(index[both] * len(other_area) + other[both], return_counts=True)
        one, two = np.divmod(pair, len(other_area))
        whole = area[one] if rule == "ctc" else area[one] + other_area[two] - shared
        most = 2 * shared > whole
        rows[here.start + one[most]] = there.start + two[most]
        quality[here.start + one[most]] = shared[most]
    return Matching(rows, quality, rule)


def _index_pixels(
    pixels: NDArray[np.generic], labels: NDArray[np.int64], name: str, frame: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each pixel the index of its label among `labels` (K, increasing) or -1; and the pixels of each label (K,)."""
    values = pixels.astype(np.int64)
    place = np.minimum(np.searchsorted(labels, values), len(labels) - 1)
    index = np.where(labels[place] == values, place, -1)
    area = np.bincount(index[index >= 0], minlength=len(labels))
    lost = np.flatnonzero(area == 0)
    if len(lost):
        raise TruthError(
            f"{name} must show every object of its lineage; frame {frame} lacks the labels {first_five(labels[lost])}. "
            "Were the masks changed since?"
        )
    return index, area


def _rows_in(frame: NDArray[np.int64], wanted: int) -> slice:
    return slice(*np.searchsorted(frame, [wanted, wanted + 1]).tolist())


def _id_rows(detections: Detections, truth: Truth) -> NDArray[np.int64]:
    """(M,) row of the detection with the id of each true object, whatever its frame; -1 = none."""
    if not len(detections):
        return np.full(len(truth), -1, np.int64)
    order = np.argsort(detections.label, kind="stable")
    place = np.minimum(np.searchsorted(detections.label[order], truth.label), len(order) - 1)
    return np.where(detections.label[order[place]] == truth.label, order[place], -1)


def _ids_agree(detections: Detections, truth: Truth) -> bool:
    smaller = min(len(detections), len(truth))
    if any(len(np.unique(ids)) < len(ids) for ids in (detections.label, truth.label)):
        return False
    rows = _id_rows(detections, truth)
    common = np.flatnonzero(rows >= 0)
    if not len(common) or 2 * len(common) < smaller:
        return False
    if not np.array_equal(detections.frame[rows[common]], truth.frame[common]):
        return False
    apart = np.linalg.norm(detections.position[rows[common]] - truth.position[common], axis=1)
    return bool(np.median(apart) <= _spacing(truth))


def _by_id(detections: Detections, truth: Truth) -> Matching:
    repeated = [ids for ids in (detections.label, truth.label) if len(np.unique(ids)) < len(ids)]
    if repeated:
        raise TruthError("the matcher id needs ids that occur once in the whole movie; labels of masks do not")
    rows = _id_rows(detections, truth)
    found = np.flatnonzero(rows >= 0)
    moved = found[detections.frame[rows[found]] != truth.frame[found]]
    if len(moved):
        raise TruthError(
            f"result and ground truth {truth.name} give the same ids to points of different frames: "
            f"{first_five(truth.label[moved])}. Use the matcher point"
        )
    quality = np.zeros(len(truth))
    quality[found] = -np.linalg.norm(detections.position[rows[found]] - truth.position[found], axis=1)
    return Matching(rows, quality, "id")


def _spacing(truth: Truth) -> float:
    """Half the median distance to the nearest other object of the frame; infinite where no frame has two."""
    nearest = []
    for frame in truth.frames.tolist():
        position = truth.position[_rows_in(truth.frame, frame)]
        if len(position) > 1:
            nearest.append(cKDTree(position).query(position, k=2)[0][:, 1])
    return float(np.median(np.concatenate(nearest))) / 2 if nearest else float("inf")


def _by_distance(detections: Detections, truth: Truth, max_distance: float) -> Matching:
    if not max_distance > 0:
        raise TruthError(f"objects can be matched within a positive distance only; max_distance is {max_distance:g}")
    rows = np.full(len(truth), -1, np.int64)
    quality = np.zeros(len(truth))
    for frame in np.intersect1d(detections.frames, truth.frames).tolist():
        here, there = _rows_in(truth.frame, frame), _rows_in(detections.frame, frame)
        one, two, apart = _assign(truth.position[here], detections.position[there], max_distance)
        rows[here.start + one], quality[here.start + one] = there.start + two, -apart
    return Matching(rows, quality, "point", max_distance)


def _assign(
    true_position: NDArray[np.float64], position: NDArray[np.float64], max_distance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (index, other index, distance) one to one, at most `max_distance` apart, of the smallest total cost."""
    count, others = len(true_position), len(position)
    if not count or not others:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    if np.isinf(max_distance):
        everything = np.vstack([true_position, position])
        max_distance = float(np.linalg.norm(np.ptp(everything, axis=0))) + 1.0
    near = cKDTree(true_position).sparse_distance_matrix(cKDTree(position), max_distance, output_type="coo_matrix")
    # Every object may instead take a place of its own, at twice the limit. A zero would not count as an entry: + 1.
    own = np.arange(count)
    row, column = np.concatenate([near.row, own]), np.concatenate([near.col, others + own])
    cost = np.concatenate([near.data, np.full(count, 2 * max_distance)]) / max_distance + 1.0
    one, two = min_weight_full_bipartite_matching(coo_matrix((cost, (row, column)), (count, others + count)).tocsr())
    kept = two < others
    one, two = one[kept].astype(np.int64), two[kept].astype(np.int64)
    return one, two, np.linalg.norm(true_position[one] - position[two], axis=1)
