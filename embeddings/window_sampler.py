"""Which windows training sees, in which batches: random, yet a function of the seed and the batch's number alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.windows import TokenMovie, Window, WindowSettings, cap_rows, check_length, rows_inside
from tracker.errors import ConfigError, InputError

ATTEMPTS = 10
# Streams of random numbers of one seed; a third is that of the augmentation.
_DRAWS, _ORDER = 1, 2


@dataclass(frozen=True)
class SamplerSettings:
    """How windows are chosen and batched.

    favour: what makes a window of W whole frames likelier. "divisions": weight 1 + sqrt(divisions in it), Trackastra's
        rule; needs truth. "detections": weight = detections in it, so that each is chosen about equally often.
        "nothing": all alike, as Attrackt's. "auto": divisions where all movies have a truth, else detections.
    division_share: with "divisions", the share of crops around a division, where the frames hold one.
    batch_size: B.   pool_batches: P batches are drawn at once and sorted by size, so that little is padded.
    Raises ConfigError for numbers that are too small.
    """

    batch_size: int = 8
    pool_batches: int = 8
    favour: Literal["auto", "divisions", "detections", "nothing"] = "auto"
    division_share: float = 0.5

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("batch_size", "pool_batches"):
            if getattr(self, name) < 1:
                raise ConfigError(f"sampler: {name} must be at least 1, found {getattr(self, name)}")
        if not 0 <= self.division_share <= 1:
            raise ConfigError(f"sampler: division_share must lie in [0, 1], found {self.division_share}")


@dataclass(frozen=True)
class Divisions:
    """Q divisions of a movie of which the mother and two daughters are detected.

    row: (Q,) int64 last detection of the mother.   first, last: (Q,) int64 step of that, and of the second daughter's
    first detection.
    """

    row: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def divisions_of(movie: TokenMovie) -> Divisions:
    """The divisions of a movie, sorted by tracklet; none where the truth is not known."""
    if movie.tracklet is None or movie.parent_tracklet is None:
        return Divisions(*(np.zeros(0, np.int64) for _ in range(3)))
    count = len(movie.parent_tracklet)
    first_row, last_row = np.full(count, len(movie), np.int64), np.full(count, -1, np.int64)
    rows = np.flatnonzero(movie.tracklet >= 0)
    np.minimum.at(first_row, movie.tracklet[rows], rows)
    np.maximum.at(last_row, movie.tracklet[rows], rows)
    child = np.flatnonzero((movie.parent_tracklet >= 0) & (last_row >= 0))
    child = child[np.lexsort((first_row[child], movie.parent_tracklet[child]))]
    mother = movie.parent_tracklet[child]
    begins = np.append(True, mother[1:] != mother[:-1])[: len(child)]
    second = np.flatnonzero(begins[:-1] & ~begins[1:]) + 1
    second = second[last_row[mother[second]] >= 0]
    row = last_row[mother[second]]
    return Divisions(row, movie.step_of(row), movie.step_of(first_row[child[second]]))


class WindowSampler:
    """Draws windows of some movies. Each draw has a random generator of its own, made of the seed and its number.

    A draw takes a movie and a first frame by weight (see SamplerSettings), a detection of these frames as anchor, and a
    crop that holds the anchor in its middle half where the edges of the movie allow. Up to 10 crops are drawn until one
    holds a detection in every frame that has any; else the one with most such frames is taken. So a detection with none
    of another frame near it comes up rarely.
    """

    def __init__(
        self,
        movies: Sequence[TokenMovie],
        windows: WindowSettings,
        settings: SamplerSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """Weigh every window.

        Raises InputError when there is no movie, a movie is shorter than a window or has no detections, no window
        holds detections in two frames, the movies differ in axes, tokens or embeddings, or divisions are favoured and
        a movie has no truth.
        """
        self.movies, self.windows, self.seed = tuple(movies), windows, seed
        self.settings = settings or SamplerSettings()
        if not self.movies:
            raise InputError("windows need at least one movie to be drawn from, found none")
        for movie in self.movies:
            check_length(movie, windows)
        kinds = {(movie.ndim, movie.tokens.shape[1]) for movie in self.movies}
        if len(kinds) > 1:
            raise InputError(
                "movies that are learnt together need the same axes and tokens, found (axes, tokens) "
                f"{', '.join(map(str, sorted(kinds)))}; train on one kind at a time"
            )
        lengths = {movie.embedding_channels: movie.name for movie in self.movies}
        if len(lengths) > 1:
            found = ", ".join(f"{length or 'none'} in {name}" for length, name in sorted(lengths.items()))
            raise InputError(
                f"movies that are learnt together need embeddings of one length, or all none; found {found}; embed "
                "them by the same model"
            )
        untold = [movie.name for movie in self.movies if movie.tracklet is None]
        self.favour = self.settings.favour
        if self.favour == "auto":
            self.favour = "detections" if untold else "divisions"
        if self.favour == "divisions" and untold:
            raise InputError(
                f"windows with divisions cannot be favoured: {untold[0]} has no truth; give it, or favour detections"
            )
        self._divisions = [divisions_of(movie) for movie in self.movies]
        self._start = np.concatenate([np.arange(m.n_frames - windows.n_frames + 1) for m in self.movies])
        self._movie = np.repeat(np.arange(len(self.movies)), [m.n_frames - windows.n_frames + 1 for m in self.movies])
        weight = np.concatenate([self._weights(number) for number in range(len(self.movies))])
        if not weight.any():
            raise InputError(
                f"no window of {windows.n_frames} frames of {', '.join(m.name for m in self.movies)} holds detections "
                "in two frames, so there is nothing to associate; use a longer window, or look at the masks or points"
            )
        self.probability: NDArray[np.float64] = weight / weight.sum()
        self._pool: tuple[int, list[list[Window]]] | None = None

    def batch(self, index: int) -> list[Window]:
        """The windows of batch `index` >= 0: the same whoever asks, and whatever was asked before."""
        number, place = divmod(index, self.settings.pool_batches)
        if self._pool is None or self._pool[0] != number:
            self._pool = number, self._draw_pool(number)
        return self._pool[1][place]

    def _draw_pool(self, number: int) -> list[list[Window]]:
        """P batches of windows of similar size, in random order."""
        batch, batches = self.settings.batch_size, self.settings.pool_batches
        drawn = [
            self._draw(np.random.default_rng((self.seed, _DRAWS, number, slot))) for slot in range(batch * batches)
        ]
        drawn.sort(key=len)
        order = np.random.default_rng((self.seed, _ORDER, number)).permutation(batches)
        return [drawn[batch * place : batch * (place + 1)] for place in order]

    def _draw(self, generator: np.random.Generator) -> Window:
        """One window."""
        chosen = int(generator.choice(len(self.probability), p=self.probability))
        return self._window(int(self._movie[chosen]), int(self._start[chosen]), generator)

    def _window(self, number: int, start: int, generator: np.random.Generator, anchor: int | None = None) -> Window:
        """A window of these frames; anchor: row of the detection that the crop must hold, default any."""
        movie, n_frames = self.movies[number], self.windows.n_frames
        present = int((np.diff(movie.starts)[start : start + n_frames] > 0).sum())
        most, low, high, rows = self._try(number, start, generator, anchor)
        for _ in range(ATTEMPTS - 1):
            if most == present:
                break
            other = self._try(number, start, generator, anchor)
            if other[0] > most:
                most, low, high, rows = other
        # Around a given anchor, the detections nearest to it are those that stay: itself among them.
        centre = (low + high) / 2 if anchor is None else movie.position_px[anchor, -2:]
        return Window(number, start, low, high, cap_rows(movie, rows, centre, self.windows, generator))

    def _try(
        self, number: int, start: int, generator: np.random.Generator, anchor: int | None
    ) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Number of frames with detections, box and rows of one crop."""
        movie = self.movies[number]
        anchor = self._anchor(number, start, generator) if anchor is None else anchor
        low, high = self._crop(movie, anchor, generator)
        rows = rows_inside(movie, start, self.windows.n_frames, low, high)
        return len(np.unique(movie.step_of(rows))), low, high, rows

    def _anchor(self, number: int, start: int, generator: np.random.Generator) -> int:
        """Row of the detection that the crop must hold."""
        movie, end = self.movies[number], start + self.windows.n_frames
        if self.favour == "divisions":
            found = self._divisions[number]
            mothers = found.row[(found.first >= start) & (found.last < end)]
            if len(mothers) and generator.random() < self.settings.division_share:
                return int(generator.choice(mothers))
        return int(generator.integers(movie.starts[start], movie.starts[end]))

    def _crop(
        self, movie: TokenMovie, anchor: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Box (low, high) around the anchor, inside that of the movie."""
        extent = movie.high_px - movie.low_px
        side = extent if self.windows.crop_px is None else np.minimum(self.windows.crop_px, extent)
        low = np.floor(movie.position_px[anchor, -2:] - side * generator.uniform(0.25, 0.75, 2))
        # A side of 8 px or more leaves room for rounding down: the anchor stays inside.
        low = np.clip(low, movie.low_px, movie.high_px - side)
        return low, low + side

    def _weights(self, number: int) -> NDArray[np.float64]:
        """Weight of every first step of a movie; 0 where fewer than two frames hold detections."""
        movie, n_frames = self.movies[number], self.windows.n_frames
        starts = np.arange(movie.n_frames - n_frames + 1)
        occupied = np.append(0, np.cumsum(np.diff(movie.starts) > 0))
        possible = occupied[starts + n_frames] - occupied[starts] > 1
        weight = np.ones(len(starts))
        if self.favour == "detections":
            weight = (movie.starts[starts + n_frames] - movie.starts[starts]).astype(np.float64)
        if self.favour == "divisions":
            found = self._divisions[number]
            # A division lies in the windows that start from last - W + 1 to first.
            change = np.zeros(movie.n_frames + 1)
            earliest = np.maximum(found.last - n_frames + 1, 0)
            fits = found.first >= earliest
            np.add.at(change, earliest[fits], 1)
            np.add.at(change, found.first[fits] + 1, -1)
            weight = 1 + np.sqrt(np.cumsum(change)[starts])
        return np.where(possible, weight, 0)
