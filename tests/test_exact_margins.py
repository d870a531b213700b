"""Exact margins equal brute force on tiny problems, and two full solves on larger ones."""

from collections import Counter

import numpy as np
import pytest
from brute_force import ways_of
from hypothesis import given
from small_movie import MODELS
from strategies import examples, problems
from test_margins import exact_margins as brute_force_margins
from test_solve import crowd

from tracker.errors import PinConflictError
from tracker.exact_margins import exact_margins
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.resolve import ConflictError, Resolver
from tracker.ilp.solve import solve

SETTINGS = SolverSettings(threads=1)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_equal_brute_force(model, bounded):
    seen: Counter[str] = Counter()

    @examples(120)
    @given(problem=problems(model, max_detections=6, bounded=bounded))
    def check(problem: TrackingProblem) -> None:
        try:
            solution = solve(problem, SETTINGS)
        except PinConflictError:
            return
        found = exact_margins(problem, solution.values, SETTINGS)
        wanted = brute_force_margins(problem, ways_of(problem, solution.values))
        for side in ("out", "into"):
            np.testing.assert_allclose(getattr(found, side), getattr(wanted, side), atol=1e-6)
            seen.update(
                "inf" if np.isinf(margin) else "positive" if margin > 1e-6 else "zero"
                for margin in getattr(wanted, side)
            )

    check()
    assert min(seen["inf"], seen["positive"], seen["zero"]) > 30, seen


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_equal_two_full_solves(split, keep):
    problem = crowd(3, n_frames=6, per_frame=25, keep=keep, split=split)
    solution = solve(problem)
    margins = exact_margins(problem, solution.values)
    layout = problem.layout
    for row in np.random.default_rng(0).choice(np.flatnonzero(solution.values[layout.appear]), 5):
        upper = problem.upper.copy()
        upper[layout.appear.start + row] = 0
        try:
            dearer = solve(problem.with_bounds(problem.lower, upper)).objective - solution.objective
        except PinConflictError:
            dearer = np.inf
        assert margins.into[row] == pytest.approx(dearer, abs=1e-6)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_resolving_follows_cold_solves(split, keep):
    """Random bounds set and taken back; rejecting a kept detection changes the constants of two blocks."""
    problem = crowd(5, n_frames=5, per_frame=20, keep=keep, split=split)
    resolver = Resolver(problem)
    rng = np.random.default_rng(1)
    lower, upper = problem.lower.copy(), problem.upper.copy()
    conflicts = changes = 0
    for _ in range(60):
        before = lower.copy(), upper.copy()
        if rng.random() < 0.3:
            columns = rng.integers(0, len(lower), 40)
            lower[columns], upper[columns] = problem.lower[columns], problem.upper[columns]
        else:
            column = rng.integers(0, len(lower))
            if rng.random() < 0.7:
                lower[column] = upper[column] = 0
            else:
                column = rng.choice(np.flatnonzero(~resolver.values))
                lower[column] = upper[column] = 1
        objective = resolver.objective
        try:
            cold = solve(problem.with_bounds(lower, upper)).objective
        except PinConflictError:
            with pytest.raises(ConflictError):
                resolver.rebind(np.arange(len(lower)), lower, upper)
            conflicts += 1
            assert resolver.objective == objective
            lower, upper = before
            continue
        resolver.rebind(np.arange(len(lower)), lower, upper)
        assert resolver.objective == pytest.approx(cold, abs=1e-6)
        assert resolver.bound == pytest.approx(cold, abs=1e-6)
        assert problem.cost @ resolver.values == pytest.approx(cold, abs=1e-6)
        changes += abs(cold - objective) > 1e-6
    assert changes > 5
    assert conflicts > 0 or not keep
