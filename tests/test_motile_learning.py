"""fit_weights of tracker.motile.Solver: by our structured support vector machine, from marked nodes and edges."""

import motile
import numpy as np
import pytest
from motile.constraints import MaxChildren, MaxParents
from motile.costs import EdgeSelectedCost, NodeAppearCost, NodeSelectedCost, NodeSplitCost
from motile_models import EdgesInARow

from tracker.errors import InputError
from tracker.motile import Solver


def movie(*, marked: float = 1.0, dividing: bool = False, seed: int = 0) -> motile.TrackGraph:
    """Four cells on parallel tracks over five frames; edges to all of the next frame, scored by truth and noise."""
    rng = np.random.default_rng(seed)
    graph = motile.TrackGraph()
    mark = lambda value: {"gt": int(value)} if rng.random() < marked else {}  # noqa: E731
    tracks = range(5 if dividing else 4)
    for frame in range(5):
        for track in tracks:
            if track < 4 or frame > 2:  # the fifth is born of the fourth, in frame 3
                graph.add_node((frame, track), {"t": frame, "score": rng.normal(1, 0.2), **mark(True)})
        graph.add_node((frame, 9), {"t": frame, "score": rng.normal(0, 0.2), **mark(False)})
    for u in list(graph.nodes):
        for v in list(graph.nodes):
            if v[0] == u[0] + 1:
                real = (u[1] == v[1] or (u, v) == ((2, 3), (3, 4))) and 9 not in (u[1], v[1])
                graph.add_edge((u, v), {"score": rng.normal(float(real), 0.2), **mark(real)})
    return graph


def model(solver_class: type[motile.Solver], graph: motile.TrackGraph, *, split: bool = False) -> motile.Solver:
    solver = solver_class(graph)
    solver.add_cost(NodeSelectedCost(attribute="score"))
    solver.add_cost(EdgeSelectedCost(attribute="score"))
    solver.add_cost(NodeAppearCost(constant=1.0))
    if split:
        solver.add_cost(NodeSplitCost(constant=1.0))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2 if split else 1))
    return solver


def wrong(solver: motile.Solver) -> int:
    """Marked nodes and edges that the solution has otherwise."""
    solver.solve()
    found = solver.get_selected_subgraph()
    nodes = [(node in found.nodes) != data["gt"] for node, data in solver.graph.nodes.items() if "gt" in data]
    return sum(nodes) + sum((e in found.edges) != data["gt"] for e, data in solver.graph.edges.items() if "gt" in data)


def test_the_same_weights_as_motile_where_all_is_marked_and_nobody_appears() -> None:
    ours, theirs = model(Solver, movie()), model(motile.Solver, movie())
    assert wrong(ours) > 0
    for solver in (ours, theirs):
        solver.fit_weights("gt", regularizer_weight=0.1, max_iterations=200, eps=1e-6)
    np.testing.assert_allclose(ours.weights.to_ndarray(), theirs.weights.to_ndarray(), atol=0.02)
    assert wrong(ours) == 0


@pytest.mark.parametrize(("marked", "dividing"), [(0.4, False), (1.0, True), (0.6, True)])
def test_divisions_and_unmarked_nodes(marked: float, dividing: bool) -> None:
    solver = model(Solver, movie(marked=marked, dividing=dividing, seed=1), split=dividing)
    solver.fit_weights("gt", regularizer_weight=0.01)
    assert wrong(solver) == 0
    unmarked = movie(dividing=dividing, seed=1)
    for items, own in ((solver.graph.nodes, unmarked.nodes), (solver.graph.edges, unmarked.edges)):
        for key, data in items.items():
            data["gt"] = own[key]["gt"]
    assert wrong(solver) <= (0 if marked == 1 else 3)


def test_appearing_is_learnt_from_the_truth() -> None:
    """A cell that enters in frame 2 is in the truth: motile takes its appearing to be 0 there, and prices it higher."""

    def entering() -> motile.TrackGraph:
        graph = movie(seed=2)
        for frame in (0, 1):
            del graph.nodes[frame, 0]
        gone = [edge for edge in graph.edges if any(end not in graph.nodes for end in edge)]
        for edge in gone:
            del graph.edges[edge]
            graph.next_edges[edge[0]].remove(edge)
            graph.prev_edges[edge[1]].remove(edge)
        return graph

    weights = []
    for solver_class in (Solver, motile.Solver):
        solver = model(solver_class, entering())
        solver.fit_weights("gt", regularizer_weight=0.05, max_iterations=200)
        weights.append(solver.weights["NodeAppearCost", "constant"])
    assert weights[0] < weights[1] - 0.05


def test_marks_that_are_no_marks() -> None:
    graph = movie()
    graph.nodes[0, 0]["gt"] = 2
    with pytest.raises(InputError, match=r"^'gt' must be 1, 0 or None; found \(0, 0\): 2$"):
        model(Solver, graph).fit_weights("gt")
    with pytest.raises(InputError, match="nothing is decided in the target"):
        model(Solver, movie(marked=0.0)).fit_weights("gt")


def test_marks_that_contradict_each_other() -> None:
    graph = movie()
    graph.edges[(0, 1), (1, 0)]["gt"] = 1  # a second parent
    with pytest.raises(
        InputError, match=r"^the marks 'gt' of nodes and edges contradict each other or the constraints"
    ):
        model(Solver, graph).fit_weights("gt")


def test_a_model_that_is_no_flow_is_learnt_by_motile(caplog: pytest.LogCaptureFixture) -> None:
    solver = model(Solver, movie())
    edges = [edge for edge in solver.graph.edges if edge[0][0] == 0]
    solver.add_constraint(EdgesInARow(edges, 6))
    solver.fit_weights("gt", regularizer_weight=0.1, max_iterations=50)
    assert "this model is no flow: motile learns its weights itself" in caplog.text
    assert wrong(solver) == 0
