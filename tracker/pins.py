"""Files of pins: what people know about a movie, read, written, and added to while others edit.

A CSV with the columns kind, t, label, t2, label2, t3, label3, value, note and, if wanted, confidence:

    detection  t,label is real (true) or not (false)
    link       t2,label2 descends directly from t,label, perhaps as one of two children
    division   t,label divides into t2,label2 and t3,label3
    appear, disappear   the track of t,label begins (ends) there
    children   these are all the children of t,label: none, one or two

A value of `?` means: not answered yet. A confidence in (0, 1) turns a pin into a cost.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tracker.errors import OutputError
from tracker.file_lock import locked
from tracker.pin_table import (
    KINDS,
    PinRow,
    PinsFileError,
    PinTable,
    display_name,
    join_pins,
    merge_pins,
    pin_table,
    problem_of,
    refuse,
)
from tracker.pin_text import PinText, add_rows, drop_rows, new_text, normal, parse_pins

__all__ = [
    "KINDS",
    "PinRow",
    "PinTable",
    "PinsFileError",
    "append_pins",
    "merge_pins",
    "pin_table",
    "read_pin_rows",
    "read_pins",
    "write_pins",
]

_ATTEMPTS = 20


def read_pins(paths: Sequence[Path]) -> PinTable:
    """All answered pins of the files, in the order of the files and their lines; duplicates stay.

    Raises PinsFileError naming the first five malformed rows of all files, and their number.
    """
    tables = [
        pin_table(text.rows.values(), name=str(path), lines=[index + 1 for index in text.rows])
        for path, text in zip(paths, _read(paths), strict=True)
    ]
    return join_pins(tables)


def read_pin_rows(paths: Sequence[Path]) -> list[PinRow]:
    """All pins of the files, those not answered yet (value None) included. Raises as `read_pins`."""
    return [row for text in _read(paths) for row in text.rows.values()]


def write_pins(
    path: Path, pins: PinTable | Iterable[PinRow], *, overwrite: bool = False, since: PinTable | None = None
) -> None:
    """Write a file that holds exactly `pins`, each different row once: whole, or not at all.

    overwrite: replace a file that exists.
    since: what the caller had read from the file before changing it into `pins`. Then only the caller's changes are
        made: rows that others added meanwhile stay, rows that others removed stay away, comments and unanswered rows
        stay as well.
    Raises OutputError when the file exists and neither is given, or when the system refuses; PinsFileError for
    malformed pins.
    """
    rows = _checked(pins)

    def change(old: bytes | None) -> str:
        if old is None or (overwrite and since is None):
            return new_text(rows)
        if since is None:
            raise OutputError(f"{path} exists already. Name another file, or replace it with --overwrite")
        before, wanted = set(_rows_of(since)), set(rows)
        text = _usable(path, old)
        there = set(text.rows.values())
        added = [row for row in rows if row not in there and row not in before]
        return _with_rows(drop_rows(text, before - wanted), added)

    _change_file(path, change)


def append_pins(path: Path, pins: PinTable | Iterable[PinRow]) -> int:
    """Add rows at the end of a file, which is made when it does not exist; returns how many were added.

    Rows that it has already are not added again. Whatever else is in the file stays as it is, comments and malformed
    rows included. Safe next to other programs that append, and next to editors: a file that changed in between is read
    again. Raises OutputError when the system refuses; PinsFileError for malformed pins and a file that is no pins file.
    """
    rows = _checked(pins)
    added: list[PinRow] = []

    def change(old: bytes | None) -> str:
        if old is None or not old.strip():
            added[:] = rows
            return new_text(rows)
        text = _usable(path, old)
        there = set(text.rows.values())
        added[:] = [row for row in rows if row not in there]
        return _with_rows(text, added)

    _change_file(path, change)
    return len(added)


def _read(paths: Sequence[Path]) -> list[PinText]:
    names = [str(path) for path in paths]
    texts, problems = [], []
    for number, path in enumerate(paths):
        try:
            text = parse_pins(_decode(path, path.read_bytes()))
        except FileNotFoundError:
            text = PinText([], header_problem="does not exist")
        except OSError as error:
            text = PinText([], header_problem=f"cannot be read ({error.strerror or error})")
        except PinsFileError as error:
            problems.append(str(error))
            continue
        if text.header_problem:
            problems.append(f"the pins file {path} {text.header_problem}")
        name = display_name(names, number)
        problems += [f"{name} line {index + 1}: {problem}" for index, problem in text.problems.items()]
        texts.append(text)
    refuse(problems)
    return texts


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PinsFileError(
            f"the pins file {path} must be text in UTF-8, which line {line} is not. "
            'Save it again as "CSV UTF-8" or with that encoding'
        ) from error


def _usable(path: Path, content: bytes) -> PinText:
    text = parse_pins(_decode(path, content))
    if text.header_problem:
        raise PinsFileError(f"the pins file {path} {text.header_problem}")
    return text


def _with_rows(text: PinText, rows: Sequence[PinRow]) -> str:
    return add_rows(text, rows) if rows else text.line_end.join(text.lines)


def _rows_of(pins: PinTable | Iterable[PinRow]) -> list[PinRow]:
    rows = (pins.row(row) for row in range(len(pins))) if isinstance(pins, PinTable) else pins
    return [normal(row) for row in rows]


def _checked(pins: PinTable | Iterable[PinRow]) -> list[PinRow]:
    rows = _rows_of(pins)
    problems = [(number, problem_of(row)) for number, row in enumerate(rows, start=1)]
    refuse([f"pin {number}: {problem}" for number, problem in problems if problem])
    return list(dict.fromkeys(rows))


def _change_file(path: Path, change: Callable[[bytes | None], str]) -> None:
    """Replace the content of `path` (None when there is no file) by what `change` makes of it, in one step.

    The lock keeps out programs that know it. Others are noticed: when the file is not what was read any more, `change`
    sees the new content.
    """
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            try:
                for _ in range(_ATTEMPTS):
                    old = _content(path)
                    new = change(old).encode("utf-8")
                    if new == old:
                        return
                    _write(partial, new, path if old is not None else None)
                    if _content(path) == old:
                        partial.replace(path)
                        return
            finally:
                partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: it changed {_ATTEMPTS} times meanwhile. Try again later")
    except OSError as error:
        raise OutputError(
            f"the pins cannot be written to {path}: {error.strerror or error}. Mend this, or name another file"
        ) from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(partial: Path, content: bytes, like: Path | None) -> None:
    """Write to disk, with the permissions of the file that is to be replaced."""
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like is not None:
        with suppress(FileNotFoundError):
            shutil.copymode(like, partial)
