"""The search: starts first, the same answer with the same seed, also after an interruption."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import MissingExtraError, OutputError
from tracker.tuning.search import Range, ranges_around, search

pytest.importorskip("optuna", reason="the search needs the extra tune")

RANGES = [Range("distance", 0.1, 10.0, True), Range("overlap", 0.1, 10.0, True, -1), Range("appear", -5.0, 5.0, False)]
WANTED = np.array([2.0, -0.5, 1.0])
STARTS = [np.array([0.2, -5.0, -4.0]), np.array([5.0, -5.0, 4.0])]


def loss(weights: np.ndarray) -> float:
    return float(np.abs(weights - WANTED).sum())


def run(folder: Path, asked=loss, trials: int = 16, seed: int = 0):
    return search(asked, RANGES, STARTS, trials=trials, seed=seed, database=folder / "tuning.db", study="all")


def test_starts_come_first_and_the_best_wins(tmp_path):
    seen = []

    def asked(weights):
        seen.append(weights)
        return loss(weights)

    found = run(tmp_path, asked)
    np.testing.assert_allclose(seen[:2], STARTS)
    assert len(seen) == len(found.losses) == 16
    assert found.loss == min(loss(weights) for weights in seen) < loss(STARTS[1])
    assert loss(found.weights) == found.loss
    assert all((one.low <= weights[place] * one.sign <= one.high)
               for weights in seen for place, one in enumerate(RANGES))  # fmt: skip


def test_two_runs_agree_bit_for_bit_and_another_seed_does_not(tmp_path):
    one, same, other = run(tmp_path / "a"), run(tmp_path / "b"), run(tmp_path / "c", seed=1)
    np.testing.assert_array_equal(one.losses, same.losses)
    np.testing.assert_array_equal(one.weights, same.weights)
    assert not np.array_equal(one.losses[2:], other.losses[2:])


@pytest.mark.parametrize("after", [0, 1, 13])
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(tmp_path, after):
    """Interrupted within a trial: in a start, and in one that the sampler drew."""
    calls = 0

    def interrupted(weights):
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return loss(weights)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", interrupted)
    resumed, at_once = run(tmp_path / "cut"), run(tmp_path / "whole")
    assert (resumed.resumed, at_once.resumed) == (after, 0)
    np.testing.assert_array_equal(resumed.losses, at_once.losses)
    np.testing.assert_array_equal(resumed.weights, at_once.weights)


def test_a_finished_search_is_not_done_again(tmp_path):
    def never(weights):
        raise AssertionError("nothing should be tried again")

    whole = run(tmp_path)
    again = run(tmp_path, never)
    assert again.resumed == 16
    np.testing.assert_array_equal(again.weights, whole.weights)
    np.testing.assert_array_equal(run(tmp_path, never, trials=5).losses, whole.losses[:5])


def test_ranges_hold_the_starts_and_keep_the_signs():
    """The largest weight is 4: one beyond the starts. The last weight may have either sign."""
    starts = [np.array([1.0, -2.0, 0.0, 4.0]), np.array([4.0, 0.0, 0.0, -3.0])]
    distance, overlap, gap, appear = ranges_around(["distance", "overlap", "gap", "appear"], [1, -1, 1, 0], starts)
    assert distance == Range("distance", 0.4, 10.0, True, 1)
    assert overlap == Range("overlap", 0.0, 3.0, False, -1)
    assert gap == Range("gap", 0.0, 1.0, False, 1)
    assert appear == Range("appear", -4.0, 5.0, False, 1)


def test_trials_that_were_given_up_count_and_are_never_the_best(tmp_path):
    def asked(weights):
        return np.inf if weights[2] < 0 else loss(weights)

    found = run(tmp_path, asked)
    assert np.isinf(found.losses[0])
    assert np.isfinite(found.loss)
    assert found.weights[2] >= 0
    assert run(tmp_path, asked).resumed == 16


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "tuning.db").write_text("something else that is long enough to be taken for a file of SQLite" * 20)
    with pytest.raises(OutputError) as caught:
        run(tmp_path)
    assert str(caught.value) == (
        f"the trials of the search cannot be kept in {tmp_path / 'tuning.db'}: file is not a database. Remove the file "
        "to begin anew, or name another folder with --output"
    )


def test_a_database_of_something_else(tmp_path):
    with closing(sqlite3.connect(tmp_path / "tuning.db")) as connection:
        connection.execute("create table studies (number int)")
    with pytest.raises(OutputError) as caught:
        run(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"the trials of the search cannot be kept in {tmp_path / 'tuning.db'}: ")
    assert "studies has no column" in message
    assert "SQL:" not in message
    assert "\n" not in message


def test_a_database_that_breaks_on_the_way(tmp_path):
    def breaking(weights):
        (tmp_path / "tuning.db").write_bytes(b"no database" * 2000)
        return loss(weights)

    with pytest.raises(OutputError, match=r"the trials of the search cannot be kept in .*tuning.db: "):
        run(tmp_path, breaking)


def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else sys.modules.get(name))
    with pytest.raises(MissingExtraError) as caught:
        run(tmp_path)
    assert str(caught.value) == (
        "the search of `track tune` (or leave it out with --no-search) needs the package optuna, which is not "
        'installed. Install it with: pip install "pintrack[tune]"'
    )
