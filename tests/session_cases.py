"""A small movie for sessions, and the run from the start that a session is compared with."""

from pathlib import Path
from typing import Any

import numpy as np

from tracker.annotations import solve_pinned
from tracker.config import Config, make_config
from tracker.ilp.backends import SolverSettings
from tracker.lineage import Lineage
from tracker.pin_table import PinRow
from tracker.pins import write_pins
from tracker.pipeline import to_lineage
from tracker.prepare import Stopwatch, prepare
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import write_points

Links = set[tuple[tuple[int, int], tuple[int, int]]]


def write_cells(folder: Path) -> Path:
    """A simulated movie of dividing and blinking cells, as points.csv."""
    settings = SimulationSettings(
        n_frames=8, shape=(96, 96), n_cells=7, radius_px=5, cycle_frames=7, blink_probability=0.08, speed_px=1.5
    )
    write_points(simulate(settings, seed=3), folder / "points.csv")
    return folder


def content_of(divisions: str = "pair", detection: str | float = "keep") -> dict[str, Any]:
    """Few neighbours, so that many pins speak of what is no candidate."""
    families = ("link", "division") if divisions == "pair" else ("link",)
    terms = [{"on": family, "feature": "distance", "weight": 1.0, "standardise": "zscore"} for family in families]
    terms.append({"on": "link", "feature": "frame_gap", "weight": 0.25})
    return {
        "data": {"points": "points.csv"},
        "candidates": {"neighbors": 3, "divisions": divisions, "max_frame_gap": 2, "pairs_per_parent": 2},
        "costs": {"preset": "none", "detection": detection, "division": 0.5, "terms": terms},
        "solver": {"threads": 1},
    }


def config_of(folder: Path, **kinds: Any) -> Config:
    return make_config(content_of(**kinds), folder=folder)


def cold(content: dict[str, Any], folder: Path, pins: list[PinRow], scratch: Path) -> tuple[float, Links]:
    """Objective and links of a run from the start, its pins read from a file."""
    annotations = {}
    if pins:
        write_pins(scratch / "cold.csv", pins, overwrite=True)
        annotations = {"annotations": {"pins": [str(scratch / "cold.csv")]}}
    prepared = prepare(make_config(content | annotations, folder=folder), Stopwatch())
    problem, solution = solve_pinned(prepared.problem, prepared.pins, SolverSettings(threads=1))
    return solution.objective, links_of(to_lineage(prepared.graph, problem, solution))


def links_of(lineage: Lineage) -> Links:
    found = lineage.detections
    return keys_of(np.stack([found.frame[lineage.links], found.label[lineage.links]], axis=-1))


def keys_of(links: np.ndarray) -> Links:
    return {((int(a), int(b)), (int(c), int(d))) for (a, b), (c, d) in links}
