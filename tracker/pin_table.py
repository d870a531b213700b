"""Pins as a person gives them: the row, the table of many rows, and the words for both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError

KINDS = ("detection", "link", "division", "appear", "disappear", "children")
_DETECTIONS = {"detection": (1, 1), "link": (2, 2), "division": (3, 3), "children": (1, 3)}  # fewest, most; else 1

Key = tuple[int, int]


class PinsFileError(InputError):
    """A file of pins cannot be read, has malformed rows, or names detections that are not there."""


class PinRow(NamedTuple):
    """One pin.

    kind: one of KINDS.   keys: (t, label) of the detection, then of its child or children.
    value: True, False, or None = not answered yet (`?` in the file).
    confidence: None = certain, a hard pin; in (0, 1) = a soft pin.   note: free text.
    """

    kind: str
    keys: tuple[Key, ...]
    value: bool | None = True
    confidence: float | None = None
    note: str = ""


@dataclass(frozen=True)
class PinTable:
    """P answered pins, as a struct of arrays.

    kind: (P,) int8 index into KINDS.   value: (P,) bool.
    key: (P, 3, 2) int64 (t, label) of the detection and of its children, (-1, -1) where there is none.
    confidence: (P,) float64 in (0, 1); NaN = certain, a hard pin.   note: P texts.
    file: (P,) int64 index into `files`.   line: (P,) int64 line of that file, from 1.
    unanswered: number of rows, in all files, whose value is `?`; they are not in the table.
    """

    kind: NDArray[np.int8]
    key: NDArray[np.int64]
    value: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    note: tuple[str, ...]
    file: NDArray[np.int64]
    line: NDArray[np.int64]
    files: tuple[str, ...]
    unanswered: int = 0

    def __len__(self) -> int:
        """Number of answered pins P."""
        return len(self.kind)

    def where(self, row: int) -> str:
        """Place of a pin: `pins.csv line 12`."""
        return f"{display_name(self.files, int(self.file[row]))} line {self.line[row]}"

    def describe(self, row: int) -> str:
        """Place and meaning of a pin: `pins.csv line 12 links 5:31 to 6:40`."""
        return f"{self.where(row)} {meaning(self.row(row))}"

    def row(self, row: int) -> PinRow:
        """One pin of the table."""
        keys = tuple((int(t), int(label)) for t, label in self.key[row] if t >= 0)
        confidence = None if np.isnan(self.confidence[row]) else float(self.confidence[row])
        return PinRow(KINDS[self.kind[row]], keys, bool(self.value[row]), confidence, self.note[row])

    def take(self, rows: NDArray[np.integer]) -> "PinTable":
        """The pins `rows` alone, in that order; files and the number of unanswered rows stay."""
        return replace(
            self,
            kind=self.kind[rows],
            key=self.key[rows],
            value=self.value[rows],
            confidence=self.confidence[rows],
            note=tuple(self.note[row] for row in rows),
            file=self.file[rows],
            line=self.line[rows],
        )


def pin_table(
    rows: Iterable[PinRow], *, name: str = "pins", lines: Sequence[int] | None = None, unanswered: int = 0
) -> PinTable:
    """Table of the answered rows; the others are counted on top of `unanswered`.

    name: of the file they come from.   lines: line of each row there; 1, 2, ... without.
    Raises PinsFileError, naming the rows, where `problem_of` finds fault.
    """
    rows = list(rows)
    lines = range(1, len(rows) + 1) if lines is None else lines
    found = [(line, problem_of(row)) for line, row in zip(lines, rows, strict=True)]
    refuse([f"{display_name((name,), 0)} line {line}: {problem}" for line, problem in found if problem])
    kept = [(line, row) for line, row in zip(lines, rows, strict=True) if row.value is not None]
    key = np.full((len(kept), 3, 2), -1, np.int64)
    for width in (1, 2, 3):
        alike = [k for k, (_, row) in enumerate(kept) if len(row.keys) == width]
        if alike:
            key[alike, :width] = [kept[k][1].keys for k in alike]
    return PinTable(
        kind=np.array([KINDS.index(row.kind) for _, row in kept], np.int8),
        key=key,
        value=np.array([row.value for _, row in kept], bool),
        confidence=np.array([np.nan if row.confidence is None else row.confidence for _, row in kept], np.float64),
        note=tuple(row.note for _, row in kept),
        file=np.zeros(len(kept), np.int64),
        line=np.array([line for line, _ in kept], np.int64),
        files=(name,),
        unanswered=unanswered + len(rows) - len(kept),
    )


def join_pins(tables: Sequence[PinTable]) -> PinTable:
    """All tables below each other, duplicates included."""
    if not tables:
        return replace(pin_table(()), files=())
    files = tuple(dict.fromkeys(name for table in tables for name in table.files))
    places = [np.array([files.index(name) for name in table.files], np.int64) for table in tables]
    return PinTable(
        kind=np.concatenate([table.kind for table in tables]),
        key=np.concatenate([table.key for table in tables]),
        value=np.concatenate([table.value for table in tables]),
        confidence=np.concatenate([table.confidence for table in tables]),
        note=tuple(note for table in tables for note in table.note),
        file=np.concatenate([place[table.file] for place, table in zip(places, tables, strict=True)]),
        line=np.concatenate([table.line for table in tables]),
        files=files,
        unanswered=sum(table.unanswered for table in tables),
    )


def merge_pins(tables: Sequence[PinTable]) -> PinTable:
    """All tables below each other; of rows that are equal in all (kind, detections, value, confidence, note) the first.

    Rows that merely mean the same stay: they do no harm.
    """
    joined = join_pins(tables)
    first = {joined.row(row): row for row in reversed(range(len(joined)))}
    return joined.take(np.array(sorted(first.values()), np.int64))


def problem_of(row: PinRow) -> str | None:
    """What is wrong with a pin by itself, in words; None when nothing is."""
    if row.kind not in KINDS:
        return f"unknown kind {row.kind!r}, known are {', '.join(KINDS)}"
    fewest, most = _DETECTIONS.get(row.kind, (1, 1))
    if not fewest <= len(row.keys) <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        return f"the kind {row.kind} names {wanted} detections, found {len(row.keys)}"
    if min(min(key) for key in row.keys) < 0:
        return f"t and label must not be negative, found {', '.join(map(named, row.keys))}"
    parent, *children = row.keys
    for child in children:
        if child[0] <= parent[0]:
            return f"a child must be later than its parent, but {named(child)} is not later than {named(parent)}"
    if len(set(children)) < len(children):
        return f"the child {named(children[0])} is named twice"
    if row.confidence is not None and not 0 < row.confidence < 1:
        return f"confidence must lie between 0 and 1 (leave it empty when certain), found {row.confidence:g}"
    if row.kind == "children" and row.value is False:
        return (
            "children cannot be false (write a link with false to forbid one child, "
            "a division with false to forbid two together)"
        )
    return None


def meaning(row: PinRow) -> str:
    """What a pin says, as a verb and its objects: `links 5:31 to 6:40`."""
    own, *children = map(named, row.keys)
    pair, yes = " and ".join(children), row.value is not False
    if row.kind == "detection":
        return f"says {own} is real" if yes else f"rejects {own}"
    if row.kind == "link":
        return f"links {own} to {pair}" if yes else f"forbids the link {own} to {pair}"
    if row.kind == "division":
        return f"divides {own} into {pair}" if yes else f"forbids the division of {own} into {pair}"
    if row.kind == "children":
        counted = "the only child" if len(children) == 1 else "the children"
        return f"gives {own} {counted} {pair}" if children else f"ends {own}"
    return f"says {own} {row.kind}s" if yes else f"says {own} does not {row.kind}"


def named(key: Key) -> str:
    """A detection in messages: `5:31`."""
    return f"{key[0]}:{key[1]}"


def display_name(files: Sequence[str], index: int) -> str:
    """A file in messages: its name, with folders only where another file has the same name."""
    name = Path(files[index]).name
    return name if [Path(file).name for file in files].count(name) == 1 else files[index]


def refuse(problems: Sequence[str]) -> None:
    """Raise PinsFileError with the first five of `problems` and their number, when there are any."""
    if problems:
        raise PinsFileError(in_one_paragraph(problems))


def in_one_paragraph(problems: Sequence[str]) -> str:
    """First five of `problems`, and how many more there are."""
    rest = len(problems) - 5
    return "; ".join([*problems[:5], *([f"and {rest} more ({len(problems)})"] if rest > 0 else [])])
