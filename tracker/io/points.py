"""Read a table of points, whatever its format."""

from pathlib import Path

from tracker.errors import PointsError
from tracker.io.point_table import PointTable
from tracker.io.points_csv import read_csv
from tracker.io.trackmate import read_trackmate

__all__ = ["PointTable", "read_points"]

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (".csv", ".tsv", ".xml", ".geff")  # what is a table of points by its name alone


def read_points(path: Path | str, *, lineage: bool = True) -> PointTable:
    """Read points with their frames and positions, in the order and units of the file.

    path: a text table (.csv, .tsv, .txt) with a header that names t, [z,] y, x, optionally id and parent_id (-1, 0
        when no id is 0, or empty = none), and any further columns; without an id, points are numbered from 1 in the
        order of the file. Or TrackMate's XML, or a geff.
    lineage: whether to read who descends from whom; without it `parent_id` is None, whatever the file says about it.
    Raises PointsError, naming the lines or ids at fault.
    """
    place = Path(path)
    if place.is_dir():
        from tracker.io.geff_points import read_geff  # here, because importing geff takes half a second

        return read_geff(place, lineage=lineage)
    if not place.is_file():
        raise PointsError(f"no point table at {place}")
    suffix = place.suffix.lower()
    if suffix == ".xml":
        return read_trackmate(place, lineage=lineage)
    if suffix in TEXT_SUFFIXES:
        return read_csv(place, lineage=lineage)
    raise PointsError(
        f"{place} is not a known form of points: wanted a text table ({', '.join(TEXT_SUFFIXES)}), "
        "TrackMate's .xml or a .geff folder"
    )
