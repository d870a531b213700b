"""What StarDist learns from, step by step: crops of frames with a person's labels and with a program's. Numpy only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.frame_crops import CropSizes
from embeddings.star_movie import PARTS, Part, StarMovie
from embeddings.star_targets import star_distances, star_probabilities
from tracker.errors import ConfigError

_HELD_OUT_SHARE, _HELD_OUT_FRAMES, _HELD_OUT_CROPS, _FEWEST_TO_HOLD_OUT = 0.1, 8, 4, 4
#: Part of the crops that hold at least one object; of the others there may be nothing to learn.
_AT_OBJECTS = {"sparse": 1.0, "pseudo": 0.9}
_BYTES_PER_PIXEL = 12  # image and labels


@dataclass(frozen=True)
class StarVariation:
    """How crops are varied, each anew; flipped and turned by right angles, too. Raises ConfigError.

    contrast: range of the factor of the deviation from the crop's mean.   noise: largest standard deviation of normal
    noise that is added; brightness is about 0 .. 1.
    """

    contrast: tuple[float, float] = (0.7, 1.4)
    noise: float = 0.05

    def __post_init__(self) -> None:
        """Check ranges."""
        low, high = self.contrast
        if not 0 < low <= high < math.inf:
            raise ConfigError(f"the contrast of crops is a range of positive numbers, found [{low:g}, {high:g}]")
        if not 0 <= self.noise < math.inf:
            raise ConfigError(f"noise must be at least 0, found {self.noise:g}")


class LabelledCrops(NamedTuple):
    """images: (B, y, x) float32.   labels: (B, y, x) int64, -1 unknown.   pseudo: (B,) whose labels they are."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    pseudo: NDArray[np.bool_]


class StarBatch(NamedTuple):
    """What the network sees, and what it is to say of the part that it puts out.

    images: (B, 1, y, x).   probability: (B, y, x), -1 unknown.   rays: (B, R, y, x) in pixels.   pseudo: (B,).
    """

    images: NDArray[np.float32]
    probability: NDArray[np.float32]
    rays: NDArray[np.float32]
    pseudo: NDArray[np.bool_]


class _Held(NamedTuple):
    """A frame in memory, mirrored beyond its edges, and (K, 2) a pixel of each object, y, x of the frame itself."""

    image: NDArray[np.float32]
    labels: NDArray[np.int64]
    objects: NDArray[np.int64]


