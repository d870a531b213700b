"""What else a detection could do, against brute force; and the sentences that say it."""

from collections import Counter

import numpy as np
import pytest
from brute_force import FOUNDER, UNSELECTED, check_lineage, columns_of, lineages, ways_of
from hypothesis import given
from hypothesis import strategies as st
from small_movie import MODELS, PAIR, frames_of, movie
from strategies import examples, problems
from test_margins import ways_in, ways_out
from test_solve import crowd

from tracker.alternatives import Choice, around, choice_of, dearer, second_best
from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.exact_margins import exact_margins
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.solve import solve

SETTINGS = SolverSettings(threads=1)
INF = np.inf


def as_brute_force(problem: TrackingProblem, choice: Choice, side: str, row: int) -> object:
    """A choice in the words of test_margins."""
    if side == "out":
        return None if choice.kind == "absent" else choice.rows
    if choice.kind in ("absent", "end"):
        return UNSELECTED if choice.kind == "absent" else FOUNDER
    parent, *other = choice.rows
    return parent if problem.split else (parent, tuple(sorted((row, *other))))


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_second_best_is_that_of_brute_force(model, bounded):
    seen: Counter[str] = Counter()

    @examples(60)
    @given(problem=problems(model, max_detections=6, bounded=bounded, free_ends_at_least=0.5))
    def check(problem: TrackingProblem) -> None:
        try:
            values = solve(problem, SETTINGS).values
        except PinConflictError:
            return
        known = list(lineages(problem))
        optimum = min(known)[0]
        best = ways_of(problem, values)
        for side, way_of in (("out", ways_out), ("into", ways_in)):
            prices: list[dict[object, float]] = [{} for _ in range(problem.n_detections)]
            for paid, ways in known:
                for price, way in zip(prices, way_of(problem, ways), strict=True):
                    price[way] = min(price.get(way, INF), paid - optimum)
            chosen = way_of(problem, best)
            for row in range(problem.n_detections):
                found = second_best(problem, values, row, side, SETTINGS)
                del prices[row][chosen[row]]
                assert as_brute_force(problem, found.chosen, side, row) == chosen[row]
                assert found.more == pytest.approx(min(prices[row].values(), default=INF), abs=1e-6)
                assert (found.other is None) == (not prices[row])
                seen["none" if found.other is None else found.other.kind] += 1
                if found.other is not None:
                    other = as_brute_force(problem, found.other, side, row)
                    assert prices[row][other] == pytest.approx(found.more, abs=1e-6)

    check()
    assert min(seen[kind] for kind in ("none", "link", "end", "absent")) > 9, seen
    assert bounded or seen["division"] > 3, seen


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_every_other_value_of_every_column_costs_what_brute_force_says(model, bounded):
    seen: Counter[str] = Counter()

    @examples(80)
    @given(problem=problems(model, max_detections=5, bounded=bounded), draw=st.integers(0, 4))
    def check(problem: TrackingProblem, draw: int) -> None:
        try:
            values = solve(problem, SETTINGS).values
        except PinConflictError:
            return
        row, layout = draw % problem.n_detections, problem.layout
        own = [row, layout.appear.start + row, layout.disappear.start + row]
        own += [layout.splits.start + row] if problem.split else []
        own += (layout.link.start + np.flatnonzero((problem.links == row).any(axis=1))).tolist()
        own += (layout.division.start + np.flatnonzero((problem.divisions == row).any(axis=1))).tolist()
        found = dearer(problem, values, row, [(column, int(not values[column])) for column in own], SETTINGS)
        known = [(paid, columns_of(problem, ways)) for paid, ways in lineages(problem)]
        optimum = min(paid for paid, _ in known)
        for column, more in zip(own, found, strict=True):
            wanted = min((paid - optimum for paid, held in known if held[column] != values[column]), default=INF)
            assert more == pytest.approx(wanted, abs=1e-6)
            seen["inf" if np.isinf(wanted) else "positive" if wanted > 1e-6 else "zero"] += 1

    check()
    assert min(seen["inf"], seen["positive"], seen["zero"]) > 20, seen


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_margins_of_a_crowd(split, keep):
    """Far parts are left alone, and what is found equals the exact margin, by another route."""
    problem = crowd(3, n_frames=6, per_frame=15, keep=keep, split=split)
    values = solve(problem, SETTINGS).values
    margins = exact_margins(problem, values, SETTINGS)
    for row in np.random.default_rng(0).choice(problem.n_detections, 6).tolist():
        local = around(problem, values, row)
        if keep and not split:  # frame pairs are apart
            assert (local.lower < local.upper).sum() < 0.6 * (problem.lower < problem.upper).sum()
        assert second_best(problem, values, row, "out", SETTINGS).more == pytest.approx(margins.out[row], abs=1e-6)
        assert second_best(problem, values, row, "into", SETTINGS).more == pytest.approx(margins.into[row], abs=1e-6)


def test_a_detection_whose_columns_are_all_fixed_has_no_other_way():
    problem = movie(PAIR, frames_of(1, 1), {(0, 1): -1.0})
    values = solve(problem, SETTINGS).values
    fixed = problem.with_bounds(values.astype(np.int8), values.astype(np.int8))
    check_lineage(fixed, values)
    found = second_best(fixed, values, 0, "out", SETTINGS)
    assert (found.chosen, found.other, found.more) == (Choice("link", (1,)), None, INF)
    assert dearer(fixed, values, 0, [(0, 0)], SETTINGS).tolist() == [INF]


