"""Pins made from what is known already: a truth, an earlier result, other files of pins."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import InputError, TruthError, first_five
from tracker.io.movie import Movie
from tracker.lineage import Lineage, make_lineage
from tracker.matching import match_objects
from tracker.pin_table import Key, PinRow, named
from tracker.truth import Truth, contract

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrueLineage:
    """A truth over detections, and where it says less than a lineage would.

    lineage: over all detections; selected is what is a true object.
    unknown_children: (N,) bool, true objects whose children the detections cannot all show: some come after their last
        frame, or nobody knows, because the truth has no later frame.
    unknown_parent: (N,) bool, true objects without a parent here, which had one before the first frame of the
        detections, or may have had: the truth has no earlier frame.
    """

    lineage: Lineage
    unknown_children: NDArray[np.bool_]
    unknown_parent: NDArray[np.bool_]


def pins_from_lineage(
    lineage: Lineage,
    rows: NDArray[np.integer],
    note: str = "",
    *,
    reject_unselected: bool = False,
    frames: NDArray[np.int64] | None = None,
    unknown_children: NDArray[np.bool_] | None = None,
    unknown_parent: NDArray[np.bool_] | None = None,
) -> list[PinRow]:
    """What a lineage says of some of its detections, as pins, in the order of `rows`.

    rows: (K,) rows of the detections, each once.   note: of every pin.
    frames: those that the lineage knows about, default all; of detections in others nothing is said.
    unknown_children, unknown_parent: (N,) as in `TrueLineage`, default those in the last and in the first known frame.
    A selected detection gives a `children` pin (none, one or two), and an `appear` pin when it has no parent and that
    is known. Where not all children are known, those that are give `link` pins, or, when there are none, it gives
    `detection` true: the end of a movie is no end of a track. A detection that is not selected gives `detection`
    false, or nothing without `reject_unselected`.
    """
    found = lineage.detections
    known = found.frames if frames is None else np.intersect1d(found.frames, frames)
    if not len(known):
        return []
    open_end = found.frame == known[-1] if unknown_children is None else unknown_children
    open_start = found.frame == known[0] if unknown_parent is None else unknown_parent
    key: list[Key] = list(zip(found.frame.tolist(), found.label.tolist(), strict=True))
    by_parent = lineage.links[np.argsort(lineage.links[:, 0], kind="stable")]
    start = np.searchsorted(by_parent[:, 0], np.arange(len(found) + 1))
    pins = []
    for row in rows[np.isin(found.frame[rows], known)].tolist():
        if not lineage.selected[row]:
            if reject_unselected:
                pins.append(PinRow("detection", (key[row],), False, None, note))
            continue
        children = [key[child] for child in by_parent[start[row] : start[row + 1], 1].tolist()]
        if not open_end[row]:
            pins.append(PinRow("children", (key[row], *children), True, None, note))
        elif children:
            pins += [PinRow("link", (key[row], child), True, None, note) for child in children]
        else:
            pins.append(PinRow("detection", (key[row],), True, None, note))
        if lineage.parent[row] < 0 and not open_start[row]:
            pins.append(PinRow("appear", (key[row],), True, None, note))
    return pins


def truth_as_lineage(
    truth: Truth, detections: Detections, masks: Movie | None = None, max_distance: float | None = None
) -> TrueLineage:
    """The truth over the given detections, whose frames may be a part of its own.

    masks: in which the labels of `detections` lie, None for points.   max_distance: as in `match_objects`.
    Of true objects that share a detection the best match keeps it. The children of an object without detection pass to
    its nearest ancestor that has one; of more than two the earliest two stay, the others begin anew, and a warning
    names the parents. Raises TruthError when nothing matches.
    """
    part = truth.select(detections.frames)
    row = match_objects(detections, part, masks, max_distance=max_distance).one_to_one().rows
    matched, parent = contract(part.parent, row >= 0)
    if not len(matched):
        raise TruthError(
            f"no object of the ground truth {truth.name} is one of the {len(detections)} detections. "
            "Give the truth of this movie; for points, a larger --max-distance"
        )
    here = np.full(len(truth), -1, np.int64)  # (M,) the detection that each true object is
    here[np.isin(truth.frame, part.frames)] = row
    goes_on, came_from = _beyond(truth, here, detections)
    row = row[matched]
    child = np.flatnonzero(parent >= 0)
    child = child[np.lexsort((row[child], parent[child]))]
    group = parent[child]
    place = np.arange(len(child)) - np.searchsorted(group, group)  # 0, 1, 2, ... among its siblings, the earliest first
    if (place > 1).any():
        crowded = row[np.unique(group[place > 1])]
        log.warning(
            "more than two children in the truth (frame:label), of which pins can name two: %s",
            detections.names(crowded),
        )
    child = child[place < 2]
    selected = np.zeros(len(detections), bool)
    selected[row] = True
    lineage = make_lineage(detections, selected, np.column_stack([row[parent[child]], row[child]]))
    return TrueLineage(
        lineage,
        unknown_children=selected & (goes_on | (detections.frame >= truth.frames[-1])),
        unknown_parent=selected & (lineage.parent < 0) & (came_from | (detections.frame <= truth.frames[0])),
    )


def _beyond(
    truth: Truth, here: NDArray[np.int64], detections: Detections
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(N,) detections with children after the last frame of all detections, and those with a parent before the first.

    here: (M,) the detection that each true object is, -1 = none.
    """
    later, earlier = truth.frame > detections.frames[-1], truth.frame < detections.frames[0]
    kept, parent = contract(truth.parent, (here >= 0) | later | earlier)
    child = np.flatnonzero(parent >= 0)
    kept_parent, kept_child = kept[parent[child]], kept[child]
    goes_on, came_from = np.zeros(len(detections), bool), np.zeros(len(detections), bool)
    goes_on[here[kept_parent[later[kept_child] & (here[kept_parent] >= 0)]]] = True
    came_from[here[kept_child[earlier[kept_parent] & (here[kept_child] >= 0)]]] = True
    return goes_on, came_from


