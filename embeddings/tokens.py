"""Tokens: the few plain numbers by which the tracking transformer knows a detection, numpy only.

Those of Trackastra (Gallusser and Weigert, ECCV 2024; its "wrfeat"), in its order, so that its published weights can be
used: diameter, intensity, shape, distance from the border. All in pixels, whatever the unit of the movie.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import FeatureError

BORDER_PX = 5.0
HINTS = {
    "equivalent_diameter_px": "give data.segmentation instead of points",
    "intensity_relative": "give data.images",
    "inertia_tensor_px2": "give data.segmentation instead of points",
    "border_distance_px": "give data.segmentation instead of points",
}


@dataclass(frozen=True)
class TokenLayout:
    """Which columns of the tokens of a movie of `ndim` axes hold what; `size` is their number F: 7 in 2-D, 12 in 3-D.

    diameter: diameter of the disk or ball of the same area, in px.   intensity: mean intensity, 0 at the percentile 1
        of its frame and 1 at the percentile 99.8.
    inertia: the D * D entries of the inertia tensor in px^2, row by row, axes [z,] y, x.
    border: 1 for a region that touches the image edge along y or x, falling linearly to 0 at 5 px from it.
    """

    ndim: int

    @property
    def diameter(self) -> int:
        """Column of the diameter."""
        return 0

    @property
    def intensity(self) -> int:
        """Column of the intensity."""
        return 1

    @property
    def inertia(self) -> slice:
        """Columns of the inertia tensor."""
        return slice(2, 2 + self.ndim**2)

    @property
    def border(self) -> int:
        """Column of the nearness to the border."""
        return 2 + self.ndim**2

    @property
    def size(self) -> int:
        """Number of columns F."""
        return 3 + self.ndim**2


def tokens_of(detections: Detections) -> NDArray[np.float32]:
    """(N, F) tokens of all detections, columns as in `TokenLayout(detections.ndim)`; they are not standardised.

    border = 1 - min(border_distance_px, 5) / 5; the rest are properties of the detections as they are.
    Raises FeatureError where a property is missing (points have no shape) or is not finite.
    """
    found = detections.properties
    missing = [name for name in HINTS if name not in found]
    if missing:
        raise FeatureError(
            f"tokens need the detection properties {', '.join(HINTS)}; this input does not have {missing[0]} "
            f"(it has: {', '.join(sorted(found)) or 'none'}); {HINTS[missing[0]]}"
        )
    layout = TokenLayout(detections.ndim)
    shapes = dict.fromkeys(HINTS, ()) | {"inertia_tensor_px2": (layout.ndim, layout.ndim)}
    for name, shape in shapes.items():
        column = found[name]
        if column.shape[1:] != shape:
            raise FeatureError(
                f"tokens need the detection property {name} of shape {('N', *shape)}, found {column.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(column.reshape(len(column), -1)).all(axis=1))
        if len(bad):
            raise FeatureError(
                f"tokens need finite numbers, but {name} is NaN or infinite at frame:label {detections.names(bad)}; "
                "mend the images or masks there"
            )
    tokens = np.empty((len(detections), layout.size), np.float32)
    tokens[:, layout.diameter] = found["equivalent_diameter_px"]
    tokens[:, layout.intensity] = found["intensity_relative"]
    tokens[:, layout.inertia] = found["inertia_tensor_px2"].reshape(len(detections), detections.ndim**2)
    # A point may lie outside the image, at a negative distance.
    tokens[:, layout.border] = 1 - np.clip(found["border_distance_px"], 0, BORDER_PX) / BORDER_PX
    return tokens
