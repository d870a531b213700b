"""Bounds of columns as numbers that a store keeps: what people pinned, and which detections are kept.

Of a detection: one number, two bits for each of x, a, d, s: its lower bound, its upper bound. Of a link or division:
FREE, MUST or NEVER. So a region carries its bounds, and nobody needs to look at pins again.
"""

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.problem import TrackingProblem

BOUNDS = "bounds"
SPLIT_COST = "split_cost"
FREE, MUST, NEVER = 0.0, 1.0, -1.0


def encode_detections(problem: TrackingProblem) -> NDArray[np.float64]:
    """(N,) the bounds of x, a, d and s as one number each."""
    code = np.zeros(problem.n_detections, np.int64)
    for place, family in enumerate(_families(problem)):
        code |= problem.lower[family].astype(np.int64) << (2 * place)
        code |= problem.upper[family].astype(np.int64) << (2 * place + 1)
    return code.astype(np.float64)


def encode_candidates(problem: TrackingProblem, family: slice) -> NDArray[np.float64]:
    """(K,) the bounds of links or divisions."""
    lower, upper = problem.lower[family], problem.upper[family]
    return np.where(upper == 0, NEVER, np.where(lower == 1, MUST, FREE))


def with_bounds(
    problem: TrackingProblem,
    detections: NDArray[np.float64],
    links: NDArray[np.float64],
    divisions: NDArray[np.float64],
) -> TrackingProblem:
    """The problem under bounds that were encoded."""
    layout = problem.layout
    lower, upper = np.zeros(layout.n_columns, np.int8), np.ones(layout.n_columns, np.int8)
    code = detections.astype(np.int64)
    for place, family in enumerate(_families(problem)):
        lower[family], upper[family] = (code >> (2 * place)) & 1, (code >> (2 * place + 1)) & 1
    for family, bound in ((layout.link, links), (layout.division, divisions)):
        lower[family], upper[family] = bound == MUST, bound != NEVER
    return problem.with_bounds(lower, upper)


def _families(problem: TrackingProblem) -> list[slice]:
    layout = problem.layout
    return [layout.detection, layout.appear, layout.disappear, *([layout.splits] if problem.split else [])]
