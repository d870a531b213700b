"""Windows of a movie: what is inside, how many, and that nothing is left out."""

import numpy as np
import pytest
from memory_movie import MemoryMovie
from window_cases import family, field, movie_of

from embeddings.tokens import tokens_of
from embeddings.windows import (
    WindowSettings,
    cap_rows,
    covering_windows,
    rows_inside,
    token_movie,
    truth_of_detections,
)
from tracker.detections import Detections
from tracker.errors import ConfigError, InputError
from tracker.reading import detections_from_masks


def test_positions_are_in_pixels_and_empty_frames_count():
    movie = movie_of([[(3.0, 4.0)], [], [(5.0, 6.0), (599.5, 399.5)]])
    assert (len(movie), movie.ndim, movie.n_frames) == (3, 2, 3)
    np.testing.assert_allclose(movie.position_px, [[3, 4], [5, 6], [599.5, 399.5]])
    assert movie.starts.tolist() == [0, 1, 1, 3]
    assert movie.step_of(np.arange(3)).tolist() == [0, 2, 2]
    assert (movie.low_px.tolist(), movie.high_px.tolist()) == ([0, 0], [600, 400])


def test_points_may_lie_outside_the_image():
    movie = movie_of([[(-3.2, 4.0), (700.0, 5.0)]])
    assert (movie.low_px.tolist(), movie.high_px.tolist()) == ([-4, 0], [701, 400])
    points = Detections(np.array([0]), np.array([1]), np.array([[8.0, 9]]), np.array([0]), np.ones(2))
    movie = token_movie(points, np.zeros((1, 0), np.float32))
    assert (movie.low_px.tolist(), movie.high_px.tolist()) == ([0, 0], [9, 10])


def test_tokens_of_masks_and_no_picture_is_read_again():
    mask = np.zeros((40, 60), np.uint16)
    mask[10:14, 20:30], mask[30:36, 5:9] = 1, 2
    pictures = MemoryMovie(dict.fromkeys(range(6), mask * 50)), MemoryMovie(dict.fromkeys(range(6), mask))
    detections = detections_from_masks(pictures[1], pictures[0])
    for movie in pictures:
        movie.reads.clear()
    movie = token_movie(detections)
    np.testing.assert_array_equal(movie.tokens, tokens_of(detections))
    assert [len(window) for window in covering_windows(movie, WindowSettings(n_frames=3))] == [6] * 4
    assert pictures[0].reads == pictures[1].reads == []


def test_boxes_are_half_open_and_z_is_not_cropped():
    movie = movie_of([[(0, 10, 10)], [(90, 20, 19.9), (5, 20, 20), (5, 9.9, 15)], [(7, 12, 12)]], (100, 50, 60))
    low, high = np.array([10.0, 10]), np.array([20.0, 20])
    assert rows_inside(movie, 0, 3, low, high).tolist() == [0, 4]
    assert rows_inside(movie, 1, 1, low, np.array([20.1, 20])).tolist() == [1]


def test_truth_goes_to_the_matched_detections():
    # 0 divides into 1 and 2, 1 goes on as 3; the object 2 was not detected, the detection 1 is no object
    tracklet, parent = truth_of_detections(np.array([0, 2, -1, 3]), np.array([-1, 0, 0, 1]), 5)
    assert tracklet.tolist() == [0, -1, 1, 1, -1]
    assert parent.tolist() == [-1, 0, 0]


@pytest.mark.parametrize("cap", ["nearest", "random"])
def test_cap(cap):
    movie = field()
    rows, centre = rows_inside(movie, 0, 3, movie.low_px, movie.high_px), np.array([300.0, 200])
    settings = WindowSettings(max_tokens=50, cap=cap)
    kept = cap_rows(movie, rows, centre, settings, np.random.default_rng(0))
    assert len(rows) == 180
    assert len(kept) == 50
    assert (np.diff(kept) > 0).all()
    assert np.isin(kept, rows).all()
    distance = np.linalg.norm(movie.position_px - centre, axis=1)
    inner = distance[kept].max() < distance[np.setdiff1d(rows, kept)].min()
    again = cap_rows(movie, rows, centre, settings, np.random.default_rng(0))
    other = cap_rows(movie, rows, centre, settings, np.random.default_rng(1))
    assert inner == (cap == "nearest") == np.array_equal(kept, other)
    assert np.array_equal(kept, again)
    for most in (180, None):
        enough = WindowSettings(max_tokens=most, cap=cap)
        assert cap_rows(movie, rows, centre, enough, np.random.default_rng(0)) is rows


