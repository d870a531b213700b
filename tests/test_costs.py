"""The cost model against a slow transcription of its formula, and what problem comes of it."""

import math
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from cost_cases import context_of, movie

from tracker.config import CostSettings, Term
from tracker.costs import price, resolve_terms, to_problem
from tracker.detections import Detections
from tracker.errors import ConfigError, FeatureError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve

ATTRACKT = CostSettings(preset="attrackt")


def z_scores(values):
    """(x - mean) / std with the population std, written out."""
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return [(value - mean) / std for value in values]


@pytest.mark.parametrize("association", [False, True])
def test_attrackt_is_the_published_formula(association):
    """c_uv = z(d) + z(-A); c_uvw = z'(d') + z'(-A'), d' to the midpoint of the children, A' the mean of their scores.

    z over all candidate links, z' over all candidate divisions; appear = disappear = 1, b = 0.
    """
    context = context_of(association=association)
    graph, place = context.graph, context.graph.detections.position
    links = [tuple(link) for link in graph.links.tolist()]
    score = dict.fromkeys(links, 0.0)
    if association:
        score = dict(zip(links, context.association.tolist(), strict=True))
    divisions = [(u, v, w) for (u, v), (m, w) in combinations(links, 2) if u == m]
    link_cost = z_scores([math.dist(place[u], place[v]) for u, v in links])
    division_cost = z_scores([math.dist(place[u], (place[v] + place[w]) / 2) for u, v, w in divisions])
    if association:
        link_cost = np.add(link_cost, z_scores([-score[link] for link in links]))
        pairs = z_scores([-(score[u, v] + score[u, w]) / 2 for u, v, w in divisions])
        division_cost = np.add(division_cost, pairs)

    costs = price(context, ATTRACKT, divisions="pair")
    assert graph.divisions.tolist() == [list(division) for division in divisions]
    np.testing.assert_allclose(costs.link, link_cost, atol=1e-12)
    np.testing.assert_allclose(costs.division, division_cost, atol=1e-12)
    step = graph.detections.frame
    assert costs.appear.tolist() == (step > 0).astype(float).tolist()
    assert costs.disappear.tolist() == (step < 3).astype(float).tolist()
    assert not costs.detection.any()
    assert costs.split is None
    assert set(costs.columns) == set(costs.statistics)
    assert set(costs.columns) == {
        (family, name)
        for family in ("link", "division")
        for name in (["distance", "association"] if association else ["distance"])
    }


def test_terms_add_to_the_preset():
    context = context_of()
    extra = (
        Term(on="link", feature="area_ratio", weight=-2.5),
        Term(on="link", feature="constant", weight=0.5),
        Term(on="division", feature="area_ratio", weight=3.0, standardise="zscore"),
        Term(on="detection", feature="area_px", weight=0.25),
    )
    plain = price(context, ATTRACKT, divisions="pair")
    costs = price(
        context, CostSettings(preset="attrackt", terms=extra, division=0.75, detection=-4.0), divisions="pair"
    )
    area = context.graph.detections.properties["area_px"]
    pairs = area[context.graph.links]
    ratio = pairs.min(axis=1) / pairs.max(axis=1)
    np.testing.assert_allclose(costs.link - plain.link, -2.5 * ratio + 0.5)
    np.testing.assert_allclose(
        costs.division - plain.division,
        0.75 + 3.0 * np.array(z_scores(costs.columns["division", "area_ratio"].tolist())),
        atol=1e-12,
    )
    np.testing.assert_allclose(costs.detection, 0.25 * area - 4.0)


def test_one_feature_may_have_two_terms():
    """Plain and z-scored; the statistics are those of the candidates' column."""
    context = context_of()
    terms = (
        Term(on="link", feature="distance", weight=2.0, standardise="zscore"),
        Term(on="link", feature="distance", weight=0.5),
    )
    costs = price(context, CostSettings(preset="none", terms=terms), divisions="none")
    distance = costs.columns["link", "distance"]
    np.testing.assert_allclose(costs.link, 2 * np.array(z_scores(distance.tolist())) + distance / 2)
    measured = costs.statistics["link", "distance"]
    assert (measured.mean, measured.std) == (distance.mean(), distance.std())


