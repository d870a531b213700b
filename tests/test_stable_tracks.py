"""Numbers of tracks that stay while the lineage changes elsewhere."""

import numpy as np

from tracker.detections import Detections
from tracker.lineage import make_lineage
from tracker.view.stable_tracks import follow_tracks, parents_of_tracks


def lineage(links: list[tuple[int, int]], rejected: tuple[int, ...] = ()):
    """Three detections in each of four frames; row 3 t + k."""
    frame, label = np.repeat(np.arange(4), 3), np.tile([1, 2, 3], 4)
    detections = Detections(frame, label, np.zeros((12, 2)), np.arange(4), np.ones(2))
    return make_lineage(detections, ~np.isin(np.arange(12), rejected), np.array(links))


STRAIGHT = [(row, row + 3) for row in range(9)]


def test_a_new_track_leaves_the_numbers_of_others():
    before = lineage(STRAIGHT).track_id
    assert before.tolist() == [1, 2, 3] * 4
    cut = lineage([link for link in STRAIGHT if link != (0, 3)])  # raw ids: 1, 2, 3, and 4 for rows 3, 6, 9
    after = follow_tracks(before, cut)
    assert after.tolist() == [4, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]  # the longer part keeps the number
    assert follow_tracks(after, lineage(STRAIGHT)).tolist() == [1, 2, 3] * 4


def test_equal_parts_and_numbers_that_were_used():
    before = lineage(STRAIGHT).track_id
    cut = lineage([link for link in STRAIGHT if link != (3, 6)])
    assert follow_tracks(before, cut, used=7)[[0, 3, 6, 9]].tolist() == [1, 1, 8, 8]


def test_what_comes_back_has_its_number_again():
    whole, cut = lineage(STRAIGHT), lineage([link for link in STRAIGHT if link != (3, 6)])
    remembered = np.zeros(12, np.int64)
    start = follow_tracks(cut.track_id, cut, remembered=remembered)
    joined = follow_tracks(start, whole, used=4, remembered=remembered)
    other = follow_tracks(joined, lineage([link for link in STRAIGHT if link != (4, 7)]), 4, remembered)
    assert other[[1, 4, 7, 10]].tolist() == [2, 2, 5, 5]
    both = [link for link in STRAIGHT if link not in ((3, 6), (4, 7))]
    again = follow_tracks(other, lineage(both), 5, remembered)
    assert again.tolist() == [1, 2, 3, 1, 2, 3, 4, 5, 3, 4, 5, 3]


def test_swapped_and_rejected():
    before = lineage(STRAIGHT).track_id
    swapped = [link for link in STRAIGHT if link not in ((6, 9), (7, 10))] + [(6, 10), (7, 9)]
    after = follow_tracks(before, lineage(swapped, rejected=(2, 5, 8, 11)))
    assert after.tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 1, 0]


def test_parents():
    divided = lineage([*STRAIGHT, (1, 3)][1:])  # row 1 divides into rows 3 and 4
    track = follow_tracks(np.zeros(12, np.int64), divided)
    assert track.tolist() == [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3]
    assert parents_of_tracks(track, divided).tolist() == [0, 0, 0, 2, 2]
