"""Movies of discs of which a few are annotated, and a network small enough to learn them in seconds."""

from dataclasses import replace

import numpy as np
from cellulus_cases import discs
from memory_movie import MemoryMovie
from scipy.ndimage import binary_erosion

from embeddings.cellulus_frames import images_alone
from embeddings.methods.stardist import PUBLISHED
from embeddings.nets.cellulus_config import MiniUNetConfig
from embeddings.nets.stardist_config import StarDistConfig
from embeddings.star_movie import StarMovie

UNKNOWN = 999
SMALL = StarDistConfig(MiniUNetConfig(channels=8, growth=2, depth=2, features=16))
TINY = StarDistConfig(MiniUNetConfig(channels=2, growth=2, depth=1, features=3), n_rays=4)
SETTINGS = replace(
    PUBLISHED, steps=150, learning_rate=1e-2, warmup_steps=5, final_rate=0.05, validate_steps=50, device="cpu"
)
SHORT = replace(SETTINGS, steps=6, warmup_steps=0, validate_steps=3, report_steps=2)


def annotated(masks: MemoryMovie, share: float = 0.1, seed: int = 0) -> MemoryMovie:
    """Sparse masks: that part of all objects, rounded up; the others are known to be unknown."""
    keys = [(t, label) for t in masks.frames.tolist() for label in np.unique(masks.pixels[t])[1:].tolist()]
    chosen = np.random.default_rng(seed).permutation(len(keys))[: int(np.ceil(share * len(keys)))]
    drawn = {t: np.where(mask > 0, UNKNOWN, 0).astype(np.uint16) for t, mask in masks.pixels.items()}
    for t, label in (keys[one] for one in chosen):
        drawn[t][masks.pixels[t] == label] = label
    return MemoryMovie(drawn, "sparse")


def found_by_a_program(masks: MemoryMovie) -> MemoryMovie:
    """Pseudo labels: every object too small, every fourth one missing."""
    found = {}
    for t, mask in masks.pixels.items():
        small = np.where(binary_erosion(mask > 0, iterations=2), mask, 0)
        found[t] = np.where((small + t) % 4 == 0, 0, small).astype(np.uint16)
    return MemoryMovie(found, "pseudo")


def disc_movie(seed: int = 0, n_frames: int = 5, *, sparse: bool = True, pseudo: bool = True, **more) -> StarMovie:
    images, masks = discs(seed, n_frames)
    return StarMovie(
        images_alone(images, images.frames, "discs"),
        found_by_a_program(masks) if pseudo else None,
        annotated(masks) if sparse else None,
        **{"unknown_label": UNKNOWN, **more},
    )
