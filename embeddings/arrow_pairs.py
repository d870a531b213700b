"""Crops of the same place in two frames, a gap apart, to learn the arrow of time from; read lazily, numpy only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.frame_images import FrameImages
from embeddings.pixel_pools import centres_px
from tracker.errors import ConfigError, MovieError

_HELD_OUT_SHARE, _HELD_OUT_PAIRS, _HELD_OUT_CROPS = 0.1, 8, 16


@dataclass(frozen=True)
class PairSettings:
    """Which pairs of crops there are. Raises ConfigError.

    crop_px: side of what the network sees.   gaps_frames: steps between the two frames, all used alike; about the time
        that what is to be seen takes.
    near_detections: share of the crops that hold a detection of the earlier frame in their middle half; the others are
        anywhere. 0 as published; but background teaches nothing, and is most of many a movie.
    """

    crop_px: int = 96
    gaps_frames: tuple[int, ...] = (1,)
    near_detections: float = 0.75

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.crop_px < 2 or self.crop_px % 2:
            raise ConfigError(f"crop_px must be even and positive, found {self.crop_px}")
        if not self.gaps_frames or min(self.gaps_frames) < 1 or len(set(self.gaps_frames)) < len(self.gaps_frames):
            raise ConfigError(f"gaps_frames must be different positive numbers, found {list(self.gaps_frames)}")
        if not 0 <= self.near_detections <= 1:
            raise ConfigError(f"near_detections must lie in [0, 1], found {self.near_detections:g}")

    @property
    def margin_px(self) -> int:
        """Cut around a crop on all sides, so that turned crops have few pixels that are made up."""
        return self.crop_px // 4

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return {**asdict(self), "gaps_frames": list(self.gaps_frames)}


@dataclass(frozen=True)
class PairSizes:
    """batch_size: crops of a step, all of one movie.   frames_held: of each movie, to draw from.

    memory_mb: of the frames of all movies, but two frames at least.   exchange_steps: after so many steps other frames
    are read. Raises ConfigError.
    """

    batch_size: int
    frames_held: int = 16
    memory_mb: float = 256.0
    exchange_steps: int = 200

    def __post_init__(self) -> None:
        """Check ranges."""
        if min(self.batch_size, self.exchange_steps) < 1 or self.frames_held < 2 or not self.memory_mb > 0:
            raise ConfigError(
                "batch_size and exchange_steps must be at least 1, frames_held at least 2, memory_mb positive; found "
                f"{self.batch_size}, {self.exchange_steps}, {self.frames_held} and {self.memory_mb:g}"
            )


class PairSource:
    """Pairs of crops of several movies to learn from, and some that are held out.

    Each step sees one movie, drawn in proportion to its pairs of frames; everything depends on the seed and the step
    alone. Of each movie the first tenth of the frames is held out, if there are pairs in it as well as in the rest.
    """

    def __init__(self, movies: Sequence[FrameImages], settings: PairSettings, sizes: PairSizes, seed: int) -> None:
        """Raises MovieError for a movie without any pair of frames."""
        self.settings, self._sizes, self._seed = settings, sizes, seed
        for frames in movies:
            need_frames(frames, min(settings.gaps_frames) + 1)
        split = [_split(len(frames), settings.gaps_frames) for frames in movies]
        count = np.array([len(pairs) for _, pairs in split])
        self._share = count / count.sum()
        self._movies = tuple(movies)
        self._held_out = [pairs for pairs, _ in split]
        self._pairs = [pairs for _, pairs in split]
        self._held: list[tuple[int, NDArray[np.int64], dict[int, NDArray[np.float32]]]] = [
            (-1, np.zeros((0, 2), np.int64), {}) for _ in movies
        ]

    def __call__(self, step: int) -> NDArray[np.float32]:
        """(batch_size, 2, side, side) of a step of the training, in order of time; side = crop_px + 2 margin_px."""
        chosen = int(np.random.default_rng([self._seed, 3, step]).choice(len(self._share), p=self._share))
        pairs, images = self._hold(chosen, step)
        rng = np.random.default_rng([self._seed, 1, step])
        drawn = pairs[rng.integers(len(pairs), size=self._sizes.batch_size)]
        return self._cut(self._movies[chosen], drawn, images, rng)

    def held_out(self) -> NDArray[np.float32]:
        """(n, 2, side, side) crops of what is held out, 128 or a few more of all movies together; maybe none."""
        side = self.settings.crop_px + 2 * self.settings.margin_px
        found = [np.zeros((0, 2, side, side), np.float32)]
        for number, (frames, pairs) in enumerate(zip(self._movies, self._held_out, strict=True)):
            rng = np.random.default_rng([self._seed, 2, number])
            most = max(round(_HELD_OUT_PAIRS * self._share[number]), 1)
            for pair in rng.permutation(pairs)[:most]:
                images = {step: self._image(frames, step) for step in pair.tolist()}
                found.append(self._cut(frames, np.repeat(pair[None], _HELD_OUT_CROPS, axis=0), images, rng))
        return np.concatenate(found)

    def held_out_frames(self) -> list[list[int]]:
        """The frames that the held-out pairs of each movie lie in, as the input numbers them."""
        return [
            frames.movie.detections.frames[np.unique(pairs)].tolist()
            for frames, pairs in zip(self._movies, self._held_out, strict=True)
        ]

    def _hold(self, chosen: int, step: int) -> tuple[NDArray[np.int64], dict[int, NDArray[np.float32]]]:
        """The pairs of a movie to draw from at a step, and their images."""
        frames, pairs = self._movies[chosen], self._pairs[chosen]
        size_mb = 4 * np.prod([length + 2 * self.settings.crop_px for length in frames.images.shape]) / 2**20
        most = min(self._sizes.frames_held, int(self._sizes.memory_mb * self._share[chosen] / size_mb))
        turn = 0 if len(np.unique(pairs)) <= most else step // self._sizes.exchange_steps
        held, drawn, images = self._held[chosen]
        if turn != held:
            drawn = _some(pairs, most, np.random.default_rng([self._seed, 0, chosen, turn]))
            wanted = np.unique(drawn).tolist()
            images = {one: image for one, image in images.items() if one in wanted}
            images |= {one: self._image(frames, one) for one in wanted if one not in images}
            self._held[chosen] = turn, drawn, images
        return drawn, images

    def _image(self, frames: FrameImages, step: int) -> NDArray[np.float32]:
        """A frame, mirrored beyond its edges: by the margin, and to a crop where it is smaller."""
        image = frames.image(step)
        missing = [max(self.settings.crop_px - length, 0) for length in image.shape]
        margin = self.settings.margin_px
        return np.pad(image, [(margin + lack // 2, margin + lack - lack // 2) for lack in missing], mode="reflect")

    def _cut(
        self,
        frames: FrameImages,
        pairs: NDArray[np.int64],
        images: dict[int, NDArray[np.float32]],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """A random crop of each of the pairs (n, 2) of steps."""
        crop = self.settings.crop_px
        room = np.maximum(np.array(frames.images.shape) - crop, 0)
        start = rng.integers(room + 1, size=(len(pairs), 2))
        near = np.flatnonzero(rng.random(len(pairs)) < self.settings.near_detections)
        jitter = rng.uniform(-crop / 4, crop / 4, (len(pairs), 2))
        which = rng.random(len(pairs))
        centres = {
            step: centres_px(frames.movie.detections, step, frames.images.shape)
            for step in np.unique(pairs[:, 0]).tolist()
        }
        for row in near.tolist():
            there = centres[int(pairs[row, 0])]
            if len(there):
                place = there[int(which[row] * len(there))] + jitter[row] - crop / 2
                start[row] = np.clip(np.rint(place), 0, room)
        side = crop + 2 * self.settings.margin_px
        cut = np.empty((len(pairs), 2, side, side), np.float32)
        for row, (y, x) in enumerate(start.tolist()):
            for slot in (0, 1):
                cut[row, slot] = images[int(pairs[row, slot])][y : y + side, x : x + side]
        return cut


def need_frames(frames: FrameImages, wanted: int) -> None:
    """Raises MovieError when there are fewer frames."""
    if len(frames) < wanted:
        raise MovieError(
            f"{frames.noun} compares frames of one movie and needs at least {wanted}, but {frames.movie.name} has "
            f"{len(frames)}: give a longer movie, or a smaller gap between the frames"
        )


def _split(n_steps: int, gaps: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (n, 2) of steps that are held out, and those to learn from; they share no frame."""
    held_out = max(round(_HELD_OUT_SHARE * n_steps), min(gaps) + 1)
    if n_steps - held_out <= min(gaps):
        held_out = 0
    return _pairs(0, held_out, gaps), _pairs(held_out, n_steps, gaps)


def _pairs(start: int, stop: int, gaps: tuple[int, ...]) -> NDArray[np.int64]:
    """All (step, step + gap) within start .. stop - 1, (n, 2)."""
    found = [np.arange(start, max(stop - gap, start))[:, None] + (0, gap) for gap in gaps]
    return np.concatenate(found)


def _some(pairs: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Random pairs with at most so many different frames, one pair at least."""
    chosen: list[NDArray[np.int64]] = []
    steps: set[int] = set()
    for pair in rng.permutation(pairs):
        if chosen and len(steps | set(pair.tolist())) > most:
            break
        chosen.append(pair)
        steps |= set(pair.tolist())
    return np.stack(chosen)
