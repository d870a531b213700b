"""Points from a geff: its nodes, and its edges as lineage."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from geff import GeffReader
from numpy.typing import NDArray

from tracker.errors import PointsError
from tracker.io.pixels import UNREADABLE
from tracker.io.point_table import PointTable, check_points, integer_frames, parents_from_edges

TIME_NAMES = ("t", "time", "frame")


def read_geff(path: Path, *, lineage: bool) -> PointTable:
    """Read the nodes of a geff; positions are the stored numbers, without the scale that its axes may declare.

    The axes are those that the metadata declares (its time axis and z, y, x), else the properties t, z, y, x. Other
    properties are kept where they are one number per node. Raises PointsError.
    """
    try:
        reader = GeffReader(path)
        declared = reader.metadata.axes or []
        names = [axis.name for axis in declared] or list(reader.node_prop_names)
        times = [axis.name for axis in declared if axis.type == "time"]
        numeric = [
            name
            for name, described in reader.metadata.node_props_metadata.items()
            if not described.varlength and np.dtype(described.dtype).kind in "biuf"
        ]
        reader.read_node_props(numeric)
        content = reader.build()
    except UNREADABLE as error:
        raise PointsError(f"cannot read {path} as a geff: {error}") from error
    time = times or [name for name in names if name.lower() in TIME_NAMES]
    axes = tuple(axis for axis in "zyx" if any(name.lower() == axis for name in names))
    if not time or axes[-2:] != ("y", "x"):
        raise PointsError(
            f"the nodes of {path} need a time axis and the axes [z,] y, x; found {', '.join(names) or 'none'}"
        )
    place = [time[0], *(next(name for name in names if name.lower() == axis) for axis in axes)]
    ids = np.asarray(content["node_ids"])

    def where(rows: NDArray[np.int64]) -> list[str]:
        return [f"node {ids[row]}" for row in rows]

    if ids.size and int(ids.max()) > np.iinfo(np.int64).max:
        raise PointsError(f"node ids must be below 2**63; found {ids.max()} in {path}")
    unusable = [name for name in place if name not in numeric]
    if unusable:
        raise PointsError(f"the axes of {path} must be one number per node; not so: {', '.join(unusable)}")
    columns = {name: _column(content["node_props"][name]) for name in numeric}
    table = PointTable(
        id=ids.astype(np.int64),
        frame=integer_frames(columns[place[0]], str(path), where),
        position=np.column_stack([columns[name] for name in place[1:]]),
        axes=axes,
        properties={name: v for name, v in columns.items() if name not in place and v.ndim == 1},
        name=str(path),
    )
    check_points(table, where)
    if not lineage:
        return table
    edges = np.asarray(content["edge_ids"]).astype(np.int64).reshape(-1, 2)
    parent = parents_from_edges(table.id, table.frame, edges, table.name)
    return replace(table, parent_id=parent)


def _column(stored: Any) -> NDArray[np.float64]:
    """Values of one property as numbers, NaN where missing."""
    values = np.array(stored["values"], np.float64)
    if stored["missing"] is not None:
        values[np.asarray(stored["missing"])] = np.nan
    return values
