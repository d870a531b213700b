"""Movies of identical discs that jump about, and embeddings that tell them apart."""

from dataclasses import replace

import numpy as np

from embeddings.inference import ScoreSettings, link_scores
from embeddings.learning_movie import LearningMovie
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.table import NodeEmbeddings
from embeddings.targets import tracklets_of
from tracker.detections import Detections

CELLS, FRAMES, CHANNELS = 10, 10, 8


def discs(seed: int, *, channels: int = CHANNELS, unit: float = 1.0) -> LearningMovie:
    """10 cells somewhere else in each of 10 frames; each has a code of its own, the same in all movies, and noise.

    unit: of the embeddings, whose mean is not 0.
    """
    rng = np.random.default_rng(seed)
    count = CELLS * FRAMES
    cell, frame = np.tile(np.arange(CELLS), FRAMES), np.repeat(np.arange(FRAMES), CELLS)
    found = Detections(
        frame=frame,
        label=cell + 1,
        position=rng.uniform(10, 70, (count, 2)),
        frames=np.arange(FRAMES),
        scale=np.ones(2),
        image_shape=(80, 80),
        properties={
            "equivalent_diameter_px": np.full(count, 8.0),
            "intensity_relative": np.full(count, 0.5),
            "inertia_tensor_px2": np.tile(4 * np.eye(2), (count, 1, 1)),
            "border_distance_px": np.full(count, 9.0),
        },
    )
    codes = np.random.default_rng(99).normal(size=(CELLS, channels))
    vector = unit * (3 + codes[cell] + 0.1 * rng.normal(size=(count, channels)))
    parent = np.where(frame > 0, np.arange(count) - CELLS, -1)
    table = NodeEmbeddings(np.column_stack([frame, cell + 1]), vector.astype(np.float32), "codes")
    return LearningMovie(found, truth=tracklets_of(parent), name=f"discs {seed}", fused=table)


def plain(movie: LearningMovie) -> LearningMovie:
    """The movie without embeddings."""
    return replace(movie, fused=None)


def every_link() -> np.ndarray:
    """Rows (parent, child) of all pairs in consecutive frames: of each frame, of each parent, of each child."""
    frame, parent, child = np.indices((FRAMES - 1, CELLS, CELLS))
    return np.stack([frame * CELLS + parent, (frame + 1) * CELLS + child], axis=-1).reshape(-1, 2)


def found_again(network: TrackingTransformer, movie: LearningMovie) -> float:
    """Share of detections whose best-scored parent is the true one; 0.1 by chance."""
    score = link_scores(network, movie.tokens, every_link(), ScoreSettings(device="cpu"))
    best = score.reshape(FRAMES - 1, CELLS, CELLS).argmax(axis=1)
    return float((best == np.arange(CELLS)).mean())
