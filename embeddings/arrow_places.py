"""Where crops to learn the arrow of time are cut: anywhere, around detections, and around those where much changes."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from embeddings.pixel_pools import centres_px
from embeddings.zoomed_frames import ZoomedFrames


def zoomed_centres(frames: ZoomedFrames, step: int) -> NDArray[np.float64]:
    """(n, 2) centres y, x of the detections of a step, in pixels of the frames as they are shown."""
    shape = frames.frames.images.shape
    factor = np.array(frames.shape) / np.array(shape)
    place = (centres_px(frames.frames.movie.detections, step, shape) + 0.5) * factor - 0.5
    return np.clip(place, 0, np.array(frames.shape) - 1)


def changes_at(
    place: NDArray[np.float64], before: NDArray[np.float32], after: NDArray[np.float32], crop_px: int
) -> NDArray[np.float64]:
    """(n,) how much two images (y, x) differ around each place (n, 2).

    c = G(|G(after) - G(before)|)    G: a Gaussian, of 0.7 pixels inside (noise), of a tenth of a crop outside
    """
    changed = np.abs(gaussian_filter(after, 0.7) - gaussian_filter(before, 0.7))
    near = gaussian_filter(changed, crop_px / 10)
    y, x = np.clip(np.rint(place).astype(np.int64), 0, np.array(near.shape) - 1).T
    return near[y, x].astype(np.float64)


def draw_starts(
    rng: np.random.Generator,
    pairs: NDArray[np.int64],
    centres: dict[int, NDArray[np.float64]],
    shape: tuple[int, ...],
    crop_px: int,
    near_detections: float,
) -> NDArray[np.int64]:
    """(n, 2) first pixels y, x of a crop of each of the pairs (n, 2) of steps.

    Of a share `near_detections` a detection of the earlier frame is in the middle half; the others are anywhere.
    centres: of the detections of each step.   shape: y, x of the frames.
    """
    room = np.maximum(np.array(shape) - crop_px, 0)
    start = rng.integers(room + 1, size=(len(pairs), 2))
    near = np.flatnonzero(rng.random(len(pairs)) < near_detections)
    which = rng.random(len(pairs))
    there = [centres[step] for step in pairs[near, 0].tolist()]
    chosen = [
        places[int(share * len(places))] if len(places) else (np.nan, np.nan)
        for places, share in zip(there, which[near].tolist(), strict=True)
    ]
    place = around(rng, np.array(chosen).reshape(-1, 2), shape, crop_px)
    held = ~np.isnan(place).any(axis=1)
    start[near[held]] = place[held].astype(np.int64)
    return start


def around(
    rng: np.random.Generator, place: NDArray[np.float64], shape: tuple[int, ...], crop_px: int
) -> NDArray[np.float64]:
    """(n, 2) first pixels, whole numbers, of crops that hold each place (n, 2) in their middle half."""
    room = np.maximum(np.array(shape) - crop_px, 0)
    jitter = rng.uniform(-crop_px / 4, crop_px / 4, place.shape)
    return np.clip(np.rint(place + jitter - crop_px / 2), 0, room)
