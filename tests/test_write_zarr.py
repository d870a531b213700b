"""Tracked masks as OME-Zarr: what was written is read back, by us and by others."""

import json
from dataclasses import replace

import numpy as np
import pytest
import zarr
from command_line import track
from memory_movie import MemoryMovie, case, strip

from tracker.errors import MovieError
from tracker.io import write_zarr as module
from tracker.io.movies import open_movie
from tracker.io.write_ctc import write_ctc
from tracker.io.write_zarr import write_zarr
from tracker.lineage import ctc_labels
from tracker.load_result import load_result


def skipping():
    """Frames 3, 5, 7; a division, a link that skips a frame, and one detection that is not selected."""
    images = {3: strip(9, 4), 5: strip(2, 7), 7: strip(8, 1, 5)}
    return case(images, [(1, 2), (2, 6), (2, 4), (0, 5)], unselected=(3,))


def test_frames_are_the_movies_own_and_pixels_those_of_the_challenge(tmp_path):
    lineage, masks = skipping()
    write_zarr(tmp_path / "masks.zarr", lineage, masks)
    write_ctc(tmp_path / "ctc", lineage, masks)
    found, files = open_movie(tmp_path / "masks.zarr", kind="masks"), open_movie(tmp_path / "ctc", kind="masks")
    assert found.frames.tolist() == files.frames.tolist() == [3, 5, 7]
    for frame in (3, 5, 7):
        np.testing.assert_array_equal(found.read(frame), files.read(frame))
    assert found.read(3).max() > 0
    chunks = {path.name for path in (tmp_path / "masks.zarr" / "0" / "c").iterdir()}
    assert chunks == {"3", "5", "7"}  # frames that were left out take no space


def test_large_planes_are_chunks_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_BYTES", 4 * 6 * 5 * 2)
    volume = np.zeros((5, 6, 5), np.int32)
    volume[1:4, 2:4, 1:3] = 7
    lineage, masks = case({0: volume, 1: volume}, [(0, 1)])
    masks = MemoryMovie({0: volume, 1: volume})
    write_zarr(tmp_path / "masks.zarr", lineage, masks)
    array = zarr.open_array(tmp_path / "masks.zarr" / "0", mode="r")
    assert array.chunks == (1, 2, 6, 5)
    label = ctc_labels(lineage)[0]
    np.testing.assert_array_equal(array[1], np.where(volume == 7, label, 0))


def test_funlib_opens_it_with_a_roi(tmp_path):
    persistence = pytest.importorskip("funlib.persistence")
    from funlib.geometry import Roi

    lineage, masks = skipping()
    write_zarr(tmp_path / "masks.zarr", lineage, masks)
    array = persistence.open_ds(tmp_path / "masks.zarr" / "0")
    assert array.axis_names == ["t", "y", "x"]
    assert array.types == ["time", "space", "space"]
    shape = masks.shape
    np.testing.assert_array_equal(
        array[Roi((5, 0, 0), (1, *shape))][0], open_movie(tmp_path / "masks.zarr", kind="masks").read(5)
    )


def test_scale_and_unit_are_those_of_ome(tmp_path):
    lineage, masks = skipping()
    found = replace(lineage.detections, scale=np.array([0.5, 0.25]), unit="um")
    write_zarr(tmp_path / "masks.zarr", replace(lineage, detections=found), masks)
    image = zarr.open_group(tmp_path / "masks.zarr", mode="r").attrs["ome"]["multiscales"][0]
    assert image["axes"][1] == {"name": "y", "type": "space", "unit": "micrometer"}
    assert image["datasets"][0]["coordinateTransformations"] == [{"type": "scale", "scale": [1.0, 0.5, 0.25]}]


def test_masks_that_changed_are_said(tmp_path):
    lineage, _ = skipping()
    with pytest.raises(MovieError, match="missing now: 5:2"):
        write_zarr(
            tmp_path / "masks.zarr",
            lineage,
            MemoryMovie({3: strip(9, 4), 5: np.zeros_like(strip(1)), 7: strip(8, 1, 5)}),
        )


def test_a_run_writes_it_and_its_result_reads_as_any_other(tmp_path, capsys):
    track("simulate", tmp_path / "movie", "--seed", 1, "--frames", 5, "--quiet")
    results = {}
    for masks in ("ctc", "zarr"):
        folder = tmp_path / masks
        code = track(
            "run", "--segmentation", tmp_path / "movie" / "01_SEG", "--output", folder, "--quiet",
            "--set", f"output.masks={masks}",
        )  # fmt: skip
        assert code == 0, capsys.readouterr().err
        results[masks] = load_result(folder)
    assert "masks.zarr" in json.loads((tmp_path / "zarr" / "run.json").read_text())["files"]
    assert not (tmp_path / "zarr" / "ctc").exists()
    one, other = results["ctc"], results["zarr"]
    np.testing.assert_array_equal(one.lineage.links, other.lineage.links)
    np.testing.assert_array_equal(one.lineage.detections.label, other.lineage.detections.label)
    np.testing.assert_array_equal(one.masks.read(3), other.masks.read(3))
    described = zarr.open_group(tmp_path / "zarr" / "tracks.geff", mode="r").attrs["geff"]
    place = described["related_objects"][0]["path"]
    assert zarr.open_array(tmp_path / "zarr" / "tracks.geff" / place, mode="r").shape[0] == 5
    assert track("evaluate", tmp_path / "zarr", tmp_path / "movie" / "01_GT" / "TRA") == 0
