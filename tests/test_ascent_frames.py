"""What ASCENT sees: patches against a slow loop, a bright dot under its moved coordinate, brightness, places."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="patches need the extra learn")

from ascent_cases import SMALL, STILL, frames_of, marked_cells, points  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.ascent_augment import AscentAugmentation, random_view  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402

PLACES = [[5.2, 7.4], [20.5, 30.0], [0.0, 39.0], [29.4, 1.6]]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def slow_patch(image, place, side, planes):
    """The pixels around the one that holds the place; 0 outside of the image (Z, Y, X)."""
    z, y, x = (int(np.floor(value + 0.5)) for value in place)
    patch = np.zeros((len(planes), side, side))
    for channel, beside in enumerate(planes):
        for down in range(side):
            for right in range(side):
                at = (z + beside, y + down - side // 2, x + right - side // 2)
                if all(0 <= value < size for value, size in zip(at, image.shape, strict=True)):
                    patch[channel, down, right] = image[at]
    return patch


def test_patches_of_a_plane():
    frames = frames_of(points(PLACES, noise(30, 40)))
    image, place = frames.image(0), frames.place_px(np.arange(4))
    found = frames.patches(image, frames.plain_view(), place)
    assert found.shape == (4, 1, 16, 16)
    for one, where in zip(found, place, strict=True):
        np.testing.assert_allclose(one, slow_patch(image, where, 16, (0,)), atol=1e-4)


def test_patches_of_a_stack_show_the_next_plane_and_the_one_before():
    where = [[0.0, 5.2, 7.4], [1.6, 20.5, 30.0], [3.0, 0.0, 39.0]]
    frames = frames_of(points(where, noise(4, 30, 40), scale=(2.0, 0.5, 0.5)))
    image, place = frames.image(0), frames.place_px(np.arange(3))
    np.testing.assert_allclose(place, where)
    found = frames.patches(image, frames.plain_view(), place)
    assert found.shape == (3, 3, 16, 16)
    for one, at in zip(found, place, strict=True):
        np.testing.assert_allclose(one, slow_patch(image, at, 16, (0, 1, -1)), atol=1e-4)
    assert (found[0, 2] == 0).all()
    assert (found[2, 1] == 0).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("zoom", [1.0, 1.7])
def test_a_bright_dot_stays_under_its_moved_coordinate(seed, zoom):
    y, x = np.mgrid[:80, :100]
    where = np.array([[30.3, 40.7], [52.0, 66.4]])
    image = sum(np.exp(-((y - down) ** 2 + (x - right) ** 2) / 8) for down, right in where)
    frames = frames_of(points(where, image), zoom=zoom)
    strong = AscentAugmentation(elastic_px=20.0, brightness=0.0, contrast=0.0)
    view = random_view(np.random.default_rng(seed), (80, 100), strong, zoom)
    place = frames.place_px(np.arange(2))
    place[:, 1:] = view.from_frame(place[:, 1:])
    for one, at in zip(frames.patches(frames.image(0), view, place), place, strict=True):
        weight = one[0] ** 4  # of the dot alone
        middle = [(weight * axis).sum() / weight.sum() for axis in np.mgrid[:16, :16]]
        expected = at[1:] - np.floor(at[1:] + 0.5) + 8
        np.testing.assert_allclose(middle, expected, atol=0.1)


def test_a_patch_of_a_view_is_the_frame_where_the_view_says():
    frames = frames_of(points([[30.0, 40.0]], noise(80, 100)))
    strong = AscentAugmentation(elastic_px=0.0)
    view, image = random_view(np.random.default_rng(1), (80, 100), strong), frames.image(0)
    place = np.array([[0.0, *view.from_frame(np.array([[30.0, 40.0]]))[0]]])
    pixel = np.floor(place[0, 1:] + 0.5) + np.stack(np.mgrid[-8:8, -8:8], axis=-1).reshape(-1, 2)
    at = view.to_frame(pixel)[0]
    low = np.floor(at).astype(int)
    part = at - low
    expected = sum(
        image[0][low[:, 0] + down, low[:, 1] + right] * np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1])
        for down in (0, 1)
        for right in (0, 1)
    )
    expected = view.brightness * (view.contrast * expected + (1 - view.contrast) * image.mean())
    np.testing.assert_allclose(frames.patches(image, view, place).ravel(), expected, atol=1e-4)


@pytest.mark.parametrize("where", [[[0.0, 0.0]], [[0.0, 0.0, 0.0]]])
def test_another_light_leaves_what_is_beyond_the_frame_at_0(where):
    pixels = noise(40, 50) + 3 if len(where[0]) == 2 else noise(3, 40, 50) + 3
    frames = frames_of(points(where, pixels))
    image, place = frames.image(0) + 0.5, frames.place_px(np.arange(1))
    dim = replace(frames.plain_view(), brightness=1.2, contrast=0.7)
    plain, other = (frames.patches(image, view, place) for view in (frames.plain_view(), dim))
    inside = np.zeros(plain.shape, bool)
    inside[:, [0] if len(where[0]) == 2 else [0, 1], 8:, 8:] = True  # the plane before the first is beyond, too
    np.testing.assert_allclose(plain[~inside], 0, atol=1e-5)
    np.testing.assert_allclose(other[~inside], 0, atol=1e-5)
    np.testing.assert_allclose(other[inside], 1.2 * (0.7 * plain[inside] + 0.3 * image.mean()), rtol=1e-4)


def test_brightness_is_by_percentiles_and_not_clipped():
    image = noise(100, 100) * 50 + 7
    image[3, 4] = 1e4
    found = frames_of(points([[50.0, 50.0]], image)).image(0)
    low, high = np.percentile(image, [1, 99.99])
    np.testing.assert_allclose(found[0], (image - low) / (high - low), rtol=1e-4, atol=1e-6)
    assert found.max() > 1
    assert found.min() < 0
    flat = frames_of(points([[50.0, 50.0]], np.full((100, 100), 3))).image(0)
    assert (flat == 0).all()


def test_a_zoom_below_one_smooths_first():
    image = np.tile([0.0, 1.0], (40, 40))
    fine, coarse = (frames_of(points([[20.0, 40.0]], image), zoom=zoom).image(0) for zoom in (1.0, 0.4))
    assert fine[0, 10:30, 20:60].std() > 0.4
    assert coarse[0, 10:30, 20:60].std() < 0.1


def test_relative_coordinates():
    frames = frames_of(points([[0.0, 0.0]], noise(41, 81)))
    where = np.array([[0.0, 0.0, 0.0], [0.0, 20.0, 40.0], [0.0, 40.5, 80.5]])
    np.testing.assert_allclose(frames.coordinates(where), [[0, -40 / 41, -80 / 81], [0, 0, 0], [0, 1, 1]], atol=1e-6)
    stack = frames_of(points([[0.0, 0.0, 0.0]], noise(5, 40, 80), scale=(3.0, 1.5, 1.5)))
    (found,) = stack.coordinates(np.array([[3.0, 19.5, 39.5]]))
    np.testing.assert_allclose(found, [1 * (2 / 40 + 2 / 80) / 2 * 3.0 / 1.5, 0, 0], atol=1e-6)


def test_zoom_changes_no_coordinate():
    movie = points([[10.0, 20.0, 30.0]], noise(20, 40, 80), scale=(3.0, 1.5, 1.5))
    for positions in ("relative", "physical"):
        found = []
        for zoom in (1.0, 2.0):
            frames = frames_of(movie, replace(SMALL, positions=positions), zoom)
            place = frames.place_px(np.array([0]))
            place[:, 1:] = frames.plain_view().from_frame(place[:, 1:])
            found.append(frames.coordinates(place))
        np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[0], [[(10 - 9.5) * 3, (20 - 19.5) * 1.5, (30 - 39.5) * 1.5]], atol=1e-5)


def test_no_coordinates():
    frames = frames_of(points([[0.0, 0.0]], noise(40, 80)), replace(SMALL, positions="none"))
    assert (frames.coordinates(np.ones((2, 3))) == 0).all()


# ---- what is refused


def test_nan_names_the_frame():
    image = noise(40, 40)
    image[3, 3] = np.nan
    frames = frames_of(points([[20.0, 20.0]], noise(40, 40), image))
    frames.image(0)
    with pytest.raises(MovieError, match=r"^pixels must be finite numbers; 1 are NaN or infinite in frame t = 1 of"):
        frames.image(1)


def test_frames_smaller_than_a_patch():
    with pytest.raises(ConfigError) as error:
        frames_of(points([[2.0, 2.0]], noise(12, 40)))
    assert str(error.value) == (
        "ASCENT looks at patches of 16 px, but the frames of images are 12 x 40 px at zoom 1. Set zoom = 1.34 or more, "
        "or a smaller patch_px"
    )
    frames_of(points([[2.0, 2.0]], noise(12, 40)), zoom=1.34)


def test_cells_that_do_not_fit():
    cells, _ = marked_cells(n_frames=1)
    typical = np.median(cells.detections.properties["equivalent_diameter_px"])
    with pytest.raises(ConfigError) as error:
        frames_of(cells, zoom=2.0)
    assert str(error.value) == (
        f"ASCENT sees patches of 16 px, but the cells of movie 0 are {2 * typical:.3g} px across at zoom 2: they must "
        f"be smaller than a patch and at least 1 px. Set zoom = {6.4 / typical:.2g}, or another patch_px"
    )
    tiny = replace(cells.detections, properties={"equivalent_diameter_px": np.full(9, 0.8)})
    with pytest.raises(ConfigError, match=r"are 0.8 px across .* at least 1 px. Set zoom = 8, or another patch_px$"):
        frames_of(replace(cells, detections=tiny))


def test_a_zoom_that_is_none():
    with pytest.raises(ConfigError, match=r"^zoom must be positive and finite, found 0$"):
        frames_of(points([[2.0, 2.0]], noise(40, 40)), zoom=0.0)


def test_images_and_detections_of_other_axes():
    movie = points([[2.0, 2.0]], noise(40, 40))
    with pytest.raises(ConfigError) as error:
        frames_of(replace(movie, images=MemoryMovie({0: noise(3, 40, 40)}, "stack")))
    assert str(error.value) == (
        "images and detections must have the same axes, but the images stack have 3 and the detections 2: give both in "
        "2-D, or both in 3-D"
    )
    with pytest.raises(ConfigError, match=r"^ASCENT needs data.images: give the images of the points$"):
        frames_of(replace(movie, images=None))


def test_the_still_augmentation_shows_the_frame_as_it_is():
    frames = frames_of(points(PLACES, noise(30, 40)))
    view = random_view(np.random.default_rng(0), (30, 40), STILL)
    image, place = frames.image(0), frames.place_px(np.arange(4))
    np.testing.assert_allclose(
        frames.patches(image, view, place), frames.patches(image, frames.plain_view(), place), atol=1e-5
    )
