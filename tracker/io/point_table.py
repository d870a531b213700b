"""A table of points, whatever file it came from, and the checks that hold for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracker.errors import PointsError, first_five

Where = Callable[[NDArray[np.int64]], list[str]]


@dataclass(frozen=True)
class PointTable:
    """N points in the order of the file.

    id: (N,) int64, unique, >= 0.   frame: (N,) int64.
    position: (N, D) float64 as the file gives it, not scaled.   axes: ("z", "y", "x") or ("y", "x").
    parent_id: (N,) int64, -1 = none; None when the file has no lineage or it was not asked for. A parent that is
        not in the table is kept: a table may be cut out of a longer one.
    properties: the other columns that are numbers throughout, (N,) float64, NaN where a value is missing.
    name: the file.
    """

    id: NDArray[np.int64]
    frame: NDArray[np.int64]
    position: NDArray[np.float64]
    axes: tuple[str, ...]
    parent_id: NDArray[np.int64] | None = None
    properties: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    name: str = "points"

    def __len__(self) -> int:
        """Number of points N."""
        return len(self.id)


def check_points(table: PointTable, where: Where) -> PointTable:
    """The table itself, when it has points, its ids are unique and its positions finite.

    where: names rows of the table in messages, for instance as lines of the file. Raises PointsError.
    """
    if not len(table):
        raise PointsError(f"no points in {table.name}")
    negative = np.flatnonzero(table.id < 0)
    if len(negative):
        raise PointsError(
            f"the id of a point must not be negative; found otherwise in {table.name} {first_five(where(negative))}"
        )
    order = np.argsort(table.id, kind="stable")
    again = np.diff(table.id[order]) == 0
    if again.any():
        ids = np.unique(table.id[order][1:][again])
        rows = np.sort(order[np.isin(table.id[order], ids)])
        raise PointsError(
            f"every point needs an id of its own; {table.name} repeats the ids {first_five(ids)}: "
            f"{first_five(where(rows))}. Number the points anew over the whole movie"
        )
    bad = np.flatnonzero(~np.isfinite(table.position).all(axis=1))
    if len(bad):
        raise PointsError(
            f"positions must be finite; NaN or infinite in {table.name} {first_five(where(bad))}. "
            "Remove or mend these points"
        )
    return table


def integer_frames(values: NDArray[np.float64], name: str, where: Where) -> NDArray[np.int64]:
    """The times as int64. Raises PointsError when one is no integer."""
    bad = np.flatnonzero(~(np.abs(values) < 2**53) | (values != np.rint(values)))  # NaN and inf are bad, too
    if len(bad):
        raise PointsError(f"the time of a point must be an integer; not so in {name} {first_five(where(bad))}")
    return values.astype(np.int64)


def parents_from_edges(
    ids: NDArray[np.int64], frame: NDArray[np.int64], edges: NDArray[np.int64], name: str
) -> NDArray[np.int64] | None:
    """(N,) id of the parent of each point or -1, from edges (E, 2) of ids in either direction; None without edges.

    The point of the earlier frame is the parent. Raises PointsError for an edge within one frame, an edge to a point
    that is not there, and a point with two parents.
    """
    if not len(edges):
        return None
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids[order], edges), len(ids) - 1)
    row = order[place]
    unknown = np.flatnonzero((ids[row] != edges).any(axis=1))
    if len(unknown):
        raise PointsError(f"links of {name} name points it does not hold: {_named(edges[unknown])}")
    first, second = frame[row[:, 0]], frame[row[:, 1]]
    level = np.flatnonzero(first == second)
    if len(level):
        raise PointsError(f"links must join points of different frames; not so in {name}: {_named(edges[level])}")
    forward = np.where((first < second)[:, None], row, row[:, ::-1])
    children, counts = np.unique(forward[:, 1], return_counts=True)
    if (counts > 1).any():
        raise PointsError(
            f"a lineage gives each point one parent at most; in {name} these have several: "
            f"{first_five(ids[children[counts > 1]])}"
        )
    parent = np.full(len(ids), -1, np.int64)
    parent[forward[:, 1]] = ids[forward[:, 0]]
    return parent


def _named(edges: NDArray[np.int64]) -> str:
    return first_five(f"{source} to {target}" for source, target in edges)
