"""The surprise of candidates: by hand, as densities, and what it must not depend on."""

import math

import numpy as np
import pytest
from auto_movies import detections
from scipy.stats import f as fisher
from scipy.stats import multivariate_t, qmc
from scipy.stats import t as student

from tracker.auto.density import log_sphere
from tracker.auto.model import PROPERTY_WEIGHT, MovieModel, Surprise, outlier_share
from tracker.config_measured import Measured, MeasuredProperty

SIZE = MeasuredProperty(
    mean=4.0, spread=0.6, unit=1.0, link_spread=0.1, division_shift=-0.1, division_spread=0.3, balance_spread=0.2
)
BASE = {
    "step_scale": 2.0, "step_tail": 3.0, "midpoint_steps": 1.5, "separation": 0.4, "separation_spread": 0.3,
    "division_rate": 0.02, "appear_rate": 0.01, "disappear_rate": 0.03, "edge_appear_rate": 0.2,
    "edge_disappear_rate": 0.3, "edge_px": 10.0, "missed_rate": 0.05, "link_outliers": 0.1, "division_outliers": 0.2,
}  # fmt: skip


def numbers(*, size: bool = False, **changed: float) -> Measured:
    return Measured(**{**BASE, **changed}, properties={"size": SIZE} if size else {})


def family(axes: int, *, areas: bool = True):
    """Two parents 10 apart, two children near the first, in two frames; areas and edge distances."""
    still = [0.0] * (axes - 2)
    frames = [[[*still, 0, 0], [*still, 0, 10]], [[*still, 4, 1], [*still, 2, 12]], [[*still, -3, 2], [*still, 9, 9]]]
    columns = {"border_distance_px": [5.0, 50.0, 9.9, 50.0, 50.0, 10.0]}
    if areas:
        columns["area_px"] = [100.0, 90.0, 50.0, 95.0, 60.0, 70.0]
    return detections(*frames, properties=columns)


def t_log(value: float, spread: float, tail: float = 4.0) -> float:
    return student(tail, scale=spread).logpdf(value)


def t_density(place: np.ndarray, scale: float, tail: float) -> float:
    return multivariate_t(np.zeros(len(place)), scale**2 * np.eye(len(place)), df=tail).logpdf(place)


def bounded(evidence: float, outliers: float) -> float:
    return PROPERTY_WEIGHT * math.log((1 - outliers) * math.exp(evidence) + outliers)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("size", [False, True])
def test_links_by_hand(axes, size):
    """Of one frame from the edge, and of two frames from the inside; the motion goes on over the gap."""
    found = family(axes)
    surprise, flow = Surprise(found), np.full(found.position.shape, 0.5)
    got = surprise.links(np.array([[0, 2], [1, 5]]), MovieModel(numbers(size=size), flow))
    area = found.properties["area_px"]
    for cost, (parent, child), gap, leaving in zip(got, [(0, 2), (1, 5)], (1, 2), (0.3, 0.03), strict=True):
        step = found.position[child] - found.position[parent] - gap * 0.5
        likely = math.log(1 - 0.02 - leaving) + t_density(step, 2.0 * math.sqrt(gap), 3.0)
        likely += -surprise.log_crowd[child] + (gap - 1) * math.log(0.05)
        if size:
            evidence = t_log(math.log(area[child] / area[parent]), 0.1) - t_log(math.log(area[child]) - 4.0, 0.6)
            likely += bounded(evidence, 0.1)
        assert cost == pytest.approx(-likely, rel=1e-12)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("size", [False, True])
def test_divisions_by_hand(axes, size):
    """One child a frame later, its sister two frames later."""
    found = family(axes)
    surprise, flow = Surprise(found), np.full(found.position.shape, 0.5)
    links, pairs = np.array([[0, 2], [0, 4]]), np.array([[0, 1]])
    (got,) = surprise.divisions(links, pairs, MovieModel(numbers(size=size), flow))
    one = found.position[2] - found.position[0] - 0.5
    other = found.position[4] - found.position[0] - 2 * 0.5
    half, area = np.linalg.norm(one - other) / 2, found.properties["area_px"]
    likely = math.log(0.02) + t_density((one + other) / 2, 1.5 * 2.0 * math.sqrt(1.5), 4.0)
    likely += t_log(math.log(half / 10 / 0.4), 0.3, 5.0)  # per unit of log half
    likely -= log_sphere(axes) + axes * math.log(half)  # per unit of space
    likely -= (axes - 1) * math.log(2)  # of both children, in no order
    likely += 2 * math.log(0.05)  # missed in its first frame
    likely -= surprise.log_crowd[2] + surprise.log_crowd[4]
    if size:
        evidence = t_log(math.log((area[2] + area[4]) / area[0]) + 0.1, 0.3) + t_log(math.log(area[2] / area[4]), 0.2)
        evidence -= sum(t_log(math.log(area[child]) - 4.0, 0.6) for child in (2, 4))
        likely += bounded(evidence, 0.2)
    assert got == pytest.approx(-likely, rel=1e-12)


