"""Pins made from lineages: a truth, a result; and rows of several files."""

from dataclasses import replace

import numpy as np
import pytest
from truth_cases import moved, points, result

from tracker.errors import InputError, TruthError
from tracker.pin_sources import (
    detections_in_order,
    lineage_over,
    merge_rows,
    pins_from_lineage,
    truth_as_lineage,
)
from tracker.pin_table import PinRow

# 0 -- 1 -- 3    2 appears and divides into 4 and 5; label = row
#      2 -< 4,5
FRAMES, LINKS = [0, 1, 1, 2, 2, 2], [(0, 1), (1, 3), (2, 4), (2, 5)]


def said(pins):
    """The pins as short text: kind, frame:label of all, and ! where false."""
    return [
        " ".join([row.kind + "!" * (row.value is False), *(f"{t}:{label}" for t, label in row.keys)]) for row in pins
    ]


def without(detections, *rows):
    kept = ~np.isin(np.arange(len(detections)), rows)
    return replace(
        detections, frame=detections.frame[kept], label=detections.label[kept], position=detections.position[kept]
    )


def test_each_detection_names_its_children_and_a_founder_appears():
    lineage = points(FRAMES, LINKS).to_lineage()
    pins = pins_from_lineage(lineage, np.array([2, 0, 3]), "seen")
    assert said(pins) == ["children 1:2 2:4 2:5", "appear 1:2", "children 0:0 1:1", "detection 2:3"]
    assert {(row.value, row.confidence, row.note) for row in pins} == {(True, None, "seen")}


def test_a_track_ends_where_a_later_frame_shows_no_child():
    lineage = points([0, 1, 2], [(0, 1)], last=3).to_lineage()
    pins = pins_from_lineage(lineage, np.arange(3))
    assert said(pins) == ["children 0:0 1:1", "children 1:1", "children 2:2", "appear 2:2"]


def test_unselected_detections_are_rejected_only_when_asked():
    lineage = result(points(FRAMES, LINKS), [(0, 1), (1, 3)], unselected=(2, 4, 5))
    assert said(pins_from_lineage(lineage, np.array([2, 3]))) == ["detection 2:3"]
    assert said(pins_from_lineage(lineage, np.array([2, 3]), reject_unselected=True)) == [
        "detection! 1:2",
        "detection 2:3",
    ]


def test_nothing_is_said_outside_of_the_known_frames():
    lineage = result(points([0, 1, 2], []), [(1, 2)], unselected=(0,))
    known = pins_from_lineage(lineage, np.arange(3), reject_unselected=True, frames=np.array([0, 1, 7]))
    assert said(known) == ["detection! 0:0", "link 1:1 2:2", "appear 1:1"]
    ends = result(points([0, 1, 2], []), [(0, 1)])
    known = pins_from_lineage(ends, np.arange(3), reject_unselected=True, frames=np.array([0, 1]))
    assert said(known) == ["children 0:0 1:1", "detection 1:1"]
    assert pins_from_lineage(ends, np.arange(3), frames=np.array([9])) == []


def within(truth, first, last, every=1):
    """What the truth says of its own objects in some of its frames."""
    frames = truth.frames[(truth.frames >= first) & (truth.frames <= last)][::every]
    kept = np.isin(truth.frame, frames)
    whole = truth.to_lineage().detections
    part = replace(
        whole, frame=whole.frame[kept], label=whole.label[kept], position=whole.position[kept], frames=frames
    )
    true = truth_as_lineage(truth, part)
    unknown = {"unknown_children": true.unknown_children, "unknown_parent": true.unknown_parent}
    return said(pins_from_lineage(true.lineage, np.arange(len(part)), frames=truth.frames, **unknown))


def test_the_end_of_the_chosen_frames_ends_no_track():
    # 0 -- 2 -- 4 goes on; 1 -- 3 ends, which frame 2 shows
    truth = points([0, 0, 1, 1, 2], [(0, 2), (2, 4), (1, 3)])
    assert within(truth, 0, 1) == ["children 0:0 1:2", "children 0:1 1:3", "detection 1:2", "children 1:3"]
    whole = ["children 0:0 1:2", "children 0:1 1:3", "children 1:2 2:4", "children 1:3", "detection 2:4"]
    assert within(truth, 0, 2) == whole


def test_children_across_the_end_of_the_chosen_frames():
    # 0 -- (gap) -- 3;   1 divides into 2, and into 4 one frame later
    truth = points([0, 0, 1, 2, 2], [(0, 3), (1, 2), (1, 4)])
    assert within(truth, 0, 1) == ["detection 0:0", "link 0:1 1:2", "children 1:2"]
    assert within(truth, 0, 2)[:3] == ["children 0:0 2:3", "children 0:1 1:2 2:4", "children 1:2"]


