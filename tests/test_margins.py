"""Margins against brute force: never above the exact margin, infinite only where there is no other way, often tight."""

from collections import Counter

import numpy as np
import pytest
from brute_force import UNSELECTED, Ways, children_of, lineages, ways_of
from hypothesis import given
from small_movie import MODELS, PAIR, SPLIT, frames_of, movie
from strategies import examples, pinned_problems, problems

from tracker.errors import PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.ilp.solve import solve
from tracker.margins import Margins, bound_margins

TOGETHER, APART = SolverSettings(threads=1), SolverSettings(threads=1, batch_rows=1)


def ways_out(ways: Ways) -> list[object]:
    """What each detection does next: None (not selected), or its children."""
    return [None if way == UNSELECTED else has for way, has in zip(ways, children_of(ways), strict=True)]


def ways_in(problem: TrackingProblem, ways: Ways) -> list[object]:
    """Where each detection comes from: its parent; in model A a division with another sibling is another way."""
    children = children_of(ways)
    return [way if way < 0 or problem.split else (way, children[way]) for way in ways]


def exact_margins(problem: TrackingProblem, best: Ways) -> Margins:
    """Optimum with the chosen way forbidden (or the unselected detection forced in) minus the optimum."""
    known = list(lineages(problem))
    optimum = min(known)[0]
    sides = []
    for way_of in (ways_out, lambda ways: ways_in(problem, ways)):
        chosen, margin = way_of(best), np.full(problem.n_detections, np.inf)
        for paid, ways in known:
            for row, way in enumerate(way_of(ways)):
                if way != chosen[row]:
                    margin[row] = min(margin[row], paid - optimum)
        sides.append(margin)
    return Margins(*sides)


def compare(problem: TrackingProblem, settings: SolverSettings, seen: Counter[str]) -> None:
    try:
        solution = solve(problem, settings)
    except PinConflictError:
        return
    found, wanted = bound_margins(problem, solution), exact_margins(problem, ways_of(problem, solution.values))
    for side in ("out", "into"):
        bound, exact = getattr(found, side), getattr(wanted, side)
        assert bound.shape == (problem.n_detections,)
        assert (bound >= 0).all()
        over = np.flatnonzero(bound > exact + 1e-6)
        assert not len(over), f"{side} of {over}: bounds {bound[over]} above {exact[over]}"
        integral = "integral" if solution.proof == "integral LP" else "fractional"
        for one, other in zip(bound, exact, strict=True):
            kind = "inf" if np.isinf(other) else "zero" if other < 1e-9 else "positive"
            tight = np.isinf(one) if np.isinf(other) else one > other - 1e-6
            seen[f"{integral} {kind} {'tight' if tight else 'loose'}"] += 1


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_random(model, bounded):
    seen: Counter[str] = Counter()

    @examples(300)
    @given(problem=problems(model, max_detections=6, bounded=bounded))
    def check(problem: TrackingProblem) -> None:
        compare(problem, APART if problem.n_detections % 2 else TOGETHER, seen)

    check()
    for k in sorted(seen): print(k, seen[k])
    assert 0
