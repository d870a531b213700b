"""Learning weights: the oracle against brute force, what is learnt from data that can be told apart, and promises."""

import numpy as np
import pytest
from brute_force import columns_of, lineages
from tuning_cases import COLOUR_TERMS, FAMILY_LINKS, cells, config, family, prepared, truth_of, wandering

from tracker.errors import InputError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.pin_checks import resolve_pins
from tracker.pin_table import PinRow, pin_table
from tracker.tuning.bundle import Bundle
from tracker.tuning.example import make_example
from tracker.tuning.linear_model import linear_model
from tracker.tuning.ssvm import learn
from tracker.tuning.target import Target, target_from_pins, target_from_truth

ONE = SolverSettings(threads=1)
LINK_TERM = [{"on": "link", "feature": "distance", "weight": 0.2}]
SMALL = {
    "pair": config(candidates={"neighbors": 2}),
    "split": config(LINK_TERM, candidates={"neighbors": 2, "divisions": "split"}),
    "optional": config(candidates={"neighbors": 1}, detection=-0.5),
}
DOUBT = ("children", ((0, 1), (1, 1), (1, 2)))  # of family()
COLOURED = config(COLOUR_TERMS, candidates={"neighbors": 10})


def small(kind, pins=None):
    made = prepared(family(), SMALL[kind])
    if pins is None:
        target, _ = target_from_truth(made, truth_of(family(), FAMILY_LINKS))
    else:
        target = target_from_pins(made, resolve_pins(pin_table([PinRow(*row) for row in pins]), family()))
    return make_example(linear_model(made, SMALL[kind]), target)


