"""What Cellulus learns from: random crops of frames, turned and bent, and pairs of near pixels in them. Numpy only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from embeddings.cellulus_frames import NOUN, ScaledFrames, named
from embeddings.frame_crops import CropSizes
from embeddings.held_out import held_out_steps
from tracker.errors import ConfigError, MovieError

_HELD_OUT_CROPS = 8


@dataclass(frozen=True)
class PairSampling:
    """Which pairs of pixels are compared; as published. Raises ConfigError for what is out of range.

    density: part of the pixels that are anchors, and of the pixels around each that are its references.
    radius_px: references lie less than this away from their anchor.
    """

    density: float = 0.1
    radius_px: float = 10.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 < self.density <= 1:
            raise ConfigError(f"density must lie in (0, 1], found {self.density:g}")
        if not 1 < self.radius_px < math.inf:
            raise ConfigError(f"pair_radius_px must be larger than 1, found {self.radius_px:g}")

    @property
    def margin_px(self) -> int:
        """Anchors keep this far away from the edge, so that their references lie inside."""
        return math.ceil(self.radius_px) - 1

    @property
    def smallest_px(self) -> int:
        """Side of an output that has room for an anchor; even, as outputs are."""
        return 2 * (self.margin_px + 1)

    def references(self, ndim: int) -> int:
        """How many references an anchor has."""
        ball = math.pi * self.radius_px**2 if ndim == 2 else 4 / 3 * math.pi * self.radius_px**3
        return max(int(self.density * ball), 1)


@dataclass(frozen=True)
class Bending:
    """How crops are varied, each anew; as published. Raises ConfigError for what is out of range.

    turn_degrees: the largest rotation, in the plane y, x.   scale: range of the enlargement.
    knots_px: distance between points that are moved, by a normal deviate of jitter_px along each axis; the displacement
        is linear between them.   flip: half of the crops are mirrored along each axis (not in the publication).
    """

    turn_degrees: float = 90.0
    scale: tuple[float, float] = (0.9, 1.1)
    knots_px: float = 64.0
    jitter_px: float = 2.0
    flip: bool = True

    def __post_init__(self) -> None:
        """Check ranges."""
        low, high = self.scale
        if not 0 < low <= high < math.inf:
            raise ConfigError(f"the scale of crops is a range of positive numbers, found [{low:g}, {high:g}]")
        if min(self.turn_degrees, self.jitter_px) < 0 or not self.knots_px > 0:
            raise ConfigError(
                "turn_degrees and jitter_px must be at least 0 and knots_px positive, found "
                f"{self.turn_degrees:g}, {self.jitter_px:g} and {self.knots_px:g}"
            )


class CropBatch(NamedTuple):
    """images: (B, 1, *crop) float32.   anchor_px: (B, A, D), reference_px: (B, A, R, D) int32, pixels of the output."""

    images: NDArray[np.float32]
    anchor_px: NDArray[np.int32]
    reference_px: NDArray[np.int32]


class CropPairs:
    """Batches of several movies; all depends on the seed and the step alone.

    Each step sees one movie, drawn in proportion to its frames; some of each are held out (`held_out_steps`).
    """

    def __init__(
        self,
        movies: Sequence[ScaledFrames],
        crop_px: tuple[int, ...],
        lost_px: int,
        sizes: CropSizes,
        seed: int,
        *,
        pairs: PairSampling,
        bending: Bending | None,
    ) -> None:
        """crop_px: [z,] y, x of what the network sees.   lost_px: of it, on each side.   bending: None = as they are.

        Raises MovieError for a movie with frames smaller than a crop, ConfigError where no anchor fits.
        """
        self._movies, self._crop_px, self._sizes, self._seed = tuple(movies), crop_px, sizes, seed
        self._pairs, self._bending = pairs, bending
        self._output = tuple(side - 2 * lost_px for side in crop_px)
        if min(self._output) < pairs.smallest_px:
            wanted = 2 * lost_px + pairs.smallest_px
            raise ConfigError(
                f"crop_px = {list(crop_px)} leaves no room for pairs of pixels: the network loses {2 * lost_px} px, "
                f"and anchors keep {pairs.margin_px} px away from the edge. Give at least {wanted} along each axis, or "
                "a smaller pair_radius_px"
            )
        for movie in movies:
            if any(side < wanted for side, wanted in zip(movie.shape, crop_px, strict=True)):
                raise MovieError(
                    f"{NOUN} learns from crops of {' x '.join(map(str, crop_px))} px, but the frames of {movie.name} "
                    f"are {' x '.join(map(str, movie.shape))} px at zoom {named(movie.zoom)}. Set a smaller crop_px, "
                    "or a larger zoom"
                )
        count = np.array([len(movie) for movie in movies])
        self._share = count / count.sum()
        split = [held_out_steps(np.arange(len(movie)), seed, number) for number, movie in enumerate(movies)]
        self._held_out, self._steps = [away for away, _ in split], [own for _, own in split]
        self._turn = [-1] * len(movies)
        self._frames: list[list[NDArray[np.float32]]] = [[] for _ in movies]

    def __call__(self, step: int) -> CropBatch:
        """The batch of a step of the training."""
        number = int(np.random.default_rng([self._seed, 3, step]).choice(len(self._share), p=self._share))
        self._hold(number, step)
        rng = np.random.default_rng([self._seed, 1, step])
        return self._batch(rng, self._frames[number], self._sizes.batch_size, self._bending)

    def held_out(self) -> list[CropBatch]:
        """8 crops of each frame that is held out, as they are."""
        return [
            self._batch(
                np.random.default_rng([self._seed, 4, number, step]), [movie.image(step)], _HELD_OUT_CROPS, None
            )
            for number, (movie, steps) in enumerate(zip(self._movies, self._held_out, strict=True))
            for step in steps.tolist()
        ]

    def held_out_frames(self) -> list[list[int]]:
        """The frame numbers that are held out, of each movie."""
        return [
            movie.movie.detections.frames[steps].tolist()
            for movie, steps in zip(self._movies, self._held_out, strict=True)
        ]

    def _batch(
        self, rng: np.random.Generator, frames: Sequence[NDArray[np.float32]], count: int, bending: Bending | None
    ) -> CropBatch:
        which = rng.integers(len(frames), size=count).tolist()
        images = np.stack([draw_crop(rng, frames[one], self._crop_px, bending) for one in which])
        return CropBatch(images[:, None], *draw_pairs(rng, self._output, count, self._pairs))

    def _hold(self, number: int, step: int) -> None:
        """Have the frames of a movie in memory that belong to a step of the training."""
        movie, own = self._movies[number], self._steps[number]
        room = int(self._sizes.memory_mb * float(self._share[number]) * 2**20 / (4 * math.prod(movie.shape)))
        most = max(min(self._sizes.frames_held, room), 1)
        turn = 0 if len(own) <= most else step // self._sizes.exchange_steps
        if turn == self._turn[number]:
            return
        self._frames[number] = []  # free the old ones first
        chosen = np.random.default_rng([self._seed, 0, turn, number]).permutation(own)[:most]
        self._frames[number] = [movie.image(one) for one in chosen.tolist()]
        self._turn[number] = turn


def draw_crop(
    rng: np.random.Generator, frame: NDArray[np.float32], shape: tuple[int, ...], bending: Bending | None
) -> NDArray[np.float32]:
    """A random crop of a frame; bent, what lies beyond the edges of the frame is mirrored."""
    start = np.array([rng.integers(0, side - wanted + 1) for side, wanted in zip(frame.shape, shape, strict=True)])
    if bending is None:
        return frame[tuple(slice(low, low + side) for low, side in zip(start.tolist(), shape, strict=True))]
    place = np.stack(np.meshgrid(*[np.arange(side, dtype=np.float32) for side in shape], indexing="ij"))
    middle = (np.array(shape, np.float32) - 1) / 2
    centred = (place - middle.reshape(-1, *(1,) * len(shape))).reshape(len(shape), -1)
    matrix = _turned(rng, len(shape), bending)
    moved = (matrix @ centred).reshape(place.shape) + _displacement(rng, place, bending)
    moved += (middle + start.astype(np.float32)).reshape(-1, *(1,) * len(shape))
    crop: NDArray[np.float32] = map_coordinates(frame, moved, order=1, mode="mirror")
    return crop


def _turned(rng: np.random.Generator, ndim: int, bending: Bending) -> NDArray[np.float32]:
    """(D, D) rotation in the plane y, x with its enlargement and flips: from places of the crop to the frame."""
    angle = math.radians(rng.uniform(0, bending.turn_degrees))
    matrix = np.eye(ndim)
    matrix[-2:, -2:] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    if bending.flip:
        matrix = matrix * np.where(rng.random(ndim) < 0.5, -1.0, 1.0)
    return (matrix / rng.uniform(*bending.scale)).astype(np.float32)


def _displacement(rng: np.random.Generator, place: NDArray[np.float32], bending: Bending) -> NDArray[np.float32]:
    """(D, *crop) displacement of each pixel, linear between the knots."""
    knots = tuple(math.ceil((side - 1) / bending.knots_px) + 1 for side in place.shape[1:])
    moved = rng.normal(0, bending.jitter_px, (len(place), *knots)).astype(np.float32)
    along = place / bending.knots_px
    return np.stack([map_coordinates(one, along, order=1, mode="nearest") for one in moved])


def draw_pairs(
    rng: np.random.Generator, output: tuple[int, ...], count: int, pairs: PairSampling
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Anchors (count, A, D) and their references (count, A, R, D) in an output of this shape, in whole pixels.

    Anchors lie evenly `margin_px` away from the edge, A = density times the pixels there; references evenly among the
    pixels less than `radius_px` away from their anchor, which is never its own reference.
    """
    margin = pairs.margin_px
    inner = [side - 2 * margin for side in output]
    anchors = max(int(pairs.density * math.prod(inner)), 1)
    anchor = rng.integers(margin, np.array(output) - margin, (count, anchors, len(output)), dtype=np.int32)
    near = near_offsets(pairs.radius_px, len(output))
    chosen = rng.integers(len(near), size=(count, anchors, pairs.references(len(output))))
    return anchor, anchor[:, :, None] + near[chosen]


def idle_loss(pairs: PairSampling, ndim: int, temperature: float) -> float:
    """The loss of offsets that are all alike, which tell nothing: mean of 1 - exp(-|o|^2 / temperature)."""
    squared = (near_offsets(pairs.radius_px, ndim).astype(np.float64) ** 2).sum(axis=1)
    return float(-np.expm1(-squared / temperature).mean())


def near_offsets(radius_px: float, ndim: int) -> NDArray[np.int32]:
    """(K, D) all whole offsets o with 0 < |o| < radius_px."""
    reach = math.ceil(radius_px) - 1
    axis = np.arange(-reach, reach + 1, dtype=np.int32)
    offset = np.stack(np.meshgrid(*[axis] * ndim, indexing="ij"), axis=-1).reshape(-1, ndim)
    squared = (offset.astype(np.int64) ** 2).sum(axis=1)
    return offset[(squared > 0) & (squared < radius_px**2)]
