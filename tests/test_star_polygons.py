"""From probabilities and rays to objects: what is taken, what gives way."""

from dataclasses import replace

import numpy as np
import pytest
from cellulus_cases import discs

from embeddings.inference.star_polygons import StarSettings, star_labels, star_pixels
from embeddings.star_targets import ray_directions, star_distances, star_probabilities
from tracker.errors import ConfigError
from tracker.mask_accuracy import overlaps

SETTINGS = StarSettings(0.5, 0.3, 5)
SHAPE = (40, 60)


def stars(*objects, shape=SHAPE):
    """Labels of candidates (y, x, radius, probability) alone, each a circle of 16 rays."""
    probability, rays = np.zeros(shape, np.float32), np.zeros((16, *shape), np.float32)
    for y, x, radius, certain in objects:
        probability[y, x], rays[:, y, x] = certain, radius
    return probability, rays


def found(*objects, **changes):
    return star_labels(*stars(*objects), replace(SETTINGS, **changes))


def test_what_rays_and_probabilities_say_of_masks_gives_the_masks_back():
    true = discs(0, 1)[1].read(0).astype(np.int64)
    labels = star_labels(star_probabilities(true), star_distances(true, 16), SETTINGS)
    union, _, (count, wanted) = overlaps(labels, true)
    assert count == wanted
    assert np.count_nonzero(union > 0.9) == wanted


def test_two_apart():
    labels = found((20, 45, 8, 0.6), (20, 12, 8, 0.9))
    assert [labels[20, 12], labels[20, 45], labels.max()] == [1, 2, 2]  # in order of their first pixels
    for label in (1, 2):
        assert np.count_nonzero(labels == label) == pytest.approx(np.pi * 64, rel=0.06)


@pytest.mark.parametrize(("apart", "kept"), [(15, 2), (12, 2), (10, 2), (9, 1), (4, 1)])
def test_two_that_overlap(apart, kept):
    """Circles of radius 8 that are 10 px apart share 0.26 of their area, 9 px apart 0.32."""
    labels = found((20, 20, 8, 0.9), (20, 20 + apart, 8, 0.8))
    assert labels.max() == kept
    if kept == 2:  # what they share is the better one's
        alone = found((20, 20, 8, 0.9)) > 0
        assert (labels[alone] == labels[20, 20]).all()


def test_how_much_overlap_is_too_much():
    objects = ((20, 20, 8, 0.9), (20, 28, 8, 0.8))
    assert [found(*objects, overlap=share).max() for share in (0.0, 0.3, 0.4, 0.9)] == [1, 1, 2, 2]


@pytest.mark.parametrize(("small", "large", "count"), [(0.9, 0.8, 1), (0.8, 0.9, 1)])
def test_the_overlap_is_measured_by_the_smaller_one(small, large, count):
    """A small star inside of a large one gives way, and makes it give way, whichever is the better."""
    labels = found((20, 24, 3, small), (20, 30, 12, large))
    assert labels.max() == count
    assert np.count_nonzero(labels) == np.count_nonzero(found((20, 24, 3, 0.9) if small > large else (20, 30, 12, 0.9)))


def test_one_whose_own_pixel_is_taken():
    assert found((20, 20, 8, 0.9), (20, 26, 30, 0.8)).max() == 1
    assert found((20, 20, 8, 0.9), (20, 26, 30, 0.8), overlap=0.99).max() == 1


def test_equally_probable_ones_are_taken_from_the_top():
    upper, lower = (15, 20, 8, 0.8), (19, 20, 8, 0.8)
    np.testing.assert_array_equal(found(upper, lower), found(upper))
    np.testing.assert_array_equal(found(lower, upper), found(upper))


def test_what_is_too_improbable_or_too_small():
    assert found((20, 20, 8, 0.5)).max() == 1  # at the threshold is enough
    assert found((20, 20, 8, 0.49)).max() == 0
    assert found((20, 20, 8, 0.9), smallest_px=250).max() == 0
    assert found((20, 20, -3, 0.9)).max() == 0  # negative rays are none


def test_a_star_that_gave_way_takes_nothing():
    """The third overlaps only with the second, which the first has pushed aside."""
    labels = found((20, 12, 8, 0.9), (20, 18, 8, 0.8), (20, 28, 8, 0.7))
    assert [labels[20, 12], labels[20, 28], labels.max()] == [1, 2, 2]


def test_the_image_cuts_stars():
    labels = found((0, 0, 8, 0.9), (39, 59, 55, 0.8))
    assert labels[0, 0] == 1
    assert labels[39, 59] == labels[0, 59] == 2


def test_nothing_at_all():
    labels = found()
    assert (labels.shape, labels.max(), labels.dtype) == (SHAPE, 0, np.int64)


def test_pixels_of_a_polygon():
    """Against the half planes of its sides, which a convex polygon lies inside of."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        middle, radius = rng.uniform(0, 30, 2), rng.uniform(2, 12)
        corner = middle + radius * ray_directions(7)
        inside = np.zeros((30, 32), bool)
        inside.ravel()[star_pixels(corner, (30, 32))] = True
        place = np.stack(np.meshgrid(np.arange(30), np.arange(32), indexing="ij"), axis=-1)
        side = np.roll(corner, -1, axis=0) - corner
        away = place[:, :, None] - corner
        turn = side[:, 1] * away[..., 0] - side[:, 0] * away[..., 1]
        np.testing.assert_array_equal(inside, (turn > 0).all(axis=2))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("probability_threshold", 1.0, "segmentation: probability_threshold must lie in (0, 1); found 1.0"),
        ("overlap", 1.0, "segmentation: overlap must lie in [0, 1); found 1.0"),
        ("smallest_px", 0, "segmentation: smallest_px must be at least 1; found 0"),
        ("tile_px", 0, "segmentation: tile_px must be positive; found 0"),
    ],
)
def test_settings_out_of_range(key, value, message):
    with pytest.raises(ConfigError) as error:
        replace(SETTINGS, **{key: value})
    assert str(error.value) == message
