"""How far candidates span, in steps and along each axis: what the context of blocks is measured by."""

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections

_BINS = 4096
_COMMON = 0.999


class Lengths:
    """How far candidates span, as histograms: they are too many to be kept."""

    def __init__(self, detections: Detections) -> None:
        extent = np.ptp(detections.position, axis=0) if len(detections) else np.zeros(detections.ndim)
        self._extent = np.array([max(1, len(detections.frames)), *np.where(extent > 0, extent, 1.0)])
        self._counts = np.zeros((len(self._extent), _BINS + 1), np.int64)
        self.longest = np.zeros(len(self._extent))

    def add(self, found: NDArray[np.float64]) -> None:
        """Count (K, 1 + D) spans."""
        if not len(found):
            return
        self.longest = np.maximum(self.longest, found.max(axis=0))
        for axis, place in enumerate(np.ceil(found / self._extent * _BINS).astype(np.int64).T):
            self._counts[axis] += np.bincount(np.minimum(place, _BINS), minlength=_BINS + 1)

    def common(self) -> NDArray[np.float64]:
        """(1 + D,) what all but one in a thousand stay below, and never more than the longest."""
        share = np.cumsum(self._counts, axis=1) / np.maximum(1, self._counts.sum(axis=1, keepdims=True))
        return np.minimum((share >= _COMMON).argmax(axis=1) / _BINS * self._extent, self.longest)
