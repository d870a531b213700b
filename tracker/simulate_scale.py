"""Simulated points of any number, at constant density, written frame by frame in memory that a single frame needs."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError
from tracker.simulate import SimulationSettings
from tracker.simulate_cells import Cells
from tracker.simulate_files import whole_file

_AREA_PX2 = 26.0**2  # per cell of 9 px radius: crowded, as in a confluent culture
_PER_FRAME = 10  # cells per frame for each frame, unless frames are given: 316 frames of 3,160 cells are a million
CYCLE_FRAMES = 100.0


def scale_settings(detections: int, frames: int | None = None, blink: float = 0.01) -> SimulationSettings:
    """Settings of a 2-D movie with about so many detections, as dense whatever their number.

    Cells that divide make others vanish, and as many come in over the edges as leave, so that their number stays.
    Frames and cells per frame grow with the root of the number, 1 to 10, unless `frames` is given.
    """
    n_frames = max(2, round(math.sqrt(detections / _PER_FRAME))) if frames is None else frames
    if detections < n_frames:
        raise ConfigError(f"{detections} detections do not fill {n_frames} frames; wanted at least one in each")
    cells = math.ceil(detections / n_frames / (1 - min(blink, 0.5)))
    side = max(32, round(math.sqrt(cells * _AREA_PX2)))
    return SimulationSettings(
        n_frames=n_frames,
        shape=(side, side),
        n_cells=cells,
        cycle_frames=CYCLE_FRAMES,
        blink_probability=blink,
        push_rounds=2,
        turnover=True,
    )


def stream_points(settings: SimulationSettings, seed: int, path: Path) -> int:
    """Simulate and write `id,t,[z,]y,x,radius,parent_id` as `write_points` does; returns how many points there are.

    A cell that is missed in a frame names the last point it was seen at as its parent. A cell is missed only between
    two frames, never in the first one or just after a division. All or nothing; raises OutputError.
    """
    rng = np.random.default_rng(seed)
    cells, blinks = Cells(settings, rng), np.random.default_rng([seed, 1])
    axes = ["z", "y", "x"][-len(settings.shape) :]
    form = ",".join(["%d", "%d", *["%.3f"] * (len(axes) + 1), "%d"]) + "\n"
    written = 0
    last: NDArray[np.int64] = np.empty(0, np.int64)  # the id at which each cell was seen last, -1 where it never was
    with whole_file(path) as work, work.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(["id", "t", *axes, "radius", "parent_id"]) + "\n")
        for frame in range(settings.n_frames):
            origin = cells.first() if frame == 0 else cells.advance()
            parent = np.where(origin >= 0, np.append(last, -1)[origin], -1)
            children = np.bincount(origin[origin >= 0], minlength=len(last) + 1)
            settled = (parent >= 0) & (children[origin] == 1) & (frame < settings.n_frames - 1)
            seen = ~(settled & (blinks.random(len(origin)) < settings.blink_probability))
            rows = np.flatnonzero(seen)
            ids = written + 1 + np.arange(len(rows))
            place = cells.position[rows] / settings.scale - 0.5
            table = np.column_stack([ids, np.full(len(rows), frame), place, cells.radius[rows], parent[rows]])
            file.write(form * len(rows) % tuple(table.ravel().tolist()))
            last = parent
            last[rows] = ids
            written += len(rows)
    return written
