"""CTC folders: names, pixels and lines, and traccuracy's own checks."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from memory_movie import MemoryMovie, case, strip
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import MovieError
from tracker.io import write_ctc as module
from tracker.io.tracked_masks import relabel
from tracker.io.write_ctc import write_ctc
from tracker.lineage import Lineage, ctc_labels, make_lineage


def pixels(folder: Path) -> dict[str, NDArray[np.generic]]:
    return {path.name: tifffile.imread(path) for path in sorted(folder.glob("*.tif"))}


def test_a_division_a_gap_and_an_unselected_detection(tmp_path: Path) -> None:
    # Row 0 divides into rows 2 and 4; row 1 skips frame 1 and goes on as row 5; row 3 is not selected.
    images = {0: strip(5, 9), 1: strip(3, 60000, 7), 2: strip(2)}
    found, masks = case(images, [(0, 2), (0, 4), (1, 5)], unselected=(3,))
    assert found.detections.label.tolist() == [5, 9, 3, 7, 60000, 2]
    write_ctc(tmp_path / "ctc", found, masks)
    assert (tmp_path / "ctc" / "res_track.txt").read_bytes() == b"1 0 0 0\n2 0 0 0\n3 1 1 1\n4 1 1 1\n5 2 2 2\n"
    written = pixels(tmp_path / "ctc")
    assert list(written) == ["mask000.tif", "mask001.tif", "mask002.tif"]
    np.testing.assert_array_equal(written["mask000.tif"], strip(1, 2))
    np.testing.assert_array_equal(written["mask001.tif"], strip(3, 4, 0))
    np.testing.assert_array_equal(written["mask002.tif"], strip(5))
    assert all(image.dtype == np.uint16 for image in written.values())
    assert masks.reads == [0, 1, 2]


def test_an_empty_frame_has_a_file_and_names_follow_the_input(tmp_path: Path) -> None:
    found, masks = case({8: strip(1), 9: strip(), 1000: strip(1)}, [])
    write_ctc(tmp_path / "ctc", found, masks)
    assert sorted(pixels(tmp_path / "ctc")) == ["mask0008.tif", "mask0009.tif", "mask1000.tif"]
    assert not tifffile.imread(tmp_path / "ctc" / "mask0009.tif").any()
    assert (tmp_path / "ctc" / "res_track.txt").read_text() == "1 8 8 0\n2 1000 1000 0\n"


def test_every_other_frame_keeps_its_own_number(tmp_path: Path) -> None:
    found, masks = case({4: strip(1), 6: strip(2), 8: strip(3)}, [(0, 1), (1, 2)])
    write_ctc(tmp_path / "ctc", found, masks)
    assert list(pixels(tmp_path / "ctc")) == ["mask004.tif", "mask006.tif", "mask008.tif"]
    assert (tmp_path / "ctc" / "res_track.txt").read_text() == "1 4 8 0\n"


def test_volumes(tmp_path: Path) -> None:
    found, masks = case({0: strip(4, ndim=3), 1: strip(8, ndim=3)}, [(0, 1)])
    write_ctc(tmp_path / "ctc", found, masks)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "ctc" / "mask001.tif"), strip(1, ndim=3))


def test_no_detection_selected(tmp_path: Path) -> None:
    found, masks = case({0: strip(4), 1: strip(8)}, [], unselected=(0, 1))
    write_ctc(tmp_path / "ctc", found, masks)
    assert not any(image.any() for image in pixels(tmp_path / "ctc").values())
    assert (tmp_path / "ctc" / "res_track.txt").read_text() == ""


def test_the_files_are_compressed(tmp_path: Path) -> None:
    image = np.zeros((500, 500), np.uint16)
    image[100:200, 100:200] = 3
    found, masks = case({0: image}, [])
    write_ctc(tmp_path / "ctc", found, masks)
    assert (tmp_path / "ctc" / "mask000.tif").stat().st_size < image.nbytes / 50


@pytest.mark.parametrize(("limit", "dtype"), [(2, np.uint16), (1, np.uint32)])
def test_too_many_tracks_for_16_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: int, dtype: type
) -> None:
    monkeypatch.setattr(module, "MAX_UINT16_TRACKS", limit)
    found, masks = case({0: strip(1, 2)}, [])
    with caplog.at_level(logging.WARNING):
        write_ctc(tmp_path / "ctc", found, masks)
    assert pixels(tmp_path / "ctc")["mask000.tif"].dtype == dtype
    told = [
        "2 tracks do not fit the 16-bit masks of the Cell Tracking Challenge (1): writing 32-bit masks, which its own "
        "tools may refuse"
    ]
    assert caplog.messages == ([] if limit == 2 else told)


def test_65536_tracks_survive_as_32_bits(tmp_path: Path) -> None:
    count = 65_536
    image = np.arange(1, count + 1, dtype=np.uint32).reshape(256, 256)
    detections = Detections(
        np.zeros(count, np.int64), np.arange(1, count + 1), np.zeros((count, 2)), np.array([0]), np.ones(2)
    )
    found = make_lineage(detections, np.ones(count, bool), np.empty((0, 2), np.int64))
    write_ctc(tmp_path / "ctc", found, MemoryMovie({0: image}))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "ctc" / "mask000.tif"), image)


def test_masks_that_changed_during_the_run(tmp_path: Path) -> None:
    found, masks = case({0: strip(1, 2), 1: strip(3, 5)}, [])
    masks.pixels[1] = strip(3)
    with pytest.raises(MovieError) as caught:
        write_ctc(tmp_path / "ctc", found, masks)
    assert str(caught.value) == (
        "memory must hold every tracked detection; missing now: 1:5 (frame:label). Were the masks changed during "
        "the run? Run again"
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "int64", "uint64"])
def test_relabel_any_integer_dtype(dtype: str) -> None:
    image = np.array([[0, 3, 7], [7, 100, 0]], dtype)
    result, seen = relabel(image, np.array([3, 50, 100]), np.array([1, 2, 9], np.uint16))
    assert result.tolist() == [[0, 1, 0], [0, 9, 0]]
    assert seen.tolist() == [True, False, True]


def test_relabel_huge_labels() -> None:
    image = np.array([0, 2**31 + 5, 2**32 - 1], np.uint32)
    result, _ = relabel(image, np.array([2**31 + 5, 2**32 - 1]), np.array([1, 2], np.uint16))
    assert result.tolist() == [0, 1, 2]


def busy_movie(start: int) -> tuple[Lineage, MemoryMovie]:
    """A division, a skipped frame, an empty frame, a one-frame track; labels shuffled per frame."""
    images = {
        start: strip(11, 4),
        start + 1: strip(7, 2),
        start + 2: strip(9, 8, 3),
        start + 3: strip(),
        start + 4: strip(6),
    }
    # Rows in order of label: frame 0: 4, 11; frame 1: 2, 7; frame 2: 3, 8, 9; frame 4: 6.
    return case(images, [(1, 3), (0, 2), (3, 6), (3, 5), (6, 7)])


@pytest.mark.parametrize("start", [0, 3])
def test_traccuracy_loads_it_with_its_checks(tmp_path: Path, start: int) -> None:
    from traccuracy.loaders import load_ctc_data

    found, masks = busy_movie(start)
    write_ctc(tmp_path / "ctc", found, masks)
    # Tools of the challenge count frames from 0.
    rows = np.loadtxt(tmp_path / "ctc" / "res_track.txt", int, ndmin=2) - [0, start, start, 0]
    np.savetxt(tmp_path / "from_zero.txt", rows, "%d")
    table = str(tmp_path / "from_zero.txt") if start else None
    graph = load_ctc_data(str(tmp_path / "ctc"), track_path=table, run_checks=True)
    labels, step = ctc_labels(found), found.detections.step
    nodes = {node: (int(data["t"]), int(data["segmentation_id"])) for node, data in graph.graph.nodes(data=True)}
    assert set(nodes.values()) == set(zip(step.tolist(), labels.tolist(), strict=True))
    keys = [((int(step[a]), int(labels[a])), (int(step[b]), int(labels[b]))) for a, b in found.links]
    assert {(nodes[a], nodes[b]) for a, b in graph.graph.edges} == set(keys)


@pytest.mark.data
def test_a_real_movie_with_shuffled_labels_becomes_its_truth_again(tmp_path: Path) -> None:
    movie = Path(os.environ.get("TRACK_DATA", "../shared/data")) / "Fluo-N2DL-HeLa-02-t00-19"
    if not movie.is_dir():
        pytest.skip(f"{movie} is absent; TRACK_DATA names the folder of the real movies")
    truth = {t: tifffile.imread(movie / f"02_GT/TRA/man_track{t:03d}.tif") for t in range(20)}
    masks = MemoryMovie({t: tifffile.imread(movie / f"02_SEG/mask{t:03d}.tif") for t in range(20)})
    # Pairs (label in the masks, label in the truth) of each frame name the detections and their tracks.
    keys = []
    for t in range(20):
        pairs = np.unique(masks.pixels[t].astype(np.int64) * 2**16 + truth[t])
        keys += [(t, pair // 2**16, pair % 2**16) for pair in pairs.tolist() if pair >= 2**16]
    table = np.loadtxt(movie / "02_GT/TRA/man_track.txt", int, ndmin=2)
    parent, last, links = dict(table[:, [0, 3]].tolist()), {}, []
    for row, (_, _, track) in enumerate(keys):
        before = last.get(track, last.get(parent[track]))
        links += [] if before is None else [(before, row)]
        last[track] = row
    frame, label, track = np.array(keys).T
    detections = Detections(frame, label, np.zeros((len(frame), 2)), np.arange(20), np.ones(2))
    found = make_lineage(detections, np.ones(len(frame), bool), np.array(links))
    assert (len(found.detections), len(found.divisions)) == (3271, 55)
    write_ctc(tmp_path / "ctc", found, masks)
    # The labels are the truth's under a renaming, in every pixel and in the table.
    names = np.zeros(int(track.max()) + 1, np.int64)
    names[track] = ctc_labels(found)
    for t in range(20):
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "ctc" / f"mask{t:03d}.tif"), names[truth[t]])
    written = np.loadtxt(tmp_path / "ctc" / "res_track.txt", int)
    table[:, 0], table[:, 3] = names[table[:, 0]], names[table[:, 3]]
    np.testing.assert_array_equal(written, table[np.argsort(table[:, 0])])
