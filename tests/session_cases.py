"""A small movie for sessions, and the run from the start that a session is compared with."""

from pathlib import Path
from typing import Any

import numpy as np

from tracker.annotations import solve_pinned, with_demanded, with_soft_pins
from tracker.config import Config, make_config
from tracker.costs import price, to_problem
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.lineage import Lineage
from tracker.pin_checks import resolve_pins
from tracker.pin_table import PinRow, pin_table
from tracker.pins import write_pins
from tracker.pipeline import to_lineage
from tracker.prepare import context_of, prepare
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import write_points
from tracker.stopwatch import Stopwatch

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


class ColdRuns:
    """Runs from the start on a movie that is read, and proposed to, only once: for movies of some size."""

    def __init__(self, content: dict[str, Any], folder: Path) -> None:
        self._folder = folder
        self._prepared = prepare(make_config(content, folder=folder), Stopwatch())
        self._demanding: list[PinRow] = []
        self._graph, self._columns = self._prepared.graph, self._prepared.costs.columns

    def solve(self, content: dict[str, Any], pins: list[PinRow]) -> tuple[TrackingProblem, Solution, Lineage]:
        """The program under the pins, its optimum, the lineage."""
        config, prepared = make_config(content, folder=self._folder), self._prepared
        divisions = config.candidates.divisions
        resolved = resolve_pins(pin_table(pins), prepared.inputs.detections)
        demanding = [pin for pin in pins if pin.value and len(pin.keys) > 1]
        if demanding != self._demanding:
            self._graph = with_demanded(prepared.graph, resolved, pairs=divisions == "pair")
            self._demanding, self._columns = demanding, {}
        context = context_of(config, prepared.inputs, self._graph)
        statistics, known = prepared.costs.statistics, self._columns
        costs = price(context, config.costs, divisions=divisions, statistics=statistics, known=known)
        self._columns = costs.columns
        problem = with_soft_pins(to_problem(self._graph, costs, config.costs), resolved, config.annotations.soft_weight)
        problem, solution = solve_pinned(problem, resolved, SolverSettings(threads=2))
        return problem, solution, to_lineage(self._graph, problem, solution)

    def __call__(self, content: dict[str, Any], pins: list[PinRow]) -> tuple[float, Links]:
        """As `cold`."""
        _, solution, lineage = self.solve(content, pins)
        return solution.objective, links_of(lineage)


def links_of(lineage: Lineage) -> Links:
    found = lineage.detections
    return keys_of(np.stack([found.frame[lineage.links], found.label[lineage.links]], axis=-1))


def keys_of(links: np.ndarray) -> Links:
    return {(tuple(parent), tuple(child)) for parent, child in links.tolist()}
