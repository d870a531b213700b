"""What a window may claim to have proven where it does not see every row."""

from dataclasses import replace

import numpy as np
import pytest

from tracker.blocks.certificate import measure_excess
from tracker.blocks.part import take, undecided
from tracker.blocks.stored import Forbidden, half_paired
from tracker.blocks.window import ascend, prove
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import make_problem
from tracker.ilp.solve import solve
from tracker.store import Region

SETTINGS = SolverSettings(threads=1)


def split_problem(seed):
    """Fifteen detections, links over one frame and two, and forbidden divisions into two frames."""
    random = np.random.default_rng(seed)
    step = np.repeat(np.arange(5), 3)
    count = len(step)
    pairs = np.argwhere((step[:, None] < step[None]) & (step[None] - step[:, None] <= 2))
    links = pairs[random.random(len(pairs)) < 0.6]
    link_cost = random.normal(0, 2, len(links)).round(1)
    appear, disappear, detection = (random.normal(mean, 1, count).round(1) for mean in (1, 1, -1))
    problem = make_problem(
        count, links, None, link_cost=link_cost, appear_cost=appear, disappear_cost=disappear,
        detection_cost=detection, split_cost=random.normal(0, 1, count).round(1),
    )  # fmt: skip
    forbidden = []
    for parent in range(count):
        own = np.flatnonzero(links[:, 0] == parent)
        forbidden += [
            (one, other)
            for one in own
            for other in own
            if step[links[one, 1]] < step[links[other, 1]] and random.random() < 0.7
        ]
    return replace(problem, forbidden_pairs=np.array(forbidden)), step


@pytest.mark.parametrize("seed", [27, 40, 66, 88, 407, 640])  # of these each claimed too much once
def test_a_window_without_the_row_of_a_forbidden_pair_proves_no_more_than_is_true(seed):
    problem, step = split_problem(seed)
    optimum = solve(problem, SETTINGS)
    part = undecided(problem)
    part.values[:] = optimum.values
    part.decided[:] = part.finished[:] = True
    part.duals[:] = ascend(part, np.ones(len(step), bool), SETTINGS, np.inf)
    late, _ = take(part, step >= 2)
    assert late.half_paired.any()
    excess = measure_excess(late.problem, late.values, late.duals)
    proven = sum(proof.delta for proof in prove(late, excess, late.whole.copy(), 1e-9, SETTINGS, np.inf))
    assert measure_excess(problem, part.values, part.duals).bound + proven <= optimum.objective + 1e-7


def test_links_of_a_pair_that_a_region_halves_are_found(tmp_path):
    from block_cases import Sample, store_of

    # 0 and 1, then 2 and 3 a step and two steps later: the pair (0, 2, 3) is forbidden.
    links = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]])
    problem = make_problem(
        4, links, None, link_cost=np.zeros(5), appear_cost=np.ones(4), disappear_cost=np.ones(4),
        detection_cost=np.zeros(4), split_cost=np.zeros(4),
    )  # fmt: skip
    sample = Sample(problem, np.array([0, 1, 1, 2]), np.arange(4.0))
    store, forbidden = store_of(sample, tmp_path), Forbidden(np.array([[0, 2, 3]]))
    from tracker.blocks.stored import problem_of

    def halved(first, stop):
        found = store.read(Region(first, stop))
        own, _ = problem_of(found, store.header, forbidden)
        return {tuple(found.id[link].tolist()) for link in own.links[half_paired(found, own, forbidden)]}

    assert halved(0, 3) == set()
    assert halved(2, 3) == {(0, 3)}  # sees 3 and its parents 0 and 2, not the link from 0 to 2
    forbidden = Forbidden(np.array([[1, 2, 3]]))  # where 1 and 3 are not joined by a candidate
    assert halved(0, 3) == set()
