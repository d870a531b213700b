"""An ASCENT network small enough to learn a tiny movie in seconds, and movies to show it."""

from dataclasses import replace

import numpy as np
from memory_movie import MemoryMovie

from embeddings.ascent_augment import AscentAugmentation
from embeddings.ascent_frames import AscentFrames
from embeddings.frame_images import FrameImages
from embeddings.learning_movie import LearningMovie
from embeddings.nets.ascent_config import AscentConfig
from embeddings.training.settings import TrainingSettings
from tracker.detections import Detections
from tracker.reading import detections_from_masks

SMALL = AscentConfig(
    patch_px=16, token_px=4, width=24, depth=1, heads=2, pool="mean", visual_norm=True, embedding=16, set_layers=1,
    set_heads=2, feed_forward=32, dropout=0.0,
)  # fmt: skip
#: For frames of 96 px.
GENTLE = AscentAugmentation(elastic_px=4.0, jitter_px=1.0, scale=(0.8, 1.0))
STILL = AscentAugmentation(
    elastic_px=0, jitter_px=0, jitter_planes=0, rotation_deg=0, scale=(1, 1), brightness=0, contrast=0, dropout=0
)
SETTINGS = TrainingSettings(
    steps=150, learning_rate=3e-3, weight_decay=0.01, warmup_steps=10, device="cpu", validate_steps=50
)
SHORT = replace(SETTINGS, steps=6, warmup_steps=0, validate_steps=3, report_steps=2)


def frames_of(movie: LearningMovie, config: AscentConfig = SMALL, zoom: float = 1.0) -> AscentFrames:
    return AscentFrames(FrameImages(movie, "ASCENT", volumes=True), config, zoom)


def points(place_px, *frames, scale=None) -> LearningMovie:
    """Images (arrays, one per frame) with the same detections in each, at places (n, D) in pixels."""
    place, count = np.asarray(place_px, float), len(frames)
    n, ndim = place.shape
    scale = np.ones(ndim) if scale is None else np.asarray(scale, float)
    found = Detections(
        np.repeat(np.arange(count), n), np.tile(np.arange(1, n + 1), count), np.tile(place, (count, 1)) * scale,
        np.arange(count), scale,
    )  # fmt: skip
    return LearningMovie(found, MemoryMovie(dict(enumerate(frames)), "images"), name="the points")


def marked_cells(seed: int = 0, n_frames: int = 8) -> tuple[LearningMovie, np.ndarray]:
    """Nine discs, each with a mark of its own, that stand elsewhere and otherwise turned in every frame; and the links.

    Neither place nor orientation helps to find one again, only what is marked on it.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    spots = rng.uniform(-4, 4, (9, 2, 2))
    height = rng.uniform(-80, 80, (9, 2))
    pixels, masks = {}, {}
    for frame in range(n_frames):
        image, mask = rng.normal(20.0, 2.0, (96, 96)), np.zeros((96, 96), np.uint16)
        for cell, place in enumerate(rng.permutation(9)):
            angle = rng.uniform(0, 2 * np.pi)
            down, right = y - 32 * (place // 3) - 16, x - 32 * (place % 3) - 16
            own = down**2 + right**2 <= 7**2
            turned = np.cos(angle) * down - np.sin(angle) * right, np.sin(angle) * down + np.cos(angle) * right
            marks = sum(
                height[cell, k] * np.exp(-sum((turned[a] - spots[cell, k, a]) ** 2 for a in (0, 1)) / 8) for k in (0, 1)
            )
            image[own] += (100 + marks)[own]
            mask[own] = cell + 1
        pixels[frame], masks[frame] = image.clip(0).astype(np.uint16), mask
    images, labels = MemoryMovie(pixels, "images"), MemoryMovie(masks, "masks")
    found = detections_from_masks(labels, images)
    rows = np.arange(9 * n_frames)
    return LearningMovie(found, images, labels, name=f"movie {seed}"), np.column_stack([rows[:-9], rows[9:]])
