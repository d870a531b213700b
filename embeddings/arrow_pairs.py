"""Crops of the same place in two frames, a gap apart, to learn the arrow of time from; read lazily, numpy only."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.arrow_places import around, changes_at, draw_starts, zoomed_centres
from embeddings.frame_images import FrameImages
from embeddings.zoomed_frames import ZoomedFrames
from tracker.errors import ConfigError, MovieError

_HELD_OUT_SHARE, _HELD_OUT_PAIRS, _HELD_OUT_CROPS = 0.1, 8, 128
_NOWHERE = np.zeros((0, 3)), np.zeros(0)


@dataclass(frozen=True)
class PairSettings:
    """Which pairs of crops there are. Raises ConfigError.

    crop_px: side of what the network sees.   gaps_frames: steps between the two frames, all used alike; about the time
        that what is to be seen takes.
    near_detections: share of the crops that hold a detection of the earlier frame in their middle half; the others are
        anywhere. 0 as published; but background teaches nothing, and is most of many a movie.
    near_changes: share of the crops, before the others are drawn, around detections drawn in proportion
        to c^2, c being how much changes there (`changes_at`), out of all pairs in memory. 0 as published; but where
        cells divide seldom, most crops hold nothing that has an arrow.
    zoom: how much frames are enlarged first, below 1 reduced; crop_px are pixels of what is shown then.
    """

    crop_px: int = 96
    gaps_frames: tuple[int, ...] = (1,)
    near_detections: float = 0.75
    near_changes: float = 0.0
    zoom: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.crop_px < 2 or self.crop_px % 2:
            raise ConfigError(f"crop_px must be even and positive, found {self.crop_px}")
        if not self.gaps_frames or min(self.gaps_frames) < 1 or len(set(self.gaps_frames)) < len(self.gaps_frames):
            raise ConfigError(f"gaps_frames must be different positive numbers, found {list(self.gaps_frames)}")
        for name in ("near_detections", "near_changes"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], found {getattr(self, name):g}")

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


@dataclass
class _Held:
    """What is in memory of a movie.   turn: of the exchange.   pairs: (n, 2) steps.   images: of these, padded.

    place: (m, 3) number of a pair, y, x, of the detections in the earlier frame of each.   share: (m,) cumulated.
    """

    turn: int
    pairs: NDArray[np.int64]
    images: dict[int, NDArray[np.float32]]
    place: NDArray[np.float64]
    share: NDArray[np.float64]


class PairSource:
    """Pairs of crops of several movies to learn from, and some that are held out.

    Each step sees one movie, drawn in proportion to its pairs of frames; everything depends on the seed and the step
    alone. Of each movie the first tenth of the frames is held out, if there are pairs in it as well as in the rest.
    """

    def __init__(self, movies: Sequence[FrameImages], settings: PairSettings, sizes: PairSizes, seed: int) -> None:
        """Raises MovieError for a movie without any pair of frames, ConfigError for a zoom that is out of range."""
        self.settings, self._sizes, self._seed = settings, sizes, seed
        for frames in movies:
            need_frames(frames, min(settings.gaps_frames) + 1)
        split = [_split(len(frames), settings.gaps_frames) for frames in movies]
        count = np.array([len(pairs) for _, pairs in split])
        self._share = count / count.sum()
        self._movies = tuple(ZoomedFrames(frames, settings.zoom) for frames in movies)
        self._held_out = [pairs for pairs, _ in split]
        self._pairs = [pairs for _, pairs in split]
        self._held: list[_Held | None] = [None for _ in movies]

    def __call__(self, step: int) -> NDArray[np.float32]:
        """(batch_size, 2, side, side) of a step of the training, in order of time; side = crop_px + 2 margin_px."""
        chosen = int(np.random.default_rng([self._seed, 3, step]).choice(len(self._share), p=self._share))
        held = self._hold(chosen, step)
        rng = np.random.default_rng([self._seed, 1, step])
        drawn = held.pairs[rng.integers(len(held.pairs), size=self._sizes.batch_size)]
        return self._draw(rng, self._movies[chosen], held, drawn)

    def held_out(self) -> NDArray[np.float32]:
        """(n, 2, side, side) crops of what is held out, some 128 of all movies together; maybe none.

        Drawn as those of the training are, so that their loss falls as that does.
        """
        side = self.settings.crop_px + 2 * self.settings.margin_px
        found = [np.zeros((0, 2, side, side), np.float32)]
        for number, (frames, pairs) in enumerate(zip(self._movies, self._held_out, strict=True)):
            rng = np.random.default_rng([self._seed, 2, number])
            most = max(round(_HELD_OUT_PAIRS * self._share[number]), 1)
            chosen = rng.permutation(pairs)[:most]
            for pair in chosen:
                held = self._take(-1, frames, pair[None], {})
                crops = math.ceil(_HELD_OUT_CROPS * self._share[number] / len(chosen))
                found.append(self._draw(rng, frames, held, np.repeat(pair[None], crops, axis=0)))
        return np.concatenate(found)

    def held_out_frames(self) -> list[list[int]]:
        """The frames that the held-out pairs of each movie lie in, as the input numbers them."""
        return [
            frames.frames.movie.detections.frames[np.unique(pairs)].tolist()
            for frames, pairs in zip(self._movies, self._held_out, strict=True)
        ]

    def _hold(self, chosen: int, step: int) -> _Held:
        """The pairs of a movie to draw from at a step, and their images."""
        frames, pairs = self._movies[chosen], self._pairs[chosen]
        size_mb = 4 * np.prod([length + 2 * self.settings.crop_px for length in frames.shape]) / 2**20
        most = min(self._sizes.frames_held, int(self._sizes.memory_mb * self._share[chosen] / size_mb))
        turn = 0 if len(np.unique(pairs)) <= most else step // self._sizes.exchange_steps
        held = self._held[chosen]
        if held is not None and held.turn == turn:
            return held
        drawn = _some(pairs, most, np.random.default_rng([self._seed, 0, chosen, turn]))
        new = self._take(turn, frames, drawn, {} if held is None else held.images)
        self._held[chosen] = new
        return new

    def _take(
        self, turn: int, frames: ZoomedFrames, pairs: NDArray[np.int64], known: dict[int, NDArray[np.float32]]
    ) -> _Held:
        """These pairs of a movie; images that are known are not read again."""
        wanted = np.unique(pairs).tolist()
        images = {one: image for one, image in known.items() if one in wanted}
        images |= {one: self._image(frames, one) for one in wanted if one not in images}
        place, share = self._changes(frames, pairs, images) if self.settings.near_changes else _NOWHERE
        return _Held(turn, pairs, images, place, share)

    def _draw(
        self, rng: np.random.Generator, frames: ZoomedFrames, held: _Held, drawn: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """A crop of each of the pairs (n, 2) of steps, some of other pairs held: where much changes."""
        settings = self.settings
        drawn = drawn.copy()
        centres = {one: zoomed_centres(frames, one) for one in np.unique(drawn[:, 0]).tolist()}
        start = draw_starts(rng, drawn, centres, frames.shape, settings.crop_px, settings.near_detections)
        changed = np.flatnonzero(rng.random(len(drawn)) < settings.near_changes)
        if len(changed) and len(held.place):
            found = np.searchsorted(held.share, rng.random(len(changed)) * held.share[-1], side="right")
            place = held.place[np.minimum(found, len(held.share) - 1)]
            drawn[changed] = held.pairs[place[:, 0].astype(np.int64)]
            start[changed] = around(rng, place[:, 1:], frames.shape, settings.crop_px).astype(np.int64)
        return self._cut(drawn, start, held.images)

    def _changes(
        self, frames: ZoomedFrames, pairs: NDArray[np.int64], images: dict[int, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Detections of the earlier frame of each pair, and how likely it is that crops are around them: see _Held."""
        places, weights = [], []
        for number, (before, after) in enumerate(pairs.tolist()):
            place = zoomed_centres(frames, before)
            height, width = frames.shape
            top, left = ((padded - own) // 2 for padded, own in zip(images[before].shape, frames.shape, strict=True))
            shown = [images[one][top : top + height, left : left + width] for one in (before, after)]
            places.append(np.column_stack([np.full(len(place), number), place]))
            weights.append(changes_at(place, shown[0], shown[1], self.settings.crop_px) ** 2)
        share = np.cumsum(np.concatenate(weights))
        return (np.concatenate(places), share) if len(share) and share[-1] > 0 else _NOWHERE

    def _image(self, frames: ZoomedFrames, step: int) -> NDArray[np.float32]:
        """A frame, mirrored beyond its edges: by the margin, and to a crop where it is smaller."""
        image = frames.image(step)
        missing = [max(self.settings.crop_px - length, 0) for length in image.shape]
        margin = self.settings.margin_px
        return np.pad(image, [(margin + lack // 2, margin + lack - lack // 2) for lack in missing], mode="reflect")

    def _cut(
        self, pairs: NDArray[np.int64], start: NDArray[np.int64], images: dict[int, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The crop of each of the pairs (n, 2) of steps that starts at (n, 2) y, x."""
        side = self.settings.crop_px + 2 * self.settings.margin_px
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