def test_a_constant_column_costs_nothing_when_standardised():
    """One cell that moves by 0.1 px along y in every frame, up to rounding."""
    place = np.column_stack([0.1 * np.arange(3), np.zeros(3)])
    detections = Detections(np.arange(3), np.ones(3, np.int64), place, np.arange(3), np.ones(2))
    costs = price(context_of(detections), ATTRACKT, divisions="pair")
    assert costs.link.tolist() == [0.0, 0.0]


def test_preset_none_is_free():
    costs = price(context_of(), CostSettings(preset="none"), divisions="pair")
    assert not costs.link.any()
    assert not costs.division.any()
    assert costs.columns == {}


def test_division_without_terms_costs_its_links_and_the_constant():
    context = context_of()
    terms = (Term(on="link", feature="distance", weight=2.0), Term(on="link", feature="constant", weight=-9.0))
    costs = price(context, CostSettings(preset="none", terms=terms, division=1.5), divisions="pair")
    graph = context.graph
    cost = dict(zip(map(tuple, graph.links.tolist()), costs.link.tolist(), strict=True))
    wanted = [cost[u, v] + cost[u, w] + 1.5 for u, v, w in graph.divisions.tolist()]
    np.testing.assert_allclose(costs.division, wanted)
    with_term = (*terms, Term(on="division", feature="constant", weight=4.0))
    costs = price(context, CostSettings(preset="none", terms=with_term, division=1.5), divisions="pair")
    assert set(costs.division.tolist()) == {5.5}  # a term on divisions stands in place of the links


def test_split_and_none():
    context = context_of(divisions=False)
    costs = price(context, CostSettings(preset="attrackt", division=1.5), divisions="split")
    assert (costs.split, len(costs.division)) == (1.5, 0)
    assert ("division", "distance") not in costs.columns
    assert price(context, CostSettings(preset="attrackt", division=1.5), divisions="none").split is None


@pytest.mark.parametrize("divisions", ["split", "none"])
def test_terms_on_divisions_need_pairs(divisions):
    terms = (Term(on="division", feature="distance"), Term(on="link", feature="distance"))
    message = (
        'costs.terms on divisions (distance) need candidates.divisions = "pair"; '
        'with "split" a division costs its two links plus costs.division'
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        price(context_of(divisions=False), CostSettings(preset="none", terms=terms), divisions=divisions)


def test_terms_of_the_preset():
    """Each as (on, feature, weight): distance, and with associations their score, on what there is."""

    def listed(preset="attrackt", **given):
        terms = resolve_terms(CostSettings(preset=preset, terms=(Term(on="link", feature="constant"),)), **given)
        assert all(term.standardise == "zscore" for term in terms[:-1])
        return [(term.on, term.feature, term.weight) for term in terms]

    own = [("link", "constant", 1.0)]
    distance = [("link", "distance", 1.0), ("division", "distance", 1.0)]
    score = [("link", "association", -1.0), ("division", "association", -1.0)]
    assert listed(has_association=False, has_pairs=True) == distance + own
    assert listed(has_association=True, has_pairs=True) == distance + score + own
    assert listed(has_association=True, has_pairs=False) == distance[:1] + score[:1] + own
    assert listed("none", has_association=True, has_pairs=True) == own


def ends(counts, settings, **properties):
    total = sum(counts)
    label = np.concatenate([np.arange(1, count + 1) for count in counts]).astype(np.int64)
    frames = 4 + 2 * np.arange(len(counts))
    columns = {name: np.asarray(column, float) for name, column in properties.items()}
    detections = Detections(
        np.repeat(frames, np.array(counts)),
        label,
        np.arange(2.0 * total).reshape(-1, 2),
        frames,
        np.ones(2),
        properties=columns,
    )
    costs = price(context_of(detections), settings, divisions="none")
    return costs.appear.tolist(), costs.disappear.tolist()


@pytest.mark.parametrize(
    ("counts", "appear", "disappear"),
    [
        ((1, 1, 1), [0, 2, 2], [3, 3, 0]),
        ((1,), [0], [0]),
        ((2, 1), [0, 0, 2], [3, 3, 0]),
        ((1, 0, 1, 1), [0, 0, 2], [0, 3, 0]),
        ((1, 1, 0, 0, 1, 1), [0, 2, 0, 2], [3, 0, 3, 0]),
        ((0, 1, 1, 0), [0, 2], [3, 0]),
        ((0,), [], []),
    ],
)
def test_free_ends(counts, appear, disappear):
    """In the first and last frame, and next to an empty one, whatever its number."""
    assert ends(counts, CostSettings(preset="none", appear=2.0, disappear=3.0)) == (appear, disappear)


def test_border_is_free_closer_than_the_limit():
    settings = CostSettings(preset="none", appear=2.0, disappear=3.0, border_px=5.0)
    appear, disappear = ends([1, 4, 1], settings, border_distance_px=[9, 4.999, 5.0, 0.0, 9, 9])
    assert appear == [0, 0, 2, 0, 2, 2]
    assert disappear == [3, 0, 3, 0, 3, 0]
    never = settings.model_copy(update={"border_px": 0.0})
    assert ends([1, 4, 1], never, border_distance_px=[0] * 6)[0] == [0, 2, 2, 2, 2, 2]


def test_border_needs_the_image():
    message = "costs.border_px needs the extent of the image; give data.images besides the points, or set it to 0"
    with pytest.raises(FeatureError, match=f"^{re.escape(message)}$"):
        ends([1, 1], CostSettings(preset="none", border_px=1.0))


def test_nothing_to_price():
    empty = Detections(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)), np.arange(2), np.ones(2))
    context = context_of(empty)
    costs = price(context, ATTRACKT, divisions="pair")
    assert [len(column) for column in (costs.link, costs.division, costs.detection, costs.appear)] == [0] * 4
    assert to_problem(context.graph, costs, ATTRACKT).layout.n_columns == 0


