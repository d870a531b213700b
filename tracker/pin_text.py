"""Pins as text: one row per line, columns named by a header, comma (or semicolon, tab) between them.

    kind,t,label,t2,label2,t3,label3,value,note
    link,5,31,6,40,,,true,"seen by eye, twice"

Upper and lower case, spaces around fields, blank lines, lines that start with #, and numbers written 5.0 do not matter.
A row may be cut short where only empty fields would follow. A row is one line: no line breaks inside quotes.
"""

import csv
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tracker.pin_table import KINDS, PinRow, problem_of

COLUMNS = ("kind", "t", "label", "t2", "label2", "t3", "label3", "value", "note")
_KNOWN = (*COLUMNS, "confidence")
_NEEDED = ("kind", "t", "label", "value")
_PLACES = (("t", "label"), ("t2", "label2"), ("t3", "label3"))
_PLACES_OF = {"link": 2, "division": 3, "children": 3}  # else 1
_VALUES = {"true": True, "1": True, "false": False, "0": False, "?": None}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_BYTE_ORDER_MARK = "\ufeff"


class _BadRowError(Exception):
    """A row that cannot be understood; the text says why."""


@dataclass(frozen=True)
class PinText:
    """A file of pins, line by line.

    lines: the file without line ends.   columns: names of the header, in lower case.   header_line: its index in
    `lines`.   rows: line index -> pin, unanswered ones included.   problems: line index -> what is wrong with it.
    header_problem: what is wrong with the header or the whole file; then there are no rows.
    """

    lines: list[str]
    line_end: str = "\n"
    delimiter: str = ","
    columns: tuple[str, ...] = ()
    header_line: int = -1
    rows: dict[int, PinRow] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    header_problem: str | None = None


