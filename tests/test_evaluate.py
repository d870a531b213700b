"""Metrics of situations small enough to count by hand."""

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from memory_movie import case
from truth_cases import data, moved, points, result, write_truth

from tracker.errors import MissingExtraError, TruthError
from tracker.evaluate import evaluate
from tracker.io.result import write_json
from tracker.lineage import make_lineage
from tracker.load_result import load_result
from tracker.truth import Truth, read_truth

pytest.importorskip("traccuracy", reason="metrics come from traccuracy: the extra eval")

PAIR = points([0, 0, 1, 1, 2, 2], [(0, 2), (1, 3), (2, 4), (3, 5)])
DIVISION = points([0, 1, 2, 2, 3, 3], [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5)])
GAP = points([0, 1, 3, 4], [(0, 1), (1, 2), (2, 3)])


@pytest.mark.parametrize(
    ("truth", "links", "unselected", "wanted"),
    [
        pytest.param(PAIR, PAIR.links, (), (0.0, 0, 0, 0), id="perfect"),
        pytest.param(PAIR, [(0, 2), (1, 3), (2, 4)], (), (1.5, 0, 1, 0), id="missed link"),
        pytest.param(points([0, 1], []), [(0, 1)], (), (1.0, 1, 0, 0), id="false link"),
        pytest.param(PAIR, [(0, 2), (1, 3), (2, 5), (3, 4)], (), (5.0, 2, 2, 0), id="crossover"),
        # The link that is there was one of a mother to her daughter, and is now one of a cell to itself.
        pytest.param(DIVISION, [(0, 1), (1, 2), (2, 4), (3, 5)], (), (2.5, 0, 1, 1), id="missed division"),
        pytest.param(PAIR, [*PAIR.links, (1, 2)][1:], (), (1.5 + 1 + 1, 1, 1, 1), id="false division"),
        pytest.param(PAIR, [(0, 2), (1, 3), (2, 4)], (5,), (10 + 1.5, 0, 1, 0), id="missed object"),
        pytest.param(PAIR, [], range(6), (60 + 6.0, 0, 4, 0), id="nothing found"),
        pytest.param(GAP, GAP.links, (), (0.0, 0, 0, 0), id="gap"),
        pytest.param(GAP, [(0, 1), (2, 3)], (), (1.5, 0, 1, 0), id="gap not closed"),
    ],
)
def test_edits(truth, links, unselected, wanted):
    metrics = evaluate(result(truth, links, unselected), truth)
    assert (metrics.AOGM, metrics.fp_edges, metrics.fn_edges, metrics.ws_edges) == wanted


@pytest.mark.parametrize(("first", "every"), [(5, 1), (0, 3), (7, 4)])
def test_late_starts_and_strides_change_nothing(first, every):
    frames, links = [0, 0, 1, 1, 2, 2, 3, 3], [(0, 2), (1, 3), (2, 4), (2, 5), (4, 6), (5, 7)]
    late = points(frames, links, first=first, every=every)
    usual = evaluate(result(points(frames, links), links[1:]), points(frames, links)).to_dict()
    assert evaluate(result(late, links[1:]), late).to_dict() == usual
    assert usual["AOGM"] == 1.5


def test_extra_objects_before_the_truth_starts_are_false():
    """A table of points says nothing about the frames before its first: nothing is there."""
    whole = points([0, 1, 2], [(0, 1), (1, 2)])
    truth = whole.select(np.array([1, 2]))
    metrics = evaluate(whole.to_lineage(), truth)
    assert metrics.AOGM == 1.0
    assert metrics.details["CTCMetrics"]["fp_nodes"] == 1
    assert metrics.details["counts"]["frames"] == 3


def test_scores_by_hand():
    """LNK = 1 - (1.5 + 1) / (5 * 1.5), TRA = 1 - 2.5 / (6 * 10 + 7.5), DET = 1."""
    metrics = evaluate(result(DIVISION, [(0, 1), (1, 2), (2, 4), (3, 5)]), DIVISION)
    assert pytest.approx(1 - 2.5 / 7.5) == metrics.LNK
    assert pytest.approx(1 - 2.5 / 67.5) == metrics.TRA
    assert metrics.DET == 1.0
    assert metrics.division_recall == 0.0
    assert metrics.division_precision is None  # no division was found
    # Of the tracks 0-1, 2-4 and 3-5 all links are there; the two links of the division belong to none.
    assert metrics.complete_tracks == 1.0
    assert metrics.details["CompleteTracks"]["correct_lineages"] == 0


