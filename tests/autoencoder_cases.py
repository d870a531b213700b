"""Tiny simulated movies, and an auto-encoder small enough to learn them in seconds."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
from memory_movie import MemoryMovie

from embeddings.learning_movie import LearningMovie
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.training.settings import TrainingSettings
from tracker.detections import Detections
from tracker.reading import detections_from_masks
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import draw_image, draw_mask

SMALL = AutoencoderConfig(patch_px=(16, 16), channels=8, multipliers=(1, 1, 2), blocks=1, groups=4, attention_px=0)
SETTINGS = TrainingSettings(
    steps=120, learning_rate=1e-2, weight_decay=0.0, warmup_steps=10, clip_norm=5.0, device="cpu", validate_steps=40
)


def movie(seed: int = 1):
    """A movie, and its true links as rows (L, 2)."""
    made = simulate(SimulationSettings(n_frames=6, shape=(96, 96), n_cells=14, radius_px=5.0, speed_px=1.0), seed)
    frames = range(made.settings.n_frames)
    images = MemoryMovie({frame: draw_image(made, frame) for frame in frames}, "images")
    masks = MemoryMovie({frame: draw_mask(made, frame) for frame in frames}, "masks")
    return LearningMovie(detections_from_masks(masks, images), images, masks, name=f"movie {seed}"), made.links


def nearer_than_others(vector, frame, links) -> float:
    """Of all pairs of a true link and a wrong one from the same parent to the next frame: the share in order."""
    right = total = 0
    for before, after in pairwise(np.unique(frame).tolist()):
        others = np.flatnonzero(frame == after)
        for parent, child in links[(frame[links[:, 0]] == before) & (frame[links[:, 1]] == after)]:
            distance = np.linalg.norm(vector[others] - vector[parent], axis=1)
            wrong = ~np.isin(others, links[links[:, 0] == parent, 1])
            right += int((distance[wrong] > distance[others == child]).sum())
            total += int(wrong.sum())
    return right / total


def part(cells: LearningMovie, rows, **changes) -> LearningMovie:
    """The movie with some of its detections only."""
    found = cells.detections
    few = Detections(found.frame[rows], found.label[rows], found.position[rows], found.frames, found.scale)
    return replace(cells, detections=few, **changes)


def copy_model(source, target, change) -> None:
    """A model folder again, with a changed config."""
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    about = json.loads((target / "model.json").read_text())
    about["config"].update(change)
    (target / "model.json").write_text(json.dumps(about))