@pytest.mark.parametrize("divisions", ["pair", "split", "none"])
def test_problem_holds_the_costs(divisions):
    context = context_of(divisions=divisions == "pair")
    settings = CostSettings(preset="attrackt", detection=-0.5, division=0.25)
    costs = price(context, settings, divisions=divisions)
    problem = to_problem(context.graph, costs, settings)
    layout = problem.layout
    assert problem.split == (divisions == "split")
    for family, column in (
        (layout.detection, costs.detection),
        (layout.link, costs.link),
        (layout.division, costs.division),
        (layout.appear, costs.appear),
        (layout.disappear, costs.disappear),
    ):
        assert problem.cost[family].tolist() == column.tolist()
    assert set(problem.cost[layout.splits].tolist()) == ({0.25} if divisions == "split" else set())
    assert set(costs.detection.tolist()) == {-0.5}
    assert not problem.lower.any()
    assert problem.upper.all()
    assert problem.division_links.tolist() == context.graph.division_links.tolist()


def test_keep_selects_every_detection_at_no_cost():
    context = context_of()
    problem = to_problem(context.graph, price(context, ATTRACKT, divisions="pair"), ATTRACKT)
    assert problem.lower[problem.layout.detection].all()
    assert problem.lower.sum() == len(context.graph.detections)
    assert not problem.cost[problem.layout.detection].any()


def optimum(context, settings, divisions):
    graph = context.graph
    if divisions != "pair":
        graph = replace(graph, divisions=graph.divisions[:0], division_links=graph.division_links[:0])
        context = replace(context, graph=graph)
    problem = to_problem(context.graph, price(context, settings, divisions=divisions), settings)
    found = solve(problem, SolverSettings(threads=1))
    dividing = found.values[problem.layout.division].sum() + found.values[problem.layout.splits].sum()
    return found.objective, int(dividing)


@pytest.mark.parametrize("detection", ["keep", 1.0, -1.0])
@pytest.mark.parametrize("constant", [-3.0, 0.0, 2.0])
@pytest.mark.parametrize("gap", [1, 2])
def test_split_is_pair_with_every_pair_at_the_sum_of_its_links(detection, constant, gap):
    terms = (Term(on="link", feature="distance", weight=0.2), Term(on="link", feature="constant", weight=-3.0))
    settings = CostSettings(preset="none", terms=terms, division=constant, detection=detection)
    context = context_of(movie((3, 5, 4, 6)), max_frame_gap=gap)
    pair, split = optimum(context, settings, "pair"), optimum(context, settings, "split")
    assert pair[0] == pytest.approx(split[0], abs=1e-6)
    assert pair[1] == split[1]
    assert (pair[1] > 0) or constant == 2.0
    none = optimum(context, settings, "none")
    assert none[1] == 0
    assert none[0] >= pair[0] - 1e-6
    assert (none[0] > pair[0] + 1e-6) == (pair[1] > 0)
