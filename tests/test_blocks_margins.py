"""Margins of movies in blocks: never above the exact margin, and about as good as those of one program."""

import json
from collections import Counter

import numpy as np
import pytest
from block_cases import SETTINGS, random_movie, solve_sample
from command_line import track
from kills import tables
from test_blocks import without_some_divisions

from tracker.blocks.margins import movie_margins, movie_slack, proofs_as_facts, proofs_from_facts
from tracker.blocks.movie import values_of
from tracker.blocks.stored import Forbidden
from tracker.config_blocks import Blocks
from tracker.errors import PinConflictError
from tracker.exact_margins import exact_margins
from tracker.ilp.solve import solve
from tracker.io.tracks_csv import read_tracks_csv
from tracker.margins import bound_margins
from tracker.store import Region


def small_samples(split):
    """Six movies of at most 40 detections that have a solution, with divisions that pins forbid, and blocks."""
    rng, found = np.random.default_rng(11), 0
    while found < 6:
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
    assert min(seen["infinite"], seen["wrong without slack"], seen["wrong without partners"]) > 0, seen
    assert seen["forbidden"] or not split
    blocks, whole = (np.concatenate(share[way]).mean() for way in ("blocks", "whole"))
    assert blocks > max(0.1, 0.8 * whole), (blocks, whole)


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


PINS = """kind,t,label,t2,label2,t3,label3,value,confidence
link,2,{2},3,{3},,,false,
division,1,{1},2,{2},2,{second},true,
appear,4,{4},,,,,true,
disappear,5,{5},,,,,false,
link,6,{6},7,{7},,,true,0.8
"""


def write_movie(folder, divisions, detections):
    """Points in 8 frames, pins on some of them, and the config of a run in blocks that drops candidates."""
    assert track("simulate", folder / "cells.csv", "--detections", detections, "--frames", 8, "--seed", 3) == 0
    frame = np.loadtxt(folder / "cells.csv", delimiter=",", skiprows=1)[:, 1].astype(int)
    first = [int(np.flatnonzero(frame == t)[detections // 20]) + 1 for t in range(8)]  # labels are ids
    (folder / "pins.csv").write_text(PINS.format(*first, second=first[2] + 1))
    path = folder / "blocks.toml"
    path.write_text(
        f'[data]\npoints = "cells.csv"\n[candidates]\nneighbors = 4\ndivisions = "{divisions}"\n'
        '[annotations]\npins = ["pins.csv"]\n[output]\npath = "result"\n'
        "[blocks]\ncount = [3, 1, 2]\ncontext = [1, 9, 9]\nworkers = 2\n"
    )
    return path


def margins_in(folder):
    """(2K,) of the way out and the way in; infinite where there is no other."""
    table = read_tracks_csv(folder / "tracks.csv")
    found = np.concatenate([table.columns["margin"], table.columns["margin_in"]])
    return np.where(np.isnan(found), np.inf, found)


@pytest.mark.parametrize(("divisions", "detections"), [("pair", 200), ("split", 60)])
def test_a_run_in_blocks_measures_margins_whatever_candidates_it_dropped(divisions, detections, tmp_path, monkeypatch):
    monkeypatch.setattr("tracker.candidate_windows.WINDOW_DETECTIONS", 30)
    monkeypatch.setattr("tracker.blocks.margins.DETECTIONS", 20)
    config = write_movie(tmp_path, divisions, detections)
    whole = tmp_path / "whole.toml"
    whole.write_text(config.read_text().partition("[blocks]")[0])
    for margins in ("bound", "exact"):
        place = ("--output", tmp_path / margins)
        assert track("run", whole, "--quiet", *place, "--set", f"output.margins={margins}") == 0
    run = ("run", config, "--quiet")
    assert track(*run) == 0
    told = json.loads((tmp_path / "result" / "run.json").read_text())
    assert told["counts"]["links_held"] < 0.8 * told["counts"]["links"]
    assert len(told["doubts"]) > 40
    assert any(doubt["others"] for doubt in told["doubts"])
    assert all(t > doubt["t"] for doubt in told["doubts"] for t, _ in doubt["others"])
    found, exact, bound = (margins_in(tmp_path / name) for name in ("result", "exact", "bound"))
    assert (found >= 0).all()
    over = np.flatnonzero(found > exact + 1e-6)
    assert not len(over), f"{over}: {found[over]} above {exact[over]}"
    asked = np.isfinite(exact) & (exact > 1e-6)
    assert asked.sum() > detections
    assert np.median(found[asked] / exact[asked]) > max(0.4, 0.8 * np.median(bound[asked] / exact[asked]))
    # Read from the store again, and solved by another number of workers: the same numbers to the last digit.
    wanted = tables(tmp_path / "result")
    assert track(*run, "--resume", "--overwrite") == 0
    assert tables(tmp_path / "result") == wanted
    assert track(*run, "--output", tmp_path / "one", "--set", "blocks.workers=1") == 0
    assert tables(tmp_path / "one") == wanted
    with monkeypatch.context() as without:
        without.setattr("tracker.blocks.read_back.dropped_ways", lambda *_: None)
        assert track(*run, "--resume", "--overwrite") == 0
    assert (margins_in(tmp_path / "result") > exact + 1e-6).sum() > 3  # dropped candidates are ways, too


def test_margins_that_nobody_wants_are_not_measured(tmp_path):
    config = write_movie(tmp_path, "pair", 60)
    assert track("run", config, "--quiet", "--set", "output.margins=none") == 0
    assert "margin_in" not in read_tracks_csv(tmp_path / "result" / "tracks.csv").columns
    assert "margins" not in json.loads((tmp_path / "result" / "run.json").read_text())["seconds"]
    assert track("run", config, "--quiet", "--resume", "--overwrite") == 0  # the store knows enough to do so later
    assert np.isfinite(margins_in(tmp_path / "result")).any()


def test_both_kinds_of_store_give_the_same_margins(postgres, tmp_path):
    config = write_movie(tmp_path, "pair", 60)
    url = f"store.url={postgres.url(postgres.new_database())}"
    for place, store in (("file", ()), ("server", ("--set", url))):
        assert track("run", config, "--quiet", "--output", tmp_path / place, *store) == 0
    assert tables(tmp_path / "server") == tables(tmp_path / "file")
    assert np.isfinite(margins_in(tmp_path / "server")).any()
