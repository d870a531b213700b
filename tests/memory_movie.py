"""A movie in memory, and lineages over masks small enough to write down."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.lineage import Lineage, make_lineage


@dataclass
class MemoryMovie:
    """Frames in memory, counting how often each is read."""

    pixels: dict[int, NDArray[np.generic]]
    name: str = "memory"

    def __post_init__(self) -> None:
        self.frames = np.array(list(self.pixels), np.int64)
        first = next(iter(self.pixels.values()))
        self.shape, self.dtype = first.shape, first.dtype
        self.reads: list[int] = []

    def read(self, frame: int) -> NDArray[np.generic]:
        self.reads.append(frame)
        return self.pixels[frame]


def strip(*labels: int, dtype: str = "uint16", ndim: int = 2) -> NDArray[np.generic]:
    """An image with the labels side by side, two pixels each, a pixel of background after each."""
    row = [value for label in labels for value in (label, label, 0)]
    line = np.array([row + [0] * (12 - len(row))] * 3, dtype)
    return line if ndim == 2 else np.stack([line * 0, line])


def case(
    images: dict[int, NDArray[np.generic]], links: list[tuple[int, int]], unselected: tuple[int, ...] = ()
) -> tuple[Lineage, MemoryMovie]:
    keys = [(t, int(label)) for t, image in images.items() for label in np.unique(image[image > 0])]
    frame, label = np.array(keys, np.int64).reshape(-1, 2).T
    ndim = next(iter(images.values())).ndim
    detections = Detections(frame, label, np.zeros((len(frame), ndim)), np.array(list(images)), np.ones(ndim))
    selected = ~np.isin(np.arange(len(frame)), unselected)
    return make_lineage(detections, selected, np.array(links, np.int64)), MemoryMovie(images)
