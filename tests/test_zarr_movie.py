"""Movies in zarr and OME-Zarr."""

import re

import pytest
import zarr
from movie_files import CHANNELS, DEEP, FLAT, refused, same

from tracker.errors import MovieError
from tracker.io.movies import open_movie


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("stored", "wanted"), [(FLAT, FLAT), (DEEP, DEEP), (DEEP[:, :1], DEEP[:, 0]), (CHANNELS, CHANNELS[:, 0])]
)
def test_zarr_array(tmp_path, zarr_format, stored, wanted):
    array = zarr.create_array(str(tmp_path / "a"), shape=stored.shape, dtype=stored.dtype, zarr_format=zarr_format)
    array[:] = stored
    movie = open_movie(tmp_path / "a")
    same(movie, wanted)
    assert movie.name == str(tmp_path / "a")


def test_zarr_dimension_names(tmp_path):
    array = zarr.create_array(
        str(tmp_path / "a"), shape=(4, 6, 9, 11), dtype="u2", dimension_names=["z", "time", "y", "x"]
    )
    array[:] = DEEP.transpose(1, 0, 2, 3)
    same(open_movie(tmp_path / "a"), DEEP)
    old = zarr.create_array(
        str(tmp_path / "b"), shape=(2, 6, 9, 11), dtype=">u2", zarr_format=2,
        attributes={"_ARRAY_DIMENSIONS": ["channel", "t", "y", "x"]},
    )  # fmt: skip
    old[:] = CHANNELS[:, :, 0].transpose(1, 0, 2, 3)
    same(open_movie(tmp_path / "b", channel=1), CHANNELS[:, 1, 0])


def write_ome(path, array, axes, version):
    kinds = {"t": "time", "c": "channel"}
    described = {
        "axes": [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes],
        "datasets": [{"path": "0"}, {"path": "1"}],
        "version": version,
    }
    old = version == "0.4"
    attributes = {"multiscales": [described]} if old else {"ome": {"version": version, "multiscales": [described]}}
    group = zarr.create_group(str(path), zarr_format=2 if old else 3, attributes=attributes)
    for level, pixels in (("0", array), ("1", array[..., ::2, ::2])):
        group.create_array(level, shape=pixels.shape, dtype=pixels.dtype)[:] = pixels


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, version):
    write_ome(tmp_path / "a.zarr", CHANNELS, "tczyx", version)
    movie = open_movie(tmp_path / "a.zarr", channel=1)
    same(movie, CHANNELS[:, 1])
    assert movie.name == str(tmp_path / "a.zarr" / "0")
    write_ome(tmp_path / "b.zarr", DEEP[:, None, :1], "tczyx", version)
    same(open_movie(tmp_path / "b.zarr"), DEEP[:, 0])
    write_ome(tmp_path / "c.zarr", DEEP[0], "zyx", version)  # no time: one frame
    same(open_movie(tmp_path / "c.zarr"), DEEP[:1])


def test_zarr_group_without_image(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    refused(
        tmp_path / "a.zarr",
        "FOLDER/a.zarr is a zarr group without an image (no multiscales metadata); for the images name an array or "
        "image in it: it is empty",
    )
    group.create_array("raw", shape=FLAT.shape, dtype="u2")[:] = FLAT
    with pytest.raises(MovieError, match=r"name an array or image in it: a.zarr/raw$"):
        open_movie(tmp_path / "a.zarr")
    same(open_movie(tmp_path / "a.zarr" / "raw"), FLAT)


def test_zarr_axes_that_do_not_fit(tmp_path):
    write_ome(tmp_path / "a.zarr", FLAT, "tczyx", "0.5")
    refused(tmp_path / "a.zarr", "FOLDER/a.zarr/0 has 3 axes, but its metadata names 5 (TCZYX)")
    zarr.create_array(str(tmp_path / "b"), shape=(2, 3), dtype="u2", dimension_names=["t", "wavelength"])
    with pytest.raises(MovieError, match=r"images must have the axes t, \[c,\] \[z,\] y, x; found axes T\? of sizes"):
        open_movie(tmp_path / "b")
    zarr.create_array(str(tmp_path / "c"), shape=(0, 3, 4), dtype="u2")
    refused(tmp_path / "c", "FOLDER/c holds no images: it has axes TYX of sizes 0 x 3 x 4")


def test_damaged_zarr(tmp_path):
    zarr.save_array(str(tmp_path / "a"), FLAT)
    movie = open_movie(tmp_path / "a")
    with pytest.raises(MovieError, match="a has no frame 6"):
        movie.read(6)
    chunk = next(path for path in (tmp_path / "a" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"nonsense")
    with pytest.raises(MovieError, match=re.escape(f"cannot read frame 0 of {tmp_path / 'a'} (images): ")):
        movie.read(0)
    (tmp_path / "a" / "zarr.json").write_text("{")
    with pytest.raises(MovieError, match=re.escape(f"cannot read {tmp_path / 'a'} (images): ")):
        open_movie(tmp_path / "a")
