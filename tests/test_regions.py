"""Region properties against skimage's regionprops."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops

from tracker.errors import MovieError
from tracker.regions import intensity_range, region_properties


def blobs(shape, seed, dtype=np.uint16):
    """Random blobs, labels shuffled and not contiguous."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    mask, count = ndimage.label(field > 0.08)
    assert count > 5
    names = rng.permutation(np.arange(1, 20 * count))[:count]
    return np.concatenate([[0], names]).astype(dtype)[mask]


def single_pixels():
    mask = np.zeros((6, 7), np.uint8)
    mask[0, 0], mask[5, 6], mask[2, 3] = 9, 1, 200
    return mask


CASES = {
    "2-D": blobs((60, 90), 1),
    "2-D int32": blobs((61, 40), 2, np.int32),
    "2-D uint64": blobs((61, 40), 3, np.uint64),
    "3-D": blobs((9, 40, 50), 4, np.uint32),
    "single pixels": single_pixels(),
    "whole image": np.ones((5, 8), np.int64),
    "two parts of one label": np.array([[3, 0, 3], [0, 0, 0], [0, 7, 0]], np.uint8),
    "huge labels": np.where(blobs((40, 40), 5) > 0, blobs((40, 40), 5).astype(np.uint32) + 4_000_000_000, 0).astype(
        np.uint32
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_regionprops(name):
    mask = CASES[name]
    image = np.random.default_rng(0).integers(0, 60000, mask.shape).astype(np.uint16)
    found = region_properties(mask, image)
    label, dense = np.unique(np.append(mask, mask.dtype.type(0)), return_inverse=True)  # skimage needs small labels
    wanted = regionprops(dense[:-1].reshape(mask.shape), image)
    assert found.label.tolist() == label[1:].tolist()
    assert len(found) == len(wanted)
    assert found.bbox_px.tolist() == [list(region.bbox) for region in wanted]
    for column, attribute in [
        (found.area_px, "area"),
        (found.centroid_px, "centroid"),
        (found.equivalent_diameter_px, "equivalent_diameter_area"),
        (found.inertia_tensor_px2, "inertia_tensor"),
        (found.intensity_mean, "intensity_mean"),
    ]:
        np.testing.assert_allclose(column, [region[attribute] for region in wanted], rtol=1e-12, atol=1e-9)


def test_moments_are_exact_far_from_the_origin():
    mask = np.zeros((40, 60_000), np.uint8)
    mask[3:6, 59_990:59_999] = 1
    near = np.zeros((40, 60), np.uint8)
    near[0:3, 0:9] = 1
    far, close = region_properties(mask), region_properties(near)
    np.testing.assert_array_equal(far.inertia_tensor_px2, close.inertia_tensor_px2)


def test_border_distance_is_that_of_the_box_in_y_and_x():
    mask = np.zeros((3, 10, 20), np.uint8)
    mask[0, 4:6, 5:8] = 1  # touches z = 0, which does not count; 4 rows above and below
    mask[1, 2:4, 0:2] = 2  # touches x = 0
    mask[2, 8:9, 10:12] = 3  # one row below
    assert region_properties(mask).border_distance_px.tolist() == [4.0, 0.0, 1.0]


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5), (0, 5)])
def test_empty_mask_has_no_regions(shape):
    found = region_properties(np.zeros(shape, np.uint16), np.zeros(shape))
    ndim = len(shape)
    assert len(found) == 0
    assert found.centroid_px.shape == (0, ndim)
    assert found.bbox_px.shape == (0, 2 * ndim)
    assert found.inertia_tensor_px2.shape == (0, ndim, ndim)
    assert found.border_distance_px.shape == found.area_px.shape == (0,)


def test_without_image_there_is_no_intensity():
    assert region_properties(single_pixels()).intensity_mean is None


def test_nan_in_the_image_stays_in_its_region():
    mask = np.array([[1, 1, 2]])
    found = region_properties(mask, np.array([[np.nan, 1.0, 5.0]]))
    assert np.isnan(found.intensity_mean[0])
    assert found.intensity_mean[1] == 5.0


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((3, 3)), "a label mask must be a 2-D or 3-D array of integers, found 2-D float64"),
        (np.zeros(3, int), "a label mask must be a 2-D or 3-D array of integers, found 1-D int64"),
        (np.array([[0, -4]]), "labels must not be negative, found -4; use 0 for the background"),
    ],
)
def test_refuses_what_is_no_mask(mask, message):
    with pytest.raises(MovieError) as error:
        region_properties(mask)
    assert str(error.value) == message


def test_refuses_an_image_of_another_shape():
    with pytest.raises(MovieError, match=r"wanted \(1, 2\), found \(2, 1\)"):
        region_properties(np.array([[0, 1]]), np.zeros((2, 1)))


def test_relative_intensity_is_the_mean_on_the_scale_of_the_image():
    image = np.random.default_rng(0).gamma(2, 50, (300, 300))
    mask = np.zeros((300, 300), np.uint8)
    mask[:3, :5], mask[200:, 200:] = 1, 2
    low, high = np.percentile(image[::4, ::4], [1, 99.8])
    assert intensity_range(image) == pytest.approx((low, high), rel=1e-12)
    wanted = [(image[mask == label].mean() - low) / (high - low) for label in (1, 2)]
    np.testing.assert_allclose(region_properties(mask, image).intensity_relative, wanted, rtol=1e-12)
    assert region_properties(mask).intensity_relative is None


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (np.full((4, 5), 7, np.uint16), (7, 7)),
        (np.array([[np.nan, np.inf, 3.0]]), (3, 3)),
        (np.where(np.arange(5000).reshape(50, 100) == 77, 9, 0), (0, 9)),  # too few bright pixels for a percentile
    ],
)
def test_range_of_odd_images(image, wanted):
    assert intensity_range(image) == wanted


def test_no_value_has_no_range():
    assert np.isnan(intensity_range(np.full((2, 3), np.nan))).all()


def test_constant_image_has_relative_intensity_zero():
    assert region_properties(np.array([[1, 0, 2]]), np.array([[7, 7, 7]])).intensity_relative.tolist() == [0, 0]


def test_a_run_ends_with_its_row():
    found = region_properties(np.array([[0, 0, 1], [1, 0, 0]]))
    assert found.bbox_px.tolist() == [[0, 0, 2, 3]]
    assert found.centroid_px.tolist() == [[0.5, 1.0]]
