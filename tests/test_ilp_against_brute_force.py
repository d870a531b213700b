"""The solver against brute force: same optimum, a valid lineage, an honest bound; and every case done by hand."""

from collections import Counter
from dataclasses import replace

import cases  # noqa: F401  registers its cases
import numpy as np
import pinned_cases  # noqa: F401  registers its cases
import pytest
from brute_force import best, check_lineage, links_of, value_of, ways_of
from hypothesis import given
from small_movie import CASES, PAIR, SPLIT
from strategies import PLAIN, examples, pinned_problems, problems

from tracker.errors import PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.ilp.solve import solve

# Tiny programs are put together into one block by default; with batch_rows = 1 each component is its own.
TOGETHER, APART = SolverSettings(threads=1), SolverSettings(threads=1, batch_rows=1)


def solve_or_none(problem: TrackingProblem, pins: PinArrays, settings: SolverSettings) -> Solution | None:
    try:
        return solve(apply_pins(problem, pins), settings)
    except PinConflictError:
        return None


def agree(problem: TrackingProblem, pins: PinArrays, settings: SolverSettings) -> float | None:
    """Compare solver and brute force; returns the optimum, None where both say that there is no lineage."""
    wanted = best(problem, pins)
    found = solve_or_none(problem, pins, settings)
    assert (found is None) == (wanted is None), f"brute force {wanted}, solver {found}"
    if found is None or wanted is None:
        return None
    check_lineage(apply_pins(problem, pins), found.values)
    assert found.objective == pytest.approx(wanted[0], abs=1e-6)
    assert found.objective == pytest.approx(value_of(problem, found.values), abs=1e-9)
    assert found.bound <= wanted[0] + 1e-6
    assert found.bound >= wanted[0] - 1e-6 * max(1.0, abs(wanted[0]))
    assert found.status == "optimal"
    return wanted[0]


@pytest.mark.parametrize("settings", [TOGETHER, APART], ids=["together", "apart"])
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, settings: SolverSettings) -> None:
    case = CASES[name]()
    found = solve_or_none(case.problem, case.pins, settings)
    assert (found is not None) == case.feasible
    if found is not None:
        check_lineage(case.problem, found.values)
        ways = ways_of(case.problem, found.values)
        assert links_of(ways) == case.links
        assert {row for row, way in enumerate(ways) if way == -2} == case.unselected
        assert found.objective == pytest.approx(case.objective, abs=1e-9)
        assert found.gap <= 1e-6


@pytest.mark.parametrize(("model", "count"), [(PAIR, 300), (SPLIT, 300), (PLAIN, 60)])
def test_random_problems(model: str, count: int) -> None:
    seen: Counter[str] = Counter()

    @examples(count)
    @given(problem=problems(model))
    def check(problem: TrackingProblem) -> None:
        optimum = agree(problem, PinArrays(), APART if problem.n_detections % 2 else TOGETHER)
        seen["infeasible" if optimum is None else "trivial" if optimum == 0 else "solved"] += 1

    check()
    assert seen["solved"] > 0.6 * count, seen
    assert seen["infeasible"] > 0 or model == PLAIN, seen


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_random_bounds(model: str) -> None:
    seen: Counter[bool] = Counter()

    @examples(200)
    @given(problem=problems(model, max_detections=6, bounded=True))
    def check(problem: TrackingProblem) -> None:
        seen[agree(problem, PinArrays(), TOGETHER) is None] += 1

    check()
    assert min(seen.values()) > 20, seen


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_random_pins(model: str) -> None:
    seen: Counter[str] = Counter()

    @examples(300)
    @given(pinned=pinned_problems(model, max_detections=6))
    def check(pinned: tuple[TrackingProblem, PinArrays]) -> None:
        problem, pins = pinned
        free = best(problem)
        optimum = agree(problem, pins, TOGETHER)
        if free is not None:
            rejects = any(not value for _, value in pins.detection)  # may save what keeping a detection costs
            assert optimum is None or rejects or optimum >= free[0] - 1e-9
            changed = optimum is not None and abs(optimum - free[0]) > 1e-9
            seen["conflict" if optimum is None else "changed" if changed else "same"] += 1

    check()
    # A test of pins that change nothing would prove nothing.
    assert seen["changed"] > 50, seen
    assert seen["conflict"] > 20, seen
    assert seen["same"] > 20, seen


def with_rewards(problem: TrackingProblem) -> TrackingProblem:
    """Rewards for appearing, leaving and dividing."""
    cost, layout = problem.cost.copy(), problem.layout
    for family in (layout.appear, layout.disappear, layout.division, layout.splits):
        cost[family] = -np.abs(cost[family]) - 1
    return replace(problem, cost=cost)


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_rewarded_columns_are_on_only_where_their_names_are_true(model: str) -> None:
    @examples(100)
    @given(problem=problems(model, max_detections=6).map(with_rewards))
    def check(problem: TrackingProblem) -> None:
        agree(problem, PinArrays(), TOGETHER)

    check()


def test_scip_agrees() -> None:
    @examples(40)
    @given(pinned=pinned_problems(PAIR, max_detections=5))
    def check(pinned: tuple[TrackingProblem, PinArrays]) -> None:
        agree(*pinned, SolverSettings(backend="scip", threads=1))

    check()
