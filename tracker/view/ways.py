"""What a detection can do: its candidate links and divisions with costs, what is chosen, and what else would cost."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.alternatives import Side
from tracker.detections import Detections
from tracker.pin_table import Key, PinRow
from tracker.session import Session

Kind = Literal["link", "division", "end"]
RESOLVED_WAYS = 12  # per side; the cheapest ones
_PAIRED_CHILDREN = 4  # split model: of the cheapest children all pairs are shown


@dataclass(frozen=True)
class Way:
    """One candidate.

    side: "out" of the detection, or "into" it.   kind: "end" is disappearing, or appearing.
    rows: out, the children in ascending order; into, the parent and then the other child.
    column: of the program; -1 where it takes several (a pair of links in the split model).
    cost: its own; lower is better.   chosen: whether the lineage holds it.
    pin: whether pins force or forbid it, "" when they leave it open.
    more: how much dearer the optimum were with it; exact, 0 for what is chosen; None where that was not asked.
    """

    side: Side
    kind: Kind
    rows: tuple[int, ...]
    column: int
    cost: float
    chosen: bool
    pin: Literal["", "forced", "forbidden"] = ""
    more: float | None = None


def key_of(detections: Detections, row: int) -> Key:
    """(t, label) of a row."""
    return int(detections.frame[row]), int(detections.label[row])


def ways_of(session: Session, row: int) -> tuple[Way, ...]:
    """All ways out of a detection and then all into it; of each side the chosen ones first, then by `more` and cost.

    Candidates that are closed and that no pin names (once demanded, now not any more) are left out.
    """
    graph, problem, values = session.program
    layout, forbidden = problem.layout, _forbidden(session)
    found: list[Way] = []

    def add(side: Side, kind: Kind, rows: tuple[int, ...], column: int, named: PinRow | None) -> None:
        closed, forced = problem.upper[column] == 0, problem.lower[column] == 1
        if closed and not (named in forbidden or kind == "end"):
            return
        pin: Literal["", "forced", "forbidden"] = "forbidden" if closed else "forced" if forced else ""
        more = 0.0 if values[column] else np.inf if closed else None
        found.append(Way(side, kind, rows, column, float(problem.cost[column]), bool(values[column]), pin, more))

    detections = graph.detections
    key = key_of(detections, row)
    for index in np.flatnonzero((graph.links == row).any(axis=1)).tolist():
        parent, child = graph.links[index].tolist()
        side: Side = "out" if parent == row else "into"
        other = child if parent == row else parent
        keys = (key, key_of(detections, other)) if parent == row else (key_of(detections, other), key)
        add(side, "link", (other,), layout.link.start + index, PinRow("link", keys, False))
    for index in np.flatnonzero((problem.divisions == row).any(axis=1)).tolist():
        family = problem.divisions[index].tolist()
        side = "out" if family[0] == row else "into"
        others = tuple(one for one in family if one != row)
        named = PinRow("division", tuple(key_of(detections, one) for one in family), False)
        add(side, "division", others, layout.division.start + index, named)
    add("out", "end", (), layout.disappear.start + row, None)
    add("into", "end", (), layout.appear.start + row, None)
    if problem.split:
        found = _with_pairs(found, problem.cost[layout.splits.start + row])
    found = _with_more(session, found)
    return tuple(sorted(found, key=_order))


def _with_pairs(found: list[Way], split_cost: float) -> list[Way]:
    """Split model: two children are two links and a split; a chosen link beside another is no way of its own."""
    out = sorted((way for way in found if way.side == "out" and way.kind == "link"), key=lambda way: way.cost)
    chosen = [way for way in out if way.chosen]
    near = {way.column: way for way in [*chosen, *out[:_PAIRED_CHILDREN]] if way.pin != "forbidden"}
    pairs, columns = [], list(near)
    for place, one in enumerate(columns):
        for other in columns[place + 1 :]:
            a, b = near[one], near[other]
            rows = tuple(sorted((a.rows[0], b.rows[0])))
            both = a.chosen and b.chosen
            pairs.append(
                Way("out", "division", rows, -1, a.cost + b.cost + float(split_cost), both, "", 0.0 if both else None)
            )
    if len(chosen) == 2:
        found = [replace(way, chosen=False, more=None) if way in chosen else way for way in found]
    return found + pairs


def _with_more(session: Session, found: list[Way]) -> list[Way]:
    _, _, values = session.program
    asked: list[int] = []
    for side in ("out", "into"):
        open_ways = [way for way in found if way.side == side and way.more is None and way.column >= 0]
        open_ways = [way for way in open_ways if not values[way.column]]
        cheapest = sorted(open_ways, key=lambda way: way.cost)[:RESOLVED_WAYS]
        asked += [way.column for way in cheapest]
    known = dict(zip(asked, session.dearer([(column, 1) for column in asked]).tolist(), strict=True))
    return [replace(way, more=known.get(way.column)) if way.more is None else way for way in found]


def _forbidden(session: Session) -> set[PinRow]:
    """Links and divisions that pins forbid, without their notes; children of divisions ascending as in the graph."""
    found = set()
    for row in session.pins:
        if row.value is False and row.confidence is None and row.kind in ("link", "division"):
            found.add(PinRow(row.kind, row.keys[:1] + tuple(sorted(row.keys[1:])), False))
    return found


def _order(way: Way) -> tuple[bool, bool, bool, float, float, int]:
    known = way.more is not None
    return way.side == "into", not way.chosen, not known, way.more or 0.0, way.cost, way.column


def way_out_columns(session: Session, row: int) -> NDArray[np.int64]:
    """Columns of what a detection does next: its link, its division (split model: two links), or its end."""
    _, problem, values = session.program
    layout = problem.layout
    links = layout.link.start + np.flatnonzero((problem.links[:, 0] == row) & values[layout.link])
    divisions = layout.division.start + np.flatnonzero(
        (problem.divisions[:, :1] == row).any(axis=1) & values[layout.division]
    )
    found = np.concatenate([links, divisions]).astype(np.int64)
    return found if len(found) else np.array([layout.disappear.start + row])
