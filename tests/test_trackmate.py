"""Points from TrackMate's XML."""

import re

import numpy as np
import pytest
from point_files import refused, write

from tracker.errors import PointsError
from tracker.io.points import read_points


def trackmate(spots, tracks="", shown=None, slices=1):
    attributes = 'name="ID{0}" QUALITY="{0}.5" POSITION_T="{1}.0" VISIBILITY="{5}" POSITION_X="{4}" POSITION_Y="{3}"'
    lines = "".join(
        f'<SpotsInFrame frame="{spot[1]}"><Spot ID="{spot[0]}" FRAME="{spot[1]}" POSITION_Z="{spot[2]}" '
        + attributes.format(*spot)
        + (' RADIUS="2.0"' if spot[0] == 4 else "")
        + " /></SpotsInFrame>\n"
        for spot in spots
    )
    ids = "".join(f'<TrackID TRACK_ID="{k}" />' for k in shown) if shown is not None else ""
    filtered = f"<FilteredTracks>{ids}</FilteredTracks>" if shown is not None else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<TrackMate version="7.11.1"><Log>hello</Log><Model spatialunits="um">'
        f'<FeatureDeclarations/><AllSpots nspots="{len(spots)}">{lines}</AllSpots><AllTracks>{tracks}</AllTracks>'
        f'{filtered}</Model><Settings><ImageData nslices="{slices}" /></Settings></TrackMate>'
    )


SPOTS = [(4, 0, 0.0, 2.5, 3.5, 1), (9, 1, 0.0, 4.0, 5.0, 1), (7, 1, 0.0, 6.0, 7.0, 1), (8, 2, 0.0, 1.0, 1.0, 0)]
TRACKS = (
    '<Track TRACK_ID="0"><Edge SPOT_SOURCE_ID="4" SPOT_TARGET_ID="9" /></Track>'
    '<Track TRACK_ID="3"><Edge SPOT_SOURCE_ID="7" SPOT_TARGET_ID="4" /><Edge SPOT_SOURCE_ID="7" SPOT_TARGET_ID="8" />'
    "</Track>"
)


def test_trackmate(tmp_path):
    table = read_points(write(tmp_path, trackmate(SPOTS, TRACKS), "model.xml"))
    assert table.id.tolist() == [4, 9, 7]  # 8 is hidden
    assert table.frame.tolist() == [0, 1, 1]
    assert table.axes == ("y", "x")
    assert table.position.tolist() == [[2.5, 3.5], [4, 5], [6, 7]]
    assert table.parent_id.tolist() == [-1, 4, 4]  # the link from 7 back to 4, too
    assert table.properties["QUALITY"].tolist() == [4.5, 9.5, 7.5]
    np.testing.assert_array_equal(table.properties["RADIUS"], [2, np.nan, np.nan])
    assert set(table.properties) == {"QUALITY", "RADIUS"}


def test_trackmate_shows_only_filtered_tracks(tmp_path):
    assert read_points(write(tmp_path, trackmate(SPOTS, TRACKS, [0]), "a.xml")).parent_id.tolist() == [-1, 4, -1]
    assert read_points(write(tmp_path, trackmate(SPOTS, TRACKS, []), "a.xml")).parent_id is None
    assert read_points(write(tmp_path, trackmate(SPOTS, TRACKS), "a.xml"), lineage=False).parent_id is None


@pytest.mark.parametrize(("z", "slices"), [(0.0, 5), (2.0, 1)])
def test_trackmate_keeps_z(tmp_path, z, slices):
    spots = [(1, 0, z, 2.0, 3.0, 1)]
    table = read_points(write(tmp_path, trackmate(spots, slices=slices), "model.xml"))
    assert table.axes == ("z", "y", "x")
    assert table.position.tolist() == [[z, 2, 3]]


MERGE = (
    '<Track TRACK_ID="0"><Edge SPOT_SOURCE_ID="1" SPOT_TARGET_ID="3" />'
    '<Edge SPOT_SOURCE_ID="2" SPOT_TARGET_ID="3" /></Track>'
)
THREE = [(1, 0, 0.0, 1.0, 1.0, 1), (2, 0, 0.0, 1.0, 1.0, 1), (3, 1, 0.0, 1.0, 1.0, 1)]

BAD_TRACKMATE = {
    "other xml": ("<a><b/></a>", "FILE is no TrackMate file: it has no AllSpots"),
    "no spots": (trackmate([]), "no points in FILE"),
    "hidden spots": (trackmate(SPOTS[3:]), "no points in FILE"),
    "twice": (
        trackmate([THREE[0], THREE[0]]),
        "every point needs an id of its own; FILE repeats the ids 1: spot 1, spot 1. "
        "Number the points anew over the whole movie",
    ),
    "nan": (
        trackmate([(1, 0, 0.0, "NaN", 1.0, 1)]),
        "positions must be finite; NaN or infinite in FILE spot 1. Remove or mend these points",
    ),
    "no frame": (
        trackmate(THREE).replace(' FRAME="1"', ""),
        "FILE has a spot or link without FRAME; export it from TrackMate anew",
    ),
    "merge": (
        trackmate(THREE, MERGE),
        "a lineage gives each point one parent at most; in FILE these have several: 3",
    ),
    "link within a frame": (
        trackmate(THREE, MERGE.replace('TARGET_ID="3"', 'TARGET_ID="1"', 2)),
        "links must join points of different frames; not so in FILE: 1 to 1, 2 to 1",
    ),
    "time": (
        trackmate([(1, 0.5, 0.0, 1.0, 1.0, 1)]),
        "the time of a point must be an integer; not so in FILE spot 1",
    ),
    "text for a number": (
        trackmate([(1, 0, 0.0, "here", 1.0, 1)]),
        "cannot read FILE as TrackMate's XML: could not convert string to float: 'here'",
    ),
}


@pytest.mark.parametrize("name", BAD_TRACKMATE)
def test_bad_trackmate(tmp_path, name):
    text, message = BAD_TRACKMATE[name]
    refused(write(tmp_path, text, "model.xml"), message)


def test_trackmate_cut_short(tmp_path):
    path = write(tmp_path, trackmate(THREE)[:-30], "model.xml")
    with pytest.raises(PointsError, match=re.escape(f"cannot read {path} as TrackMate's XML: ")):
        read_points(path)


def test_merges_do_not_matter_without_lineage(tmp_path):
    assert len(read_points(write(tmp_path, trackmate(THREE, MERGE), "model.xml"), lineage=False)) == 3
