"""Points from TrackMate's XML: the spots it shows, and the links of the tracks it shows."""

import math
import xml.etree.ElementTree as ElementTree
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import PointsError
from tracker.io.point_table import PointTable, check_points, integer_frames, parents_from_edges

#: Spot attributes that are not properties of the cell.
PLACE = ("ID", "FRAME", "POSITION_X", "POSITION_Y", "POSITION_Z", "POSITION_T", "VISIBILITY", "name")
NEEDED = ("ID", "FRAME", "POSITION_Z", "POSITION_Y", "POSITION_X")


def read_trackmate(path: Path, *, lineage: bool) -> PointTable:
    """Read the spots of a TrackMate file, positions in its own spatial unit.

    Spots hidden by a filter are left out, and so are the links of tracks hidden by a filter. z is dropped where it is 0
    throughout a movie of one slice. Raises PointsError.
    """
    model = _Model()
    try:
        with path.open("rb") as file:
            model.parse(ElementTree.iterparse(file, events=("start", "end")))
    except KeyError as error:
        raise PointsError(
            f"{path} has a spot or link without {error.args[0]}; export it from TrackMate anew"
        ) from error
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise PointsError(f"cannot read {path} as TrackMate's XML: {error}") from error
    if not model.has_spots:
        raise PointsError(f"{path} is no TrackMate file: it has no AllSpots")
    columns = {name: np.array(values, np.float64) for name, values in model.columns.items()}
    ids = np.array(model.ids, np.int64)

    def where(rows: NDArray[np.int64]) -> list[str]:
        return [f"spot {ids[row]}" for row in rows]

    position = np.column_stack([columns[f"POSITION_{axis}"] for axis in "ZYX"])
    flat = model.slices == 1 and not position[:, 0].any()
    table = PointTable(
        id=ids,
        frame=integer_frames(columns["FRAME"], str(path), where),
        position=position[:, 1:] if flat else position,
        axes=("y", "x") if flat else ("z", "y", "x"),
        properties={name: values for name, values in columns.items() if name not in PLACE},
        name=str(path),
    )
    check_points(table, where)
    if not lineage:
        return table
    shown = [edge for track, *edge in model.edges if model.shown is None or track in model.shown]
    edges = np.array(shown, np.int64).reshape(-1, 2)
    edges = edges[np.isin(edges, ids).all(axis=1)]
    return replace(table, parent_id=parents_from_edges(ids, table.frame, edges, str(path)))


@dataclass
class _Model:
    """What has been read so far.

    ids, columns: of the visible spots; an attribute that a spot lacks is NaN.   edges: (track, source, target).
    shown: the tracks that pass the filter, None when the file does not say.   slices: planes of the image in z.
    """

    has_spots: bool = False
    slices: int = 1
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    columns: "dict[str, array[float]]" = field(default_factory=lambda: {name: array("d") for name in NEEDED[1:]})
    text: set[str] = field(default_factory=set)
    edges: list[tuple[int, int, int]] = field(default_factory=list)
    shown: set[int] | None = None
    _track: int = 0

    def parse(self, events: "Iterator[tuple[str, ElementTree.Element]]") -> None:
        """Take in the whole file, element by element. Raises KeyError for a missing attribute, ValueError."""
        for event, element in events:
            tag, given = element.tag, element.attrib
            if event == "start":
                if tag == "Track":
                    self._track = int(given["TRACK_ID"])
                elif tag == "FilteredTracks":
                    self.shown = set()
                elif tag == "AllSpots":
                    self.has_spots = True
                continue
            if tag == "Spot":
                self._add_spot(given)
            elif tag == "Edge":
                self.edges.append((self._track, int(given["SPOT_SOURCE_ID"]), int(given["SPOT_TARGET_ID"])))
            elif tag == "TrackID" and self.shown is not None:
                self.shown.add(int(given["TRACK_ID"]))
            elif tag == "ImageData":
                self.slices = int(given.get("nslices", 1))
            if tag in ("SpotsInFrame", "Track"):
                element.clear()  # a million spots need not stay in memory as XML
        for column in self.columns.values():
            column.extend([math.nan] * (len(self.ids) - len(column)))

    def _add_spot(self, given: dict[str, str]) -> None:
        if float(given.get("VISIBILITY", 1)) == 0:
            return
        missing = [name for name in NEEDED if name not in given]
        if missing:
            raise KeyError(*missing)
        for name, text in given.items():
            if name == "ID" or name in self.text:
                continue
            try:
                value = float(text)
            except ValueError:
                if name in NEEDED:
                    raise
                self.text.add(name)
                self.columns.pop(name, None)
                continue
            column = self.columns.setdefault(name, array("d"))
            column.extend([math.nan] * (len(self.ids) - len(column)))
            column.append(value)
        self.ids.append(int(given["ID"]))
