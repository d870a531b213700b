"""The bill of a detection: every way out of it and into it, what each costs and why, and what would be second best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.alternatives import SecondBest, Side, around, choice_of, dearer, fact, second_best
from tracker.config import Config
from tracker.detections import Detections
from tracker.errors import InputError, first_five
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.pin_table import Key, named
from tracker.prepare import Prepared
from tracker.price_lines import Entry, Kind, Line, PriceLines

RESOLVED_WAYS = 12  # links and divisions per side whose `more` is found by re-solving, the cheapest ones


@dataclass(frozen=True)
class Way:
    """One candidate: a way out of the detection, a way into it, or the detection itself.

    kind: "split" is what dividing costs on top of two links; the others are what they are called.
    keys: (t, label) of the others: the child or children; for a way into the detection its parent, then the other
        child.   column: of the program.   lines: what makes up the cost.   cost: their sum, the cost of the column.
    chosen: whether the lineage holds it.   pin: whether pins force or close it; "" when they leave it open.
    more: how much dearer the optimum were with this way taken: exact, 0 for what is chosen, infinite where no lineage
        has it; None where that was not asked.
    """

    kind: Kind
    keys: tuple[Key, ...]
    column: int
    lines: tuple[Line, ...]
    cost: float
    chosen: bool
    pin: Literal["", "forces", "closes"]
    more: float | None


@dataclass(frozen=True)
class Bill:
    """Everything about one detection.

    key: its (t, label).   row: its row.   detection: the price of being a cell at all.
    more_without: how much dearer the optimum were without it: 0 when it is not selected, infinite when it must be.
    out, into: all ways out and in; the chosen ones first, then by `more`, then by cost, then what is impossible.
        In the split model a division is two links and the way "split".
    second_out, second_into: what it would do otherwise; None when the lineage is not proven optimal.
    sentence_out, sentence_into: the same in words.
    """

    key: Key
    row: int
    detection: Way
    more_without: float | None
    out: tuple[Way, ...]
    into: tuple[Way, ...]
    second_out: SecondBest | None
    second_into: SecondBest | None
    sentence_out: str
    sentence_into: str


def find_row(detections: Detections, key: Key) -> int:
    """Row of a detection (t, label). Raises InputError naming the frames, or the nearest labels, that there are."""
    t, label = key
    row = int(detections.rows_of(np.array([t]), np.array([label]))[0])
    if row >= 0:
        return row
    missing = f"there is no detection {named(key)} to explain"
    frames = detections.frames
    if t not in frames:
        whole = len(frames) > 1 and frames[-1] - frames[0] == len(frames) - 1
        extent = f"{frames[0]} to {frames[-1]}" if whole else first_five(frames)
        raise InputError(f"{missing}: the frames of this run are t = {extent}. Name one of them, or change data.frames")
    there = detections.label[detections.frame == t]
    if not len(there):
        raise InputError(f"{missing}: frame {t} has no detections at all. Name one of another frame")
    nearest = np.sort(there[np.argsort(np.abs(there - label), kind="stable")[:5]])
    labels = f"the label {nearest[0]}" if len(there) == 1 else f"{len(there)} labels, the nearest are "
    raise InputError(
        f"{missing}: frame {t} has {labels}{first_five(nearest) if len(there) > 1 else ''}. Name one that is there"
    )


def explain(
    prepared: Prepared,
    problem: TrackingProblem,
    solution: Solution,
    row: int,
    config: Config,
    settings: SolverSettings | None = None,
) -> Bill:
    """The bill of detection `row` in the lineage that `solution` found.

    prepared: of `config`.   problem: with the pins that `solution` honours, as `solve_pinned` returns it.
    `more` is found by re-solving for the cheapest RESOLVED_WAYS links and divisions of each side, for ends and splits,
    and for the second best, whatever its cost. Nothing is re-solved where the solution is not proven optimal: then
    `more` is known only of what is chosen.
    """
    values, prices = solution.values, PriceLines.around(prepared, config, row)
    detections, proven = prices.detections, solution.status == "optimal"
    way = _way_maker(prices, problem, values)
    sides: dict[Side, list[Way]] = {"out": [*map(way, prices.ways("out"))], "into": [*map(way, prices.ways("into"))]}
    detection = way(prices.itself())
    more_without: float | None = None if values[row] else 0.0
    seconds: dict[Side, SecondBest | None] = {"out": None, "into": None}
    if proven:
        local = around(problem, values, row)
        asked = [one.column for ways in sides.values() for one in _to_resolve(ways)]
        choices = [(column, 1) for column in dict.fromkeys(asked)] + [(row, 0 if values[row] else 1)]
        costs = dearer(local, values, row, choices, settings).tolist()
        known = {column: cost for (column, _), cost in zip(choices[:-1], costs[:-1], strict=True)}
        if values[row]:
            more_without = costs[-1]
        else:
            detection = replace(detection, more=costs[-1])
        for side, ways in sides.items():
            seconds[side] = second = second_best(local, values, row, side, settings)
            sides[side] = [_with_more(one, known, second, prices, problem.split) for one in ways]

    def sentence(side: Side) -> str:
        second = seconds[side]
        if second is not None:
            return second.sentence(detections)
        does = fact(choice_of(problem, values, row, side), row, side, detections)
        return f"{does}; what is second best is known only of a proven optimum"

    return Bill(
        key=prices.key(row),
        row=row,
        detection=detection,
        more_without=more_without,
        out=tuple(sorted(sides["out"], key=_order)),
        into=tuple(sorted(sides["into"], key=_order)),
        second_out=seconds["out"],
        second_into=seconds["into"],
        sentence_out=sentence("out"),
        sentence_into=sentence("into"),
    )


def _way_maker(prices: PriceLines, pinned: TrackingProblem, values: NDArray[np.bool_]) -> Callable[[Entry], Way]:
    """What makes an entry a Way: its likely pins, its column's cost, and what became of it."""
    free, likely = prices.prepared.problem, prices.likely_pins()

    def way(entry: Entry) -> Way:
        column = entry.column
        lines = (*entry.lines, *likely.get(column, []))
        cost, chosen = float(pinned.cost[column]), bool(values[column])
        total = sum(line.cost for line in lines)
        assert abs(total - cost) <= 1e-9 * max(1.0, abs(cost)), f"the column costs {cost}, its bill says {entry}"
        closed, forced = pinned.upper[column] < free.upper[column], pinned.lower[column] > free.lower[column]
        more = 0.0 if chosen else np.inf if pinned.upper[column] == 0 else None
        pin: Literal["", "forces", "closes"] = "closes" if closed else "forces" if forced else ""
        return Way(entry.kind, entry.keys, column, lines, cost, chosen, pin, more)

    return way


def _to_resolve(ways: Sequence[Way]) -> list[Way]:
    """Ways whose `more` is worth a solve: ends and splits, and the cheapest of the others."""
    unknown = [one for one in ways if one.more is None]
    others = sorted((one for one in unknown if one.kind in ("link", "division")), key=lambda one: one.cost)
    return [one for one in unknown if one.kind not in ("link", "division")] + others[:RESOLVED_WAYS]


def _with_more(way: Way, known: dict[int, float], second: SecondBest, prices: PriceLines, split: bool) -> Way:
    """The way with what re-solving told about it: itself, or as a part of the second best."""
    if way.more is not None:
        return way
    if way.column in known:
        return replace(way, more=known[way.column])
    others = () if second.other is None else tuple(prices.key(row) for row in second.other.rows)
    if split and second.side == "into":
        others = others[:1]  # the link from the parent, whoever else descends from it
    taken = set(way.keys) <= set(others) if split else way.keys == others
    return replace(way, more=second.more) if taken else way


def _order(way: Way) -> tuple[bool, bool, bool, float, float, int]:
    known = way.more is not None
    return not way.chosen, way.more == np.inf, not known, way.more or 0.0, way.cost, way.column
