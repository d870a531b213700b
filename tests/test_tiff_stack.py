"""Movies in one TIFF file."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from movie_files import CHANNELS, DEEP, FLAT, PLANAR, refused, same, write_folder

from tracker.errors import MovieError
from tracker.io.movies import open_movie


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
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", lambda self, **k: read.append(self.index) or original(self, **k))
    movie = open_movie(tmp_path / "movie.tif")
    assert read == []
    movie.read(4)
    assert read == [4]


@pytest.mark.parametrize("size", [(400, 24, 24), (150, 3, 24, 24)], ids=["flat", "volumes"])
@pytest.mark.parametrize("options", [{"imagej": True}, {}, {"compression": "zlib"}, {"metadata": None}])
def test_stack_is_read_by_several_threads(tmp_path, size, options):
    # Small pages: looking pages up, not reading them, is where threads meet.
    stack = (np.arange(np.prod(size)) % 65_521).astype(np.uint16).reshape(size)
    if options.get("metadata", {}) is None and len(size) == 4:
        stack = stack.reshape(-1, 24, 24)
    if len(size) == 4 and "metadata" not in options:
        options = {**options, "metadata": {"axes": "TZYX"}}
    tifffile.imwrite(tmp_path / "movie.tif", stack, photometric="minisblack", **options)
    for _ in range(3):
        movie = open_movie(tmp_path / "movie.tif")
        with ThreadPoolExecutor(4) as pool:
            frames = list(pool.map(movie.read, range(len(stack))))
        np.testing.assert_array_equal(frames, stack)


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
        [open_movie(path).read(frame) for frame in range(6)]


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
