"""Pins in the solve: candidates they demand, bounds, soft costs, and conflicts traced to their rows."""

from pathlib import Path

import numpy as np
import pytest

from tracker.added_candidates import add_candidates
from tracker.annotations import check_divisions, solve_pinned, with_demanded, with_soft_pins
from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import make_config
from tracker.detections import Detections
from tracker.errors import ConfigError, PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.pin_checks import ResolvedPins, resolve_pins
from tracker.pin_table import PinRow, pin_table
from tracker.pipeline import run
from tracker.prepare import prepare
from tracker.simulate import SimulatedMovie, SimulationSettings, simulate
from tracker.simulate_files import write_movie
from tracker.stopwatch import Stopwatch

HEADER = "kind,t,label,t2,label2,t3,label3,value,note\n"


def detections_at(*frames: tuple[float, ...]) -> Detections:
    """Cells on a line, frame by frame; labels count from 1 in every frame."""
    frame = np.repeat(np.arange(len(frames)), [len(places) for places in frames])
    label = np.concatenate([np.arange(1, len(places) + 1) for places in frames])
    x = np.concatenate(frames)
    return Detections(frame, label, np.column_stack([np.zeros(len(x)), x]), np.arange(len(frames)), np.ones(2))


def graph_of(detections: Detections, **candidates: object) -> CandidateGraph:
    return build_candidates(detections, **candidates)  # type: ignore[arg-type]


def pins_of(detections: Detections, *rows: PinRow) -> ResolvedPins:
    return resolve_pins(pin_table(list(rows), name="pins.csv"), detections)


def problem_of(graph: CandidateGraph, link_cost: float = 1.0, keep: bool = True) -> TrackingProblem:
    return make_problem(
        len(graph.detections), graph.links, graph.divisions, link_cost=np.full(len(graph.links), link_cost),
        division_cost=np.full(len(graph.divisions), 1.5), appear_cost=1.0, disappear_cost=1.0, keep=keep,
    )  # fmt: skip


# ---- candidates


def test_a_pinned_link_becomes_a_candidate_with_its_pairs():
    found = detections_at((0.0, 9.0), (0.0, 9.0, 50.0))
    graph = graph_of(found, neighbors=1, max_distance=10.0)
    assert graph.links.tolist() == [[0, 2], [1, 3]]
    grown = with_demanded(graph, pins_of(found, PinRow("link", ((0, 1), (1, 3)))), pairs=True)
    assert grown.links.tolist() == [[0, 2], [0, 4], [1, 3]]
    assert grown.divisions.tolist() == [[0, 2, 4]]
    assert grown.division_links.tolist() == [[0, 1]]


def test_pins_may_skip_more_frames_than_max_frame_gap():
    found = detections_at((0.0,), (), (), (0.0,))
    grown = with_demanded(graph_of(found), pins_of(found, PinRow("children", ((0, 1), (3, 1)))), pairs=True)
    assert grown.links.tolist() == [[0, 1]]
    assert grown.link_gap_frames.tolist() == [3]


def test_a_pinned_division_brings_its_links_and_nothing_twice():
    found = detections_at((0.0,), (-1.0, 1.0, 80.0))
    graph = graph_of(found, neighbors=1, direction="forward")
    grown = with_demanded(graph, pins_of(found, PinRow("division", ((0, 1), (1, 3), (1, 2)))), pairs=True)
    assert grown.links.tolist() == [[0, 1], [0, 2], [0, 3]]
    assert [0, 2, 3] in grown.divisions.tolist()
    assert len(np.unique(grown.divisions, axis=0)) == len(grown.divisions)


def test_false_pins_demand_nothing_and_known_candidates_stay():
    found = detections_at((0.0, 5.0), (0.0, 5.0))
    graph = graph_of(found, neighbors=1)
    false = PinRow("link", ((0, 1), (1, 2)), value=False)
    grown = with_demanded(graph, pins_of(found, false, PinRow("link", ((0, 1), (1, 1)))), pairs=True)
    assert grown.links.tolist() == graph.links.tolist()


def test_adding_to_an_arbitrary_graph_keeps_order_and_pairs():
    rng = np.random.default_rng(0)
    found = detections_at(*[tuple(rng.random(9) * 100) for _ in range(4)])
    graph = graph_of(found, neighbors=2)
    links = np.array([[0, 17], [3, 30], [10, 35], [0, 10]])
    grown = add_candidates(graph, links, np.array([[2, 12, 11]]), pairs=True)
    keys = [tuple(link) for link in grown.links.tolist()]
    assert keys == sorted(set(keys))
    assert {tuple(link) for link in graph.links.tolist()} <= set(keys)
    assert {(0, 17), (3, 30), (10, 35), (0, 10), (2, 11), (2, 12)} <= set(keys)
    assert (grown.links[grown.division_links][:, :, 1] == grown.divisions[:, 1:]).all()
    assert (grown.divisions[:, 1] < grown.divisions[:, 2]).all()
    divisions = {tuple(division) for division in grown.divisions.tolist()}
    assert {tuple(division) for division in graph.divisions.tolist()} <= divisions
    siblings = [v for u, v in keys if u == 0 and v != 17]
    assert {(0, *sorted((17, v))) for v in siblings} <= divisions


