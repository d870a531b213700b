"""The tracking ILP as arrays: which columns exist, what they cost, what they may be.

Columns are binary and laid out family after family (see `Layout`):

    x_v detection | e_uv link | h division | a_v appearance | d_v disappearance | s_v split (model B)

Rows (built in rows.py):

    in(v):   a_v + sum(links into v) + sum(divisions with child v)  = x_v
    out(u):  d_u + sum(links out of u) + sum(divisions of u)        = x_u           model A ("pair")
             d_u + sum(links out of u) = x_u + s_u,   d_u + s_u <= x_u              model B ("split")
    exclusive set: sum x_v <= 1;   forbidden pair (model B): e_uv + e_uw <= 1

The objective, to be minimised, is sum(cost * column).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tracker.errors import InputError

_OPTIMAL = 1e-6


@dataclass(frozen=True)
class Layout:
    """Where each family lies among the columns: N detections, E links, H divisions."""

    n_detections: int
    n_links: int
    n_divisions: int
    split: bool

    @property
    def detection(self) -> slice:
        """Columns x_v, in row order."""
        return slice(0, self.n_detections)

    @property
    def link(self) -> slice:
        """Columns e_uv, in the order of `links`."""
        return slice(self.n_detections, self.n_detections + self.n_links)

    @property
    def division(self) -> slice:
        """Columns h, in the order of `divisions`."""
        start = self.n_detections + self.n_links
        return slice(start, start + self.n_divisions)

    @property
    def appear(self) -> slice:
        """Columns a_v."""
        start = self.n_detections + self.n_links + self.n_divisions
        return slice(start, start + self.n_detections)

    @property
    def disappear(self) -> slice:
        """Columns d_v."""
        start = 2 * self.n_detections + self.n_links + self.n_divisions
        return slice(start, start + self.n_detections)

    @property
    def splits(self) -> slice:
        """Columns s_v; empty in model A."""
        start = 3 * self.n_detections + self.n_links + self.n_divisions
        return slice(start, start + (self.n_detections if self.split else 0))

    @property
    def n_columns(self) -> int:
        """All columns."""
        return (4 if self.split else 3) * self.n_detections + self.n_links + self.n_divisions


@dataclass(frozen=True)
class TrackingProblem:
    """One instance of the ILP.

    links: (E, 2) int rows (parent, child).   divisions: (H, 3) int rows (parent, child, child); model A only.
    split: True for model B, where a division is two links plus the cost of s_u.
    cost: (columns,) float64.   lower, upper: (columns,) int8, 0 or 1: pins, kept detections.
    exclusive_sets: arrays of detection rows of which at most one may be selected.
    forbidden_pairs: (P, 2) int link indices that may not both be selected (model B).
    division_links: (H, 2) int, the links that each division replaces, -1 where that link is no candidate;
        looked up when not given.
    """

    links: NDArray[np.integer]
    divisions: NDArray[np.integer]
    split: bool
    cost: NDArray[np.float64]
    lower: NDArray[np.int8]
    upper: NDArray[np.int8]
    n_detections: int
    exclusive_sets: Sequence[NDArray[np.integer]] = ()
    forbidden_pairs: NDArray[np.integer] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    division_links: NDArray[np.integer] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def __post_init__(self) -> None:
        """Refuse what the solver must never see."""
        if len(self.division_links) != len(self.divisions):
            object.__setattr__(self, "division_links", find_links(self.links, self.divisions))
        size = self.layout.n_columns
        for name in ("cost", "lower", "upper"):
            if getattr(self, name).shape != (size,):
                raise InputError(f"{name} must have shape ({size},), found {getattr(self, name).shape}")
        if self.split and len(self.divisions):
            raise InputError("model B (split) has no division columns; found some")
        bad = np.flatnonzero(~np.isfinite(self.cost))
        if len(bad):
            raise InputError(f"costs must be finite; NaN or infinite in {len(bad)} columns, first column {bad[0]}")

    @property
    def layout(self) -> Layout:
        """The column layout."""
        return Layout(self.n_detections, len(self.links), len(self.divisions), self.split)

    def with_bounds(self, lower: NDArray[np.int8], upper: NDArray[np.int8]) -> "TrackingProblem":
        """The same problem under other bounds."""
        return replace(self, lower=lower, upper=upper)


def find_links(links: NDArray[np.integer], divisions: NDArray[np.integer]) -> NDArray[np.int64]:
    """(H, 2) index of the links (parent, child) of each division (parent, child, child); -1 where there is none."""
    if not len(links):
        return np.full((len(divisions), 2), -1, np.int64)
    span = int(max(links.max(), divisions.max(initial=0))) + 1
    key = links[:, 0].astype(np.int64) * span + links[:, 1]
    order = np.argsort(key, kind="stable")
    wanted = divisions[:, :1].astype(np.int64) * span + divisions[:, 1:]
    place = np.minimum(np.searchsorted(key, wanted, sorter=order), len(key) - 1)
    return np.where(key[order[place]] == wanted, order[place], -1)


def make_problem(
    n_detections: int,
    links: NDArray[np.integer],
    divisions: NDArray[np.integer] | None,
    *,
    link_cost: NDArray[np.float64],
    division_cost: NDArray[np.float64] | None = None,
    appear_cost: NDArray[np.float64] | float,
    disappear_cost: NDArray[np.float64] | float,
    detection_cost: NDArray[np.float64] | float = 0.0,
    split_cost: NDArray[np.float64] | float | None = None,
    keep: NDArray[np.bool_] | bool = False,
    exclusive_sets: Sequence[NDArray[np.integer]] = (),
    division_links: NDArray[np.integer] | None = None,
) -> TrackingProblem:
    """Lay costs out as columns. `split_cost` given means model B, else model A over `divisions`.

    keep: (N,) or one bool, detections that must be selected (x = 1 as a bound).
    division_links: (H, 2) link indices, when they are known already.
    """
    split = split_cost is not None
    pairs = np.empty((0, 3), np.int32) if divisions is None or not len(divisions) else np.asarray(divisions)
    links = np.asarray(links).reshape(-1, 2) if len(links) else np.empty((0, 2), np.int32)
    layout = Layout(n_detections, len(links), len(pairs), split)
    cost = np.zeros(layout.n_columns)
    cost[layout.detection] = detection_cost
    cost[layout.link] = link_cost
    if division_cost is not None:
        cost[layout.division] = division_cost
    cost[layout.appear], cost[layout.disappear] = appear_cost, disappear_cost
    if split_cost is not None:
        cost[layout.splits] = split_cost
    lower, upper = np.zeros(layout.n_columns, np.int8), np.ones(layout.n_columns, np.int8)
    lower[layout.detection] = keep
    given = np.empty((0, 2), np.int64) if division_links is None else division_links
    return TrackingProblem(
        links=links,
        divisions=pairs,
        split=split,
        cost=cost,
        lower=lower,
        upper=upper,
        n_detections=n_detections,
        exclusive_sets=exclusive_sets,
        division_links=given,
    )


def relative_gap(objective: float, bound: float) -> float:
    """(objective - bound) / max(1, |objective|), never negative."""
    return max(0.0, objective - bound) / max(1.0, abs(objective))


def proves_optimal(bound: float, objective: float) -> bool:
    """Whether the bound is as high as the objective, up to 1e-6 max(1, |objective|). NaN proves nothing."""
    return objective - bound <= _OPTIMAL * max(1.0, abs(objective))


@dataclass(frozen=True)
class Solution:
    """What the solver found, and what it proved.

    values: (columns,) bool.   objective: sum(cost * values).   bound: a proven lower bound on every lineage.
    status: "optimal" (objective - bound <= 1e-6 max(1, |objective|)) or "feasible" (time ran out).
    proof: what closed the gap: "integral LP", "reduced-cost fixing", "MIP" or "none".
    duals: (rows,) multipliers of the rows (order of rows.py), for reduced costs; NaN where a backend gives none.
    cuts, cut_duals: (K, columns), (K,) further rows `<= 1` that every lineage satisfies, with their multipliers <= 0.
    clusters: row sets (cuts counted after the rows) where the relaxation was wrong; see clusters.py.
    slack: (rows,) what the proof adds to the duals' bound around each row (0 where the relaxation was integral).
    seconds: per stage.   counts: components, rows, columns after reduction, ...
    """

    values: NDArray[np.bool_]
    objective: float
    bound: float
    status: str
    proof: str
    duals: NDArray[np.float64]
    cuts: csr_array
    cut_duals: NDArray[np.float64]
    clusters: tuple[NDArray[np.int64], ...]
    slack: NDArray[np.float64]
    seconds: dict[str, float]
    counts: dict[str, int]

    @property
    def gap(self) -> float:
        """(objective - bound) / max(1, |objective|), never negative."""
        return relative_gap(self.objective, self.bound)
