"""Runs whose detections are explained."""

from pathlib import Path
from typing import Any

from session_cases import content_of

from tracker.annotations import solve_pinned
from tracker.config import Config, make_config
from tracker.explain import Bill, Way, explain
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.pin_table import Key, PinRow
from tracker.pins import write_pins
from tracker.prepare import Prepared, prepare
from tracker.stopwatch import Stopwatch

SETTINGS = SolverSettings(threads=1)
KINDS = ("terms", "two links", "split", "none", "attrackt", "auto", "auto split")
UNPAIRED = ("split", "none", "auto split")
Run = tuple[Config, Prepared, TrackingProblem, Solution]


def content(kind: str, pins: list[str]) -> dict[str, Any]:
    """Movies whose columns are made in different ways."""
    found = content_of("split" if "split" in kind else "none" if kind == "none" else "pair", "keep")
    if kind == "two links":
        found["costs"]["terms"] = [term for term in found["costs"]["terms"] if term["on"] == "link"]
    if kind == "attrackt":
        found["costs"] = {"preset": "attrackt"}
    if kind.startswith("auto"):
        found["costs"] = {"preset": "auto", "appear": 0.75, "division": 0.5}
    return found | {"annotations": {"pins": pins, "soft_weight": 0.7}}


def run_of(config: Config) -> Run:
    prepared = prepare(config, Stopwatch())
    return config, prepared, *solve_pinned(prepared.problem, prepared.pins, SETTINGS)


def bill_of(run: Run, row: int) -> Bill:
    config, prepared, problem, solution = run
    return explain(prepared, problem, solution, row, config, SETTINGS)


def run_on_a_line(
    folder: Path,
    rows: list[tuple[int, int, float]],
    pins: list[PinRow] | tuple[()] = (),
    *,
    candidates: dict[str, Any] | None = None,
    soft_weight: float = 1.0,
    **costs: Any,
) -> Run:
    """Points (id, t, x) on a line; a link costs its length and appearing or disappearing 3."""
    text = "".join(f"{name},{t},0,{x}\n" for name, t, x in rows)
    (folder / "line.csv").write_text("id,t,y,x\n" + text)
    write_pins(folder / "pins.csv", pins, overwrite=True)
    length = {"on": "link", "feature": "distance", "weight": 1.0}
    content = {
        "data": {"points": "line.csv"},
        "candidates": {"neighbors": 5, **(candidates or {})},
        "costs": {"preset": "none", "appear": 3.0, "disappear": 3.0, "terms": [length], **costs},
        "annotations": {"pins": ["pins.csv"], "soft_weight": soft_weight},
    }
    return run_of(make_config(content, folder=folder))


def the_way(ways: tuple[Way, ...], kind: str, *keys: Key) -> Way:
    (found,) = [one for one in ways if (one.kind, one.keys) == (kind, keys)]
    return found


ROWS = [(7, 0, 0), (3, 1, 1), (4, 1, -2)]
