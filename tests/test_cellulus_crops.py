"""What Cellulus learns from: pairs of near pixels, crops that are turned and bent, frames that are enlarged."""

import math

import numpy as np
import pytest
from cellulus_cases import PAIRS, disc_movie, volumes
from memory_movie import MemoryMovie

from embeddings.cellulus_crops import Bending, CropPairs, PairSampling, draw_crop, draw_pairs, idle_loss, near_offsets
from embeddings.cellulus_frames import ScaledFrames, images_alone, resized, scale_note
from embeddings.frame_crops import CropSizes
from tracker.errors import ConfigError, MovieError


def source(movies, crop=(40, 40), lost=8, seed=0, pairs=PAIRS, bending=None, **sizes):
    return CropPairs(movies, crop, lost, CropSizes(**{"batch_size": 3, **sizes}), seed, pairs=pairs, bending=bending)


def ramp(*shape):
    """An image whose pixels tell where they are."""
    return np.arange(math.prod(shape), dtype=np.float32).reshape(shape)


# ---- pairs


def test_near_offsets_are_the_open_disc_without_its_middle():
    assert sorted(near_offsets(1.5, 2).tolist()) == [
        [-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1],
    ]  # fmt: skip
    assert len(near_offsets(1.1, 3)) == 6
    length = np.linalg.norm(near_offsets(10.0, 2), axis=1)
    assert (length.min(), length.max() < 10.0) == (1.0, True)


def test_the_published_numbers_of_pairs():
    anchor, reference = draw_pairs(np.random.default_rng(0), (236, 236), 2, PairSampling())
    assert anchor.shape == (2, int(0.1 * 218**2), 2)
    assert reference.shape == (*anchor.shape[:2], 31, 2)


@pytest.mark.parametrize("output", [(24, 30), (16, 18, 20)])
def test_pairs_are_near_and_inside(output):
    anchor, reference = draw_pairs(np.random.default_rng(0), output, 4, PAIRS)
    apart = np.linalg.norm(reference - anchor[:, :, None], axis=-1)
    assert 0 < apart.min() < apart.max() < PAIRS.radius_px
    assert reference.min() >= 0
    assert (reference < output).all()
    assert anchor.reshape(-1, len(output)).min(axis=0).tolist() == [5] * len(output)
    assert anchor.reshape(-1, len(output)).max(axis=0).tolist() == [side - 6 for side in output]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PairSampling(density=0.0), "density must lie in (0, 1], found 0"),
        (lambda: PairSampling(radius_px=1.0), "pair_radius_px must be larger than 1, found 1"),
        (lambda: Bending(scale=(1.2, 0.8)), "the scale of crops is a range of positive numbers, found [1.2, 0.8]"),
        (
            lambda: Bending(jitter_px=-1.0),
            "turn_degrees and jitter_px must be at least 0 and knots_px positive, found 90, -1 and 64",
        ),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value) == message


def test_the_loss_of_offsets_that_tell_nothing():
    assert idle_loss(PairSampling(0.1, 1.1), 2, 10.0) == pytest.approx(1 - math.exp(-0.1))
    assert idle_loss(PairSampling(), 2, 10.0) == pytest.approx(0.9, abs=0.005)  # as published


# ---- crops


def test_a_crop_without_bending_is_a_piece_of_the_frame():
    frame = ramp(20, 30)
    crop = draw_crop(np.random.default_rng(0), frame, (8, 10), None)
    y, x = divmod(int(crop[0, 0]), 30)
    np.testing.assert_array_equal(crop, frame[y : y + 8, x : x + 10])


@pytest.mark.parametrize("shape", [(9, 9), (5, 9, 9)])
def test_crops_are_mirrored_along_every_axis(shape):
    frame = ramp(*shape)
    nothing = Bending(turn_degrees=0.0, scale=(1.0, 1.0), jitter_px=0.0, flip=False)
    np.testing.assert_array_equal(draw_crop(np.random.default_rng(0), frame, shape, nothing), frame)
    mirrored = Bending(turn_degrees=0.0, scale=(1.0, 1.0), jitter_px=0.0)
    seen = {draw_crop(np.random.default_rng(seed), frame, shape, mirrored).tobytes() for seed in range(80)}
    axes = range(len(shape))
    wanted = {
        np.flip(frame, [axis for axis in axes if number >> axis & 1]).tobytes() for number in range(2 ** len(shape))
    }
    assert seen == wanted


def test_bending_turns_stretches_and_bends():
    """The brightness of a ramp tells where each pixel came from."""
    side = 64
    y, x = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")

    def origin(bending, seed):
        parts = [draw_crop(np.random.default_rng(seed), axis.astype(np.float32), (21, 21), bending) for axis in (y, x)]
        return np.stack(parts, axis=-1)

    turned = Bending(turn_degrees=90.0, scale=(1.0, 1.0), jitter_px=0.0, flip=False)
    for seed in range(8):
        place = origin(turned, seed)
        step = place[10, 11] - place[10, 10]
        if np.abs(place - place[10, 10]).max() < 14.5 and 15 < place[10, 10].min() < place[10, 10].max() < 48:
            assert np.linalg.norm(step) == pytest.approx(1, abs=1e-4)
            np.testing.assert_allclose(place[11, 10] - place[10, 10], [step[1], -step[0]], atol=1e-4)
    large = Bending(turn_degrees=0.0, scale=(2.0, 2.0), jitter_px=0.0, flip=False)
    place = origin(large, 0)
    np.testing.assert_allclose(np.diff(place[:, 5, 0]), 0.5, atol=1e-4)
    bent = Bending(turn_degrees=0.0, scale=(1.0, 1.0), jitter_px=2.0, knots_px=10.0, flip=False)
    gaps = np.diff(origin(bent, 0)[:, 5, 0])
    assert gaps.std() > 0.05


