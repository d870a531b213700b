"""Whether the children part along the long axis of their parent."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Alignment of the line through the children with the parent's long axis, times the parent's elongation.

    f = (1 - sqrt(l_2 / l_1)) |cos(p_v - p_w, a_1)|, where l_1 >= l_2 are the two largest variances of the parent's
    pixels, in data.unit squared, and a_1 is the direction of the largest: the inertia tensor says both, and
    data.scale turns pixels into lengths. 0 for a round parent (in 3-D also a flat disk, which has no one long axis), a
    parent of one pixel, or children at one place.
    Returns (H,) in [0, 1] without unit. Its sign is for learning to find: interphase cells divide along their long
    axis, while the plate of a metaphase is long across the way its daughters part.
    Raises FeatureError when the input has no inertia tensors (points).
    """
    graph, detections = context.graph, context.graph.detections
    inertia = context.column("inertia_tensor_px2", "division_axis")
    ndim = detections.ndim
    if inertia.shape[1:] != (ndim, ndim):
        raise FeatureError(f"property inertia_tensor_px2 has shape {inertia.shape[1:]}, wanted {(ndim, ndim)}")
    parents, index = np.unique(graph.divisions[:, 0], return_inverse=True)
    direction, elongation = _long_axis(inertia[parents], detections.scale)
    apart = detections.position[graph.divisions[:, 1]] - detections.position[graph.divisions[:, 2]]
    length = np.linalg.norm(apart, axis=1)
    along = np.abs(np.einsum("ij,ij->i", apart, direction[index]))
    cosine = np.divide(along, length, out=np.zeros(len(length)), where=length > 0)
    return elongation[index] * np.minimum(cosine, 1.0)  # rounding may pass 1


def _long_axis(
    inertia_px2: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors (n, D) along the largest extent, elongations (n,) in [0, 1]: NaN where a tensor is not finite."""
    ndim = len(scale)
    finite = np.isfinite(inertia_px2.sum(axis=(1, 2)))
    inertia = np.where(finite[:, None, None], inertia_px2, 0.0)
    # The tensor is trace(C) - C for the covariance C, so that its own trace is (D - 1) trace(C).
    trace = np.trace(inertia, axis1=1, axis2=2) / (ndim - 1)
    covariance = (trace[:, None, None] * np.eye(ndim) - inertia) * np.outer(scale, scale)
    variance, axes = np.linalg.eigh(covariance)  # ascending
    largest, second = variance[:, -1], np.maximum(variance[:, -2], 0.0)  # rounding may leave a thin cell below 0
    roundness = np.sqrt(np.divide(second, largest, out=np.ones(len(largest)), where=largest > 0))
    return axes[:, :, -1], np.where(finite, 1.0 - roundness, np.nan)
