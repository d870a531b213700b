"""The movie that StarDist learns from: what is known of its frames, and what is no such movie."""

from dataclasses import replace

import numpy as np
import pytest
from memory_movie import MemoryMovie
from stardist_cases import UNKNOWN, annotated, disc_movie, discs, found_by_a_program

from embeddings.cellulus_frames import images_alone
from embeddings.star_movie import StarMovie, pseudo_labels, sparse_labels
from tracker.errors import ConfigError, MovieError

# ---- what is known of a frame


def strip(text):
    """One row of labels; `?` is -1."""
    return np.array([[-1 if one == "?" else int(one) for one in text.replace(" ", "")]])


@pytest.mark.parametrize(
    ("annotated", "pseudo", "reach", "known"),
    [
        ("0000550000", "0000000000", 2, "??005500??"),
        ("0000550000", "0000000000", 0, "????55????"),
        ("0000550000", "0033000000", 3, "?0??55000?"),  # a program sees another object there
        ("0000550000", "0000777000", 3, "?00055?00?"),  # or sees this one larger
        ("0000550?00", "0000000000", 3, "?000550?0?"),
        ("00?0000000", "0000000000", 3, "??????????"),
        ("0005566000", "0000000000", 1, "??055660??"),
    ],
)
def test_sparse_labels(annotated, pseudo, reach, known):
    np.testing.assert_array_equal(sparse_labels(strip(annotated), strip(pseudo), reach), strip(known))


@pytest.mark.parametrize(
    ("pseudo", "annotated", "known"),
    [
        ("1122003300", "0000000000", "1122003300"),
        ("1122003300", "0001100000", "1104403300"),
        ("1122003300", "0055500000", "1188803300"),
        ("1122003300", "0000500000", "1122803300"),  # side by side is not shared
        ("1122003300", "?????????0", "1122003300"),
    ],
)
def test_pseudo_labels(pseudo, annotated, known):
    """Objects that share a pixel give way; labels of a person come after those of the program."""
    np.testing.assert_array_equal(pseudo_labels(strip(pseudo), strip(annotated)), strip(known))


def test_labels_of_a_movie():
    _, masks = discs()
    sparse, pseudo = annotated(masks), found_by_a_program(masks)
    movie = disc_movie()
    assert movie.steps("pseudo") == [0, 1, 2, 3, 4]
    assert movie.steps("sparse") == [t for t in range(5) if ((sparse.pixels[t] > 0) & (sparse.pixels[t] < 10)).any()]
    assert 1 <= len(movie.steps("sparse")) <= 4
    step = movie.steps("sparse")[0]
    drawn, seen = sparse.pixels[step].astype(int), pseudo.pixels[step].astype(int)
    own = (drawn > 0) & (drawn != UNKNOWN)
    known = movie.labels("sparse", step)
    np.testing.assert_array_equal(known[own], drawn[own])
    assert (known[drawn == UNKNOWN] == -1).all()
    assert {-1, 0} < set(np.unique(known).tolist())
    both = movie.labels("pseudo", step)
    np.testing.assert_array_equal(both[own], drawn[own] + seen.max())
    np.testing.assert_array_equal(both[~own], np.where(np.isin(seen, seen[own]), 0, seen)[~own])
    assert (disc_movie(sparse=False).labels("pseudo", step) == seen).all()


def test_masks_of_some_frames():
    images, masks = discs()
    some = MemoryMovie({t: masks.pixels[t] for t in (1, 3)}, "some")
    movie = StarMovie(images_alone(images, images.frames[1:], "discs"), some)
    assert movie.steps("pseudo") == [0, 2]
    np.testing.assert_array_equal(movie.labels("pseudo", 2), masks.pixels[3])


def test_the_digest_is_of_images_and_masks():
    others = [
        disc_movie(1), disc_movie(n_frames=4), disc_movie(sparse=False), disc_movie(pseudo=False),
        disc_movie(background_px=5.0), disc_movie(unknown_label=None),
    ]  # fmt: skip
    found = [movie.digest for movie in (disc_movie(), *others)]
    assert len(set(found)) == len(found)
    assert disc_movie().digest == found[0]


# ---- what is refused


def refused(error, message, **changes):
    with pytest.raises(error) as caught:
        replace(disc_movie(), **changes)
    assert str(caught.value) == message


def test_no_labels_at_all():
    refused(
        ConfigError,
        "StarDist learns from masks of images: give pseudo (of all objects, as `track segment cellulus` makes them), "
        "sparse (of some objects, drawn by a person), or both",
        pseudo=None, sparse=None,
    )  # fmt: skip


def test_masks_of_another_size():
    other = MemoryMovie({0: np.ones((90, 96), np.uint16)}, "other")
    refused(
        MovieError,
        "images and masks must have one shape (y, x); found (96, 96) in images and (90, 96) in other",
        sparse=other,
    )


def test_masks_of_other_frames():
    other = MemoryMovie({7: np.ones((96, 96), np.uint16)}, "other")
    refused(
        MovieError,
        "the masks other (t = 7 to 7) are of none of the frames of images that are used (t = 0 to 4). Give masks of "
        "this movie",
        pseudo=other,
    )


@pytest.mark.parametrize(("kind", "value"), [("pseudo", 0), ("sparse", 0), ("sparse", UNKNOWN)])
def test_masks_without_objects(kind, value):
    other = MemoryMovie({0: np.full((96, 96), value, np.uint16)}, "other")
    refused(
        MovieError,
        f"the masks in other hold no object in the frames that are used: give others, or leave {kind} out",
        **{kind: other},
    )


def test_volumes():
    pixels = MemoryMovie({0: np.ones((4, 20, 20), np.uint16)}, "volumes")
    refused(
        ConfigError,
        "StarDist is for 2-D images here, but those of volumes have 3 axes (z, y, x): use Cellulus alone, which is for "
        "3-D, too, or a projection along z",
        movie=images_alone(pixels, pixels.frames, "volumes"),
    )


def test_images_are_needed():
    refused(
        ConfigError,
        "StarDist needs data.images: give the images of discs",
        movie=replace(disc_movie().movie, images=None),
    )
