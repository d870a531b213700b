"""The linear probe: from a few examples to a log-likelihood ratio of all."""

import numpy as np
import pytest
from scipy.optimize import minimize

from embeddings.inference.linear_probe import linear_probe


def clouds(count: int = 4000, seed: int = 0):
    """Gaussian clouds of variance 1, a fifth of the points in the one at (2, 0), the others around 0."""
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.2
    return rng.normal(size=(count, 2)) + np.where(positive[:, None], [2.0, 0.0], [0.0, 0.0]), positive


def test_it_is_the_log_likelihood_ratio_of_two_clouds():
    """log N(x; mu, 1) - log N(x; 0, 1) = x mu - mu^2 / 2, whatever the shares of the examples are."""
    vector, positive = clouds()
    wanted = 2.0 * vector[:, 0] - 2.0
    every = np.flatnonzero(positive)
    for rows in (np.arange(len(vector)), np.concatenate([every[:200], np.flatnonzero(~positive)[:200]])):
        found = linear_probe(vector, rows, positive[rows], penalty=1e-3)
        assert np.abs(found - wanted).mean() < 0.35
        assert np.corrcoef(found, wanted)[0, 1] > 0.98


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_it_is_the_minimum_of_its_formula(penalty):
    vector, positive = clouds(60, 3)
    vector = np.column_stack([vector * [1.0, 40.0] + [5.0, -300.0], np.full(60, 7.0)])  # a channel without spread
    rows = np.array([0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 40, 41])
    y = np.where(positive[rows], 1.0, -1.0)
    assert 0 < (y > 0).sum() < len(y)
    z = (vector[:, :2] - vector[:, :2].mean(axis=0)) / vector[:, :2].std(axis=0)

    def cost(weights):
        terms = [np.log1p(np.exp(-y[k] * (z[row] @ weights[:2] + weights[2]))) for k, row in enumerate(rows)]
        return sum(terms) + penalty * (weights[:2] ** 2).sum() / 2

    best = minimize(cost, np.zeros(3), tol=1e-12).x
    count = (y > 0).sum()
    wanted = z @ best[:2] + best[2] - np.log(count / (len(y) - count))
    np.testing.assert_allclose(linear_probe(vector, rows, positive[rows], penalty=penalty), wanted, atol=1e-4)


def test_examples_that_a_plane_parts_give_finite_scores():
    vector = np.array([[-2.0], [-1.0], [1.0], [2.0], [0.0]])
    score = linear_probe(vector, np.arange(4), np.array([False, False, True, True]))
    assert np.all(np.diff(score[[0, 1, 4, 2, 3]]) > 0)
    assert abs(score[4]) < 1e-9


def test_a_scale_of_the_vectors_does_not_matter():
    vector, positive = clouds(50)
    rows = np.arange(20)
    found = linear_probe(vector, rows, positive[rows])
    np.testing.assert_allclose(linear_probe(1e-6 * vector - 3.0, rows, positive[rows]), found, rtol=1e-4, atol=1e-6)


def test_more_channels_than_examples():
    rng = np.random.default_rng(2)
    vector = rng.normal(size=(300, 64))
    positive = vector[:, 5] > 1.0
    rows = np.concatenate([np.flatnonzero(positive)[:20], np.flatnonzero(~positive)[:40]])
    score = linear_probe(vector.astype(np.float32), rows, positive[rows])
    others = np.setdiff1d(np.arange(300), rows)
    assert score[others][positive[others]].mean() > score[others][~positive[others]].mean() + 1.0
