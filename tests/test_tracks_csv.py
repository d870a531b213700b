"""tracks.csv: exact text, exact numbers back, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import OutputError, PointsError
from tracker.io.tracks_csv import detection_ids, read_tracks_csv, write_tracks_csv
from tracker.lineage import Lineage, make_lineage


def division(ndim: int = 2) -> Lineage:
    """Frames 5 and 6: cell 7 divides into 2 and 9; detection 4 in frame 5 is not selected."""
    frame, label = np.array([5, 5, 6, 6], np.int64), np.array([4, 7, 2, 9], np.int64)
    position = np.arange(4 * ndim, dtype=float).reshape(4, ndim) / 3
    detections = Detections(frame, label, position, np.array([5, 6]), np.ones(ndim))
    return make_lineage(detections, np.array([False, True, True, True]), np.array([[1, 2], [1, 3]]))


def empty() -> Lineage:
    detections = Detections(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3)), np.array([0, 1]), np.ones(3)
    )
    return make_lineage(detections, np.empty(0, bool), np.empty((0, 2), np.int64))


def test_text_of_a_mask_result(tmp_path: Path) -> None:
    found = division()
    columns = {"cost": np.array([9.0, 0.1, -2.0, 1e-300]), "margin": np.array([9.0, 0.5, np.inf, np.nan])}
    write_tracks_csv(tmp_path / "tracks.csv", found, columns, ids=detection_ids(found, from_masks=True))
    assert (tmp_path / "tracks.csv").read_bytes() == (
        b"id,t,y,x,label,track_id,parent_id,margin,cost\n"
        b"2,5,0.6666666666666666,1.0,7,1,-1,0.5,0.1\n"
        b"3,6,1.3333333333333333,1.6666666666666667,2,2,2,,-2.0\n"
        b"4,6,2.0,2.3333333333333335,9,3,2,,1e-300\n"
    )


def test_point_ids_are_kept_and_the_margin_column_is_always_there(tmp_path: Path) -> None:
    found = division(ndim=3)
    write_tracks_csv(tmp_path / "tracks.csv", found, {}, ids=detection_ids(found, from_masks=False))
    lines = (tmp_path / "tracks.csv").read_text().splitlines()
    assert lines[0] == "id,t,z,y,x,label,track_id,parent_id,margin"
    assert lines[1] == "7,5,1.0,1.3333333333333333,1.6666666666666667,7,1,-1,"
    assert lines[2].startswith("2,6,")
    assert lines[2].endswith(",2,2,7,")


@pytest.mark.parametrize("ndim", [2, 3])
def test_round_trip_is_exact(tmp_path: Path, ndim: int) -> None:
    rng = np.random.default_rng(1)
    count = 500
    frame = np.sort(rng.integers(0, 20, count))
    label = np.arange(count, dtype=np.int64) + 2**40
    position = rng.normal(size=(count, ndim)) * 10.0 ** rng.integers(-300, 300, (count, ndim))
    detections = Detections(frame, label, position, np.arange(20), np.ones(ndim))
    selected = rng.random(count) < 0.9
    found = make_lineage(detections, selected, np.empty((0, 2), np.int64))
    margin = np.where(rng.random(count) < 0.3, np.nan, rng.normal(size=count))
    ids = detection_ids(found, from_masks=True)
    write_tracks_csv(tmp_path / "t.csv", found, {"margin": margin, "margin_in": margin * 3}, ids=ids)
    table = read_tracks_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.id, np.flatnonzero(selected) + 1)
    np.testing.assert_array_equal(table.t, frame[selected])
    np.testing.assert_array_equal(table.position, position[selected])
    np.testing.assert_array_equal(table.label, label[selected])
    np.testing.assert_array_equal(table.track_id, found.track_id[selected])
    np.testing.assert_array_equal(table.parent_id, -1)
    assert list(table.columns) == ["margin", "margin_in"]
    np.testing.assert_array_equal(table.columns["margin"], margin[selected])
    np.testing.assert_array_equal(table.columns["margin_in"], margin[selected] * 3)


def test_an_infinite_margin_comes_back_as_nan(tmp_path: Path) -> None:
    found = division()
    write_tracks_csv(tmp_path / "t.csv", found, {"margin": np.full(4, np.inf)}, ids=np.arange(4))
    assert all(math.isnan(value) for value in read_tracks_csv(tmp_path / "t.csv").columns["margin"])


def test_an_empty_lineage_is_a_valid_table(tmp_path: Path) -> None:
    write_tracks_csv(tmp_path / "t.csv", empty(), {"margin": np.empty(0)}, ids=np.empty(0, np.int64))
    table = read_tracks_csv(tmp_path / "t.csv")
    assert table.position.shape == (0, 3)
    assert len(table.id) == len(table.columns["margin"]) == 0


def test_point_ids_that_name_two_points_are_refused() -> None:
    detections = Detections(
        np.array([0, 0, 1, 1]), np.array([-3, 8, 8, 9]), np.zeros((4, 2)), np.array([0, 1]), np.ones(2)
    )
    found = make_lineage(detections, np.ones(4, bool), np.empty((0, 2), np.int64))
    with pytest.raises(OutputError) as caught:
        detection_ids(found, from_masks=False)
    assert str(caught.value) == (
        "point ids must be unique over the whole movie and not negative to name the points in the outputs; "
        "found -3, 8. Number the points anew"
    )


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"cannot read the tracks in .*none\.csv: .*No such file"):
        read_tracks_csv(tmp_path / "none.csv")


@pytest.mark.parametrize("header", ["", "id,t,x,y,label,track_id,parent_id,margin", "t,y,x", "id,t,y,x,label,track_id"])
def test_another_header_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(header + "\n")
    with pytest.raises(PointsError) as caught:
        read_tracks_csv(path)
    assert str(caught.value) == (
        f"{path} must begin with the line id,t,[z,]y,x,label,track_id,parent_id,margin and further columns, each "
        f"named once; found {header}. Give a tracks.csv that a run wrote"
    )


@pytest.mark.parametrize("line", ["1,0,0.5,0.5,1,1,-1", "1,0,0.5,0.5,1,1,-1,abc", "1,0,0.5,0.5,1.5,1,-1,"])
def test_a_broken_line_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"id,t,y,x,label,track_id,parent_id,margin\n{line}\n")
    with pytest.raises(PointsError, match="must hold 8 numbers per line"):
        read_tracks_csv(path)
