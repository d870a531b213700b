"""Detections: every object seen in the movie, as a struct of arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError, first_five


@dataclass(frozen=True)
class Detections:
    """N detections, sorted by (frame, label). A *row* is an index into these arrays.

    frame: (N,) int64, the input's own t.   label: (N,) int64, mask label or point id (> 0 for masks).
    position: (N, D) float64 in `unit`, order [z,] y, x: pixel centroid times `scale`.
    frames: (T,) int64, strictly increasing: every frame that was read, empty ones included. The kept
        frames of the movie; a *step* is an index into it, and frame gaps are counted in steps.
    scale: (D,) float64, size of a pixel along [z,] y, x in `unit`.
    image_shape: spatial shape ([z,] y, x) in pixels, None when only points are known.
    properties: further columns, each (N, ...) float64, for instance `area_px`, `intensity_mean`.
    Raises InputError on construction when any of this does not hold.
    """

    frame: NDArray[np.int64]
    label: NDArray[np.int64]
    position: NDArray[np.float64]
    frames: NDArray[np.int64]
    scale: NDArray[np.float64]
    unit: str = "pixel"
    image_shape: tuple[int, ...] | None = None
    properties: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, order, uniqueness and finiteness."""
        count = len(self.frame)
        if self.label.shape != (count,) or self.position.ndim != 2 or len(self.position) != count:
            raise InputError(
                "detections need frame (N,), label (N,) and position (N, D) of one length, found "
                f"{self.frame.shape}, {self.label.shape} and {self.position.shape}"
            )
        if self.scale.shape != (self.ndim,) or not np.all(np.isfinite(self.scale) & (self.scale > 0)):
            raise InputError(
                f"scale must hold {self.ndim} positive numbers (one per axis), found {self.scale.tolist()}"
            )
        if len(self.frames) and np.any(np.diff(self.frames) <= 0):
            raise InputError("frames must be strictly increasing")
        bad = np.flatnonzero(~np.isfinite(self.position).all(axis=1))
        if len(bad):
            raise InputError(
                f"positions must be finite; NaN or infinite at frame:label {self.names(bad)}. "
                "Remove or mend these detections"
            )
        unknown = np.flatnonzero(~np.isin(self.frame, self.frames))
        if len(unknown):
            raise InputError(f"detections lie outside the frames that were read: {self.names(unknown)}")
        if count > 1:
            step_frame, step_label = np.diff(self.frame), np.diff(self.label)
            if np.any(step_frame < 0) or np.any((step_frame == 0) & (step_label < 0)):
                raise InputError("detections must be sorted by frame, then label")
            twice = np.flatnonzero((step_frame == 0) & (step_label == 0))
            if len(twice):
                raise InputError(f"a label may occur once per frame; twice: {self.names(twice)}")
        for name, column in self.properties.items():
            if len(column) != count:
                raise InputError(f"property {name} has {len(column)} rows, wanted {count}")

    def __len__(self) -> int:
        """Number of detections N."""
        return len(self.frame)

    @property
    def ndim(self) -> int:
        """Spatial dimensions D, 2 or 3."""
        return int(self.position.shape[1])

    @cached_property
    def step(self) -> NDArray[np.int64]:
        """(N,) index of each detection's frame in `frames`."""
        return np.searchsorted(self.frames, self.frame)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(T+1,) row offsets: frame `frames[k]` holds rows `starts[k]:starts[k+1]`."""
        return np.append(np.searchsorted(self.frame, self.frames), len(self)).astype(np.int64)

    def rows_of(self, frame: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the keys (frame, label), each (K,); -1 where there is no such detection."""
        frame, label = np.asarray(frame, np.int64), np.asarray(label, np.int64)
        if not len(self):
            return np.full(frame.shape, -1, np.int64)
        low, high = int(self.label.min()), int(self.label.max())
        span = high - low + 1
        inside = (label >= low) & (label <= high)
        own = np.searchsorted(self.frames, self.frame) * span + (self.label - low)
        step = np.searchsorted(self.frames, frame)
        known = inside & (step < len(self.frames))
        known &= self.frames[np.minimum(step, len(self.frames) - 1)] == frame
        wanted = np.where(known, step * span + (label - low), -1)
        found = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
        return np.where(known & (own[found] == wanted), found, -1)

    def part(self, rows: NDArray[np.int64] | slice) -> "Detections":
        """The detections of increasing rows, of the same movie: all frames stay."""
        return replace(
            self,
            frame=self.frame[rows],
            label=self.label[rows],
            position=self.position[rows],
            properties={name: column[rows] for name, column in self.properties.items()},
        )

    def names(self, rows: NDArray[np.int64]) -> str:
        """First five of `rows` as frame:label, with the count: for messages."""
        return first_five(f"{self.frame[row]}:{self.label[row]}" for row in rows)


def stretches(
    starts: NDArray[np.int64], detections: int, steps: tuple[int, int] | None = None
) -> list[tuple[int, int]]:
    """Half-open ranges of steps with about so many `detections` each, at least one step.

    starts: (T+1,) first row of each step, as in `Detections`.   steps: only within these, half-open; default all.
    """
    first, stop = (0, len(starts) - 1) if steps is None else steps
    number = (starts[first:stop] - starts[first]) // detections
    edges = [first, *(np.flatnonzero(np.diff(number)) + first + 1).tolist(), stop]
    return [(low, high) for low, high in pairwise(edges) if low < high]
