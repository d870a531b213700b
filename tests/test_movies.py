"""Movies: folders of TIFFs, multi-page TIFFs, zarr and OME-Zarr."""

import re

import numpy as np
import pytest
import tifffile
import zarr

from tracker.errors import MovieError
from tracker.io.movies import open_movie

RNG = np.random.default_rng(0)
FLAT = RNG.integers(0, 900, (6, 9, 11)).astype(np.uint16)  # t, y, x
DEEP = RNG.integers(0, 900, (6, 4, 9, 11)).astype(np.uint16)  # t, z, y, x; tifffile takes 4 planes for colours
CHANNELS = RNG.integers(0, 900, (6, 2, 5, 9, 11)).astype(np.uint16)  # t, c, z, y, x


PLANAR = {"photometric": "rgb", "planarconfig": "separate"}  # what tifffile makes of 3 or 4 planes


def write_folder(folder, frames, names, **options):
    folder.mkdir()
    for frame, name in zip(frames, names, strict=True):
        tifffile.imwrite(folder / name, frame, **options)
    return folder


def same(movie, array, frames=None):
    numbers = range(len(array)) if frames is None else frames
    assert movie.frames.tolist() == list(numbers)
    assert movie.frames.dtype == np.int64
    assert movie.shape == array.shape[1:]
    assert movie.dtype == array.dtype
    for number, wanted in zip(numbers, array, strict=True):
        found = movie.read(number)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, wanted)


def refused(path, message, **kwargs):
    """The exact message, in which FOLDER stands for the folder of `path`."""
    with pytest.raises(MovieError) as error:
        open_movie(path, **kwargs)
    assert str(error.value) == message.replace("FOLDER", str(path.parent))


# ---- folders of TIFFs


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
    refused(
        folder, f"channel 2 was asked for, but {folder / 't0.tif'} has 2 (counted from 0)", channel=2
    )


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


# ---- multi-page TIFFs


def stacks():
    yield "plain", FLAT, FLAT, {}
    yield "compressed", FLAT, FLAT, {"compression": "zlib"}
    yield "tiled", DEEP, DEEP, {"compression": "zstd", "tile": (16, 16), "photometric": "minisblack"}
    yield "big endian", FLAT, FLAT, {"byteorder": ">"}
    yield "big endian, one page", FLAT, FLAT, {"byteorder": ">", "imagej": True, "truncate": True}
    yield "without metadata", FLAT, FLAT, {"metadata": None}
    yield "four planes", DEEP, DEEP, PLANAR
    yield "named", DEEP, DEEP, {"photometric": "minisblack", "metadata": {"axes": "TZYX"}}
    yield "named in another order", DEEP, DEEP.transpose(1, 0, 2, 3), {"metadata": {"axes": "ZTYX"}}
    yield "slices for frames", FLAT, FLAT, {"metadata": {"axes": "ZYX"}}
    yield "ImageJ, as tifffile guesses", FLAT, FLAT, {"imagej": True}
    yield "ImageJ", DEEP, DEEP, {"imagej": True, "metadata": {"axes": "TZYX"}}
    yield "ImageJ, one channel", FLAT, FLAT[:, None], {"imagej": True, "metadata": {"axes": "TCYX"}}
    yield "ImageJ, one page", DEEP, DEEP, {"imagej": True, "truncate": True, "metadata": {"axes": "TZYX"}}
    yield "OME", CHANNELS[:, 0], CHANNELS, {"ome": True, "metadata": {"axes": "TCZYX"}}
    yield "8 bit", FLAT.astype(np.uint8), FLAT.astype(np.uint8), {}
    yield "float", FLAT.astype(np.float32), FLAT.astype(np.float32), {"compression": "zlib", "predictor": True}


@pytest.mark.parametrize(("name", "wanted", "stored", "options"), list(stacks()), ids=[s[0] for s in stacks()])
def test_stack(tmp_path, name, wanted, stored, options):
    tifffile.imwrite(tmp_path / "movie.tif", stored, **options)
    same(open_movie(tmp_path / "movie.tif"), wanted)


def test_stack_channel(tmp_path):
    path = tmp_path / "movie.ome.tif"
    tifffile.imwrite(path, CHANNELS, metadata={"axes": "TCZYX"})
    same(open_movie(path, channel=1), CHANNELS[:, 1])
    refused(path, f"channel -1 was asked for, but {path} has 2 (counted from 0)", channel=-1)


@pytest.mark.parametrize("metadata", [{}, None])
def test_stack_written_frame_by_frame(tmp_path, metadata):
    with tifffile.TiffWriter(tmp_path / "movie.tif") as writer:
        for frame in FLAT:
            writer.write(frame, compression="zlib", metadata=metadata)
    same(open_movie(tmp_path / "movie.tif"), FLAT)


def test_masks_whose_z_is_called_channel(tmp_path):
    stack = CHANNELS[:, 0]
    tifffile.imwrite(tmp_path / "masks.tif", stack, imagej=True)  # stored as ZCYX
    same(open_movie(tmp_path / "masks.tif", kind="masks"), stack)
    refused(
        tmp_path / "masks.tif",
        "the axes of FOLDER/masks.tif are ZCYX (6 x 5 x 9 x 11), with no time among them. "
        "Save the file with the axes t, z, y, x or t, c, y, x",
    )


def test_stack_is_read_frame_by_frame(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "movie.tif", FLAT, compression="zlib")
    read = []
    original = tifffile.TiffPage.asarray
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda self, **k: read.append(self.index) or original(self, **k))
    monkeypatch.setattr(
        tifffile.TiffFrame, "asarray", lambda self, **k: read.append(self.index) or original(self, **k)
    )
    movie = open_movie(tmp_path / "movie.tif")
    assert read == []
    movie.read(4)
    assert read == [4]


def test_stack_of_unlike_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "movie.tif") as writer:
        writer.write(FLAT[0], metadata=None)
        writer.write(FLAT[1, :5], metadata=None)
    refused(
        tmp_path / "movie.tif",
        "all pages of the images in FOLDER/movie.tif must be alike; found 9 x 11 uint16, 5 x 11 uint16",
    )


@pytest.mark.parametrize("keep", [0, 6, 100, 0.5, 0.99])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"metadata": None}, {"imagej": True}])
def test_stack_cut_short(tmp_path, keep, options):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, FLAT, **options)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(MovieError, match=r"cannot read (frame \d of )?.*movie.tif \(images\): damaged"):
        for frame in range(6):
            open_movie(path).read(frame)


def test_colour_is_refused(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.zeros((6, 9, 11, 3), np.uint8), photometric="rgb")
    refused(
        path,
        "images must have one value per pixel; found a colour (RGB) image in FOLDER/movie.tif (axes QYXS of sizes "
        "6 x 9 x 11 x 3). Save the channel to be used as a greyscale image",
    )
    folder = write_folder(tmp_path / "01", np.zeros((2, 9, 11, 3), np.uint8), ["t0.tif", "t1.tif"])
    with pytest.raises(MovieError, match=r"found a colour \(RGB\) image in .*t0.tif \(axes YXS"):
        open_movie(folder)


def test_too_many_axes(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", CHANNELS)
    refused(
        tmp_path / "movie.tif",
        "images must have the axes t, [c,] [z,] y, x; found axes QQQYX of sizes 6 x 2 x 5 x 9 x 11 in FOLDER/movie.tif",
    )


# ---- label masks


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
        assert str(error.value) == (
            f"labels must not be negative; found -7 in {where}{file}. Use 0 for the background"
        )
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


# ---- zarr


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


# ---- paths


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
