"""Solving block by block against solving at once: the same optimum, a bound that holds, nothing broken at any seam."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from block_cases import SETTINGS, grid_of, random_movie, solve_sample
from brute_force import best, check_lineage
from hypothesis import given
from hypothesis import strategies as st
from small_movie import PAIR, SPLIT
from strategies import examples, pinned_problems

from tracker.blocks.certificate import measure_excess
from tracker.blocks.grid import Grid, odd_sizes
from tracker.blocks.in_memory import solve_blockwise, without_dominated
from tracker.blocks.movie import values_of
from tracker.blocks.part import undecided
from tracker.blocks.stored import Forbidden
from tracker.blocks.window import Proof, ascend, compatible
from tracker.config_blocks import Blocks
from tracker.errors import PinConflictError
from tracker.ilp.bounds import apply_pins
from tracker.ilp.problem import find_links
from tracker.ilp.solve import solve
from tracker.store import Region


@pytest.mark.parametrize("model", [PAIR, SPLIT])
def test_any_partition_of_tiny_problems_gives_the_optimum_of_brute_force(model):
    seen = Counter()

    @examples(60)
    @given(pinned=pinned_problems(model), data=st.data())
    def check(pinned, data):
        problem, pins = pinned
        count = problem.n_detections
        block = np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
        bounded = apply_pins(problem, pins)
        if np.any(bounded.lower > bounded.upper):
            return
        wanted = best(problem, pins)
        if wanted is None:
            seen["none"] += 1
            with pytest.raises(PinConflictError):
                solve_blockwise(bounded, block, settings=SETTINGS)
            return
        found = solve_blockwise(bounded, block, settings=SETTINGS)
        check_lineage(bounded, found.values)
        assert found.objective == pytest.approx(wanted[0], abs=1e-6)
        assert found.bound == pytest.approx(wanted[0], abs=1e-6)
        assert found.stitched_bound <= wanted[0] + 1e-6
        seen["solved"] += 1

    check()
    assert seen["solved"] > 20, seen
    assert seen["none"] > 0, seen


def without_some_divisions(rng, sample):
    """The sample with up to six divisions forbidden, as pins do in the split model."""
    links = sample.problem.links
    rows = [
        [mother, *np.sort(rng.permutation(links[links[:, 0] == mother, 1])[:2])]
        for mother in rng.permutation(np.flatnonzero(np.bincount(links[:, 0]) >= 2))[:6]
    ]
    forbidden = Forbidden(np.unique(np.array(rows, np.int64).reshape(-1, 3), axis=0))
    pairs = find_links(links, forbidden.pairs)
    return replace(sample, problem=replace(sample.problem, forbidden_pairs=pairs)), forbidden


@pytest.mark.parametrize("split", [False, True])
def test_blocks_of_a_store_give_the_optimum_whatever_their_context(split, tmp_path):
    seen = Counter()
    for seed in range(24):
        rng = np.random.default_rng(1000 + seed)
        sample, forbidden = random_movie(rng, split=split, closed=rng.choice([0, 0.3, 0.6])), Forbidden()
        if split and seed % 2:
            sample, forbidden = without_some_divisions(rng, sample)
        context = (1.0, 0.0, float(rng.choice([0, 1, 3])))
        blocks = Blocks(count=(int(rng.integers(1, 4)), 1, int(rng.integers(1, 4))), context=context)
        try:
            wanted = solve(sample.problem, SETTINGS)
        except PinConflictError:
            wanted = None
        store, movie, mended = solve_sample(sample, blocks, tmp_path / "work", forbidden)
        assert mended.after.broken.any() == (wanted is None)
        if wanted is None:
            seen["none"] += 1
            continue
        region = store.read(Region(0, len(store.header.frames)))
        values, close = values_of(region, sample.problem, movie), 1e-6 * max(1, abs(wanted.objective))
        check_lineage(sample.problem, values)
        assert sample.problem.cost @ values == pytest.approx(mended.after.objective, abs=1e-9)
        assert mended.after.objective == pytest.approx(wanted.objective, abs=close)
        assert mended.after.bound == pytest.approx(wanted.objective, abs=close)
        assert mended.before.bound <= wanted.objective + close
        seen["contradicted"] += bool(np.isnan(mended.before.objective))
        seen["mended"] += mended.before.objective > wanted.objective + 1e-6
        seen["proofs"] += len(mended.proofs) > 0
        seen["forbidden"] += len(forbidden.pairs) > 0
    # A test without seams to mend would prove nothing.
    assert min(seen["mended"], seen["proofs"]) > 3, seen
    assert seen["contradicted"], seen
    assert seen["forbidden"] or not split


def test_a_wide_context_needs_hardly_any_mending(tmp_path):
    sample = random_movie(np.random.default_rng(5), split=False)
    count = (2, 1, 2)
    _, _, narrow = solve_sample(sample, Blocks(count=count, context=(1.0, 0.0, 0.0)), tmp_path / "narrow")
    _, _, wide = solve_sample(sample, Blocks(count=count, context=(9.0, 0.0, 99.0)), tmp_path / "wide")
    assert wide.before.objective == pytest.approx(wide.after.objective)
    assert narrow.before.gap > wide.before.gap


def test_any_duals_prove_a_bound_and_ascent_never_lowers_it():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        problem, _ = without_dominated(random_movie(rng, split=bool(seed % 2)).problem)
        optimum = solve(problem, SETTINGS)
        part = undecided(problem)
        part.duals[:] = rng.normal(size=len(part.duals))
        excess = measure_excess(problem, optimum.values, part.duals)
        assert excess.bound <= optimum.objective + 1e-9
        assert excess.bound + excess.total == pytest.approx(optimum.objective)  # the gap is where the excess is
        for _ in range(5):
            part.duals[:] = ascend(part, rng.random(problem.n_detections) < 0.5, SETTINGS, np.inf)
            bound = measure_excess(problem, optimum.values, part.duals).bound
            assert excess.bound - 1e-9 <= bound <= optimum.objective + 1e-9
            excess = replace(excess, bound=bound)


def test_proofs_that_share_a_column_count_together_only_where_it_is_dear_enough():
    def proof(columns, used, price, delta):
        return Proof(np.empty(0, np.int64), np.array(columns), np.array(used), np.array(price), delta)

    one = proof([1, 2], [True, False], [0.0, 3.0], 1.0)
    assert compatible([one, proof([2, 3], [False, True], [3.0, 0.0], 2.0)]).tolist() == [True, True]
    assert compatible([one, proof([2, 3], [False, True], [3.0, 0.0], 2.5)]).tolist() == [True, False]
    assert compatible([one, proof([1], [False], [9.0], 1.0)]).tolist() == [True, False]  # used by the first
    assert compatible([]).tolist() == []


def test_every_place_lies_in_one_block_and_the_scheduler_names_it():
    rng = np.random.default_rng(3)
    sample = random_movie(rng, split=False)
    sample = replace(sample, x=sample.x - 7.3)  # positions may be negative
    grid = grid_of(sample, Blocks(size=(2.0, 3.0, 1.7), context=(1.0, 0.5, 0.5)))
    found = sample.detections
    holders = np.zeros(len(found), np.int64)
    for number in range(len(grid)):
        region = grid.write_region(number)
        holders += region.contains(found.step, found.position)
        inside = region.contains(found.step, found.position)
        assert grid.read_region(number).contains(found.step, found.position)[inside].all()
        size, _ = grid.ticks()
        offset = [place * length for place, length in zip(grid.index(number), size, strict=True)]
        assert grid.number_at(offset) == number
    assert (holders == 1).all()
    assert len({grid.name(number) for number in range(len(grid))}) == len(grid)


def test_blocks_of_odd_sizes_are_told():
    grid = Grid(8, (4, 1, 2), (0.0, 0.0, 0.0), (2.0, 9.0, 9.0), (3.0, 4.0, 4.0), (1.0, 4.0, 4.0))
    small, far = odd_sizes(grid, (1.0, 50.0, 6.0), 5)
    assert "smaller than the context they see along t (2 < 3)" in small  # along y there is one block alone
    assert "longer than blocks.context along x (4 < 6)" in far
    assert "in 5 windows" in far
    assert odd_sizes(replace(grid, size=(3.0, 9.0, 9.0)), (1.0, 50.0, 6.0), 0) == []
