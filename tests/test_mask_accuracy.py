"""Masks against true masks."""

import numpy as np
import pytest
from memory_movie import MemoryMovie

from tracker.errors import ConfigError, TruthError
from tracker.mask_accuracy import mask_accuracy, overlaps


def movie(*lines, name="found", first=0):
    """One frame per text; letters are labels."""
    frames = [[[int(letter) if letter != "." else 0 for letter in row] for row in line.split()] for line in lines]
    return MemoryMovie({first + t: np.array(frame, np.uint16) for t, frame in enumerate(frames)}, name)


def test_perfect_whatever_the_numbers():
    found = mask_accuracy(movie("11.22", "7...."), movie("33.55", "1....", name="true"))
    assert (found.found, found.true, found.hits, found.f1, found.seg, found.frames) == (3, 3, 3, 1.0, 1.0, 2)


def test_a_merge_a_split_and_a_miss():
    """1 and 2 are merged into one found; 3 is cut in two; 4 is missed; one is found where nothing is."""
    true = movie("1111.2222..3333333.44....", name="true")
    found = movie("111111111..5556666......9")
    result = mask_accuracy(found, true)
    # 3 and 6 share 4 of 7 pixels: a hit; 1 and 2 are 4 of 9 each; covered by more than half, they count in SEG.
    assert (result.found, result.true, result.hits) == (4, 4, 1)
    assert (result.precision, result.recall, result.f1) == (0.25, 0.25, 0.25)
    assert result.seg == pytest.approx((4 / 9 + 4 / 9 + 4 / 7 + 0) / 4)


def test_half_is_not_enough():
    result = mask_accuracy(movie("1111"), movie("11..", name="true"))
    assert (result.hits, result.seg) == (0, 0.5)
    assert mask_accuracy(movie("111."), movie("11..", name="true")).hits == 1
    assert mask_accuracy(movie("111."), movie("11..", name="true"), iou=0.7).hits == 0


def test_nothing_found_and_nothing_there():
    nothing = mask_accuracy(movie("...."), movie("11..", name="true"))
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.seg) == (None, 0.0, 0.0, 0.0)
    empty = mask_accuracy(movie("...."), movie("....", name="true"))
    assert (empty.precision, empty.recall, empty.f1, empty.seg) == (None, None, None, None)


def test_only_shared_frames_are_compared():
    result = mask_accuracy(movie("11", "22", "33"), movie("22", "..", name="true", first=1))
    assert (result.frames, result.found, result.true) == (2, 2, 1)


def test_chosen_frames_are_compared():
    found, true = movie("11", "22", "33"), movie("11", "..", "33", name="true")
    result = mask_accuracy(found, true, frames=np.array([1, 2, 7]))
    assert (result.frames, result.found, result.true, result.hits) == (2, 2, 1, 1)
    with pytest.raises(TruthError, match=r"share no frame with those found \(t = 0 to 1\)"):
        mask_accuracy(found, movie("11", name="true", first=2), frames=np.array([0, 1]))


def test_overlaps_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    found, true = rng.integers(0, 6, (20, 20)) * 1000, rng.integers(0, 5, (20, 20))
    wanted = []
    for a in np.unique(found[found > 0]):
        for b in np.unique(true[true > 0]):
            both = ((found == a) & (true == b)).sum()
            if both:
                wanted.append((both / ((found == a) | (true == b)).sum(), both / (true == b).sum()))
    iou, covered, counts = overlaps(found, true)
    np.testing.assert_allclose(np.column_stack([iou, covered]), wanted)
    assert counts == (5, 4)


def test_masks_that_cannot_be_compared():
    with pytest.raises(TruthError) as error:
        mask_accuracy(movie("11"), movie("111", name="true"))
    assert str(error.value) == (
        "the masks found and the true ones must have one shape; found (1, 2) in found and (1, 3) in true"
    )
    with pytest.raises(TruthError) as error:
        mask_accuracy(movie("11", "11"), movie("11", name="true", first=5))
    assert str(error.value) == (
        "the true masks true (t = 5 to 5) share no frame with those found (t = 0 to 1). Give the truth of this movie"
    )
    with pytest.raises(ConfigError) as error:
        mask_accuracy(movie("11"), movie("11"), iou=0.3)
    assert str(error.value) == (
        "objects are matched at an intersection over union of at least 0.5 and below 1, found 0.3"
    )
