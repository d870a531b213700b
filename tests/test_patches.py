"""Patches: what they show, what is refused, and how little is held in memory."""

import numpy as np
import pytest
from memory_movie import MemoryMovie

from embeddings.patches import PatchReader, PatchReservoir, PatchSettings
from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError

RAW = PatchSettings((4, 4), "dtype")


def detections(*keys, frames=(0, 1, 2), scale=(1.0, 1.0)) -> Detections:
    """keys: frame, label, then the position in pixels."""
    table = np.array(keys, float)
    scale = np.array(scale)
    place = table[:, 2:] * scale
    return Detections(table[:, 0].astype(int), table[:, 1].astype(int), place, np.array(frames), scale)


def movie(*shape: int, frames: int = 3, dtype: str = "uint8") -> MemoryMovie:
    """Pixels 1, 2, 3, ... in each frame; frame t has 100 t added."""
    pixels = np.arange(1, np.prod(shape) + 1).reshape(shape)
    return MemoryMovie({frame: (pixels + 100 * frame).astype(dtype) for frame in range(frames)}, "images")


def test_the_centre_is_in_the_middle_pixel():
    reader = PatchReader(detections((0, 1, 3, 4), (0, 2, 3.4, 3.6)), movie(6, 8), RAW)
    one, two = np.rint(reader.patches(0) * 255)
    assert one.tolist() == [[11, 12, 13, 14], [19, 20, 21, 22], [27, 28, 29, 30], [35, 36, 37, 38]]
    assert two.tolist() == one.tolist()
    assert one[2, 2] == 3 * 8 + 4 + 1


def test_scaled_positions_are_taken_back_to_pixels():
    plain = PatchReader(detections((1, 1, 3, 4)), movie(6, 8), RAW)
    scaled = PatchReader(detections((1, 1, 3, 4), scale=(0.5, 2.0)), movie(6, 8), RAW)
    np.testing.assert_array_equal(scaled.patches(1), plain.patches(1))


def test_outside_of_the_image_is_zero():
    found = detections((0, 1, 0, 0), (0, 2, 5, 7), (0, 3, -40, 90))
    corner, opposite, beyond = np.rint(PatchReader(found, movie(6, 8), RAW).patches(0) * 255)
    assert corner.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 9, 10]]
    assert opposite.tolist() == [[30, 31, 32, 0], [38, 39, 40, 0], [46, 47, 48, 0], [0, 0, 0, 0]]
    assert not beyond.any()


def test_volumes():
    found = detections((0, 1, 1, 2, 2), scale=(1.0, 1.0, 1.0))
    (patch,) = np.rint(PatchReader(found, movie(2, 4, 4), PatchSettings((2, 2, 4), "dtype")).patches(0) * 255)
    assert patch.tolist() == [[[5, 6, 7, 8], [9, 10, 11, 12]], [[21, 22, 23, 24], [25, 26, 27, 28]]]


def test_masked_patches_show_the_cell_alone():
    label = np.zeros((6, 8), np.uint16)
    label[3, 3:5], label[2, 4] = 7, 9
    masks = MemoryMovie(dict.fromkeys(range(3), label), "masks")
    reader = PatchReader(detections((0, 7, 3, 4)), movie(6, 8), PatchSettings((4, 4), "dtype", masked=True), masks)
    (patch,) = np.rint(reader.patches(0) * 255)
    assert patch.tolist() == [[0] * 4, [0] * 4, [0, 28, 29, 0], [0] * 4]


def test_each_frame_is_scaled_to_its_own_dark_and_bright():
    image = np.linspace(0, 1, 101).repeat(10).reshape(10, 101)
    image[0, 0] = 50.0
    images = MemoryMovie({0: 40 + 7 * image, 1: image}, "images")
    found = detections((0, 1, 5, 50), (1, 1, 5, 50), (1, 2, 0, 0), frames=(0, 1))
    reader = PatchReader(found, images, PatchSettings((4, 4)))
    first, second = reader.patches(0), reader.patches(1)
    np.testing.assert_allclose(first[0], second[0], atol=1e-5)
    dark, bright = np.percentile(image, [1, 99.8])
    np.testing.assert_allclose(second[0], (image[3:7, 48:52] - dark) / (bright - dark), atol=1e-5)
    assert second[1, 2, 2] == 2.0  # the hot pixel, clipped


def test_a_constant_frame_is_dark():
    images = MemoryMovie({0: np.full((6, 8), 9, np.uint16)}, "images")
    assert not PatchReader(detections((0, 1, 3, 4), frames=(0,)), images, PatchSettings((4, 4))).patches(0).any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_names_the_frame(value):
    images = movie(6, 8, dtype="float32")
    images.pixels[1][0, :3] = value
    reader = PatchReader(detections((0, 1, 3, 4), (1, 1, 3, 4)), images, PatchSettings((4, 4)))
    with pytest.raises(MovieError) as error:
        list(reader)
    assert str(error.value) == (
        "pixels must be finite numbers; 3 are NaN or infinite in frame t = 1 of images. Replace them, for instance by "
        "the background"
    )


