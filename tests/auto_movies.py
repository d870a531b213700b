"""Movies of points for the tests of the preset auto, and what it makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config, make_config
from tracker.detections import Detections
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.lineage import Lineage
from tracker.pipeline import to_lineage
from tracker.prepare import Prepared, prepare
from tracker.simulate import SimulatedMovie
from tracker.stopwatch import Stopwatch


def detections(*frames: Any, properties: dict[str, Any] | None = None, **others: Any) -> Detections:
    """Detections at the given places of each frame, labels 1.. within it.   properties: columns in that order."""
    places = [np.asarray(frame, float) for frame in frames]
    ndim = next((place.shape[1] for place in places if place.size), 2)
    counts = [len(place) for place in places]
    return Detections(
        frame=np.repeat(np.arange(len(frames)), counts),
        label=np.concatenate([np.arange(count) + 1 for count in counts]).astype(np.int64),
        position=np.concatenate([place.reshape(-1, ndim) for place in places]),
        frames=np.arange(len(frames)),
        **{"scale": np.ones(ndim), **others},
        properties={name: np.asarray(column, float) for name, column in (properties or {}).items()},
    )


def write(folder: Path, found: Detections, parent: NDArray[np.int64] | None = None, name: str = "points.csv") -> Path:
    """The detections as a table of points with their one-dimensional properties; ids count up with the rows."""
    parent = np.full(len(found), -1) if parent is None else np.where(parent >= 0, parent + 1, -1)
    columns = {"id": np.arange(len(found)) + 1, "t": found.frame}
    columns |= dict(zip(("z", "y", "x")[-found.ndim :], found.position.T, strict=True))
    columns |= {**found.properties, "parent_id": parent}
    rows = [",".join(repr(value.item()) for value in row) for row in zip(*columns.values(), strict=True)]
    path = folder / name
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return path


def write_simulated(folder: Path, movie: SimulatedMovie, name: str = "points.csv") -> Path:
    """A simulated movie as points with their radius and true parents."""
    found = movie.to_lineage(from_masks=False).detections
    return write(folder, _with(found, {"radius": movie.nuclei.radius_px}), movie.parent, name)


def _with(found: Detections, properties: dict[str, NDArray[np.float64]]) -> Detections:
    return Detections(found.frame, found.label, found.position, found.frames, found.scale, properties=properties)


def config_of(points: Path, **sections: dict[str, Any]) -> Config:
    """A config of a table of points, solved in one thread."""
    data = {"points": str(points), **sections.pop("data", {})}
    return make_config({"data": data, "solver": {"threads": 1}, **sections})


def track(config: Config) -> tuple[Prepared, Lineage]:
    """Measure, price and solve, as `track run` does, without writing."""
    made = prepare(config, Stopwatch())
    return made, to_lineage(made.graph, made.problem, solve(made.problem, SolverSettings(threads=1)))


def right_links(lineage: Lineage, parent: NDArray[np.int64]) -> float:
    """Share of the true links (parents by row) that the lineage has."""
    child = np.flatnonzero(parent >= 0)
    return float(np.mean(lineage.parent[child] == parent[child]))
