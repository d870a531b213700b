"""Pins as arrays: what a person knows about detections, links and divisions, in rows of `Detections`.

This is the array interface. bounds.py turns it into bounds on columns.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _empty(width: int) -> NDArray[np.int64]:
    return np.empty((0, width), np.int64)


@dataclass(frozen=True)
class PinArrays:
    """Pins by kind; rows index detections, the last column (`value`) is 1 for true, 0 for false.

    detection: (K, 2) row, value: real / not real.
    link: (K, 3) parent, child, value. True: the child descends directly from the parent (perhaps as one of two).
    division: (K, 4) parent, child, child, value.
    children: (K, 3) parent, child or -1, child or -1: *these are all the children*; both -1: the track ends.
    appear, disappear: (K, 2) row, value. True also says that the detection is real.
    """

    detection: NDArray[np.int64] = field(default_factory=lambda: _empty(2))
    link: NDArray[np.int64] = field(default_factory=lambda: _empty(3))
    division: NDArray[np.int64] = field(default_factory=lambda: _empty(4))
    children: NDArray[np.int64] = field(default_factory=lambda: _empty(3))
    appear: NDArray[np.int64] = field(default_factory=lambda: _empty(2))
    disappear: NDArray[np.int64] = field(default_factory=lambda: _empty(2))

    def __len__(self) -> int:
        """Number of pins of all kinds."""
        kinds = (self.detection, self.link, self.division, self.children, self.appear, self.disappear)
        return sum(len(kind) for kind in kinds)
