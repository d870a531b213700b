"""What is measured on simulated movies, what it is good for, and movies on which there is little to measure."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from auto_movies import config_of, detections, right_links, track, write, write_simulated

from tracker.auto.fit import measure_movie
from tracker.candidates import build_candidates
from tracker.config import make_config
from tracker.config_text import write_config
from tracker.detections import Detections
from tracker.evaluate import evaluate
from tracker.pins import read_pins
from tracker.simulate import SimulatedMovie, SimulationSettings, simulate
from tracker.truth import read_truth

WALK = {
    "n_frames": 20, "n_cells": 30, "shape": (300, 300), "persistence": 0.0, "speed_px": 2.0, "push_rounds": 0,
    "cycle_frames": 25.0, "blink_probability": 0.0,
}  # fmt: skip
GRID = np.stack(np.meshgrid(np.arange(5) * 20.0, np.arange(5) * 20.0), axis=-1).reshape(-1, 2)
FLAT = {"plane": {}, "volume": {"shape": (30, 200, 200)}}


@pytest.fixture(scope="module", params=FLAT)
def simulated(request, tmp_path_factory):
    """A movie in two or three dimensions, its table of points, and what auto makes of it."""
    movie = simulate(SimulationSettings(**{**WALK, **FLAT[request.param]}), seed=2)
    path = write_simulated(tmp_path_factory.mktemp("movie"), movie)
    return movie, path, *track(config_of(path))


def walk(n_frames: int, places: np.ndarray, step: float = 1.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [*np.cumsum(np.concatenate([places[None], rng.normal(0, step, (n_frames - 1, *places.shape))]), axis=0)]


def followed(count: int, n_frames: int) -> np.ndarray:
    """Parents by row of cells that keep their places in the table."""
    return np.concatenate([np.full(count, -1), np.arange(count * (n_frames - 1))])


def named(lineage, place=None):
    """Links as pairs of (frame, place), in whatever order the rows are."""
    found = lineage.detections
    place = found.position if place is None else place
    key = [(int(frame), *np.round(own, 6).tolist()) for frame, own in zip(found.frame, place, strict=True)]
    return {(key[parent], key[child]) for parent, child in lineage.links.tolist()}


def test_numbers_lie_near_the_truth(simulated):
    """Steps look a little smaller than they are, since each takes part in the motion that is taken off."""
    movie, _, made, _ = simulated
    numbers = made.movie.numbers
    children = np.bincount(movie.links[:, 0], minlength=len(movie))
    goes_on = movie.nuclei.frame < movie.settings.n_frames - 1
    comes = movie.nuclei.frame > 0
    assert numbers.step_scale == pytest.approx(2.0, rel=0.15)
    assert numbers.step_tail >= 5  # normal steps
    assert numbers.division_rate == pytest.approx((children[goes_on] == 2).mean(), rel=0.5)
    # 300 pseudo observations of 0.005 beside the movie's own
    assert numbers.appear_rate == pytest.approx(((movie.parent < 0) & comes).sum() / comes.sum(), abs=0.005)
    assert numbers.disappear_rate == pytest.approx(((children == 0) & goes_on).sum() / goes_on.sum(), abs=0.005)
    size = numbers.properties["size"]  # children begin with half the volume, and grow to twice that in 25 frames
    assert abs(size.division_shift) < 0.1
    assert size.link_spread < 0.1 < size.spread
    assert numbers.edge_px == 0.0


def test_fewer_errors_than_the_attrackt_preset(simulated):
    movie, path, _, lineage = simulated
    truth = read_truth(path)
    _, other = track(config_of(path, costs={"preset": "attrackt"}))
    own = evaluate(lineage, truth).AOGM
    assert own < evaluate(other, truth).AOGM
    assert own <= 0.01 * len(movie)


def test_frozen_numbers_give_the_lineage_of_the_measured_run(simulated, tmp_path):
    _, path, made, lineage = simulated
    frozen = config_of(path, costs={"measured": made.movie.numbers.model_dump()})
    write_config(frozen, tmp_path / "frozen.toml", title="frozen")
    content = tomllib.loads((tmp_path / "frozen.toml").read_text())
    again, same = track(make_config(content, folder=tmp_path))
    assert again.movie.numbers == made.movie.numbers
    np.testing.assert_array_equal(again.movie.flow, made.movie.flow)
    np.testing.assert_array_equal(same.links, lineage.links)


def test_two_runs_agree_bit_for_bit(simulated):
    _, path, made, lineage = simulated
    again, same = track(config_of(path))
    assert again.movie.numbers == made.movie.numbers
    np.testing.assert_array_equal(again.movie.flow, made.movie.flow)
    np.testing.assert_array_equal(again.problem.cost, made.problem.cost)
    np.testing.assert_array_equal(same.links, lineage.links)


def test_the_unit_changes_nothing(simulated, tmp_path):
    _, path, made, lineage = simulated
    ndim = made.graph.detections.ndim
    other, same = track(config_of(path, data={"scale": [10.0] * ndim}))
    np.testing.assert_allclose(other.problem.cost, made.problem.cost, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(same.links, lineage.links)
    assert other.movie.numbers.step_scale == pytest.approx(10 * made.movie.numbers.step_scale, rel=1e-4)
    assert other.movie.numbers.edge_px == made.movie.numbers.edge_px


def edge_movie(factor: float) -> Detections:
    border = np.concatenate([place.min(axis=1) for place in walk(6, GRID)])
    return detections(
        *[factor * place for place in walk(6, GRID)],
        scale=np.full(2, factor), properties={"border_distance_px": border},
    )  # fmt: skip


def test_the_edge_reaches_as_many_pixels_in_any_unit():
    reach = [measure_movie(edge_movie(factor), propose_of(factor)).numbers.edge_px for factor in (1.0, 10.0)]
    assert reach[0] == pytest.approx(reach[1], rel=1e-5)
    assert reach[0] == pytest.approx(5.0, rel=0.3)  # five steps of 1


def propose_of(factor: float):
    return lambda flow: build_candidates(edge_movie(factor), flow=flow)


@pytest.mark.parametrize("change", ["labels", "axes", "origin"])
def test_what_must_not_matter(simulated, tmp_path, change):
    """Rows in another order within each frame, x for y, and places counted from elsewhere."""
    _, _, made, lineage = simulated
    found = made.graph.detections
    radius, place = found.properties["radius"], found.position
    row = np.arange(len(found))
    if change == "labels":
        row = np.lexsort((np.random.default_rng(0).random(len(found)), found.frame))
    elif change == "axes":
        place = place[:, ::-1]
    else:
        place = place + 512.0
    moved = replace(found, position=place[row], properties={"radius": radius[row]})
    again, other = track(config_of(write(tmp_path, moved)))
    assert named(other, found.position[row]) == named(lineage)
    assert again.movie.numbers.step_scale == pytest.approx(made.movie.numbers.step_scale, rel=1e-3)


def test_pins_change_no_cost(simulated, tmp_path):
    """A link that auto did not choose is pinned: the lineage moves, the prices and the numbers do not."""
    _, path, made, lineage = simulated
    found, links = made.graph.detections, made.graph.links
    own = {tuple(pair) for pair in lineage.links.tolist()}
    parent, child = next(pair for pair in links.tolist() if tuple(pair) not in own)
    text = f"kind,t,label,t2,label2,value\nlink,{found.frame[parent]},{found.label[parent]},"
    (tmp_path / "pins.csv").write_text(text + f"{found.frame[child]},{found.label[child]},true\n")
    assert len(read_pins([tmp_path / "pins.csv"])) == 1
    pinned, _ = track(config_of(path, annotations={"pins": [str(tmp_path / "pins.csv")]}))
    assert pinned.movie.numbers == made.movie.numbers
    np.testing.assert_array_equal(pinned.problem.cost, made.problem.cost)


def test_the_split_model_finds_most_divisions(tmp_path):
    """It knows no pairs, so it cannot do as well as the pair model, which finds them all."""
    movie = simulate(SimulationSettings(**{**WALK, **FLAT["volume"]}), seed=2)
    path = write_simulated(tmp_path, movie)
    truth, scores = read_truth(path), {}
    for divisions in ("split", "pair"):
        _, lineage = track(config_of(path, candidates={"divisions": divisions}))
        scores[divisions] = evaluate(lineage, truth).division_f1
    assert scores["split"] > 0.65
    assert scores["pair"] > 0.95


def test_frame_gaps_are_priced_by_how_often_cells_are_missed(tmp_path):
    movie = simulate(SimulationSettings(**{**WALK, "blink_probability": 0.05}), seed=1)
    path = write_simulated(tmp_path, movie)
    made, lineage = track(config_of(path, candidates={"max_frame_gap": 2}))
    missed = len(movie.missed) / (len(movie.missed) + len(movie.links))
    assert missed / 2 < made.movie.numbers.missed_rate < 2 * missed
    assert right_links(lineage, movie.parent) > 0.98
    shut, _ = track(config_of(path))
    assert shut.movie.numbers.missed_rate == 0.01  # what cannot be seen keeps its prior


def test_what_no_candidate_allows_keeps_its_prior(tmp_path):
    path = write(tmp_path, detections(*walk(5, GRID)))
    none, _ = track(config_of(path, candidates={"divisions": "none"}))
    pair, _ = track(config_of(path))
    assert none.movie.numbers.division_rate == 0.01
    assert pair.movie.numbers.division_rate == pytest.approx(0.01 * 100 / (100 + 100))  # none among 4 x 25 parents


def test_false_positives_are_dropped_where_detections_have_a_cost(tmp_path):
    """25 cells and 3 wrong points per frame, anywhere: with detection = 1 a lone point costs that and both its ends."""
    cells, rng = walk(8, GRID), np.random.default_rng(5)
    wrong = [np.concatenate([place, rng.random((3, 2)) * 80]) for place in cells]
    made, lineage = track(config_of(write(tmp_path, detections(*wrong)), costs={"detection": 1.0}))
    real = np.tile(np.arange(28) < 25, 8)
    assert lineage.selected[real].mean() > 0.97
    assert lineage.selected[~real].mean() < 0.3
    # What was dropped neither appeared nor disappeared.
    assert made.movie.numbers.appear_rate < 0.02


def test_masks_and_points_are_measured_alike(tmp_path):
    """The same places and areas: once with what masks know besides, once without."""
    frames, rng = walk(6, GRID), np.random.default_rng(3)
    area = np.tile(rng.uniform(50, 90, 25), 6) * rng.uniform(0.97, 1.03, 150)
    points, _ = track(config_of(write(tmp_path, detections(*frames, properties={"radius": np.sqrt(area)}))))
    masks = detections(*frames, properties={"area_px": area, "border_distance_px": np.full(150, 1e6)})
    numbers = measure_movie(masks, lambda flow: build_candidates(masks, flow=flow)).numbers
    own = points.movie.numbers
    assert numbers.model_copy(update={"edge_px": 0.0, "properties": {}}) == own.model_copy(update={"properties": {}})
    assert numbers.properties["size"].mean == pytest.approx(own.properties["size"].mean, rel=1e-5)


@pytest.mark.parametrize("n_cells", [1, 2, 3, 25])
def test_few_cells(tmp_path, n_cells):
    """Nobody is near, so a step is as long as it likes."""
    places = GRID[:n_cells] * 100
    path = write(tmp_path, detections(*walk(20, places, step=30.0)))
    _, lineage = track(config_of(path))
    assert right_links(lineage, followed(n_cells, 20)) == 1.0


def test_nothing_moves(tmp_path):
    _, lineage = track(config_of(write(tmp_path, detections(*[GRID] * 6))))
    assert right_links(lineage, followed(25, 6)) == 1.0


def test_everything_moves_alike(tmp_path):
    _, lineage = track(config_of(write(tmp_path, detections(*[GRID + np.array([3.1, 1.7]) * t for t in range(6)]))))
    assert right_links(lineage, followed(25, 6)) == 1.0


def test_most_stay_and_some_move(tmp_path):
    """One in five moves by whole pixels: the scale is that of the cells that move, not 0."""
    rng, frames = np.random.default_rng(0), [GRID]
    for _ in range(9):
        moves = rng.random((25, 1)) < 0.2
        frames.append(frames[-1] + moves * rng.integers(-1, 2, (25, 2)))
    made, lineage = track(config_of(write(tmp_path, detections(*frames))))
    assert 0.3 < made.movie.numbers.step_scale < 2
    assert right_links(lineage, followed(25, 10)) == 1.0


def test_an_empty_frame_is_nobodys_end(tmp_path):
    """All cells are new after it, which says nothing about how often cells appear."""
    frames = walk(7, GRID)
    frames[3] = np.empty((0, 2))
    made, lineage = track(config_of(write(tmp_path, detections(*frames))))
    assert made.movie.numbers.appear_rate == pytest.approx(0.005 * 300 / (300 + 4 * 25), rel=1e-5)
    assert len(lineage.links) == 4 * 25
    _, bridged = track(config_of(tmp_path / "points.csv", candidates={"max_frame_gap": 2}))
    assert len(bridged.links) == 5 * 25


@pytest.mark.parametrize(
    "found",
    [
        detections([], []), detections([[1, 2]]), detections([[1, 2]], [[3, 4]]), detections([], [[1, 2]], []),
        detections([[1, 2]] * 3, [[1, 2]] * 3, [[1, 2]] * 2), detections([], [], properties={"area_px": []}),
        detections([[1, 2, 3]] * 2, [[1, 2, 3]] * 3, properties={"area_px": [4.0] * 5}),
        detections([[1, 2], [5, 5]], [[1, 2], [5, 6]], properties={"area_px": [4, 4, 4, np.nan]}),
    ],
    ids=["none", "one frame", "one pair", "alone", "one place", "none with areas", "constant areas", "NaN"],
)  # fmt: skip
def test_next_to_nothing_to_measure(found):
    model = measure_movie(found, lambda flow: build_candidates(found, flow=flow))
    assert model.flow.shape == found.position.shape
    assert np.isfinite(model.flow).all()
    assert model.numbers.properties == {}
    assert model.numbers.step_scale > 0
    assert model.n_links in range(6)
    assert measure_movie(found, lambda flow: build_candidates(found, flow=flow), numbers=model.numbers).n_links is None


def test_a_movie_without_divisions_has_none(tmp_path):
    movie: SimulatedMovie = simulate(SimulationSettings(**{**WALK, "cycle_frames": np.inf}), seed=1)
    made, lineage = track(config_of(write_simulated(tmp_path, movie)))
    assert len(lineage.divisions) == 0
    assert made.movie.numbers.separation == 0.42  # the prior
    assert made.movie.numbers.division_rate < 0.003
