"""The bill of a detection: its lines add up, its ways are complete, its margins are exact."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from bill_cases import KINDS, ROWS, SETTINGS, UNPAIRED, Run, bill_of, content, run_of, run_on_a_line, the_way
from session_cases import write_cells

import tracker.explain
from tracker.auto.model import Surprise
from tracker.config import make_config
from tracker.detections import Detections
from tracker.errors import InputError, PinConflictError
from tracker.exact_margins import exact_margins
from tracker.explain import Way, find_row
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.ilp.solve import solve
from tracker.pin_table import PinRow
from tracker.pins import write_pins
from tracker.prepare import Prepared
from tracker.price_lines import Line

# ---- every kind of cost

DIVISION = {"on": "division", "feature": "distance", "weight": 2.0, "standardise": "zscore"}
PLAIN = {"on": "division", "feature": "frame_gap", "weight": -0.5}


def some_pins(prepared: Prepared, solution: Solution, *, pairs: bool) -> list[PinRow]:
    """Certain and likely pins of every kind, all of which hold together: the certain ones are true of the solution."""
    found, layout = prepared.graph.detections, prepared.problem.layout

    def keys(rows):
        return tuple((int(found.frame[row]), int(found.label[row])) for row in rows)

    chosen = solution.values[layout.link]
    links, others = prepared.graph.links[chosen], prepared.graph.links[~chosen]
    siblings = [(u, v, w) for (u, v), (m, w) in combinations(prepared.graph.links.tolist(), 2) if u == m]
    pins = [
        PinRow("link", keys(links[3])),
        PinRow("link", keys(others[5]), False),
        PinRow("children", keys(links[8])),
        PinRow("disappear", keys(links[11, :1]), False),
        PinRow("detection", keys(links[2, 1:]), True, 0.9),
        PinRow("appear", keys(links[4, 1:]), True, 0.8),
        PinRow("disappear", keys(links[5, :1]), False, 0.3),
        PinRow("children", keys(links[6]), True, 0.25),
        PinRow("children", keys(links[7, :1]), True, 0.95),
        *(PinRow("link", keys(link), bool(number % 2), 0.6 + 0.03 * number) for number, link in enumerate(others[:9])),
    ]
    if pairs:
        pins += [PinRow("division", keys(three), True, 0.7) for three in siblings[:4]]
        pins += [PinRow("children", keys(siblings[5]), True, 0.35)]
    return pins


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    folder = write_cells(tmp_path_factory.mktemp("cells"))
    made = {}
    for kind in KINDS:
        free = run_of(make_config(content(kind, []), folder=folder))
        name = f"{kind.replace(' ', '_')}.csv"
        write_pins(folder / name, some_pins(free[1], free[3], pairs=kind not in UNPAIRED))
        made[kind] = run_of(make_config(content(kind, [name]), folder=folder))
    made["optional"] = run_on_a_line(
        folder,
        [(1, 0, 0), (2, 0, 9), (3, 1, 1), (4, 1, 2), (5, 1, 50), (6, 2, 1), (7, 2, 3)],
        [PinRow("detection", ((0, 2),), False, 0.9), PinRow("detection", ((2, 6),), False)],
        detection=-2.0,
        terms=[
            {"on": "link", "feature": "distance", "weight": 0.5},
            {"on": "detection", "feature": "constant", "weight": -0.5},
            {**DIVISION},
            {**PLAIN},
        ],
    )
    return made


@pytest.mark.parametrize("kind", [*KINDS, "optional"])
def test_lines_sum_to_the_columns_and_ways_are_complete(runs, kind):
    config, prepared, problem, solution = runs[kind]
    layout, values = problem.layout, solution.values
    unproven = replace(solution, status="feasible")  # so that nothing is re-solved
    likely = set()
    for row in range(problem.n_detections):
        bill = bill_of((config, prepared, problem, unproven), row)
        for way in (*bill.out, *bill.into, bill.detection):
            assert math.fsum(line.cost for line in way.lines) == pytest.approx(problem.cost[way.column], abs=1e-9)
            assert way.cost == problem.cost[way.column]
            assert way.chosen == values[way.column]
            for line in way.lines:
                if line.weight is not None:
                    used = line.value if line.standardised is None else line.standardised
                    assert line.cost == line.weight * used
            likely |= {way.kind for line in way.lines if "confidence" in line.name}
        links, divisions = problem.links, problem.divisions
        out = [*(layout.link.start + np.flatnonzero(links[:, 0] == row)), layout.disappear.start + row]
        out += [*(layout.division.start + np.flatnonzero(divisions[:, 0] == row))]
        out += [layout.splits.start + row] if problem.split else []
        into = [*(layout.link.start + np.flatnonzero(links[:, 1] == row)), layout.appear.start + row]
        into += [*(layout.division.start + np.flatnonzero((divisions[:, 1:] == row).any(axis=1)))]
        assert sorted(way.column for way in bill.out) == sorted(out)
        assert sorted(way.column for way in bill.into) == sorted(into)
        assert bill.key == (prepared.graph.detections.frame[row], prepared.graph.detections.label[row])
    every = {"link", "detection", "appear", "disappear", *([] if kind in UNPAIRED else ["division"])}
    assert likely == ({"detection"} if kind == "optional" else every)


@pytest.mark.parametrize("kind", ["auto", "auto split"])
def test_measured_prices_say_how_surprising_an_end_or_a_division_is(runs, kind):
    """costs.appear times -log of the measured rate; in the split model costs.division and what was measured."""
    run = runs[kind]
    _, prepared, problem, solution = run
    numbers = prepared.movie.numbers
    rate = np.where(prepared.graph.detections.step > 0, numbers.appear_rate, 1.0)
    for row in range(0, problem.n_detections, 5):
        bill = bill_of((*run[:3], replace(solution, status="feasible")), row)
        (appear,) = [way.lines[0] for way in bill.into if way.kind == "appear"]
        if rate[row] < 1:
            assert (appear.name, appear.weight, appear.standardised) == ("costs.appear", 0.75, None)
            assert appear.value == pytest.approx(-math.log(rate[row]))
        else:
            assert appear == Line("costs.appear, free in the first frame", 0.0)
        links = [way for way in (*bill.out, *bill.into) if way.kind == "link"]
        assert {way.lines[0].name for way in links} == {"surprise"}
        for split in (way for way in bill.out if way.kind == "split"):
            extra = Surprise(prepared.graph.detections).splitting(numbers)
            assert [line.name for line in split.lines] == ["costs.division", "surprise of dividing"]
            assert [line.cost for line in split.lines] == pytest.approx([0.5, extra])


@pytest.mark.parametrize("kind", [*KINDS, "optional"])
def test_more_is_the_difference_of_two_solves_and_the_least_is_the_margin(runs, kind):
    run = runs[kind]
    _, _, problem, solution = run
    margins = exact_margins(problem, solution.values, SETTINGS)
    for row in range(1, problem.n_detections, max(2, problem.n_detections // 4)):
        bill = bill_of(run, row)
        sides = ((bill.out, bill.second_out, margins.out), (bill.into, bill.second_into, margins.into))
        for number, (ways, second, margin) in enumerate(sides):
            assert second.more == pytest.approx(margin[row], abs=1e-6)
            other = [way.more for way in ways if not way.chosen and way.more is not None] + [bill.more_without]
            if solution.values[row] and not (problem.split and number == 0):
                assert min(other) == pytest.approx(margin[row], abs=1e-6)
            for way in ways[:6]:
                if way.more is not None:
                    assert way.more == pytest.approx(cost_with(problem, solution, way.column, 1), abs=1e-6)
        expected = cost_with(problem, solution, row, 0)
        assert bill.more_without == pytest.approx(expected, abs=1e-6)
        assert bill.detection.more == pytest.approx(cost_with(problem, solution, row, 1), abs=1e-6)


def cost_with(problem: TrackingProblem, solution: Solution, column: int, value: int) -> float:
    """How much dearer the whole movie is, solved anew with a column fixed."""
    if not problem.lower[column] <= value <= problem.upper[column]:
        return math.inf
    lower, upper = problem.lower.copy(), problem.upper.copy()
    lower[column] = upper[column] = value
    try:
        return solve(problem.with_bounds(lower, upper), SETTINGS).objective - solution.objective
    except PinConflictError:
        return math.inf


# ---- by hand


def test_the_split_model_shows_links_and_the_split_by_itself(tmp_path):
    bill = bill_of(run_on_a_line(tmp_path, ROWS, candidates={"divisions": "split"}, division=-1.5), 0)
    assert [(one.kind, one.keys, one.chosen) for one in bill.out[:3]] == [
        ("split", (), True),
        ("link", ((1, 3),), True),
        ("link", ((1, 4),), True),
    ]
    assert bill.out[0].lines == (Line("costs.division", -1.5),)
    # 1 + 2 - 1.5, or 1 and 1:4 appears
    assert bill.sentence_out == "0:7 divides into 1:3 and 1:4; otherwise it would continue as 1:3, +2.50"


def test_pins_force_and_close(tmp_path):
    bill = bill_of(run_on_a_line(tmp_path, ROWS, [PinRow("children", ((0, 7), (1, 4)))]), 0)
    assert {(one.kind, one.keys): (one.pin, one.chosen, one.more) for one in bill.out} == {
        ("link", ((1, 4),)): ("forces", True, 0.0),
        ("link", ((1, 3),)): ("closes", False, math.inf),
        ("division", ((1, 3), (1, 4))): ("closes", False, math.inf),
        ("disappear", ()): ("closes", False, math.inf),
    }
    assert bill.sentence_out == "0:7 continues as 1:4; there is no other way"
    assert (bill.second_out.other, bill.second_out.more) == (None, math.inf)
    # What a pin makes impossible without closing it: a cell that appears has no parent.
    found = bill_of(run_on_a_line(tmp_path, ROWS, [PinRow("appear", ((1, 3),))]), 0)
    impossible = the_way(found.out, "link", (1, 3))
    assert (impossible.pin, impossible.more) == ("", math.inf)


def test_a_detection_may_be_none(tmp_path):
    rows = [(1, 0, 0), (2, 1, 1), (3, 1, 40)]
    run = run_on_a_line(tmp_path, rows, detection=-2.0)
    bill = bill_of(run, 2)  # 1:3 appears for 3, is worth 2
    assert bill.detection == Way("detection", (), 2, (Line("costs.detection", -2.0),), -2.0, False, "", 1.0)
    assert bill.more_without == 0.0
    assert bill.sentence_into == "1:3 is not a cell; otherwise it would appear, +1.00"
    kept = bill_of(run, 1)
    assert kept.more_without == pytest.approx(3.0)  # then 0:1 is none, too, and with it go -2 -2 and the link of 1
    assert kept.detection.more == 0.0
    rejected = bill_of(run_on_a_line(tmp_path, rows, [PinRow("detection", ((1, 3),), False)]), 2)
    assert rejected.detection.pin == "closes"
    assert rejected.detection.more == math.inf
    assert {one.pin for one in rejected.into} == {"closes"}
    assert rejected.sentence_out == "1:3 is not a cell; there is no other way"


def test_the_second_best_is_named_however_dear_it_is_alone(tmp_path, monkeypatch):
    run = run_on_a_line(tmp_path, ROWS, division=1.5)
    monkeypatch.setattr(tracker.explain, "RESOLVED_WAYS", 0)
    bill = bill_of(run, 0)
    more = {(one.kind, one.keys): one.more for one in bill.out}
    assert more == {
        ("link", ((1, 3),)): 0.0,
        ("division", ((1, 3), (1, 4))): 0.5,
        ("disappear", ()): 5.0,
        ("link", ((1, 4),)): None,
    }
    split = run_on_a_line(tmp_path, ROWS, candidates={"divisions": "split"}, division=1.5)
    more = {(one.kind, one.keys): one.more for one in bill_of(split, 0).out}
    assert more == {
        ("link", ((1, 3),)): 0.0,
        ("link", ((1, 4),)): 0.5,
        ("split", ()): 0.5,
        ("disappear", ()): 5.0,
    }


def test_only_the_cheapest_are_solved(runs):
    bills = [bill_of(runs["attrackt"], row) for row in range(0, 20, 3)]
    for bill in bills:
        for ways in (bill.out, bill.into):
            unknown = [one.cost for one in ways if one.more is None]
            solved = [one for one in ways if one.more not in (None, math.inf) and not one.chosen]
            solved = [one.cost for one in solved if one.kind in ("link", "division")]
            assert len(solved) <= tracker.explain.RESOLVED_WAYS + 1
            if unknown:
                assert len(solved) >= tracker.explain.RESOLVED_WAYS - 1
                assert sorted(solved)[tracker.explain.RESOLVED_WAYS - 3] <= min(unknown)
            order = [
                (not one.chosen, one.more == math.inf, one.more is None, one.more or 0.0, one.cost) for one in ways
            ]
            assert order == sorted(order)


def test_without_a_proof_nothing_is_claimed(tmp_path):
    config, prepared, problem, solution = run_on_a_line(tmp_path, ROWS, division=1.5)
    unproven = replace(solution, status="feasible")
    bill = bill_of((config, prepared, problem, unproven), 0)
    assert [one.more for one in bill.out] == [0.0, None, None, None]
    assert bill.second_out is None
    assert bill.more_without is None
    assert bill.sentence_out == "0:7 continues as 1:3; what is second best is known only of a proven optimum"


# ---- names


def found_in(frames, frame, label) -> Detections:
    count = len(frame)
    return Detections(np.array(frame), np.array(label), np.zeros((count, 2)), np.array(frames), np.ones(2))


def test_unknown_detections_are_refused():
    found = found_in([2, 3, 4], [2, 2, 2, 2, 2, 2, 4], [1, 3, 5, 7, 9, 30, 6])
    assert find_row(found, (2, 7)) == 3
    messages = {
        (9, 1): "there is no detection 9:1 to explain: the frames of this run are t = 2 to 4. Name one of them, or "
        "change data.frames",
        (2, 8): "there is no detection 2:8 to explain: frame 2 has 6 labels, the nearest are 1, 3, 5, 7, 9. "
        "Name one that is there",
        (3, 1): "there is no detection 3:1 to explain: frame 3 has no detections at all. Name one of another frame",
        (4, 5): "there is no detection 4:5 to explain: frame 4 has the label 6. Name one that is there",
    }
    for key, message in messages.items():
        with pytest.raises(InputError) as error:
            find_row(found, key)
        assert str(error.value) == message
    with pytest.raises(InputError, match=r"are t = 0, 4, 8, 12, 16 and 1 more \(6\)\. "):
        find_row(found_in([0, 4, 8, 12, 16, 20], [0], [1]), (1, 1))
