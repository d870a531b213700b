"""Pairs of random views of frames to learn from, and some that are held out; numpy and a batch of tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.ascent_augment import AscentAugmentation, View, random_view
from embeddings.ascent_frames import NOUN, AscentFrames
from embeddings.held_out import held_out_steps
from embeddings.nets.ascent import AscentBatch
from tracker.errors import ConfigError

_DRAWS = 10


@dataclass(frozen=True)
class FrameSizes:
    """batch_size: frames per step.   max_detections: most of a frame, those nearest to a random one; 0 = all.

    memory_mb: of frames that are kept to be seen again, all movies together; the others are read anew.
    Raises ConfigError.
    """

    batch_size: int
    max_detections: int
    memory_mb: float

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.batch_size < 1 or self.max_detections < 0 or self.max_detections == 1 or self.memory_mb < 0:
            raise ConfigError(
                "batch_size must be at least 1, max_detections at least 2 (or 0 for all) and memory_mb not negative, "
                f"found {self.batch_size}, {self.max_detections} and {self.memory_mb:g}"
            )


class ViewSource:
    """Pairs of views of frames of several movies with at least two detections; all depends on seed and step alone.

    A step sees `batch_size` frames, drawn evenly from all movies; some of each movie are held out (`held_out_steps`).
    """

    def __init__(
        self, movies: Sequence[AscentFrames], augmentation: AscentAugmentation, sizes: FrameSizes, seed: int
    ) -> None:
        """Raises ConfigError for a movie without a frame of two detections."""
        self._movies, self._augmentation, self._sizes, self._seed = tuple(movies), augmentation, sizes, seed
        held_out, learnt = [], []
        for number, frames in enumerate(movies):
            found = frames.frames.movie.detections
            crowd = np.diff(found.starts)
            steps = np.flatnonzero(crowd >= 2)
            if not len(steps):
                raise ConfigError(
                    f"{NOUN} learns by telling the detections of a frame from each other and needs frames with at "
                    f"least 2, but those of {frames.frames.movie.name} have at most {crowd.max(initial=0)}: leave it "
                    "out, or look at its masks or points"
                )
            away, own = held_out_steps(steps, seed, number)
            held_out += [(number, step) for step in away.tolist()]
            learnt += [(number, step) for step in own.tolist()]
        self._held_out, self._learnt = held_out, learnt
        self._kept: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._room = int(sizes.memory_mb * 2**20)

    def __call__(self, step: int) -> AscentBatch:
        """The batch of a step of the training; see `batch_of`."""
        rng = np.random.default_rng([self._seed, 1, step])
        drawn = rng.integers(len(self._learnt), size=self._sizes.batch_size)
        chosen = [self._learnt[one] for one in drawn.tolist()]
        return batch_of([self._pair(number, frame, self._image(number, frame), rng) for number, frame in chosen])

    def held_out(self) -> list[AscentBatch]:
        """A pair of views of each frame that is held out, always the same."""
        return [
            batch_of([self._pair(number, step, image, np.random.default_rng([self._seed, 3, number, step]))])
            for number, step in self._held_out
            for image in [self._movies[number].image(step)]
        ]

    def held_out_frames(self) -> list[list[int]]:
        """The frames of each movie that are held out, as the input numbers them."""
        return [
            [int(frames.frames.movie.detections.frames[step]) for number, step in self._held_out if number == own]
            for own, frames in enumerate(self._movies)
        ]

    def _pair(self, number: int, step: int, image: NDArray[np.float32], rng: np.random.Generator) -> "ViewPair":
        return draw_pair(self._movies[number], step, image, self._augmentation, self._sizes.max_detections, rng)

    def _image(self, number: int, step: int) -> NDArray[np.float32]:
        """A frame, kept where there is room."""
        known = self._kept.get((number, step))
        if known is not None:
            return known
        image = self._movies[number].image(step)
        if image.nbytes <= self._room:
            self._kept[number, step] = image
            self._room -= image.nbytes
        return image


@dataclass(frozen=True)
class ViewPair:
    """What two views show of the same n detections.

    present: (2, n) bool, in which view each is.   patches, position: of those that are, (m, c, P, P) and (m, 3) each.
    """

    present: NDArray[np.bool_]
    patches: tuple[NDArray[np.float32], NDArray[np.float32]]
    position: tuple[NDArray[np.float32], NDArray[np.float32]]


def draw_pair(
    frames: AscentFrames,
    step: int,
    image: NDArray[np.float32],
    settings: AscentAugmentation,
    max_detections: int,
    rng: np.random.Generator,
) -> ViewPair:
    """Two random views of a frame, whose image is given, that share at least two detections.

    Views that do not are drawn again; after ten draws detections are kept although they lie beyond the view.
    """
    starts = frames.frames.movie.detections.starts
    place = frames.place_px(np.arange(starts[step], starts[step + 1]))
    shape = (frames.shape[1], frames.shape[2])
    for draw in range(_DRAWS):
        views = [random_view(rng, shape, settings, frames.zoom) for _ in range(2)]
        places = np.stack([_in_view(view, place, frames, settings, rng) for view in views])
        present = np.stack([view.holds(there[:, 1:]) for view, there in zip(views, places, strict=True)])
        plane = np.floor(places[:, :, 0] + 0.5)
        present &= (plane >= 0) & (plane < frames.shape[0])
        present &= rng.random(present.shape) >= settings.dropout
        if draw == _DRAWS - 1 and present.all(axis=0).sum() < 2:
            present[:] = True
        shared = np.flatnonzero(present.all(axis=0))
        if len(shared) >= 2:
            break
    if max_detections and len(shared) > max_detections:
        scale = frames.frames.movie.detections.scale
        away = (place[shared] - place[rng.choice(shared)])[:, -len(scale) :] * scale
        near = shared[np.argsort((away**2).sum(axis=1), kind="stable")[:max_detections]]
        present &= np.isin(np.arange(len(place)), near)
    seen = [there[own] for there, own in zip(places, present, strict=True)]
    first, second = (frames.patches(image, view, own) for view, own in zip(views, seen, strict=True))
    return ViewPair(present, (first, second), (frames.coordinates(seen[0]), frames.coordinates(seen[1])))


def _in_view(
    view: View,
    place: NDArray[np.float64],
    frames: AscentFrames,
    settings: AscentAugmentation,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(n, 3) where a view shows places (n, 3), each a little off."""
    jitter = rng.uniform(-1.0, 1.0, place.shape) * (settings.jitter_planes, settings.jitter_px, settings.jitter_px)
    plane = place[:, :1] + jitter[:, :1] if len(frames.planes) > 1 else place[:, :1]
    return np.concatenate([plane, view.from_frame(place[:, 1:], jitter[:, 1:])], axis=1)


def batch_of(pairs: Sequence[ViewPair]) -> AscentBatch:
    """The first views of all pairs, then the second: 2 B sets; a detection has the same place in both of its pair.

    Detections that are in neither view are left out.
    """
    known = [pair.present[:, pair.present.any(axis=0)] for pair in pairs]
    padding = np.ones((2, len(pairs), max(one.shape[1] for one in known)), np.bool_)
    for number, present in enumerate(known):
        padding[:, number, : present.shape[1]] = ~present
    patches = np.concatenate([pair.patches[view] for view in (0, 1) for pair in pairs])
    position = np.concatenate([pair.position[view] for view in (0, 1) for pair in pairs])
    return AscentBatch(
        torch.from_numpy(patches), torch.from_numpy(position), torch.from_numpy(padding.reshape(2 * len(pairs), -1))
    )
