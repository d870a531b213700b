"""The quick metrics against traccuracy, on random lineages, the real movie and its parts."""

import time

import numpy as np
import pytest
from truth_cases import data, points, result

from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.evaluate import evaluate
from tracker.lineage import make_lineage
from tracker.matching import Matching, match_objects
from tracker.truth import Truth, read_truth
from tracker.tuning.quick_score import MatchedTruth, quick_score

NAMES = ("AOGM", "LNK", "fp_edges", "fn_edges", "ws_edges", "division_f1", "CHOTA")
DIVISION = points([0, 1, 2, 2, 3, 3], [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5)])


def random_links(rng: np.random.Generator, frame: np.ndarray) -> list[tuple[int, int]]:
    """Links of a random lineage: every detection has at most one parent, in an earlier frame, and two children."""
    links, children = [], np.zeros(len(frame), int)
    for child in range(len(frame)):
        before = np.flatnonzero((frame < frame[child]) & (frame >= frame[child] - 2) & (children < 2))
        if len(before) and rng.random() < 0.8:
            parent = int(rng.choice(before))
            children[parent] += 1
            links.append((parent, child))
    return links


def assert_equal(metrics, score):
    for name in NAMES:
        found, wanted = getattr(score, name), getattr(metrics, name)
        assert found == pytest.approx(np.nan if wanted is None else wanted, nan_ok=True), name
    nodes = metrics.details["CTCMetrics"]
    assert (score.fp_nodes, score.fn_nodes, score.ns_nodes) == tuple(
        nodes[f"{kind}_nodes"] for kind in ("fp", "fn", "ns")
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_lineages_have_the_scores_of_traccuracy(seed):
    """Truth and result share most links; objects are missed, and detections are false."""
    pytest.importorskip("traccuracy")
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.arange(5), rng.integers(1, 5, 5))
    truth = points(frame, random_links(rng, frame))
    links = [link for link in truth.links.tolist() if rng.random() < 0.7] if seed % 3 else random_links(rng, frame)
    unselected = np.flatnonzero(rng.random(len(frame)) < 0.15)
    links = [link for link in links if not np.isin(link, unselected).any()]
    lineage = result(truth, links, unselected)
    rows = np.where(rng.random(len(truth)) < 0.1, -1, np.arange(len(truth)))
    found = lineage.detections
    moved = Detections(found.frame, found.label, found.position + 1e3 * (rows < 0)[:, None], found.frames, found.scale)
    lineage = make_lineage(moved, lineage.selected, lineage.links)
    metrics = evaluate(lineage, truth, matcher="point", max_distance=1.0)
    matched = MatchedTruth.make(truth, match_objects(moved, truth, rule="point", max_distance=1.0))
    np.testing.assert_array_equal(matched.rows, rows)
    assert_equal(metrics, quick_score(lineage, matched))


def test_objects_that_share_a_detection():
    """0 covers both objects of frame 0: to be split (5); of its link only the division metrics make use."""
    truth = points([0, 0, 1, 1], [(0, 2), (1, 3)])
    lineage = result(truth, [(0, 2), (0, 3)], unselected=(1,))
    matching = Matching(np.array([0, 0, 2, 3]), np.array([4.0, 5.0, 1.0, 1.0]), "ctc")
    score = quick_score(lineage, MatchedTruth.make(truth, matching))
    assert (score.ns_nodes, score.fn_nodes, score.fp_nodes) == (1, 0, 0)
    assert (score.fp_edges, score.fn_edges, score.ws_edges) == (0, 2, 0)
    assert score.AOGM == 5 + 2 * 1.5
    assert (score.divisions, score.true_divisions) == (1, 0)


