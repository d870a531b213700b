"""Margins against brute force: never above the exact margin, infinite where there is no other way, often tight."""

from collections import Counter

import numpy as np
import pytest
from brute_force import UNSELECTED, Ways, children_of, lineages, ways_of
from hypothesis import given
from small_movie import MODELS, PAIR, SPLIT, frames_of, movie
from strategies import examples, problems

from tracker.errors import PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.ilp.solve import solve
from tracker.margins import Margins, bound_margins

TOGETHER, APART = SolverSettings(threads=1), SolverSettings(threads=1, batch_rows=1)
INF = np.inf


def ways_out(problem: TrackingProblem, ways: Ways) -> list[object]:
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
    for way_of in (ways_out, ways_in):
        chosen, margin = way_of(problem, best), np.full(problem.n_detections, INF)
        for paid, ways in known:
            for row, way in enumerate(way_of(problem, ways)):
                if way != chosen[row]:
                    margin[row] = min(margin[row], paid - optimum)
        sides.append(margin)
    return Margins(*sides)


def compare(problem: TrackingProblem, settings: SolverSettings) -> Counter[str]:
    """Check every bound; how many are tight, by the kind of the exact margin."""
    seen: Counter[str] = Counter()
    try:
        solution = solve(problem, settings)
    except PinConflictError:
        return seen
    found, wanted = bound_margins(problem, solution), exact_margins(problem, ways_of(problem, solution.values))
    for side in ("out", "into"):
        bounds, exacts = getattr(found, side), getattr(wanted, side)
        assert bounds.shape == (problem.n_detections,)
        assert (bounds >= 0).all()
        over = np.flatnonzero(bounds > exacts + 1e-6)
        assert not len(over), f"{side} of {over}: bounds {bounds[over]} above {exacts[over]}"
        for bound, exact in zip(bounds, exacts, strict=True):
            kind = "inf" if np.isinf(exact) else "positive" if exact > 1e-6 else "zero"
            if kind != "zero":
                proof = "integral" if solution.proof == "integral LP" else "fractional"
                seen[f"{proof} {kind} {'tight' if bound >= exact - 1e-6 else 'loose'}"] += 1
    return seen


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_random(model, bounded):
    seen: Counter[str] = Counter()
    rare = model == SPLIT and not bounded  # where programs with a fractional relaxation are wanted, and they are few

    @examples(400 if rare else 120)
    @given(problem=problems(model, max_detections=6, bounded=bounded))
    def check(problem: TrackingProblem) -> None:
        seen.update(compare(problem, APART if problem.n_detections % 2 else TOGETHER))

    check()
    assert seen["integral positive tight"] > max(50, 0.5 * seen["integral positive loose"]), seen
    assert seen["integral inf tight"] > seen["integral inf loose"], seen
    if rare:
        assert seen["fractional positive tight"] > max(20, 0.2 * seen["fractional positive loose"]), seen


def margins_of(problem: TrackingProblem) -> Margins:
    return bound_margins(problem, solve(problem, TOGETHER))


@pytest.mark.parametrize("model", MODELS)
def test_straight_chain_by_hand(model):
    """0 --(-2)-- 1 --(-3)-- 2, kept. Without a link its ends pay 1 + 1: 4 and 5. The ends have no other way."""
    problem = movie(model, frames_of(1, 1, 1), {(0, 1): -2.0, (1, 2): -3.0})
    found = margins_of(problem)
    np.testing.assert_allclose(found.out, [4.0, 5.0, INF])
    np.testing.assert_allclose(found.into, [INF, 4.0, 5.0])


@pytest.mark.parametrize("model", MODELS)
def test_division_by_hand(model):
    """0 --(-1)-- 1 and 2, kept, split 0.5: -1.5. With one child: -1 and a founder at 1, 0 in all: 1.5 more."""
    problem = movie(model, frames_of(1, 2), {(0, 1): -1.0, (0, 2): -1.0}, split=0.5)
    exact = exact_margins(problem, (-1, 0, 0))
    np.testing.assert_allclose(exact.out, [1.5, INF, INF])
    np.testing.assert_allclose(exact.into, [INF, 1.5, 1.5])
    found = margins_of(problem)
    assert (found.out <= exact.out + 1e-6).all()
    assert (found.into <= exact.into + 1e-6).all()
    assert np.isinf(found.out[1:]).all()


@pytest.mark.parametrize("model", MODELS)
def test_unselected_says_what_forcing_it_in_would_cost(model):
    """A lone detection costs 0.25 by itself and 1 + 1 at its ends: 2.25 to force it in."""
    problem = movie(model, frames_of(1, 1, 1), {}, detection=[0.0, 0.25, 0.0], keep=[True, False, True])
    found = margins_of(problem)
    np.testing.assert_allclose(found.out, [INF, 2.25, INF])
    np.testing.assert_allclose(found.into, [INF, 2.25, INF])


@pytest.mark.parametrize("model", MODELS)
def test_a_pinned_way_has_no_alternative(model):
    problem = movie(model, frames_of(1, 2), {(0, 1): 1.0, (0, 2): 2.0})
    free = margins_of(problem)
    assert free.out[0] < INF
    for pins in (PinArrays(children=np.array([[0, 2, -1]])), PinArrays(disappear=np.array([[0, 1]]))):
        assert margins_of(apply_pins(problem, pins)).out[0] == INF
    lower = problem.lower.copy()
    lower[problem.layout.appear.start + 2] = 1
    assert margins_of(problem.with_bounds(lower, problem.upper)).into[2] == INF


def test_a_pinned_division_has_no_alternative():
    problem = movie(PAIR, frames_of(1, 2), {(0, 1): -1.0, (0, 2): -1.0}, split=0.5)
    found = margins_of(apply_pins(problem, PinArrays(division=np.array([[0, 1, 2, 1]]))))
    assert np.isinf(found.out).all()
    assert np.isinf(found.into).all()


def test_unknown_where_the_backend_gives_no_multipliers():
    problem = movie(PAIR, frames_of(1, 1), {(0, 1): -2.0})
    found = bound_margins(problem, solve(problem, SolverSettings(backend="scip", threads=1)))
    assert np.isnan(found.out).all()
    assert np.isnan(found.into).all()


@pytest.mark.parametrize("model", MODELS)
def test_no_detections(model):
    found = margins_of(movie(model, [], {}, appear=[], disappear=[]))
    assert found.out.shape == found.into.shape == (0,)


def test_a_left_out_link_may_join_two_parts_that_were_solved_apart():
    """0 leaves for free, which also rules its link to 2 out; that link would mend the odd row around 2."""
    problem = make_problem(
        3,
        np.array([[0, 2], [1, 2]]),
        None,
        link_cost=np.zeros(2),
        appear_cost=np.array([-0.25, 0.0, 0.0]),
        disappear_cost=0.0,
        split_cost=np.array([0.0, -0.25, 0.0]),
    )
    solution = solve(problem, APART)
    exact = exact_margins(problem, ways_of(problem, solution.values))
    assert exact.out[0] == 0.0
    assert bound_margins(problem, solution).out[0] == pytest.approx(0.0, abs=1e-6)
