"""The local motion of movies whose motion is known."""

import numpy as np
import pytest

from tracker import local_motion as local_motion_module
from tracker.detections import Detections
from tracker.local_motion import local_motion


def movie(*frames, scale=None):
    """Detections at the positions of each frame, which may hold none."""
    ndim = next(len(frame[0]) for frame in frames if len(frame))
    position = np.concatenate([np.array(frame, float).reshape(-1, ndim) for frame in frames])
    number = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    label = np.concatenate([np.arange(1, len(frame) + 1) for frame in frames])
    return Detections(number, label, position, np.arange(len(frames)), np.ones(ndim) if scale is None else scale)


def test_one_cell():
    found = local_motion(movie([[0, 0]], [[1, 2]], [[4, 2]]))
    assert found.tolist() == [[1, 2], [3, 0], [0, 0]]


def test_the_median_of_the_nearest():
    """Four cells in a row, far apart: they move by 1, 2, 30 and 4 along x, the last with its two nearest neighbours."""
    before = [[0, 0], [0, 100], [0, 200], [0, 300]]
    after = [[0, 1], [0, 102], [0, 230], [0, 304]]
    assert local_motion(movie(before, after), neighbors=3)[:4, 1].tolist() == [2, 2, 4, 4]
    assert local_motion(movie(before, after), neighbors=1)[:4, 1].tolist() == [1, 2, 30, 4]
    assert local_motion(movie(before, after), neighbors=9)[:4, 1].tolist() == [3] * 4  # no more than there are


def test_only_mutual_nearest_count():
    """The cell at x = 4 is nearest to both and chooses one; the other has no link and takes its motion."""
    found = local_motion(movie([[0, 0], [0, 3]], [[0, 4]]), rounds=1)
    assert found.tolist() == [[0, 1], [0, 1], [0, 0]]


def test_the_second_round_mends_the_first():
    """Nine cells in a row step by 4, one of them by 6, which takes it to a wrong one until the rest is known."""
    x = np.arange(9) * 10.0
    step = np.where(np.arange(9) == 4, 6.0, 4.0)
    pair = movie(np.column_stack([x * 0, x]), np.column_stack([x * 0, x + step]))
    first = local_motion(pair, neighbors=1, rounds=1)[:9, 1]
    second = local_motion(pair, neighbors=3, rounds=2)[:9, 1]
    assert first[5] == -4  # cell 4 has come to 46, as near as 4 to cell 5 at 50, whose own is at 54
    assert second.tolist() == [4] * 9


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_drift_in_anisotropic_units(ndim):
    scale = np.array([4.0, 0.5, 0.5][-ndim:])
    drift = np.array([1.0, 2.0, -1.5][-ndim:])
    grid = np.stack(np.meshgrid(*[np.arange(4) * 10.0] * ndim, indexing="ij"), axis=-1).reshape(-1, ndim)
    found = local_motion(movie(grid, grid + drift, grid + 2 * drift, scale=scale))
    np.testing.assert_allclose(found, np.repeat([drift, drift, 0 * drift], len(grid), axis=0), atol=1e-12)


def test_an_empty_frame_is_stepped_over():
    found = local_motion(movie([[0, 0], [50, 0]], [], [[2, 4], [52, 4]], []))
    assert found.tolist() == [[1, 2], [1, 2], [0, 0], [0, 0]]


def test_without_a_confident_link_there_is_no_flow(monkeypatch):
    """Only equal distances can bring this about, when each detection chooses another of those as near."""
    nothing = np.empty(0, np.int64)
    monkeypatch.setattr(local_motion_module, "mutual_nearest_pairs", lambda *_: (nothing, nothing))
    assert local_motion(movie([[0, 0], [2, 2]], [[0, 2], [2, 0]])).tolist() == [[0, 0]] * 4


def test_no_detections():
    nothing = Detections(np.empty(0, int), np.empty(0, int), np.empty((0, 2)), np.arange(3), np.ones(2))
    assert local_motion(nothing).shape == (0, 2)


def test_neighbourhoods_move_their_own_ways():
    rng = np.random.default_rng(4)
    left, right = rng.uniform(0, 200, (2, 60, 2)) + np.array([[[0, 0]], [[0, 400]]])
    step = np.array([3.0, 0])
    found = local_motion(movie(np.concatenate([left, right]), np.concatenate([left + step, right - step])))
    assert np.median(np.abs(found[:60] - step)) < 0.01
    assert np.median(np.abs(found[60:120] + step)) < 0.01