# ---- batches


def test_batches_depend_on_seed_and_step_alone():
    movies = [ScaledFrames(disc_movie()), ScaledFrames(disc_movie(1, 3))]
    one, same, other = (source(movies, seed=seed, bending=Bending()) for seed in (0, 0, 1))
    first = one(5)
    one(6)
    for a, b in zip(first, same(5), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.images, other(5).images)
    assert first.images.shape == (3, 1, 40, 40)
    assert first.images.dtype == np.float32
    assert first.reference_px.shape == (3, int(0.1 * 14**2), 11, 2)


def test_frames_that_are_held_out_are_not_learnt_from():
    movie = disc_movie(n_frames=8)
    frames = ScaledFrames(movie)
    found = source([frames], frames_held=8)
    ((away,),) = found.held_out_frames()
    (batch,) = found.held_out()
    assert batch.images.shape[0] == 8
    images = movie.images
    images.reads.clear()
    for step in range(3):
        found(step)
    assert sorted(images.reads) == [frame for frame in range(8) if frame != away]
    assert source([ScaledFrames(disc_movie(n_frames=3))]).held_out() == []


def test_few_frames_are_in_memory_at_a_time():
    movie = disc_movie(n_frames=8)
    found = source([ScaledFrames(movie)], frames_held=2, exchange_steps=3)
    for step in range(6):
        found(step)
    assert len(movie.images.reads) == 4


def test_volumes_give_crops_of_three_axes():
    found = source([ScaledFrames(volumes())], crop=(20, 22, 24), pairs=PairSampling(0.3, 1.5))
    batch = found(0)
    assert batch.images.shape == (3, 1, 20, 22, 24)
    assert batch.anchor_px.shape[2] == batch.reference_px.shape[3] == 3


def test_frames_smaller_than_a_crop():
    with pytest.raises(MovieError) as error:
        source([ScaledFrames(disc_movie(), (0.5,))], crop=(60, 60))
    assert str(error.value) == (
        "Cellulus learns from crops of 60 x 60 px, but the frames of images are 48 x 48 px at zoom 0.5. Set a smaller "
        "crop_px, or a larger zoom"
    )


def test_crops_without_room_for_pairs():
    with pytest.raises(ConfigError) as error:
        source([ScaledFrames(disc_movie())], crop=(26, 26))
    assert str(error.value) == (
        "crop_px = [26, 26] leaves no room for pairs of pixels: the network loses 16 px, and anchors keep 5 px away "
        "from the edge. Give at least 28 along each axis, or a smaller pair_radius_px"
    )


# ---- frames


def test_frames_are_enlarged():
    frames = ScaledFrames(disc_movie(), (1.5,))
    assert frames.shape == frames.image(0).shape == (144, 144)
    assert ScaledFrames(volumes(), (2.0, 1.0, 0.5)).image(1).shape == (44, 24, 13)
    image = ScaledFrames(disc_movie()).image(0)
    assert resized(image, image.shape) is image


def test_an_enlarged_image_shows_the_same_places():
    image = np.zeros((20, 20), np.float32)
    image[8:12, 4:8] = 1
    for factor in (0.5, 2.0, 3.0):
        large = resized(image, (round(20 * factor), round(20 * factor)))
        place = np.argwhere(large > 0.5)
        middle = (place.min(axis=0) + place.max(axis=0) + 1) / 2 / factor
        np.testing.assert_allclose(middle, [10, 6], atol=0.01)


def test_movies_are_told_apart_by_pixels_and_frames():
    same, again, other = disc_movie(0), disc_movie(0), disc_movie(1)
    digest = {ScaledFrames(movie).digest for movie in (same, again)}
    assert len(digest) == 1
    fewer = images_alone(same.images, same.images.frames[:3], "fewer")
    assert not {ScaledFrames(movie).digest for movie in (other, fewer)} & digest


@pytest.mark.parametrize(
    ("zoom", "message"),
    [
        ((0.0,), "zoom must be positive and finite, found 0"),
        ((math.inf, 1.0), "zoom must be positive and finite, found [inf, 1]"),
        ((1.0, 1.0, 1.0), "zoom needs one number, or 2 (y, x) for the images images, found [1, 1, 1]"),
        ((0.001,), "zoom = 0.001 leaves no pixel of images of (96, 96)"),
    ],
)
def test_zooms_that_are_refused(zoom, message):
    with pytest.raises(ConfigError) as error:
        ScaledFrames(disc_movie(), zoom)
    assert str(error.value) == message


def test_pixels_that_are_not_numbers():
    images = MemoryMovie({3: np.full((30, 30), np.nan, np.float32)}, "images")
    frames = ScaledFrames(images_alone(images, images.frames, "broken"))
    with pytest.raises(MovieError, match="900 are NaN or infinite in frame t = 3 of images"):
        frames.image(0)


def test_objects_that_do_not_suit_the_field_of_view():
    assert scale_note(28.0, (1.0,), 16) is None
    assert scale_note(10.0, (3.0,), 16) is None
    assert scale_note(10.0, (1.0,), 16) == (
        "objects of 10 px are 10 px across at zoom 1, and Cellulus sees 16 px around each pixel: they are likely to "
        "be merged, or not found. Train and segment with zoom = 3 (objects of 30 px suit best), or another "
        "object_size_px if that is wrong"
    )
    assert "cut to pieces. Train and segment with zoom = 0.3 (" in scale_note(100.0, (1.0,), 16)
    assert scale_note(50.0, (1.0,), 40) is None
    assert "zoom = 2 (objects of 60 px suit best)" in scale_note(30.0, (1.0,), 40)
