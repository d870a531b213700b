"""Views of frames: maps and their inverses, against slow formulas, and what is drawn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from embeddings.ascent_augment import AscentAugmentation, View, plain_view, random_view
from tracker.errors import ConfigError

SHAPE = (90, 120)
#: Everything but a change of place.
BARE = AscentAugmentation(elastic_px=0, jitter_px=0, jitter_planes=0, rotation_deg=0, scale=(1, 1))


def view(seed=0, zoom=1.0, **changes) -> View:
    return random_view(np.random.default_rng(seed), SHAPE, replace(AscentAugmentation(), **changes), zoom)


def places(count=200, seed=3):
    """In the frame and a little beyond."""
    return np.random.default_rng(seed).uniform(-20, 140, (count, 2))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("zoom", [1.0, 2.5])
def test_from_frame_undoes_to_frame(seed, zoom):
    one = view(seed, zoom)
    np.testing.assert_allclose(one.to_frame(one.from_frame(places()))[0], places(), atol=1e-5)
    pixel = places(seed=4) * zoom
    np.testing.assert_allclose(one.from_frame(one.to_frame(pixel)[0]), pixel, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_the_slope_is_that_of_the_map(seed):
    one, pixel, small = view(seed, zoom=1.5), places(), 1e-5
    slope = one.to_frame(pixel)[1]
    for axis in (0, 1):
        aside = np.eye(2)[axis] * small
        wanted = (one.to_frame(pixel + aside)[0] - one.to_frame(pixel - aside)[0]) / (2 * small)
        smooth = np.abs(wanted - slope[:, :, axis]).max(axis=1) < 1e-6  # not where a knot lies in between
        assert smooth.mean() > 0.98


def test_the_elastic_displacement_is_bilinear_between_nine_knots():
    knots = np.random.default_rng(1).normal(0, 5, (3, 3, 2))
    one = replace(plain_view(SHAPE), knots=knots)
    where = places()
    held = np.clip(where, 0, [SHAPE[0] - 1, SHAPE[1] - 1])
    at = (held / [(SHAPE[0] - 1) / 2, (SHAPE[1] - 1) / 2]).T
    expected = np.stack([map_coordinates(knots[..., axis], at, order=1) for axis in (0, 1)], axis=1)
    np.testing.assert_allclose(one.to_frame(where)[0] - where, expected, atol=1e-9)


def test_nothing_folds_however_small_the_frame():
    for seed in range(20):
        one = random_view(np.random.default_rng(seed), (40, 60), AscentAugmentation(elastic_px=300.0))
        slope = one.to_frame(np.random.default_rng(seed).uniform(0, 60, (500, 2)))[1]
        assert (np.linalg.det(slope) > 0).all()
        assert np.abs(one.knots).max() > 1.0


def test_a_turn_is_about_the_centre_and_a_cut_is_enlarged():
    turned = view(rotation_deg=180.0, **{name: getattr(BARE, name) for name in ("elastic_px", "scale")})
    centre = (np.array(SHAPE) - 1) / 2
    np.testing.assert_allclose(turned.from_frame(centre[None])[0], centre, atol=1e-9)
    assert abs(np.linalg.det(turned.matrix)) == pytest.approx(1.0)
    assert abs(math.atan2(turned.matrix[1, 0], turned.matrix[0, 0])) > 0.1
    shares = [abs(np.linalg.det(view(seed).matrix)) ** 0.5 for seed in range(300)]
    assert 0.6 <= min(shares) < 0.62
    assert 0.98 < max(shares) <= 1.0


def test_a_cut_stays_in_the_frame():
    corners = np.array([[-0.5, -0.5], [SHAPE[0] - 0.5, SHAPE[1] - 0.5]])
    for seed in range(50):
        one = view(seed, rotation_deg=0.0, elastic_px=0.0, scale=(0.5, 1.0))
        low, high = one.to_frame(corners)[0]
        assert (low >= -0.5 - 1e-9).all()
        assert (high <= np.array(SHAPE) - 0.5 + 1e-9).all()


def test_the_numbers_of_the_supplement():
    drawn = [view(seed) for seed in range(400)]
    angle = np.array([math.degrees(math.atan2(one.matrix[1, 0], one.matrix[0, 0])) for one in drawn])
    assert angle.min() < -170
    assert angle.max() > 170
    free = [random_view(np.random.default_rng(seed), (2000, 2000), AscentAugmentation()).knots for seed in range(200)]
    assert np.std(free) == pytest.approx(36.0, rel=0.05)
    for name in ("brightness", "contrast"):
        values = [getattr(one, name) for one in drawn]
        assert 0.8 <= min(values) < 0.82
        assert 1.18 < max(values) <= 1.2


def test_light_is_its_formula():
    one = replace(plain_view(SHAPE), brightness=1.1, contrast=0.7)
    values = np.array([0.0, 1.0, 5.0], np.float32)
    np.testing.assert_allclose(one.light(values, 0.4), 1.1 * (0.7 * values + 0.3 * 0.4), rtol=1e-6)
    np.testing.assert_array_equal(plain_view(SHAPE).light(values, 0.4), values)


def test_a_plain_view_enlarges_edges_to_edges():
    one = plain_view(SHAPE, 2.0)
    np.testing.assert_allclose(one.to_frame(np.array([[-0.5, -0.5], [179.5, 239.5]]))[0], [[-0.5, -0.5], [89.5, 119.5]])
    assert one.holds(np.array([[179.4, 239.4], [179.6, 100.0], [100.0, -0.6]])).tolist() == [True, False, False]


def test_jitter_comes_between_the_elastic_displacement_and_the_rest():
    one = view(2)
    jitter = np.random.default_rng(0).uniform(-5, 5, (200, 2))
    moved = one.from_frame(places(), jitter)
    np.testing.assert_allclose(moved, one.from_frame(places()) + jitter @ np.linalg.inv(one.matrix).T, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"elastic_px": -1.0}, "elastic_px must not be negative, found -1"),
        ({"rotation_deg": math.inf}, "rotation_deg must not be negative, found inf"),
        ({"dropout": 1.0}, "dropout must lie in [0, 1), found 1"),
        ({"scale": (1.2, 1.0)}, "scale is a range of positive numbers, found [1.2, 1]"),
    ],
)
def test_ranges_that_cannot_be(changes, problem):
    with pytest.raises(ConfigError) as error:
        AscentAugmentation(**changes)
    assert str(error.value) == f"augmentation: {problem}"
