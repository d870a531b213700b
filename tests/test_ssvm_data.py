"""Weights learnt on one half of a real movie, judged on the other half."""

import time

import pytest
from truth_cases import data

from tracker.config import Config, make_config
from tracker.evaluate import evaluate
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.pipeline import to_lineage
from tracker.prepare import Stopwatch, prepare
from tracker.truth import Truth, read_truth
from tracker.tuning.linear_model import linear_model
from tracker.tuning.ssvm import learn
from tracker.tuning.target import target_from_truth

FEATURES = ("distance", "area_ratio", "intensity_difference", "overlap")
TERMS = [
    {"on": on, "feature": name, "weight": float(name == "distance"), "standardise": "zscore"}
    for on in ("link", "division")
    for name in FEATURES
]
MOVIES = {
    "HeLa": ("Fluo-N2DL-HeLa-02-t00-19", "02", "02_SEG", "02_GT", (0, 10), (10, 20)),
    "SIM+": ("Fluo-N2DH-SIM+", "01", "01_GT", "01_GT", (0, 33), (33, 65)),
}


def edits(config: Config, truth: Truth) -> float:
    """AOGM of a run."""
    made = prepare(config, Stopwatch())
    found = solve(made.problem, SolverSettings(threads=1))
    score = evaluate(to_lineage(made.graph, made.problem, found), truth, masks=made.inputs.masks).AOGM
    assert score is not None
    return score


@pytest.mark.data
@pytest.mark.parametrize("movie", MOVIES)
def test_half_of_the_edits_on_the_other_half(movie):
    name, images, masks, truth_folder, first, second = MOVIES[movie]
    folder = data(name)

    def half(frames, costs):
        content = {"images": images, "segmentation": masks, "frames": list(frames)}
        return make_config({"data": content, "costs": costs}, folder=folder)

    truth = read_truth(folder / truth_folder)
    training = half(first, {"preset": "none", "terms": TERMS})
    made = prepare(training, Stopwatch())
    target, _ = target_from_truth(made, truth)
    model = linear_model(made, training)
    began = time.perf_counter()
    learnt = learn([(model, target)], l2=1e-2, start=model.start)
    assert learnt.converged
    assert time.perf_counter() - began < 120
    tuned = half(second, model.settings(learnt.weights).model_dump())
    assert edits(tuned, truth) <= 0.5 * edits(half(second, {}), truth)
