"""Motile finds the same optimum, wherever its indicators mean what they say."""

from dataclasses import replace

import cases  # noqa: F401  registers its cases
import ilpy
import numpy as np
import pinned_cases  # noqa: F401  registers its cases
import pytest
from brute_force import best, check_lineage, links_of, value_of, ways_of
from hypothesis import given
from motile.costs import NodeAppearCost
from small_movie import CASES, PAIR, SPLIT, frames_of, movie
from strategies import PLAIN, examples, frames_of_problem, problems

from tracker.errors import InputError, NoSolutionError, PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.ilp.solve import solve
from tracker.motile.referee import from_motile, solve_with_motile, to_motile

REWARDED = {name for name in CASES if name.startswith("negative_")}


@pytest.mark.parametrize("name", sorted(CASES.keys() - REWARDED))
def test_case(name: str) -> None:
    case = CASES[name]()
    problem = apply_pins(case.problem, case.pins)
    if not case.feasible:
        with pytest.raises(PinConflictError, match="motile found no lineage that satisfies the pins"):
            solve_with_motile(problem, case.frames)
        return
    values = solve_with_motile(problem, case.frames)
    check_lineage(problem, values)
    assert links_of(ways_of(problem, values)) == case.links
    assert value_of(problem, values) == pytest.approx(case.objective, abs=1e-5)


@pytest.mark.parametrize("model", [PAIR, SPLIT, PLAIN])
def test_random_problems(model: str) -> None:
    feasible = []

    @examples(40)
    @given(problem=problems(model, max_detections=6, bounded=True, free_ends_at_least=0))
    def check(problem: TrackingProblem) -> None:
        wanted = best(problem)
        feasible.append(wanted is not None)
        if wanted is None:
            with pytest.raises(PinConflictError):
                solve_with_motile(problem, frames_of_problem(problem))
            return
        values = solve_with_motile(problem, frames_of_problem(problem))
        check_lineage(problem, values)
        assert value_of(problem, values) == pytest.approx(wanted[0], abs=1e-4)

    check()
    assert feasible.count(True) > 8
    assert feasible.count(False) > 2


def simulated(model: str) -> tuple[TrackingProblem, np.ndarray]:
    """Cells that drift in a square, of which one divides in each frame; each is linked to its three nearest before."""
    random = np.random.default_rng(5)
    cells = [random.uniform(0, 6, (7, 2))]
    for _ in range(5):
        before = cells[-1]
        cells.append(np.vstack([before, before[:1]])[::-1] + random.normal(0, 0.3, (len(before) + 1, 2)))
    position, frames = np.vstack(cells), np.repeat(np.arange(6), [len(frame) for frame in cells])
    distance = np.linalg.norm(position[:, None] - position, axis=2)
    distance[frames[:, None] != frames - 1] = np.inf  # [parent, child]
    links = [(u, v) for v in np.flatnonzero(frames > 0) for u in np.argsort(distance[:, v])[:3]]
    triples = [(u, v, w) for u, v in links for m, w in links if u == m and v < w]
    ends, threes = np.array(links), np.array(triples)
    middle = (position[threes[:, 1]] + position[threes[:, 2]]) / 2
    problem = make_problem(
        len(frames),
        ends,
        threes if model == PAIR else None,
        link_cost=distance[ends[:, 0], ends[:, 1]] - 1,
        division_cost=np.linalg.norm(position[threes[:, 0]] - middle, axis=1) - 1 if model == PAIR else None,
        appear_cost=np.where(frames == 0, 0.0, 0.75),
        disappear_cost=np.where(frames == 5, 0.0, 0.75),
        split_cost=1.0 if model == SPLIT else None,
        keep=True,
    )
    return problem, frames


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_simulated_movie_has_the_same_optimum_as_our_solver(model: str) -> None:
    problem, frames = simulated(model)
    ours = solve(problem, SolverSettings(threads=1))
    theirs = solve_with_motile(problem, frames)
    check_lineage(problem, theirs)
    assert ours.status == "optimal"
    assert value_of(problem, theirs) == pytest.approx(ours.objective, abs=1e-4)
    divided = problem.layout.splits if problem.split else problem.layout.division
    assert problem.n_detections == 57
    assert theirs[divided].sum() >= 3


@pytest.mark.parametrize("name", sorted(REWARDED))
def test_rewards_for_appearing_or_leaving_are_refused(name: str) -> None:
    case = CASES[name]()
    kind = "disappear" if "disappearance" in name else "appear"
    rows = "0, 1, 2, 3" if kind == "appear" else "0, 1, 2"
    message = (
        f"{kind} costs must be 0 or more for motile: its indicators may be 1 although a cell does not {kind}, and a "
        f"reward would be paid all the same. Negative for the detections (rows) {rows}. "
        "Raise these costs, or use the solver of this package"
    )
    with pytest.raises(InputError) as caught:
        to_motile(case.problem, case.frames)
    assert str(caught.value) == message


def test_rewards_are_refused_for_a_reason() -> None:
    """Motile's own NodeAppearCost pays a reward for 2 and 3 although both have a parent; no lineage is worth that."""
    case = CASES["negative_appearance-split"]()
    cost = case.problem.cost.copy()
    cost[case.problem.layout.appear] = 0.0
    solver = to_motile(replace(case.problem, cost=cost), case.frames)
    solver.add_cost(NodeAppearCost(constant=-2.5), "reward")
    solution = solver.solve(backend=ilpy.Preference.Scip)
    paid = float(solver.costs @ np.asarray(solution.variable_values))
    values = from_motile(case.problem, solver, solution)
    assert values[case.problem.layout.link].sum() == 2
    assert not values[case.problem.layout.appear][2:].any()
    assert paid == pytest.approx(-2 - 2 * 2.5)  # motile rewards nothing in the first frame


def test_time_limit_without_a_proof_is_no_answer() -> None:
    problem, frames = simulated(PAIR)
    solver = to_motile(problem, frames)
    with pytest.raises(NoSolutionError, match=r"^wanted motile's proven optimum, but it stopped with .* 'time_limit'"):
        from_motile(problem, solver, solver.solve(timeout=1e-3, backend=ilpy.Preference.Scip))


def test_problems_that_do_not_fit_are_refused() -> None:
    problem = movie(PAIR, frames_of(1, 2), {(0, 1): 0.0, (0, 2): 0.0})
    with pytest.raises(InputError, match=r"^frames must have shape \(3,\), found \(2,\)$"):
        to_motile(problem, np.array([0, 1]))
    with pytest.raises(InputError, match=r"^links must lead to later frames; these do not: \[0, 2\]\. Give the frames"):
        to_motile(problem, np.array([1, 2, 1]))
    twice = movie(PAIR, frames_of(1, 2), {}, divisions={(0, 1, 2): 0.0, (0, 2, 1): 0.0})
    with pytest.raises(InputError, match=r"^divisions must differ from each other; 1 are repeated\. Drop these$"):
        to_motile(twice, np.array([0, 1, 1]))
