"""Clusters of pixels that point at one place."""

import numpy as np
import pytest

from embeddings.inference.cluster_objects import certain_pixels, greedy_clusters, mean_shift, offset_minima

MIDDLES = np.array([[10.0, 10.0], [10.0, 30.0], [40.0, 20.0]])


def blobs(count=60, spread=1.0, seed=0, middles=MIDDLES):
    rng = np.random.default_rng(seed)
    points = np.concatenate([middle + rng.normal(0, spread, (count, middles.shape[1])) for middle in middles])
    return points, np.repeat(np.arange(len(middles)), count)


def same_partition(one, two):
    return len(set(zip(one.tolist(), two.tolist(), strict=True))) == len(set(one.tolist())) == len(set(two.tolist()))


def slow_mean_shift(points, bandwidth, seeds):
    """The definition, seed by seed, point by point."""
    resting = []
    for seed in seeds:
        place = np.array(seed, float)
        for _ in range(300):
            near = [point for point in points if np.linalg.norm(point - place) <= bandwidth]
            if not near:
                break
            moved = np.mean(near, axis=0)
            done = np.linalg.norm(moved - place) <= 1e-3 * bandwidth
            place = moved
            if done:
                break
        if near:
            resting.append((len(near), tuple(np.round(place, 6))))
    kept = []
    for weight, place in sorted(set(resting), reverse=True):
        if all(np.linalg.norm(np.subtract(place, other)) > bandwidth for _, other in kept):
            kept.append((weight, place))
    labels = []
    for point in points:
        distance = [np.linalg.norm(point - np.array(place)) for _, place in kept]
        labels.append(int(np.argmin(distance)) if min(distance) < bandwidth else -1)
    return np.array(labels)


@pytest.mark.parametrize("seed", range(5))
def test_mean_shift_is_its_definition(seed):
    """Points without any order, so that clusters are disputed."""
    points = np.random.default_rng(seed).uniform(0, 30, (80, 2))
    seeds = np.unique(np.round(points / 6.0), axis=0) * 6.0
    found = mean_shift(points, 6.0, fit_share=1.0, rng=np.random.default_rng(0))
    assert same_partition(found, slow_mean_shift(points, 6.0, seeds))


@pytest.mark.parametrize("middles", [MIDDLES, np.array([[5.0, 10.0, 10.0], [25.0, 10.0, 10.0]])])
def test_clear_clusters_are_found(middles):
    points, owner = blobs(middles=middles)
    assert same_partition(mean_shift(points, 6.0, fit_share=1.0, rng=np.random.default_rng(0)), owner)
    assert same_partition(mean_shift(points, 6.0, fit_share=0.3, rng=np.random.default_rng(0)), owner)


def test_a_wide_reach_merges_and_a_narrow_one_splits():
    points, _ = blobs(spread=1.5)
    count = [
        len(set(mean_shift(points, reach, fit_share=1.0, rng=np.random.default_rng(0)).tolist()) - {-1})
        for reach in (40.0, 6.0, 1.0)
    ]
    assert count[0] == 1
    assert count[1] == 3
    assert count[2] > 3


def test_points_far_from_every_cluster_belong_to_none():
    points, _ = blobs()
    rng = np.random.default_rng(2)
    found = mean_shift(np.vstack([points, [[300.0, 300.0]]]), 6.0, fit_share=0.5, rng=rng)
    assert (found[-1], found[:-1].min()) == (-1, 0)


def test_given_seeds_are_the_only_ones():
    points, owner = blobs()
    found = mean_shift(points, 6.0, fit_share=1.0, rng=np.random.default_rng(0), seeds=MIDDLES[:2] + 2.0)
    assert (found[owner == 2] == -1).all()
    assert same_partition(found[owner < 2], owner[owner < 2])
    nowhere = mean_shift(points, 6.0, rng=np.random.default_rng(0), seeds=np.array([[500.0, 500.0]]))
    assert (nowhere == -1).all()


def test_no_points():
    empty = np.zeros((0, 2))
    assert mean_shift(empty, 6.0, rng=np.random.default_rng(0)).shape == (0,)
    assert greedy_clusters(empty, np.zeros(0), 6.0, 0).shape == (0,)


def test_greedy_begins_with_what_is_certain():
    points, owner = blobs()
    certainty = np.where(owner == 2, 0.5, 0.95)
    found = greedy_clusters(points, certainty, 4.0, fewest=10)
    assert (found[owner == 2] == -1).all()
    assert same_partition(found[owner < 2], owner[owner < 2])
    assert (greedy_clusters(points, certainty, 4.0, fewest=60) == -1).all()


def test_greedy_takes_no_cluster_that_is_mostly_taken():
    """A line of points, the first most certain: the last two have too little left of what is within reach, 6."""
    points = np.column_stack([np.zeros(16), np.arange(16.0)])
    found = greedy_clusters(points, np.linspace(0.99, 0.91, 16), 5.1, fewest=1)
    assert found.tolist() == [0] * 7 + [1] * 7 + [-1] * 2


def test_minima_of_the_offsets_are_the_middles_of_objects():
    place = np.stack(np.meshgrid(np.arange(50.0), np.arange(50.0), indexing="ij"))
    left = np.array([25.0, 12.0]).reshape(2, 1, 1) - place
    right = np.array([25.0, 37.0]).reshape(2, 1, 1) - place
    offset = np.where(place[1] < 25, left, right).astype(np.float32)
    found = offset_minima(offset, np.ones((50, 50), bool))
    assert found.tolist() == [[25, 12], [25, 37]]
    only = np.zeros((50, 50), bool)
    only[:, 25:] = True
    assert offset_minima(offset, only).tolist() == [[25, 37]]


def test_certain_pixels():
    spread = np.full((20, 20), 5.0, np.float32)
    spread[5:15, 5:15] = 0.5
    foreground, threshold = certain_pixels(spread)
    assert 0.5 < threshold <= 5.0
    assert foreground.sum() == 100
    assert foreground[5:15, 5:15].all()
    nothing, threshold = certain_pixels(np.full((4, 4), 2.0, np.float32))
    assert not nothing.any()
    assert np.isnan(threshold)
