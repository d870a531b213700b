"""Lineage: track ids, divisions, gaps, CTC labels, on movies small enough to draw."""

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.lineage import Lineage, ctc_labels, lineage_ids, make_lineage


def movie(per_frame: dict[int, int]) -> Detections:
    """`per_frame[t]` detections labelled 1.. in frame t; rows count up through the frames."""
    frame = np.repeat(list(per_frame), list(per_frame.values())).astype(np.int64)
    label = np.concatenate([np.arange(1, n + 1) for n in per_frame.values()] or [[]]).astype(np.int64)
    position = np.column_stack([label * 10.0, frame * 1.0])
    return Detections(frame, label, position, np.array(list(per_frame), np.int64), np.ones(2))


def lineage(per_frame: dict[int, int], links: list[tuple[int, int]], unselected: tuple[int, ...] = ()) -> Lineage:
    detections = movie(per_frame)
    selected = ~np.isin(np.arange(len(detections)), unselected)
    return make_lineage(detections, selected, np.array(links, np.int64))


CASES = {
    # name: (detections per frame, links, unselected, track ids, ctc labels, lineage ids)
    "straight": ({0: 1, 1: 1, 2: 1}, [(0, 1), (1, 2)], (), [1, 1, 1], [1, 1, 1], [1, 1, 1]),
    "two cells": ({0: 2, 1: 2}, [(0, 3), (1, 2)], (), [1, 2, 2, 1], [1, 2, 2, 1], [1, 2, 2, 1]),
    "appear and leave": ({0: 1, 1: 1}, [], (), [1, 2], [1, 2], [1, 2]),
    "division": ({0: 1, 1: 2, 2: 1}, [(0, 1), (0, 2), (2, 3)], (), [1, 2, 3, 3], [1, 2, 3, 3], [1, 1, 1, 1]),
    "gap": ({0: 1, 1: 0, 2: 1, 3: 1}, [(0, 1), (1, 2)], (), [1, 1, 1], [1, 2, 2], [1, 1, 1]),
    "gap over another cell": ({0: 1, 1: 1, 2: 1}, [(0, 2)], (), [1, 2, 1], [1, 2, 3], [1, 2, 1]),
    "every other frame kept": ({0: 1, 2: 1, 4: 1}, [(0, 1), (1, 2)], (), [1, 1, 1], [1, 1, 1], [1, 1, 1]),
    "gap in kept frames": ({5: 1, 7: 0, 9: 1}, [(0, 1)], (), [1, 1], [1, 2], [1, 1]),
    "division across a gap": ({0: 1, 1: 1, 2: 1}, [(0, 1), (0, 2)], (), [1, 2, 3], [1, 2, 3], [1, 1, 1]),
    "false positive": ({0: 2, 1: 2}, [(0, 3)], (1, 2), [1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1]),
    "nothing selected": ({0: 2}, [], (0, 1), [0, 0], [0, 0], [0, 0]),
    "no detections": ({0: 0}, [], (), [], [], []),
}


@pytest.mark.parametrize("name", CASES)
def test_ids(name: str) -> None:
    per_frame, links, unselected, tracks, labels, lineages = CASES[name]
    found = lineage(per_frame, links, unselected)
    assert found.track_id.tolist() == tracks
    assert ctc_labels(found).tolist() == labels
    assert lineage_ids(found).tolist() == lineages
    assert found.track_id.dtype == ctc_labels(found).dtype == np.int64


def test_links_are_sorted_by_child_and_divisions_named() -> None:
    found = lineage({0: 2, 1: 4}, [(1, 5), (0, 4), (1, 2), (0, 3)])
    assert found.links.tolist() == [[1, 2], [0, 3], [0, 4], [1, 5]]
    assert found.divisions.tolist() == [[0, 3, 4], [1, 2, 5]]
    assert found.parent.tolist() == [-1, -1, 1, 0, 0, 1]
    assert found.n_children.tolist() == [2, 2, 0, 0, 0, 0]


def test_appears_and_disappears_hold_for_selected_detections_only() -> None:
    found = lineage({0: 2, 1: 2}, [(0, 2)], unselected=(3,))
    assert found.appears.tolist() == [True, True, False, False]
    assert found.disappears.tolist() == [False, True, True, False]


def test_a_lineage_without_links_has_empty_tables() -> None:
    found = lineage({0: 1, 1: 1}, [])
    assert found.links.shape == (0, 2)
    assert found.divisions.shape == (0, 3)
    assert found.parent.tolist() == [-1, -1]


def test_a_long_track_keeps_one_id() -> None:
    steps = 1000
    found = lineage(dict.fromkeys(range(steps), 2), [(row, row + 2) for row in range(2 * steps - 2)])
    assert found.track_id.tolist() == [1, 2] * steps
    assert ctc_labels(found).tolist() == [1, 2] * steps


def test_networkx_holds_the_selected_rows() -> None:
    graph = lineage({3: 1, 4: 2}, [(0, 1)], unselected=(2,)).to_networkx()
    assert dict(graph.nodes(data=True)) == {
        0: {"t": 3, "label": 1, "track_id": 1, "y": 10.0, "x": 3.0},
        1: {"t": 4, "label": 1, "track_id": 1, "y": 10.0, "x": 4.0},
    }
    assert list(graph.edges) == [(0, 1)]