def test_divisions_switched_off():
    found = detections_at((0.0,), (-1.0, 1.0))
    pins = pins_of(found, PinRow("division", ((0, 1), (1, 1), (1, 2))))
    with pytest.raises(ConfigError, match=r'^pins line 1 divides 0:1 .* candidates\.divisions = "none" allows no'):
        check_divisions(
            ResolvedPins(pin_table([pins.table.row(0)]), pins.rows, pins.hard, pins.sources, pins.soft), "none"
        )


# ---- the whole truth pinned


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedMovie, Path]:
    settings = SimulationSettings(
        n_frames=12, shape=(128, 128), n_cells=8, radius_px=6, cycle_frames=9, blink_probability=0.08, speed_px=2.5
    )
    simulated = simulate(settings, seed=4)
    folder = tmp_path_factory.mktemp("annotated") / "movie"
    write_movie(simulated, folder)
    return simulated, folder


def pins_of_truth(simulated: SimulatedMovie) -> str:
    """`children` of every detection."""
    frame, label = simulated.nuclei.frame, simulated.label
    lines = []
    for row in range(len(label)):
        children = np.flatnonzero(simulated.parent == row)
        keys = [f"{frame[one]},{label[one]}" for one in (row, *children)]
        lines.append("children," + ",".join(keys + [","] * (3 - len(keys))) + ",true,")
    return HEADER + "\n".join(lines) + "\n"


@pytest.mark.parametrize("divisions", ["pair", "split"])
def test_with_every_detection_annotated_the_solution_is_the_annotation(movie, tmp_path, divisions):
    simulated, folder = movie
    assert (np.diff(simulated.nuclei.frame[simulated.links], axis=1) > 1).any(), "test invalid: no gap in the truth"
    (tmp_path / "pins.csv").write_text(pins_of_truth(simulated))
    content = {
        "data": {"segmentation": str(folder / "01_SEG"), "truth": str(folder / "01_GT" / "TRA")},
        "candidates": {"neighbors": 1, "divisions": divisions},
        "output": {"path": str(tmp_path / "result")},
    }
    free = run(make_config(content))
    content["annotations"] = {"pins": [str(tmp_path / "pins.csv")]}
    pinned = run(make_config(content), overwrite=True)
    assert free.metrics["AOGM"] > 0, "test invalid: right without pins"
    assert pinned.metrics["AOGM"] == 0
    assert len(pinned.graph.links) > len(free.graph.links), "test invalid: every true link was proposed"
    assert pinned.report["counts"]["pins"] == len(simulated.label)


def test_a_pin_changes_no_cost(movie, tmp_path):
    simulated, folder = movie
    (tmp_path / "pins.csv").write_text(pins_of_truth(simulated))
    data = {"segmentation": str(folder / "01_SEG")}
    free = prepare(make_config({"data": data, "candidates": {"neighbors": 1}}), Stopwatch())
    pinned = prepare(
        make_config({
            "data": data, "candidates": {"neighbors": 1}, "annotations": {"pins": [str(tmp_path / "pins.csv")]},
        }),
        Stopwatch(),
    )  # fmt: skip
    assert pinned.costs.statistics == free.costs.statistics
    cost_of = {tuple(link): cost for link, cost in zip(pinned.graph.links.tolist(), pinned.costs.link, strict=True)}
    assert [cost_of[tuple(link)] for link in free.graph.links.tolist()] == free.costs.link.tolist()


# ---- soft pins


@pytest.mark.parametrize(
    ("value", "confidence", "price"), [(True, 0.9, -np.log(9)), (False, 0.9, np.log(9)), (True, 0.5, 0)]
)
def test_soft_pins_cost_log_odds(value, confidence, price):
    found = detections_at((0.0, 5.0), (0.0, 5.0))
    graph = graph_of(found)
    problem = problem_of(graph)
    pins = pins_of(found, PinRow("link", ((0, 1), (1, 2)), value=value, confidence=confidence))
    change = with_soft_pins(problem, pins, 2.0).cost - problem.cost
    layout = problem.layout
    holds = [[0, 3] in (d[:2], d[::2]) for d in graph.divisions.tolist()]
    assert any(holds)
    np.testing.assert_allclose(change[layout.link], np.where((graph.links == [0, 3]).all(axis=1), 2 * price, 0))
    np.testing.assert_allclose(change[layout.division], np.where(holds, 2 * price, 0))
    assert np.count_nonzero(change) == (price != 0) * (1 + sum(holds))


