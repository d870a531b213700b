"""Pins become bounds on columns; they never become rows over many columns."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, find_links

_Bounds = NDArray[np.int8]


def apply_pins(problem: TrackingProblem, pins: PinArrays) -> TrackingProblem:
    """The problem under `pins`, all of them hard.

    detection  true x = 1; false x = 0 and every column through it 0, even where every detection is kept.
    link       true: both ends real, v may not appear, and every column into v that does not come from u is 0 (v may
               still be one of two children); false: the link and every division that holds it are 0.
    division   true: that division happens; false: it does not (its links may be used one at a time).
    children   exactly these children of u: the matching way out is 1, every other way out of u is 0.
    appear, disappear   true x = a = 1 (x = d = 1); false a = 0 (d = 0).

    Raises InputError when a pin demands a link or division that is no candidate. Contradictions show as a lower
    bound above an upper bound, or as an infeasible component; `solve` reports both as PinConflictError.
    """
    lower, upper = problem.lower.copy(), problem.upper.copy()
    _pin_detections(problem, pins.detection, lower, upper)
    _close_parents(problem, pins.children, lower, upper)
    _pin_links(problem, pins.link, lower, upper)
    _pin_divisions(problem, pins.division, lower, upper)
    forbidden = forbidden_pairs(problem, pins)
    layout = problem.layout
    for rows, family in ((pins.appear, layout.appear), (pins.disappear, layout.disappear)):
        true, false = _split(rows)
        upper[family.start + false[:, 0]] = 0
        lower[family.start + true[:, 0]] = 1
        lower[true[:, 0]] = 1
    return replace(
        problem, lower=lower, upper=upper, forbidden_pairs=np.concatenate([problem.forbidden_pairs, forbidden])
    )


def _split(pins: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pins with value true, pins with value false, without the value."""
    true = pins[:, -1] == 1
    return pins[true, :-1], pins[~true, :-1]


def _pin_detections(problem: TrackingProblem, pins: NDArray[np.int64], lower: _Bounds, upper: _Bounds) -> None:
    layout = problem.layout
    true, false = _split(pins)
    gone = np.zeros(problem.n_detections, bool)
    gone[false[:, 0]] = True
    lower[layout.detection][gone] = 0  # a person's word goes before "keep every detection"
    lower[true[:, 0]] = 1
    for family in (layout.detection, layout.appear, layout.disappear, layout.splits):
        upper[family][gone[: family.stop - family.start]] = 0
    upper[layout.link][gone[problem.links].any(axis=1)] = 0
    upper[layout.division][gone[problem.divisions].any(axis=1)] = 0


def _pin_links(problem: TrackingProblem, pins: NDArray[np.int64], lower: _Bounds, upper: _Bounds) -> None:
    layout = problem.layout
    true, false = _split(pins)
    lower[true.ravel()] = 1
    upper[layout.appear.start + true[:, 1]] = 0
    # The parent that each pinned child must come from; -2 where pins name two, so that nothing remains.
    wanted = np.full(problem.n_detections, -1, np.int64)
    wanted[true[:, 1]] = true[:, 0]
    wanted[true[wanted[true[:, 1]] != true[:, 0], 1]] = -2
    from_link = wanted[problem.links[:, 1]]
    upper[layout.link][(from_link != -1) & (from_link != problem.links[:, 0])] = 0
    for child in (1, 2):
        from_division = wanted[problem.divisions[:, child]]
        upper[layout.division][(from_division != -1) & (from_division != problem.divisions[:, 0])] = 0
    arrives = np.zeros(problem.n_detections, bool)
    arrives[problem.links[from_link == problem.links[:, 0], 1]] = True
    for child in (1, 2):
        matching = wanted[problem.divisions[:, child]] == problem.divisions[:, 0]
        arrives[problem.divisions[matching, child]] = True
    _refuse_missing(true[(wanted[true[:, 1]] >= 0) & ~arrives[true[:, 1]]], "link")

    refused = {(int(u), int(v)) for u, v in false}
    if refused:
        size = problem.n_detections
        keys = np.array([u * size + v for u, v in refused], np.int64)
        banned = np.isin(problem.links[:, 0].astype(np.int64) * size + problem.links[:, 1], keys)
        upper[layout.link][banned] = 0
        for child in (1, 2):
            key = problem.divisions[:, 0].astype(np.int64) * size + problem.divisions[:, child]
            upper[layout.division][np.isin(key, keys)] = 0


