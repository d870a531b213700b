"""What each layer of the viewer shows, as arrays: no window here. World coordinates: step, then positions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.io.geff_extra import about_detections
from tracker.lineage import Lineage
from tracker.suggest import spacing
from tracker.view.proofreading import Proofreading
from tracker.view.ways import Way, key_of

LARGEST, SMALLEST = 0.55, 0.12  # of the distance between neighbours: diameter of the most and the least doubtful
WAYS_NAMED = 4  # the first ways out, whose costs stand in the picture
WAYS_SHOWN = 9  # of each side: as many as there are keys


@dataclass(frozen=True)
class TracksLayer:
    """data: (M, 2 + D) track, step, position; sorted by track and step.   graph: track -> the tracks it comes from.

    forks: (2 K, 2 + D) for each daughter, with her number, the last place of her mother and her own first one.
    Where there is none, data and forks have one row of track 0, a line of one point: napari knows no empty tracks.
    """

    data: NDArray[np.float64]
    graph: dict[int, list[int]]
    forks: NDArray[np.float64]


@dataclass(frozen=True)
class WaysLayer:
    """Candidates of the selection.

    lines: (K, 2, D) start and vector to the other end.   colour: (K, 4).   width: (K,).
    places: (W, D) where a text stands.   texts: W texts.
    """

    lines: NDArray[np.float64]
    colour: NDArray[np.float64]
    places: NDArray[np.float64]
    texts: tuple[str, ...]


def tracks_layer(lineage: Lineage, track: NDArray[np.int64]) -> TracksLayer:
    """All tracks as lines, and lines from mothers to daughters."""
    found = lineage.detections
    rows = np.flatnonzero(track > 0)
    rows = rows[np.lexsort((found.frame[rows], track[rows]))]
    ends = np.column_stack([np.repeat(lineage.divisions[:, :1], 2, axis=0).ravel(), lineage.divisions[:, 1:].ravel()])
    ends = ends[np.argsort(track[ends[:, 1]])]
    graph: dict[int, list[int]] = {}
    for mother, *children in track[lineage.divisions].tolist():
        for child in children:
            graph[child] = [mother]
    return TracksLayer(
        _vertices(lineage, track[rows], rows), graph, _vertices(lineage, np.repeat(track[ends[:, 1]], 2), ends.ravel())
    )


def _vertices(lineage: Lineage, track: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K, 2 + D) as in TracksLayer."""
    found = lineage.detections
    data = np.column_stack([track, found.step[rows], found.position[rows]]).astype(np.float64)
    return data if len(data) else np.zeros((1, data.shape[1]))


def tracks_metadata(lineage: Lineage) -> dict[str, Any]:
    """What a tracks layer carries along, so that it is saved as what it was made from: scale, unit, frame of a step."""
    return {"pintrack": about_detections(lineage.detections)}


def forks_metadata() -> dict[str, Any]:
    """What says of a layer that its lines from mothers to daughters are no tracks."""
    return {"pintrack": {"drawn_from": "tracks"}}


def cell_spacing(lineage: Lineage) -> float:
    """Typical distance between neighbours, in the unit of the positions."""
    found = lineage.detections
    typical = spacing(found, 0, len(found.frames))
    if np.isfinite(typical) and typical > 0:
        return typical
    extent = np.ptp(found.position, axis=0) if len(found) else np.ones(1)
    return float(max(extent.max() / 10, 1.0))


def doubt_sizes(out: NDArray[np.float64], typical: float) -> NDArray[np.float64]:
    """(N,) diameters of points, larger where the margin is smaller.

    SMALLEST + (LARGEST - SMALLEST) / (1 + margin / m) times the distance of neighbours, m the tenth part of all finite
    margins from below; where nothing else is possible the smallest.
    """
    finite = out[np.isfinite(out) & (out > 0)]
    scale = float(np.quantile(finite, 0.1)) if len(finite) else 1.0
    share = 1.0 / (1.0 + out / scale)
    return typical * (SMALLEST + (LARGEST - SMALLEST) * share)


def shown_ways(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """The ways that are drawn and listed: the first of each side, and all that pins name."""
    shown = []
    for side in ("out", "into"):
        own = [way for way in ways if way.side == side]
        shown += [way for place, way in enumerate(own) if place < WAYS_SHOWN or way.pin]
    return tuple(shown)


def ways_layer(opened: Proofreading) -> WaysLayer:
    """Lines from the selection to the ends of its candidates, with numbers as the keys have them, and costs."""
    found = opened.session.inputs.detections
    start = found.position[opened.selection]
    lines, colours, places, texts = [], [], [], []
    number = 0
    said: dict[int, list[str]] = {}
    for way in shown_ways(opened.ways):
        number += way.side == "out"
        told = way.chosen or bool(way.pin) or way == opened.way
        if not told and (way.side == "into" or number > WAYS_NAMED):
            continue
        colour = _colour(way, way == opened.way)
        for row in way.rows[:1] if way.side == "into" else way.rows:
            lines.append([start, found.position[row] - start])
            colours.append(colour)
            if way.side == "out":
                said.setdefault(row, []).append(f"{number}: {difference(way)}")
    for row, lines_of_row in said.items():
        places.append(found.position[row])
        texts.append("  ".join(lines_of_row))
    shape = (-1, 2, found.ndim)
    return WaysLayer(
        np.array(lines, float).reshape(shape),
        np.array(colours, float).reshape(-1, 4),
        np.array(places, float).reshape(-1, found.ndim),
        tuple(texts),
    )


def difference(way: Way) -> str:
    """What a way adds to the cost of the optimum, in words."""
    if way.pin:
        return way.pin
    if way.chosen:
        return "chosen"
    return f"cost {way.cost:.2f}" if way.more is None else f"+{way.more:.2f}"


def words(opened: Proofreading, way: Way) -> str:
    """A way in words: `divides into 6:40 and 6:44`."""
    found = opened.session.inputs.detections
    names = [":".join(map(str, key_of(found, row))) for row in way.rows]
    if way.kind == "end":
        return "ends" if way.side == "out" else "appears"
    if way.side == "out":
        return f"continues as {names[0]}" if way.kind == "link" else f"divides into {names[0]} and {names[1]}"
    return f"comes from {names[0]}" + (f", beside {names[1]}" if way.kind == "division" else "")


def _colour(way: Way, highlighted: bool) -> tuple[float, float, float, float]:
    if highlighted:
        return 1.0, 0.85, 0.2, 1.0
    if way.pin == "forbidden":
        return 0.9, 0.25, 0.25, 0.9
    if way.chosen:
        return 1.0, 1.0, 1.0, 1.0
    return (0.45, 0.75, 1.0, 0.55) if way.side == "out" else (0.75, 0.6, 1.0, 0.35)
