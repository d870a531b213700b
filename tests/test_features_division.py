"""Features of divisions: sizes, directions and the brightness of the mother, by hand."""

import re

import numpy as np
import pytest
from memory_movie import MemoryMovie

from tracker.candidates import build_candidates
from tracker.detections import Detections
from tracker.errors import FeatureError
from tracker.features import compute_feature, known_features
from tracker.features.context import FeatureContext
from tracker.reading import detections_from_masks

ONLY_DIVISIONS = ("division_axis", "division_opposition", "division_symmetry", "mother_intensity")


def context(frame, position, scale=None, **properties):
    frame, position = np.array(frame), np.array(position, float)
    detections = Detections(
        frame,
        np.arange(1, len(frame) + 1),
        position,
        np.arange(frame.min(), frame.max() + 1),
        np.ones(position.shape[1]) if scale is None else np.array(scale, float),
        properties={name: np.array(column, float) for name, column in properties.items()},
    )
    return FeatureContext(build_candidates(detections, max_frame_gap=2))


def family(ndim=2, **properties):
    """A parent at the origin, children at y = 1 and y = -2."""
    return context([0, 1, 1], np.eye(ndim)[0] * np.array([[0], [1], [-2]]), **properties)


@pytest.mark.parametrize("name", ONLY_DIVISIONS)
def test_they_exist_on_divisions_only(name):
    assert [kind for kind in ("link", "division", "detection") if name in known_features(kind)] == ["division"]


SIZES = [  # column, its numbers, sizes of two and three dimensions up to a factor
    ("area_px", [12, 4, 8], [12, 4, 8], [12, 4, 8]),
    ("radius", [4, 3, 1], [16, 9, 1], [64, 27, 1]),
    ("RADIUS", [4, 3, 1], [16, 9, 1], [64, 27, 1]),
    ("diameter", [4, 3, 1], [16, 9, 1], [64, 27, 1]),
]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("case", SIZES, ids=lambda case: case[0])
def test_sizes(case, ndim):
    name, column, *sizes = case
    parent, one, other = sizes[ndim - 2]
    given = family(ndim, **{name: column})
    found = compute_feature(given, "division", "division_symmetry")
    np.testing.assert_allclose(found, [min(one, other) / max(one, other)])
    np.testing.assert_allclose(
        compute_feature(given, "division", "size_sum"), [abs(np.log((one + other) / parent))], atol=1e-12
    )
    np.testing.assert_allclose(
        compute_feature(given, "link", "size_sum"), [np.log(parent / one), np.log(parent / other)], atol=1e-12
    )


def test_areas_come_before_radii():
    given = family(area_px=[12, 4, 8], radius=[1, 1, 1])
    assert compute_feature(given, "division", "division_symmetry").tolist() == [0.5]


def test_size_grows_and_shrinks_alike():
    one, other = family(area_px=[1, 2, 3]), family(area_px=[6, 3, 2])
    np.testing.assert_allclose(compute_feature(one, "link", "size_sum"), compute_feature(other, "link", "size_sum"))


@pytest.mark.parametrize("name", ["division_symmetry", "size_sum"])
def test_sizes_are_needed(name):
    message = (
        f"feature {name!r} needs sizes: the detection property 'area_px', 'radius' or 'diameter', none of which this "
        "input has (it has: intensity_mean, radius); give data.segmentation, or add a column radius to the points"
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(family(intensity_mean=[1, 2, 3], radius=np.ones((3, 2))), "division", name)


@pytest.mark.parametrize("radius", [0, -3, np.nan])
def test_sizes_must_be_positive(radius):
    message = (
        "link feature 'size_sum' must be finite, found NaN or infinity at 0:1 -> 1:3. "
        "Mend the input there, or remove the term"
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(family(radius=[1, 1, radius]), "link", "size_sum")


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ([0, 3], [0, -1], 0),
        ([0, 3], [5, 0], 1),
        ([0, 3], [0, 0.1], 2),
        ([1, 1], [0, 1], 1 + np.sqrt(0.5)),
        ([0, 0], [0, 1], 1),
        ([0, 0, 2], [0, 0, -7], 0),
        ([1, 0, 0], [0, 1, 0], 1),
        ([3, 0, 4], [3, 4, 0], 1 + 9 / 25),
    ],
)
def test_opposition(one, other, wanted):
    """Also far from the origin, and with the second child a frame later."""
    here = np.full(len(one), 100.0)
    position = [here, here + one, here + other]
    for frame in ([0, 1, 1], [0, 1, 2]):
        found = compute_feature(
            context(frame, position, scale=[5, 1, 1][-len(one) :]), "division", "division_opposition"
        )
        np.testing.assert_allclose(found, [wanted], atol=1e-12)
        assert 0 <= found[0] <= 2


def masks(parent, one, other, shape):
    """Two frames: a box that is the parent, and two that are its children."""
    first, second = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
    first[parent], second[one], second[other] = 1, 1, 2
    return MemoryMovie({0: first, 1: second})


def aligned(movie, scale):
    return compute_feature(
        FeatureContext(build_candidates(detections_from_masks(movie, scale=scale))), "division", "division_axis"
    )


def spread(n):
    """Variance of the whole numbers 0 .. n-1."""
    return (n**2 - 1) / 12


