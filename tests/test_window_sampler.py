"""Sampling of windows: what is favoured, and that nothing but seed and number decides."""

from itertools import pairwise

import numpy as np
import pytest
from window_cases import family, field, movie_of

from embeddings.window_sampler import SamplerSettings, WindowSampler, divisions_of
from embeddings.windows import WindowSettings
from tracker.errors import ConfigError, InputError


def contents(batch):
    return [(w.movie, w.start, *w.low_px, *w.high_px, w.rows.tolist()) for w in batch]


def draw(sampler, n_batches):
    return [window for index in range(n_batches) for window in sampler.batch(index)]


def test_the_number_decides_whatever_was_asked_before():
    def sampler(seed):
        return WindowSampler(
            [field(0), field(1)], WindowSettings(3, 120, 15, "random"), SamplerSettings(4, 3), seed=seed
        )

    one, other = sampler(7), sampler(7)
    forwards = [contents(one.batch(index)) for index in range(9)]
    order = [8, 0, 5, 3, 1, 7, 2, 6, 4]
    backwards = {index: contents(other.batch(index)) for index in order}
    assert forwards == [backwards[index] for index in range(9)]
    assert forwards != [contents(sampler(8).batch(index)) for index in range(9)]
    assert len({str(batch) for batch in forwards}) == 9


def test_crops_hold_what_they_say():
    movie, settings = field(), WindowSettings(3, 120, 15)
    windows = draw(WindowSampler([movie], settings), 20)
    # Three frames from step 2 on, or from 3, hold one frame of detections alone.
    assert {window.start for window in windows} == {0, 1, 4, 5}
    for window in windows:
        assert (window.high_px - window.low_px == 120).all()
        assert (window.low_px >= movie.low_px).all()
        assert (window.high_px <= movie.high_px).all()
        assert 1 <= len(window) <= 15
        plane, step = movie.position_px[window.rows], movie.step_of(window.rows)
        assert ((plane >= window.low_px) & (plane < window.high_px)).all()
        assert ((step >= window.start) & (step < window.start + 3)).all()


def test_movie_smaller_than_the_crop_and_no_crop():
    movie = field(shape=(20, 90, 70))
    for crop_px in (256, None):
        for window in draw(WindowSampler([movie], WindowSettings(2, crop_px)), 2):
            assert (window.low_px.tolist(), window.high_px.tolist()) == ([0, 0], [90, 70])
            assert len(window) in (60, 120)


def test_every_detection_comes_up():
    movie = field()
    drawn = draw(WindowSampler([movie], WindowSettings(2, 200)), 80)
    windows = {0, 1, 5, 6}  # those with two frames
    wanted = np.flatnonzero(np.isin(movie.step_of(np.arange(len(movie))), [0, 1, 2, 5, 6, 7]))
    assert {window.start for window in drawn} == windows
    assert np.unique(np.concatenate([window.rows for window in drawn])).tolist() == wanted.tolist()


def test_crops_of_the_smallest_side_hold_their_anchor():
    movie = field(per_frame=5)
    assert min(len(window) for window in draw(WindowSampler([movie], WindowSettings(2, 8)), 30)) == 1


def test_batches_are_of_a_size():
    rng = np.random.default_rng(0)
    movie = movie_of([[tuple(p) for p in rng.random((n, 2)) * 300] for n in rng.integers(1, 80, 40)], (300, 300))
    sampler = WindowSampler([movie], WindowSettings(2, 300), SamplerSettings(4, 8))
    for pool in range(3):
        sizes = [[len(window) for window in sampler.batch(8 * pool + place)] for place in range(8)]
        spans = sorted((min(size), max(size)) for size in sizes)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        assert [max(size) for size in sizes] != sorted(max(size) for size in sizes)


