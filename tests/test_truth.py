"""Ground truth: reading, gaps, choosing frames."""

import re

import numpy as np
import pytest
from memory_movie import strip
from truth_cases import data, points, write_truth

from tracker.errors import ConfigError, TruthError
from tracker.truth import contract, read_truth

CELL_DIVIDES = {0: strip(1, 2), 1: strip(1, 2), 2: strip(2, 3, 4), 3: strip(2, 3, 4)}


def families(truth):
    """Links as ((frame, label), (frame, label))."""
    keys = list(zip(truth.frame.tolist(), truth.label.tolist(), strict=True))
    return {(keys[a], keys[b]) for a, b in truth.links.tolist()}


def refused(message, *arguments, **options):
    with pytest.raises(TruthError, match=f"^{re.escape(message)}$"):
        read_truth(*arguments, **options)


def test_folder_with_a_division(tmp_path):
    folder = write_truth(tmp_path / "01_GT" / "TRA", CELL_DIVIDES, ["1 0 1 0", "2 0 3 0", "3 2 3 1", "4 2 3 1"])
    truth = read_truth(folder, scale=(2.0, 0.5))
    assert families(truth) == {
        ((0, 1), (1, 1)), ((1, 1), (2, 3)), ((1, 1), (2, 4)), ((2, 3), (3, 3)), ((2, 4), (3, 4)),
        ((0, 2), (1, 2)), ((1, 2), (2, 2)), ((2, 2), (3, 2)),
    }  # fmt: skip
    assert (len(truth), truth.n_divisions, truth.n_gaps, truth.warnings) == (10, 1, 0, ())
    np.testing.assert_allclose(truth.position[:2], [[2.0, 0.25], [2.0, 1.75]])
    assert families(read_truth(folder / "man_track.txt")) == families(read_truth(tmp_path / "01_GT"))


def test_result_folder_and_late_start(tmp_path):
    folder = write_truth(tmp_path / "01_RES", {5: strip(7), 6: strip(7)}, ["7 5 6 0"], name="mask")
    truth = read_truth(folder)
    assert families(truth) == {((5, 7), (6, 7))}
    np.testing.assert_array_equal(truth.frames, [5, 6])


def test_gaps_between_and_within_tracks(tmp_path):
    """A one-child parent two frames back, and a track that its masks do not show at frame 2."""
    masks = {0: strip(1, 5), 1: strip(5), 2: strip(2), 3: strip(2, 5)}
    folder = write_truth(tmp_path / "TRA", masks, ["1 0 0 0", "2 2 3 1", "5 0 3 0"])
    truth = read_truth(folder)
    assert families(truth) == {
        ((0, 1), (2, 2)), ((2, 2), (3, 2)), ((0, 5), (1, 5)), ((1, 5), (3, 5)),
    }  # fmt: skip
    assert truth.n_gaps == 2
    assert truth.warnings == (
        f"{folder}/man_track.txt names objects that its masks do not show, taken as gaps (frame:label): 2:5",
    )


def test_a_track_that_is_never_shown_passes_its_children_on(tmp_path):
    folder = write_truth(
        tmp_path / "TRA", {0: strip(1), 1: strip(), 2: strip(3)}, ["1 0 0 0", "2 1 1 1", "3 2 2 2", "9 7 9 3"]
    )
    truth = read_truth(folder)
    assert families(truth) == {((0, 1), (2, 3))}
    assert truth.warnings[0].endswith("(frame:label): 1:2")


def test_objects_outside_of_all_tracks(tmp_path):
    folder = write_truth(tmp_path / "TRA", {0: strip(1, 2), 1: strip(1, 4)}, ["1 0 0 0", "2 0 1 0"])
    refused(
        f"every object in the masks must lie within a track of {folder}/man_track.txt; outside of all tracks "
        "(frame:label): 1:1, 1:4. Give the table that belongs to these masks",
        folder,
    )


def test_no_truth_there(tmp_path):
    refused(f"no ground truth at {tmp_path / 'TRA'}", tmp_path / "TRA")
    folder = write_truth(tmp_path / "01", CELL_DIVIDES, [])
    (folder / "man_track.txt").unlink()
    refused(f"a folder of masks is a ground truth only with its track table; no man_track.txt in {folder}", folder)


