"""A linear probe: which direction in the space of embeddings tells a few known detections from a few others."""

import numpy as np
from numpy.typing import NDArray

_ITERATIONS, _HALVINGS, _DONE = 100, 30, 1e-9


def linear_probe(
    vector: NDArray[np.floating],
    rows: NDArray[np.int64],
    positive: NDArray[np.bool_],
    *,
    penalty: float = 1.0,
) -> NDArray[np.float64]:
    """How much more likely each vector is under the positive examples than under the negative ones: (N,), in nats.

        s_i = w z_i + b - log(n_+ / n_-)

    with z the vectors at mean 0 and deviation 1 over all N (channels without spread count nothing), and w, b of the
    logistic regression  sum over examples of log(1 + exp(-y (w z + b))) + penalty |w|^2 / 2,  y = +1 and -1. The last
    term takes back that the examples are of n_+ and n_-, which says nothing of how frequent they are.
    vector: (N, C).   rows: (K,) of the examples.   positive: (K,), some of either kind.   penalty: > 0.
    """
    values = np.asarray(vector, np.float64)
    spread = values.std(axis=0)
    known = spread > 1e-9 * np.maximum(np.abs(values).max(axis=0), 1e-30)
    scaled = (values[:, known] - values[:, known].mean(axis=0)) / spread[known]
    z = np.column_stack([scaled, np.ones(len(values))])
    weights = _logistic(z[rows], np.where(positive, 1.0, -1.0), penalty)
    count = int(np.count_nonzero(positive))
    return np.asarray(z @ weights - np.log(count / (len(rows) - count)))


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """(C + 1,) weights by Newton's method with halved steps; the last, the constant, is not penalised."""
    held = np.full(x.shape[1], penalty)
    held[-1] = 0.0

    def cost(weights: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -y * (x @ weights)).sum() + 0.5 * (held * weights**2).sum())

    weights = np.zeros(x.shape[1])
    now = cost(weights)
    for _ in range(_ITERATIONS):
        wrong = np.exp(-np.logaddexp(0.0, y * (x @ weights)))  # how likely each label is not
        slope = held * weights - x.T @ (y * wrong)
        curve = (x.T * (wrong * (1 - wrong))) @ x + np.diag(held)
        curve[-1, -1] += 1e-12
        step = np.linalg.solve(curve, slope)
        size = 1.0
        for _ in range(_HALVINGS):
            then = cost(weights - size * step)
            if then < now:
                break
            size /= 2
        else:
            return weights
        weights, before, now = weights - size * step, now, then
        if before - now < _DONE * max(now, 1.0):
            return weights
    return weights
