"""Contradictions between hard pins that show in two or three of them; the solver finds the deeper ones.

A *claim* is a pair (parent, child) that a pin says is true: a link makes one, a division two, `children` none to two.
Everything is found by sorting and joining arrays: the time grows as K log K with the number of pins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.pin_table import KINDS

Contradiction = tuple[tuple[int, ...], str]
_Ints = NDArray[np.int64]

_ONE_VALUE = "a pin cannot be both true and false"
_ONE_PARENT = "a detection has one parent"
_TWO_CHILDREN = "a detection has two children at most"
_ALL_CHILDREN = "children names all the children of a detection"
_NO_LINK = "a child is linked to its parent"
_NO_DIVISION = "a detection with two children divides into them"
_NOT_REAL = "a rejected detection has no part in a lineage"
_NO_PARENT = "a detection that appears has no parent"
_NO_CHILDREN = "a detection that disappears has no children"
_ENDS = "a detection whose track ends disappears"


def find_contradictions(
    kind: NDArray[np.int8], rows: _Ints, value: NDArray[np.bool_], n_detections: int
) -> list[Contradiction]:
    """Sets of two or three pins that cannot hold together, each as (ascending pin numbers, the rule they break).

    kind: (K,) index into KINDS.   rows: (K, 3) of detection, child, child, -1 where there is none, two children
    ascending.   value: (K,).   No pin may occur twice. Sorted by pin numbers; one set is named once.
    """
    pins = _Pins(kind, rows, value, n_detections)
    found: dict[tuple[int, ...], str] = {}
    for rule in (_true_and_false, _two_parents, _closed, _three_children, _forbidden, _not_real, _begins_and_ends):
        for members, reason in rule(pins):
            found.setdefault(tuple(sorted({int(pin) for pin in members})), reason)
    return sorted(found.items())


def first_in_group(columns: NDArray[np.integer]) -> _Ints:
    """(K,) index of the first row of `columns` (K, C) that equals each row."""
    order = np.lexsort(columns.T[::-1]).astype(np.int64)
    new = np.ones(len(order), bool)
    new[1:] = (columns[order[1:]] != columns[order[:-1]]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    return first


@dataclass(frozen=True)
class _Pins:
    kind: NDArray[np.int8]
    rows: _Ints
    value: NDArray[np.bool_]
    n_detections: int

    def of(self, kind: str, value: bool = True) -> _Ints:
        """Numbers of the pins of a kind with a value."""
        return np.flatnonzero((self.kind == KINDS.index(kind)) & (self.value == value))

    def claims(self, *kinds: str) -> tuple[_Ints, _Ints, _Ints]:
        """(pin, parent, child) of the claims that pins of `kinds` (all without) make, in the order of the pins."""
        pins = np.sort(np.concatenate([self.of(kind) for kind in kinds or ("link", "division", "children")]))
        pin = np.repeat(pins, 2)
        child = self.rows[pins, 1:].ravel()
        there = child >= 0
        return pin[there], self.rows[pin[there], 0], child[there]

    def key(self, parent: _Ints, child: _Ints) -> _Ints:
        return parent * self.n_detections + child


_Found = Iterator[tuple[tuple[int, ...], str]]


def _pairs(first: _Ints, second: _Ints, reason: str) -> _Found:
    for pair in zip(first.tolist(), second.tolist(), strict=True):
        yield pair, reason


def _join(left: _Ints, right: _Ints) -> tuple[_Ints, _Ints]:
    """(left, right) indices of all equal keys; the keys of `left` differ from each other."""
    if not len(left):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(left, kind="stable")
    place = np.minimum(np.searchsorted(left[order], right), len(left) - 1)
    match = np.flatnonzero(left[order][place] == right)
    return order[place[match]], match


def _true_and_false(pins: _Pins) -> _Found:
    first = first_in_group(np.column_stack([pins.kind, pins.rows]))
    other = np.flatnonzero(pins.value != pins.value[first])
    return _pairs(first[other], other, _ONE_VALUE)


def _two_parents(pins: _Pins) -> _Found:
    pin, parent, child = pins.claims()
    first = first_in_group(child[:, None])
    other = np.flatnonzero(parent != parent[first])
    return _pairs(pin[first[other]], pin[other], _ONE_PARENT)


def _closed(pins: _Pins) -> _Found:
    """Against the first `children` of a parent: others that differ, and claims of children it does not name."""
    closing = pins.of("children")
    parent = pins.rows[closing, 0]
    first = first_in_group(parent[:, None])
    other = np.flatnonzero((pins.rows[closing] != pins.rows[closing[first]]).any(axis=1))
    yield from _pairs(closing[first[other]], closing[other], _ALL_CHILDREN)
    closing = closing[first == np.arange(len(first))]
    pin, parent, child = pins.claims("link", "division")
    place, claim = _join(pins.rows[closing, 0], parent)
    more = (pins.rows[closing[place], 1:] != child[claim, None]).all(axis=1)
    yield from _pairs(closing[place[more]], pin[claim[more]], _ALL_CHILDREN)


def _three_children(pins: _Pins) -> _Found:
    """Parents that no `children` closes, with claims of three children or more: the fewest pins that say so."""
    pin, parent, child = pins.claims("link", "division")
    once = first_in_group(np.column_stack([parent, child])) == np.arange(len(pin))
    many = np.bincount(parent[once], minlength=pins.n_detections) > 2
    many[pins.rows[pins.of("children"), 0]] = False
    named = np.flatnonzero(many[parent])
    named = named[np.argsort(parent[named], kind="stable")]
    ends = np.flatnonzero(np.diff(parent[named], append=-1)) + 1
    for claims in np.split(named, ends[:-1]) if len(named) else ():
        own = pin[claims]
        divisions = own[pins.kind[own] == KINDS.index("division")]
        if len(divisions):
            outside = ~np.isin(child[claims], pins.rows[divisions[0], 1:])
            yield (divisions[0], own[outside][0]), _TWO_CHILDREN
        else:
            yield tuple(own[:3]), _TWO_CHILDREN


def _forbidden(pins: _Pins) -> _Found:
    """Links and divisions that are false, against claims that make them true."""
    no_link, no_division = pins.of("link", False), pins.of("division", False)
    pin, parent, child = pins.claims("division", "children")
    place, claim = _join(pins.key(*pins.rows[no_link, :2].T), pins.key(parent, child))
    yield from _pairs(no_link[place], pin[claim], _NO_LINK)

    # One pin that claims both children. Where it is a division, `_true_and_false` names it.
    whole = np.concatenate([pins.of("division"), pins.of("children")])
    alike = first_in_group(np.concatenate([pins.rows[no_division], pins.rows[whole]]))[len(no_division) :]
    told = alike < len(no_division)
    closing = told & (pins.kind[whole] == KINDS.index("children"))
    yield from _pairs(no_division[alike[closing]], whole[closing], _NO_DIVISION)

    # Two pins that claim one child each.
    rest = no_division[~np.isin(np.arange(len(no_division)), alike[told])]
    pin, parent, child = pins.claims()
    keys, first = np.unique(pins.key(parent, child), return_index=True)
    if len(keys):
        wanted = np.column_stack([pins.key(*pins.rows[rest][:, [0, k]].T) for k in (1, 2)])
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        for row in np.flatnonzero((keys[place] == wanted).all(axis=1)):
            yield (rest[row], *pin[first[place[row]]]), _NO_DIVISION


def _not_real(pins: _Pins) -> _Found:
    rejecting = pins.of("detection", False)
    gone = pins.rows[rejecting, 0]
    for kind in ("link", "division", "children", "appear", "disappear"):
        living = pins.of(kind)
        for column in range(3):
            place, pin = _join(gone, pins.rows[living, column])
            yield from _pairs(rejecting[place], living[pin], _NOT_REAL)


def _begins_and_ends(pins: _Pins) -> _Found:
    pin, parent, child = pins.claims()
    appears, disappears, stays = pins.of("appear"), pins.of("disappear"), pins.of("disappear", False)
    place, claim = _join(pins.rows[appears, 0], child)
    yield from _pairs(appears[place], pin[claim], _NO_PARENT)
    place, claim = _join(pins.rows[disappears, 0], parent)
    yield from _pairs(disappears[place], pin[claim], _NO_CHILDREN)
    closing = pins.of("children")
    ending = closing[(pins.rows[closing, 1:] < 0).all(axis=1)]
    place, end = _join(pins.rows[stays, 0], pins.rows[ending, 0])
    yield from _pairs(stays[place], ending[end], _ENDS)
