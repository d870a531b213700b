"""Patches of images around detections, read frame by frame, numpy only."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError
from tracker.io.movie import Movie
from tracker.reading import pair_frames
from tracker.regions import intensity_range

Intensity = Literal["frame", "dtype"]

_BRIGHTEST = 2.0


@dataclass(frozen=True)
class PatchSettings:
    """What a patch shows. Raises ConfigError.

    patch_px: ([z,] y, x) pixels, all even; the detection's centre is in the pixel patch_px / 2.
    intensity: "frame": 0 at the percentile 1 of the frame and 1 at its percentile 99.8, clipped to [0, 2] so that a
        hot pixel does not outweigh a cell; "dtype": divided by the largest value of the integer type (as published
        for Attrackt), which keeps changes of the lamp.
    masked: pixels that are not the detection's own are 0; needs masks.
    Outside of the image patches are 0.
    """

    patch_px: tuple[int, ...] = (64, 64)
    intensity: Intensity = "frame"
    masked: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        if len(self.patch_px) not in (2, 3) or any(size < 2 or size % 2 for size in self.patch_px):
            raise ConfigError(f"patch_px must be two or three even sizes ([z,] y, x), found {list(self.patch_px)}")
        if self.intensity not in get_args(Intensity):
            raise ConfigError(f"intensity must be one of {', '.join(get_args(Intensity))}, found {self.intensity!r}")

    def as_mapping(self) -> dict[str, Any]:
        """For model.json."""
        return {**asdict(self), "patch_px": list(self.patch_px)}

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any]) -> "PatchSettings":
        """From model.json. Raises ConfigError, TypeError or KeyError when it is something else."""
        return cls(tuple(stored["patch_px"]), stored["intensity"], bool(stored["masked"]))


@dataclass
class PatchReader:
    """Patches of the detections of a movie. One frame, and its mask where wanted, is in memory at a time.

    Raises ConfigError when the settings do not fit the movie, MovieError when the images do not fit the masks.
    """

    detections: Detections
    images: Movie
    settings: PatchSettings
    masks: Movie | None = None

    def __post_init__(self) -> None:
        """Check that all fit together."""
        axes, wanted = len(self.images.shape), len(self.settings.patch_px)
        if axes != wanted or self.detections.ndim != wanted:
            raise ConfigError(
                f"patch_px = {list(self.settings.patch_px)} has {wanted} axes, but the images {self.images.name} have "
                f"{axes} and the detections {self.detections.ndim}"
            )
        if self.settings.masked and self.masks is None:
            raise ConfigError("masked patches need data.segmentation; give it, or set masked = false")
        if self.settings.intensity == "dtype" and self.images.dtype.kind not in "iu":
            raise ConfigError(
                f'intensity = "dtype" needs images of integers, found {self.images.dtype} in {self.images.name}; '
                'use intensity = "frame"'
            )
        self._frames = self._image_frames()

    def patches(self, step: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """(n, *patch_px) of detections of one step: `rows` (n,), default all of its rows in order.

        Raises MovieError naming the frame when pixels are NaN or infinite.
        """
        found = self.detections
        if rows is None:
            rows = np.arange(found.starts[step], found.starts[step + 1])
        image = self._image(step)
        patch = np.array(self.settings.patch_px)
        centre_px = np.floor(found.position[rows] / found.scale + 0.5).astype(np.int64)
        # In the padded image, where a patch of the first pixel starts at patch - patch / 2; one beyond is all 0.
        start = np.clip(centre_px + patch - patch // 2, 0, np.array(image.shape) + patch)
        cut = _windows(image, patch, start)
        if self.settings.masked and self.masks is not None:
            own = _windows(self.masks.read(int(found.frames[step])), patch, start)
            cut[own != found.label[rows].reshape(-1, *(1,) * found.ndim)] = 0
        return cut

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """For each step that has detections, in order: their rows (n,) and patches (n, *patch_px)."""
        starts = self.detections.starts
        for step in np.flatnonzero(np.diff(starts)).tolist():
            yield np.arange(starts[step], starts[step + 1]), self.patches(step)

    def _image_frames(self) -> NDArray[np.int64]:
        """(T,) the frame of the images that belongs to each step."""
        frames = self.detections.frames
        if self.masks is not None:
            return pair_frames(self.masks, self.images, frames)
        missing = frames[~np.isin(frames, self.images.frames)]
        if len(missing):
            raise MovieError(f"{self.images.name} has no image for the detections of t = {missing[0]}")
        return frames

    def _image(self, step: int) -> NDArray[np.float32]:
        """The normalised image of a step."""
        frame = int(self._frames[step])
        image = self.images.read(frame)
        bad = int(np.count_nonzero(~np.isfinite(image)))
        if bad:
            raise MovieError(
                f"pixels must be finite numbers; {bad} are NaN or infinite in frame t = {frame} of {self.images.name}. "
                "Replace them, for instance by the background"
            )
        if self.settings.intensity == "dtype":
            largest = np.iinfo(image.dtype.str).max
            return np.divide(image, largest, dtype=np.float32)
        dark, bright = intensity_range(image)
        scaled = image.astype(np.float32)
        scaled -= dark
        scaled /= (bright - dark) or 1.0
        return np.clip(scaled, 0.0, _BRIGHTEST, out=scaled)


class PatchReservoir:
    """Batches of patches to train on, out of a few frames that are exchanged now and then.

    Every `exchange_steps` steps frames are drawn at random and read one after another, until `frames_held` are or
    their patches fill `memory_mb`; the patches of a batch are drawn from these. Where all patches of the movie fit,
    nothing is ever exchanged. The batch of a step depends on the seed and the step alone.
    """

    def __init__(
        self,
        reader: PatchReader,
        rows: NDArray[np.int64],
        batch_size: int,
        seed: int,
        *,
        frames_held: int = 16,
        exchange_steps: int = 200,
        memory_mb: float = 256.0,
    ) -> None:
        """rows: (n,) of the detections to draw from, at least one; a batch has `batch_size`."""
        if not len(rows):
            raise ConfigError("there are no detections to make patches of")
        self._reader, self._batch_size, self._seed = reader, batch_size, seed
        self._frames_held, self._exchange_steps = frames_held, exchange_steps
        self._most = max(int(memory_mb * 2**20 / (4 * np.prod(reader.settings.patch_px))), batch_size)
        self._rows = np.sort(rows)
        self._steps = np.unique(reader.detections.step[self._rows])
        self._everything = len(self._steps) <= frames_held and len(self._rows) <= self._most
        self._held = -1
        self._patches = np.zeros((0, *reader.settings.patch_px), np.float32)
        self._starts = np.zeros(1, np.int64)  # of each frame held, in the patches, and their end

    def __call__(self, step: int) -> NDArray[np.float32]:
        """(batch_size, *patch_px) of a step of the training, drawn with replacement."""
        rng = self._hold(step)
        return self._patches[rng.integers(len(self._patches), size=self._batch_size)]

    def grouped(self, step: int, n_frames: int, each: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Patches of a step by frame, (n_frames, each, *patch_px), and where these are padded, (n_frames, each).

        Frames are drawn in proportion to the patches held of them, with replacement; a frame's patches without.
        Padding is 0.
        """
        rng = self._hold(step)
        count = np.diff(self._starts)
        patches = np.zeros((n_frames, each, *self._patches.shape[1:]), np.float32)
        padding = np.ones((n_frames, each), np.bool_)
        for place, frame in enumerate(rng.choice(len(count), size=n_frames, p=count / count.sum()).tolist()):
            drawn = self._starts[frame] + rng.permutation(count[frame])[:each]
            patches[place, : len(drawn)] = self._patches[drawn]
            padding[place, : len(drawn)] = False
        return patches, padding

    def _hold(self, step: int) -> np.random.Generator:
        """Have the frames of a step in memory; the random numbers of its batch."""
        turn = 0 if self._everything else step // self._exchange_steps
        if turn != self._held:
            self._fill(turn)
        return np.random.default_rng([self._seed, 1, step])

    def _fill(self, turn: int) -> None:
        """Read the frames of a turn."""
        rng = np.random.default_rng([self._seed, 0, turn])
        self._patches = self._patches[:0]  # free the old ones first
        drawn, room = [], self._most
        own = self._reader.detections.step[self._rows]
        for step in rng.permutation(self._steps)[: self._frames_held].tolist():
            rows = self._rows[own == step]
            rows = rng.permutation(rows)[:room]
            drawn.append(self._reader.patches(step, rows))
            room -= len(rows)
            if not room:
                break
        self._patches = np.concatenate(drawn)
        self._starts = np.append(0, np.cumsum([len(patches) for patches in drawn]))
        self._held = turn


def _windows(image: NDArray[Any], patch: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[Any]:
    """(n, *patch) cuts of the image, padded by a patch of zeros all around; start: (n, D) in the padded image."""
    padded = np.pad(image, [(int(size), int(size)) for size in patch])
    every = sliding_window_view(padded, tuple(patch.tolist()))
    return np.ascontiguousarray(every[tuple(start.T)])
