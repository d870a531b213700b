"""Crops of frames: what they show, which frames are read, and that all depends on the seed and the step alone."""

import numpy as np
import pytest
from autoencoder_cases import movie
from mae_cases import noise
from memory_movie import MemoryMovie

from embeddings.frame_crops import CropSizes, CropSource, draw_crops, resized_squares
from embeddings.frame_images import FrameImages
from embeddings.learning_movie import LearningMovie
from embeddings.zoomed_frames import ZoomedFrames
from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError


def frames_of(n_frames: int, shape=(40, 50), zoom: float = 1.0, name: str = "images") -> ZoomedFrames:
    """A movie whose frame t is a stripe at column t + 1, with a detection in each frame."""
    pixels = {t: np.zeros(shape, np.uint16) for t in range(n_frames)}
    for t, image in pixels.items():
        image[:, t + 1] = 100
    found = Detections(
        np.arange(n_frames),
        np.ones(n_frames, np.int64),
        np.full((n_frames, 2), 5.0),
        np.arange(n_frames),
        np.ones(2),
    )
    return ZoomedFrames(FrameImages(LearningMovie(found, MemoryMovie(pixels, name)), "MAESTER"), zoom)


def test_squares_are_resized_as_torch_does():
    torch = pytest.importorskip("torch", reason="the referee")
    frames = noise(2, 30, 33)
    which, start, side = (
        np.array([0, 1, 1, 0]),
        np.array([[0, 0], [10, 3], [2, 17], [29, 5]]),
        np.array([20, 10, 16, 1]),
    )
    flip = np.array([[False, False], [True, False], [False, True], [True, True]])
    found = resized_squares(frames, which, start, side, flip, 20)
    for one in range(4):
        (y, x), length = start[one], side[one]
        square = torch.from_numpy(frames[which[one], y : y + length, x : x + length].copy())
        slow = torch.nn.functional.interpolate(square[None, None], size=(20, 20), mode="bilinear", align_corners=False)
        turned = slow[0, 0].flip([axis for axis in (0, 1) if flip[one, axis]])
        np.testing.assert_allclose(found[one], turned.numpy(), atol=1e-5)
    np.testing.assert_allclose(found[0], frames[0, :20, :20], atol=1e-6)


def test_crops_are_of_half_to_the_whole_size():
    """On a picture of its own columns, a crop tells the square it came from."""
    ramp = np.broadcast_to(np.arange(60, dtype=np.float32), (1, 45, 60))
    crops = draw_crops(np.random.default_rng(0), ramp, 400, 20)
    assert crops.shape == (400, 20, 20)
    slope = np.abs(crops[:, 0, 11] - crops[:, 0, 9]) * 10  # side of the square
    sides = np.unique(np.rint(slope))
    assert sides.tolist() == list(range(10, 21))
    left = np.minimum(crops[:, 0, 0], crops[:, 0, -1])
    assert left.min() < 3
    assert np.maximum(crops[:, 0, 0], crops[:, 0, -1]).max() > 56
    assert 0.4 < np.mean(crops[:, 0, 0] > crops[:, 0, -1]) < 0.6


def test_frames_that_hold_less_than_a_whole_field():
    crops = draw_crops(np.random.default_rng(0), noise(2, 11, 40), 50, 20)
    assert crops.shape == (50, 20, 20)


def test_steps_depend_on_the_seed_alone():
    sizes = CropSizes(4, frames_held=2, exchange_steps=3)
    one, same, other = (CropSource([frames_of(9), frames_of(5)], 20, sizes, seed) for seed in (0, 0, 1))
    in_order = [one(step) for step in range(12)]
    for step in (11, 0, 5, 6):
        np.testing.assert_array_equal(same(step), in_order[step])
    assert any(not np.array_equal(other(step), in_order[step]) for step in range(12))
    assert not np.array_equal(in_order[0], in_order[1])


