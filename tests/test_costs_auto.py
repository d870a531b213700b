"""The preset auto in the cost model: its terms, and what ends and divisions cost where a movie was measured."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cost_cases import movie

from tracker.auto.fit import measure_movie
from tracker.auto.model import Surprise
from tracker.candidates import build_candidates
from tracker.config import CostSettings, Term
from tracker.costs import price, resolve_terms
from tracker.features.context import FeatureContext


@pytest.mark.parametrize("has_association", [False, True])
def test_auto_is_the_surprise_of_what_there_is(has_association):
    """As it is, in nats; where scores are given, they join in at weight 0.75."""
    settings = CostSettings()
    assert settings.preset == "auto"
    for has_pairs, families in ((True, ("link", "division")), (False, ("link",))):
        terms = resolve_terms(settings, has_association=has_association, has_pairs=has_pairs)
        wanted = [Term(on=family, feature="surprise") for family in families]
        if has_association:
            wanted += [Term(on=family, feature="association_surprise", weight=0.75) for family in families]
        assert terms == tuple(wanted)


def test_auto_multiplies_the_ends_with_their_surprise():
    """appear and disappear scale minus the log of the measured rates, which differ at the image edge; 0 where free."""
    border = np.tile([1.0, 50.0, 60.0], 3)
    detections = movie((3, 3, 3), border_distance_px=border)
    graph = build_candidates(detections)
    measured = measure_movie(detections, lambda flow: build_candidates(detections, flow=flow))
    numbers = measured.numbers.model_copy(
        update={
            "appear_rate": 0.01, "disappear_rate": 0.02, "edge_appear_rate": 0.3, "edge_disappear_rate": 0.4,
            "edge_px": 10.0,
        }
    )  # fmt: skip
    context = FeatureContext(graph, movie=replace(measured, numbers=numbers))
    costs = price(context, CostSettings(appear=2.0, disappear=0.5), divisions="pair")
    near = border < 10
    unit = np.where(near, -math.log(0.3), -math.log(0.01)) * (detections.frame > 0)
    np.testing.assert_allclose(costs.appear_unit, unit)
    np.testing.assert_allclose(costs.appear, 2 * unit)
    unit = np.where(near, -math.log(0.4), -math.log(0.02)) * (detections.frame < 2)
    np.testing.assert_allclose(costs.disappear_unit, unit)
    np.testing.assert_allclose(costs.disappear, unit / 2)
    free = price(context, CostSettings(border_px=10.0), divisions="pair")
    assert (free.appear_unit > 0).tolist() == (~near & (detections.frame > 0)).tolist()
    assert set(costs.columns) == {("link", "surprise"), ("division", "surprise")}
    np.testing.assert_array_equal(costs.link, costs.columns["link", "surprise"])


def test_auto_without_pairs_measures_what_a_division_costs():
    detections = movie()
    measured = measure_movie(detections, lambda flow: build_candidates(detections, flow=flow))
    context = FeatureContext(build_candidates(detections, divisions=False), movie=measured)
    costs = price(context, CostSettings(division=0.5), divisions="split")
    assert costs.split == 0.5 + Surprise(detections).splitting(measured.numbers)
    assert costs.split > 0.5
    assert price(context, CostSettings(), divisions="none").split is None
