"""Weights learnt on one half of a real movie, judged on the other half."""

import time
from functools import cache
from typing import Any

import pytest
from truth_cases import data

from tracker.config import Config, make_config
from tracker.evaluate import evaluate
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.margins import bound_margins
from tracker.pin_checks import resolve_pins
from tracker.pin_sources import pins_from_lineage, truth_as_lineage
from tracker.pin_table import pin_table
from tracker.pipeline import to_lineage
from tracker.prepare import prepare
from tracker.stopwatch import Stopwatch
from tracker.suggest import suggest
from tracker.truth import Truth, read_truth
from tracker.tuning.linear_model import linear_model
from tracker.tuning.ssvm import learn
from tracker.tuning.target import target_from_pins, target_from_truth

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


def half(movie: str, second: bool, costs: dict[str, Any]) -> Config:
    """One half of a movie at these costs."""
    name, images, masks, _, *frames = MOVIES[movie]
    content = {"images": images, "segmentation": masks, "frames": list(frames[second])}
    return make_config({"data": content, "costs": costs}, folder=data(name))


@cache
def truth_of(movie: str) -> Truth:
    return read_truth(data(MOVIES[movie][0]) / MOVIES[movie][3])


@cache
def edits_of_attrackt(movie: str) -> float:
    """On the second half."""
    return edits(half(movie, True, {"preset": "attrackt"}), truth_of(movie))


@pytest.mark.data
@pytest.mark.parametrize("movie", MOVIES)
def test_half_of_the_edits_on_the_other_half(movie):
    truth = truth_of(movie)
    training = half(movie, False, {"preset": "none", "terms": TERMS})
    made = prepare(training, Stopwatch())
    target, _ = target_from_truth(made, truth)
    model = linear_model(made, training)
    began = time.perf_counter()
    learnt = learn([(model, target)], l2=1e-2, start=model.start)
    assert learnt.converged
    assert time.perf_counter() - began < 120
    after = edits(half(movie, True, model.settings(learnt.weights).model_dump()), truth)
    assert after <= 0.5 * edits_of_attrackt(movie)
    if movie == "HeLa":  # where the default, which is measured, has little left to gain
        assert after <= edits(half(movie, True, {"preset": "auto"}), truth)


@pytest.mark.data
def test_fifty_answers_are_worth_learning_from():
    """The children of 50 detections, those that `track suggest --fast` asks about first."""
    truth = truth_of("HeLa")
    training = half("HeLa", False, {"preset": "none", "terms": TERMS})
    made = prepare(training, Stopwatch())
    found = solve(made.problem, SolverSettings(threads=1))
    lineage = to_lineage(made.graph, made.problem, found)
    asked = suggest(lineage, made.graph, bound_margins(made.problem, found), None, budget=50).rows
    assert len(asked) == 50
    known = truth_as_lineage(truth, made.inputs.detections, made.inputs.masks)
    pins = pins_from_lineage(
        known.lineage, asked, unknown_children=known.unknown_children, unknown_parent=known.unknown_parent
    )
    target = target_from_pins(made, resolve_pins(pin_table(pins), made.inputs.detections))
    model = linear_model(made, training)
    learnt = learn([(model, target)], l2=1e-2, start=model.start)
    after = edits(half("HeLa", True, model.settings(learnt.weights).model_dump()), truth)
    assert after <= 0.85 * edits_of_attrackt("HeLa")
