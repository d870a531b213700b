"""Costs as a linear function of the weights: the same costs as the cost model, both ways, cut or whole."""

import numpy as np
import pytest
from tuning_cases import COLOUR_TERMS, DISTANCES, cells, config, family, prepared, wandering

from tracker.costs import price, to_problem
from tracker.errors import ConfigError, InputError
from tracker.features.context import FeatureContext
from tracker.ilp.solve import solve
from tracker.tuning.linear_model import linear_model

CONSTANT = {"on": "link", "feature": "constant", "weight": 0.75}
GAPS = {"neighbors": 2, "max_frame_gap": 2}
KINDS = {
    "pair": config(candidates=GAPS),
    "no term on divisions": config([DISTANCES[0], CONSTANT], candidates=GAPS),
    "split": config([DISTANCES[0]], candidates=GAPS | {"divisions": "split"}),
    "none": config([DISTANCES[0]], candidates={"divisions": "none"}),
    "optional": config([*DISTANCES, {"on": "detection", "feature": "intensity_mean", "weight": -0.1}], detection=-1.5),
    "preset": config(
        [{"on": "link", "feature": "distance", "weight": 0.5, "standardise": "zscore"}], preset="attrackt"
    ),
    "auto": config([], preset="auto", candidates=GAPS, appear=0.75),
    "auto, split": config([], preset="auto", candidates=GAPS | {"divisions": "split"}),
    "auto, optional": config(
        [{"on": "link", "feature": "surprise", "weight": 0.5}], preset="auto", detection=-2.0, border_px=0.0
    ),
    "raw and z-scored": config([*DISTANCES, DISTANCES[0] | {"standardise": "zscore"}]),
}


def model_of(settings, detections=None):
    detections = wandering()[0] if detections is None else detections
    made = prepared(detections, settings)
    return made, linear_model(made, settings)


