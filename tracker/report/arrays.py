"""The lineage as the arrays that the page draws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.doubts import RIVALS, uncertain_rows
from tracker.errors import InputError
from tracker.lineage import track_parents
from tracker.mistakes import KINDS
from tracker.neighbors import neighbor_distances
from tracker.report.source import Source
from tracker.track_colours import as_bytes, colour_table

MOST_MISTAKES = 3000
_POINT_SPACINGS, _LONELY_POINT_PX = {2: 0.35, 3: 0.2}, 5.0

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Shown:
    """The detections that the report holds.

    rows: (K,) in order.   number: (N + 1,) where each detection is among them, or -1; the last, for row -1, is -1.
    """

    rows: NDArray[np.int64]
    number: NDArray[np.int64]


def show(rows: NDArray[np.int64], count: int) -> Shown:
    """The detections `rows` out of `count`."""
    number = np.full(count + 1, -1, np.int64)
    number[rows] = np.arange(len(rows))
    return Shown(rows, number)


def lineage_arrays(source: Source, shown: Shown) -> Arrays:
    """Detections, tracks, divisions, and the least certain decisions, those that are shown.

    start (T + 1) offsets of the frames; x, y, z in pixels; parent and all rows count among the shown.
    track_first, track_last rows; track_parent index or -1; colour (tracks, 3) bytes; rivals (uncertain, 3) or -1.
    """
    lineage, found = source.lineage, source.lineage.detections
    rows, number = shown.rows, shown.number
    place = found.position / found.scale
    tracks, first, track = np.unique(lineage.track_id[rows], return_index=True, return_inverse=True)
    last = len(rows) - 1 - np.unique(lineage.track_id[rows][::-1], return_index=True)[1]
    mother = track_parents(lineage)[tracks - 1]
    at = np.append(np.full(int(tracks.max(initial=0)) + 1, -1), -1)
    at[tracks] = np.arange(len(tracks))
    out: Arrays = {
        "start": np.append(np.searchsorted(found.frame[rows], found.frames), len(rows)).astype("i4"),
        "x": place[rows, -1].astype("f4"),
        "y": place[rows, -2].astype("f4"),
    }
    if found.ndim == 3:
        out["z"] = place[rows, 0].astype("f4")
    out |= {
        "label": found.label[rows].astype("f8"),  # ids of points may need more than 32 bits
        "track": track.astype("i4"),
        "parent": number[lineage.parent[rows]].astype("i4"),
        "margin": source.margin[rows].astype("f4"),
        "margin_in": source.margin_in[rows].astype("f4"),
        "track_id": tracks.astype("i4"),
        "track_first": first.astype("i4"),
        "track_last": last.astype("i4"),
        "track_parent": np.where(mother > 0, at[mother], -1).astype("i4"),
        "colour": as_bytes(colour_table(track_parents(lineage)))[tracks],
        "divisions": _among(number, lineage.divisions).astype("i4"),
    }
    uncertain = uncertain_rows(lineage.detections, lineage.selected, source.margin)
    uncertain = uncertain[number[uncertain] >= 0]
    out["uncertain"] = number[uncertain].astype("i4")
    out["rivals"] = number[_rivals(source, uncertain)].astype("i4")
    return out


def _rivals(source: Source, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K, 3) what each of the least certain could be linked to and is not, as the run said; -1 where nothing is."""
    found = source.lineage.detections
    out = np.full((len(rows), RIVALS), -1, np.int64)
    try:
        said = {(doubt["t"], doubt["label"]): doubt["others"] for doubt in source.run.get("doubts", [])}
        for place, row in enumerate(rows.tolist()):
            others = np.array(said.get((int(found.frame[row]), int(found.label[row])), []), np.int64).reshape(-1, 2)
            out[place, : len(others)] = found.rows_of(others[:, 0], others[:, 1])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the doubts in {source.folder / 'run.json'} cannot be read ({error!r}). Run again: `track run`"
        ) from error
    return out


def _among(number: NDArray[np.int64], table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the table, all of whose entries are shown, counted among the shown."""
    counted = number[table]
    return counted[(counted >= 0).all(axis=1)] if len(counted) else counted


def mistake_arrays(source: Source, shown: Shown) -> Arrays:
    """The errors: kind, step (K, 2), rows (K, 2), place (K, 2, D) in pixels, x first; at most so many of each kind."""
    mistakes, found = source.mistakes, source.lineage.detections
    if mistakes is None:
        return {}
    place_in_kind = np.arange(len(mistakes)) - np.searchsorted(mistakes.kind, mistakes.kind)
    kept = np.flatnonzero(place_in_kind < MOST_MISTAKES // len(KINDS))
    return {
        "mistake_kind": mistakes.kind[kept].astype("u1"),
        "mistake_step": np.searchsorted(found.frames, mistakes.t[kept]).astype("i4"),
        "mistake_rows": shown.number[mistakes.rows[kept]].astype("i4"),
        "mistake_place": (mistakes.position[kept] / found.scale)[:, :, ::-1].astype("f4"),
    }


def point_radius_px(source: Source) -> float:
    """Radius of the disk that stands for a point: 0.35 of the usual distance to the nearest neighbour.

    In volumes 0.2: seen from one side, points come to lie closer.
    """
    found = source.lineage.detections
    near = neighbor_distances(found)[:, 0]
    near = near[np.isfinite(near)]
    return float(_POINT_SPACINGS[found.ndim] * np.median(near) / found.scale[-1]) if len(near) else _LONELY_POINT_PX