def lineage_over(lineage: Lineage, detections: Detections) -> Lineage:
    """The same lineage over the detections of its input, of which it holds the selected ones with their own labels.

    Raises InputError when detections of the lineage are not among them.
    """
    old = lineage.detections
    row = detections.rows_of(old.frame, old.label)
    lost = np.flatnonzero(row < 0)
    if len(lost):
        raise InputError(
            f"the result holds detections that its input has no more: {old.names(lost)}. Was the input changed since?"
        )
    selected = np.zeros(len(detections), bool)
    selected[row[lineage.selected]] = True
    return make_lineage(detections, selected, row[lineage.links])


def merge_rows(rows: Iterable[PinRow]) -> list[PinRow]:
    """All different rows in their order, without the unanswered ones that another row answers.

    A row answers another of its kind about the same detections; `children` answers any `children` of its detection.
    """
    distinct = list(dict.fromkeys(rows))
    answered = {_question(row) for row in distinct if row.value is not None}
    return [row for row in distinct if row.value is not None or _question(row) not in answered]


def detections_in_order(rows: Iterable[PinRow], detections: Detections) -> NDArray[np.int64]:
    """(K,) rows of the detections that pins are about (the first each names), in their order, each once.

    Raises InputError naming those that are not there.
    """
    keys = list(dict.fromkeys(row.keys[0] for row in rows))
    frame, label = np.array(keys, np.int64).reshape(-1, 2).T
    found = detections.rows_of(frame, label)
    lost = [named(keys[place]) for place in np.flatnonzero(found < 0)]
    if lost:
        raise InputError(
            f"the order must name detections of this movie; unknown (frame:label): {first_five(lost)}. "
            "Give a file that was made for this config"
        )
    return found


def _question(row: PinRow) -> tuple[str, Key, tuple[Key, ...]]:
    own, *children = row.keys
    return row.kind, own, () if row.kind == "children" else tuple(sorted(children))
