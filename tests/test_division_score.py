"""The features division_score and division_surprise: how much a parent looks like dividing."""

import numpy as np
import pytest

from embeddings.table import DetectionScores
from tracker.candidates import build_candidates
from tracker.detections import Detections
from tracker.errors import FeatureError, InputError
from tracker.features import compute_feature
from tracker.features.context import FeatureContext
from tracker.scores import load_division_scores


def detections() -> Detections:
    """Two cells, then four, then two: 0:1 .. 2:2."""
    frame = np.array([0, 0, 1, 1, 1, 1, 2, 2])
    label = np.array([1, 2, 1, 2, 3, 4, 1, 2])
    return Detections(frame, label, np.column_stack([label, 0 * label]).astype(float), np.arange(3), np.ones(2))


SCORE = np.array([0.5, 9.0, 0.5, 2.0, 0.0, 0.5, 3.0, -1.0])


def column(name: str, score: np.ndarray) -> dict[int, float]:
    """What every parent costs, the same in each of its divisions."""
    graph = build_candidates(detections())
    found = compute_feature(FeatureContext(graph, division_score=score), "division", name)
    assert len(found) == len(graph.divisions) > 8
    each = {}
    for parent, value in zip(graph.divisions[:, 0].tolist(), found.tolist(), strict=True):
        assert each.setdefault(parent, value) == value
    return each


def test_the_score_is_that_of_the_parent():
    assert column("division_score", SCORE) == {row: SCORE[row] for row in range(6)}


def test_the_surprise_counts_who_scores_as_high():
    """By a loop over all detections; it stays what it is where scores are put on another scale."""
    wanted = {row: 1 + np.log(sum(other >= SCORE[row] for other in SCORE) / 8) for row in range(6)}
    assert column("division_surprise", SCORE) == pytest.approx(wanted)
    assert wanted[1] == pytest.approx(1 - np.log(8))
    assert column("division_surprise", np.exp(SCORE)) == pytest.approx(wanted)


def test_equal_scores_say_nothing():
    assert set(column("division_surprise", np.full(8, 3.0)).values()) == {1.0}


def test_the_mean_over_many_is_about_0():
    """All 200 cells of a frame may divide; those of the next, which cannot, score the same."""
    n = 200
    place = np.tile(np.column_stack([np.arange(n), np.zeros(n)]), (2, 1))
    found = Detections(np.repeat([0, 1], n), np.tile(np.arange(1, n + 1), 2), place, np.arange(2), np.ones(2))
    graph = build_candidates(found)
    score = np.tile(np.random.default_rng(0).permutation(n), 2).astype(float)
    surprise = compute_feature(FeatureContext(graph, division_score=score), "division", "division_surprise")
    parents, first = np.unique(graph.divisions[:, 0], return_index=True)
    assert parents.tolist() == list(range(n))
    assert surprise[first].mean() == pytest.approx(1 + np.log(np.arange(1, n + 1) / n).mean())
    assert abs(surprise[first].mean()) < 0.02


@pytest.mark.parametrize("name", ["division_score", "division_surprise"])
def test_without_scores(name):
    with pytest.raises(FeatureError) as error:
        compute_feature(FeatureContext(build_candidates(detections())), "division", name)
    assert str(error.value) == (
        f"feature {name!r} needs scores of detections; give division_scores.model or division_scores.path"
    )


# ---- the file


def saved(path, rows):
    found = detections()
    key = np.column_stack([found.frame, found.label])[rows]
    DetectionScores(key, SCORE[rows].astype(np.float32), "mine").save(path)
    return path


def test_scores_of_a_file_are_laid_on_the_detections(tmp_path):
    rows = np.random.default_rng(0).permutation(8)
    assert load_division_scores(saved(tmp_path / "a.npz", rows), detections()).tolist() == SCORE.tolist()


def test_detections_without_a_score(tmp_path):
    path = saved(tmp_path / "a.npz", np.array([0, 1, 2, 4, 5, 6]))
    with pytest.raises(InputError) as error:
        load_division_scores(path, detections())
    assert str(error.value) == (
        f"{path} must hold a finite score for every detection; none for frame:label 1:2, 2:2. Score this movie again"
    )


def test_a_file_that_there_is_not(tmp_path):
    with pytest.raises(InputError, match=r"^division_scores\.path: .*a\.npz does not exist$"):
        load_division_scores(tmp_path / "a.npz", detections())
