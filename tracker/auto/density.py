"""Probability densities that the preset "auto" is made of, as logarithms; and how crowded it is around detections."""

from typing import overload

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri, gammaincinv, gammaln

from tracker.detections import Detections
from tracker.neighbors import neighbor_distances

_CROWD = 6  # neighbours that measure how crowded it is
_Array = NDArray[np.float64]


@overload
def log_student(squared: _Array, scale: float | _Array, tail: float, axes: int) -> _Array: ...
@overload
def log_student(squared: float, scale: float, tail: float, axes: int) -> float: ...
def log_student(squared: _Array | float, scale: _Array | float, tail: float, axes: int) -> _Array | float:
    """Log density of the Student t in `axes` dimensions at a squared distance from its centre.

    log p = log Gamma((nu + D) / 2) - log Gamma(nu / 2) - D / 2 log(nu pi) - D log s
            - (nu + D) / 2 log(1 + r^2 / (nu s^2))
    """
    constant = gammaln((tail + axes) / 2) - gammaln(tail / 2) - axes / 2 * np.log(tail * np.pi)
    spread = tail * np.square(scale)
    return constant - axes * np.log(scale) - (tail + axes) / 2 * np.log1p(squared / spread)


def median_normal(axes: int) -> float:
    """Median length of normal vectors of scale 1 per axis: Rayleigh in 2-D, Maxwell in 3-D."""
    return float(np.sqrt(2 * gammaincinv(axes / 2, 0.5)))


def median_student(axes: int, tail: float) -> float:
    """Median length of Student t vectors of scale 1 per axis in `axes` dimensions, `log_student` their density."""
    return float(np.sqrt(axes * fdtri(axes, tail, 0.5)))


def log_sphere(axes: int) -> float:
    """Log of the surface of the unit sphere in `axes` dimensions: 2 pi in 2-D, 4 pi in 3-D."""
    return float(np.log(2) + axes / 2 * np.log(np.pi) - gammaln(axes / 2))


def crowding(detections: Detections) -> tuple[_Array, _Array]:
    """(N,) distance to the nearest neighbour in the frame, and (N,) log of the detections per unit of volume around.

    The second counts the 6 nearest: log(6 / volume of the ball that just holds them). Alone in a frame: the median of
    the others; alone everywhere, or all in one place: as if the next were as far as the movie's places reach, else 1.
    """
    axes = detections.ndim
    unit_ball = log_sphere(axes) - np.log(axes)
    distance = neighbor_distances(detections, _CROWD)
    others = np.isfinite(distance).sum(axis=1)
    farthest = distance[np.arange(len(distance)), others - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.log(others) - unit_ball - axes * np.log(farthest)
    nearest = distance[:, 0]
    reach = float(np.linalg.norm(np.ptp(detections.position, axis=0))) if len(detections) else 0.0
    alone = reach if reach > 0 else 1.0
    lone_density = -unit_ball - axes * np.log(alone)
    apart = np.isfinite(nearest) & (nearest > 0)
    return _filled(nearest, apart, alone), _filled(density, np.isfinite(density), lone_density)


def _filled(column: _Array, known: NDArray[np.bool_], otherwise: float) -> _Array:
    """The column with the median of what is known where nothing is."""
    return np.where(known, column, np.median(column[known]) if known.any() else otherwise)
