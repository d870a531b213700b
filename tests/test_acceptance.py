"""The published optimum values on the real HeLa movie."""

import os
from pathlib import Path

import numpy as np
import pytest

from tracker.candidates import build_candidates
from tracker.config import CostSettings
from tracker.costs import price, to_problem
from tracker.detections import Detections
from tracker.features.context import FeatureContext
from tracker.ilp.solve import solve
from tracker.io.movies import open_movie
from tracker.reading import detections_from_masks

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}"),
]


@pytest.fixture(scope="module")
def hela() -> Detections:
    return detections_from_masks(open_movie(HELA, kind="masks"))


@pytest.mark.parametrize(
    ("n_frames", "keep", "optimum", "n_divisions"),
    [
        (3, False, -415.949, 13_000),
        (5, False, -865.158068, 27_000),
        (10, False, -2118.922788, 67_000),
        (20, False, -5169.720139, 155_208),
        (20, True, -5168.663293, 155_208),
    ],
)
def test_attrackt_costs_on_hela(hela: Detections, n_frames: int, keep: bool, optimum: float, n_divisions: int) -> None:
    masks = open_movie(HELA, kind="masks")
    detections = hela if n_frames == 20 else detections_from_masks(masks, frames=masks.frames[:n_frames])
    graph = build_candidates(detections, neighbors=10, direction="backward")
    context = FeatureContext(graph)
    settings = CostSettings(preset="attrackt", detection="keep" if keep else 0.0)
    solution = solve(to_problem(context.graph, price(context, settings, divisions="pair"), settings))
    assert len(graph.divisions) == pytest.approx(n_divisions, rel=0.05)
    assert solution.objective == pytest.approx(optimum, abs=1e-3 if n_frames == 3 else 1e-4)
    assert solution.status == "optimal"
    assert solution.gap <= 1e-9
    assert np.isfinite(solution.bound)