def coloured(seed=0, **options):
    detections, links = wandering(seed, **options)
    made = prepared(detections, COLOURED)
    target, _ = target_from_truth(made, truth_of(detections, links))
    return linear_model(made, COLOURED), target


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("pins", [None, [DOUBT], [("link", ((0, 2), (1, 3)), False)]], ids=["all", "one", "false"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_oracle_finds_what_brute_force_finds(kind, pins, seed):
    example = small(kind, pins)
    weights = np.random.default_rng(seed).normal(size=len(example.model.weights))
    decided, wanted = example.target.decided, example.target.values
    cost = np.where(example.counts, example.model.cost(weights), 0.0)
    best = -np.inf
    for _, ways in lineages(example.program):
        values = columns_of(example.program, ways)
        best = max(best, np.count_nonzero((values != wanted) & decided) - float((cost * values).sum()))
    values = example.oracle(weights, ONE)
    found = np.count_nonzero((values != wanted) & decided) - float((cost * values).sum())
    assert found == pytest.approx(best, abs=1e-9)
    constant, features = example.describe(values)
    assert constant.sum() + (features @ weights).sum() == pytest.approx(-best, abs=1e-9)


@pytest.mark.parametrize("kind", SMALL)
def test_the_completion_is_the_cheapest_that_agrees(kind):
    example = small(kind, [DOUBT])
    weights = np.random.default_rng(5).normal(size=len(example.model.weights))
    decided, wanted = example.target.decided, example.target.values
    cost = np.where(example.counts, example.model.cost(weights), 0.0)
    prices = [
        float((cost * values).sum())
        for values in (columns_of(example.program, ways) for _, ways in lineages(example.program))
        if (values == wanted)[decided].all()
    ]
    values = example.completion(weights, ONE)
    assert (values == wanted)[decided].all()
    assert float((cost * values).sum()) == pytest.approx(min(prices), abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_what_can_be_told_apart_is_learnt_perfectly(seed):
    model, target = coloured(seed)
    before = solve(model.problem(model.start), ONE).values
    assert (before != target.values)[target.decided].any()
    learnt = learn([(model, target)], l2=1e-6, start=model.start)
    after = solve(model.problem(learnt.weights), ONE).values
    assert (after == target.values)[target.decided].all()
    assert learnt.converged
    assert learnt.slack < 0.05


def test_the_gap_closes_from_both_sides():
    model, target = coloured()
    told = []
    learnt = learn([(model, target)], l2=1e-2, start=model.start, gap=1e-6, progress=told.append)
    steps = learnt.history
    assert told == list(steps)
    assert [step.iteration for step in steps] == list(range(1, len(steps) + 1))
    assert len(steps) > 3
    primal, dual = (np.array([getattr(step, name) for step in steps]) for name in ("primal", "dual"))
    assert (np.diff(primal) <= 0).all()
    assert (np.diff(dual) >= 0).all()
    assert (dual <= primal + 1e-12).all()
    assert steps[-1].gap <= 1e-6
    assert learnt.converged


def test_no_small_step_is_better():
    """The objective, computed plainly, is lowest at what was learnt."""
    model, target = coloured()
    l2, start = 1e-2, model.start
    learnt = learn([(model, target)], l2=l2, start=start, gap=1e-6)
    n_links = target.values[model.program.layout.link].sum() + 2 * target.values[model.program.layout.division].sum()
    agree = model.program.with_bounds(
        np.where(target.decided, target.values, model.program.lower).astype(np.int8),
        np.where(target.decided, target.values, model.program.upper).astype(np.int8),
    )
    wanted = solve(agree, ONE).values
    loss = np.where(target.decided, 1.0 - 2.0 * target.values, 0.0)

    def objective(weights):
        worst = solve(model.problem(weights, -loss), ONE)
        hinge = float(model.problem(weights).cost @ wanted) - worst.objective + int(target.values.sum())
        return 0.5 * l2 * float((weights - start) @ (weights - start)) + hinge / n_links

    lowest = objective(learnt.weights)
    assert lowest == pytest.approx(learnt.history[-1].primal, rel=1e-9)
    rng = np.random.default_rng(0)
    sign = np.array([weight.sign for weight in model.weights])
    for size in (1e-3, 1e-2, 1e-1, 1.0):
        for _ in range(5):
            other = learnt.weights + size * rng.normal(size=len(start))
            other = np.where(other * sign < 0, 0.0, other)
            assert objective(other) >= lowest * (1 - 2e-6)


def test_two_runs_agree_bit_for_bit():
    one, two = (learn([coloured(seed) for seed in (0, 1)], l2=1e-3, start=coloured()[0].start) for _ in range(2))
    assert one.weights.tobytes() == two.weights.tobytes()
    assert one.history == two.history


def test_signs_are_kept():
    """Here near is wrong: without the sign the distance would be rewarded."""
    detections = cells([(t, x) for t in range(4) for x in ((0.0, 10.0), (10.0, 0.0))[t % 2]])
    settings = config(
        [{"on": "link", "feature": "distance", "standardise": "zscore"}], candidates={"divisions": "none"}
    )
    made = prepared(detections, settings)
    links = [(row, row + 2) for row in range(6)]
    target, _ = target_from_truth(made, truth_of(detections, links))
    model = linear_model(made, settings)
    learnt = learn([(model, target)], l2=1e-3, start=model.start)
    assert learnt.weights[0] == 0.0
    unsigned = [type(weight)(**(vars(weight) | {"sign": 0})) for weight in model.weights]
    object.__setattr__(model, "weights", tuple(unsigned))
    assert learn([(model, target)], l2=1e-3, start=model.start).weights[0] < -0.1


def test_without_a_division_their_weights_stay():
    model, target = coloured(divides_at=())
    learnt = learn([(model, target)], l2=1e-3, start=model.start)
    named = ("division.distance", "division.intensity_difference", "division")
    assert learnt.frozen == named
    assert learnt.warnings == (f"nothing divides in what is learnt from: {', '.join(named)} left as before",)
    kept = [model.names.index(name) for name in named]
    np.testing.assert_array_equal(learnt.weights[kept], model.start[kept])
    assert learnt.weights[model.names.index("link.intensity_difference")] > 0


def children_pins(detections, links, rows):
    key = list(zip(detections.frame.tolist(), detections.label.tolist(), strict=True))
    return [PinRow("children", (key[row], *(key[v] for u, v in links if u == row))) for row in rows]


def test_what_nobody_annotated_has_no_influence():
    detections, links = wandering()
    rows = [1, 2, 8, 9]
    learnt = []
    for noise in (0.0, 50.0):
        made = prepared(detections, COLOURED)
        pins = resolve_pins(pin_table(children_pins(detections, links, rows)), detections)
        model, target = linear_model(made, COLOURED), target_from_pins(made, pins)
        touched = ~make_example(model, target).counts[model.program.layout.link]
        assert 0 < touched.sum() < len(touched)
        model.design["link"][touched] += noise * np.random.default_rng(1).normal(size=(touched.sum(), 2))
        learnt.append(learn([(model, target)], l2=1e-3, start=model.start))
    assert learnt[0].weights.tobytes() == learnt[1].weights.tobytes()
    assert not np.array_equal(learnt[0].weights, model.start)


def test_few_children_teach_the_rest():
    detections, links = wandering()
    made = prepared(detections, COLOURED)
    rows = [0, 1, 2, 3, 4, 5, 20, 21, 22]
    target = target_from_pins(made, resolve_pins(pin_table(children_pins(detections, links, rows)), detections))
    model = linear_model(made, COLOURED)
    learnt = learn([(model, target)], l2=1e-3, start=model.start)
    whole, _ = target_from_truth(made, truth_of(detections, links))
    wrong = [
        int((solve(model.problem(weights), ONE).values != whole.values)[whole.decided].sum())
        for weights in (model.start, learnt.weights)
    ]
    assert wrong[1] < 0.2 * wrong[0]


def test_what_is_left_open_is_filled_in_over_rounds():
    """Links known to be false leave open what is true: rounds go on while the objective falls."""
    detections, links = wandering()
    made = prepared(detections, COLOURED)
    key = list(zip(detections.frame.tolist(), detections.label.tolist(), strict=True))
    true = set(links)
    false = [(int(u), int(v)) for u, v in made.graph.links if (int(u), int(v)) not in true][::3]
    pins = pin_table([PinRow("link", (key[u], key[v]), False) for u, v in false])
    target = target_from_pins(made, resolve_pins(pins, detections))
    model = linear_model(made, COLOURED)
    assert not make_example(model, target).complete
    learnt = learn([(model, target)], l2=1e-2, start=model.start)
    assert learnt.history[-1].round > 1
    assert (np.diff([step.primal for step in learnt.history]) <= 1e-12).all()


def test_nothing_to_learn_from():
    model, target = coloured()
    nothing = Target(np.zeros_like(target.values), np.zeros_like(target.decided), target.spans)
    with pytest.raises(InputError, match="nothing is decided in the target: there is nothing to learn from"):
        learn([(model, nothing)], l2=1.0, start=model.start)
    with pytest.raises(InputError, match="l2 must be a positive number, found 0"):
        learn([(model, target)], l2=0.0, start=model.start)


def test_the_quadratic_program():
    """min 1/2 (w - 1)^2 + max(0, 3 - w) + max(0, w - 5), w <= 1.5: the first plane pulls to 2, the bound stops it."""
    bundle = Bundle(1.0, np.array([1.0]), np.array([-np.inf]), np.array([1.5]), 2)
    bundle.add(np.array([3.0, -5.0]), np.array([[-1.0], [1.0]]), np.array([0, 1]))
    weights, bound = bundle.lowest()
    assert weights == pytest.approx([1.5])
    assert bound == pytest.approx(0.125 + 1.5, abs=1e-8)
    assert bound <= 0.125 + 1.5 + 1e-12