def test_divisions_one_frame_off():
    """The truth divides from 1, the result from 0: only a frame buffer forgives."""
    truth = points([0, 1, 1, 2, 2, 3, 3], [(0, 1), (1, 3), (1, 4), (3, 5), (4, 6)])
    metrics = evaluate(result(truth, [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]), truth)
    assert (metrics.division_recall, metrics.division_precision, metrics.division_mbc) == (0.0, 0.0, 0.0)
    buffers = metrics.details["DivisionMetrics"]
    assert list(buffers) == ["Frame Buffer 0", "Frame Buffer 1", "Frame Buffer 2"]
    assert buffers["Frame Buffer 1"]["True Positive Divisions"] == 1


def test_points_by_id_and_by_distance():
    prediction = result(moved(PAIR, 0.4), [(0, 2), (1, 3), (2, 4)])
    by_id = evaluate(prediction, PAIR)
    assert by_id.details["matching"] == {"matcher": "id", "max_distance": None, "matched": 6, "shared": 0}
    renamed = replace(moved(PAIR, 0.4), label=PAIR.label + 900)
    by_distance = evaluate(result(renamed, [(0, 2), (1, 3), (2, 4)]), PAIR)
    assert by_distance.details["matching"]["matcher"] == "point"
    assert by_distance.AOGM == by_id.AOGM == 1.5
    # Out of reach of all of them, every object is missed (60 + 6) and every found one is false (6).
    lost = evaluate(result(renamed, [(0, 2), (1, 3), (2, 4)]), PAIR, max_distance=0.1, matcher="point")
    assert (lost.AOGM, lost.details["matching"]["max_distance"]) == (72.0, 0.1)
    assert "Mapping is empty. Defaulting to type of one-to-one" in lost.warnings


def mask_pair(merged=False):
    """Two cells over two frames as masks; `merged`: the result sees them as one in the second frame."""
    first, second = np.array([[1, 1, 0, 2, 2]]), np.array([[4, 4, 4, 4, 4]] if merged else [[4, 4, 0, 5, 5]])
    links = [(0, 2)] if merged else [(0, 2), (1, 3)]
    return case({0: first, 1: second}, links)


def test_two_cells_in_one_mask(tmp_path):
    """One split (5); both true links end in the object to split: 2 * 1.5. Divisions and tracks need one to one."""
    folder = write_truth(tmp_path / "TRA", {0: [[1, 1, 0, 2, 2]], 1: [[1, 1, 0, 2, 2]]}, ["1 0 1 0", "2 0 1 0"])
    prediction, masks = mask_pair(merged=True)
    metrics = evaluate(prediction, read_truth(folder), masks=masks)
    assert metrics.details["CTCMetrics"]["ns_nodes"] == 1
    assert metrics.AOGM == 5 + 3
    assert metrics.complete_tracks == 0.5
    assert metrics.warnings == (
        "1 true objects share a detection with another one; divisions and complete tracks leave it to the one with "
        "the largest overlap",
    )
    assert evaluate(*mask_pair()[:1], read_truth(folder), masks=mask_pair()[1]).AOGM == 0.0


def test_one_child_parent_is_one_cell(tmp_path):
    """A track that ends in a single child is no division: nothing of wrong kind."""
    masks = {0: [[1, 1, 0, 2, 2]], 1: [[3, 3, 0, 2, 2]]}
    folder = write_truth(tmp_path / "TRA", masks, ["1 0 0 0", "2 0 1 0", "3 1 1 1"])
    prediction, masks = mask_pair()
    assert evaluate(prediction, read_truth(folder), masks=masks).AOGM == 0.0


def test_frames_that_only_one_has(tmp_path):
    images = {t: np.array([[1, 1, 0, 2, 2]]) for t in range(5)}
    links = [(k, k + 2) for k in range(8)]
    prediction, masks = case(images, links)
    folder = write_truth(tmp_path / "TRA", {t: images[t] for t in (0, 2, 3)[1:]}, ["1 2 3 0", "2 2 3 0"])
    metrics = evaluate(prediction, read_truth(folder), masks=masks)
    assert (metrics.AOGM, metrics.details["counts"]["links"]) == (0.0, 2)
    assert metrics.warnings == ("the ground truth lacks frames of the result, which are left out: t = 0, 1, 4",)

    truth = prediction_as_truth(prediction, masks)
    odd = read_truth(folder).to_lineage()
    metrics = evaluate(odd, truth, masks=masks)
    assert metrics.AOGM == 0.0
    assert metrics.warnings == ("compared are 2 of the 5 frames of the ground truth",)
    with pytest.raises(TruthError, match=r"no frame in common: t = 0 to 4 and t = 12 to 13\. Give the truth"):
        evaluate(prediction, points([0, 1], [], first=12), masks=masks)


