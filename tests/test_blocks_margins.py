"""Margins of movies in blocks: never above the exact margin, and about as good as those of one program."""

from collections import Counter

import numpy as np
import pytest
from block_cases import SETTINGS, random_movie, solve_sample
from test_blocks import without_some_divisions

from tracker.blocks.margins import movie_margins, movie_slack, proofs_as_facts, proofs_from_facts
from tracker.blocks.movie import values_of
from tracker.blocks.stored import Forbidden
from tracker.config_blocks import Blocks
from tracker.errors import PinConflictError
from tracker.exact_margins import exact_margins
from tracker.ilp.solve import solve
from tracker.margins import bound_margins
from tracker.store import Region


def small_samples(split):
    """Eight movies of at most 40 detections that have a solution, with divisions that pins forbid, and blocks."""
    rng, found = np.random.default_rng(11), 0
    while found < 8:
        sample, forbidden = random_movie(rng, split=split, closed=rng.choice([0, 0.3])), Forbidden()
        if sample.problem.n_detections > 40:
            continue
        if split and found % 2:
            sample, forbidden = without_some_divisions(rng, sample)
        try:
            whole = solve(sample.problem, SETTINGS)
        except PinConflictError:
            continue
        found += 1
        count = (int(rng.integers(2, 4)), 1, int(rng.integers(1, 4)))
        yield sample, forbidden, whole, Blocks(count=count, context=(1, 0, float(rng.choice([0, 1, 3]))))


def columns(margins):
    return np.concatenate([margins.out, margins.into])


@pytest.mark.parametrize("split", [False, True])
def test_no_margin_is_above_the_exact_one(split, tmp_path, monkeypatch):
    monkeypatch.setattr("tracker.blocks.margins.DETECTIONS", 10)  # several stretches in each movie
    seen, share = Counter(), {"blocks": [], "whole": []}
    for sample, forbidden, whole, blocks in small_samples(split):
        store, movie, mended = solve_sample(sample, blocks, tmp_path / "work", forbidden)
        values = values_of(store.read(Region(0, len(store.header.frames))), sample.problem, movie)
        exact = columns(exact_margins(sample.problem, values, SETTINGS))
        slack, unproven = movie_slack(mended.proofs, len(movie.parent)), mended.after.objective - mended.after.bound

        def margins(slack, store=store, movie=movie, sample=sample, unproven=unproven):
            return columns(movie_margins(store, movie, sample.detections.starts, slack, unproven, None))

        found = margins(slack)
        assert (found >= 0).all()
        over = np.flatnonzero(found > exact + 1e-6)
        assert not len(over), f"{over}: {found[over]} above {exact[over]}"
        # What the bound would be without heeding proofs, or the partners in other stretches: wrong.
        seen["wrong without slack"] += int((margins(0 * slack) > exact + 1e-6).sum())
        with monkeypatch.context() as without:
            without.setattr("tracker.blocks.margins._longest_link", lambda movie, starts: 0)
            seen["wrong without partners"] += int((margins(slack) > exact + 1e-6).sum())
        asked = np.isfinite(exact) & (exact > 1e-6)
        seen["infinite"] += int((np.isinf(exact) & np.isinf(found)).sum())
        seen["forbidden"] += len(forbidden.pairs)
        if np.array_equal(values, whole.values):
            for way, bound in (("blocks", found), ("whole", columns(bound_margins(sample.problem, whole)))):
                share[way].append(np.minimum(bound[asked] / exact[asked], 1.0))
    assert min(seen["infinite"], seen["wrong without slack"], seen["wrong without partners"]) > 2, seen
    assert seen["forbidden"] or not split
    blocks, whole = (np.concatenate(share[way]).mean() for way in ("blocks", "whole"))
    assert blocks > max(0.2, 0.8 * whole), (blocks, whole)


def test_proofs_come_back_from_the_record_of_a_store(tmp_path):
    sample = random_movie(np.random.default_rng(2003), split=False)
    _, _, mended = solve_sample(sample, Blocks(count=(2, 1, 2), context=(1, 0, 0)), tmp_path / "work")
    count = sample.problem.n_detections
    proven, slack = proofs_from_facts(proofs_as_facts(mended.proofs, count), count)
    assert proven == sum(proof.delta for proof in mended.proofs) > 0
    np.testing.assert_array_equal(slack, movie_slack(mended.proofs, count))
    proven, slack = proofs_from_facts({}, count)  # of a record without proofs: nothing is proven but by the duals
    assert proven == 0
    assert not slack.any()
