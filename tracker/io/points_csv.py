"""Point tables as text: one point per line, columns named by a header, separated by comma, semicolon, tab or spaces."""

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import PointsError, first_five
from tracker.io.point_table import PointTable, check_points

#: The names under which each column is known, in lower case, the first found wins.
NAMES = {
    "id": ("id", "node_id", "point_id", "cell_id", "spot_id"),
    "t": ("t", "frame", "time"),
    "z": ("z", "position_z", "pos_z"),
    "y": ("y", "position_y", "pos_y"),
    "x": ("x", "position_x", "pos_x"),
    "parent_id": ("parent_id", "parent"),
}
INTEGERS = ("id", "t", "parent_id")


@dataclass(frozen=True)
class _Header:
    """delimiter: None = white space.   names: of all columns.   role: column number of each of NAMES there is."""

    path: Path
    line: int
    delimiter: str | None
    names: list[str]
    role: dict[str, int]

    @property
    def axes(self) -> tuple[str, ...]:
        """Spatial columns there are."""
        return tuple(axis for axis in "zyx" if axis in self.role)

    @property
    def extra(self) -> dict[str, int]:
        """Columns without a role; those without a name (a data frame's index) are left out."""
        taken = set(self.role.values())
        lineage = NAMES["parent_id"]  # a second column of parents must not pass for a property
        return {n: k for k, n in enumerate(self.names) if k not in taken and n and n.lower() not in lineage}


def read_csv(path: Path, *, lineage: bool) -> PointTable:
    """Read a text table; see `tracker.io.points.read_points`."""
    try:
        header = _read_header(path)
        columns = _read_fast(header, lineage=lineage)
        if columns is None:
            columns = _read_carefully(header, lineage=lineage)
    except (OSError, UnicodeDecodeError) as error:
        raise PointsError(f"cannot read the point table {path}: {error}") from error
    count = len(columns["t"])
    ids = columns.get("id", np.arange(1, count + 1)).astype(np.int64)
    parent = columns["parent_id"].astype(np.int64) if "parent_id" in columns else None
    if parent is not None:
        parent[parent < 0] = -1
        if not (ids == 0).any():
            parent[parent == 0] = -1
    table = PointTable(
        id=ids,
        frame=columns["t"].astype(np.int64),
        position=np.column_stack([columns[axis] for axis in header.axes]).astype(np.float64),
        axes=header.axes,
        parent_id=parent,
        properties={name: columns[name].astype(np.float64) for name in header.extra if name in columns},
        name=str(path),
    )
    return check_points(table, lambda rows: _lines_of(path, header, rows))