def parse_pins(text: str) -> PinText:
    """Take the text of a file apart. Nothing is raised: what cannot be understood is among the problems."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    filled = [index for index, line in enumerate(lines) if not _is_comment(line)]
    if not filled:
        return PinText(lines, line_end, header_problem=f"is empty, its first line must be {','.join(COLUMNS)}")
    header = lines[filled[0]].removeprefix(_BYTE_ORDER_MARK)
    delimiter = next((mark for mark in "\t;" if mark in header), ",")
    try:
        columns = tuple(name.lower() for name in _split(header, delimiter))
        _check_header(columns, header)
    except _BadRowError as error:
        return PinText(lines, line_end, header_problem=str(error))
    rows: dict[int, PinRow] = {}
    problems: dict[int, str] = {}
    for index in filled[1:]:
        try:
            rows[index] = _row(lines[index], columns, delimiter)
        except _BadRowError as error:
            problems[index] = str(error)
    return PinText(lines, line_end, delimiter, columns, filled[0], rows, problems)


def new_text(rows: Sequence[PinRow]) -> str:
    """A file that holds `rows`."""
    return add_rows(parse_pins(",".join(COLUMNS) + "\n"), rows)


def add_rows(text: PinText, rows: Sequence[PinRow]) -> str:
    """The file with more rows at its end, written in its own columns; missing columns join the header when needed."""
    lines, columns = list(text.lines), list(text.columns)
    fields = [_fields(row) for row in rows]
    used = {name for row in fields for name, value in row.items() if value}
    if missing := [name for name in _KNOWN if name in used and name not in columns]:
        columns += missing
        lines[text.header_line] = text.delimiter.join([lines[text.header_line].rstrip(" "), *missing])
    while lines and not lines[-1].strip():
        lines.pop()
    lines += [_line([row.get(name, "") for name in columns], text.delimiter) for row in fields]
    return text.line_end.join([*lines, ""])


def drop_rows(text: PinText, unwanted: set[PinRow]) -> PinText:
    """The file without the lines of the pins `unwanted`."""
    dropped = {index for index, row in text.rows.items() if row in unwanted}
    return parse_pins(text.line_end.join(line for index, line in enumerate(text.lines) if index not in dropped))


def _is_comment(line: str) -> bool:
    start = line.removeprefix(_BYTE_ORDER_MARK).lstrip()
    return not start.strip(" ,;\t") or start.startswith("#")  # spreadsheets leave blank lines as commas


def _split(line: str, delimiter: str) -> list[str]:
    """Fields of a line. The reader asks for a second line when a quote stays open on the first."""
    reader = csv.reader([line, ""], delimiter=delimiter, skipinitialspace=True)
    try:
        fields = next(reader)
    except csv.Error as error:
        raise _BadRowError(f"cannot be read ({error})") from error
    if reader.line_num > 1:
        raise _BadRowError("a quote is opened but not closed on the same line")
    return [text.strip() for text in fields]


def _check_header(columns: tuple[str, ...], line: str) -> None:
    if "kind" not in columns:
        raise _BadRowError(f"has no header, its first line must be {','.join(COLUMNS)}, found {line.strip()[:80]!r}")
    for name in columns:
        if name and name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_KNOWN)}"
            raise _BadRowError(f"has an unknown column {name!r} in its header, {hint}")
        if name and columns.count(name) > 1:
            raise _BadRowError(f"has the column {name} twice in its header")
    if missing := [name for name in _NEEDED if name not in columns]:
        raise _BadRowError(f"lacks {_and(missing)} in its header, found {line.strip()[:80]!r}")


def _row(line: str, columns: tuple[str, ...], delimiter: str) -> PinRow:
    texts = _split(line, delimiter)
    if any(texts[len(columns) :]):
        quotes = " (put quotes around a note that holds them)" if delimiter == "," else ""
        raise _BadRowError(f"{len(texts)} fields where the header has {len(columns)}, too many commas?{quotes}")
    named = {name: text for name, text in zip(columns, texts, strict=False) if text}
    if "" in named:
        raise _BadRowError(f"the field {named['']!r} stands in a column without a name")
    kind = _kind(named.get("kind", ""))
    keys = _keys(kind, named)
    value_text = named.get("value", "")
    if value_text.lower() not in _VALUES:
        found = f"found {value_text!r}" if value_text else "but is empty"
        raise _BadRowError(f"value must be true, false or ? (not answered yet), {found}")
    confidence = _confidence(named["confidence"]) if "confidence" in named else None
    row = PinRow(kind, keys, _VALUES[value_text.lower()], confidence, _plain(named.get("note", "")))
    if problem := problem_of(row):
        raise _BadRowError(problem)
    return row


def _kind(text: str) -> str:
    if text.lower() in KINDS:
        return text.lower()
    near = difflib.get_close_matches(text.lower(), KINDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KINDS)}"
    raise _BadRowError(f"unknown kind {text!r}, {hint}" if text else f"kind is empty, known are {', '.join(KINDS)}")


def _keys(kind: str, named: dict[str, str]) -> tuple[tuple[int, int], ...]:
    places = _PLACES_OF.get(kind, 1)
    allowed = [name for place in _PLACES[:places] for name in place]
    needed = allowed[:2] if kind == "children" else allowed
    if empty := [name for name in needed if name not in named]:
        raise _BadRowError(f"the kind {kind} needs {_and(needed)}, but {_and(empty)} {_is(empty)} empty")
    if extra := [name for place in _PLACES[places:] for name in place if name in named]:
        raise _BadRowError(f"the kind {kind} takes only {_and(allowed)}, but {_and(extra)} {_is(extra)} filled")
    for t, label in _PLACES[1:places]:
        if (t in named) != (label in named):
            given, lacking = (t, label) if t in named else (label, t)
            raise _BadRowError(f"{given} is given without {lacking}")
    if "t3" in named and "t2" not in named:
        raise _BadRowError("the first child belongs in t2 and label2, which are empty")
    return tuple((_integer(t, named[t]), _integer(label, named[label])) for t, label in _PLACES if t in named)


def _integer(name: str, text: str) -> int:
    """An integer, also when written 5.0."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    if not _NUMBER.fullmatch(text) or not float(text).is_integer():
        raise _BadRowError(f"{name} must be an integer, found {text!r}")
    number = float(text)
    if number < 0:
        raise _BadRowError(f"{name} must not be negative, found {text!r}")
    if number >= 2**53:
        raise _BadRowError(f"{name} is too large, found {text!r}")
    return int(number)


def _confidence(text: str) -> float:
    """The number; whether it lies in (0, 1) is for `problem_of` to say."""
    point = text.replace(",", ".")  # spreadsheets of many countries write 0,8 between semicolons
    if not _NUMBER.fullmatch(point):
        raise _BadRowError(f"confidence must lie between 0 and 1 (leave it empty when certain), found {text!r}")
    return float(point)


def _fields(row: PinRow) -> dict[str, str]:
    fields = {"kind": row.kind, "value": "?" if row.value is None else str(row.value).lower(), "note": row.note}
    for (t, label), key in zip(_PLACES, row.keys, strict=False):
        fields[t], fields[label] = str(key[0]), str(key[1])
    if row.confidence is not None:
        fields["confidence"] = repr(row.confidence)
    return fields


def _line(fields: list[str], delimiter: str) -> str:
    def written(quoting: int) -> str:
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter, lineterminator="", quoting=quoting).writerow(fields)  # type: ignore[arg-type]
        return file.getvalue()

    line = written(csv.QUOTE_MINIMAL)
    return written(csv.QUOTE_ALL) if line.lstrip().startswith("#") else line  # a note must not read as a comment


def normal(row: PinRow) -> PinRow:
    """The pin as it would be read back from a file, so that equal pins are equal rows."""
    keys = tuple((int(t), int(label)) for t, label in row.keys)
    confidence = None if row.confidence is None or row.confidence != row.confidence else float(row.confidence)
    return PinRow(row.kind, keys, None if row.value is None else bool(row.value), confidence, _plain(row.note))


def _plain(note: str) -> str:
    return " ".join(note.split())


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _is(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"
