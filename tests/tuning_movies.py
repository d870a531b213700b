"""Movies of points with a known lineage, small enough to be learnt from in a moment."""

from pathlib import Path

import numpy as np

CONFIG = """
[data]
points = "{points}"
truth = "{points}"

[candidates]
neighbors = 4

[costs]
preset = "none"
appear = 0.2
disappear = 0.2
division = 0.1

[[costs.terms]]
on = "link"
feature = "distance"
weight = 0.1

[[costs.terms]]
on = "division"
feature = "distance"
weight = 0.1

[tuning]
folds = 2
trials = 6

[solver]
threads = 1
"""


def write_points(path: Path, seed: int = 0, n_frames: int = 8, divide: float = 0.06, step: float = 2.5) -> Path:
    """Cells on a grid of 14 pixels take random steps; now and then one divides. id, t, y, x, parent_id."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*[np.arange(3) * 14.0] * 2), axis=-1).reshape(-1, 2)
    parent = np.full(len(place), -1)
    rows, number = ["id,t,y,x,parent_id"], 1
    for t in range(n_frames):
        ids = number + np.arange(len(place))
        number += len(place)
        rows += [f"{i},{t},{y:.3f},{x:.3f},{p}" for i, (y, x), p in zip(ids, place, parent, strict=True)]
        twice = rng.random(len(place)) < divide
        apart = np.where(twice, 3.0, 0.0)[:, None] * np.array([1.0, 0.0])
        source = np.concatenate([np.arange(len(place)), np.flatnonzero(twice)])
        place = np.concatenate([place - apart, (place + apart)[twice]])
        place = place + rng.normal(0, step, place.shape)
        parent = ids[source]
    path.write_text("\n".join(rows) + "\n")
    return path


def write_config(folder: Path, name: str = "config.toml", points: str = "points.csv") -> Path:
    """A config whose ends are far too cheap."""
    path = folder / name
    path.write_text(CONFIG.format(points=points))
    return path
