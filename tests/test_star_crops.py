"""Crops that StarDist learns from: which are cut out of a movie, and how they are varied."""

import numpy as np
import pytest
from memory_movie import MemoryMovie
from stardist_cases import disc_movie, discs, found_by_a_program

from embeddings.cellulus_frames import images_alone
from embeddings.frame_crops import CropSizes
from embeddings.star_crops import StarCrops, StarVariation, varied, weight_of_pseudo
from embeddings.star_movie import StarMovie
from embeddings.star_targets import star_distances, star_probabilities
from tracker.errors import ConfigError

SIZES = CropSizes(6, exchange_steps=3)


def crops(*movies, a=0.5, sizes=SIZES, crop_px=56, lost_px=20, variation=None, seed=0):
    return StarCrops(movies, crop_px, lost_px, 8, a, sizes, seed, variation=variation)


def test_half_of_each_kind():
    batch = crops(disc_movie())(0)
    assert batch.images.shape == (6, 1, 56, 56)
    assert batch.probability.shape == (6, 16, 16)
    assert batch.rays.shape == (6, 8, 16, 16)
    assert batch.pseudo.tolist() == 3 * [False] + 3 * [True]
    assert (batch.probability[:3] == -1).any()
    assert (batch.probability[3:] >= 0).all()
    assert [batch.images.dtype, batch.probability.dtype, batch.rays.dtype] == 3 * [np.float32]
    assert crops(disc_movie(), sizes=CropSizes(5))(0).pseudo.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("kinds", "a", "weight"),
    [
        ({}, 0.5, 0.5),
        ({}, 0.0, 0.0),
        ({}, 1.0, 1.0),
        ({"sparse": False}, 0.3, 1.0),
        ({"sparse": False}, 0.0, 1.0),
        ({"pseudo": False}, 0.3, 0.0),
        ({"pseudo": False}, 1.0, 0.0),
    ],
)
def test_a_missing_kind_leaves_its_weight_to_the_other(kinds, a, weight):
    source = crops(disc_movie(**kinds), a=a)
    assert source.pseudo_weight == weight
    assert set(source(0).pseudo.tolist()) == {0.0: {False}, 1.0: {True}}.get(weight, {False, True})
    assert all(set(one.pseudo.tolist()) <= set(source(0).pseudo.tolist()) for away in source.held_out() for one in away)


def test_weights():
    assert [weight_of_pseudo(0.2, *kinds) for kinds in ((True, True), (True, False), (False, True))] == [0.2, 0.0, 1.0]


def test_every_sparse_crop_shows_an_annotated_object():
    source = crops(disc_movie(pseudo=False))
    for step in range(10):
        assert (source(step).probability > 0).any(axis=(1, 2)).all()


def test_crops_are_cut_out_of_frames_with_their_labels():
    """An image that numbers its pixels tells where a crop comes from, also where it is mirrored at the edge."""
    number = np.arange(40 * 44, dtype=np.float64).reshape(40, 44)
    labels = np.kron(np.arange(20).reshape(4, 5), np.ones((10, 9), int))[:, :44]
    images = MemoryMovie({0: number}, "numbered")
    movie = StarMovie(images_alone(images, images.frames, "numbered"), MemoryMovie({0: labels}, "masks"))
    shown = movie.frames.image(0)
    starts = set()
    for step in range(8):
        batch = crops(movie)(step)
        for image, probability, rays in zip(batch.images[:, 0], batch.probability, batch.rays, strict=True):
            seen = image[20:-20, 20:-20]
            assert seen.shape == (16, 16)
            ((y, x),) = (np.argwhere(shown == seen[-1, -1]) - 15).tolist()  # the darkest pixels are all 0
            starts.add((y, x))
            np.testing.assert_array_equal(seen, shown[y : y + 16, x : x + 16])
            padded = np.pad(labels, 20, mode="reflect")[y : y + 56, x : x + 56]
            np.testing.assert_array_equal(probability, star_probabilities(padded, 20))
            np.testing.assert_array_equal(rays, star_distances(padded, 8, 20))
    assert len(starts) > 20
    assert min(y for y, _ in starts) == 0
    assert max(x for _, x in starts) == 44 - 16


