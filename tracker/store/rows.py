"""Rows that go into a store, checked on the way in: NaN, None and wrong shapes end here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import StoreError, first_five

PIN_KINDS = ("detection", "link", "division", "appear", "disappear")
_OWN = (
    "id, u, v, w, position, step, frame, label, keep, owner, selected, appear, disappear, cost, appear_cost, "
    "disappear_cost, detection_cost, dual_in, dual_out, dual_cap"
)
_SQL = (  # words that one of the databases does not take for a name
    "add, all, alter, analyse, analyze, and, any, array, as, asc, asymmetric, authorization, autoincrement, "
    "between, binary, both, case, cast, check, collate, collation, column, commit, concurrently, constraint, "
    "create, cross, current_catalog, current_date, current_role, current_schema, current_time, "
    "current_timestamp, current_user, default, deferrable, delete, desc, distinct, do, drop, else, end, "
    "escape, except, exists, false, fetch, for, foreign, freeze, from, full, grant, group, having, if, ilike, "
    "in, index, initially, inner, insert, intersect, into, is, isnull, join, lateral, leading, left, like, "
    "limit, localtime, localtimestamp, natural, not, nothing, notnull, null, offset, on, only, or, order, "
    "outer, overlaps, placing, primary, references, returning, right, select, session_user, set, similar, "
    "some, symmetric, table, tablesample, then, to, trailing, transaction, true, union, unique, update, user, "
    "using, values, variadic, verbose, when, where, window, with, ctid, xmin, xmax, cmin, cmax, tableoid, "
    "rowid, oid"
)
TAKEN = frozenset([*_OWN.split(", "), *_SQL.split(", ")])
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Header:
    """What a store was made for.

    config: whatever the priced program depends on, as flat JSON: {"candidates.neighbors": 10, ...}
        (`configured.config_identity`). A store is opened only for the same.
    frames: (T,) int64 frames of the movie that are kept; step k is frames[k].   ndim: 2 or 3 spatial axes.
    unit: of positions.   scale: (ndim,) size of a pixel.   image_shape: in pixels, None when only points are known.
    divisions: "pair", "split" or "none".   detection_columns, link_columns, division_columns: names of further
        columns (lower case, digits, underscores), float64 each.
    """

    config: Mapping[str, Any]
    frames: NDArray[np.int64]
    ndim: int
    unit: str = "pixel"
    scale: tuple[float, ...] = ()
    image_shape: tuple[int, ...] | None = None
    divisions: str = "pair"
    detection_columns: tuple[str, ...] = ()
    link_columns: tuple[str, ...] = ()
    division_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise StoreError for what a database could not keep."""
        if self.ndim not in (2, 3):
            raise StoreError(f"a store keeps positions of 2 or 3 axes, found {self.ndim}")
        if len(self.frames) and np.any(np.diff(self.frames) <= 0):
            raise StoreError("the frames of a store must be strictly increasing")
        for kind in ("detection", "link", "division"):
            names = getattr(self, f"{kind}_columns")
            bad = [name for name in names if not _NAME.fullmatch(name) or name in TAKEN or len(name) > 60]
            bad += [name for name in names if name.startswith("position_")]  # as SQLite names the coordinates
            bad += sorted({name for name in names if names.count(name) > 1})
            if bad:
                raise StoreError(
                    f"columns of a store are named once each, by lower-case letters, digits and underscores, and not "
                    f"as its own ({_OWN}) or as a word of SQL; {kind} columns found: {first_five(map(repr, bad))}"
                )