def test_losses_by_hand():
    """LNK = 1 - (1.5 + 1) / 7.5; the one division was missed; a lineage without any error loses nothing."""
    truth = MatchedTruth.make(DIVISION, match_objects(DIVISION.to_lineage().detections, DIVISION))
    missed = quick_score(result(DIVISION, [(0, 1), (1, 2), (2, 4), (3, 5)]), truth)
    assert missed.loss("aogm") == 2.5
    assert missed.loss("lnk") == pytest.approx(2.5 / 7.5)
    assert missed.loss("division_f1") == 1.0
    perfect = quick_score(DIVISION.to_lineage(), truth)
    assert [perfect.loss(objective) for objective in ("aogm", "lnk", "division_f1", "chota")] == [0.0] * 4


def test_division_f1_where_rightly_nothing_divides():
    truth = points([0, 1], [(0, 1)])
    matched = MatchedTruth.make(truth, match_objects(truth.to_lineage().detections, truth))
    score = quick_score(truth.to_lineage(), matched)
    assert np.isnan(score.division_f1)
    assert score.loss("division_f1") == 0.0


def test_unknown_objective_and_one_that_is_not_defined():
    truth = points([0, 1], [])
    matched = MatchedTruth.make(truth, match_objects(truth.to_lineage().detections, truth))
    score = quick_score(truth.to_lineage(), matched)
    with pytest.raises(ConfigError) as caught:
        score.loss("f1")
    assert str(caught.value) == "an objective must be one of aogm, lnk, division_f1, chota; found 'f1'"
    with pytest.raises(ConfigError) as caught:
        score.loss("lnk")
    assert str(caught.value) == (
        "the objective lnk is not defined here: the truth has no link in the frames to score. Use aogm, or other frames"
    )


def test_a_part_is_scored_as_if_it_had_been_recorded_alone():
    """Frames 0-1 and 3 are left: the links into and out of frame 2 are neither missed nor false."""
    truth = MatchedTruth.make(DIVISION, match_objects(DIVISION.to_lineage().detections, DIVISION))
    part = truth.part(np.arange(4), np.array([0, 0, -1, 1]))
    np.testing.assert_array_equal(part.rows, [0, 1, 4, 5])
    np.testing.assert_array_equal(part.lineage.links, [[0, 1]])
    perfect = result(DIVISION, [(0, 1)], unselected=(2, 3))
    assert quick_score(perfect, part).AOGM == 0.0
    assert quick_score(perfect, part).true_divisions == 0


@pytest.fixture(scope="module")
def hela() -> tuple[Truth, MatchedTruth]:
    truth = read_truth(data("Fluo-N2DL-HeLa-02-t00-19", "02_GT", "TRA"))
    return truth, MatchedTruth.make(truth, match_objects(truth.to_lineage().detections, truth, truth.masks))


@pytest.mark.data
def test_hela_has_the_scores_of_traccuracy_in_milliseconds(hela):
    pytest.importorskip("traccuracy")
    truth, matched = hela
    rng = np.random.default_rng(0)
    links = truth.links[rng.random(len(truth.links)) < 0.97]
    lineage = result(truth, links)
    assert_equal(evaluate(lineage, truth, masks=truth.masks), quick_score(lineage, matched))
    start = time.perf_counter()
    for _ in range(20):
        quick_score(lineage, matched, with_chota=False)
    assert (time.perf_counter() - start) / 20 < 0.05


@pytest.mark.data
def test_second_half_of_hela_has_the_scores_of_its_frames_alone(hela):
    pytest.importorskip("traccuracy")
    truth, matched = hela
    half = truth.select(np.arange(10, 20))
    found = truth.to_lineage()
    later = found.detections.frame >= 10
    kept = truth.links[(truth.links >= np.flatnonzero(later)[0]).all(axis=1)][::2]
    lineage = make_lineage(found.detections, later, kept)
    alone = make_lineage(half.to_lineage().detections, np.ones(len(half), bool), kept - np.flatnonzero(later)[0])
    piece = np.where(np.arange(20) >= 10, 0, -1)
    assert_equal(evaluate(alone, half, masks=half.masks), quick_score(lineage, matched.part(np.arange(20), piece)))
