"""Where the blocks of a movie lie: boxes of steps and space, numbered; integer coordinates for the scheduler."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.config_blocks import Blocks
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.store import Region

TICKS = 1000  # integer coordinates along one block of space; along time one is a step
_PER_BLOCK = 20_000  # detections of a block where the config does not say


@dataclass(frozen=True)
class Grid:
    """Blocks of `size` from `origin`, `counts` of them along t, [z,] y, x; those at the edges reach to infinity.

    origin, size, context, reach: per axis, steps along t, data.unit along the others.
    context: how far a block reads.   reach: candidates that span more along any axis are none of the blocks' business:
    they take them for not chosen, and the mending of seams decides. Never more than the context.
    """

    n_steps: int
    counts: tuple[int, ...]
    origin: tuple[float, ...]
    size: tuple[float, ...]
    context: tuple[float, ...]
    reach: tuple[float, ...]

    def __len__(self) -> int:
        """Number of blocks."""
        return math.prod(self.counts)

    def index(self, number: int) -> tuple[int, ...]:
        """Place of a block along each axis."""
        return tuple(int(place) for place in np.unravel_index(number, self.counts))

    def name(self, number: int) -> str:
        """Such as t3_y0_x1."""
        axes = "tzyx" if len(self.counts) == 4 else "tyx"
        return "_".join(f"{axis}{place}" for axis, place in zip(axes, self.index(number), strict=True))

    def write_region(self, number: int) -> Region:
        """What a block decides; every place lies in exactly one."""
        return self._region(number, (0.0,) * len(self.counts))

    def read_region(self, number: int) -> Region:
        """What a block sees."""
        return self._region(number, self.context)

    def _region(self, number: int, margin: Sequence[float]) -> Region:
        index = np.array(self.index(number))
        first, stop = int(index[0] * self.size[0]), int((index[0] + 1) * self.size[0])
        low = np.array(self.origin[1:]) + index[1:] * self.size[1:]
        high = np.array(self.origin[1:]) + (index[1:] + 1) * self.size[1:]  # as the next block computes its low
        around = np.array(margin[1:])
        box = np.stack([
            np.where(index[1:] == 0, -np.inf, low - around),
            np.where(index[1:] == np.array(self.counts[1:]) - 1, np.inf, high + around),
        ])  # fmt: skip
        return Region(max(0, first - int(margin[0])), min(self.n_steps, stop + int(margin[0])), box)

    def ticks(self) -> tuple[list[int], list[int]]:
        """(block size, halo) in the scheduler's integer coordinates, which begin at 0.

        halo: a block must not run beside one whose writing it might see, or who might write what it writes: it reads
        `context` far, and the other writes `reach` far, along its candidates.
        """
        size, halo = [int(self.size[0])], [int(self.context[0] + self.reach[0])]
        for axis in range(1, len(self.counts)):
            far = math.ceil((self.context[axis] + self.reach[axis]) / self.size[axis] * TICKS)
            most = self.counts[axis] * TICKS  # beyond the whole movie there is nothing to wait for
            size.append(TICKS)
            halo.append(min(far, most))
        return size, halo

    def total_ticks(self) -> list[int]:
        """Size of the whole movie in these coordinates."""
        return [self.n_steps, *(count * TICKS for count in self.counts[1:])]

    def number_at(self, offset: Sequence[int]) -> int:
        """The block whose write region begins at integer coordinates."""
        place = [offset[0] // int(self.size[0]), *(tick // TICKS for tick in offset[1:])]
        return int(np.ravel_multi_index(place, self.counts))

    def as_json(self) -> dict[str, object]:
        """For the workers' plan."""
        return {name: getattr(self, name) for name in ("n_steps", "counts", "origin", "size", "context", "reach")}

    @staticmethod
    def from_json(content: dict[str, list[float]]) -> "Grid":
        """What `as_json` wrote."""
        n_steps, counts = content["n_steps"], tuple(int(count) for count in content["counts"])
        others = {name: tuple(content[name]) for name in ("origin", "size", "context", "reach")}
        return Grid(int(n_steps), counts, **others)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Cut:
    """A movie cut into blocks: `counts` of `size` from `low` along t, [z,] y, x; see `Grid`."""

    counts: NDArray[np.int64]
    size: NDArray[np.float64]
    low: NDArray[np.float64]