# ---- in words


def cells(*per_frame: int) -> Detections:
    """Frames 5, 6, ...; labels 31, 32, ... in the first, 41, 42, ... in the second, ..."""
    step = np.array(frames_of(*per_frame))
    first = np.concatenate([[0], np.cumsum(per_frame)[:-1]])
    label = 31 + 10 * step + np.arange(len(step)) - first[step]
    return Detections(5 + step, label, np.zeros((len(step), 2)), 5 + np.arange(len(per_frame)), np.ones(2))


def says(problem: TrackingProblem, detections: Detections, row: int, side: str) -> str:
    return second_best(problem, solve(problem, SETTINGS).values, row, side, SETTINGS).sentence(detections)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("split", "out", "into"),
    [
        # The links cost -2 and -1. Divided -3 + split, apart -2 + 1 where 6:42 appears.
        (2.83, "5:31 continues as 6:41; otherwise it would divide into 6:41 and 6:42, +0.83",
         "6:42 appears; otherwise it would come from the division of 5:31, with 6:41, +0.83"),
        (0.5, "5:31 divides into 6:41 and 6:42; otherwise it would continue as 6:41, +1.50",
         "6:42 comes from the division of 5:31, with 6:41; otherwise it would appear, +1.50"),
        (9.0, "5:31 continues as 6:41; otherwise it would continue as 6:42, +1.00",
         "6:42 appears; otherwise it would continue 5:31, +1.00"),
        (1.995, "5:31 divides into 6:41 and 6:42; otherwise it would continue as 6:41, +0.005",
         "6:42 comes from the division of 5:31, with 6:41; otherwise it would appear, +0.005"),
    ],
)  # fmt: skip
def test_sentences_of_a_division(model, split, out, into):
    problem = movie(model, frames_of(1, 2), {(0, 1): -2.0, (0, 2): -1.0}, split=split, appear=1.0)
    assert says(problem, cells(1, 2), 0, "out") == out
    assert says(problem, cells(1, 2), 2, "into") == into


@pytest.mark.parametrize("model", MODELS)
def test_sentences_of_ends(model):
    problem = movie(model, frames_of(1, 1, 1), {(0, 1): 1.5, (1, 2): 2.5}, appear=1.0, disappear=1.0)
    assert says(problem, cells(1, 1, 1), 0, "out") == "5:31 continues as 6:41; otherwise it would end, +0.50"
    assert says(problem, cells(1, 1, 1), 1, "into") == "6:41 continues 5:31; otherwise it would appear, +0.50"
    assert says(problem, cells(1, 1, 1), 1, "out") == "6:41 ends; otherwise it would continue as 7:51, +0.50"
    assert says(problem, cells(1, 1, 1), 2, "into") == "7:51 appears; otherwise it would continue 6:41, +0.50"
    assert says(problem, cells(1, 1, 1), 2, "out") == "7:51 ends; there is no other way"
    assert says(problem, cells(1, 1, 1), 0, "into") == "5:31 appears; there is no other way"


@pytest.mark.parametrize("model", MODELS)
def test_sentences_of_what_may_be_no_cell(model):
    found = cells(1, 1)
    problem = movie(
        model, frames_of(1, 1), {(0, 1): -1.0}, keep=False, appear=5.0, disappear=5.0, detection=[-0.25, 0.5]
    )
    assert says(problem, found, 0, "into") == "5:31 appears; otherwise it would not be a cell, +0.75"
    assert says(problem, found, 0, "out") == "5:31 continues as 6:41; otherwise it would not be a cell, +0.75"
    problem = movie(model, frames_of(1, 1), {(0, 1): 2.0}, keep=False, appear=9.0, disappear=9.0, detection=[0.0, 0.5])
    assert says(problem, found, 1, "into") == "6:41 is not a cell; otherwise it would continue 5:31, +2.50"
    assert says(problem, found, 1, "out") == "6:41 is not a cell; otherwise it would end, +2.50"


def test_a_tie_costs_nothing_more():
    problem = movie(PAIR, frames_of(1, 2), {(0, 1): -1.0, (0, 2): -1.0}, divisions={})
    sentence = says(problem, cells(1, 2), 0, "out")
    kept, other = (41, 42) if "as 6:41;" in sentence else (42, 41)
    assert sentence == f"5:31 continues as 6:{kept}; otherwise it would continue as 6:{other}, +0.00"


@pytest.mark.parametrize("model", MODELS)
def test_choices(model):
    """0 divides into 1 and 2, 2 goes on as 3, 4 is none."""
    problem = movie(
        model, frames_of(1, 2, 2), {(0, 1): -1.0, (0, 2): -1.0, (2, 3): -1.0, (2, 4): 0.0},
        keep=[True, True, True, True, False], detection=[0.0, 0, 0, 0, 9], split=0.5,
    )  # fmt: skip
    values = columns_of(problem, (FOUNDER, 0, 0, 2, UNSELECTED))
    out = [choice_of(problem, values, row, "out") for row in range(5)]
    into = [choice_of(problem, values, row, "into") for row in range(5)]
    end, absent = Choice("end"), Choice("absent")
    assert out == [Choice("division", (1, 2)), end, Choice("link", (3,)), end, absent]
    assert into == [end, Choice("division", (0, 2)), Choice("division", (0, 1)), Choice("link", (2,)), absent]