@pytest.mark.parametrize(
    ("one", "other", "cosine"),
    [
        (np.s_[9:10, 2:3], np.s_[9:10, 12:13], 1),  # side by side along x, the parent's long axis
        (np.s_[2:3, 5:6], np.s_[9:10, 5:6], 0),
        (np.s_[2:3, 2:3], np.s_[9:10, 9:10], np.sqrt(0.5)),
        (np.s_[2:3, 9:10], np.s_[9:10, 2:3], np.sqrt(0.5)),
    ],
)
def test_axis(one, other, cosine):
    """A parent of 3 x 8 pixels."""
    movie = masks(np.s_[4:7, 3:11], one, other, (16, 16))
    elongation = 1 - np.sqrt(spread(3) / spread(8))
    np.testing.assert_allclose(aligned(movie, [1, 1]), [elongation * cosine], atol=1e-12)
    np.testing.assert_allclose(aligned(movie, [0.3, 0.3]), [elongation * cosine], atol=1e-12)


def test_axis_in_two_dimensions_with_oblong_pixels():
    """3 x 8 pixels, four times as high as wide: the long axis is y, and children three apart each make 12 : 3."""
    movie = masks(np.s_[4:7, 3:11], np.s_[2:3, 2:3], np.s_[5:6, 5:6], (16, 16))
    elongation = 1 - np.sqrt(spread(8) / (16 * spread(3)))
    np.testing.assert_allclose(aligned(movie, [4, 1]), [elongation * 12 / np.hypot(12, 3)])


def test_axis_in_three_dimensions():
    """A parent of 4 x 3 x 7 voxels of height 5: long along z, then x; children apart by (2, 0, 5) voxels."""
    movie = masks(np.s_[1:5, 2:5, 2:9], np.s_[1:2, 3:4, 2:3], np.s_[3:4, 3:4, 7:8], (7, 8, 12))
    elongation = 1 - np.sqrt(spread(7) / (25 * spread(4)))
    np.testing.assert_allclose(aligned(movie, [5, 1, 1]), [elongation * 10 / np.hypot(10, 5)])


@pytest.mark.parametrize("parent", [np.s_[4:8, 4:8], np.s_[4:5, 4:5]], ids=["square", "pixel"])
def test_a_round_parent_has_no_axis(parent):
    movie = masks(parent, np.s_[2:3, 2:3], np.s_[9:10, 7:8], (16, 16))
    np.testing.assert_allclose(aligned(movie, [1, 1]), [0], atol=1e-7)


def test_a_line_is_all_axis():
    movie = masks(np.s_[4:5, 2:12], np.s_[4:5, 2:3], np.s_[4:5, 7:8], (16, 16))
    np.testing.assert_allclose(aligned(movie, [1, 1]), [1])


def test_children_at_one_place_have_no_axis():
    tensor = np.tile(np.diag([1.0, 4.0]), (3, 1, 1))
    given = context([0, 1, 1], [[0, 0], [1, 1], [1, 1]], inertia_tensor_px2=tensor)
    assert compute_feature(given, "division", "division_axis").tolist() == [0]


def test_axis_needs_masks():
    message = (
        "feature 'division_axis' needs the detection property 'inertia_tensor_px2', which this input does not have "
        "(it has: radius); give data.segmentation instead of points"
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(family(radius=[1, 1, 1]), "division", "division_axis")


def test_axis_of_tensors_that_are_not():
    with pytest.raises(FeatureError, match=r"^property inertia_tensor_px2 has shape \(\), wanted \(2, 2\)$"):
        compute_feature(family(inertia_tensor_px2=[1, 1, 1]), "division", "division_axis")
    tensor = np.tile(np.diag([1.0, 4.0]), (3, 1, 1))
    tensor[0, 0, 0] = np.nan
    with pytest.raises(FeatureError, match=r"found NaN or infinity at 0:1 -> 1:2 -> 1:3\."):
        compute_feature(family(inertia_tensor_px2=tensor), "division", "division_axis")


def crowd(intensity):
    """A first frame with these intensities and a second with two cells of 7 and 11; f of each parent of the first."""
    count = len(intensity)
    given = context(
        [0] * count + [1, 1],
        [[0, 10 * n] for n in range(count)] + [[0, 0], [0, 10 * count]],
        intensity_mean=[*intensity, 7, 11],
    )
    found = compute_feature(given, "division", "mother_intensity")
    assert given.graph.divisions[:, 0].tolist() == list(range(count))
    return found


def test_mother_intensity():
    """Median 12, absolute deviations 2, 1, 0, 1, 18: MAD 1."""
    wanted = np.array([-2, -1, 0, 1, 18]) / 1.4826
    np.testing.assert_allclose(crowd([10, 11, 12, 13, 30]), wanted)
    np.testing.assert_allclose(crowd([1010, 1011, 1012, 1013, 1030]), wanted)
    np.testing.assert_allclose(crowd([30, 33, 36, 39, 90]), wanted)


def test_mother_intensity_in_a_frame_without_spread():
    """The other frame, of 7 and 11, has the MAD 2."""
    np.testing.assert_allclose(crowd([5, 5, 5, 8]), [0, 0, 0, 3 / (2 * 1.4826)])
    np.testing.assert_allclose(crowd([5]), [0])


def test_mother_intensity_where_nothing_differs():
    given = family(intensity_mean=[100, 7, 7])
    assert compute_feature(given, "division", "mother_intensity").tolist() == [0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rest", [[10, 12, 14], [5, 5, 5]])
def test_mother_intensity_names_only_what_is_wrong(bad, rest):
    message = (
        "division feature 'mother_intensity' must be finite, found NaN or infinity at 0:2 -> 1:5 -> 1:6. "
        "Mend the input there, or remove the term"
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        crowd([rest[0], bad, *rest[1:]])


def test_mother_intensity_needs_images():
    message = (
        "feature 'mother_intensity' needs the detection property 'intensity_mean', which this input does not have "
        "(it has: none); give data.images"
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(family(), "division", "mother_intensity")
