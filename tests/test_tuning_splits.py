"""Folds: every annotated frame is held out once, and never learnt from then."""

import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.tuning.splits import contiguous_pieces, time_blocks


def test_blocks_of_a_movie_whose_first_frame_is_not_annotated():
    frames = np.arange(10, 24, 2)
    folds = time_blocks(frames, np.array([False] + [True] * 6), 3)
    assert [fold.name for fold in folds] == ["t = 12 to 14", "t = 16 to 18", "t = 20 to 22"]
    np.testing.assert_array_equal([fold.test for fold in folds], [
        [-1, 0, 0, -1, -1, -1, -1], [-1, -1, -1, 0, 0, -1, -1], [-1, -1, -1, -1, -1, 0, 0],
    ])  # fmt: skip
    np.testing.assert_array_equal([fold.train for fold in folds], [
        [-1, -1, -1, 0, 0, 0, 0], [-1, 0, 0, -1, -1, 1, 1], [-1, 0, 0, 0, 0, -1, -1],
    ])  # fmt: skip


def test_frames_without_annotation_cut_the_pieces():
    known = np.array([True, True, True, False, True, True, True, True])
    first, second = time_blocks(np.arange(8), known, 2)
    np.testing.assert_array_equal(first.test, [0, 0, 0, -1, 1, -1, -1, -1])
    np.testing.assert_array_equal(second.train, first.test)


def test_no_piece_where_nothing_is_inside():
    np.testing.assert_array_equal(contiguous_pieces(np.zeros(3, bool)), [-1, -1, -1])
    assert contiguous_pieces(np.zeros(0, bool)).shape == (0,)


@pytest.mark.parametrize(("folds", "annotated"), [(4, 7), (1, 7)])
def test_too_few_frames(folds, annotated):
    with pytest.raises(ConfigError) as caught:
        time_blocks(np.arange(9), np.arange(9) < annotated, folds)
    assert str(caught.value) == (
        f"{folds} time blocks need at least 2 blocks of 2 annotated frames each; the annotation covers {annotated} of "
        "the 9 frames. Choose other tuning.folds, or annotate more frames"
    )
