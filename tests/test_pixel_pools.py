"""Values of pixels, pooled for each detection."""

import numpy as np
import pytest
from memory_movie import MemoryMovie

from embeddings.learning_movie import LearningMovie
from embeddings.pixel_pools import PixelPools
from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError

MASK = np.array([[0, 7, 7, 0, 2], [0, 7, 0, 0, 2], [9, 0, 0, 5, 0]], np.uint16)
VALUES = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)


def movie(*labels, places=None, masks=True, scale=1.0) -> LearningMovie:
    """Detections in frame 4, the second step."""
    label = np.array(labels, np.int64)
    place = np.zeros((len(label), 2)) if places is None else scale * np.array(places, np.float64)
    found = Detections(np.full(len(label), 4), label, place, np.array([3, 4]), np.full(2, scale))
    return LearningMovie(found, masks=MemoryMovie({3: MASK * 0, 4: MASK}) if masks else None)


def test_masks_are_pooled():
    pools = PixelPools(movie(2, 5, 7), 1, (3, 5), 1.0)  # 9 is no detection
    assert pools.rows.tolist() == [0, 1, 2]
    for pool, slow in (("mean", np.mean), ("max", np.max)):
        wanted = [[slow(channel[label == MASK]) for channel in VALUES] for label in (2, 5, 7)]
        np.testing.assert_allclose(pools.of(VALUES, pool), wanted, rtol=1e-6)


@pytest.mark.parametrize("radius", [0.0, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_discs_are_pooled(radius, scale):
    places = [(0, 0), (1.4, 2.6), (2, 4)]
    pools = PixelPools(movie(1, 2, 3, places=places, masks=False, scale=scale), 1, (3, 5), radius)
    y, x = np.mgrid[:3, :5]
    wanted = [
        [channel[(y - v) ** 2 + (x - u) ** 2 <= radius**2].mean() for channel in VALUES]
        for v, u in [(0, 0), (1, 3), (2, 4)]
    ]
    np.testing.assert_allclose(pools.of(VALUES), wanted, rtol=1e-5)


def test_points_beyond_the_image_take_its_edge():
    pools = PixelPools(movie(1, 2, places=[(-3, 2), (5, 9)], masks=False), 1, (3, 5), 0.0)
    np.testing.assert_array_equal(pools.of(VALUES), VALUES[:, [0, 2], [2, 4]].T)


def test_a_step_without_detections():
    for masks in (True, False):
        pools = PixelPools(movie(2, masks=masks), 0, (3, 5), 1.0)
        assert pools.of(VALUES).shape == (0, 2)


def test_a_detection_without_pixels():
    with pytest.raises(MovieError) as error:
        PixelPools(movie(2, 3, 8), 1, (3, 5), 1.0)
    assert str(error.value) == (
        "every detection must have pixels in its mask; without any: 4:3, 4:8. "
        "Give the masks that the detections were read from"
    )


def test_a_negative_radius():
    with pytest.raises(ConfigError, match=r"^radius_px must not be negative, found -1$"):
        PixelPools(movie(2, masks=False), 1, (3, 5), -1.0)
