"""Tiny movies with an arrow of time, and a network small enough to find it in seconds."""

from dataclasses import replace

import numpy as np
import torch
from memory_movie import MemoryMovie

from embeddings.arrow_augment import PairAugmentation
from embeddings.arrow_pairs import PairSettings
from embeddings.learning_movie import LearningMovie
from embeddings.nets.tap import seeded_tap
from embeddings.nets.tap_config import TapConfig
from embeddings.training.settings import TrainingSettings
from tracker.detections import Detections
from tracker.reading import detections_from_masks

SMALL = TapConfig(channels=4, levels=1, features=4)
PAIRS = PairSettings(crop_px=16, near_detections=1.0)
GENTLE = PairAugmentation(elastic=0.0, frame_scale=(0.97, 1.03), scale=(0.9, 1.1))
SETTINGS = TrainingSettings(
    steps=150, learning_rate=2e-2, weight_decay=0.0, warmup_steps=10, device="cpu", validate_steps=50
)
SHORT = TrainingSettings(steps=6, learning_rate=1e-2, device="cpu", validate_steps=3, report_steps=2)


def settled(config, seed=0):
    """A network in evaluation mode whose batch norms have seen something."""
    network = seeded_tap(config, seed)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 2, 16, 16))
    return network.eval()


def growing(seed: int = 1, n_frames: int = 12, still: bool = False) -> LearningMovie:
    """Discs far apart on 4 x 4 places that grow from frame to frame and begin anew, each at its own time.

    Every other column stands still if `still`; its labels are the odd ones.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:80, :80]
    age = rng.integers(0, 24, 16)
    pixels, masks = {}, {}
    for frame in range(n_frames):
        image, mask = rng.normal(20.0, 3.0, (80, 80)), np.zeros((80, 80), np.uint16)
        for cell in range(16):
            old = 8 if still and cell % 2 == 0 else (age[cell] + frame) % 24
            radius = 2.0 + 0.3 * old
            disc = (y - 20 * (cell // 4) - 10) ** 2 + (x - 20 * (cell % 4) - 10) ** 2 <= radius**2
            image[disc] += 100.0
            mask[disc] = cell + 1
        pixels[frame], masks[frame] = image.clip(0).astype(np.uint16), mask
    images, labels = MemoryMovie(pixels, "images"), MemoryMovie(masks, "masks")
    return LearningMovie(detections_from_masks(labels, images), images, labels, name=f"movie {seed}")


def points(movie: LearningMovie) -> LearningMovie:
    """The same detections without masks."""
    found = movie.detections
    bare = Detections(found.frame, found.label, found.position, found.frames, found.scale)
    return replace(movie, detections=bare, masks=None)