def test_the_start_of_the_chosen_frames_starts_no_track():
    # 0 -- (gap) -- 4;   1 -- 2;   3 appears in frame 1
    truth = points([0, 0, 1, 1, 2], [(1, 2), (0, 4)], last=3)
    assert within(truth, 1, 3) == ["children 1:2", "children 1:3", "appear 1:3", "children 2:4"]


def test_tracks_end_and_begin_between_the_chosen_frames():
    # of frames 0, 2, 4: 0 -- 1 ends in frame 1; 2 begins in frame 3, and goes on to 5 in frame 5
    truth = points([0, 1, 3, 4, 5], [(0, 1), (2, 3), (3, 4)])
    assert within(truth, 0, 4, every=2) == ["children 0:0", "detection 4:3", "appear 4:3"]


def test_a_truth_passes_over_what_was_not_detected():
    truth = points([0, 1, 2, 2], [(0, 1), (1, 2), (1, 3)])
    detections = without(truth.to_lineage().detections, 1)
    lineage = truth_as_lineage(truth, detections).lineage
    assert lineage.links.tolist() == [[0, 1], [0, 2]]
    assert lineage.selected.all()


def test_a_truth_leaves_false_detections_out():
    truth = points([0, 1, 1], [(0, 1)])
    detections = truth.to_lineage().detections
    two = without(truth.to_lineage().detections, 2)
    smaller = replace(truth, frame=two.frame, label=two.label, position=two.position, parent=truth.parent[:2])
    lineage = truth_as_lineage(smaller, detections).lineage
    assert lineage.selected.tolist() == [True, True, False]
    assert lineage.links.tolist() == [[0, 1]]


def test_of_three_children_the_earliest_two_stay(caplog):
    # 0 -> 1 and 2; 2, which was missed, -> 3 and 4
    truth = points([0, 1, 1, 2, 2], [(0, 1), (0, 2), (2, 3), (2, 4)])
    lineage = truth_as_lineage(truth, without(truth.to_lineage().detections, 2)).lineage
    assert lineage.links.tolist() == [[0, 1], [0, 2]]
    assert lineage.divisions.tolist() == [[0, 1, 2]]
    assert caplog.messages == ["more than two children in the truth (frame:label), of which pins can name two: 0:0"]


def test_a_truth_of_another_place_is_refused():
    truth = points([0, 1], [(0, 1)])
    far = moved(truth, 1000.0).to_lineage().detections
    far = replace(far, label=far.label + 50)
    with pytest.raises(TruthError, match="no object of the ground truth truth is one of the 2 detections"):
        truth_as_lineage(truth, far, max_distance=1.0)


def test_a_result_is_laid_over_its_input():
    truth = points([0, 1, 1], [(0, 1)])
    whole = truth.to_lineage().detections
    part = result(replace(truth, frame=truth.frame[[0, 2]], label=truth.label[[0, 2]],
                          position=truth.position[[0, 2]], parent=truth.parent[[0, 0]]), [(0, 1)])  # fmt: skip
    lineage = lineage_over(part, whole)
    assert lineage.selected.tolist() == [True, False, True]
    assert lineage.links.tolist() == [[0, 2]]
    with pytest.raises(InputError) as error:
        lineage_over(lineage, part.detections)
    assert str(error.value) == (
        "the result holds detections that its input has no more: 1:1. Was the input changed since?"
    )


def test_answers_drop_their_questions():
    asked = PinRow("children", ((0, 1), (1, 1)), None)
    other = PinRow("children", ((0, 2),), None)
    corrected = PinRow("children", ((0, 1), (1, 5)))
    division = PinRow("division", ((0, 1), (1, 5), (1, 6)), None)
    swapped = PinRow("division", ((0, 1), (1, 6), (1, 5)), False)
    link = PinRow("link", ((0, 1), (1, 1)), None)
    rows = [asked, other, division, link, corrected, swapped, corrected]
    assert merge_rows(rows) == [other, link, corrected, swapped]


def test_order_of_a_file():
    detections = points(FRAMES, LINKS).to_lineage().detections
    rows = [PinRow("children", ((2, 3),), None), PinRow("link", ((0, 0), (1, 1))), PinRow("appear", ((2, 3),))]
    assert detections_in_order(rows, detections).tolist() == [3, 0]
    assert detections_in_order([], detections).tolist() == []
    with pytest.raises(InputError) as error:
        detections_in_order([PinRow("detection", ((2, 77),))], detections)
    assert str(error.value) == (
        "the order must name detections of this movie; unknown (frame:label): 2:77. "
        "Give a file that was made for this config"
    )
