"""The lineage that needs no proof: always a lineage, never cheaper than the optimum, and pinned as it must be."""

from collections import Counter

import cases  # noqa: F401  registers its cases
import numpy as np
import pinned_cases  # noqa: F401  registers its cases
import pytest
from brute_force import best, check_lineage, links_of, value_of, ways_of
from hypothesis import given
from small_movie import CASES, MODELS, PAIR, SPLIT, frames_of, movie
from strategies import examples, pinned_problems, problems

from tracker.errors import InputError
from tracker.ilp.bounds import apply_pins
from tracker.ilp.greedy import greedy
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem


def compare(problem: TrackingProblem, seen: Counter[str]) -> None:
    wanted = best(problem)
    if wanted is None:
        return
    values = greedy(problem)
    outside = (values < problem.lower) | (values > problem.upper)
    if outside.any():
        layout = problem.layout
        ends = outside[layout.appear] | outside[layout.disappear]
        assert (problem.lower[layout.detection][ends] == 1).all()  # never a detection that may be left out
        seen["given up"] += 1
        return
    check_lineage(problem, values)
    paid = value_of(problem, values)
    assert paid >= wanted[0] - 1e-9
    seen["optimal" if paid < wanted[0] + 1e-9 else "dearer"] += 1


@pytest.mark.parametrize("model", MODELS)
def test_random(model):
    seen: Counter[str] = Counter()

    @examples(150)
    @given(problem=problems(model, max_detections=6))
    def check(problem: TrackingProblem) -> None:
        compare(problem, seen)

    check()
    assert seen["optimal"] > seen["dearer"] > 10, seen
    assert not seen["given up"], seen


@pytest.mark.parametrize("model", MODELS)
def test_random_pins(model):
    """One or two pins on candidates: nearly wherever they leave a lineage at all, this one honours them."""
    seen: Counter[str] = Counter()

    @examples(200)
    @given(pinned=pinned_problems(model, max_detections=6))
    def check(pinned: tuple[TrackingProblem, PinArrays]) -> None:
        compare(apply_pins(*pinned), seen)

    check()
    assert seen["given up"] < 0.03 * seen.total(), seen
    assert seen.total() > 80, seen


@pytest.mark.parametrize("name", CASES)
def test_named_cases(name):
    case = CASES[name]()
    try:
        problem = apply_pins(case.problem, case.pins)
    except InputError:
        return
    compare(problem, Counter())


def links_found(problem):
    values = greedy(problem)
    check_lineage(problem, values)
    return links_of(ways_of(problem, values))


@pytest.mark.parametrize("model", MODELS)
def test_takes_the_best_saving_first(model):
    """The dearest mistake: 0 -> 2 saves most and leaves 1 and 3 apart, where the diagonals would be optimal."""
    problem = movie(model, frames_of(2, 2), {(0, 2): -3.0, (0, 3): -2.5, (1, 2): -2.5, (1, 3): 5.0})
    assert links_found(problem) == {(0, 2)}


@pytest.mark.parametrize("model", MODELS)
def test_needs_no_divisions_but_those_demanded(model):
    problem = movie(model, frames_of(1, 2), {(0, 1): -2.0, (0, 2): -3.0}, split=-5.0)
    assert links_found(problem) == {(0, 2)}
    pinned = apply_pins(problem, PinArrays(division=np.array([[0, 1, 2, 1]])))
    assert links_found(pinned) == {(0, 1), (0, 2)}
    pinned = apply_pins(problem, PinArrays(children=np.array([[0, 1, -1]])))
    assert links_found(pinned) == {(0, 1)}


@pytest.mark.parametrize("model", MODELS)
def test_a_kept_detection_rules_its_rivals_out(model):
    """1 and 2 are two outlines of one cell; 2 must stay, so the better link to 1 is not taken."""
    problem = movie(
        model,
        frames_of(1, 2),
        {(0, 1): -9.0, (0, 2): -1.0},
        keep=[False, False, True],
        exclusive=[[1, 2]],
    )
    assert links_found(problem) == {(0, 2)}


@pytest.mark.parametrize("model", MODELS)
def test_no_link_within_an_exclusive_set(model):
    problem = movie(model, frames_of(1, 1), {(0, 1): -9.0}, keep=False, exclusive=[[0, 1]])
    assert links_found(problem) == set()


@pytest.mark.parametrize("model", MODELS)
def test_leaves_out_what_may_not_appear(model):
    """1 may not appear, and its only parent prefers 2: 1 and its child 3 do not hold; 3 stays alone, as it is kept."""
    problem = movie(
        model,
        frames_of(1, 2, 1),
        {(0, 1): -1.0, (0, 2): -9.0, (1, 3): -5.0},
        keep=[True, False, True, True],
    )
    free = greedy(problem)
    assert free[1]
    pinned = apply_pins(problem, PinArrays(appear=np.array([[1, 0]]), link=np.array([[0, 2, 1]])))
    values = greedy(pinned)
    check_lineage(pinned, values)
    assert values[pinned.layout.detection].tolist() == [True, False, True, True]


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_ends_that_are_demanded(model):
    problem = movie(model, frames_of(1, 1, 1), {(0, 1): -9.0, (1, 2): -9.0})
    for pins in (PinArrays(disappear=np.array([[1, 1]])), PinArrays(appear=np.array([[2, 1]]))):
        assert links_found(apply_pins(problem, pins)) == {(0, 1)}