def test_frames_smaller_than_a_crop_are_mirrored():
    images, masks = discs(0, 1)
    small = [MemoryMovie({0: one.pixels[0][:12, :30]}, one.name) for one in (images, masks)]
    movie = StarMovie(images_alone(small[0], small[0].frames, "small"), small[1])
    batch = crops(movie)(0)
    assert batch.images.shape == (6, 1, 56, 56)
    assert np.isfinite(batch.images).all()


def test_batches_depend_on_seed_and_step_alone():
    first, again, other = (crops(disc_movie(), seed=seed, variation=StarVariation()) for seed in (0, 0, 1))
    again(7)
    for step in (0, 5):
        one, two, three = first(step), again(step), other(step)
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        assert not np.array_equal(one.images, three.images)


def test_frames_are_exchanged_when_few_are_held():
    images, masks = discs(0, 12)
    movie = StarMovie(images_alone(images, images.frames, "discs"), masks)
    source = crops(movie, sizes=CropSizes(2, frames_held=2, exchange_steps=3))
    images.reads.clear()
    for step in range(12):
        source(step)
    assert len(images.reads) == 8  # two of them, four times
    assert not set(images.reads) & set(source.held_out_frames()[0])


def test_what_is_held_out():
    assert [len(frames) for frames in crops(disc_movie(), disc_movie(1)).held_out_frames()] in ([1, 0], [0, 1])
    source = crops(disc_movie(n_frames=12))
    ((*frames,),) = source.held_out_frames()
    assert len(frames) == 2
    away = source.held_out()
    assert [sum(len(one.images) for one in crop) % 4 for crop in away] == [0, 0]
    assert any(one.pseudo.all() for one in away[0])
    assert crops(disc_movie(n_frames=3)).held_out_frames() == [[]]


def test_few_annotated_frames_are_not_held_out():
    """Of three frames with annotations none may go: those held out are others."""
    images, masks = discs(0, 6)
    sparse = MemoryMovie({t: masks.pixels[t] for t in (1, 3, 5)}, "sparse")
    movie = StarMovie(images_alone(images, images.frames, "discs"), found_by_a_program(masks), sparse)
    held = {tuple(crops(movie, seed=seed).held_out_frames()[0]) for seed in range(12)}
    assert held == {(0,), (2,), (4,)}


# ---- variations


def test_labels_follow_the_image():
    rng = np.random.default_rng(0)
    image = rng.random((6, 6), dtype=np.float32)
    labels = np.arange(36).reshape(6, 6)
    plain = StarVariation((1.0, 1.0), 0.0)
    orders = set()
    for _ in range(60):
        shown, known = varied(rng, image, labels, plain)
        np.testing.assert_allclose(shown, image.ravel()[known], atol=1e-6)
        orders.add(known.tobytes())
    assert len(orders) == 8


def test_contrast_and_noise():
    rng, image = np.random.default_rng(0), np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    labels = np.zeros((20, 20), np.int64)
    spreads = [varied(rng, image, labels, StarVariation((0.5, 2.0), 0.0))[0].std() / image.std() for _ in range(50)]
    assert 0.5 <= min(spreads) < 0.7 < 1.7 < max(spreads) <= 2.0
    noisy = varied(rng, np.zeros_like(image), labels, StarVariation((1.0, 1.0), 0.1))[0]
    assert 0 < noisy.std() < 0.11
    assert varied(rng, image, labels, None) == (image, labels)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weight_of_pseudo(1.5, True, True), "pseudo_weight must lie in [0, 1], found 1.5"),
        (lambda: StarVariation((0.0, 1.0)), "the contrast of crops is a range of positive numbers, found [0, 1]"),
        (lambda: StarVariation(noise=-1.0), "noise must be at least 0, found -1"),
        (lambda: crops(disc_movie(), sizes=CropSizes(1)),
         "batch_size must be at least 2, as half of a batch has sparse labels and half pseudo labels; found 1"),
    ],
)  # fmt: skip
def test_arguments(call, message):
    with pytest.raises(ConfigError) as error:
        call()
    assert str(error.value) == message
