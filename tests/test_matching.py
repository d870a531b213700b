"""Who is who: by masks, by id, by distance."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from memory_movie import MemoryMovie, strip
from truth_cases import moved, points

from tracker.detections import Detections
from tracker.errors import TruthError
from tracker.matching import match_objects, match_truth
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import draw_mask
from tracker.truth import Truth

CHAIN = points([0, 0, 1, 1], [(0, 2), (1, 3)])


def objects(images, kind):
    """Every label of the masks {t: array} as a Truth or as Detections, with the masks."""
    keys = [(t, int(label)) for t, image in images.items() for label in np.unique(image[image > 0])]
    frame, label = np.array(keys, np.int64).reshape(-1, 2).T
    place, frames, movie = np.zeros((len(frame), 2)), np.array(list(images)), MemoryMovie(images)
    if kind == "truth":
        return Truth(frame, label, place, np.full(len(frame), -1), frames, np.ones(2), movie)
    return Detections(frame, label, place, frames, np.ones(2)), movie


def refused(message, *arguments, **options):
    with pytest.raises(TruthError, match=f"^{re.escape(message)}$"):
        match_objects(*arguments, **options)


def test_masks_by_the_majority_of_the_true_object():
    """3 is covered by half only; 4 and 5 lie in the one object 8; 2 is only in its own."""
    truth = objects({7: np.array([[2, 2, 0, 3, 3, 4, 4, 4, 5, 0]])}, "truth")
    detections, masks = objects({7: np.array([[6, 6, 6, 6, 8, 8, 8, 8, 8, 9]])}, "detections")
    rows, rule = match_truth(detections, truth, masks)
    assert rule == "ctc"
    np.testing.assert_array_equal(rows, [0, -1, 1, 1])
    single = match_objects(detections, truth, masks).one_to_one()
    np.testing.assert_array_equal(single.rows, [0, -1, 1, -1])
    # 2 is half of 6; 4 is three pixels of the five in 8: 3 / 5.
    np.testing.assert_array_equal(match_objects(detections, truth, masks, rule="iou").rows, [-1, -1, 1, -1])


def test_only_frames_of_both_are_read():
    truth = objects({0: strip(1), 1: strip(1), 2: strip(1)}, "truth")
    detections, masks = objects({1: strip(4), 3: strip(4)}, "detections")
    np.testing.assert_array_equal(match_truth(detections, truth, masks)[0], [-1, 0, -1])
    assert (masks.reads, truth.masks.reads) == ([1], [1])


def test_masks_refused():
    truth = objects({0: strip(1)}, "truth")
    detections, masks = objects({0: strip(4)}, "detections")
    refused(
        "the matcher ctc compares masks, but the result has none. Use the matcher point", detections, truth, rule="ctc"
    )
    refused(
        "the masks of result and ground truth must have one shape; found (3, 13) in memory and (3, 12) in memory",
        detections,
        truth,
        MemoryMovie({0: np.zeros((3, 13), np.uint16)}),
    )
    refused(
        "memory must show every object of its lineage; frame 0 lacks the labels 4. Were the masks changed since?",
        detections,
        truth,
        MemoryMovie({0: strip(3)}),
    )
    refused("a matcher must be one of auto, ctc, iou, id, point; found 'best'", detections, truth, masks, rule="best")


def test_ids_that_agree():
    """Also with points that only one of the two has, and small shifts."""
    detections = moved(CHAIN, 0.3).select(np.array([0, 1])).to_lineage().detections
    more = points([0, 0, 1, 1, 1], [(0, 2)])
    found = match_objects(detections, more)
    assert found.rule == "id"
    np.testing.assert_array_equal(found.rows, [0, 1, 2, 3, -1])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: replace(t, label=t.label + 1),  # numbered from 1: ids name other points, in other frames
        lambda t: replace(t, label=t.label + 100),
        lambda t: replace(t, label=np.array([0, 1, 0, 1])),  # numbered within each frame
    ],
)
def test_other_ids_are_matched_by_distance(change):
    detections = change(moved(CHAIN, 0.3)).to_lineage().detections
    found = match_objects(detections, CHAIN)
    assert found.rule == "point"
    assert found.max_distance == pytest.approx(np.sqrt(50))
    np.testing.assert_array_equal(found.rows, [0, 1, 2, 3])


def test_swapped_ids_do_not_agree():
    """The same ids in the same frames, but of each other's points."""
    swapped = replace(CHAIN, position=CHAIN.position[[1, 0, 3, 2]])
    found = match_objects(swapped.to_lineage().detections, CHAIN)
    assert found.rule == "point"
    np.testing.assert_array_equal(found.rows, [1, 0, 3, 2])


