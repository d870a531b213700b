"""Small movies of points, prepared without files, and their truths."""

from typing import Any

import numpy as np

from tracker.config import Config, make_config
from tracker.costs import price, to_problem
from tracker.detections import Detections
from tracker.features.context import FeatureContext
from tracker.inputs import Inputs
from tracker.prepare import Prepared, measure, propose
from tracker.truth import Truth

DISTANCES = [
    {"on": family, "feature": "distance", "weight": weight, "standardise": kind}
    for family, weight, kind in (("link", 0.5, "none"), ("division", 1.5, "zscore"))
]


def config(
    terms: list[dict[str, Any]] | None = None, *, candidates: dict[str, Any] | None = None, **costs: Any
) -> Config:
    """A config of points, 2 neighbours, distances of links (as they are) and of divisions (z-scored)."""
    return make_config({
        "data": {"points": "points.csv"},
        "candidates": {"neighbors": 2} | (candidates or {}),
        "costs": {"preset": "none", "terms": DISTANCES if terms is None else terms, "division": 0.25} | costs,
    })  # fmt: skip


def prepared(detections: Detections, settings: Config) -> Prepared:
    """What `prepare` makes of these detections."""
    movie = measure(settings, detections)
    graph = propose(settings, detections, movie)
    costs = price(FeatureContext(graph, movie=movie), settings.costs, divisions=settings.candidates.divisions)
    problem = to_problem(graph, costs, settings.costs)
    return Prepared(Inputs(detections, None, None), graph, costs, problem, None, movie)


def cells(rows: list[tuple[int, float]], **properties: Any) -> Detections:
    """Detections 1, 2, ... in each frame at (0, x); rows are (frame, x), by frame."""
    frame = np.array([t for t, _ in rows], np.int64)
    label = np.concatenate([np.arange(1, n + 1) for n in np.unique(frame, return_counts=True)[1]])
    place = np.array([[0.0, x] for _, x in rows])
    frames = np.arange(frame.max() + 1)
    columns = {name: np.asarray(column, float) for name, column in properties.items()}
    return Detections(frame, label, place, frames, np.ones(2), properties=columns)


def truth_of(detections: Detections, links: list[tuple[int, int]], without: tuple[int, ...] = ()) -> Truth:
    """A truth of the same points, rows `without` left out; links are pairs of rows."""
    kept = np.setdiff1d(np.arange(len(detections)), without)
    number = {int(row): place for place, row in enumerate(kept)}
    parent = np.full(len(kept), -1, np.int64)
    for one, other in links:
        parent[number[other]] = number[one]
    return Truth(
        frame=detections.frame[kept],
        label=np.arange(len(kept)) + 100,
        position=detections.position[kept],
        parent=parent,
        frames=detections.frames,
        scale=np.ones(2),
    )


def family() -> Detections:
    r"""A cell that divides beside one that goes on, then one of the three leaves and another comes.

    0 --- 2 --- 5        x:  0, 0, 0
      \-- 3                      4
    1 --- 4 --- 6           20, 21, 22;   7 comes at 40
    """
    return cells([(0, 0.0), (0, 20.0), (1, 0.0), (1, 4.0), (1, 21.0), (2, 0.0), (2, 22.0), (2, 40.0)])


FAMILY_LINKS = [(0, 2), (0, 3), (1, 4), (2, 5), (4, 6)]


COLOURS = [10.0, 17.0, 29.0, 50.0, 85.0, 140.0]


def wandering(seed: int = 0, divides_at: tuple[int, ...] = (1, 3)) -> tuple[Detections, list[tuple[int, int]]]:
    """Six cells that jump about at random but keep a colour (as intensity_mean), and their links.

    Position misleads, the colour tells the truth. A daughter is 1 brighter or darker than her mother.
    """
    rng = np.random.default_rng(seed)
    rows, colours, links = [], [], []
    alive = [(-1, colour) for colour in COLOURS]
    for t in range(6):
        nexts = []
        for index, (parent, colour) in enumerate(alive):
            rows.append((t, float(rng.uniform(0, 30))))
            colours.append(colour)
            if parent >= 0:
                links.append((parent, len(rows) - 1))
            divides = t in divides_at and index == divides_at.index(t) + 2
            nexts += [(len(rows) - 1, colour + change) for change in ((-1.0, 1.0) if divides else (0.0,))]
        alive = nexts
    return cells(rows, intensity_mean=colours), links


COLOUR_TERMS = [
    {"on": family, "feature": feature, "weight": weight, "standardise": "zscore"}
    for family in ("link", "division")
    for feature, weight in (("distance", 1.0), ("intensity_difference", 0.0))
]
