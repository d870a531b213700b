"""Both ways between our candidates, costs and pins and motile models; our features as motile costs."""

import os
import warnings
from pathlib import Path

import ilpy
import motile
import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from motile.constraints import ExclusiveNodes, MaxChildren, MaxParents, Pin
from motile.costs import EdgeDistanceCost, NodeAppearCost, NodeDisappearCost, NodeSelectedCost, SymmetricSplitCost
from motile.variables import EdgeSelected, NodeSelected
from motile_models import EdgesInARow, model_cases
from strategies import examples

from tracker.annotations import solve_pinned, with_demanded, with_soft_pins
from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import CostSettings
from tracker.costs import Costs, price, to_problem
from tracker.detections import Detections
from tracker.errors import InputError
from tracker.exact_margins import exact_margins
from tracker.features.context import FeatureContext
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import Solution
from tracker.ilp.solve import solve
from tracker.io.movies import open_movie
from tracker.motile import Fixed, NoSelectionWarning, Solver, from_motile, to_motile
from tracker.motile.costs import DivisionCost, FlowDistanceCost, FrameGapCost, LinkCost
from tracker.motile.model import read_model
from tracker.pin_checks import ResolvedPins, resolve_pins
from tracker.pin_table import PinRow, pin_table
from tracker.reading import detections_from_masks

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"
ONE = SolverSettings(threads=1)


def cells(seed: int, n_frames: int = 4, count: int = 5) -> Detections:
    """Cells that drift on a plane, one more in each frame, born next to another."""
    rng = np.random.default_rng(seed)
    now, found = rng.uniform(0, 20, (count, 2)), []
    for _ in range(n_frames):
        found.append(now)
        now = np.vstack([now, now[:1] + 1]) + rng.normal(0, 1.5, (len(now) + 1, 2))
    sizes = [len(own) for own in found]
    frame, label = np.repeat(np.arange(n_frames), sizes), np.concatenate([np.arange(1, size + 1) for size in sizes])
    return Detections(frame, label, np.vstack(found), np.arange(n_frames), np.ones(2))


def candidates(
    detections: Detections, divisions: str, pins: ResolvedPins | None = None
) -> tuple[CandidateGraph, Costs, CostSettings]:
    graph = build_candidates(
        detections, neighbors=3, max_frame_gap=2, divisions=divisions == "pair", pairs_per_parent=2
    )
    if pins is not None:
        graph = with_demanded(graph, pins, pairs=divisions == "pair")
    preset = "attrackt" if divisions == "pair" else "none"
    terms = () if divisions == "pair" else ({"on": "link", "feature": "distance", "standardise": "zscore"},)
    settings = CostSettings(preset=preset, terms=terms, appear=1.0, disappear=0.8, division=0.5, detection="keep")
    return graph, price(FeatureContext(graph), settings, divisions=divisions), settings


def links(solver: motile.Solver) -> set[tuple[int, int]]:
    return set(solver.get_selected_subgraph().edges)


def links_of(graph: CandidateGraph, solution: Solution, divisions: str) -> set[tuple[int, int]]:
    chosen, link = solution.values, slice(len(graph.detections), len(graph.detections) + len(graph.links))
    found = {tuple(pair) for pair in graph.links[chosen[link]].tolist()}
    if divisions == "pair":
        own = graph.divisions[chosen[link.stop : link.stop + len(graph.divisions)]]
        found |= {(u, v) for u, v, _ in own.tolist()} | {(u, w) for u, _, w in own.tolist()}
    return found


@pytest.mark.parametrize("divisions", ["pair", "split", "none"])
@pytest.mark.parametrize("seed", range(3))
def test_to_motile_has_the_solution_of_a_run(divisions: str, seed: int) -> None:
    graph, costs, settings = candidates(cells(seed), divisions)
    wanted = solve(to_problem(graph, costs, settings), ONE)
    solver = to_motile(graph, costs)
    solution = solver.solve()
    assert solution.objective_value == pytest.approx(wanted.objective)
    assert links(solver) == links_of(graph, wanted, divisions)
    assert solver.certificate.route == "flow"


