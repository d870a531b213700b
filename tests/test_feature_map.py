"""Coarse maps read at places of a fine image: the interpolation's formula, and the same as enlarging the map first."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the referee enlarges maps with torch")

from embeddings.inference.feature_map import FeatureGrid, read_map  # noqa: E402


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def slow(features, cells_per_px, place):
    """One place: bilinear between the four nearest centres of cells, held within them."""
    rows, columns = features.shape[1:]
    u = [min(max((p + 0.5) * c - 0.5, 0), n - 1) for p, c, n in zip(place, cells_per_px, (rows, columns), strict=True)]
    total = np.zeros(len(features))
    for row in range(rows):
        for column in range(columns):
            share = max(0.0, 1 - abs(u[0] - row)) * max(0.0, 1 - abs(u[1] - column))
            total += share * features[:, row, column]
    return total


def enlarged(features, shape):
    every = torch.nn.functional.interpolate(torch.from_numpy(features)[None], shape, mode="bilinear")
    return every[0].numpy()


def test_places_between_cells():
    features, per_px = random(3, 4, 5), (4 / 30, 5 / 23)
    place = np.random.default_rng(1).uniform(-4, 34, (40, 2))
    found = read_map(features, FeatureGrid((4, 5), per_px).weights(place))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [slow(features, per_px, one) for one in place], rtol=1e-5)


def test_the_centre_of_a_cell_is_the_cell():
    features = random(2, 3, 4)
    weights = FeatureGrid((3, 4), (0.25, 0.25)).weights(np.array([[5.5, 9.5], [1.5, 13.5]]))
    assert weights.nnz == 2
    np.testing.assert_array_equal(read_map(features, weights), features[:, [1, 0], [2, 3]].T)


@pytest.mark.parametrize("shape", [(24, 40), (7, 90), (6, 8)])
def test_every_pixel_is_that_of_the_enlarged_map(shape):
    features = random(4, 6, 8)
    place = np.argwhere(np.ones(shape, np.bool_)).astype(np.float64)
    found = read_map(features, FeatureGrid((6, 8), (6 / shape[0], 8 / shape[1])).weights(place))
    np.testing.assert_allclose(found, enlarged(features, shape).reshape(4, -1).T, atol=1e-5)


def test_the_mean_over_masks_is_that_of_the_enlarged_map():
    features, rng = random(5, 6, 8), np.random.default_rng(2)
    mask = rng.integers(0, 4, (48, 64))
    place = np.argwhere(mask)
    owner = mask[place[:, 0], place[:, 1]] - 1
    weights = FeatureGrid((6, 8), (1 / 8, 1 / 8)).mean_weights(place.astype(np.float64), owner, 4)
    assert weights.shape == (4, 48)
    found, every = read_map(features, weights), enlarged(features, mask.shape)
    for label in (1, 2, 3):
        np.testing.assert_allclose(found[label - 1], every[:, mask == label].mean(axis=1), atol=1e-6)
    assert not found[3].any()  # nobody's pixels


def test_weights_sum_to_one_and_are_few():
    place = np.random.default_rng(3).uniform(-5, 50, (100, 2))
    weights = FeatureGrid((5, 5), (0.1, 0.1)).weights(place)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.nnz <= 4 * 100
    assert weights.data.min() > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_maps_of_a_single_row_or_column(shape):
    features, per_px = random(2, *shape), (shape[0] / 12, shape[1] / 12)
    place = np.array([[0.0, 0.0], [5.3, 6.1], [11.0, 11.0]])
    found = read_map(features, FeatureGrid(shape, per_px).weights(place))
    np.testing.assert_allclose(found, [slow(features, per_px, one) for one in place], rtol=1e-5)


def test_no_places():
    weights = FeatureGrid((3, 3), (1.0, 1.0)).weights(np.zeros((0, 2)))
    assert read_map(random(4, 3, 3), weights).shape == (0, 4)
    assert math.prod(weights.shape) == 0