def test_frames_in_which_nothing_was_detected_are_not_missed():
    """Over an empty frame a link is as dear as its longer step; over one that holds the other cell, a miss more."""
    empty = detections([[0, 0], [0, 9]], [], [[1, 0], [1, 9]])
    seen = detections([[0, 0], [0, 9]], [[0, 9]], [[1, 0], [1, 9]])
    costs = [
        Surprise(found).links(np.array([[0, len(found) - 2]]), MovieModel(numbers(), np.zeros((len(found), 2))))
        for found in (empty, seen)
    ]
    assert (costs[1] - costs[0])[0] == pytest.approx(-math.log(0.05))


@pytest.mark.parametrize("axes", [2, 3])
def test_links_are_a_density_over_the_child(axes):
    """Along a ray, times the surface of the sphere: it integrates to the chance to go on."""
    radius = np.geomspace(1e-3, 1e5, 4000)
    places = np.zeros((len(radius), axes))
    places[:, -1] = radius
    found = detections(np.zeros((1, axes)), places)
    surprise, links = Surprise(found), np.column_stack([np.zeros(4000, int), np.arange(4000) + 1])
    costs = surprise.links(links, MovieModel(numbers(), np.zeros_like(found.position)))
    density = np.exp(-costs + surprise.log_crowd[1:])
    total = np.trapezoid(density * np.exp(log_sphere(axes)) * radius**axes, np.log(radius))
    assert total == pytest.approx(1 - 0.02 - 0.03, rel=1e-3)


@pytest.mark.parametrize("axes", [2, 3])
def test_divisions_are_a_density_over_both_children_in_no_order(axes):
    """Integrated over the places of both children where the midpoint is within 6 and half the distance in 2 to 8.

    Both orders of the children are the same division, so the integral is twice the probability of that region.
    """
    draws = (qmc.Sobol(2 * axes, seed=0).random_base2(17) * 2 - 1) * 14
    first, second = draws[:, :axes], draws[:, axes:]
    half = np.linalg.norm(first - second, axis=1) / 2
    inside = (np.linalg.norm(first + second, axis=1) < 12) & (half > 2) & (half < 8)
    count, away = int(inside.sum()), np.eye(axes)[-1] * 10
    found = detections([np.zeros(axes), away], np.stack([first[inside], second[inside]], axis=1).reshape(-1, axes))
    surprise, links = Surprise(found), np.column_stack([np.zeros(2 * count, int), np.arange(2 * count) + 2])
    pairs = np.arange(2 * count).reshape(-1, 2)
    costs = surprise.divisions(links, pairs, MovieModel(numbers(), np.zeros_like(found.position)))
    chance = surprise.log_crowd[2:].reshape(-1, 2).sum(axis=1)
    integral = np.exp(-costs + chance).sum() / len(draws) * 28.0 ** (2 * axes)
    midpoint = fisher(axes, 4).cdf(6**2 / (axes * (1.5 * 2.0) ** 2))
    separation = np.diff(student(5).cdf(np.log(np.array([2, 8]) / 10 / 0.4) / 0.3))[0]
    assert integral == pytest.approx(2 * 0.02 * midpoint * separation, rel=0.03)


def test_children_in_one_place_are_not_infinitely_unlikely():
    found = detections([[0, 0], [0, 9]], [[1, 1], [1, 1]])
    costs = Surprise(found).divisions(
        np.array([[0, 2], [0, 3]]), np.array([[0, 1]]), MovieModel(numbers(), np.zeros((4, 2)))
    )
    assert np.isfinite(costs).all()


def test_the_order_of_the_children_is_nothing():
    found, links = family(2), np.array([[0, 2], [0, 3]])
    model = MovieModel(numbers(size=True), np.zeros((6, 2)))
    costs = Surprise(found).divisions(links, np.array([[0, 1], [1, 0]]), model)
    assert costs[0] == pytest.approx(costs[1], rel=1e-12)


