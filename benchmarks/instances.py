"""The instances that the benchmarks solve: the real HeLa movie under the attrackt setting, cut or tiled."""

import os
from pathlib import Path

import numpy as np

from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import CostSettings
from tracker.costs import price, to_problem
from tracker.detections import Detections
from tracker.features.context import FeatureContext
from tracker.ilp.problem import TrackingProblem
from tracker.io.movies import open_movie
from tracker.reading import detections_from_masks

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[2] / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"


def hela_detections(n_frames: int, tiles_per_side: int = 1) -> Detections:
    """The first frames of the movie; with tiles, that many offset copies along y and x, jittered by 0.1 px."""
    masks = open_movie(HELA, kind="masks")
    found = detections_from_masks(masks, frames=masks.frames[:n_frames])
    if tiles_per_side == 1:
        return found
    rng = np.random.default_rng(0)
    frame, label, position = [], [], []
    for number in range(tiles_per_side**2):
        offset = np.array(divmod(number, tiles_per_side)) * np.array(masks.shape)
        frame.append(found.frame)
        label.append(found.label + number * 100_000)
        position.append(found.position + offset + rng.normal(0, 0.1, found.position.shape))
    frames, labels, positions = np.concatenate(frame), np.concatenate(label), np.concatenate(position)
    order = np.lexsort((labels, frames))
    return Detections(frames[order], labels[order], positions[order], found.frames, found.scale)


def attrackt_problem(detections: Detections, *, keep: bool) -> tuple[CandidateGraph, TrackingProblem]:
    """Candidates, features, costs and columns of the attrackt preset; keep: all detections, else optional ones."""
    graph = build_candidates(detections)
    settings = CostSettings(preset="attrackt", detection="keep" if keep else 0.0)
    context = FeatureContext(graph)
    return graph, to_problem(context.graph, price(context, settings, divisions="pair"), settings)