class StarCrops:
    """Batches of several movies; all depends on the seed and the step alone.

    Half of a batch has sparse labels, half pseudo labels, or all of it one kind where the other has no weight.
    With at least 4 frames a tenth of them, rounded up, 8 at most, is held out, as far as 3 of each kind remain.
    """

    def __init__(
        self,
        movies: Sequence[StarMovie],
        crop_px: int,
        lost_px: int,
        n_rays: int,
        pseudo_weight: float,
        sizes: CropSizes,
        seed: int,
        *,
        variation: StarVariation | None,
    ) -> None:
        """crop_px: side of what the network sees.   lost_px: of it, on each side.

        variation: None = crops as they are.   pseudo_weight: as in `weight_of_pseudo`.
        Raises ConfigError where a batch is too small for both kinds of labels.
        """
        self._movies, self._crop_px, self._lost_px, self._n_rays = tuple(movies), crop_px, lost_px, n_rays
        self._sizes, self._seed, self._variation = sizes, seed, variation
        known: dict[Part, list[tuple[int, int]]] = {
            part: [(number, step) for number, movie in enumerate(movies) for step in movie.steps(part)]
            for part in PARTS
        }
        self.pseudo_weight = weight_of_pseudo(pseudo_weight, bool(known["sparse"]), bool(known["pseudo"]))
        weight = {"sparse": 1 - self.pseudo_weight, "pseudo": self.pseudo_weight}
        self._known = {part: frames for part, frames in known.items() if weight[part]}
        if sizes.batch_size < len(self._known):
            raise ConfigError(
                "batch_size must be at least 2, as half of a batch has sparse labels and half pseudo labels; found "
                f"{sizes.batch_size}"
            )
        self._away = _held_out(self._known, seed)
        self._turn: dict[Part, int] = {}
        self._frames: dict[Part, list[_Held]] = {}

    def __call__(self, step: int) -> StarBatch:
        """The batch of a step of the training."""
        rng = np.random.default_rng([self._seed, 1, step])
        drawn, left = [], self._sizes.batch_size
        for number, part in enumerate(self._known):
            count = math.ceil(left / (len(self._known) - number))
            left -= count
            drawn.append(self._draw(rng, part, self._hold(part, step), count, self._variation))
        return self.batch(*drawn)

    def held_out(self) -> list[list[LabelledCrops]]:
        """Of each frame that is held out 4 crops of each kind of labels it has, as they are."""
        found = []
        for number, step in self._away:
            rng = np.random.default_rng([self._seed, 4, number, step])
            found.append(
                [
                    self._draw(rng, part, [self._read(part, number, step)], _HELD_OUT_CROPS, None)
                    for part, frames in self._known.items()
                    if (number, step) in frames
                ]
            )
        return found

    def held_out_frames(self) -> list[list[int]]:
        """The frame numbers that are held out, of each movie."""
        return [
            movie.movie.detections.frames[[step for one, step in self._away if one == number]].tolist()
            for number, movie in enumerate(self._movies)
        ]

    def batch(self, *drawn: LabelledCrops) -> StarBatch:
        """Crops with their targets."""
        images, labels, pseudo = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        margin = self._lost_px
        return StarBatch(
            images[:, None],
            np.stack([star_probabilities(one, margin) for one in labels]),
            np.stack([star_distances(one, self._n_rays, margin) for one in labels]),
            pseudo,
        )

    def _draw(
        self,
        rng: np.random.Generator,
        part: Part,
        frames: Sequence[_Held],
        count: int,
        variation: StarVariation | None,
    ) -> LabelledCrops:
        """Random crops of random frames, evenly over their places, or over the objects that are to be in them."""
        images, labels = [], []
        for which in rng.integers(len(frames), size=count).tolist():
            frame, side = frames[which], self._crop_px
            room = np.array(frame.image.shape) - side
            start = rng.integers(0, room + 1)
            if len(frame.objects) and rng.random() < _AT_OBJECTS[part]:
                seen = side - 2 * self._lost_px
                place = frame.objects[rng.integers(len(frame.objects))]
                start = np.clip(place - rng.integers(0, seen, 2), 0, room)
            cut = tuple(slice(low, low + side) for low in start.tolist())
            one = varied(rng, frame.image[cut], frame.labels[cut], variation)
            images.append(one[0])
            labels.append(one[1])
        return LabelledCrops(np.stack(images), np.stack(labels), np.full(count, part == "pseudo"))

    def _hold(self, part: Part, step: int) -> list[_Held]:
        """Have the frames with these labels in memory that belong to a step of the training."""
        own = [place for place in self._known[part] if place not in self._away]
        pixels = max(math.prod(movie.frames.images.shape) for movie in self._movies)
        room = int(self._sizes.memory_mb * 2**20 / (len(self._known) * _BYTES_PER_PIXEL * pixels))
        most = max(min(self._sizes.frames_held * len(self._movies), room), 1)
        turn = 0 if len(own) <= most else step // self._sizes.exchange_steps
        if turn != self._turn.get(part):
            self._frames[part] = []  # free the old ones first
            order = np.random.default_rng([self._seed, 0, turn, PARTS.index(part)]).permutation(len(own))
            self._frames[part] = [self._read(part, *own[place]) for place in order[:most].tolist()]
            self._turn[part] = turn
        return self._frames[part]

    def _read(self, part: Part, number: int, step: int) -> _Held:
        movie, lost = self._movies[number], self._lost_px
        image, labels = movie.frames.image(step), movie.labels(part, step)
        pad = [(lost, max(lost, self._crop_px - lost - side)) for side in image.shape]
        how = "reflect" if min(image.shape) > 1 else "symmetric"  # one pixel can be mirrored only as itself
        names, first = np.unique(labels, return_index=True)
        place = np.column_stack(np.divmod(first[names > 0], image.shape[1]))
        return _Held(np.pad(image, pad, mode=how), np.pad(labels, pad, mode=how), place)  # type: ignore[call-overload]


def weight_of_pseudo(pseudo_weight: float, sparse: bool, pseudo: bool) -> float:
    """The weight a in the loss (1 - a) L_sparse + a L_pseudo, or what it has to be where one kind of labels is missing.

    sparse, pseudo: whether there are any. Raises ConfigError for a that is out of range.
    """
    if not 0 <= pseudo_weight <= 1:
        raise ConfigError(f"pseudo_weight must lie in [0, 1], found {pseudo_weight:g}")
    if sparse and pseudo:
        return pseudo_weight
    return 0.0 if sparse else 1.0


def varied(
    rng: np.random.Generator,
    image: NDArray[np.float32],
    labels: NDArray[np.int64],
    variation: StarVariation | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A crop turned by a multiple of 90 degrees and mirrored, with its labels; then contrast and noise of the image."""
    if variation is None:
        return image, labels
    turns, mirror = int(rng.integers(4)), bool(rng.random() < 0.5)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if mirror:
        image, labels = image[:, ::-1], labels[:, ::-1]
    mean, factor = image.mean(), np.float32(rng.uniform(*variation.contrast))
    spread = np.float32(rng.uniform(0, variation.noise))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return mean + factor * (image - mean) + spread * noise, labels


def _held_out(known: dict[Part, list[tuple[int, int]]], seed: int) -> list[tuple[int, int]]:
    """(movie, step) of the frames that are held out, in order."""
    places = sorted(set().union(*known.values()))
    if len(places) < _FEWEST_TO_HOLD_OUT:
        return []
    wanted = min(math.ceil(_HELD_OUT_SHARE * len(places)), _HELD_OUT_FRAMES)
    left = {part: set(frames) for part, frames in known.items()}
    away: list[tuple[int, int]] = []
    for index in np.random.default_rng([seed, 2]).permutation(len(places)).tolist():
        if len(away) == wanted:
            break
        with_it = [frames for frames in left.values() if places[index] in frames]
        if all(len(frames) >= _FEWEST_TO_HOLD_OUT for frames in with_it):
            away.append(places[index])
            for frames in with_it:
                frames.remove(places[index])
    return sorted(away)
