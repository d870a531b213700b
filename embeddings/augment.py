"""Augmentation of windows in the space of tokens: as if the movie were turned, stretched, brighter or drifting.

Pixels are never touched. Kinds, ranges and probabilities are those of Trackastra (Gallusser and Weigert, ECCV 2024),
but shapes follow the geometry exactly: see `transform_inertia`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.tokens import TokenLayout
from tracker.errors import ConfigError, FeatureError

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Augmentation:
    """What is done to one window of N detections in W frames. Axes are [z,] y, x.

    matrix: (D, D) M, x -> centre + M (x - centre).   centre_px: (D,) the point that stays.
    frame_shift_px: (W, D) added to all detections of a frame, after M: a shift of all, and drift.
    jitter_px: (N, D) added to each detection, after M.
    intensity_scale, intensity_shift: relative intensity -> scale * intensity + shift.
    """

    matrix: NDArray[np.float64]
    centre_px: NDArray[np.float64]
    frame_shift_px: NDArray[np.float64]
    jitter_px: NDArray[np.float64]
    intensity_scale: float = 1.0
    intensity_shift: float = 0.0


@dataclass(frozen=True)
class AugmentSettings:
    """What is drawn, and how often: each probability decides for a whole window. Ranges are uniform.

    flip: of each axis on its own.   affine: rotation by any angle up to +- rotation_degrees, after a scale of each axis
        on its own out of `scale`, after shears up to +- shear.
    intensity: scale out of `intensity_scale`, shift up to +- intensity_shift.
    jitter: each detection by up to +- jitter_px along each axis.
    drift: of the whole picture, at a constant velocity up to +- drift_px per frame along each axis.
    shift_px: always, all detections by 0 up to this along each axis, for the network reads absolute positions. Attrackt
        has 255 (the default), Trackastra 511.
    space: "plane" leaves z alone in 3-D: stacks are shallow and their planes lie further apart than pixels. "volume"
        treats z like y and x, and turns about any axis (any rotation at all, whatever rotation_degrees); for voxels as
        deep as wide.
    Raises ConfigError for probabilities outside [0, 1], negative sizes and ranges that are not.
    """

    flip: float = 0.5
    affine: float = 0.8
    rotation_degrees: float = 180.0
    scale: tuple[float, float] = (0.5, 2.0)
    shear: float = 0.1
    intensity: float = 0.8
    intensity_scale: tuple[float, float] = (0.5, 2.0)
    intensity_shift: float = 0.1
    jitter: float = 0.8
    jitter_px: float = 3.0
    drift: float = 0.0
    drift_px: float = 10.0
    shift_px: float = 255.0
    space: Literal["plane", "volume"] = "plane"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("flip", "affine", "intensity", "jitter", "drift"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augmentation: {name} is a probability in [0, 1], found {getattr(self, name)}")
        for name in ("rotation_degrees", "shear", "intensity_shift", "jitter_px", "drift_px", "shift_px"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"augmentation: {name} must not be negative, found {getattr(self, name)}")
        for name in ("scale", "intensity_scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high < np.inf:
                raise ConfigError(f"augmentation: {name} is a range of positive numbers, found [{low}, {high}]")


def augment_level(level: int) -> AugmentSettings | None:
    """Levels of Trackastra: 0 nothing (None), 1 flips, 2 also affine, intensity and jitter, 3 also drift (0.3).

    All but 0 shift. (Its code has the affine at level 1 already.) Raises ConfigError for another level.
    """
    levels = {
        0: None,
        1: AugmentSettings(affine=0.0, intensity=0.0, jitter=0.0),
        2: AugmentSettings(),
        3: AugmentSettings(drift=0.3),
    }
    if level not in levels:
        raise ConfigError(f"the level of augmentation is 0, 1, 2 or 3, found {level}")
    return levels[level]


def draw_augmentation(
    settings: AugmentSettings,
    generator: np.random.Generator,
    centre_px: NDArray[np.float64],
    n_frames: int,
    n_detections: int,
) -> Augmentation:
    """Draw what is done to a window of n_frames W and n_detections N; the axes D are those of centre_px (D,)."""
    ndim = len(centre_px)
    moving = np.ones(ndim, np.bool_)
    moving[: ndim - 2] = settings.space == "volume"
    axes = np.flatnonzero(moving)
    matrix = np.eye(ndim)
    matrix[axes, axes] = np.where(generator.random(len(axes)) < settings.flip, -1.0, 1.0)
    if generator.random() < settings.affine:
        turned = np.eye(ndim)
        turned[np.ix_(axes, axes)] = _draw_affine(settings, generator, len(axes))
        matrix = turned @ matrix
    scale, shift = 1.0, 0.0
    if generator.random() < settings.intensity:
        scale = float(generator.uniform(*settings.intensity_scale))
        shift = _within(generator, settings.intensity_shift)
    jitter = np.zeros((n_detections, ndim))
    if generator.random() < settings.jitter:
        jitter = generator.uniform(-settings.jitter_px, settings.jitter_px, jitter.shape) * moving
    velocity = np.zeros(ndim)
    if generator.random() < settings.drift:
        velocity = generator.uniform(-settings.drift_px, settings.drift_px, ndim) * moving
    start = generator.uniform(0, settings.shift_px, ndim) * moving
    frame_shift = start + np.arange(n_frames)[:, None] * velocity
    return Augmentation(matrix, np.asarray(centre_px, np.float64), frame_shift, jitter, scale, shift)


def augment(
    position_px: Floats, tokens: NDArray[np.float32], step: NDArray[np.int64], augmentation: Augmentation
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """New positions (N, D) and tokens (N, F) of a window; step (N,) counts from its first frame."""
    place = transform_positions(position_px, augmentation.matrix, augmentation.centre_px)
    place = place + augmentation.frame_shift_px[step] + augmentation.jitter_px
    changed = transform_tokens(tokens, augmentation.matrix)
    return place, adjust_intensity(changed, len(place.T), augmentation.intensity_scale, augmentation.intensity_shift)


def transform_positions(
    position_px: Floats, matrix: NDArray[np.float64], centre_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Positions x (N, D) moved to centre + M (x - centre)."""
    return (position_px - centre_px) @ matrix.T + centre_px


