"""tracks.csv: one line per selected detection, positions and all numbers so that they come back exactly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import OutputError, PointsError, first_five
from tracker.lineage import Lineage

# Lines are built and written in chunks, so that memory stays flat however long the table.
_LINES_PER_CHUNK = 200_000


@dataclass(frozen=True)
class TracksTable:
    """What a tracks.csv holds, K lines sorted by (t, label).

    id: (K,) int64.   t: (K,) int64, the input's own t.   position: (K, D) float64 in the unit of the run, [z,] y, x.
    label: (K,) int64, mask label or point id.   track_id: (K,) int64, 1..
    parent_id: (K,) int64, id of the parent detection, -1 for none.
    columns: further columns, each (K,) float64, `margin` first; NaN where the file has an empty cell.
    """

    id: NDArray[np.int64]
    t: NDArray[np.int64]
    position: NDArray[np.float64]
    label: NDArray[np.int64]
    track_id: NDArray[np.int64]
    parent_id: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]


def detection_ids(lineage: Lineage, *, from_masks: bool) -> NDArray[np.int64]:
    """(N,) the id of each detection in all outputs: its row + 1, or for points the point's own id (its label).

    Raises OutputError for point ids that are negative or occur twice among the selected.
    """
    if from_masks:
        return np.arange(1, len(lineage.detections) + 1, dtype=np.int64)
    ids = lineage.detections.label
    values, counts = np.unique(ids[lineage.selected], return_counts=True)
    bad = values[(counts > 1) | (values < 0)]
    if len(bad):
        raise OutputError(
            "point ids must be unique over the whole movie and not negative to name the points in the outputs; "
            f"found {first_five(bad.tolist())}. Number the points anew"
        )
    return ids


def write_tracks_csv(
    path: Path, lineage: Lineage, columns: Mapping[str, NDArray[np.float64]], *, ids: NDArray[np.int64]
) -> None:
    """Write the selected detections: `id,t,[z,]y,x,label,track_id,parent_id,margin`, then the other `columns`.

    columns: (N,) each over all detections; NaN and infinite values (no alternative) leave the cell empty. Without
    a column `margin` that column stays empty.   ids: (N,), see `detection_ids`.
    """
    found, rows = lineage.detections, np.flatnonzero(lineage.selected)
    axes = ("z", "y", "x")[-found.ndim :]
    further = [name for name in columns if name != "margin"]
    parent = lineage.parent
    parent_id = np.where(parent >= 0, ids[np.maximum(parent, 0)], -1)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(["id", "t", *axes, "label", "track_id", "parent_id", "margin", *further]) + "\n")
        for start in range(0, len(rows), _LINES_PER_CHUNK):
            part = rows[start : start + _LINES_PER_CHUNK]
            whole = [ids, found.frame, found.label, lineage.track_id, parent_id]
            id_text, t_text, *last_text = (map(str, column[part].tolist()) for column in whole)
            place_text = [map(repr, found.position[part, axis].tolist()) for axis in range(found.ndim)]
            margin_text = _cells(columns["margin"][part]) if "margin" in columns else [""] * len(part)
            further_text = [_cells(columns[name][part]) for name in further]
            lines = zip(id_text, t_text, *place_text, *last_text, margin_text, *further_text, strict=True)
            file.writelines(",".join(line) + "\n" for line in lines)


def read_tracks_csv(path: Path) -> TracksTable:
    """Read what `write_tracks_csv` wrote; the numbers are the very same. Raises PointsError when it cannot."""
    try:
        with path.open(encoding="utf-8") as file:
            names = file.readline().rstrip("\r\n").split(",")
            empty = not file.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise PointsError(f"cannot read the tracks in {path}: {error}") from None
    axes = [name for name in names if name in ("z", "y", "x")]
    wanted = ["id", "t", *axes, "label", "track_id", "parent_id", "margin"]
    if axes not in (["y", "x"], ["z", "y", "x"]) or names[: len(wanted)] != wanted or len(set(names)) < len(names):
        raise PointsError(
            f"{path} must begin with the line id,t,[z,]y,x,label,track_id,parent_id,margin and further columns, "
            f"each named once; found {','.join(names)}. Give a tracks.csv that a run wrote"
        )
    integers = {"id", "t", "label", "track_id", "parent_id"}
    dtype = np.dtype([(name, np.int64 if name in integers else np.float64) for name in names])
    blank: dict[int | str, Callable[[str], float]] = dict.fromkeys(range(len(wanted) - 1, len(names)), _number)
    table = np.empty(0, dtype)
    try:
        if not empty:
            table = np.loadtxt(path, dtype, None, ",", converters=blank, skiprows=1, ndmin=1, encoding="utf-8")
    except ValueError as error:
        raise PointsError(f"{path} must hold {len(names)} numbers per line ({','.join(names)}): {error}") from None
    return TracksTable(
        id=table["id"].copy(),
        t=table["t"].copy(),
        position=np.column_stack([table[name] for name in axes]),
        label=table["label"].copy(),
        track_id=table["track_id"].copy(),
        parent_id=table["parent_id"].copy(),
        columns={name: table[name].copy() for name in names[len(wanted) - 1 :]},
    )


def _cells(values: NDArray[np.float64]) -> list[str]:
    """Shortest text that reads back as the same number; empty where not finite."""
    finite = np.isfinite(values).tolist()
    return [repr(value) if known else "" for value, known in zip(values.tolist(), finite, strict=True)]


def _number(text: str) -> float:
    return float(text) if text else float("nan")