@pytest.mark.parametrize("crop_px", [None, 8, 100, 256, 300, 1000])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("shape", [(600, 400), (30, 100, 301)])
def test_every_detection_is_in_a_window(crop_px, stride, shape):
    movie = field(shape=shape, per_frame=15)
    settings = WindowSettings(n_frames=3, crop_px=crop_px, max_tokens=20)
    windows = list(covering_windows(movie, settings, stride_frames=stride, number=5))
    seen = np.zeros((movie.n_frames, len(movie)), np.bool_)
    for window in windows:
        assert window.movie == 5
        assert 1 <= len(window) <= 20
        plane = movie.position_px[window.rows, -2:]
        assert ((plane >= window.low_px) & (plane <= window.high_px)).all()
        assert (window.high_px - window.low_px <= (crop_px or 1000)).all()
        step = movie.step_of(window.rows)
        assert ((step >= window.start) & (step < window.start + 3)).all()
        seen[window.start, window.rows] = True
    starts = range(6) if stride == 1 else (0, 3, 5)
    wanted = [len(rows_inside(movie, start, 3, movie.low_px, movie.high_px)) for start in starts]
    assert seen.sum(axis=1)[list(starts)].tolist() == wanted
    assert seen.sum() == sum(wanted)


def test_whole_frames():
    movie = field()
    windows = list(covering_windows(movie, WindowSettings(n_frames=2, crop_px=None, max_tokens=None)))
    # Between the empty steps 3 and 4 there is nothing to see.
    assert [(window.start, len(window)) for window in windows] == [
        (0, 120),
        (1, 120),
        (2, 60),
        (4, 60),
        (5, 120),
        (6, 120),
    ]


def test_many_detections_at_one_place():
    movie = movie_of([[(5.0, 5.0)] * 7, [(5.0, 5.0)] * 6])
    windows = list(covering_windows(movie, WindowSettings(n_frames=2, max_tokens=4)))
    assert sorted(np.concatenate([window.rows for window in windows])) == list(range(13))
    assert max(map(len, windows)) <= 4


def test_too_short_and_empty():
    with pytest.raises(InputError) as short:
        next(covering_windows(movie_of([[(1.0, 2.0)]] * 5), WindowSettings(n_frames=6)))
    assert str(short.value) == (
        "a window of 6 frames needs a movie at least as long, but cells has 5 frames; use a longer movie or a smaller "
        "window"
    )
    with pytest.raises(InputError) as empty:
        next(covering_windows(movie_of([[]] * 6), WindowSettings(n_frames=6)))
    assert str(empty.value) == "there are no detections in cells; look at its masks or points"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_frames": 1}, "windows: n_frames must be at least 2, found 1"),
        ({"crop_px": 7}, "windows: crop_px must be at least 8, found 7"),
        ({"max_tokens": 1}, "windows: max_tokens must be at least 2, found 1"),
    ],
)
def test_refuses_settings(changes, message):
    with pytest.raises(ConfigError) as error:
        WindowSettings(**changes)
    assert str(error.value) == message


@pytest.mark.parametrize("stride", [0, 3])
def test_refuses_strides_that_skip_frames(stride):
    with pytest.raises(ConfigError) as error:
        next(covering_windows(field(), WindowSettings(n_frames=2), stride_frames=stride))
    assert str(error.value) == (f"windows of 2 frames need a stride of 1 to 2 frames to leave out none, found {stride}")


@pytest.mark.parametrize("what", ["tokens", "truth"])
def test_refuses_other_lengths(what):
    short = {"tokens": np.zeros((3, 7), np.float32), "truth": (np.zeros(3, np.int64), np.array([-1]))}
    with pytest.raises(InputError) as error:
        movie_of([[(1.0, 2.0)]] * 5, **{what: short[what]})
    assert str(error.value) == f"{what} must have a row per detection, wanted 5, found 3"


def test_the_family_is_what_it_says():
    movie = family()
    assert movie.tracklet.tolist() == [0, 1] * 10 + [0, 2, 3] * 10
    assert movie.parent_tracklet.tolist() == [-1, -1, 1, 1]
