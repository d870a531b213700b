"""Features of motion: velocity and density_distance, by hand and in a movie that drifts."""

import re

import numpy as np
import pytest

from tracker.candidates import build_candidates
from tracker.config import make_config
from tracker.detections import Detections
from tracker.errors import FeatureError
from tracker.features import compute_feature
from tracker.features.context import FeatureContext
from tracker.inputs import Inputs
from tracker.local_motion import local_motion
from tracker.prepare import context_of


def context(frame, position, flow=None, scale=None, frames=None, **options):
    frame, position = np.array(frame), np.array(position, float)
    label = np.arange(1, len(frame) + 1)
    frames = np.arange(frame.min(), frame.max() + 1) if frames is None else np.array(frames)
    detections = Detections(
        frame, label, position, frames, np.ones(position.shape[1]) if scale is None else np.array(scale)
    )
    graph = build_candidates(detections, **options)
    return FeatureContext(graph, flow=None if flow is None else np.array(flow, float))


def test_velocity_by_hand():
    """A parent drawn by (1, 2); children at (1, 2), at (4, 6), and over a gap at (2, 7)."""
    given = context([0, 1, 1, 2], [[0, 0], [1, 2], [4, 6], [2, 7]], [[1, 2], [0, 1], [-2, 0], [9, 9]], max_frame_gap=2)
    assert given.graph.links.tolist() == [[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]]
    np.testing.assert_allclose(compute_feature(given, "link", "velocity"), [0, 5, 3, np.hypot(1, 4), 1])
    assert given.graph.divisions.tolist() == [[0, 1, 2], [0, 1, 3], [0, 2, 3]]
    # Midpoints (2.5, 4), (1.5, 4.5), (3, 6.5) against the flow once, and one and a half times where one child skips.
    np.testing.assert_allclose(compute_feature(given, "division", "velocity"), [2.5, 1.5, np.hypot(1.5, 3.5)])


def test_velocity_in_three_dimensions():
    """Positions are in data.unit already: the scale must not enter twice."""
    given = context([3, 5, 5], [[0, 0, 0], [4, 0, 3], [8, 12, 3]], [[4, 0, 0]] * 3, scale=[4, 1, 1], frames=[3, 5])
    np.testing.assert_allclose(compute_feature(given, "link", "velocity"), [3, 13])
    np.testing.assert_allclose(compute_feature(given, "division", "velocity"), [7])


def test_velocity_without_motion_is_distance():
    position = [[0, 0], [1, 2], [4, 6]]
    given = context([0, 1, 1], position, np.zeros((3, 2)))
    for family in ("link", "division"):
        np.testing.assert_array_equal(
            compute_feature(given, family, "velocity"), compute_feature(given, family, "distance")
        )


@pytest.mark.parametrize("family", ["link", "division"])
def test_velocity_needs_a_flow(family):
    message = (
        "feature 'velocity' needs an estimate of the local motion; "
        'set costs.preset = "auto" or features.flow = "neighbors"'
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(context([0, 1], [[0, 0], [1, 1]]), family, "velocity")


def test_the_config_says_whether_there_is_a_flow():
    given = context([0, 1], [[0, 0], [1, 1]])
    inputs = Inputs(given.graph.detections, None, None)
    config = make_config({"data": {"points": "p.csv"}})
    assert context_of(config, inputs, given.graph).flow is None
    config = make_config({"data": {"points": "p.csv"}, "features": {"flow": "neighbors"}})
    assert context_of(config, inputs, given.graph).flow.tolist() == [[1, 1], [0, 0]]


def drifting(seed, ndim):
    """80 cells, 4 frames: on a disturbed grid, they drift by more than half its spacing and wander a little."""
    rng = np.random.default_rng(seed)
    sides = {2: (8, 10), 3: (4, 4, 5)}[ndim]
    grid = np.stack(np.meshgrid(*[np.arange(n) * 10.0 for n in sides], indexing="ij"), axis=-1).reshape(-1, ndim)
    grid += rng.uniform(-3, 3, grid.shape)
    drift = np.full(ndim, 5.6 / np.sqrt(ndim))
    position = np.concatenate([grid + t * drift + rng.normal(0, 0.4, grid.shape) for t in range(4)])
    return np.repeat(np.arange(4), len(grid)), position, len(grid)


@pytest.mark.parametrize("ndim", [2, 3])
def test_velocity_finds_the_links_of_a_movie_that_drifts(ndim):
    frame, position, count = drifting(1, ndim)
    bare = context(frame, position, neighbors=8, direction="forward", divisions=False)
    given = FeatureContext(bare.graph, flow=local_motion(bare.graph.detections))
    parent, child = given.graph.links.T
    right = {}
    for name in ("distance", "velocity"):
        column = compute_feature(given, "link", name)
        order = np.lexsort((column, parent))
        best = order[np.unique(parent[order], return_index=True)[1]]
        right[name] = np.mean(child[best] == parent[best] + count)
    assert right["velocity"] > 0.98
    assert right["distance"] < 0.9


def test_density_distance_by_hand():
    """In frame 0 two cells at a distance of 4; in frame 1 one alone, which takes the median of 4, 4, 8, 8: 6."""
    given = context([0, 0, 1, 2, 2], [[0, 0], [0, 4], [0, 3], [0, 0], [0, 8]], max_frame_gap=2, divisions=True)
    links = given.graph.links.tolist()
    assert links == [[0, 2], [0, 3], [0, 4], [1, 2], [1, 3], [1, 4], [2, 3], [2, 4]]
    # Distance over the mean spacing: 4 and 6, 4 and 8, 6 and 8.
    np.testing.assert_allclose(
        compute_feature(given, "link", "density_distance"), [3 / 5, 0, 8 / 6, 1 / 5, 4 / 6, 4 / 6, 3 / 7, 5 / 7]
    )
    divisions = given.graph.divisions.tolist()
    values = dict(zip(map(tuple, divisions), compute_feature(given, "division", "density_distance"), strict=True))
    assert values[2, 3, 4] == pytest.approx(1 / 6)
    assert values[0, 3, 4] == pytest.approx(4 / 4)
    assert values[0, 2, 3] == pytest.approx(1.5 / 4)


def test_density_distance_has_no_unit():
    frame, position, _ = drifting(2, 3)
    one = context(frame, position, scale=[4, 1, 1])
    other = context(frame, 7 * position, scale=[28, 7, 7])
    for family in ("link", "division"):
        np.testing.assert_allclose(
            compute_feature(one, family, "density_distance"), compute_feature(other, family, "density_distance")
        )


def test_density_distance_of_detections_at_one_place():
    """Two at one place have no spacing of their own; the median of the movie, 5, stands in."""
    given = context([0, 0, 1, 1], [[0, 0], [0, 0], [0, 0], [3, 4]])
    np.testing.assert_allclose(compute_feature(given, "link", "density_distance"), [0, 1, 0, 1])


def test_density_distance_needs_a_spacing():
    message = (
        "feature 'density_distance' needs a frame with two detections at different places, found none. "
        "Use the feature 'distance' for a movie of a single cell"
    )
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        compute_feature(context([0, 1], [[0, 0], [1, 1]]), "link", "density_distance")
    assert compute_feature(context([0], [[0, 0]]), "link", "density_distance").shape == (0,)
