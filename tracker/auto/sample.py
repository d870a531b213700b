"""Measuring a large movie: its numbers on windows of frames, its local motion everywhere.

Numbers that a few ten thousand detections tell hardly change with a million. So several windows of successive frames,
spread over the movie, are put one after the other, with empty frames between, and measured as one movie. The local
motion is wanted for every detection; it is fitted to pairs of detections that are each other's nearest, frame by frame,
which is what the first look at a small movie does as well.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracker.auto.flow import fit_motion
from tracker.detections import Detections
from tracker.local_motion import mutual_nearest_pairs

WINDOWS = 6
_FEWEST_FRAMES = 4  # of a window: motion, ends and divisions need successive frames
_FLOW_ROUNDS = 2


@dataclass(frozen=True)
class Sample:
    """Windows of a movie as a movie of its own.

    detections: those of the windows, `frames` numbered anew, with empty ones between windows.
    windows: (W, 2) half-open ranges of kept frames of the whole movie.   n_all: detections of the whole movie.
    """

    detections: Detections
    windows: NDArray[np.int64]
    n_all: int

    def __str__(self) -> str:
        """For people."""
        return (
            f"{len(self.detections):,} of {self.n_all:,} detections, in {len(self.windows)} windows of "
            f"{int(self.windows[0, 1] - self.windows[0, 0])} frames"
        )


def sample_windows(detections: Detections, wanted: int, *, apart: int, seed: int) -> Sample:
    """About `wanted` detections in up to WINDOWS windows of successive frames, one in each equal part of the movie.

    Where in its part a window begins is drawn at random, by `seed`.   apart: empty frames between two windows, so that
    no candidate link joins them. A window has at least 4 frames, however many detections they hold.
    """
    starts, n_steps = detections.starts, len(detections.frames)
    per_step = max(1.0, len(detections) / max(1, n_steps))
    in_all = max(_FEWEST_FRAMES, round(wanted / per_step))
    count = int(np.clip(in_all // _FEWEST_FRAMES, 1, WINDOWS))
    length = min(max(_FEWEST_FRAMES, in_all // count), n_steps // count)
    edges = np.linspace(0, n_steps, count + 1).astype(np.int64)
    room = np.diff(edges) - length
    rng = np.random.default_rng(seed)
    first = edges[:-1] + rng.integers(0, room + 1)
    windows = np.column_stack([first, first + length])
    rows = np.concatenate([np.arange(starts[low], starts[high]) for low, high in windows])
    steps = np.concatenate([np.arange(low, high) for low, high in windows])
    anew = np.concatenate([number * (length + apart) + np.arange(length) for number in range(count)])
    part = replace(
        detections,
        frame=anew[np.searchsorted(steps, detections.step[rows])],
        label=detections.label[rows],
        position=detections.position[rows],
        frames=np.arange(count * (length + apart) - apart),
        properties={name: column[rows] for name, column in detections.properties.items()},
    )
    return Sample(part, windows, len(detections))


def quick_flow(detections: Detections, threads: int = 1) -> NDArray[np.float64]:
    """(N, D) displacement of every detection's neighbourhood until the next frame, in the unit of the positions.

    As `local_flow`, with links between detections that are each other's nearest, after the earlier one was moved by
    the flow of the round before (first round: none). Frame by frame, `threads` at once.
    """
    flow = np.zeros_like(detections.position)
    position, starts = detections.position, detections.starts.tolist()

    def fit(step: int) -> None:
        first, middle, last = starts[step : step + 3]
        if first == middle or middle == last:
            return
        own, later = position[first:middle], cKDTree(position[middle:last])
        for _ in range(_FLOW_ROUNDS):
            parent, child = mutual_nearest_pairs(own + flow[first:middle], later)
            if not len(parent):
                return
            flow[first:middle] = fit_motion(own, own[parent], later.data[child] - own[parent])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fit, range(len(starts) - 2)))
    return flow