@pytest.mark.parametrize("kind", KINDS)
def test_present_weights_give_the_costs_of_the_config(kind):
    made, model = model_of(KINDS[kind])
    np.testing.assert_allclose(model.problem(model.start).cost, made.problem.cost, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_other_weights_give_the_costs_of_their_settings(kind):
    made, model = model_of(KINDS[kind])
    weights = np.random.default_rng(3).normal(size=len(model.weights))
    settings = model.settings(weights)
    pricing = price(FeatureContext(made.graph, movie=made.movie), settings, divisions=KINDS[kind].candidates.divisions)
    wanted = to_problem(made.graph, pricing, settings).cost
    np.testing.assert_allclose(model.problem(weights).cost, wanted, atol=1e-9)
    assert settings.preset == "none"


@pytest.mark.parametrize("kind", KINDS)
def test_joint_features_price_a_lineage(kind):
    made, model = model_of(KINDS[kind])
    values = solve(made.problem).values
    weights = np.random.default_rng(4).normal(size=len(model.weights))
    group = np.arange(model.n_columns) % 3
    features = model.psi_by_group(values, group, 3)
    cost = model.problem(weights).cost
    paid = [float(cost[values & (group == own)].sum()) for own in range(3)]
    fixed = np.bincount(group, np.where(values, model.fixed, 0.0), 3)
    np.testing.assert_allclose(features @ weights + fixed, paid, atol=1e-9)


def test_scales_go_both_ways():
    _, model = model_of(KINDS["pair"])
    link = model.weights[model.names.index("link.distance")]
    given = np.arange(1.0, len(model.weights) + 1)
    assert not link.standardised
    assert link.std > 1
    assert model.internal(given)[0] == pytest.approx(link.std)
    np.testing.assert_allclose(model.external(model.internal(given)), given, rtol=1e-15)


@pytest.mark.parametrize("divisions", ["pair", "split", "none"])
def test_the_preset_auto_is_written_as_terms_that_measure_the_movie_again(divisions):
    """The settings at the present weights give the very program, from the start: movie, candidates and all."""
    detections, _ = wandering()
    before = config([], preset="auto", candidates=GAPS | {"divisions": divisions}, appear=0.75)
    made, model = model_of(before, detections)
    surprises = ("link.surprise", "division.surprise") if divisions == "pair" else ("link.surprise",)
    assert model.names == (*surprises, "appear", "disappear", *(("division",) if divisions != "none" else ()))
    assert model.unexplained == 0
    assert [weight.value for weight in model.weights[: len(surprises) + 2]] == [1.0] * len(surprises) + [0.75, 1.0]
    given = np.linspace(0.5, 2.5, len(model.weights))
    np.testing.assert_allclose(model.external(model.internal(given)), given, rtol=1e-15)
    np.testing.assert_allclose(model.internal(model.external(given)), given, rtol=1e-15)

    settings = model.settings(model.start)
    assert (settings.preset, settings.measures) == ("none", True)
    assert (settings.appear, settings.disappear, settings.division) == (0.75, 1.0, before.costs.division)
    assert [(term.on, term.feature) for term in settings.terms] == [tuple(name.split(".")) for name in surprises]
    np.testing.assert_allclose([term.weight for term in settings.terms], 1.0, rtol=1e-15)
    again = prepared(detections, before.model_copy(update={"costs": settings}))
    assert again.movie.numbers == made.movie.numbers
    np.testing.assert_array_equal(again.problem.links, made.problem.links)
    np.testing.assert_allclose(again.problem.cost, made.problem.cost, rtol=1e-12, atol=1e-12)


def test_terms_of_one_feature_are_one_weight():
    _, model = model_of(KINDS["preset"])
    assert model.names == ("link.distance", "division.distance", "appear", "disappear", "division")
    assert model.weights[0].value == 1.5


def test_signs():
    terms = [
        {"on": on, "feature": name} for on in ("link", "division") for name in ("distance", "intensity_difference")
    ]
    _, model = model_of(config(terms))
    assert [weight.sign for weight in model.weights] == [1, 1, 1, 0, 0, 0, 0]


def test_a_feature_without_spread_is_left_alone():
    _, model = model_of(KINDS["no term on divisions"])
    assert "link.constant" not in model.names
    assert model.warnings == ("link.constant is the same for every candidate: its weight is left at 0.75",)
    assert model.settings(model.start).terms[0].feature == "constant"


def test_features_that_determine_each_other_are_named():
    _, model = model_of(KINDS["raw and z-scored"])
    named = "link.distance, link.distance (z-score)"
    assert model.warnings == (f"{named} determine each other: how their weights share the work is arbitrary",)


def test_costs_that_no_term_expresses_cannot_be_written():
    made = prepared(family(), config())
    made.costs.appear[3] += 2.5
    made = type(made)(made.inputs, made.graph, made.costs, to_problem(made.graph, made.costs, config().costs), None)
    model = linear_model(made, config())
    assert model.problem(model.start).cost[model.program.layout.appear][3] == 3.5
    with pytest.raises(ConfigError) as error:
        model.settings(model.start)
    assert str(error.value) == (
        'costs.preset = "none" holds costs of up to 2.5 that no term expresses; write them as terms before tuning'
    )


@pytest.mark.parametrize("kind", ["pair", "split", "no term on divisions"])
def test_a_cut_is_the_movie_of_those_frames(kind):
    """With weights of the whole movie's scale, so raw features and no z-score to differ."""
    terms = [term | {"standardise": "none"} for term in COLOUR_TERMS if kind == "pair" or term["on"] == "link"]
    settings = config(terms, candidates=GAPS | {"divisions": "split" if kind == "split" else "pair"})
    detections, _ = wandering()
    part = model_of(settings)[1].cut(1, 4)
    inside = (detections.frame >= 1) & (detections.frame < 4)
    alone = prepared(
        cells(
            list(zip((detections.frame[inside] - 1).tolist(), detections.position[inside, 1].tolist(), strict=True)),
            intensity_mean=detections.properties["intensity_mean"][inside],
        ),
        settings,
    )
    problem = part.problem(part.start)
    np.testing.assert_array_equal(problem.links, alone.problem.links)
    np.testing.assert_array_equal(problem.divisions, alone.problem.divisions)
    np.testing.assert_array_equal(problem.division_links, alone.problem.division_links)
    np.testing.assert_allclose(problem.cost, alone.problem.cost, atol=1e-9)
    assert part.spans.min() == 0
    assert part.spans.max() == 2


def test_a_cut_leaves_the_whole_as_it_was():
    made, model = model_of(KINDS["pair"])
    model.cut(1, 3)
    np.testing.assert_allclose(model.problem(model.start).cost, made.problem.cost, atol=1e-9)


def test_movies_share_internal_weights():
    one, other = model_of(KINDS["pair"])[1], model_of(KINDS["pair"], wandering(7)[0])[1]
    assert one.weights[0].std != other.weights[0].std
    shared = other.in_units_of(one)
    weights = np.arange(1.0, len(one.weights) + 1)
    np.testing.assert_allclose(shared.external(weights), one.external(weights), rtol=1e-12)
    np.testing.assert_allclose(shared.cost(weights), other.cost(other.internal(one.external(weights))), atol=1e-9)


def test_movies_without_the_same_weights_are_not_learnt_from_together():
    one, other = model_of(KINDS["pair"])[1], model_of(KINDS["none"])[1]
    with pytest.raises(InputError) as error:
        other.in_units_of(one)
    assert str(error.value) == (
        "movies to learn from together must have the same weights; not so: division, division.distance. A feature "
        "without spread in one of the movies has no weight there: remove its term"
    )