@pytest.mark.parametrize("divisions", ["pair", "split"])
@pytest.mark.parametrize(
    "rows",
    [
        [PinRow("detection", ((1, 2),), False), PinRow("link", ((0, 1), (1, 3)))],
        [PinRow("division", ((0, 2), (1, 1), (1, 4))), PinRow("link", ((1, 5), (2, 5)), False)],
        [PinRow("children", ((0, 1),)), PinRow("children", ((0, 3), (1, 2))), PinRow("appear", ((2, 2),))],
        [PinRow("disappear", ((1, 1),)), PinRow("division", ((2, 1), (3, 1), (3, 2)), False)],
        [PinRow("children", ((1, 1), (2, 1), (2, 2))), PinRow("appear", ((1, 4),), False)],
        [PinRow("detection", ((2, 3),), False, 0.9), PinRow("link", ((2, 1), (3, 4)), True, 0.99)],
    ],
)
def test_to_motile_with_pins(divisions: str, rows: list[PinRow]) -> None:
    detections = cells(4)
    pins = resolve_pins(pin_table(rows, name="pins.csv"), detections)
    graph, costs, settings = candidates(detections, divisions, pins)
    _, wanted = solve_pinned(with_soft_pins(to_problem(graph, costs, settings), pins, 1.0), pins, ONE)
    solver = to_motile(graph, costs, pins)
    assert solver.solve().objective_value == pytest.approx(wanted.objective)
    assert links(solver) == links_of(graph, wanted, divisions)
    if any(row.kind in ("appear", "disappear") or row.keys == ((0, 1),) for row in rows):
        return  # motile's own rows let a node that has a parent appear
    theirs = motile.Solver(solver.graph)  # the rows say the same to motile itself
    theirs.variables, theirs.constraints, theirs.features, theirs.weights = (
        solver.variables, solver.constraints, solver.features, solver.weights,
    )  # fmt: skip
    theirs.num_variables, theirs.variable_types = solver.num_variables, solver.variable_types
    assert theirs.solve(backend=ilpy.Preference.Scip).objective_value == pytest.approx(wanted.objective, abs=1e-4)


def test_from_motile_has_the_same_optimum() -> None:
    @examples(60)
    @given(case=model_cases())
    def check(case) -> None:
        solver = case.model(Solver)
        if read_model(solver).max_parents > 1 or read_model(solver).max_children > 2:
            with pytest.raises(InputError, match="at most one parent and two children"):
                from_motile(solver)
            return
        program = from_motile(solver)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoSelectionWarning)
            wanted = solver.solve()
        if wanted.status is ilpy.SolverStatus.OPTIMAL:
            assert solve(program.pinned, ONE).objective == pytest.approx(wanted.objective_value, abs=1e-9)
            read.append(len(program.nodes))

    read: list[int] = []
    check()
    assert len(read) > 15


def test_from_motile_and_back() -> None:
    @examples(20)
    @given(seed=st.integers(0, 1000), divisions=st.sampled_from(["pair", "split"]))
    def check(seed: int, divisions: str) -> None:
        graph, costs, _ = candidates(cells(seed, n_frames=3), divisions)
        program = from_motile(to_motile(graph, costs), position_attribute="pos")
        np.testing.assert_array_equal(program.graph.links, graph.links)
        np.testing.assert_array_equal(program.graph.detections.position, graph.detections.position)
        if divisions == "pair":
            closed = program.problem.upper[program.problem.layout.division] == 0
            np.testing.assert_array_equal(program.graph.divisions[~closed], graph.divisions)
            np.testing.assert_allclose(program.costs.division[~closed], costs.division)
        np.testing.assert_allclose(program.costs.link, costs.link)

    check()


def test_margins_of_a_motile_model() -> None:
    """1 may go on to 2 at -1 or to 3 at -0.75; leaving out the dearer choice costs what lies between them."""
    found = nx.DiGraph()
    found.add_nodes_from([(1, {"t": 0}), (2, {"t": 1}), (3, {"t": 1})])
    found.add_edges_from([(1, 3, {"score": -0.75}), (1, 2, {"score": -1.0})])
    solver = Solver(motile.TrackGraph(found))
    solver.add_cost(LinkCost("score"))
    solver.add_cost(NodeSelectedCost(constant=0.5))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(1))
    solver.add_constraint(Fixed(nodes={1: True}))
    program = from_motile(solver)
    assert program.nodes == (1, 2, 3)
    assert program.graph.detections.label.tolist() == [1, 2, 3]
    solution = solve(program.pinned, ONE)
    margins = exact_margins(program.pinned, solution.values)
    assert margins.out[0] == pytest.approx(0.25)


def test_models_that_cannot_be_read() -> None:
    graph = motile.TrackGraph()
    for node, frame in ((1, 0), (2, 1), (3, 1)):
        graph.add_node(node, {"t": frame})
    for edge in ((1, 2), (1, 3)):
        graph.add_edge(edge, {})
    with pytest.raises(InputError, match=r"^from_motile takes a tracker\.motile\.Solver; make the model with it"):
        from_motile(motile.Solver(graph))
    solver = Solver(graph)
    solver.add_constraint(EdgesInARow([(1, 2), (1, 3)], 1))
    with pytest.raises(InputError, match=r"found 1 and 2, with rows or variables of EdgesInARow$"):
        from_motile(solver)
    graph.nodes[2]["t"] = 0
    with pytest.raises(InputError, match=r"^edges must lead to a later frame; these do not: \(1, 2\)$"):
        from_motile(Solver(graph))


