"""Overlap of masks against a slow computation pixel by pixel, for every shift."""

import re

import numpy as np
import pytest
from memory_movie import MemoryMovie

from tracker.candidates import build_candidates
from tracker.errors import FeatureError
from tracker.features import overlap as overlap_module
from tracker.features.context import FeatureContext
from tracker.features.overlap import division, link
from tracker.reading import detections_from_masks

SHIFTS = {2: ["none", "centroid", (1, -2)], 3: ["none", "centroid", (0, 1, -2)]}


def boxes(shape, seed, frames=(0, 1, 2, 3), dtype="uint16", labels=(900, 3, 41, 7), lost=None):
    """Boxes that wander, overlapping from frame to frame; the frame `lost` holds none. Labels keep their place."""
    rng = np.random.default_rng(seed)
    movie = {}
    place = [rng.integers(0, np.array(shape) - 3) for _ in labels]
    for t in frames:
        mask = np.zeros(shape, dtype)
        for number, label in enumerate(labels):
            place[number] = np.clip(place[number] + rng.integers(-2, 3, len(shape)), 0, np.array(shape) - 2)
            size = rng.integers(2, 6, len(shape))
            if t != lost:
                mask[tuple(slice(low, low + n) for low, n in zip(place[number], size, strict=True))] = label
        movie[t] = mask
    return MemoryMovie(movie)


def context_of(movie, shift="none", scale=None, **options):
    detections = detections_from_masks(movie, scale=scale)
    return FeatureContext(build_candidates(detections, **options), movie, shift)


def moved(pixels, by, shape):
    """The set of pixels moved by whole steps; what leaves the image is gone."""
    places = {tuple(int(x) for x in place) for place in pixels + np.asarray(by)}
    return {place for place in places if all(0 <= x < n for x, n in zip(place, shape, strict=True))}


def shared(context, parent, child):
    """Pixels that the parent, moved as the shift says, and the child have in common."""
    detections, movie = context.graph.detections, context.masks
    pixels = [np.argwhere(movie.pixels[int(detections.frame[row])] == detections.label[row]) for row in (parent, child)]
    by = np.zeros(detections.ndim, int)
    if context.overlap_shift == "centroid":
        by = np.round(pixels[1].mean(axis=0) - pixels[0].mean(axis=0)).astype(int)
    elif context.overlap_shift != "none":
        steps = detections.step[child] - detections.step[parent]
        by = np.array(context.overlap_shift) * int(steps)
    own = {tuple(place) for place in pixels[1].tolist()}
    return len(moved(pixels[0], by, movie.shape) & own), len(pixels[0]), len(pixels[1])


def slow(context):
    links, divisions = [], []
    for u, v in context.graph.links.tolist():
        common, one, other = shared(context, u, v)
        links.append(common / (one + other - common))
    for u, v, w in context.graph.divisions.tolist():
        (first, parent, one), (second, _, other) = shared(context, u, v), shared(context, u, w)
        divisions.append(min(1.0, (first + second) / max(1, parent + one + other - first - second)))
    return links, divisions


def check(context):
    wanted_links, wanted_divisions = slow(context)
    np.testing.assert_allclose(link(context), wanted_links, rtol=1e-12)
    np.testing.assert_allclose(division(context), wanted_divisions, rtol=1e-12)
    assert max(wanted_links) > 0.1
    return np.array(wanted_links), np.array(wanted_divisions)


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("shape", [(14, 17), (6, 11, 12)], ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_against_pixels(shape, shift, seed):
    movie = boxes(shape, seed)
    scale = np.linspace(1.0, 2.5, len(shape))
    context = context_of(movie, SHIFTS[len(shape)][shift], scale)
    links, divisions = check(context)
    assert ((links >= 0) & (links <= 1)).all()
    assert ((divisions >= 0) & (divisions <= 1)).all()


@pytest.mark.parametrize("shift", SHIFTS[2])
def test_frame_gaps_and_an_empty_frame(shift):
    """A drift is per frame: twice as far over a gap of two, also over an empty frame."""
    context = context_of(boxes((14, 17), 3, frames=(4, 6, 8, 9), lost=6), shift, max_frame_gap=3)
    assert set(context.graph.link_gap_frames.tolist()) == {1, 2, 3}
    check(context)


@pytest.mark.parametrize(
    ("dtype", "labels"),
    [
        ("uint8", (255, 1, 4)),
        ("int32", (2**31 - 1, 5, 70000)),
        ("uint32", (2**32 - 1, 2**32 - 2, 9)),
        ("uint64", (2**62 + 1, 2**62, 2**62 + 2)),
    ],
)
def test_large_labels(dtype, labels):
    check(context_of(boxes((12, 12), 5, dtype=dtype, labels=labels)))


def test_a_shift_beyond_the_image():
    context = context_of(boxes((14, 17), 1), (100, -100))
    assert not link(context).any()
    assert not division(context).any()


def mask(*rows):
    return np.array(rows, np.uint16)


def test_by_hand():
    """The parent covers four pixels; one child two of them, the other one of them and one more.

    Links: 2 / (4 + 2 - 2) and 1 / (4 + 2 - 1); division: 3 / (4 + 4 - 3).
    """
    movie = MemoryMovie({0: mask([0, 8, 8, 8, 8, 0]), 1: mask([0, 5, 5, 0, 3, 3])})
    context = context_of(movie)
    np.testing.assert_allclose(link(context), [1 / 5, 2 / 4])
    np.testing.assert_allclose(division(context), [3 / 5])
    drifted = context_of(movie, (0, 1))
    np.testing.assert_allclose(link(drifted), [2 / 4, 1 / 5])
    same_shape = context_of(MemoryMovie({0: mask([0, 7, 7, 0, 0, 0]), 1: mask([0, 0, 0, 0, 4, 4])}), "centroid")
    assert link(same_shape).tolist() == [1.0]


def test_children_of_two_frames_count_one_at_most():
    movie = MemoryMovie({0: mask([2, 2, 2]), 1: mask([2, 2, 2]), 2: mask([2, 2, 2])})
    context = context_of(movie, max_frame_gap=2)
    assert context.graph.divisions.tolist() == [[0, 1, 2]]
    assert division(context).tolist() == [1.0]


def test_does_not_depend_on_the_chunks(monkeypatch):
    context = context_of(boxes((14, 17), 3), "centroid", max_frame_gap=2)
    whole = link(context)
    monkeypatch.setattr(overlap_module, "_PIXELS_PER_CHUNK", 25)
    np.testing.assert_array_equal(link(context), whole)


def test_reads_two_frames_per_step():
    context = context_of(boxes((14, 17), 3))
    context.masks.reads.clear()
    link(context)
    assert context.masks.reads == [0, 1, 1, 2, 2, 3]


def test_a_drift_of_the_wrong_length():
    message = "features.overlap_shift needs 2 numbers of pixels, found (1, 2, 3)"
    with pytest.raises(FeatureError, match=re.escape(message)):
        link(context_of(boxes((14, 17), 3), (1, 2, 3)))