def test_few_frames_are_held_and_exchanged():
    frames = frames_of(30)
    source = CropSource([frames], 20, CropSizes(4, frames_held=3, exchange_steps=5), 0)
    images = frames.frames.images
    for step in range(5):
        source(step)
    assert len(images.reads) == 3
    for step in range(5, 40):
        source(step)
    assert len(images.reads) == 8 * 3
    assert len(set(images.reads)) > 8


def test_little_memory_still_holds_a_frame():
    frames = frames_of(30)
    CropSource([frames], 20, CropSizes(4, memory_mb=1e-6), 0)(0)
    assert len(frames.frames.images.reads) == 1


def test_frames_held_out_are_never_learnt_from():
    frames = frames_of(30)
    source = CropSource([frames], 20, CropSizes(4), 0)
    crops = source.held_out()
    assert [one.shape for one in crops] == [(16, 20, 20)] * 3
    images = frames.frames.images
    away = set(images.reads)
    assert len(away) == 3
    images.reads.clear()
    for step in range(0, 4000, 200):
        source(step)
    assert set(images.reads) == set(range(30)) - away
    np.testing.assert_array_equal(crops, CropSource([frames_of(30)], 20, CropSizes(4), 0).held_out())


@pytest.mark.parametrize(("n_frames", "away"), [(1, 0), (3, 0), (4, 1), (10, 1), (11, 2), (200, 8)])
def test_how_many_frames_are_held_out(n_frames, away):
    frames = frames_of(n_frames, shape=(12, 204))
    assert len(CropSource([frames], 20, CropSizes(1), 0).held_out()) == away


def test_zoomed_frames():
    frames = frames_of(1, shape=(40, 50), zoom=2.0)
    assert frames.shape == (80, 100)
    assert frames.image(0).shape == (80, 100)
    assert frames.image(0)[:, 2:4].min() > 0.5  # column 1 of the image
    assert frames.pixel_at(np.array([[0.0, 1.0], [39.4, 49.0], [-3.0, 70.0]])).tolist() == [[1, 3], [79, 99], [0, 99]]
    smaller = frames_of(1, shape=(40, 50), zoom=0.5)
    assert smaller.image(0).shape == (20, 25)
    assert smaller.pixel_at(np.array([[0.0, 0.0], [39.0, 49.0]])).tolist() == [[0, 0], [19, 24]]
    plain = frames_of(1)
    np.testing.assert_array_equal(plain.image(0), plain.frames.image(0))
    assert plain.pixel_at(np.array([[0.4, 1.6]])).tolist() == [[0, 2]]


def test_real_images_make_crops_of_their_own_range():
    crops = CropSource([ZoomedFrames(FrameImages(movie()[0], "MAESTER"))], 24, CropSizes(8), 0)(0)
    assert crops.min() >= 0
    assert 0.5 < crops.max() <= 2


@pytest.mark.parametrize("zoom", [0.0, -1.0, np.nan, np.inf])
def test_zoom_is_checked(zoom):
    with pytest.raises(ConfigError) as error:
        frames_of(1, zoom=zoom)
    assert str(error.value) == f"zoom must be positive and finite, found {zoom:g}"


def test_a_zoom_that_leaves_nothing():
    with pytest.raises(ConfigError) as error:
        frames_of(1, zoom=0.01)
    assert str(error.value) == "zoom = 0.01 leaves no pixel of images of (40, 50)"


def test_frames_smaller_than_a_crop():
    with pytest.raises(MovieError) as error:
        CropSource([frames_of(2, shape=(30, 90), zoom=0.5)], 40, CropSizes(4), 0)
    assert str(error.value) == (
        "MAESTER learns from crops of at least 20 px, but the frames of images are 15 x 45 px at zoom 0.5. "
        "Set zoom = 0.67 or more, or a smaller image_px"
    )


def test_sizes_are_checked():
    with pytest.raises(ConfigError) as error:
        CropSizes(0)
    assert str(error.value) == (
        "batch_size, frames_held, memory_mb and exchange_steps must be positive, found 0, 16, 256 and 200"
    )