def cut(settings: Blocks, detections: Detections) -> Cut:
    """Where the blocks of a movie lie. Raises ConfigError where [blocks] does not fit the movie."""
    axes = "t, " + ("z, y, x" if detections.ndim == 3 else "y, x")
    for name in ("count", "size", "context"):
        given = getattr(settings, name)
        if given is not None and len(given) != detections.ndim + 1:
            raise ConfigError(
                f"blocks.{name} wants {detections.ndim + 1} numbers along {axes}, found {len(given)}: {list(given)}"
            )
    n_steps = max(1, len(detections.frames))
    low, high = np.zeros(detections.ndim), np.ones(detections.ndim)
    if len(detections):
        low, high = detections.position.min(axis=0), detections.position.max(axis=0)
    extent = np.where(high > low, high - low, 1.0)
    if settings.size is not None:
        if settings.size[0] != int(settings.size[0]):
            raise ConfigError(f"blocks.size along t is a whole number of frames, found {settings.size[0]:g}")
        size = np.array(settings.size)
        counts = np.array([math.ceil(n_steps / size[0]), *np.maximum(1, np.ceil(extent / size[1:]))], np.int64)
    else:
        few = max(1, math.ceil(len(detections) / _PER_BLOCK))
        wanted = settings.count if settings.count is not None else (few, *[1] * detections.ndim)
        steps = math.ceil(n_steps / min(wanted[0], n_steps))
        counts = np.array([math.ceil(n_steps / steps), *wanted[1:]], np.int64)
        size = np.array([steps, *(extent / counts[1:])])
    blocks = math.prod(counts.tolist())
    if len(detections) and blocks > len(detections):
        sizes = " x ".join(f"{length:.4g}" for length in extent)
        raise ConfigError(
            f"[blocks] cut this movie into {blocks:,} blocks, more than its {len(detections):,} detections. Lengths "
            f"are frames along t and {detections.unit} along {axes[3:]}; there the detections span {n_steps} frames "
            f"and {sizes} {detections.unit}"
        )
    return Cut(counts, size, low)


def make_grid(
    settings: Blocks,
    detections: Detections,
    *,
    longest: Sequence[float],
    common: Sequence[float],
    pinned: Sequence[float],
) -> Grid:
    """The blocks of a movie. Raises ConfigError where [blocks] does not fit the movie.

    longest, common, pinned: (1 + D,) how far candidates span, nearly all of them, and those that pins demand.
    """
    parts, n_steps = cut(settings, detections), max(1, len(detections.frames))
    context = np.array(common if settings.context is None else settings.context, np.float64)
    context = np.maximum(context, np.array(pinned))
    context[0] = max(1, math.ceil(context[0]), longest[0])
    reach = np.minimum(context, longest)
    context = np.maximum(context, reach * (1 + 1e-9))  # a rounding error must not leave an end outside
    context[0] = math.ceil(context[0] - 1e-6)
    return Grid(
        n_steps=n_steps,
        counts=tuple(parts.counts.tolist()),
        origin=(0.0, *parts.low.tolist()),
        size=tuple(parts.size.tolist()),
        context=tuple(context.tolist()),
        reach=tuple(reach.tolist()),
    )


def odd_sizes(grid: Grid, common: tuple[float, ...], windows_mended: int) -> list[str]:
    """Sentences where blocks are smaller than what they look at beyond themselves, or see less than candidates span."""

    def shorter(one: tuple[float, ...], other: tuple[float, ...]) -> str:
        axes = ("t", "z", "y", "x") if len(grid.counts) == 4 else ("t", "y", "x")
        several = [place for place in zip(axes, grid.counts, one, other, strict=True) if place[1] > 1]
        return ", ".join(f"{axis} ({left:.4g} < {right:.4g})" for axis, _, left, right in several if left < right)

    notes = []
    if small := shorter(grid.size, grid.context):
        notes.append(
            f"blocks are smaller than the context they see along {small}: each waits for many others, and sees more "
            "than it decides; larger blocks are faster"
        )
    if windows_mended and (far := shorter(grid.reach, common)):
        notes.append(
            f"candidates are often longer than blocks.context along {far}: blocks did not look at those, the mending "
            f"of seams did, in {windows_mended} windows; a longer context, or a smaller candidates.max_distance, is "
            "faster"
        )
    return notes


def spans(step: NDArray[np.int64], position: NDArray[np.float64], ends: NDArray[np.integer]) -> NDArray[np.float64]:
    """(K, 1 + D) how far each candidate spans, in steps and along each axis. ends: (K, 2 or 3) rows."""
    place = np.column_stack([step.astype(np.float64), position])
    if not len(ends):
        return np.empty((0, place.shape[1]))
    low, high = place[ends[:, 0]], place[ends[:, 0]].copy()
    for member in range(1, ends.shape[1]):
        low, high = np.minimum(low, place[ends[:, member]]), np.maximum(high, place[ends[:, member]])
    return high - low