def test_divisions():
    found = divisions_of(family())
    assert (found.row.tolist(), found.first.tolist(), found.last.tolist()) == ([19], [9], [10])
    assert divisions_of(field()).row.shape == (0,)
    # Of three daughters one was not detected, another one frame late; a mother that was not seen does not divide.
    tracklet, parent = np.array([0, 2, 2, 1, 5, 6]), np.array([-1, 0, 0, 0, -1, 4, 4])
    movie = movie_of([[(1.0, 1.0)]] * 6, truth=(tracklet, parent))
    found = divisions_of(movie)
    assert (found.row.tolist(), found.first.tolist(), found.last.tolist()) == ([0], [0], [3])


def test_windows_with_divisions_are_favoured():
    sampler = WindowSampler([family()], WindowSettings(4, 60), SamplerSettings(division_share=0.75), seed=1)
    weight = np.ones(17)
    weight[7:10] = 2  # those that start at 7, 8 and 9 hold the steps 9 and 10
    np.testing.assert_allclose(sampler.probability, weight / weight.sum())
    windows = [window for window in draw(sampler, 50) if window.start in (7, 8, 9)]
    around = np.mean([19 in window.rows for window in windows])
    # Three quarters by choice, and of the others those whose anchor is mother or daughter.
    assert 0.8 < around < 0.97
    # The steps 6 to 9 hold the mother but no daughter, which is no division: half of the anchors are another cell.
    mother = [19 in window.rows for window in draw(sampler, 200) if window.start == 6]
    assert 0.3 < np.mean(mother) < 0.7
    even = WindowSampler([family()], WindowSettings(4, 60), SamplerSettings(favour="nothing"), seed=1)
    np.testing.assert_allclose(even.probability, 1 / 17)


def test_detections_are_favoured_where_the_truth_is_not_known():
    movie = movie_of([[(1.0, 1.0)] * n for n in (1, 2, 0, 0, 3)])
    sampler = WindowSampler([movie, family()], WindowSettings(2))
    np.testing.assert_allclose(sampler.probability[:4], np.array([3, 0, 0, 0]) / sampler_total(), atol=1e-12)
    assert sampler.favour == "detections"


def sampler_total() -> int:
    """Detections in windows of two frames of the two movies above: 9 of 2 + 2, one of 2 + 3, 9 of 3 + 3."""
    return 3 + 9 * 4 + 5 + 9 * 6


def test_an_empty_frame_does_not_make_it_search_forever():
    movie = movie_of([[(5.0, 5.0)], [], [(590.0, 390.0)]])
    for window in draw(WindowSampler([movie], WindowSettings(3, 50)), 2):
        assert len(window) == 1


def refused(*arguments, **settings):
    with pytest.raises(InputError) as error:
        WindowSampler(*arguments, **settings)
    return str(error.value)


def test_refuses_movies():
    windows = WindowSettings(3)
    assert refused([], windows) == "windows need at least one movie to be drawn from, found none"
    assert refused([field(), movie_of([[(1.0, 2.0)]] * 2)], windows) == (
        "a window of 3 frames needs a movie at least as long, but cells has 2 frames; use a longer movie or a smaller "
        "window"
    )
    assert refused([movie_of([[(1.0, 2.0)], [], [], [(1.0, 2.0)]])], windows) == (
        "no window of 3 frames of cells holds detections in two frames, so there is nothing to associate; use a longer "
        "window, or look at the masks or points"
    )
    assert refused([field()], windows, SamplerSettings(favour="divisions")) == (
        "windows with divisions cannot be favoured: cells has no truth; give it, or favour detections"
    )
    assert refused([field(), field(shape=(20, 90, 70))], windows) == (
        "movies that are learnt together need the same axes and tokens, found (axes, tokens) (2, 7), (3, 12); train on "
        "one kind at a time"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "sampler: batch_size must be at least 1, found 0"),
        ({"pool_batches": 0}, "sampler: pool_batches must be at least 1, found 0"),
        ({"division_share": 2.0}, "sampler: division_share must lie in [0, 1], found 2.0"),
    ],
)
def test_refuses_settings(changes, message):
    with pytest.raises(ConfigError) as error:
        SamplerSettings(**changes)
    assert str(error.value) == message
