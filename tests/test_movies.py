"""Movies: what a path may be, and folders of TIFFs."""

import re

import numpy as np
import pytest
import tifffile
from movie_files import CHANNELS, DEEP, FLAT, PLANAR, refused, same, write_folder

from tracker.errors import MovieError
from tracker.io.movies import open_movie


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        ([f"t{k:03d}.tif" for k in range(6)], range(6)),
        ([f"man_track{k:04d}.tiff" for k in range(7, 13)], range(7, 13)),
        ([f"c2_mask{k}.TIF" for k in range(8, 14)], range(8, 14)),  # 10 after 9, not after 1
        ([f"exp3 t{10 * k}_raw.tif" for k in range(6)], range(0, 60, 10)),
    ],
)
def test_folder(tmp_path, names, frames):
    folder = write_folder(tmp_path / "01", FLAT, names)
    (folder / "notes.txt").write_text("stray")
    (folder / "._t000.tif").write_bytes(b"macOS leaves these")
    (folder / "sub").mkdir()
    movie = open_movie(folder)
    same(movie, FLAT, frames)
    assert movie.name == str(folder)


def test_folder_of_stacks(tmp_path):
    names = [f"t{k}.tif" for k in range(6)]
    same(open_movie(write_folder(tmp_path / "a", DEEP, names, **PLANAR)), DEEP)
    same(open_movie(write_folder(tmp_path / "b", CHANNELS[:, 0], names), kind="masks"), CHANNELS[:, 0])
    same(open_movie(write_folder(tmp_path / "c", CHANNELS[:, 0], names, imagej=True), kind="masks"), CHANNELS[:, 0])


def test_folder_with_channels(tmp_path):
    folder = tmp_path / "01"
    folder.mkdir()
    for k, frame in enumerate(CHANNELS.transpose(0, 2, 1, 3, 4)):
        tifffile.imwrite(folder / f"t{k}.tif", frame, imagej=True, metadata={"axes": "ZCYX"})
    same(open_movie(folder, channel=1), CHANNELS[:, 1])
    refused(folder, f"channel 2 was asked for, but {folder / 't0.tif'} has 2 (counted from 0)", channel=2)


def test_pattern(tmp_path):
    write_folder(tmp_path / "01", FLAT, [f"{'a' if k < 3 else 'b'}{k}.tif" for k in range(6)])
    same(open_movie(tmp_path / "01" / "b*.tif"), FLAT[3:], range(3, 6))
    same(open_movie(str(tmp_path / "0?" / "a[01].tif")), FLAT[:2])
    refused(tmp_path / "c*.tif", "no TIFF file (.tif, .tiff) for the images in FOLDER/c*.tif")


def test_folder_with_brackets_in_its_name_is_no_pattern(tmp_path):
    same(open_movie(write_folder(tmp_path / "01 [raw]", FLAT, [f"t{k}.tif" for k in range(6)])), FLAT)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no TIFF file (.tif, .tiff) for the images in FOLDER/01"),
        (
            ["t0.tif", "average.tif"],
            "every file of the images in FOLDER/01 needs a frame number in its name, as in t013.tif; without one: "
            "average.tif. Rename or move them",
        ),
        (
            ["movie.tif"],
            "every file of the images in FOLDER/01 needs a frame number in its name, as in t013.tif; without one: "
            "movie.tif. To read one file with many pages, name the file itself",
        ),
        (
            ["t1.tif", "t001.tif", "t2.tif"],
            "several files of the images in FOLDER/01 have the same frame number: t001.tif, t1.tif. Keep one of each",
        ),
        (
            ["t0.tif", "t1.tif", "t2.tif", "t5.tif", "t6.tif"],
            "the frame numbers of the images in FOLDER/01 must have one constant stride; most are 1 apart, but found "
            "jumps from 2 to 5. Add the missing files or renumber",
        ),
    ],
)
def test_folder_refused(tmp_path, names, message):
    refused(write_folder(tmp_path / "01", FLAT[: len(names)], names), message)


def test_one_frame_is_a_movie(tmp_path):
    same(open_movie(write_folder(tmp_path / "01", FLAT[:1], ["t007.tif"])), FLAT[:1], [7])
    same(open_movie(tmp_path / "01" / "t007.tif"), FLAT[:1])


@pytest.mark.parametrize("odd", [FLAT[1, :5], FLAT[1].astype(np.uint8)])
def test_frame_unlike_the_first(tmp_path, odd):
    folder = write_folder(tmp_path / "01", [FLAT[0], odd], ["t0.tif", "t1.tif"])
    movie = open_movie(folder)
    with pytest.raises(MovieError) as error:
        movie.read(1)
    assert str(error.value) == (
        f"all frames of the images must be alike; the first is (9, 11) uint16, found {odd.shape} {odd.dtype} "
        f"in {folder / 't1.tif'}"
    )


def test_damaged_frame_is_named(tmp_path):
    folder = write_folder(tmp_path / "01", FLAT[:2], ["t0.tif", "t1.tif"])
    (folder / "t1.tif").write_bytes((folder / "t1.tif").read_bytes()[:-40])
    movie = open_movie(folder)
    with pytest.raises(MovieError, match=re.escape(f"cannot read {folder / 't1.tif'} (images): damaged, cut short")):
        movie.read(1)
    (folder / "t0.tif").write_text("not a TIFF")
    with pytest.raises(MovieError, match=re.escape(f"cannot read {folder / 't0.tif'} (images): damaged, cut short")):
        open_movie(folder)


def test_frame_that_does_not_exist(tmp_path):
    folder = write_folder(tmp_path / "01", FLAT, [f"t{k}.tif" for k in range(6)])
    with pytest.raises(MovieError, match="01 has no frame 6"):
        open_movie(folder).read(6)


def test_files_of_a_folder_are_single_frames(tmp_path):
    folder = tmp_path / "01"
    folder.mkdir()
    tifffile.imwrite(folder / "t0.tif", FLAT, metadata={"axes": "TYX"})
    refused(
        folder,
        "each file of a folder is one frame, but FOLDER/01/t0.tif holds several time points. "
        "To read it as a movie, name the file itself",
    )


def test_missing_path(tmp_path):
    (tmp_path / "02_SEG").mkdir()
    (tmp_path / "notes").mkdir()
    refused(
        tmp_path / "02_SEGM",
        "no masks at FOLDER/02_SEGM: there is no 02_SEGM in FOLDER; did you mean 02_SEG?",
        kind="masks",
    )
    refused(
        tmp_path / "XX",
        "no images at FOLDER/XX: there is no XX in FOLDER, which holds 02_SEG, notes",
    )
    with pytest.raises(MovieError, match=re.escape(f"there is no notesx in {tmp_path}; did you mean notes?")):
        open_movie(tmp_path / "notesx" / "deeper" / "01")


def test_unknown_form(tmp_path):
    (tmp_path / "movie.avi").write_bytes(b"")
    refused(
        tmp_path / "movie.avi",
        "FOLDER/movie.avi is not a known form of images: wanted a folder of numbered TIFF files, one TIFF file with "
        "many pages, a zarr array or an OME-Zarr image",
    )


def test_unknown_kind(tmp_path):
    with pytest.raises(ValueError, match="kind must be one of images, masks, found 'labels'"):
        open_movie(tmp_path, kind="labels")
