"""Motile finds the same optimum, wherever its indicators mean what they say."""

from dataclasses import replace

import cases  # noqa: F401  registers its cases
import ilpy
import numpy as np
import pinned_cases  # noqa: F401  registers its cases
import pytest
from brute_force import best, check_lineage, links_of, value_of, ways_of
from hypothesis import given
from small_movie import CASES, PAIR, SPLIT
from strategies import PLAIN, examples, frames_of_problem, problems

from tracker.errors import InputError, PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.ilp.solve import solve
from tracker.motile import from_motile, solve_with_motile, to_motile

REWARDED = {name for name in CASES if name.startswith("negative_")}


@pytest.mark.parametrize("name", CASES.keys() - REWARDED)
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
    assert feasible.count(True) > 20
    assert feasible.count(False) > 2


def simulated(model: str) -> tuple[TrackingProblem, np.ndarray]:
    """Ten cells that drift for six frames, each linked to its four nearest; squared distance less 1 as cost."""
    random = np.random.default_rng(5)
    steps = random.normal(0, 0.3, (6, 10, 2))
    steps[0] = random.uniform(0, 4, (10, 2))
    position = np.cumsum(steps, axis=0).reshape(60, 2)
    frames = np.repeat(np.arange(6), 10)
    near = [(frame, child) for frame in range(1, 6) for child in np.flatnonzero(frames == frame)]
    links = []
    for frame, child in near:
        before = np.flatnonzero(frames == frame - 1)
        distance = np.linalg.norm(position[before] - position[child], axis=1)
        links += [(int(parent), int(child)) for parent in before[np.argsort(distance)[:4]]]
    ends = np.array(links)
    squared = ((position[ends[:, 0]] - position[ends[:, 1]]) ** 2).sum(axis=1)
    siblings = [(u, v, w) for u, v in links for m, w in links if u == m and v < w]
    triples = np.array(siblings)
    middle = (position[triples[:, 1]] + position[triples[:, 2]]) / 2
    problem = make_problem(
        60,
        ends,
        triples if model == PAIR else None,
        link_cost=squared - 1,
        division_cost=((position[triples[:, 0]] - middle) ** 2).sum(axis=1) - 1.2 if model == PAIR else None,
        appear_cost=np.where(frames == 0, 0.0, 0.5),
        disappear_cost=np.where(frames == 5, 0.0, 0.5),
        detection_cost=-0.1,
        split_cost=0.3 if model == SPLIT else None,
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
    assert theirs[divided].sum() >= 2
    assert theirs[problem.layout.appear].sum() > 10


@pytest.mark.parametrize("name", sorted(REWARDED))
def test_rewards_for_appearing_or_leaving_are_refused(name: str) -> None:
    case = CASES[name]()
    kind = "appear" if "appearance" in name else "disappear"
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
    """Without the refusal motile pays the reward of 2.5 for detections that have a parent."""
    case = CASES["negative_appearance-split"]()
    cost = case.problem.cost.copy()
    appear = case.problem.layout.appear
    cost[appear] = 0.0
    solver = to_motile(replace(case.problem, cost=cost), case.frames)
    weight = solver.weights
    assert weight[("appear", "weight")] == 1.0
    from motile.costs import NodeAppearCost

    solver.add_cost(NodeAppearCost(constant=-2.5), "reward")
    solution = solver.solve(backend=ilpy.Preference.Scip)
    links = from_motile(case.problem, solver, solution)[case.problem.layout.link]
    assert links.sum() == 2