def drifting() -> motile.TrackGraph:
    """Two cells that move by 5 per frame; the second divides, and frame 2 has lost the first."""
    graph = motile.TrackGraph()
    for node, (frame, x) in {1: (0, 0.0), 2: (0, 9.0), 3: (1, 5.0), 4: (1, 13.0), 5: (1, 15.5), 6: (3, 15.0)}.items():
        graph.add_node(node, {"t": frame, "x": x, "flow": 5.0})
    for edge in ((1, 3), (1, 4), (2, 3), (2, 4), (2, 5), (3, 6), (4, 6), (5, 6)):
        graph.add_edge(edge, {"cost": float(edge[0])})
    return graph


@pytest.mark.parametrize("solver_class", [Solver, motile.Solver])
def test_our_features_as_costs(solver_class: type[motile.Solver]) -> None:
    solver = solver_class(drifting())
    solver.add_cost(FlowDistanceCost(("x",), "flow", weight=1.0, constant=-3.0))
    solver.add_cost(FrameGapCost(weight=0.25))
    score = {(1, frozenset((3, 4))): 9.0, (2, frozenset((3, 4))): 9.0, (2, frozenset((3, 5))): 9.0}
    solver.add_cost(DivisionCost({**score, (2, frozenset((4, 5))): 1.0}, weight=1.0, constant=-6.0))
    solver.add_cost(LinkCost("cost", weight=0.001))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2))
    backend = ilpy.Preference.Any if solver_class is Solver else ilpy.Preference.Scip
    solution = solver.solve(backend=backend)
    assert links(solver) == {(1, 3), (2, 4), (2, 5), (3, 6)}
    # (1, 3) moves as the flow does, (3, 6) too, but skips a frame; the division replaces what its links cost
    assert solution.objective_value == pytest.approx(-3 + 0.001 - 3 + 0.003 + 0.25 + 1 - 6, abs=1e-5)


def test_features_that_miss_a_number() -> None:
    solver = Solver(drifting())
    with pytest.raises(
        InputError, match=r"^LinkCost needs a number for each of the edges of the graph; none is given for"
    ):
        solver.add_cost(LinkCost({(1, 3): 1.0}))
    with pytest.raises(InputError, match=r"^DivisionCost needs a number for each of the divisions"):
        solver.add_cost(DivisionCost({}), "other")


@pytest.mark.data
@pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}")
def test_trackastras_ilp_has_the_same_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    from trackastra.tracking import ilp as trackastras

    masks = open_movie(HELA, kind="masks")
    graph = build_candidates(detections_from_masks(masks, frames=masks.frames[:3]))
    rng, given_graph = np.random.default_rng(0), nx.DiGraph()
    for row, frame in enumerate(graph.detections.frame.tolist()):
        given_graph.add_node(row, time=frame, weight=1.0)
    for u, v in graph.links.tolist():
        given_graph.add_edge(u, v, weight=rng.random())
    objectives = []
    for solver_class in (motile.Solver, Solver):
        monkeypatch.setattr(trackastras.motile, "Solver", solver_class)
        track_graph = motile.TrackGraph(given_graph, frame_attribute="time")
        solver, _ = trackastras.solve_full_ilp(track_graph, True, "gt", None)
        objectives.append(float(np.asarray(solver.costs, float) @ np.asarray(solver.solution)))
    assert isinstance(solver, Solver)
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-4)
    assert len(trackastras.track_ilp(given_graph).edges) == len(solver.get_selected_subgraph().edges)


def test_exclusive_nodes_and_pins_survive_the_way() -> None:
    graph = drifting()
    graph.edges[(2, 4)]["gt"] = True
    solver = Solver(graph)
    solver.add_cost(EdgeDistanceCost("x", weight=0.1, constant=-3.0))
    solver.add_cost(SymmetricSplitCost("x", weight=0.1, constant=-3.0))
    solver.add_cost(NodeAppearCost(constant=1.0))
    solver.add_cost(NodeDisappearCost(constant=1.0))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2))
    solver.add_constraint(ExclusiveNodes([[3, 5]]))
    solver.add_constraint(Pin("gt"))
    program = from_motile(solver, ("x",))
    solution = solve(program.pinned, ONE)
    assert solution.objective == pytest.approx(solver.solve().objective_value)
    assert program.pins.link.tolist() == [[1, 3, 1]]
    assert [rows.tolist() for rows in program.problem.exclusive_sets] == [[2, 4]]
    assert {NodeSelected, EdgeSelected} <= solver.variables.keys()