@dataclass(frozen=True)
class DetectionRows:
    """N detections with their prices.

    id: (N,) int64 >= 0, row among all detections of the run.   step, frame, label: (N,) int64.
    position: (N, D) float64 in data.unit, [z,] y, x; negative and fractional as they are.
    appear_cost, disappear_cost, detection_cost: (N,) float64, finite.   keep: (N,) bool, must be selected.
    columns: name -> (N,) float64, those of `Header.detection_columns`; NaN = unknown. In the split model one of them
        may be `split_cost`.
    Raises StoreError on construction.
    """

    id: NDArray[np.int64]
    step: NDArray[np.int64]
    frame: NDArray[np.int64]
    label: NDArray[np.int64]
    position: NDArray[np.float64]
    appear_cost: NDArray[np.float64]
    disappear_cost: NDArray[np.float64]
    detection_cost: NDArray[np.float64]
    keep: NDArray[np.bool_]
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, types, uniqueness and finiteness."""
        whole = np.dtype(np.int64)
        for name in ("id", "step", "frame", "label"):
            _set(self, name, whole, (len(self.id),))
        for name in ("appear_cost", "disappear_cost", "detection_cost"):
            _set(self, name, np.dtype(np.float64), (len(self.id),))
            _finite(name, getattr(self, name), self.id)
        _set(self, "keep", np.dtype(bool), (len(self.id),))
        _set(self, "position", np.dtype(np.float64), (len(self.id), None))
        _finite("position", self.position, self.id)
        _columns(self, "columns", len(self.id))
        _unique("detection", self.id[:, None])

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.id)


@dataclass(frozen=True)
class CandidateRows:
    """E links and H divisions with their prices, by ids.

    links: (E, 2) int64 (parent, child).   link_cost: (E,) float64, finite.   link_columns: name -> (E,) float64.
    divisions: (H, 3) int64 (parent, child, child), child ids increasing.   division_cost: (H,); division_columns.
    Raises StoreError on construction.
    """

    links: NDArray[np.int64]
    link_cost: NDArray[np.float64]
    divisions: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), np.int64))
    division_cost: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    link_columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    division_columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, types, uniqueness and finiteness."""
        for kind, ends in (("link", 2), ("division", 3)):
            name = f"{kind}s"
            _set(self, name, np.dtype(np.int64), (len(getattr(self, name)), ends))
            ids = getattr(self, name)
            _set(self, f"{kind}_cost", np.dtype(np.float64), (len(ids),))
            _finite(f"{kind}_cost", getattr(self, f"{kind}_cost"), ids)
            _columns(self, f"{kind}_columns", len(ids))
            _unique(kind, ids)
        loose = self.divisions[self.divisions[:, 1] >= self.divisions[:, 2]]
        if len(loose):
            raise StoreError(f"the child ids of a division must increase; they do not in {first_five(loose.tolist())}")
        loops = self.links[self.links[:, 0] == self.links[:, 1]]
        if len(loops):
            raise StoreError(f"a link joins two detections; one with itself: {first_five(loops.tolist())}")


@dataclass(frozen=True)
class PinRows:
    """P certain pins by ids.

    kind: (P,) int8 index into PIN_KINDS.   id: (P, 3) int64: the detection, then its child or children; -1 = none.
    value: (P,) bool.   Raises StoreError on construction.
    """

    kind: NDArray[np.int8]
    id: NDArray[np.int64]
    value: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check shapes and kinds."""
        count = len(self.kind)
        _set(self, "kind", np.dtype(np.int8), (count,))
        _set(self, "id", np.dtype(np.int64), (count, 3))
        _set(self, "value", np.dtype(bool), (count,))
        needed = np.array([1, 2, 3, 1, 1])
        known = (self.kind >= 0) & (self.kind < len(PIN_KINDS))
        right = known & ((self.id >= 0) == (np.arange(3) < needed[np.where(known, self.kind, 0)][:, None])).all(axis=1)
        if not right.all():
            wrong = np.flatnonzero(~right)
            raise StoreError(f"pins have the wrong kind or number of detections; rows {first_five(wrong.tolist())}")


def _set(rows: object, name: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> None:
    """The array in its type, where that changes no value."""
    given = np.asarray(getattr(rows, name))
    if given.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, given.shape, strict=True)):
        raise StoreError(f"{name} of rows for a store has the wrong shape: wanted {shape}, found {given.shape}")
    if given.dtype == object or not (np.can_cast(given.dtype, dtype, "same_kind") or given.size == 0):
        raise StoreError(f"{name} of rows for a store must hold {dtype}, found {given.dtype} (None is no number)")
    kept = np.ascontiguousarray(given, dtype)
    if given.dtype.kind in "iu" and given.dtype != dtype:
        lost = np.flatnonzero((kept != given).any(axis=tuple(range(1, given.ndim))))
        if len(lost):
            raise StoreError(
                f"{name} of rows for a store must hold {dtype}, which {given.dtype} does not fit into; rows "
                f"{first_five(lost.tolist())}"
            )
    object.__setattr__(rows, name, kept)


def _columns(rows: object, name: str, count: int) -> None:
    given = getattr(rows, name)
    kept = {}
    for key, column in given.items():
        array = np.asarray(column)
        if array.shape != (count,) or array.dtype.kind not in "biuf":
            raise StoreError(f"column {key} must be ({count},) numbers, found {array.shape} {array.dtype}")
        kept[key] = np.ascontiguousarray(array, np.float64)
    object.__setattr__(rows, name, kept)


def _finite(name: str, values: NDArray[np.float64], ids: NDArray[np.int64]) -> None:
    good = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if not good.all():
        raise StoreError(f"{name} must be finite; NaN or infinite for ids {first_five(ids[~good].tolist())}")


def _unique(kind: str, ids: NDArray[np.int64]) -> None:
    if not len(ids):
        return
    if ids.min() < 0:
        raise StoreError(f"ids must not be negative; {kind}s found: {first_five(ids[(ids < 0).any(axis=1)].tolist())}")
    order = np.lexsort(ids.T[::-1])
    twice = (ids[order[1:]] == ids[order[:-1]]).all(axis=1)
    if twice.any():
        raise StoreError(
            f"each {kind} may be written once at a time; twice: {first_five(ids[order[1:]][twice].tolist())}"
        )
