"""Label masks in every movie format."""

import numpy as np
import pytest
import tifffile
import zarr
from movie_files import CHANNELS, FLAT, refused, same, write_folder

from tracker.errors import MovieError
from tracker.io.movies import open_movie


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_integer_masks(tmp_path, dtype):
    labels = (FLAT % 100).astype(dtype)
    tifffile.imwrite(tmp_path / "masks.tif", labels, compression="zlib")
    same(open_movie(tmp_path / "masks.tif", kind="masks"), labels)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (
            np.float32,
            "label masks must be integers; found float32 in WHERE. If these are labels, save them as uint16 or "
            "uint32; if they are images, name them as images",
        ),
        (
            bool,
            "label masks must be integers; found bool in WHERE. A foreground mask has to be split into objects "
            "first, for instance by its connected components: skimage.measure.label(mask)",
        ),
    ],
)
def test_masks_that_are_no_integers(tmp_path, dtype, message):
    labels = (FLAT % 2).astype(dtype)
    tifffile.imwrite(tmp_path / "masks.tif", labels)
    refused(tmp_path / "masks.tif", message.replace("WHERE", "FOLDER/masks.tif"), kind="masks")
    folder = write_folder(tmp_path / "01", labels, [f"m{k}.tif" for k in range(6)])
    refused(folder, message.replace("WHERE", "FOLDER/01/m0.tif"), kind="masks")
    zarr.save_array(str(tmp_path / "masks.zarr"), labels)
    refused(tmp_path / "masks.zarr", message.replace("WHERE", "FOLDER/masks.zarr"), kind="masks")
    same(open_movie(folder), labels)


def test_negative_and_huge_labels(tmp_path):
    labels = FLAT.astype(np.int32)
    labels[2, 0, 0] = -7
    tifffile.imwrite(tmp_path / "masks.tif", labels)
    zarr.save_array(str(tmp_path / "masks.zarr"), labels)
    write_folder(tmp_path / "01", labels, [f"m{k}.tif" for k in range(6)])
    for name, where in [("masks.tif", "frame 2 of "), ("masks.zarr", "frame 2 of "), ("01", "")]:
        movie = open_movie(tmp_path / name, kind="masks")
        np.testing.assert_array_equal(movie.read(1), labels[1])
        file = tmp_path / name / "m2.tif" if name == "01" else tmp_path / name
        with pytest.raises(MovieError) as error:
            movie.read(2)
        assert str(error.value) == (f"labels must not be negative; found -7 in {where}{file}. Use 0 for the background")
    tifffile.imwrite(tmp_path / "huge.tif", np.full((1, 9, 11), 2**63, np.uint64))
    with pytest.raises(MovieError, match=r"labels must be below 2\*\*63; found 9223372036854775808"):
        open_movie(tmp_path / "huge.tif", kind="masks").read(0)


def test_masks_with_channels(tmp_path):
    tifffile.imwrite(tmp_path / "masks.tif", CHANNELS, metadata={"axes": "TCZYX"})
    with pytest.raises(MovieError, match=r"label masks must have one channel; found 2 in .*masks.tif \(axes T"):
        open_movie(tmp_path / "masks.tif", kind="masks")


def test_complex_images(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", FLAT.astype(np.complex64))
    refused(tmp_path / "movie.tif", "images must hold real numbers; found complex64 in FOLDER/movie.tif")
