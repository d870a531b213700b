"""Sizes of detections, from whatever the input says about them."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext

_LENGTHS = ("radius", "radius_px", "diameter", "diameter_px")  # in any spelling of capitals


def sizes(context: FeatureContext, feature: str) -> NDArray[np.float64]:
    """(N,) sizes up to a constant factor, for ratios: `area_px` of masks, or else radius^D (diameter^D) of points.

    NaN where the number is not positive. Raises FeatureError naming the feature that wanted them.
    """
    return context.once_per_movie("sizes", lambda: _sizes(context, feature))


def _sizes(context: FeatureContext, feature: str) -> NDArray[np.float64]:
    detections = context.graph.detections
    columns = {name.lower(): column for name, column in detections.properties.items() if column.ndim == 1}
    name = next((name for name in ("area_px", *_LENGTHS) if name in columns), None)
    if name is None:
        known = ", ".join(sorted(detections.properties)) or "none"
        raise FeatureError(
            f"feature {feature!r} needs sizes: the detection property 'area_px', 'radius' or 'diameter', none of which "
            f"this input has (it has: {known}); give data.segmentation, or add a column radius to the points"
        )
    column = columns[name]
    size = column if name == "area_px" else column**detections.ndim
    return np.where(column > 0, size, np.nan)
