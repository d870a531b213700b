"""Properties that tell cells apart besides their places: sizes and intensities, as numbers whose differences add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections

_SIZES = (("area_px", 1), ("radius", 0), ("diameter", 0))  # property, exponent; 0: as many as there are axes


@dataclass(frozen=True)
class Channel:
    """One property. name: size | intensity.   values: (N,).   unit: of a step of the values (see `intensity_of`).

    adds_up: whether the children's values (as logarithms) sum to the parent's; else their mean is compared with it.
    """

    name: str
    values: NDArray[np.float64]
    unit: float
    adds_up: bool


def channels_of(detections: Detections, units: Mapping[str, float] | None = None) -> list[Channel]:
    """Sizes and intensities, those that are there and differ.   units: of intensities, measured when not given."""
    found = []
    size = size_of(detections)
    if size is not None and len(size) and np.ptp(size) > 0:
        found.append(Channel("size", size, 1.0, adds_up=True))
    intensity = detections.properties.get("intensity_mean")
    if intensity is not None and len(intensity) and intensity.ndim == 1 and np.all(np.isfinite(intensity)):
        centred = _centred(detections)
        unit = (units or {}).get("intensity", 1.4826 * float(np.median(np.abs(centred))))
        if unit > 0:
            found.append(Channel("intensity", np.arcsinh(centred / unit), unit, adds_up=False))
    return found


def size_of(detections: Detections) -> NDArray[np.float64] | None:
    """(N,) log of the area or volume; of radius^D or diameter^D for points; None where nothing positive is known."""
    for name, exponent in _SIZES:
        column = detections.properties.get(name)
        if column is not None and column.ndim == 1 and np.all(np.isfinite(column) & (column > 0)):
            return np.asarray((exponent or detections.ndim) * np.log(column))
    return None


def _centred(detections: Detections) -> NDArray[np.float64]:
    """(N,) mean intensity less the median of its frame: cameras have offsets, lamps fade."""
    intensity, starts = detections.properties["intensity_mean"], detections.starts
    centred = np.array(intensity, np.float64)
    for first, last in pairwise(starts.tolist()):
        if last > first:
            centred[first:last] -= np.median(intensity[first:last])
    return centred
