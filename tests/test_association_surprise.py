"""The feature association_surprise: scores on the scale of a log-likelihood."""

import numpy as np
import pytest

from tracker.candidates import CandidateGraph, build_candidates
from tracker.detections import Detections
from tracker.errors import ConfigError, FeatureError
from tracker.features import compute_feature
from tracker.features.context import FeatureContext


def graph() -> CandidateGraph:
    """A parent and two that could be its children."""
    place = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 4.0]])
    made = build_candidates(Detections(np.array([0, 1, 1]), np.array([1, 1, 2]), place, np.arange(2), np.ones(2)))
    assert made.links.tolist() == [[0, 1], [0, 2]]
    assert made.divisions.tolist() == [[0, 1, 2]]
    return made


def surprise(family, *score) -> list[float]:
    column = compute_feature(FeatureContext(graph(), association=np.array(score)), family, "association_surprise")
    assert column.dtype == np.float64
    return column.tolist()


CERTAIN, NONE = -np.log(1.01), -np.log(0.01)
CASES = {
    "certain": (1.0, CERTAIN),
    "none given": (0.0, NONE),
    "even": (0.5, -np.log(0.51)),
    "a geff's below zero counts as none": (-3.0, NONE),
    "a geff's vote above one is a reward": (9.99, -np.log(10)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_link(name):
    score, wanted = CASES[name]
    assert surprise("link", score, 1.0) == pytest.approx([wanted, CERTAIN])


def test_the_numbers_that_are_told():
    assert surprise("link", 0.0, 1.0) == pytest.approx([4.6, 0.0], abs=0.01)


def test_lower_is_better():
    found = [surprise("link", score, 0)[0] for score in np.linspace(0, 1, 11)]
    assert np.all(np.diff(found) < 0)


def test_a_division_is_the_mean_of_its_links():
    assert surprise("division", 0.5, 0.25) == pytest.approx([-(np.log(0.51) + np.log(0.26)) / 2])
    assert surprise("division", 1.0, 0.0) == pytest.approx([(CERTAIN + NONE) / 2])


def test_it_is_said_which_feature_needs_scores():
    for family in ("link", "division"):
        with pytest.raises(FeatureError) as error:
            compute_feature(FeatureContext(graph()), family, "association_surprise")
        assert str(error.value) == (
            "feature 'association_surprise' needs scores; give associations.model, associations.path or "
            "associations.geff"
        )


def test_detections_have_none():
    with pytest.raises(ConfigError, match=r"^unknown detection feature 'association_surprise'; it exists on links\."):
        compute_feature(FeatureContext(graph(), association=np.zeros(2)), "detection", "association_surprise")