def test_points(tmp_path):
    """Ids in any order; a parent that is not in the table is none."""
    path = tmp_path / "points.csv"
    path.write_text("id,t,z,y,x,parent_id\n9,2,0,1,2,4\n4,1,1,1,1,7\n3,2,0,0,0,4\n8,3,0,0,1,77\n7,0,5,5,5,-1\n")
    truth = read_truth(path, scale=(3, 1, 1))
    assert families(truth) == {((0, 7), (1, 4)), ((1, 4), (2, 3)), ((1, 4), (2, 9))}
    np.testing.assert_array_equal(truth.position[0], [15, 5, 5])
    assert truth.n_divisions == 1
    assert truth.warnings == (f"1 points of {path} name a parent that is not in the table: taken as none",)


def test_points_refused(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("id,t,y,x\n1,0,0,0\n")
    refused(
        f"a table of points is a ground truth only with a lineage: a column parent_id (-1 = none); {path} has none",
        path,
    )
    path.write_text("id,t,y,x,parent_id\n1,0,0,0,-1\n2,0,1,1,1\n")
    refused(f"a parent must come before its child; not so in {path} for the points 2", path)
    with pytest.raises(ConfigError, match=r"^scale needs 2 numbers \(y, x\) for the ground truth .*, found \[1.0\]$"):
        read_truth(path, scale=[1.0])


def test_more_than_two_children_are_reported(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("id,t,y,x,parent_id\n1,0,0,0,-1\n2,1,1,1,1\n3,1,5,5,1\n4,1,9,9,1\n")
    assert read_truth(path).warnings == (f"objects of {path} have more than two children (frame:id): 0:1",)


def test_contract_passes_children_to_the_nearest_ancestor():
    parent = np.array([-1, 0, 1, 2, 2, -1, 5])
    rows, left = contract(parent, np.array([True, False, False, True, True, False, True]))
    np.testing.assert_array_equal(rows, [0, 3, 4, 6])
    np.testing.assert_array_equal(left, [-1, 0, 0, -1])


@pytest.mark.parametrize(("every", "wanted"), [(2, {(0, 2), (2, 4)}), (4, {(0, 4)})])
def test_every_so_many_frames(tmp_path, every, wanted):
    path = tmp_path / "points.csv"
    path.write_text("id,t,y,x,parent_id\n" + "".join(f"{t},{t + 3},0,0,{t - 1}\n" for t in range(6)))
    truth = read_truth(path, every=every)
    assert {(a[1], b[1]) for a, b in families(truth)} == wanted
    assert truth.n_gaps == 0


def test_frames_count_from_the_first_one(tmp_path):
    folder = write_truth(tmp_path / "TRA", {t: strip(1) for t in range(4, 9)}, ["1 4 8 0"])
    truth = read_truth(folder, frames=(1, 4))
    np.testing.assert_array_equal(truth.frame, [5, 6, 7])
    with pytest.raises(TruthError, match=r"has t = 4 to 8, none of the frames wanted: t = 0, 1\. Give the truth"):
        read_truth(folder).select(np.array([0, 1]))


def test_two_divisions_between_kept_frames_are_reported():
    """0 divides, and so does one of its children: without that frame 0 has three."""
    truth = points([0, 1, 1, 2, 2, 2], [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)])
    left = truth.select(np.array([0, 2]))
    np.testing.assert_array_equal(left.parent, [-1, 0, 0, 0])
    assert left.warnings == (
        "with these frames alone, objects of truth have more than two children (frame:label): 0:0",
    )
    assert truth.select(np.array([0, 1])).warnings == ()


def test_truth_as_a_lineage():
    lineage = points([0, 1, 1, 2], [(0, 1), (0, 2), (2, 3)]).to_lineage()
    np.testing.assert_array_equal(lineage.divisions, [[0, 1, 2]])
    np.testing.assert_array_equal(lineage.track_id, [1, 2, 3, 3])


@pytest.mark.data
@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        (("Fluo-N2DL-HeLa-02-t00-19", "02_GT", "TRA"), (20, 3271, 55, 3)),
        (("Fluo-N2DH-SIM+", "01_GT", "TRA"), (65, 2607, 28, 0)),
        (("Fluo-N2DH-GOWT1", "01_GT", "TRA"), (92, 2052, 2, 1)),
        (("points", "ascidian_Pm03.csv"), (90, 13484, 279, 0)),
        (("points", "celegans_JIM762_L4.csv"), (179, 19616, 370, 0)),
    ],
)
def test_real_truths(parts, counts):
    truth = read_truth(data(*parts))
    assert (len(truth.frames), len(truth), truth.n_divisions, truth.n_gaps) == counts
    assert truth.warnings == ()
