"""Local motion: followed where the whole moves, not where one link is wrong."""

import numpy as np
import pytest
from auto_movies import detections

from tracker.auto.flow import local_flow, mutual_nearest, step_scale
from tracker.local_motion import residuals

GRID = np.stack(np.meshgrid(np.arange(12) * 10.0, np.arange(12) * 10.0), axis=-1).reshape(-1, 2)
INNER = ((GRID > 25) & (GRID < 85)).all(axis=1)
MOTIONS = {
    "translation": lambda place: place + np.array([7.0, -4.0]),
    "rotation": lambda place: (place - 55) @ np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]) + 55,
    "growth": lambda place: (place - 55) * 1.08 + 55,
    "shear": lambda place: place + place[:, ::-1] * [0.1, 0.0],
}


def same_rows(count):
    return np.column_stack([np.arange(count), np.arange(count) + count])


@pytest.mark.parametrize("name", MOTIONS)
def test_affine_motions_are_followed(name):
    """Inside, where neighbours lie all around; at the rim to less than neighbours' steps differ, which is 1 pixel."""
    moved = MOTIONS[name](GRID)
    flow = local_flow(detections(GRID, moved), same_rows(144))
    step = moved - GRID
    np.testing.assert_allclose(flow[:144][INNER], step[INNER], atol=0.02)
    assert np.abs(flow[:144] - step).max() < 0.8
    np.testing.assert_array_equal(flow[144:], 0.0)  # nothing follows on the last frame


def test_a_translation_is_exact_everywhere_in_3d():
    place = np.random.default_rng(0).random((40, 3)) * 100
    flow = local_flow(detections(place, place + np.array([1.0, -2.0, 30.0])), same_rows(40))
    np.testing.assert_allclose(flow[:40], np.tile([1.0, -2.0, 30.0], (40, 1)), atol=1e-6)


def test_a_fifth_of_wrong_links_does_not_matter():
    rng = np.random.default_rng(1)
    moved = MOTIONS["rotation"](GRID)
    links = same_rows(144)
    wrong = rng.choice(144, 29, replace=False)
    links[wrong, 1] = np.roll(links[wrong, 1], 1)
    flow = local_flow(detections(GRID, moved), links)
    error = np.linalg.norm(flow[:144] - (moved - GRID), axis=1)
    assert np.median(error) < 0.2  # of steps around 4 and wrong ones around 50
    assert np.quantile(error, 0.95) < 1.0


def test_few_links_give_their_median():
    place = np.array([[0.0, 0.0], [0.0, 10.0], [0.0, 20.0]])
    step = np.array([[1.0, 0.0], [2.0, 1.0], [50.0, 2.0]])
    flow = local_flow(detections(place, place + step), same_rows(3))
    np.testing.assert_array_equal(flow[:3], np.tile([2.0, 1.0], (3, 1)))


def test_cells_without_a_link_move_with_the_others():
    flow = local_flow(detections([[0, 0], [0, 9], [0, 18]], [[3, 0]]), np.array([[0, 3]]))
    np.testing.assert_array_equal(flow, [[3, 0]] * 3 + [[0, 0]])


def test_empty_frames_and_frames_without_links_do_not_move():
    found = detections([[0, 0]], [], [[5, 5]], [[6, 5]], [[9, 9]])
    flow = local_flow(found, np.array([[1, 2]]))
    np.testing.assert_array_equal(flow, [[0, 0], [1, 0], [0, 0], [0, 0]])


def test_links_need_no_order():
    place = np.random.default_rng(2).random((30, 2)) * 50
    found, links = detections(place, place * 1.1, place * 1.2), np.concatenate([same_rows(30), same_rows(30) + 30])
    flow = local_flow(found, links)
    np.testing.assert_allclose(local_flow(found, np.random.default_rng(3).permutation(links)), flow, atol=1e-9)


def test_mutual_nearest_by_hand():
    """0 at 0 and 1 at 4 both have the 2 at 3 nearest, which has 1; 3 at 20 is near nobody, but 1 is taken."""
    found = detections([[0, 0], [0, 4]], [[0, 3], [0, 20]])
    np.testing.assert_array_equal(mutual_nearest(found, np.zeros((4, 2))), [[1, 2]])
    flow = np.array([[0.0, 3.0], [0.0, 16.0], [0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(mutual_nearest(found, flow), [[0, 2], [1, 3]])


def test_mutual_nearest_does_not_reach_over_an_empty_frame():
    found = detections([[0, 0]], [], [[0, 0]], [[0, 1]])
    np.testing.assert_array_equal(mutual_nearest(found, np.zeros((3, 2))), [[1, 2]])
    assert mutual_nearest(detections([], []), np.zeros((0, 2))).shape == (0, 2)


def test_residuals_over_a_gap_go_on_at_the_same_pace():
    found = detections([[0, 0]], [], [[8, 1]])
    np.testing.assert_array_equal(residuals(found, np.array([[0, 1]]), np.array([[3.0, 0.0], [0.0, 0.0]])), [[2, 1]])


@pytest.mark.parametrize("axes", [2, 3])
def test_step_scale_is_the_standard_deviation_of_normal_steps(axes):
    steps = np.random.default_rng(0).normal(0, 2.5, (20_000, axes))
    assert step_scale(steps) == pytest.approx(2.5, rel=0.03)