def forbidden_pairs(problem: TrackingProblem, pins: PinArrays) -> NDArray[np.int64]:
    """(P, 2) pairs of links that divisions pinned as false must not take together (model B; none in model A)."""
    _, false = _split(pins.division)
    if not problem.split or not len(false):
        return np.empty((0, 2), np.int64)
    pairs = find_links(problem.links, false)
    return pairs[(pairs >= 0).all(axis=1)]


def _pin_divisions(problem: TrackingProblem, pins: NDArray[np.int64], lower: _Bounds, upper: _Bounds) -> None:
    layout = problem.layout
    true, false = _split(pins)
    if problem.split:
        wanted = find_links(problem.links, true)
        _refuse_missing(true[(wanted < 0).any(axis=1)], "division")
        lower[layout.link.start + wanted.ravel()] = 1
        lower[true.ravel()] = 1
        return
    place = find_divisions(problem.divisions, true)
    _refuse_missing(true[place < 0], "division")
    lower[layout.division.start + place] = 1
    lower[true.ravel()] = 1
    place = find_divisions(problem.divisions, false)
    upper[layout.division.start + place[place >= 0]] = 0


def _close_parents(problem: TrackingProblem, pins: NDArray[np.int64], lower: _Bounds, upper: _Bounds) -> None:
    """`children`: close every way out of the pinned parents but the one that is pinned."""
    if not len(pins):
        return
    layout = problem.layout
    children = (pins[:, 1:] >= 0).sum(axis=1)
    parent = pins[:, 0]
    closed = np.zeros(problem.n_detections, bool)
    closed[parent] = True
    lower[parent] = 1
    before = upper.copy()
    upper[layout.disappear][closed] = 0
    upper[layout.link][closed[problem.links[:, 0]]] = 0
    upper[layout.division][closed[problem.divisions[:, 0]]] = 0
    chosen = [layout.disappear.start + parent[children == 0]]
    single = np.column_stack([pins[:, 0], pins[:, 1:].max(axis=1)])[children == 1]
    place = find_links(problem.links, np.column_stack([single, single[:, 1]]))[:, 0]
    _refuse_missing(single[place < 0], "link")
    chosen.append(layout.link.start + place)
    pair = pins[children == 2]
    if problem.split:
        upper[layout.splits][parent[children < 2]] = 0
        both = find_links(problem.links, pair)
        _refuse_missing(pair[(both < 0).any(axis=1)], "division")
        chosen.append(layout.link.start + both.ravel())
    else:
        place = find_divisions(problem.divisions, pair)
        _refuse_missing(pair[place < 0], "division")
        chosen.append(layout.division.start + place)
    for columns in chosen:
        lower[columns] = 1
        upper[columns] = before[columns]


def find_divisions(divisions: NDArray[np.integer], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each wanted (parent, child, child), children in either order; -1 where it is no candidate."""
    if not len(divisions) or not len(wanted):
        return np.full(len(wanted), -1, np.int64)
    parents = np.isin(divisions[:, 0], wanted[:, 0])
    few = np.flatnonzero(parents)
    table = {
        (int(u), *sorted((int(v), int(w)))): int(index) for index, (u, v, w) in zip(few, divisions[few], strict=True)
    }
    return np.array([table.get((int(u), *sorted((int(v), int(w)))), -1) for u, v, w in wanted], np.int64)


def _refuse_missing(missing: NDArray[np.int64], kind: str) -> None:
    if len(missing):
        raise InputError(
            f"a pinned {kind} must be a candidate; {len(missing)} are not, first (rows) {missing[0].tolist()}. "
            "Add it to the candidate graph"
        )
