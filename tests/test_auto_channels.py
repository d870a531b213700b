"""Sizes and intensities as numbers whose differences add up."""

import numpy as np
import pytest
from auto_movies import detections

from tracker.auto.channels import channels_of, size_of

TWO, TWO_3D = [[0, 0], [9, 9]], [[0, 0, 0], [9, 9, 9]]


@pytest.mark.parametrize(
    ("places", "name", "power"),
    [
        (TWO, "area_px", 1), (TWO, "radius", 2), (TWO, "diameter", 2),
        (TWO_3D, "area_px", 1), (TWO_3D, "radius", 3), (TWO_3D, "diameter", 3),
    ],
)  # fmt: skip
def test_sizes_are_logarithms_of_areas_or_volumes(places, name, power):
    found = size_of(detections(places, properties={name: [2.0, 5.0]}))
    np.testing.assert_allclose(found, power * np.log([2.0, 5.0]))


def test_the_area_goes_before_the_radius():
    found = size_of(detections(TWO, properties={"radius": [1.0, 1.0], "area_px": [7.0, 9.0]}))
    np.testing.assert_allclose(found, np.log([7.0, 9.0]))


@pytest.mark.parametrize("column", [[2.0, np.nan], [2.0, 0.0], [2.0, -1.0], [2.0, np.inf], [[2.0, 3.0], [4.0, 5.0]]])
def test_a_column_that_is_no_size_is_left_out(column):
    found = detections(TWO, properties={"area_px": column})
    assert size_of(found) is None
    assert channels_of(found) == []


@pytest.mark.parametrize("column", [[2.0, np.nan], [2.0, np.inf], [[2.0, 3.0], [4.0, 5.0]]])
def test_a_column_that_is_no_intensity_is_left_out(column):
    found = detections(TWO, properties={"intensity_mean": column})
    assert channels_of(found) == []
    assert channels_of(found, {"intensity": 1.0}) == []


def test_properties_that_never_differ_are_left_out():
    assert channels_of(detections(TWO, properties={"area_px": [4, 4], "intensity_mean": [7, 7]})) == []


def test_nothing_is_known_without_detections():
    assert channels_of(detections([], [], properties={"area_px": [], "intensity_mean": []})) == []


def test_intensities_are_counted_from_the_median_of_the_frame():
    """Centred: -1 0 5 | -5 0 1; absolute 0 0 1 1 5 5, whose median is 1. Fading by 100 changes nothing."""
    intensity = [9.0, 10.0, 15.0, 105.0, 110.0, 111.0]
    found = detections([[0, 0], [0, 1], [0, 2]], [[0, 0], [0, 1], [0, 2]], properties={"intensity_mean": intensity})
    (channel,) = channels_of(found)
    assert (channel.name, channel.adds_up) == ("intensity", False)
    assert channel.unit == pytest.approx(1.4826)
    np.testing.assert_allclose(np.sinh(channel.values) * channel.unit, [-1, 0, 5, -5, 0, 1], atol=1e-12)


def test_a_given_unit_is_used():
    found = detections(TWO, properties={"intensity_mean": [0.0, 8.0]})
    (channel,) = channels_of(found, {"intensity": 2.0})
    assert channel.unit == 2.0
    np.testing.assert_allclose(np.sinh(channel.values), [-2.0, 2.0])


def test_sizes_add_up_and_come_first():
    found = detections(TWO, properties={"intensity_mean": [1.0, 8.0], "area_px": [3.0, 4.0]})
    assert next((one.name, one.unit, one.adds_up) for one in channels_of(found)) == ("size", 1.0, True)
