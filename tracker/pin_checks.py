"""Pins meet the movie: rows of its detections for every pin, and the checks before anything is solved."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.ilp.pins import PinArrays
from tracker.pin_contradictions import find_contradictions, first_in_group
from tracker.pin_table import KINDS, PinTable, display_name, in_one_paragraph, named, refuse

_WIDTH = {"link": 2, "division": 3, "children": 3}  # detections in a row of PinArrays, else 1
_FEWEST_FOREIGN = 5  # fewer unknown labels than this are mistakes, not another movie


@dataclass(frozen=True)
class ResolvedPins:
    """Pins as rows of the detections.

    table: P pins.   rows: (P, 3) int64 rows of detection, child, child; -1 where there is none. The children of a
    division and of two `children` stand in ascending order.
    hard: the pins without confidence, each different one once.
    sources: kind -> (K,) int64 row of `table` (the first) for each row of that kind in `hard`.
    soft: (S,) int64 rows of `table` of the pins with confidence, each different one once.
    """

    table: PinTable
    rows: NDArray[np.int64]
    hard: PinArrays
    sources: dict[str, NDArray[np.int64]]
    soft: NDArray[np.int64]

    @property
    def different(self) -> NDArray[np.int64]:
        """Rows of `table` in ascending order, each different pin once."""
        return np.sort(np.concatenate([*self.sources.values(), self.soft]))


def check_rows(table: PinTable) -> None:
    """Raise PinConflictError when certain pins contradict each other whatever the movie is, in sets of two or three."""
    keys = _distinct(table.key[table.key[..., 0] >= 0])
    frames = np.unique(keys[:, 0])
    resolve_pins(table, Detections(keys[:, 0], keys[:, 1], np.zeros((len(keys), 2)), frames, np.ones(2)))


def resolve_pins(table: PinTable, detections: Detections) -> ResolvedPins:
    """Find the detections of every pin and check that the hard pins can hold together, as far as small sets show.

    Raises PinsFileError for frames and labels that are not there, and for a file made for another movie;
    PinConflictError naming the rows that contradict each other. Pins with a confidence never contradict.
    """
    rows = _rows(table, detections)
    code = np.column_stack([table.kind, rows, table.value])
    certain = np.isnan(table.confidence)
    hard = np.flatnonzero(certain)
    hard = hard[first_in_group(code[hard]) == np.arange(len(hard))]
    soft = np.flatnonzero(~certain)
    weight = table.confidence[soft].view(np.int64)  # the bits: equal for equal numbers
    soft = soft[first_in_group(np.column_stack([code[soft], weight])) == np.arange(len(soft))]
    found = find_contradictions(table.kind[hard], rows[hard], table.value[hard], len(detections))
    if found:
        sentences = [
            f"{', '.join(table.describe(int(hard[pin])) for pin in pins)}: {reason}" for pins, reason in found[:5]
        ]
        sentences += [""] * (len(found) - len(sentences))  # only counted
        raise PinConflictError(
            f"{in_one_paragraph(sentences)}. Correct or remove one of the rows"
            + (" of each contradiction" if len(found) > 1 else "")
        )
    columns, sources = {}, {}
    for number, kind in enumerate(KINDS):
        sources[kind] = hard[table.kind[hard] == number]
        content = rows[sources[kind], : _WIDTH.get(kind, 1)]
        value = table.value[sources[kind]].astype(np.int64)
        columns[kind] = content if kind == "children" else np.column_stack([content, value])
    return ResolvedPins(table, rows, PinArrays(**columns), sources, soft)


def _rows(table: PinTable, detections: Detections) -> NDArray[np.int64]:
    """(P, 3) rows of the detections, children ascending; refuses what is not there."""
    frame, label = table.key[..., 0], table.key[..., 1]
    given = frame >= 0
    rows = np.where(given, detections.rows_of(frame, label), -1)
    absent = given & (rows < 0)
    if absent.any():
        outside = given & ~np.isin(frame, detections.frames)
        _refuse_absent(table, detections, absent, outside)
    both = rows[:, 2] >= 0
    rows[both, 1:] = np.sort(rows[both, 1:], axis=1)
    return rows


def _refuse_absent(
    table: PinTable, detections: Detections, absent: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> None:
    """absent: (P, 3) detections that are not there; outside: (P, 3) those whose whole frame is not there."""
    problems = []
    explained = np.zeros(len(table), bool)
    for number in np.unique(table.file):
        own = table.file == number
        asked = _distinct(table.key[own][(table.key[own][..., 0] >= 0) & ~outside[own]])
        unknown = _distinct(table.key[own][absent[own] & ~outside[own]])
        if len(unknown) >= _FEWEST_FOREIGN and 2 * len(unknown) > len(asked):
            explained |= own
            examples = ", ".join(named((int(t), int(label))) for t, label in unknown[:5])
            problems.append(
                f"{display_name(table.files, int(number))} seems to belong to another movie: of the {len(asked)} "
                f"detections it names in the frames of this run {len(unknown)} are not there (such as {examples}). "
                "Check that [annotations] pins and [data] go together"
            )
    bad = np.flatnonzero(absent.any(axis=1) & ~explained)
    for row in bad[:5]:  # the others are only counted
        place = int(np.argmax(absent[row]))
        problems.append(f"{table.where(int(row))}: {_why_absent(detections, *table.key[row, place])}")
    refuse([*problems, *[""] * max(len(bad) - 5, 0)])


def _distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(keys, axis=0)


def _why_absent(detections: Detections, t: int, label: int) -> str:
    frames = detections.frames
    if t not in frames:
        if not len(frames):
            return f"t={t} is not there, this run has no frames"
        extent = f"t = {frames[0]} to {frames[-1]}"
        if frames[0] < t < frames[-1]:
            before = np.searchsorted(frames, t)
            return (
                f"t={t} is none of the frames that this run keeps, {extent} "
                f"(the nearest are {frames[before - 1]} and {frames[before]})"
            )
        return f"t={t} is outside the frames of this run, {extent}"
    there = detections.label[detections.frame == t]
    if not len(there):
        return f"there is no detection {t}:{label}, frame {t} has no detections at all"
    nearest = np.sort(there[np.argsort(np.abs(there - label), kind="stable")[:3]])
    return (
        f"there is no detection {t}:{label} in frame {t}, nearest labels {', '.join(str(other) for other in nearest)}"
    )
