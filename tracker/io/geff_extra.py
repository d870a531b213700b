"""What a geff has no place for, kept among its `extra`: the size of a pixel, the unit as written, all frames."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tracker.detections import Detections


def about_detections(found: Detections) -> dict[str, Any]:
    """scale: per axis, in the unit.   unit: as the user wrote it.   frames: all that were read, empty ones included."""
    return {"scale": found.scale.tolist(), "unit": found.unit, "frames": found.frames.tolist()}


def as_they_were(path: Path, found: Detections) -> Detections:
    """The detections of a geff with the scale, unit and frames that `about_detections` left in it.

    Of another program's geff only the unit of its axes is taken, if it has one; and so where the entries do not fit
    the nodes, since others may have edited them. Frames that only nodes name are added to those of the entry.
    """
    from geff import GeffMetadata  # here, because importing geff takes half a second

    metadata = GeffMetadata.read(path)
    units = [axis.unit for axis in metadata.axes or [] if axis.type == "space" and axis.unit]
    extra = metadata.extra or {}
    if "pintrack" not in extra:
        extra = {}  # what others mean by these names is not known
    unit = str(extra.get("unit") or (units[-1] if units else found.unit))
    try:
        scale = np.asarray(extra["scale"], np.float64)
        frames = np.union1d(np.asarray(extra["frames"], np.int64), found.frame)
    except (KeyError, TypeError, ValueError):
        return replace(found, unit=unit)
    if scale.shape != (found.ndim,) or not (np.isfinite(scale) & (scale > 0)).all():
        return replace(found, unit=unit)
    return replace(found, scale=scale, unit=unit, frames=frames)
