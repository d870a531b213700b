"""Batches: windows padded to one length, as torch tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from embeddings.augment import Augmentation, AugmentSettings, augment, draw_augmentation
from embeddings.targets import association_target
from embeddings.window_sampler import WindowSampler
from embeddings.windows import TokenMovie, Window
from tracker.errors import InputError

# The sampler's streams of random numbers are 1 and 2.
_AUGMENTATION = 3


@dataclass(frozen=True)
class Batch:
    """B windows of at most N detections (the longest decides), zero where padded.

    tokens: (B, N, F) float32.   coordinates: (B, N, 1 + D) float32, (t, [z,] y, x): frames from the window's first,
    and pixels of the whole movie, as at inference.   frame: (B, N) int64, the same t.
    padding: (B, N) bool, True where there is no detection.   rows: (B, N) int64 rows of detections, -1 where padded.
    movie, start: (B,) int64, which movie, and the step of the window's first frame.
    low_px, high_px: (B, 2) float32, the crop along y and x, before augmentation.
    embeddings: (B, N, C) float32, those of the images as they are, whatever the augmentation; None without.
    target: (B, N, N) bool, row i ancestor or descendant of column j, see `embeddings.targets`; None if not asked for.
    """

    tokens: Tensor
    coordinates: Tensor
    frame: Tensor
    padding: Tensor
    rows: Tensor
    movie: Tensor
    start: Tensor
    low_px: Tensor
    high_px: Tensor
    target: Tensor | None = None
    embeddings: Tensor | None = None

    def __len__(self) -> int:
        """Number of windows B."""
        return len(self.rows)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Batch":
        """The same on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The same in page-locked memory; torch's DataLoader calls this."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if value is not None})


def collate(
    windows: Sequence[Window],
    movies: Sequence[TokenMovie],
    *,
    augmentations: Sequence[Augmentation] | None = None,
    target: bool = False,
) -> Batch:
    """Make a batch of windows.

    augmentations: what is done to each, default nothing.   target: whether to make the association target.
    Raises InputError when there is no window or no detection, or a target is asked for and a movie has no truth.
    """
    longest = max((len(window) for window in windows), default=0)
    if not longest:
        raise InputError("a batch needs windows with detections, found none: leave empty windows out")
    first = movies[windows[0].movie]
    shape = (len(windows), longest)
    tokens = np.zeros((*shape, first.tokens.shape[1]), np.float32)
    coordinates = np.zeros((*shape, 1 + first.ndim), np.float32)
    frame, rows = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    looks = np.zeros((*shape, first.embedding_channels), np.float32)
    related = np.zeros((*shape, longest), np.bool_) if target else None
    for place, window in enumerate(windows):
        movie, own, count = movies[window.movie], window.rows, len(window)
        step = movie.step_of(own) - window.start
        position, values = movie.position_px[own], movie.tokens[own]
        if augmentations is not None:
            position, values = augment(position, values, step, augmentations[place])
        tokens[place, :count], coordinates[place, :count, 1:] = values, position
        coordinates[place, :count, 0] = frame[place, :count] = step
        rows[place, :count] = own
        if movie.embeddings is not None:
            looks[place, :count] = movie.embeddings[own]
        if related is not None:
            related[place, :count, :count] = _target(movie, own)
    return Batch(
        tokens=torch.from_numpy(tokens),
        coordinates=torch.from_numpy(coordinates),
        frame=torch.from_numpy(frame),
        padding=torch.from_numpy(rows < 0),
        rows=torch.from_numpy(rows),
        movie=torch.tensor([window.movie for window in windows]),
        start=torch.tensor([window.start for window in windows]),
        low_px=torch.from_numpy(np.stack([window.low_px for window in windows]).astype(np.float32)),
        high_px=torch.from_numpy(np.stack([window.high_px for window in windows]).astype(np.float32)),
        target=None if related is None else torch.from_numpy(related),
        embeddings=None if first.embeddings is None else torch.from_numpy(looks),
    )


class TrainingBatches(Dataset[Batch]):
    """Batch number 0, 1, 2, ... of training, for a torch DataLoader with batch_size=None.

    Each batch is a function of the sampler's seed and its own number, random augmentation included, so any number of
    workers gives the same; to resume at step k, let the loader's sampler be range(k, n_batches).
    """

    def __init__(
        self,
        sampler: WindowSampler,
        n_batches: int,
        *,
        augment_settings: AugmentSettings | None = None,
        target: bool = False,
    ) -> None:
        """augment_settings: None = no augmentation.   target: as in `collate`."""
        self.sampler, self.n_batches, self.target = sampler, n_batches, target
        self.augment_settings = augment_settings

    def __len__(self) -> int:
        """Number of batches."""
        return self.n_batches

    def __getitem__(self, index: int) -> Batch:
        """Batch `index`; raises IndexError outside 0 .. n_batches - 1."""
        if not 0 <= index < self.n_batches:
            raise IndexError(f"batch {index} of {self.n_batches}")
        windows, movies = self.sampler.batch(index), self.sampler.movies
        drawn = None
        if self.augment_settings is not None:
            generator = np.random.default_rng((self.sampler.seed, _AUGMENTATION, index))
            drawn = [self._draw(self.augment_settings, generator, window) for window in windows]
        return collate(windows, movies, augmentations=drawn, target=self.target)

    def _draw(self, settings: AugmentSettings, generator: np.random.Generator, window: Window) -> Augmentation:
        """What is done to a window; it turns about the middle of its crop."""
        centre = np.zeros(self.sampler.movies[window.movie].ndim)
        centre[-2:] = (window.low_px + window.high_px) / 2
        return draw_augmentation(settings, generator, centre, self.sampler.windows.n_frames, len(window))


def _target(movie: TokenMovie, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n, n) target of the detections."""
    if movie.tracklet is None or movie.parent_tracklet is None:
        raise InputError(f"learning from truth needs a truth, and {movie.name} has none; give it, or learn without")
    return association_target(movie.tracklet[rows], movie.parent_tracklet)
