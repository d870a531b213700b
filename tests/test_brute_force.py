"""The referee itself: against the cases done by hand, and against the rows of the model, vector by vector."""

from dataclasses import replace

import cases  # noqa: F401  registers its cases
import numpy as np
import pinned_cases  # noqa: F401  registers its cases
import pytest
from brute_force import best, check_lineage, columns_of, lineages, links_of, value_of
from hypothesis import given
from numpy.typing import NDArray
from small_movie import CASES, PAIR, SPLIT, frames_of, movie
from strategies import examples, problems

from tracker.ilp.problem import TrackingProblem


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]()
    found = best(case.problem, case.pins)
    if not case.feasible:
        assert found is None
        return
    assert found is not None
    objective, ways = found
    assert objective == pytest.approx(case.objective, abs=1e-12)
    assert links_of(ways) == case.links
    assert {row for row, way in enumerate(ways) if way == -2} == case.unselected
    values = columns_of(case.problem, ways)
    check_lineage(case.problem, values)
    assert value_of(case.problem, values) == pytest.approx(case.objective, abs=1e-12)


def test_the_best_answer_of_every_case_is_the_only_one() -> None:
    for name, build in CASES.items():
        case = build()
        prices = sorted(price for price, _ in lineages(case.problem, case.pins))
        assert len(prices) < 2 or prices[1] - prices[0] > 1e-9, name


def feasible_vectors(problem: TrackingProblem) -> NDArray[np.bool_]:
    """(K, columns) every binary vector that satisfies the rows of the model, written here once more, densely."""
    layout, n = problem.layout, problem.n_detections
    every = (np.arange(2**layout.n_columns)[:, None] >> np.arange(layout.n_columns)) & 1
    x, e, h = every[:, layout.detection], every[:, layout.link], every[:, layout.division]
    a, d = every[:, layout.appear], every[:, layout.disappear]
    s = every[:, layout.splits] if problem.split else np.zeros_like(x)
    ok = ((every >= problem.lower) & (every <= problem.upper)).all(axis=1)
    for v in range(n):
        born_here, divides = (problem.divisions[:, 1:] == v).any(axis=1), problem.divisions[:, 0] == v
        into = e[:, problem.links[:, 1] == v].sum(axis=1) + h[:, born_here].sum(axis=1)
        out = e[:, problem.links[:, 0] == v].sum(axis=1) + h[:, divides].sum(axis=1)
        ok &= (a[:, v] + into == x[:, v]) & (d[:, v] + out == x[:, v] + s[:, v])
        ok &= d[:, v] + s[:, v] <= x[:, v]
    for members in problem.exclusive_sets:
        ok &= x[:, members].sum(axis=1) <= 1
    for pair in problem.forbidden_pairs:
        ok &= e[:, pair].sum(axis=1) <= 1
    return every[ok].astype(bool)


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_the_lineages_are_exactly_the_vectors_that_satisfy_the_rows(model: str) -> None:
    sizes = []

    @examples(150)
    @given(problem=problems(model, max_detections=4, max_links=4, max_divisions=3, bounded=True))
    def check(problem: TrackingProblem) -> None:
        if problem.layout.n_columns > 16:
            return
        found = {columns_of(problem, ways).tobytes(): price for price, ways in lineages(problem)}
        wanted = {row.tobytes(): value_of(problem, row) for row in feasible_vectors(problem)}
        assert found.keys() == wanted.keys()
        assert all(found[row] == pytest.approx(wanted[row], abs=1e-9) for row in wanted)
        sizes.append(len(wanted))

    check()
    assert len(sizes) > 30
    assert max(sizes) >= 8
    assert 0 in sizes


BROKEN = {
    # what else is switched on (or off) beside the link 0 -> 2 of a valid lineage
    "two parents": ("link", 2, "detection 2 has two parents, 0 and 1"),
    "no division column": ("link", 1, r"detection 0 divides into \(2, 3\), which is no division column"),
    "appears with a parent": ("appear", 2, r"columns \[10\] are not what their names say"),
    "leaves with a child": ("disappear", 0, r"columns \[12\] are not what their names say"),
    "unselected parent": ("detection", 0, "the parent 0 of 2 is not selected"),
    "unselected child": ("detection", 2, "the child 2 of 0 is not selected"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_check_lineage_refuses(name: str) -> None:
    family, place, message = BROKEN[name]
    problem = movie(PAIR, frames_of(2, 2), {(0, 2): 0.0, (0, 3): 0.0, (1, 2): 0.0, (1, 3): 0.0}, divisions={})
    values = columns_of(problem, (-1, -1, 0, -1))
    check_lineage(problem, values)
    values[getattr(problem.layout, family).start + place] ^= True
    with pytest.raises(AssertionError, match=message):
        check_lineage(problem, values)


def test_check_lineage_refuses_what_the_problem_forbids() -> None:
    problem = movie(SPLIT, frames_of(1, 2), {(0, 1): 0.0, (0, 2): 0.0}, forbidden=[(0, 1)])
    values = columns_of(problem, (-1, 0, 0))
    with pytest.raises(AssertionError, match="a forbidden pair of links is selected"):
        check_lineage(problem, values)
    problem = movie(SPLIT, frames_of(1, 2), {(0, 1): 0.0, (0, 2): 0.0}, exclusive=[[1, 2]])
    with pytest.raises(AssertionError, match=r"the exclusive set \[1 2\] holds more than one selected detection"):
        check_lineage(problem, values)
    problem = movie(SPLIT, frames_of(1, 2), {(0, 1): 0.0, (0, 2): 0.0})
    upper = problem.upper.copy()
    upper[problem.layout.splits.start] = 0
    with pytest.raises(AssertionError, match=r"columns \[11\] are outside their bounds"):
        check_lineage(replace(problem, upper=upper), values)