def prediction_as_truth(prediction, masks):
    found = prediction.detections
    return Truth(found.frame, found.label, found.position, prediction.parent, found.frames, found.scale, masks)


def test_nothing_to_compare():
    truth = points([3, 4], [(0, 1)], last=4)
    with pytest.raises(TruthError, match=r"^the ground truth truth has no object in the frames of the result$"):
        evaluate(points([0, 1], [(0, 1)]).to_lineage(), replace(truth, frames=np.arange(5)))


def test_what_is_not_defined_is_none_and_said():
    """No link and no division in the truth."""
    truth = points([0, 0], [])
    metrics = evaluate(result(truth, []), truth)
    assert (metrics.LNK, metrics.division_f1, metrics.DET) == (None, None, 1.0)
    assert "No edges in the GT graph, cannot compute LNK." in metrics.warnings


def test_metrics_as_json(tmp_path, capsys):
    metrics = evaluate(result(DIVISION, DIVISION.links[:3]), DIVISION)
    write_json(tmp_path / "metrics.json", metrics.to_dict())
    told = json.loads((tmp_path / "metrics.json").read_text())
    assert list(told)[:13] == [
        "AOGM", "LNK", "TRA", "DET", "fp_edges", "fn_edges", "ws_edges", "division_f1", "division_mbc",
        "division_precision", "division_recall", "CHOTA", "complete_tracks",
    ]  # fmt: skip
    assert {"CTCMetrics", "DivisionMetrics", "CompleteTracks", "CHOTAMetric", "matching", "counts"} <= set(
        told["details"]
    )
    assert told["AOGM"] == 3.0
    assert capsys.readouterr() == ("", "")  # no progress bars


def test_without_traccuracy(monkeypatch):
    monkeypatch.setattr("tracker.evaluate.importlib.util.find_spec", lambda name: None)
    message = (
        "evaluating against a ground truth needs the package traccuracy, which is not installed. "
        'Install it with: pip install "pintrack[eval]"'
    )
    with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
        evaluate(result(PAIR, []), PAIR)


def by_hand(folder, gone):
    """CTC metrics from traccuracy's own loader and matcher; links between the keys (t, label) in `gone` are missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from traccuracy import TrackingGraph, run_metrics
        from traccuracy.loaders import load_ctc_data
        from traccuracy.matchers import CTCMatcher
        from traccuracy.metrics import CTCMetrics

        truth = load_ctc_data(str(folder), run_checks=False)
        graph = truth.graph.copy()
        key = {node: (at["t"], at["segmentation_id"]) for node, at in graph.nodes(data=True)}
        graph.remove_edges_from([(a, b) for a, b in graph.edges if (key[a], key[b]) in gone])
        prediction = TrackingGraph(graph, truth.segmentation, location_keys=truth.location_keys)
        return run_metrics(truth, prediction, CTCMatcher(), [CTCMetrics()])[0][0]["results"]


@pytest.mark.data
def test_real_movie_against_traccuracy_by_hand():
    """Every seventh link is missing."""
    folder = data("Fluo-N2DL-HeLa-02-t00-19", "02_GT", "TRA")
    truth, loaded = read_truth(folder), load_result(folder)
    missing = np.arange(len(truth.links)) % 7 == 0
    key = list(zip(truth.frame.tolist(), truth.label.tolist(), strict=True))
    gone = {(key[a], key[b]) for a, b in truth.links[missing].tolist()}
    prediction = make_lineage(loaded.lineage.detections, loaded.lineage.selected, truth.links[~missing])
    metrics = evaluate(prediction, truth, masks=loaded.masks)
    assert metrics.details["CTCMetrics"] == by_hand(folder, gone)
    assert (metrics.fn_edges, metrics.fp_edges) == (missing.sum(), 0)
    assert metrics.ws_edges > 0
    assert evaluate(loaded.lineage, truth, masks=loaded.masks).AOGM == 0.0