@pytest.mark.parametrize(("factor", "shift"), [(10.0, 0.0), (0.01, 0.0), (1.0, 1000.0)])
@pytest.mark.parametrize("axes", [2, 3])
def test_neither_unit_nor_origin_matters(axes, factor, shift):
    found, rng = family(axes), np.random.default_rng(0)
    flow = rng.normal(size=found.position.shape)
    links, pairs = np.array([[0, 2], [0, 4], [1, 3]]), np.array([[0, 1]])
    own = Surprise(found), MovieModel(numbers(size=True), flow)
    places = np.split(found.position * factor + shift, [2, 4])
    moved = detections(*places, scale=np.full(axes, factor), properties=dict(found.properties))
    other = Surprise(moved), MovieModel(numbers(size=True, step_scale=2.0 * factor), flow * factor)
    np.testing.assert_allclose(other[0].links(links, other[1]), own[0].links(links, own[1]), rtol=1e-9)
    np.testing.assert_allclose(
        other[0].divisions(links, pairs, other[1]), own[0].divisions(links, pairs, own[1]), rtol=1e-9
    )
    assert other[0].splitting(other[1].numbers) == pytest.approx(own[0].splitting(own[1].numbers))


def test_wrong_properties_cost_a_bounded_amount():
    """A million times the area: 0.7 log(1 / 0.1) more than without sizes, and no more."""
    found = detections([[0, 0], [0, 9]], [[1, 0], [1, 9]], properties={"area_px": [50, 50, 50e6, 55]})
    links, flow = np.array([[0, 2], [1, 3]]), np.zeros((4, 2))
    plain = Surprise(found).links(links, MovieModel(numbers(), flow))
    sized = Surprise(found).links(links, MovieModel(numbers(size=True), flow))
    assert (sized - plain)[0] == pytest.approx(-PROPERTY_WEIGHT * math.log(0.1), rel=0.05)
    assert (sized - plain)[1] < 0  # the right size speaks for the link


def test_outlier_share_is_a_probability():
    share = outlier_share(np.array([-1000.0, 0.0, 1000.0]), 0.2)
    np.testing.assert_allclose(share, [1.0, 0.2, 0.0], atol=1e-12)


def test_at_edge_and_ends_by_hand():
    """The edge reaches 10 pixels: 5 and 9.9 lie in it, 10 does not."""
    surprise = Surprise(family(2))
    np.testing.assert_array_equal(surprise.at_edge(numbers()), [True, False, True, False, False, False])
    appear, disappear = surprise.ends(numbers())
    np.testing.assert_allclose(appear, -np.log([0.2, 0.01, 0.2, 0.01, 0.01, 0.01]))
    np.testing.assert_allclose(disappear, -np.log([0.3, 0.03, 0.3, 0.03, 0.03, 0.03]))


def test_without_an_image_nothing_lies_at_the_edge():
    surprise = Surprise(detections([[0, 0], [0, 1]]))
    assert not surprise.at_edge(numbers(edge_px=1e9)).any()


def test_splitting_is_a_typical_division_less_its_links():
    """Children `separation` away on either side of a midpoint that is a typical way off; crowding alike everywhere."""
    ring = [[10 * np.cos(a), 10 * np.sin(a)] for a in np.arange(6) * np.pi / 3]
    found = detections([[0, 0], *ring], [[0, -4], [0, 4], *ring])
    surprise, links = Surprise(found), np.array([[0, 7], [0, 8]])
    surprise.log_crowd[:] = np.median(surprise.log_crowd)
    surprise.nearest[:] = 10.0
    # A typical midpoint is off by its scale, 3, along each axis.
    own = surprise.divisions(links, np.array([[0, 1]]), MovieModel(numbers(), np.zeros((15, 2))))[0]
    own -= multivariate_t(np.zeros(2), 9 * np.eye(2), df=4).logpdf([3, 3])
    own += multivariate_t(np.zeros(2), 9 * np.eye(2), df=4).logpdf([0, 0])
    links_cost = surprise.links(links, MovieModel(numbers(), np.zeros((15, 2)))).sum()
    assert surprise.splitting(numbers()) == pytest.approx(own - links_cost, rel=1e-9)


def test_splitting_without_detections_is_finite():
    assert math.isfinite(Surprise(detections([], [])).splitting(numbers()))


def test_properties_that_the_movie_lacks_are_left_out():
    found = family(2, areas=False)
    links, flow = np.array([[0, 2]]), np.zeros((6, 2))
    with_sizes, without = (Surprise(found).links(links, MovieModel(numbers(size=own), flow)) for own in (True, False))
    np.testing.assert_array_equal(with_sizes, without)


def test_a_frozen_unit_goes_before_the_movies_own():
    """Intensities 0, 8 and 3, 20 less their medians, in steps of 2."""
    found = detections([[0, 0], [0, 9]], [[0, 0], [0, 9]], properties={"intensity_mean": [0.0, 8.0, 3.0, 20.0]})
    frozen = Measured(**BASE, properties={"intensity": SIZE.model_copy(update={"unit": 2.0})})
    ((number, values, adds_up),) = Surprise(found).channels(frozen)
    assert (number.unit, adds_up) == (2.0, False)
    np.testing.assert_allclose(np.sinh(values), [-2.0, 2.0, -4.25, 4.25])