def transform_inertia(inertia_px2: Floats, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inertia tensors (N, D, D) of regions whose pixels x move to M x.

    A tensor is S = trace(C) 1 - C of the covariance C of the pixels, and C becomes M C M^T; so

        C = trace(S) / (D - 1) 1 - S,     S' = trace(M C M^T) 1 - M C M^T

    For rotations, flips and one scale for all axes this is M S M^T. Trackastra takes M S M^T throughout, which under a
    stretch along x makes the tensor grow along x, where that of the stretched region grows along the other axes.
    """
    identity = np.eye(len(matrix))
    covariance = _trace(inertia_px2) / (len(matrix) - 1) * identity - inertia_px2
    moved = matrix @ covariance @ matrix.T
    return _trace(moved) * identity - moved


def transform_tokens(tokens: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Tokens (N, F) of regions whose pixels x move to M x; F = 0 (a network that sees places only) stays as it is.

    diameter: times |det M|^(1/D), that of the disk or ball of the new area.   inertia: `transform_inertia`.
    intensity, border: the same. Nearness to the border says whether the image cuts a cell off; that stays true however
    the picture is turned, and which edge it is, and so how a stretch moves it, the token does not know.
    Raises FeatureError when the columns are not those of `TokenLayout`.
    """
    changed, ndim = tokens.copy(), len(matrix)
    if _has_columns(tokens, ndim):
        layout = TokenLayout(ndim)
        changed[:, layout.diameter] *= abs(np.linalg.det(matrix)) ** (1 / ndim)
        inertia = tokens[:, layout.inertia].astype(np.float64).reshape(-1, ndim, ndim)
        changed[:, layout.inertia] = transform_inertia(inertia, matrix).reshape(-1, ndim**2)
    return changed


def adjust_intensity(tokens: NDArray[np.float32], ndim: int, scale: float, shift: float) -> NDArray[np.float32]:
    """Tokens (N, F) of a movie of `ndim` axes with their intensity I replaced by scale * I + shift."""
    changed = tokens.copy()
    if _has_columns(tokens, ndim):
        column = TokenLayout(ndim).intensity
        changed[:, column] = scale * tokens[:, column] + shift
    return changed


def dihedral_matrices(ndim: int) -> NDArray[np.float64]:
    """(8, D, D) the four quarter turns in the plane of y and x, then the same after a flip of x; the first is 1."""
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    turns = np.stack([np.linalg.matrix_power(quarter, k) for k in range(4)])
    matrices = np.tile(np.eye(ndim), (8, 1, 1))
    matrices[:, ndim - 2 :, ndim - 2 :] = np.concatenate([turns, turns @ np.diag([1.0, -1.0])])
    return matrices


def _draw_affine(settings: AugmentSettings, generator: np.random.Generator, axes: int) -> NDArray[np.float64]:
    """Rotation * scale * shear of (axes, axes): first sheared, then scaled, then turned."""
    angle = np.deg2rad(_within(generator, settings.rotation_degrees))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if axes == 3:
        rotation, signs = np.linalg.qr(generator.normal(size=(3, 3)))
        rotation = rotation * np.sign(np.diag(signs))  # uniform over all rotations and reflections
        rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    scale = np.diag(generator.uniform(*settings.scale, axes))
    shear = np.eye(axes)
    for row in range(axes):
        for column in range(axes):
            if row != column:
                # One axis after the other keeps the volume, so that scale alone decides it.
                one = np.eye(axes)
                one[row, column] = _within(generator, settings.shear)
                shear = shear @ one
    turned: NDArray[np.float64] = rotation @ scale @ shear
    return turned


def _within(generator: np.random.Generator, size: float) -> float:
    """A number in [-size, size)."""
    return float(generator.uniform(-size, size))


def _trace(matrices: Floats) -> NDArray[np.float64]:
    """(N, 1, 1) traces of (N, D, D)."""
    traces: NDArray[np.float64] = np.trace(matrices, axis1=1, axis2=2)
    return traces[:, None, None]


def _has_columns(tokens: NDArray[np.float32], ndim: int) -> bool:
    """Whether there are columns to change; refuses those of another layout."""
    wanted = TokenLayout(ndim).size
    if tokens.ndim != 2 or tokens.shape[1] not in (0, wanted):
        raise FeatureError(
            f"augmentation knows the {wanted} tokens of a {ndim}-D movie, or none, found an array of shape "
            f"{tokens.shape}; leave augmentation out (level 0) for other features"
        )
    return bool(tokens.shape[1])