def _data_lines(path: Path, header_line: int) -> Iterator[tuple[int, str]]:
    """(line number, text) of the lines below the header that are neither blank nor a comment."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if number > header_line and not _is_comment(line):
                yield number, line


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _lines_of(path: Path, header: _Header, rows: NDArray[np.int64]) -> list[str]:
    numbers = np.array([number for number, _ in _data_lines(path, header.line)])
    return [f"line {number}" for number in numbers[rows]]


def _read_header(path: Path) -> _Header:
    """Find the header: the first line, comments apart; or a comment right above the numbers."""
    comment = (0, "")
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if line.lstrip().startswith("#"):
                comment = (number, line.lstrip().lstrip("#"))
                continue
            if all(_number(field) is not None for field in _split(line, _delimiter(line))):
                number, line = comment if comment[1] else (number, line)
            return _named_columns(path, number, line)
    raise PointsError(f"no points in {path}")


def _named_columns(path: Path, number: int, line: str) -> _Header:
    delimiter = _delimiter(line)
    names = _split(line, delimiter)
    lower = [name.lower() for name in names]
    twice = sorted({name for name in lower if name and lower.count(name) > 1})
    if twice:
        raise PointsError(f"the columns of a point table need different names; {path} has twice: {first_five(twice)}")
    role = {}
    for column, known in NAMES.items():
        found = [lower.index(name) for name in known if name in lower]
        if found:
            role[column] = found[0]
    missing = [column for column in "tyx" if column not in role]
    if missing:
        raise PointsError(
            f"a point table needs a header that names the columns t, [z,] y, x and may name id and parent_id; "
            f"{path} has no {', '.join(missing)} (its first line: {line.strip()[:80]!r})"
        )
    if "parent_id" in role and "id" not in role:
        raise PointsError(f"{path} has the column {names[role['parent_id']]} but no id for it to refer to")
    return _Header(path, number, delimiter, names, role)


def _delimiter(line: str) -> str | None:
    return next((mark for mark in "\t;," if mark in line), None)


def _split(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [field.strip() for field in next(csv.reader([line.strip("\r\n")], delimiter=delimiter))]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _read_fast(header: _Header, *, lineage: bool) -> dict[str, NDArray[np.generic]] | None:
    """All columns in one vectorised pass; None when a field needs a closer look."""
    first = next((line for _, line in _data_lines(header.path, header.line)), None)
    if first is None:
        raise PointsError(f"no points in {header.path}")
    fields = _split(first, header.delimiter)
    if len(fields) != len(header.names) or "" in fields:
        return None
    wanted = _wanted(header, lineage=lineage)
    wanted |= {name: k for name, k in header.extra.items() if _number(fields[k]) is not None}
    kinds = {k: "i8" if name in INTEGERS and header.role.get(name) == k else "f8" for name, k in wanted.items()}
    dtype = np.dtype([(f"c{k}", kinds.get(k, "U1")) for k in range(len(fields))])
    lines = (line for _, line in _data_lines(header.path, header.line))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy only warns where it cuts 1.5 down to an integer
        try:
            rows = np.loadtxt(lines, dtype, delimiter=header.delimiter, comments=None, quotechar='"', ndmin=1)
        except (ValueError, Warning):
            return None
    return {name: rows[f"c{k}"] for name, k in wanted.items()}


def _wanted(header: _Header, *, lineage: bool) -> dict[str, int]:
    return {name: k for name, k in header.role.items() if lineage or name != "parent_id"}


def _read_carefully(header: _Header, *, lineage: bool) -> dict[str, NDArray[np.generic]]:
    """All columns field by field: copes with empty fields and integers written 3.0, and finds the lines at fault."""
    lines, rows = [], []
    for number, line in _data_lines(header.path, header.line):
        lines.append(number)
        rows.append(_split(line, header.delimiter))
    odd = [f"line {n} ({len(row)})" for n, row in zip(lines, rows, strict=True) if len(row) != len(header.names)]
    if odd:
        raise PointsError(
            f"every line of {header.path} needs {len(header.names)} fields, as its header has; "
            f"found otherwise in {first_five(odd)}"
        )
    columns: dict[str, NDArray[np.generic]] = {}
    for name, k in _wanted(header, lineage=lineage).items():
        texts = [row[k] for row in rows]
        values = [_integer(text, name) if name in INTEGERS else _number(text) for text in texts]
        bad = [f"line {n} ({text!r})" for n, text, value in zip(lines, texts, values, strict=True) if value is None]
        if bad:
            kind = "an integer" if name in INTEGERS else "a number"
            raise PointsError(f"{name} must be {kind}; not so in {header.path} {first_five(bad)}")
        columns[name] = np.array(values, np.int64 if name in INTEGERS else np.float64)
    for name, k in header.extra.items():
        numbers = [_number(row[k] or "nan") for row in rows]
        if None not in numbers:
            columns[name] = np.array(numbers, np.float64)
    return columns


def _integer(text: str, name: str) -> int | None:
    """An integer, also when written 3.0; an empty parent is -1."""
    if name == "parent_id" and text.lower() in ("", "nan", "none"):
        return -1
    try:
        value = int(text)
    except ValueError:
        number = _number(text)
        if number is None or not number.is_integer():
            return None
        value = int(number)
    return value if abs(value) < 2**63 else None
