"""Simulated movies in which places mislead and looks help, and methods small enough to learn them in seconds."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from memory_movie import MemoryMovie
from numpy.typing import NDArray

from embeddings.augment import augment_level
from embeddings.inference import ScoreSettings, link_scores
from embeddings.learning_movie import LearningMovie
from embeddings.methods.attrackt import LOGIT_CLAMP, AttracktSettings, train_attrackt
from embeddings.methods.autoencoder import embed_autoencoder, train_autoencoder
from embeddings.methods.tracking import Recipe
from embeddings.nets.autoencoder_config import AutoencoderConfig
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.nets.transformer_config import TransformerConfig
from embeddings.table import NodeEmbeddings
from embeddings.targets import tracklets_of
from embeddings.training.settings import TrainingSettings
from embeddings.window_sampler import SamplerSettings
from embeddings.windows import WindowSettings
from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import CostSettings
from tracker.costs import price, to_problem
from tracker.features.context import FeatureContext
from tracker.ilp.solve import solve
from tracker.pipeline import to_lineage
from tracker.reading import detections_from_masks
from tracker.simulate import SimulatedMovie, SimulationSettings, simulate
from tracker.simulate_files import draw_image, draw_mask
from tracker.tuning.quick_score import MatchedTruth, quick_score

SMALL = AutoencoderConfig(
    patch_px=(16, 16), channels=4, multipliers=(1, 1, 2), blocks=1, groups=4, attention_px=0, latent=16
)
LOOKS = TrainingSettings(
    steps=150, learning_rate=5e-3, weight_decay=0.0, warmup_steps=10, clip_norm=5.0, device="cpu", validate_steps=1000
)
RECIPE = Recipe(
    network=TransformerConfig(
        d_model=32, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0, cutoff_px=80, position_channels=16
    ),
    windows=WindowSettings(4, None, None),
    sampler=SamplerSettings(batch_size=2),
    augmentation=replace(augment_level(1), shift_px=20.0),
    training=TrainingSettings(steps=250, learning_rate=3e-3, warmup_steps=25, device="cpu"),
)
#: Too short to learn anything, long enough to tell one training from another.
BRIEF = replace(RECIPE, training=replace(RECIPE.training, steps=6, warmup_steps=2, report_steps=2))


@cache
def fast_cells(seed: int = 2, n_frames: int = 12, n_cells: int = 18) -> SimulatedMovie:
    """Cells that step about as far as the next one is; each family has a brightness and a size of its own."""
    settings = SimulationSettings(
        n_frames=n_frames, shape=(160, 160), n_cells=n_cells, radius_px=5.0, speed_px=8.0, persistence=0.0,
        cycle_frames=40.0, enter_per_frame=0.1, blink_probability=0.0,
    )  # fmt: skip
    made = simulate(settings, seed)
    rng = np.random.default_rng([seed, 1])
    founder = np.arange(len(made))
    for row in np.flatnonzero(made.parent >= 0).tolist():  # parents come first
        founder[row] = founder[made.parent[row]]
    brightness, size = rng.uniform(0.4, 2.5, len(made))[founder], rng.uniform(0.7, 1.3, len(made))[founder]
    nuclei = replace(made.nuclei, brightness=brightness, radius_px=made.nuclei.radius_px * size)
    return replace(made, nuclei=nuclei)


def learning_movie(made: SimulatedMovie, *, truth: bool = False) -> LearningMovie:
    """The movie drawn, and read as the program reads it; the detections are the cells, in their order."""
    frames = range(made.settings.n_frames)
    images = MemoryMovie({frame: draw_image(made, frame) for frame in frames}, "images")
    masks = MemoryMovie({frame: draw_mask(made, frame) for frame in frames}, "masks")
    found = detections_from_masks(masks, images)
    assert (found.frame == made.nuclei.frame).all()
    assert (found.label == made.label).all()
    return LearningMovie(found, images, masks, tracklets_of(made.parent) if truth else None, f"movie {made.seed}")


def candidates(movie: LearningMovie) -> CandidateGraph:
    return build_candidates(movie.detections, neighbors=5)


def true_links(made: SimulatedMovie, graph: CandidateGraph) -> NDArray[np.bool_]:
    """(E,) which of the candidate links are true."""
    return made.parent[graph.links[:, 1]] == graph.links[:, 0]


def scores_of(network: TrackingTransformer, movie: LearningMovie) -> NDArray[np.float32]:
    """(E,) of the candidate links."""
    links = candidates(movie).links.astype(np.int64)
    return link_scores(network, movie.tokens, links, ScoreSettings(logit_clamp=LOGIT_CLAMP, device="cpu"))


def aogm(made: SimulatedMovie, movie: LearningMovie, score: NDArray[np.float32] | None = None) -> float:
    """Weighted errors of the preset attrackt, without scores or with these."""
    graph, settings = candidates(movie), CostSettings(preset="attrackt")
    context = FeatureContext(graph, association=None if score is None else score.astype(np.float64))
    problem = to_problem(graph, price(context, settings, divisions="pair"), settings)
    rows = np.arange(len(made))
    return quick_score(to_lineage(graph, problem, solve(problem)), MatchedTruth(made.to_lineage(), rows, rows)).AOGM


def autoencoder_model(temporary: pytest.TempPathFactory) -> Path:
    """The folder of an auto-encoder of the usual movie; trained once for all tests."""
    folder = temporary.getbasetemp() / "learnt" / "autoencoder"
    if not (folder / "model.json").exists():
        train_autoencoder([learning_movie(fast_cells())], folder, config=SMALL, settings=LOOKS, batch_size=8)
    return folder


def looks(temporary: pytest.TempPathFactory) -> NodeEmbeddings:
    """What the cells of the usual movie look like to it."""
    return embed_autoencoder(autoencoder_model(temporary), learning_movie(fast_cells()), device="cpu")


def attrackt_model(temporary: pytest.TempPathFactory) -> Path:
    """The folder of a model that has learnt the usual movie without a link; trained once for all tests."""
    folder = temporary.getbasetemp() / "learnt" / "attrackt"
    if not (folder / "model.json").exists():
        movie, settings = learning_movie(fast_cells()), AttracktSettings(hidden=32)
        train_attrackt([movie], [looks(temporary)], folder, recipe=RECIPE, settings=settings)
    return folder
