"""A movie of squares to be shown in strips, and the call that writes them."""

from pathlib import Path

import numpy as np
from memory_movie import MemoryMovie

from tracker.candidates import build_candidates
from tracker.crop_strip import PANEL_PX
from tracker.crops import write_crops
from tracker.detections import Detections
from tracker.lineage import Lineage, make_lineage
from tracker.reading import detections_from_masks

# Squares of 6 pixels as label: (y, x). 7 comes from 3 and divides into 2 and 5; 9 and 1 are its other candidates.
PLACES = {
    4: {3: (20, 40)},
    5: {7: (20, 42), 8: (44, 80)},
    6: {1: (44, 80), 2: (20, 36), 5: (20, 50), 9: (30, 42)},
    7: {4: (20, 34), 6: (44, 80)},
}
LINKS = [(0, 1), (1, 4), (1, 5), (2, 3), (4, 7), (3, 8)]
ENDS, DIVIDES = 6, 1  # rows of 6:9 and 5:7
WINDOW_Y, WINDOW_X = 5, 27  # corner of what is shown of 5:7: 6 diameters are 36 pixels around (23, 45)
ZOOM = PANEL_PX // 36


def frame(places: dict[int, tuple[int, int]], shape: tuple[int, ...] = (60, 100)) -> np.ndarray:
    mask = np.zeros(shape, np.uint16)
    for label, (y, x) in places.items():
        mask[..., y : y + 6, x : x + 6] = label
    return mask


def movie() -> tuple[Lineage, MemoryMovie, MemoryMovie]:
    """Lineage, masks, and images, in which cells are 200 on 100."""
    masks = MemoryMovie({t: frame(places) for t, places in PLACES.items()})
    images = MemoryMovie({t: np.where(mask > 0, 200, 100).astype(np.uint8) for t, mask in masks.pixels.items()})
    found = detections_from_masks(masks)
    masks.reads.clear()
    return make_lineage(found, np.ones(len(found), bool), np.array(LINKS)), masks, images


def write(
    folder: Path, lineage: Lineage, masks: MemoryMovie | None, images: MemoryMovie | None, *rows: int, **options: int
) -> list[Path]:
    margin = np.full(len(lineage.detections), np.inf)
    margin[:2] = np.nan, 0.125
    graph = build_candidates(lineage.detections, neighbors=3)
    return write_crops(folder, lineage, graph, np.array(rows), margin, masks, images, **options)  # type: ignore[arg-type]


def points(position: list[list[float]], scale: float = 1.0) -> Lineage:
    """Points of frames 0, 1, 1, linked 0 -> 1."""
    found = Detections(np.array([0, 1, 1]), np.arange(3), np.array(position), np.arange(3), np.full(2, scale))
    return make_lineage(found, np.ones(3, bool), np.array([(0, 1)]))
