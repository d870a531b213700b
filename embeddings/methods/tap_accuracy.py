"""How often a time arrow network is right: on crops with detections, and on the background, where nobody can be."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.arrow_pairs import need_frames
from embeddings.arrow_places import zoomed_centres
from embeddings.frame_images import FrameImages
from embeddings.learning_movie import LearningMovie
from embeddings.methods.tap import NOUN, load_tap
from embeddings.pixel_pools import step_labels
from embeddings.training.device import choose_device, memory_watched
from embeddings.zoomed_frames import ZoomedFrames
from tracker.errors import ConfigError

Place = Literal["detections", "background"]

_TRIED = 256  # random crops of a frame that may be background


def arrow_accuracy(
    folder: Path,
    movie: LearningMovie,
    *,
    place: Place = "detections",
    frames: Sequence[int] | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int = 64,
) -> tuple[float, int]:
    """Share of the pairs of crops that the model in `folder` puts in order, and their number; 0.5 is chance.

    Pairs have the smallest gap that the model learnt; equal votes count one half.
    place: crops around each "detections" of the earlier frame, moved into the image; or random crops of "background",
        where the masks of both frames are empty, without masks those that hold the centre of no detection.
    frames: both frames of a pair are to be among these, default all; `held_out_frames` of the model's provenance are
        those that were not learnt from.
    Raises ModelError; ConfigError and MovieError as `embed_tap`, and MovieError for movies that are too short.
    """
    if place not in get_args(Place) or batch_size < 1:
        raise ConfigError(
            f"place must be one of {', '.join(get_args(Place))} and batch_size positive, found {place!r} and "
            f"{batch_size}"
        )
    network, pairs, _ = load_tap(folder)
    gap, crop = min(pairs.gaps_frames), pairs.crop_px
    images, chosen = ZoomedFrames(FrameImages(movie, NOUN), pairs.zoom), choose_device(device)
    need_frames(images.frames, gap + 1)
    network.to(chosen)
    allowed = np.isin(movie.detections.frames, movie.detections.frames if frames is None else list(frames))
    right, total = 0.0, 0
    with torch.inference_mode(), memory_watched(chosen, "judging pairs of crops", "Make batch_size smaller"):
        for step in np.flatnonzero(allowed[:-gap] & allowed[gap:]).tolist():
            both = np.stack([_padded(images.image(one), crop) for one in (step, step + gap)])
            starts = _starts(images, step, gap, crop, place, np.random.default_rng([seed, step]))
            for part in _parts(both, starts, crop, batch_size):
                logits, _ = network(torch.from_numpy(part).to(chosen))
                difference = (logits[:, 0] - logits[:, 1]).float().cpu().numpy()
                right += float((np.sign(difference) + 1).sum() / 2)
                total += len(difference)
    return (right / total if total else float("nan")), total


def _padded(image: NDArray[np.float32], crop: int) -> NDArray[np.float32]:
    """Mirrored at its end where it is smaller than a crop."""
    return np.pad(image, [(0, max(crop - length, 0)) for length in image.shape], mode="reflect")


def _starts(
    images: ZoomedFrames, step: int, gap: int, crop: int, place: Place, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(n, 2) first pixels y, x of the crops."""
    movie = images.frames.movie
    factor = np.array(images.shape) / np.array(images.frames.images.shape)
    room = np.maximum(np.array(images.shape) - crop, 0)
    if place == "detections":
        return np.clip(np.rint(zoomed_centres(images, step) - crop / 2), 0, room).astype(np.int64)
    start = rng.integers(room + 1, size=(_TRIED, 2))
    free = np.ones(len(start), np.bool_)
    for one in (step, step + gap):
        labels = step_labels(movie, one)
        if labels is None:
            inside = zoomed_centres(images, one)[None] - start[:, None]
            held = np.all((inside >= 0) & (inside < crop), axis=2)
            free &= ~np.any(held, axis=1)
        else:
            empty = labels == 0
            first, last = np.floor(start / factor).astype(int), np.ceil((start + crop) / factor).astype(int)
            free &= [
                bool(empty[top:bottom, left:right].all())
                for (top, left), (bottom, right) in zip(first.tolist(), last.tolist(), strict=True)
            ]
    return start[free]


def _parts(
    both: NDArray[np.float32], starts: NDArray[np.int64], crop: int, batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """The crops (<= batch_size, 2, crop, crop)."""
    for first in range(0, len(starts), batch_size):
        part = starts[first : first + batch_size].tolist()
        yield np.stack([both[:, y : y + crop, x : x + crop] for y, x in part])
