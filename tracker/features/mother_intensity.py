"""Whether the parent of a division is bright, as cells about to divide are."""

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.features.context import FeatureContext


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Mean intensity of the parent above the median of its frame, in robust standard deviations.

    f = (I_u - median_t I) / (1.4826 MAD_t), MAD_t = median_t |I - median_t I| over the detections of frame t; neither
    an offset nor a gain of the camera changes it. Where MAD_t is 0, as in a frame with one detection, the median of the
    other frames' MAD stands in; when it is 0 in all frames, brightness says nothing and f is 0.
    Returns (H,) without unit. Chromatin condenses before division, so higher is better for nuclear markers: give it a
    negative weight. Needs data.images.
    """
    intensity = context.column("intensity_mean", "mother_intensity")
    parent = context.graph.divisions[:, 0]
    relative = context.once_per_movie("mother_intensity", lambda: _relative(intensity, context.graph.detections))
    return relative[parent]


def _relative(intensity: NDArray[np.float64], detections: Detections) -> NDArray[np.float64]:
    """(N,) robust z-scores within each frame; not finite only where the intensity is not."""
    starts = detections.starts
    above, spread = intensity.copy(), np.zeros(len(starts) - 1)
    finite = np.isfinite(intensity)
    for step in range(len(spread)):
        own = slice(int(starts[step]), int(starts[step + 1]))
        known = intensity[own][finite[own]]
        if len(known):
            median = np.median(known)
            above[own] -= median
            spread[step] = np.median(np.abs(known - median))
    if not spread.any():
        return np.where(finite, 0.0, np.nan)
    spread[spread == 0] = np.median(spread[spread > 0])
    return above / (1.4826 * spread[detections.step])
