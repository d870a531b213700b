"""Random views of whole frames: bent, turned, cut out and in another light, with the detections exactly where they go.

A view is a map from its pixels q (y, x) to places p in the frame,

    u = M q + t,   p = u + e(u),

with M the turn and the enlargement, and e the elastic displacement, given at 3 x 3 knots that span the frame. It is
evaluated where patches are, and inverted for the detections: the frame itself is never resampled.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError

_KNOTS = 3
_STEEPEST = 0.5  # of the elastic displacement, per pixel: below 1 nothing folds
_ROUNDS, _CLOSE_PX = 60, 1e-6


@dataclass(frozen=True)
class AscentAugmentation:
    """What is drawn anew for each view of a frame; the numbers of ASCENT's supplement. Raises ConfigError.

    elastic_px: standard deviation of the displacement of 3 x 3 knots; less where it would fold the frame.
    jitter_px, jitter_planes: each detection is taken to be up to this off, along y and x, and along z.
    rotation_deg: of the frame about its centre, up to +- this.
    scale: the side of the part of the frame that is shown, in the frame's; it is enlarged to the size of the frame.
    brightness, contrast: I becomes b (c I + (1 - c) mean), b and c within 1 +- these.
    dropout: share of the detections that are left out, besides those that leave the view.
    The released configs have elastic_px = 15 and scale = (0.9, 1.1).
    """

    elastic_px: float = 36.0
    jitter_px: float = 5.0
    jitter_planes: float = 1.0
    rotation_deg: float = 180.0
    scale: tuple[float, float] = (0.6, 1.0)
    brightness: float = 0.2
    contrast: float = 0.2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("elastic_px", "jitter_px", "jitter_planes", "rotation_deg"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"augmentation: {name} must not be negative, found {getattr(self, name):g}")
        for name in ("brightness", "contrast", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"augmentation: {name} must lie in [0, 1), found {getattr(self, name):g}")
        low, high = self.scale
        if not 0 < low <= high < math.inf:
            raise ConfigError(f"augmentation: scale is a range of positive numbers, found [{low:g}, {high:g}]")


@dataclass(frozen=True)
class View:
    """shape: (y, x) pixels of the frame.   zoom: the view has `zoom` times as many.   matrix, offset: M (2, 2), t (2,).

    knots: (3, 3, 2) displacements y, x at knots (y, x).   brightness, contrast: b, c.
    """

    shape: tuple[int, int]
    zoom: float
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    knots: NDArray[np.float64]
    brightness: float = 1.0
    contrast: float = 1.0

    def to_frame(self, pixel: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places (n, 2) in the frame of pixels (n, 2) of the view, and the slope dp/dq (n, 2, 2) there."""
        bent = pixel @ self.matrix.T + self.offset
        moved, slope = self._displacement(bent)
        return bent + moved, (np.eye(2) + slope) @ self.matrix

    def from_frame(self, place: NDArray[np.float64], jitter: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:
        """Pixels (n, 2) of the view, not rounded, that show places (n, 2) in the frame.

        jitter: (n, 2), added between the elastic displacement and the rest.
        """
        bent = place
        for _ in range(_ROUNDS):  # each round at least halves the error
            before, bent = bent, place - self._displacement(bent)[0]
            if np.abs(bent - before).max(initial=0.0) < _CLOSE_PX:
                break
        return (bent + jitter - self.offset) @ np.linalg.inv(self.matrix).T

    def holds(self, pixel: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) whether pixels (n, 2) lie in the view."""
        inside = (pixel >= -0.5) & (pixel < np.array(self.shape) * self.zoom - 0.5)
        return np.logical_and.reduce(inside, axis=1)

    def light(self, values: NDArray[np.float32], mean: float) -> NDArray[np.float32]:
        """The values in another light.   mean: of the frame."""
        return values * np.float32(self.brightness * self.contrast) + np.float32(
            self.brightness * (1 - self.contrast) * mean
        )

    def _displacement(self, bent: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The displacement (n, 2), its slope de/du (n, 2, 2): bilinear between knots, beyond them as at the edge."""
        last = np.maximum(np.array(self.shape) - 1.0, 1.0)
        along = bent / last * (_KNOTS - 1)
        inside = np.clip(along, 0, _KNOTS - 1)
        cell = np.minimum(inside.astype(np.int64), _KNOTS - 2)
        (y, x), (down, right) = cell.T, (inside - cell).T[:, :, None]
        corner = self.knots[y, x], self.knots[y, x + 1], self.knots[y + 1, x], self.knots[y + 1, x + 1]
        above, below = corner[0] + right * (corner[1] - corner[0]), corner[2] + right * (corner[3] - corner[2])
        by_y = below - above
        by_x = (1 - down) * (corner[1] - corner[0]) + down * (corner[3] - corner[2])
        slope = np.stack([by_y, by_x], axis=2) * ((_KNOTS - 1) / last * (along == inside))[:, None, :]
        return above + down * by_y, slope


def plain_view(shape: tuple[int, int], zoom: float = 1.0) -> View:
    """The frame as it is, but for the zoom."""
    offset = np.full(2, 0.5 / zoom - 0.5)  # edges stay edges: the centres of pixels are half a pixel in
    return View(shape, zoom, np.eye(2) / zoom, offset, np.zeros((_KNOTS, _KNOTS, 2)))


def random_view(
    rng: np.random.Generator, shape: tuple[int, int], settings: AscentAugmentation, zoom: float = 1.0
) -> View:
    """A random view of a frame of (y, x) pixels."""
    size = np.array(shape, np.float64)
    angle = math.radians(rng.uniform(-settings.rotation_deg, settings.rotation_deg))
    share = rng.uniform(*settings.scale)
    start = rng.random(2) * (1 - share) * size
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = (size - 1) / 2
    # The pixel q of the cut-out shows start + share (q + 1/2) / zoom - 1/2 of the turned frame.
    matrix = turn * share / zoom
    offset = turn @ (start + 0.5 * share / zoom - 0.5 - centre) + centre
    knots = rng.normal(0.0, settings.elastic_px, (_KNOTS, _KNOTS, 2))
    return View(
        shape,
        zoom,
        matrix,
        offset,
        knots * _gentle(knots, shape),
        rng.uniform(1 - settings.brightness, 1 + settings.brightness),
        rng.uniform(1 - settings.contrast, 1 + settings.contrast),
    )


def _gentle(knots: NDArray[np.float64], shape: tuple[int, int]) -> float:
    """By what to multiply displacements at the knots so that no place moves by more than half of what u does."""
    spacing = np.maximum(np.array(shape) - 1.0, 1.0) / (_KNOTS - 1)
    steepest = np.abs(np.diff(knots, axis=0)).max(axis=(0, 1)) / spacing[0]
    steepest += np.abs(np.diff(knots, axis=1)).max(axis=(0, 1)) / spacing[1]
    return min(1.0, _STEEPEST / max(float(steepest.max()), 1e-9))
