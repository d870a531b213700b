"""The bill of a detection on a terminal, and as JSON."""

import math
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tracker.errors import ConfigError
from tracker.explain import RESOLVED_WAYS, Bill, Way
from tracker.pin_table import Key, named
from tracker.price_lines import Line

_LONGEST = 18  # digits of a number that surely fits


def parse_keys(texts: list[str] | None) -> list[Key]:
    """Detections given as `5:31`. Raises ConfigError."""
    keys = []
    for text in texts or []:
        t, colon, label = (part.strip() for part in text.partition(":"))
        digits = (t, label.removeprefix("-"))
        if not colon or not all(part.isascii() and part.isdigit() and len(part) <= _LONGEST for part in digits):
            raise ConfigError(
                f"--explain wants T:LABEL, the frame and label of a detection, such as 5:31, found {text!r}"
            )
        keys.append((int(t), int(label)))
    return keys


def bill_tables(bill: Bill) -> RenderableType:
    """Two sentences, what the detection itself costs, and a table of the ways on each side.

    Terms without effect are left out, such as `costs.division` = 0, and so are ways that are impossible or dear.
    """
    parts: list[RenderableType] = [Text(f"{bill.sentence_out}\n{bill.sentence_into}", style="bold")]
    if bill.detection.lines:
        parts.append(_table(f"{named(bill.key)} itself", (bill.detection,), ""))
    if bill.more_without is not None and 0 < bill.more_without < math.inf:
        parts.append(Text(f"without {named(bill.key)} the lineage would cost {bill.more_without:.4g} more"))
    parts.append(_table(f"out of {named(bill.key)}", bill.out, "to"))
    parts.append(_table(f"into {named(bill.key)}", bill.into, "from"))
    return Group(*(part for each in parts for part in (each, Text())))


def bill_as_json(bill: Bill) -> dict[str, Any]:
    """The bill as plain values; what is infinite is None, and `possible` says so."""
    sides = {
        side: {
            "sentence": sentence,
            "margin": None if second is None else _finite(second.more),
            "ways": [_way_as_json(way) for way in ways],
        }
        for side, sentence, second, ways in (
            ("out", bill.sentence_out, bill.second_out, bill.out),
            ("into", bill.sentence_into, bill.second_into, bill.into),
        )
    }
    t, label = bill.key
    return {
        "t": t,
        "label": label,
        "selected": bill.detection.chosen,
        "detection": _way_as_json(bill.detection),
        "more_without": _finite(bill.more_without),
        **sides,
    }


def _table(title: str, ways: tuple[Way, ...], toward: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title)
    table.add_column("cost", justify="right")
    table.add_column("more", justify="right")
    table.add_column("made of")
    possible = [way for way in ways if way.more != math.inf]
    shown = possible[: max(RESOLVED_WAYS, sum(way.more is not None for way in possible))]
    for way in shown:
        nothing = [line for line in way.lines if line.cost == 0 and line.weight is None]
        lines = way.lines if len(nothing) == len(way.lines) else [line for line in way.lines if line not in nothing]
        name = Text(_name(way, toward), style="bold" if way.chosen else "")
        table.add_row(name, f"{way.cost:.4g}", _more(way), Text("\n".join(map(_line, lines))))
    others = possible[len(shown) :]
    if others:
        table.add_row(f"{len(others):,} others", f"{others[0].cost:.4g}", "?", "or dearer; not re-solved")
    impossible = len(ways) - len(possible)
    if impossible:
        closed = sum(way.pin == "closes" for way in ways)
        table.add_row(f"{impossible:,} impossible", "", "", f"{closed:,} closed by pins" if closed else "")
    return table


def _name(way: Way, toward: str) -> str:
    others = [named(key) for key in way.keys]
    if way.kind == "link":
        name = f"link {toward} {others[0]}"
    elif way.kind == "division":
        one, other = others
        name = f"division into {one} and {other}" if toward == "to" else f"division of {one}, with {other}"
    else:
        name = {"detection": "being a cell", "split": "dividing at all"}.get(way.kind, way.kind)
    marks = [*(["chosen"] if way.chosen else []), *(["pinned"] if way.pin == "forces" else [])]
    return name + (f" ({', '.join(marks)})" if marks else "")


def _more(way: Way) -> str:
    return "" if way.chosen else "?" if way.more is None else f"{way.more:+.4g}"


def _line(line: Line) -> str:
    if line.weight is None:
        return f"{line.cost:+.4g}  {line.name}"
    z = "" if line.standardised is None else f" (z-score {line.standardised:.4g})"
    return f"{line.cost:+.4g}  {line.weight:g} x {line.name} {line.value:.4g}{z}"


def _way_as_json(way: Way) -> dict[str, Any]:
    content = asdict(way)
    content["more"] = _finite(way.more)
    content["possible"] = None if way.more is None else math.isfinite(way.more)
    return content


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