def test_frames_are_read_once_and_only_where_there_are_detections():
    images = movie(6, 8)
    seen = list(PatchReader(detections((0, 1, 3, 4), (0, 2, 2, 2), (2, 5, 3, 3)), images, RAW))
    assert [rows.tolist() for rows, _ in seen] == [[0, 1], [2]]
    assert [patches.shape for _, patches in seen] == [(2, 4, 4), (1, 4, 4)]
    assert images.reads == [0, 2]


def test_images_that_count_from_one():
    found = detections((0, 1, 3, 4), frames=(0, 1, 2))
    images = movie(6, 8)
    images = MemoryMovie({frame + 1: pixels for frame, pixels in images.pixels.items()}, "images")
    masks = MemoryMovie({frame: np.zeros((6, 8), np.uint16) for frame in range(3)}, "masks")
    assert np.rint(PatchReader(found, images, RAW, masks).patches(0)[0, 2, 2] * 255) == 29
    with pytest.raises(MovieError, match=r"^images has no image for the detections of t = 0$"):
        PatchReader(found, images, RAW)


REFUSED = {
    "axes": (
        movie(2, 6, 8),
        RAW,
        "patch_px = [4, 4] has 2 axes, but the images images have 3 and the detections 2",
    ),
    "no masks": (
        movie(6, 8),
        PatchSettings((4, 4), masked=True),
        "masked patches need data.segmentation; give it, or set masked = false",
    ),
    "floats": (
        movie(6, 8, dtype="float32"),
        RAW,
        'intensity = "dtype" needs images of integers, found float32 in images; use intensity = "frame"',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    images, chosen, message = REFUSED[name]
    with pytest.raises(ConfigError) as error:
        PatchReader(detections((0, 1, 3, 4)), images, chosen)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((5, 4),), "patch_px must be two or three even sizes ([z,] y, x), found [5, 4]"),
        (((4,),), "patch_px must be two or three even sizes ([z,] y, x), found [4]"),
        (((4, 4), "raw"), "intensity must be one of frame, dtype, found 'raw'"),
    ],
)
def test_settings_are_checked(arguments, message):
    with pytest.raises(ConfigError) as error:
        PatchSettings(*arguments)
    assert str(error.value) == message


def many(frames: int = 12, each: int = 5):
    found = detections(
        *((frame, label, 3, label) for frame in range(frames) for label in range(1, each + 1)), frames=range(frames)
    )
    images = MemoryMovie({frame: np.full((6, 8), frame, np.uint8) for frame in range(frames)}, "images")
    return found, images


def frames_of(patches) -> set[int]:
    return set(np.rint(patches[:, 2, 2] * 255).astype(int).tolist())


def reservoir(images, found, rows=None, **changes) -> PatchReservoir:
    sizes = {"frames_held": 3, "exchange_steps": 10, **changes}
    return PatchReservoir(
        PatchReader(found, images, RAW), np.arange(len(found)) if rows is None else rows, 20, 4, **sizes
    )


def test_a_batch_depends_on_the_step_alone():
    found, images = many()
    one, other = reservoir(images, found), reservoir(images, found)
    expected = {step: one(step) for step in range(0, 40, 3)}
    assert not np.array_equal(expected[0], expected[3])
    for step in (39, 0, 21, 3):
        np.testing.assert_array_equal(other(step), expected[step])


def test_few_frames_are_held_and_exchanged():
    found, images = many()
    drawn = reservoir(images, found)
    seen = [set().union(*(frames_of(drawn(step)) for step in range(start, start + 10))) for start in range(0, 200, 10)]
    assert {len(frames) for frames in seen} == {3}
    assert set().union(*seen) == set(range(12))
    assert len(images.reads) == 3 * 20


def test_memory_bounds_the_patches_held():
    found, images = many()
    drawn = reservoir(images, found, frames_held=12, memory_mb=22 * 4 * 4 * 4 / 2**20)
    assert len(frames_of(np.concatenate([drawn(step) for step in range(10)]))) == 5  # 4 whole frames and 2 patches
    assert len(images.reads) == 5


def test_a_movie_that_fits_is_read_once():
    found, images = many()
    drawn = reservoir(images, found, frames_held=12)
    assert set().union(*(frames_of(drawn(step)) for step in range(0, 300, 10))) == set(range(12))
    assert sorted(images.reads) == list(range(12))


def test_only_the_rows_asked_for_are_drawn():
    found, images = many()
    drawn = reservoir(images, found, np.flatnonzero(np.isin(found.frame, [2, 5])))
    assert frames_of(np.concatenate([drawn(step) for step in range(30)])) == {2, 5}
    with pytest.raises(ConfigError, match=r"^there are no detections to make patches of$"):
        reservoir(images, found, np.zeros(0, int))
