"""Cell Tracking Challenge folders and track tables."""

import numpy as np
import pytest
import tifffile
import zarr

from tracker.errors import MovieError, TruthError
from tracker.io.ctc import CtcTracks, Sequence, find_sequences, find_track_table, read_track_table

PIXELS = np.zeros((2, 3), np.uint16)


def tiffs(folder, count=3):
    folder.mkdir(parents=True)
    for k in range(count):
        tifffile.imwrite(folder / f"t{k:03d}.tif", PIXELS)
    return folder


def table(folder, name="man_track.txt", text="1 0 2 0\n"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, newline="")
    return folder / name


# ---- folders


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (["02_SEG", "02_ST/SEG", "02_RES", "02_ERR_SEG", "02_GT/SEG", "02_GT/TRA"], "02_SEG"),
        (["02_ST/SEG", "02_RES", "02_ERR_SEG", "02_GT/SEG", "02_GT/TRA"], "02_ST/SEG"),
        (["02_RES", "02_ERR_SEG", "02_GT/SEG", "02_GT/TRA"], "02_RES"),
        (["02_ERR_SEG", "02_GT/SEG", "02_GT/TRA"], "02_ERR_SEG"),
        (["02_GT/SEG", "02_GT/TRA"], "02_GT/SEG"),
        (["02_GT/TRA"], "02_GT/TRA"),
        (["01_SEG", "2_SEG"], None),
        ([], None),
    ],
)
def test_best_segmentation(tmp_path, present, expected):
    images = tiffs(tmp_path / "02")
    for name in present:
        tiffs(tmp_path / name)
    found = Sequence("02", images, expected and tmp_path / expected, None)
    assert find_sequences(tmp_path) == [found]
    assert find_sequences(images) == [found]  # the sequence itself instead of its parent


def test_incomplete_or_empty_masks_are_passed_over(tmp_path):
    images = tiffs(tmp_path / "01")
    (tmp_path / "01_SEG").mkdir()
    tiffs(tmp_path / "01_GT" / "SEG", 2)
    markers = tiffs(tmp_path / "01_GT" / "TRA")
    table(markers)
    assert find_sequences(tmp_path) == [Sequence("01", images, markers, markers)]


def test_several_sequences(tmp_path):
    (tmp_path / "03").mkdir()  # no images
    for name in ("02", "01"):
        tiffs(tmp_path / name)
    table(tmp_path / "02_GT" / "TRA")
    assert find_sequences(tmp_path) == [
        Sequence("01", tmp_path / "01", None, None),
        Sequence("02", tmp_path / "02", None, tmp_path / "02_GT" / "TRA"),
    ]


@pytest.mark.parametrize(("images", "masks"), [("images", "masks"), ("raw", "segmentation"), ("Raw", "labels")])
def test_plain_names(tmp_path, images, masks):
    tiffs(tmp_path / images), tiffs(tmp_path / masks)
    assert find_sequences(tmp_path) == [Sequence(tmp_path.name, tmp_path / images, tmp_path / masks, None)]


def test_plain_names_of_files_and_zarr(tmp_path):
    tifffile.imwrite(tmp_path / "images.tif", PIXELS)
    zarr.save_array(str(tmp_path / "masks.ome.zarr"), PIXELS)
    table(tmp_path / "truth")
    assert find_sequences(tmp_path) == [
        Sequence(tmp_path.name, tmp_path / "images.tif", tmp_path / "masks.ome.zarr", tmp_path / "truth")
    ]


def test_nothing_to_find(tmp_path):
    (tmp_path / "images").mkdir()
    tiffs(tmp_path / "photographs")
    assert find_sequences(tmp_path) == []
    with pytest.raises(MovieError) as error:
        find_sequences(tmp_path / "none")
    assert str(error.value) == f"no folder {tmp_path / 'none'}"


def test_find_track_table(tmp_path):
    folder = tmp_path / "TRA"
    other = table(folder, "my_track.txt")
    assert find_track_table(other) == other
    assert find_track_table(folder) == other
    table(folder, "your_track.txt")
    with pytest.raises(TruthError) as error:
        find_track_table(folder)
    assert str(error.value) == f"several track tables in {folder}: my_track.txt, your_track.txt. Name one of them"
    result = table(folder, "res_track.txt")
    assert find_track_table(folder) == result
    truth = table(folder, "man_track.txt")
    assert find_track_table(folder) == truth
    with pytest.raises(TruthError) as error:
        find_track_table(tmp_path)
    assert str(error.value) == f"no track table (man_track.txt, res_track.txt) in {tmp_path}"


# ---- track tables


@pytest.mark.parametrize(
    "text",
    [
        "7 0 2 0\n9 3 3 7\n8 4 9 7\n",
        "7 0 2 0\r\n9 3 3 7\r\n8 4 9 7\r\n",
        "7\t0\t2\t0\n\n9 3  3 7   \n \n8 4 9 7",
        "\ufeff7 0 2 0\n9 3 3 7\n8 4 9 7\n",
    ],
)
def test_track_table(tmp_path, text):
    path = tmp_path / "man_track.txt"
    path.write_text(text, encoding="utf-8", newline="")
    tracks = read_track_table(path)
    assert isinstance(tracks, CtcTracks)
    assert tracks.label.tolist() == [7, 9, 8]
    assert tracks.begin.tolist() == [0, 3, 4]
    assert tracks.end.tolist() == [2, 3, 9]
    assert tracks.parent.tolist() == [0, 7, 7]
    assert tracks.label.dtype == np.int64


@pytest.mark.parametrize(("text", "labels"), [("3 1 1 0\n", [3]), ("", [])])
def test_short_track_tables(tmp_path, text, labels):
    tracks = read_track_table(table(tmp_path, text=text))
    assert tracks.label.tolist() == labels
    assert tracks.parent.shape == (len(labels),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1 0 2 0\n2 0 2\n\n3 0 x 0\n4 0 2 0 1\n",
            "a track table needs four integers per line, label begin end parent; found in FILE "
            "line 2: '2 0 2', line 4: '3 0 x 0', line 5: '4 0 2 0 1'",
        ),
        ("1 0 2 0\n0 0 2 0\n", "the label of a track must be positive; found otherwise in FILE line 2 (track 0)"),
        ("1 0 2 0\n\n1 3 4 0\n", "a track must have one line; found otherwise in FILE line 3 (track 1)"),
        (
            "1 3 2 0\n2 -1 0 0\n",
            "a track must begin at 0 or later and not after its end; found otherwise in FILE line 1 (track 1), "
            "line 2 (track 2)",
        ),
        (
            "1 0 2 0\n5 3 4 4\n6 3 4 9\n",
            "the parent of a track must be 0 or a track of the table; found otherwise in FILE line 2 (track 5), "
            "line 3 (track 6)",
        ),
        ("1 0 2 0\n2 2 4 1\n", "a track must begin after its parent ends; found otherwise in FILE line 2 (track 2)"),
        ("1 0 2 1\n", "a track must begin after its parent ends; found otherwise in FILE line 1 (track 1)"),
    ],
)
def test_bad_track_table(tmp_path, text, message):
    path = table(tmp_path, text=text)
    with pytest.raises(TruthError) as error:
        read_track_table(path)
    assert str(error.value) == message.replace("FILE", str(path))


def test_missing_track_table(tmp_path):
    with pytest.raises(TruthError, match=r"cannot read the track table .*none\.txt: "):
        read_track_table(tmp_path / "none.txt")
