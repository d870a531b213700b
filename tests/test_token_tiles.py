"""Tiles of tokens: each token once, from the tile where it is most central; neighbours overlap."""

import numpy as np
import pytest

from embeddings.inference.token_tiles import AxisTiles, cut, token_tiles
from tracker.errors import ConfigError


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(("tokens", "tile"), [(9, 8), (16, 8), (17, 8), (69, 64), (100, 7), (23, 1), (24, 5)])
def test_each_token_comes_from_the_tile_whose_centre_is_nearest(tokens, tile, overlap):
    axis = AxisTiles.of(tokens, tile, overlap)
    assert axis.starts[0] == 0
    assert axis.starts[-1] == tokens - tile
    assert len(axis.bounds) == len(axis.starts) + 1
    for token in range(tokens):
        (given,) = [i for i in range(len(axis.starts)) if axis.bounds[i] <= token < axis.bounds[i + 1]]
        distance = [abs(token + 0.5 - (start + tile / 2)) for start in axis.starts]
        assert given == int(np.argmin(distance))
        assert axis.starts[given] <= token < axis.starts[given] + tile
    common = [before + tile - after for before, after in zip(axis.starts, axis.starts[1:], strict=False)]
    assert min(common) >= min(np.ceil(overlap * tile), tile - 1)


def test_what_fits_is_one_tile():
    assert AxisTiles.of(8, 8, 0.25) == AxisTiles((0,), (0, 8))
    assert AxisTiles.of(3, 8, 0.25) == AxisTiles((0,), (0, 3))
    (tile,) = token_tiles((5, 8), 8, 0.25)
    assert (tile.start, tile.rows, tile.columns) == ((0, 0), slice(0, 5), slice(0, 8))


def test_as_few_tiles_as_the_overlap_allows():
    assert AxisTiles.of(69, 64, 0.25).starts == (0, 5)
    assert AxisTiles.of(112, 64, 0.25).starts == (0, 48)
    assert AxisTiles.of(113, 64, 0.25).starts == (0, 24, 49)


def test_tiles_give_every_token_of_an_image_once():
    place = np.stack(np.meshgrid(np.arange(19), np.arange(11), indexing="ij"))
    put = np.full((2, 19, 11), -1)
    for tile in token_tiles((19, 11), 8, 0.25):
        held = cut(place.astype(np.float32), tile.start, 8)
        assert (put[:, tile.rows, tile.columns] == -1).all()
        put[:, tile.rows, tile.columns] = held[:, *tile.within]
    np.testing.assert_array_equal(put, place)


def test_beyond_the_image_is_nothing():
    image = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(cut(image, (1, 2), 3), [[7, 8, 0], [11, 12, 0], [0, 0, 0]])
    assert cut(np.stack([image, image]), (0, 0), 6).shape == (2, 6, 6)


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_an_overlap_out_of_range(overlap):
    with pytest.raises(ConfigError, match=rf"^overlap must lie in \[0, 1\), found {overlap:g}$"):
        AxisTiles.of(20, 8, overlap)
