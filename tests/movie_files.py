"""Pixels and helpers of the tests that read movies."""

import numpy as np
import pytest
import tifffile

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