def test_soft_pins_of_every_kind_reach_their_columns():
    found = detections_at((0.0,), (-1.0, 1.0))
    graph = graph_of(found)
    problem = problem_of(graph)
    layout = problem.layout
    rows = {
        PinRow("detection", ((1, 1),), confidence=0.8): 1,
        PinRow("appear", ((1, 2),), confidence=0.8): layout.appear.start + 2,
        PinRow("disappear", ((0, 1),), confidence=0.8): layout.disappear.start,
        PinRow("children", ((0, 1),), confidence=0.8): layout.disappear.start,
        PinRow("children", ((0, 1), (1, 2)), confidence=0.8): layout.link.start + 1,
        PinRow("children", ((0, 1), (1, 2), (1, 1)), confidence=0.8): layout.division.start,
        PinRow("division", ((0, 1), (1, 2), (1, 1)), confidence=0.8): layout.division.start,
    }
    for row, column in rows.items():
        change = with_soft_pins(problem, pins_of(found, row), 1.0).cost - problem.cost
        assert np.flatnonzero(change).tolist() == [column], row
        assert change[column] == pytest.approx(-np.log(4))


def test_soft_pins_yield_to_costs_and_never_contradict():
    found = detections_at((0.0,), (0.0,))
    graph = graph_of(found)
    both = [PinRow("link", ((0, 1), (1, 1)), value=value, confidence=0.7) for value in (True, False)]
    pins = pins_of(found, *both)
    costly = with_soft_pins(problem_of(graph, link_cost=5.0), pins, 1.0)
    _, solution = solve_pinned(costly, pins, SolverSettings())
    assert not solution.values[costly.layout.link].any()


# ---- conflicts that only the solver sees


def test_a_deep_conflict_is_traced_to_its_rows():
    """Three cells after one, none of which may appear: one has to, whatever the others do."""
    found = detections_at((0.0, 90.0), (-2.0, 0.0, 2.0, 90.0))
    graph = graph_of(found, max_distance=30.0)
    innocent = [PinRow("link", ((0, 2), (1, 4))), PinRow("detection", ((0, 1),))]
    guilty = [PinRow("appear", ((1, label),), value=False) for label in (1, 2, 3)]
    pins = pins_of(found, *innocent, *guilty)
    with pytest.raises(PinConflictError) as error:
        solve_pinned(problem_of(graph), pins, SolverSettings())
    text = str(error.value)
    assert text.startswith("these pins cannot hold together: pins.csv line 3 says 1:1 does not appear")
    assert all(f"pins.csv line {number} " in text for number in (3, 4, 5))
    assert not any(f"pins.csv line {number} " in text for number in (1, 2))
    assert "Correct or remove one of the rows" in text


def test_a_deep_conflict_among_thousands_of_pins():
    rng = np.random.default_rng(0)
    places = [tuple(100.0 * np.arange(200) + rng.random(200)) for _ in range(10)]
    places[5] = tuple(sorted([*places[5][:100], 10_030.0, 10_031.0, 10_032.0]))
    found = detections_at(*places)
    graph = graph_of(found, max_distance=50.0)
    rows = [PinRow("link", ((t, label), (t + 1, label))) for t in range(4) for label in range(1, 201)]
    rows += [PinRow("appear", ((5, label),), value=False) for label in (101, 102, 103)]
    with pytest.raises(PinConflictError) as error:
        solve_pinned(problem_of(graph), pins_of(found, *rows), SolverSettings())
    assert str(error.value).count(" line ") <= 3


def test_a_conflict_with_a_forbidden_division_in_the_split_model():
    """Two cells that may not appear, after one that may not divide into them."""
    found = detections_at((0.0,), (-1.0, 1.0))
    graph = graph_of(found)
    problem = make_problem(
        3, graph.links, None, link_cost=np.ones(2), appear_cost=1.0, disappear_cost=1.0, split_cost=0.5, keep=True
    )
    pins = pins_of(
        found,
        PinRow("division", ((0, 1), (1, 1), (1, 2)), value=False),
        PinRow("appear", ((1, 1),), value=False),
        PinRow("appear", ((1, 2),), value=False),
    )
    with pytest.raises(PinConflictError) as error:
        solve_pinned(problem, pins, SolverSettings())
    assert all(f"pins.csv line {number} " in str(error.value) for number in (1, 2, 3))


def test_a_soft_false_division_that_is_no_candidate_costs_nothing():
    found = detections_at((0.0,), (-1.0, 1.0, 90.0))
    problem = problem_of(graph_of(found, max_distance=10.0))
    pins = pins_of(found, PinRow("division", ((0, 1), (1, 1), (1, 3)), value=False, confidence=0.9))
    assert np.array_equal(with_soft_pins(problem, pins, 1.0).cost, problem.cost)
