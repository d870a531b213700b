"""Windows: what a network sees of a movie at a time, a few frames of a crop. Rows of detections only, never pixels.

A crop is a box along y and x; z is never cropped, for image stacks are shallow. Positions and boxes are in pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.targets import tracklets_of
from embeddings.tokens import tokens_of
from tracker.detections import Detections
from tracker.errors import ConfigError, InputError


@dataclass(frozen=True)
class TokenMovie:
    """The N detections of a movie of T frames as a network reads them, sorted by frame. Rows are those of Detections.

    position_px: (N, D) float64, [z,] y, x.   tokens: (N, F) float32, F may be 0.
    embeddings: (N, C) float32 that the network sees as well, None for none. They are of the images as they are, and
        stay so however a window is augmented or turned.
    starts: (T + 1,) int64, step k holds the rows starts[k]:starts[k + 1].
    low_px, high_px: (2,) half-open box along y and x that holds the image and every detection.
    tracklet: (N,) int64 tracklet of each detection's true object, -1 where it matches none; parent_tracklet: (K,)
        int64; as in `embeddings.targets`. Both None where the truth is not known.   name: for messages.
    """

    position_px: NDArray[np.float64]
    tokens: NDArray[np.float32]
    starts: NDArray[np.int64]
    low_px: NDArray[np.float64]
    high_px: NDArray[np.float64]
    tracklet: NDArray[np.int64] | None = None
    parent_tracklet: NDArray[np.int64] | None = None
    name: str = "the movie"
    embeddings: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Number of detections N."""
        return len(self.position_px)

    @property
    def ndim(self) -> int:
        """Spatial dimensions D."""
        return int(self.position_px.shape[1])

    @property
    def n_frames(self) -> int:
        """Number of frames T, empty ones included."""
        return len(self.starts) - 1

    @property
    def embedding_channels(self) -> int:
        """Length C of the embeddings, 0 without."""
        return 0 if self.embeddings is None else int(self.embeddings.shape[1])

    def step_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Step of each of the rows."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def part(self, first_step: int, stop_step: int) -> "TokenMovie":
        """Steps first_step .. stop_step - 1 alone, within the box of the whole movie; its rows count from 0."""
        rows = slice(int(self.starts[first_step]), int(self.starts[stop_step]))
        return replace(
            self,
            position_px=self.position_px[rows],
            tokens=self.tokens[rows],
            starts=self.starts[first_step : stop_step + 1] - rows.start,
            tracklet=None if self.tracklet is None else self.tracklet[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
        )


def token_movie(
    detections: Detections,
    tokens: NDArray[np.float32] | None = None,
    truth: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    name: str = "the movie",
    embeddings: NDArray[np.float32] | None = None,
) -> TokenMovie:
    """A movie made of detections.

    tokens: (N, F), default `tokens_of(detections)`; give (N, 0) for detections without shape.
    truth: (tracklet, parent_tracklet), see `truth_of_detections`.   embeddings: (N, C), in the order of the detections.
    Raises InputError when the number of rows differs, FeatureError when tokens cannot be made.
    """
    tokens = tokens_of(detections) if tokens is None else tokens
    tracklet, parent_tracklet = truth or (None, None)
    for what, array in (("tokens", tokens), ("truth", tracklet), ("embeddings", embeddings)):
        if array is not None and len(array) != len(detections):
            raise InputError(f"{what} must have a row per detection, wanted {len(detections)}, found {len(array)}")
    position = detections.position / detections.scale
    plane = position[:, -2:]
    shape = (0, 0) if detections.image_shape is None else detections.image_shape[-2:]
    # Points may lie outside the image.
    low = np.floor(plane.min(axis=0, initial=0.0))
    high = np.maximum(np.array(shape, np.float64), np.floor(plane.max(axis=0, initial=0.0)) + 1)
    return TokenMovie(position, tokens, detections.starts, low, high, tracklet, parent_tracklet, name, embeddings)


def truth_of_detections(
    matched_rows: NDArray[np.int64], parent: NDArray[np.int64], n_detections: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tracklet (N,) of each detection's true object or -1, and parent of each tracklet (K,) or -1.

    matched_rows: (M,) row of the detection of each true object or -1, one to one, as of `tracker.matching.Matching`.
    parent: (M,) of `tracker.truth.Truth`.
    """
    tracklet, parent_tracklet = tracklets_of(parent)
    own = np.full(n_detections, -1, np.int64)
    found = matched_rows >= 0
    own[matched_rows[found]] = tracklet[found]
    return own, parent_tracklet


@dataclass(frozen=True)
class WindowSettings:
    """n_frames: W >= 2.   crop_px: side of the square crop along y and x, None for whole frames.

    max_tokens: most detections of a window, None for no cap. cap: which of them stay. "nearest": those nearest to the
    centre of the crop along y and x, in all frames alike, which is a smaller crop, so parents keep their children (a
    tie goes to the earlier row). "random": any, so that cells are missing from the window everywhere. Trackastra drops
    late frames instead.
    Raises ConfigError for numbers that are too small.
    """

    n_frames: int = 6
    crop_px: int | None = 256
    max_tokens: int | None = 2048
    cap: Literal["nearest", "random"] = "nearest"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("n_frames", 2), ("crop_px", 8), ("max_tokens", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"windows: {name} must be at least {least}, found {value}")


@dataclass(frozen=True)
class Window:
    """Steps start .. start + W - 1 of a movie, cropped to the half-open box low_px .. high_px, (2,) along y and x.

    movie: which of the movies.   rows: (n,) int64, increasing: the detections inside that are kept. n may be 0.
    """

    movie: int
    start: int
    low_px: NDArray[np.float64]
    high_px: NDArray[np.float64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of detections n."""
        return len(self.rows)


def check_length(movie: TokenMovie, settings: WindowSettings) -> None:
    """Raise InputError when the movie is shorter than a window, or has no detections."""
    if movie.n_frames < settings.n_frames:
        raise InputError(
            f"a window of {settings.n_frames} frames needs a movie at least as long, but {movie.name} has "
            f"{movie.n_frames} frames; use a longer movie or a smaller window"
        )
    if not len(movie):
        raise InputError(f"there are no detections in {movie.name}; look at its masks or points")


def rows_inside(
    movie: TokenMovie, start: int, n_frames: int, low_px: NDArray[np.float64], high_px: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rows of n_frames frames from step `start` on whose position lies in the half-open box, increasing."""
    first, last = movie.starts[start], movie.starts[start + n_frames]
    plane = movie.position_px[first:last, -2:]
    return first + np.flatnonzero(((plane >= low_px) & (plane < high_px)).all(axis=1))


def cap_rows(
    movie: TokenMovie,
    rows: NDArray[np.int64],
    centre_px: NDArray[np.float64],
    settings: WindowSettings,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """At most settings.max_tokens of the rows, increasing; centre_px (2,) along y and x."""
    most = settings.max_tokens
    if most is None or len(rows) <= most:
        return rows
    if settings.cap == "random":
        return np.sort(generator.choice(rows, most, replace=False))
    distance = np.square(movie.position_px[rows, -2:] - centre_px).sum(axis=1)
    return np.sort(rows[np.argsort(distance, kind="stable")[:most]])


def covering_windows(
    movie: TokenMovie, settings: WindowSettings, *, number: int = 0, stride_frames: int = 1
) -> Iterator[Window]:
    """Windows of which every detection is in at least one, in order, one at a time: for validation.

    They start at every so-many-th step, and at the last step possible; crops lie on an even grid that just covers the
    box of the movie. Instead of capping, a crop with more than max_tokens detections is cut in two, across the axis
    along which they spread most, until it holds no more. Crops without detections are left out.

    number: what to call the movie in the windows.
    Raises InputError as `check_length`, ConfigError when stride_frames is not in 1 .. W, where frames would be skipped.
    """
    check_length(movie, settings)
    if not 1 <= stride_frames <= settings.n_frames:
        raise ConfigError(
            f"windows of {settings.n_frames} frames need a stride of 1 to {settings.n_frames} frames to leave out "
            f"none, found {stride_frames}"
        )
    last = movie.n_frames - settings.n_frames
    boxes = list(_grid(movie, settings.crop_px))
    for start in sorted({*range(0, last + 1, stride_frames), last}):
        for low, high in boxes:
            rows = rows_inside(movie, start, settings.n_frames, low, high)
            yield from _halves(movie, Window(number, start, low, high, rows), settings.max_tokens)


def _grid(movie: TokenMovie, crop_px: int | None) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Boxes (low, high) of at most crop_px a side that cover the movie, overlapping evenly."""
    corners = []
    for low, high in zip(movie.low_px, movie.high_px, strict=True):
        side = high - low if crop_px is None else min(crop_px, high - low)
        # Sides are whole pixels and places at most a side apart, so rounding down opens no gap.
        places = np.floor(np.linspace(low, high - side, int(np.ceil((high - low) / side))))
        corners.append([(place, place + side) for place in places])
    for along_y in corners[0]:
        for along_x in corners[1]:
            yield np.array([along_y[0], along_x[0]]), np.array([along_y[1], along_x[1]])


def _halves(movie: TokenMovie, window: Window, most: int | None) -> Iterator[Window]:
    """The window, or parts of it of at most so many detections; nothing where there are none."""
    if most is None or len(window) <= most:
        if len(window):
            yield window
        return
    plane = movie.position_px[window.rows, -2:]
    axis = int(np.argmax(np.ptp(plane, axis=0)))
    # By rank, not by place: any number of detections at one place still comes apart.
    order, middle = np.argsort(plane[:, axis], kind="stable"), len(plane) // 2
    cut = plane[order[middle], axis]
    low, high = window.low_px.copy(), window.high_px.copy()
    high[axis] = low[axis] = cut
    lower, upper = np.sort(window.rows[order[:middle]]), np.sort(window.rows[order[middle:]])
    yield from _halves(movie, Window(window.movie, window.start, window.low_px, high, lower), most)
    yield from _halves(movie, Window(window.movie, window.start, low, window.high_px, upper), most)
