"""Results read back: what a run left, and other lineages on disk."""

import re
from dataclasses import replace

import numpy as np
import pytest
from memory_movie import case, strip
from truth_cases import points, result, write_truth

from tracker.errors import InputError
from tracker.io.result import ResultTables, write_result
from tracker.load_result import load_result


def keys(lineage, masks=None):
    """Links as pairs of frame and place: the first pixel of the mask, or the position."""
    found = lineage.detections
    place = [
        tuple(found.position[row]) if masks is None else int(np.flatnonzero(masks.read(t).ravel() == k)[0])
        for row, (t, k) in enumerate(zip(found.frame.tolist(), found.label.tolist(), strict=True))
    ]
    name = [(int(t), where) for t, where in zip(found.frame, place, strict=True)]
    return {(name[a], name[b]) for a, b in lineage.links.tolist()}, {name[k] for k in np.flatnonzero(lineage.selected)}


def write(folder, lineage, masks, **data):
    write_result(
        folder,
        ResultTables(lineage, {}, {}),
        masks=masks,
        report={"config": {"data": data}},
        metrics=None,
        overwrite=False,
    )


def with_masks():
    """Labels without order; a division, a skipped frame, one detection that is not selected. Frames 3, 5, 7."""
    images = {3: strip(9, 4), 5: strip(2, 7), 7: strip(8, 1, 5)}
    # Rows: 0 = 3:4, 1 = 3:9, 2 = 5:2, 3 = 5:7, 4 = 7:1, 5 = 7:5, 6 = 7:8.
    return case(images, [(1, 2), (2, 6), (2, 4), (0, 5)], unselected=(3,))


def test_a_run_with_masks(tmp_path):
    lineage, masks = with_masks()
    position = np.random.default_rng(0).random((7, 2))
    lineage = replace(lineage, detections=replace(lineage.detections, position=position, scale=np.array([2.0, 3.0])))
    write(tmp_path / "result", lineage, masks, scale=[2.0, 3.0], unit="micrometer", every=2)
    loaded = load_result(tmp_path / "result")
    assert keys(loaded.lineage, loaded.masks) == keys(lineage, masks)
    found = loaded.lineage.detections
    np.testing.assert_array_equal(found.frames, [3, 5, 7])
    np.testing.assert_array_equal(found.scale, [2.0, 3.0])
    assert (found.unit, found.image_shape) == ("micrometer", (3, 12))
    assert {tuple(p) for p in found.position} == {tuple(p) for p in position[[0, 1, 2, 4, 5, 6]]}
    assert {len(family) for family in loaded.lineage.divisions} == {3}


def test_a_run_with_points(tmp_path):
    truth = points([0, 0, 1, 3, 3], [(0, 2), (2, 3), (2, 4)], first=4, every=5)
    lineage = result(truth, truth.links, unselected=(1,))
    write(tmp_path / "result", lineage, None, scale=None, every=5)
    loaded = load_result(tmp_path / "result")
    assert loaded.masks is None
    assert keys(loaded.lineage) == keys(lineage)
    np.testing.assert_array_equal(loaded.lineage.detections.label, [0, 2, 3, 4])
    np.testing.assert_array_equal(loaded.lineage.detections.frames, [4, 9, 14, 19])


def test_a_run_that_found_nothing(tmp_path):
    truth = points([0, 1], [])
    write(tmp_path / "result", result(truth, [], unselected=(0, 1)), None)
    assert len(load_result(tmp_path / "result").lineage.detections) == 0


def test_a_challenge_folder(tmp_path):
    masks = {0: strip(1), 1: strip(2, 3)}
    loaded = load_result(write_truth(tmp_path / "01_RES", masks, ["1 0 0 0", "2 1 1 1", "3 1 1 1"], name="mask"))
    np.testing.assert_array_equal(loaded.lineage.divisions, [[0, 1, 2]])
    np.testing.assert_array_equal(loaded.masks.read(1), masks[1])
    np.testing.assert_array_equal(loaded.lineage.detections.label, [1, 2, 3])


def test_refused(tmp_path):
    lineage, masks = with_masks()
    folder = tmp_path / "result"
    write(folder, lineage, masks)
    table = folder / "tracks.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    gone = lines[1].split(",")[0]
    message = f"every parent_id in {table} must be an id of the file or -1; unknown: {gone}. Was the file cut?"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load_result(folder)
    table.unlink()
    message = f"a result needs its tracks.csv; {folder} has none. Read {folder / 'ctc'} instead"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load_result(folder)
    with pytest.raises(InputError, match=r"^there is no result at "):
        load_result(tmp_path / "elsewhere")


def test_damaged_report(tmp_path):
    lineage, masks = with_masks()
    write(tmp_path / "result", lineage, masks)
    (tmp_path / "result" / "run.json").write_text('{"config": 3}')
    with pytest.raises(InputError, match=r"^cannot read .*run\.json: "):
        load_result(tmp_path / "result")
