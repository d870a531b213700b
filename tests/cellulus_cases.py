"""Movies of bright discs on noise, and a network small enough to learn them in seconds."""

from dataclasses import replace

import numpy as np
from memory_movie import MemoryMovie

from embeddings.cellulus_crops import PairSampling
from embeddings.cellulus_frames import images_alone
from embeddings.inference.cellulus_masks import SegmentSettings
from embeddings.inference.cellulus_offsets import NoiseSettings
from embeddings.learning_movie import LearningMovie
from embeddings.methods.cellulus import PUBLISHED
from embeddings.nets.cellulus_config import MiniUNetConfig

SMALL = MiniUNetConfig(channels=16, growth=2, features=16)
TINY = MiniUNetConfig(channels=2, growth=2, features=3)
SETTINGS = replace(
    PUBLISHED, steps=200, learning_rate=4e-3, warmup_steps=0, final_rate=0.05, validate_steps=40, device="cpu"
)
SHORT = replace(SETTINGS, steps=6, validate_steps=3, report_steps=2)
PAIRS = PairSampling(0.1, 6.0)
SEGMENT = SegmentSettings(
    object_size_px=22.0, noise=NoiseSettings(4), refinement="cell", grow_px=0.0, shrink_px=2.0, seed=0
)
_PLACES = [(16, 16), (16, 48), (16, 80), (48, 16), (48, 48), (48, 80), (80, 16), (80, 48), (80, 80)]
_RADIUS_PX = 11


def discs(seed: int = 0, n_frames: int = 5) -> tuple[MemoryMovie, MemoryMovie]:
    """Images and true masks (96, 96) of domes of brightness, most of nine places taken."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(np.arange(96), np.arange(96), indexing="ij"), axis=-1)
    images, masks = {}, {}
    for frame in range(n_frames):
        image, mask = rng.normal(100, 3, (96, 96)), np.zeros((96, 96), np.uint16)
        taken = np.flatnonzero(rng.random(9) < 0.8)
        for label, number in enumerate(taken.tolist(), start=1):
            distance = np.linalg.norm(place - np.array(_PLACES[number]) - rng.integers(-4, 5, 2), axis=-1)
            image += 200 * np.clip(1 - (distance / _RADIUS_PX) ** 2, 0, 1)
            mask[distance < _RADIUS_PX] = label
        images[frame], masks[frame] = image.astype(np.float32), mask
    return MemoryMovie(images, "images"), MemoryMovie(masks, "masks")


def disc_movie(seed: int = 0, n_frames: int = 5) -> LearningMovie:
    """The images of `discs` alone."""
    images, _ = discs(seed, n_frames)
    return images_alone(images, images.frames, "discs")


def volumes(shape=(22, 24, 26), n_frames: int = 2) -> LearningMovie:
    rng = np.random.default_rng(1)
    pixels = {frame: rng.random(shape, dtype=np.float32) for frame in range(n_frames)}
    images = MemoryMovie(pixels, "volumes")
    return images_alone(images, images.frames, "volumes")
