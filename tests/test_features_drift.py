"""Overlap after the drift of the whole picture, which is measured."""

import re

import numpy as np
import pytest
from memory_movie import MemoryMovie

from tracker.candidates import build_candidates
from tracker.errors import FeatureError
from tracker.features import compute_feature
from tracker.features import drift as drift_module
from tracker.features.context import FeatureContext
from tracker.features.drift import drift_px
from tracker.reading import detections_from_masks

DRIFTS = {2: (9, -12), 3: (0, 7, -10)}
SHAPES = {2: (120, 150), 3: (10, 60, 70)}
MARGIN = {2: np.array([50, 50]), 3: np.array([0, 50, 50])}


def world(ndim, seed=0):
    """Labelled boxes scattered over an area larger than the picture."""
    rng = np.random.default_rng(seed)
    shape = np.array(SHAPES[ndim]) + 2 * MARGIN[ndim]
    labels = np.zeros(shape, np.uint16)
    for label in range(1, 70):
        size = rng.integers([4, 6, 6][-ndim:], [8, 13, 13][-ndim:])
        low = rng.integers(0, shape - size)
        labels[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = label
    return labels


def drifting(ndim, frames=(0, 1, 2, 3), seed=0):
    """A window that moves over the world, so that what it shows drifts by DRIFTS per frame."""
    labels, shape, drift = world(ndim, seed), np.array(SHAPES[ndim]), np.array(DRIFTS[ndim])
    corner = [MARGIN[ndim] - (t - frames[0]) * drift for t in frames]
    return MemoryMovie({t: labels[tuple(map(slice, at, at + shape))] for t, at in zip(frames, corner, strict=True)})


def photographed(masks, noise=20.0):
    """Images of the masks with noise, an offset and a steady shading."""
    rng = np.random.default_rng(7)
    shade = np.linspace(0, 10, masks.shape[-1])
    return MemoryMovie(
        {
            t: (100 + shade + 80.0 * (mask > 0) + rng.normal(0, noise, mask.shape)).astype(np.float32)
            for t, mask in masks.pixels.items()
        },
        "photographs",
    )


def context_of(masks, images=None, shift="drift", **options):
    graph = build_candidates(detections_from_masks(masks), **options)
    return FeatureContext(graph, masks, shift, images=images)


def measured(masks, images=None, pair=(0, 1)):
    return drift_px(context_of(masks, images), *pair, (masks.pixels[pair[0]], masks.pixels[pair[1]]))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("pictures", ["masks", "images"])
@pytest.mark.parametrize("longest", [200, 64])
def test_the_drift_is_measured(ndim, pictures, longest, monkeypatch):
    """To the pixel, or nearly so where the pictures are averaged first."""
    monkeypatch.setattr(drift_module, "_LONGEST_PX", {2: longest, 3: longest // 2})
    masks = drifting(ndim)
    found = measured(masks, photographed(masks) if pictures == "images" else None)
    assert found.dtype == np.int64
    np.testing.assert_allclose(found, DRIFTS[ndim], atol=0 if longest == 200 else 1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_overlap_follows_the_drift(ndim):
    """As good as when the drift is given, also over gaps of frames that are not numbered one by one."""
    masks = drifting(ndim, frames=(2, 3, 4))
    drift = context_of(masks, max_frame_gap=2)
    given = context_of(masks, shift=DRIFTS[ndim], max_frame_gap=2)
    still = context_of(masks, shift="none", max_frame_gap=2)
    assert set(drift.graph.link_gap_frames.tolist()) == {1, 2}
    for family in ("link", "division"):
        column = compute_feature(drift, family, "overlap")
        np.testing.assert_array_equal(column, compute_feature(given, family, "overlap"))
    label = drift.graph.detections.label[drift.graph.links]
    own = label[:, 0] == label[:, 1]
    found = compute_feature(drift, "link", "overlap")
    assert np.median(found[own]) > 0.85  # what enters or leaves the picture is cut
    assert np.median(compute_feature(still, "link", "overlap")[own]) < 0.1
    assert found[~own].max() < 0.01


def test_a_movie_that_stands_still():
    masks = MemoryMovie(dict.fromkeys((0, 1), drifting(2).pixels[0]))
    assert measured(masks).tolist() == [0, 0]
    assert measured(masks, photographed(masks)).tolist() == [0, 0]


def test_a_picture_of_one_grey_level_does_not_drift():
    masks = MemoryMovie({0: np.ones((5, 6), np.uint16), 1: np.ones((5, 6), np.uint16)})
    assert measured(masks).tolist() == [0, 0]
    assert compute_feature(context_of(masks), "link", "overlap").tolist() == [1]


def test_sizes_that_the_average_does_not_divide(monkeypatch):
    monkeypatch.setattr(drift_module, "_LONGEST_PX", {2: 47, 3: 1})
    np.testing.assert_allclose(measured(drifting(2)), DRIFTS[2], atol=1)


def test_each_pair_of_frames_is_measured_once_and_frame_by_frame():
    masks = drifting(2)
    images = photographed(masks)
    context = context_of(masks, images)
    masks.reads.clear()
    compute_feature(context, "link", "overlap")
    assert masks.reads == images.reads == [0, 1, 1, 2, 2, 3]
    assert list(context.drifts) == [(0, 1), (1, 2), (2, 3)]
    compute_feature(context, "division", "overlap")
    assert images.reads == [0, 1, 1, 2, 2, 3]


def test_other_shifts_measure_nothing():
    masks = drifting(2)
    images = photographed(masks)
    for shift in ("none", "centroid", (1, 2)):
        context = context_of(masks, images, shift)
        compute_feature(context, "link", "overlap")
        assert (images.reads, context.drifts) == ([], {})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_images_must_be_finite(bad):
    masks = drifting(2)
    images = photographed(masks)
    images.pixels[1][3, 4] = bad
    message = (
        'features.overlap_shift = "drift" needs finite images, found NaN or infinity in frame 1. '
        'Mend the image, or set features.overlap_shift = "none"'
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(context_of(masks, images), "link", "overlap")