def test_ids_refused():
    detections = replace(CHAIN, label=CHAIN.label + 1).to_lineage().detections
    refused(
        "result and ground truth truth give the same ids to points of different frames: 2. Use the matcher point",
        detections,
        CHAIN,
        rule="id",
    )
    repeated = replace(CHAIN, label=np.array([0, 1, 0, 1])).to_lineage().detections
    refused(
        "the matcher id needs ids that occur once in the whole movie; labels of masks do not",
        repeated,
        CHAIN,
        rule="id",
    )


def test_distance_has_a_limit_and_is_one_to_one():
    truth = Truth(
        np.zeros(3, np.int64), np.arange(3), np.array([[0.0, 0], [0, 3], [0, 20]]), np.full(3, -1),
        np.array([0]), np.ones(2),
    )  # fmt: skip
    detections = replace(truth, position=np.array([[0.0, 2], [0, 4], [0, 24.5]])).to_lineage().detections
    found = match_objects(detections, truth, rule="point", max_distance=4.0)
    np.testing.assert_array_equal(found.rows, [0, 1, -1])
    np.testing.assert_array_equal(match_objects(detections, truth, rule="point", max_distance=4.5).rows, [0, 1, 2])
    refused(
        "objects can be matched within a positive distance only; max_distance is 0",
        detections, truth, rule="point", max_distance=0.0,
    )  # fmt: skip


def test_one_cell_per_frame_is_matched_at_any_distance():
    truth = points([0, 1, 2], [(0, 1), (1, 2)])
    detections = replace(moved(truth, 1000.0), label=truth.label + 50).to_lineage().detections
    found = match_objects(detections, truth)
    np.testing.assert_array_equal(found.rows, [0, 1, 2])


def test_dimensions_differ():
    flat = CHAIN.to_lineage().detections
    deep = replace(CHAIN, position=np.zeros((4, 3)), scale=np.ones(3))
    refused("the result has 2 spatial axes, the ground truth truth 3: they are not of the same movie", flat, deep)


@pytest.fixture(scope="module")
def rivals():
    """A simulated movie, and a poor segmentation of it: shifted, every eighth object merged with the next label."""
    pytest.importorskip("traccuracy")
    movie = simulate(SimulationSettings(n_frames=3, shape=(128, 128), n_cells=30, radius_px=8.0), seed=3)
    good = {t: draw_mask(movie, t) for t in range(3)}
    poor = {t: np.roll(np.where(m % 8 == 1, m + (m > 0), m), (3, 2), (0, 1)) for t, m in good.items()}
    return good, poor


def traccuracy_pairs(matcher, good, poor):
    """The pairs ((t, label), (t, label)) that a matcher of traccuracy finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import networkx as nx
        from traccuracy import TrackingGraph, matchers

        graphs = []
        for images in (good, poor):
            graph = nx.DiGraph()
            for t, image in images.items():
                for label in np.unique(image[image > 0]).tolist():
                    place = np.argwhere(image == label).mean(axis=0)
                    graph.add_node(len(graph), t=t, segmentation_id=label, y=place[0], x=place[1])
            stack = np.stack(list(images.values())).astype(np.uint16)
            graphs.append(TrackingGraph(graph, stack, location_keys=("y", "x")))
        mapping = getattr(matchers, matcher[0])(**matcher[1]).compute_mapping(*graphs).mapping
        keys = [[(d["t"], d["segmentation_id"]) for _, d in g.graph.nodes(data=True)] for g in graphs]
        return {(keys[0][a], keys[1][b]) for a, b in mapping}


@pytest.mark.parametrize(
    ("rule", "matcher"),
    [
        ("ctc", ("CTCMatcher", {})),
        ("iou", ("IOUMatcher", {"iou_threshold": 0.500001})),
        ("point", ("PointMatcher", {"threshold": 6.0})),
    ],
)
def test_same_pairs_as_traccuracy(rivals, rule, matcher, capsys):
    good, poor = rivals
    truth, (detections, masks) = objects(good, "truth"), objects(poor, "detections")
    centre = [np.argwhere(good[t] == k).mean(axis=0) for t, k in zip(truth.frame, truth.label, strict=True)]
    truth = replace(truth, position=np.array(centre))
    centre = [np.argwhere(poor[t] == k).mean(axis=0) for t, k in zip(detections.frame, detections.label, strict=True)]
    detections = replace(detections, position=np.array(centre))
    found = match_objects(detections, truth, masks, rule=rule, max_distance=6.0)
    mine = {
        ((truth.frame[k], truth.label[k]), (detections.frame[row], detections.label[row]))
        for k, row in enumerate(found.rows)
        if row >= 0
    }
    theirs = traccuracy_pairs(matcher, good, poor)
    assert mine == theirs
    assert 20 < len(mine) < len(truth)
