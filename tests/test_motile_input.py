"""What tracker.motile.Solver says of models that cannot be solved, and what it makes of odd ones."""

import pickle
import re
import warnings

import ilpy
import motile
import networkx as nx
import numpy as np
import pytest
from motile.constraints import ExclusiveNodes, MaxChildren, MaxParents, Pin
from motile.costs import EdgeSelectedCost, NodeAppearCost, NodeDisappearCost, NodeSelectedCost
from motile.variables import EdgeSelected, NodeAppear, NodeSelected
from motile_models import EdgesInARow, SplitsAreFew

from tracker.errors import InputError, PinConflictError
from tracker.motile import Fixed, FreePinWarning, NoSelectionWarning, Solver
from tracker.motile.vocabulary import check_version

#   t  0   1   2
#      1---2---4
#        `-3---5
EDGES = [(1, 2), (1, 3), (2, 4), (3, 5)]


def graph(**pins: dict[object, object]) -> motile.TrackGraph:
    found = nx.DiGraph()
    found.add_nodes_from((node, {"t": frame}) for node, frame in ((1, 0), (2, 1), (3, 1), (4, 2), (5, 2)))
    found.add_edges_from(EDGES)
    for name, values in pins.items():
        for key, value in values.items():
            (found.edges[key] if isinstance(key, tuple) else found.nodes[key])[name] = value
    return motile.TrackGraph(found)


def model(solver_class: type[motile.Solver] = Solver, children: int = 2, **pins: dict[object, object]) -> motile.Solver:
    solver = solver_class(graph(**pins))
    solver.add_cost(NodeSelectedCost(constant=-1.0))
    solver.add_cost(EdgeSelectedCost(constant=-1.0))
    solver.add_cost(NodeAppearCost(constant=1.5))
    solver.add_cost(NodeDisappearCost(constant=1.5))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(children))
    for name in pins:
        solver.add_constraint(Pin(name))
    return solver


def selected(solver: motile.Solver) -> tuple[list[int], list[tuple[int, int]]]:
    found = solver.get_selected_subgraph()
    return sorted(found.nodes), sorted(found.edges)


def test_other_versions_of_motile_are_refused() -> None:
    for good in ("1.0.1", "1.0.1.post1", "1.4"):
        check_version(good)
    for bad in ("2.0.0", "0.4.0", "1.0.0"):
        with pytest.raises(InputError, match=rf"from 1\.0\.1 on, below 2; found motile {re.escape(bad)}, whose"):
            check_version(bad)


def test_edges_to_unknown_nodes() -> None:
    given = graph()
    given.add_edge((2, 99), {})
    with pytest.raises(
        InputError, match=r"^every edge must join two nodes of the graph; not so: \(2, 99\)\. TrackGraph"
    ):
        Solver(given).add_cost(EdgeSelectedCost(constant=1.0))


def test_nodes_without_frame() -> None:
    found = nx.DiGraph()
    found.add_node(1, t=0)
    found.add_node(2)
    found.add_edge(1, 2)
    with pytest.raises(
        InputError, match=r"leaves out nodes without the frame attribute 't', silently, but keeps their"
    ):
        Solver(motile.TrackGraph(found)).get_variables(EdgeSelected)
    given = graph()
    given.nodes[3]["t"] = None
    with pytest.raises(InputError, match=r"^every node needs a frame; the attribute 't' is missing or None for 3$"):
        Solver(given).get_variables(NodeSelected)


def test_edges_added_twice() -> None:
    given = graph()
    given.add_edge((1, 2), {})
    with pytest.raises(InputError, match=r"^every edge may be added once; more often: \(1, 2\)\."):
        Solver(given).get_variables(EdgeSelected)


def test_graph_that_grows() -> None:
    solver = model()
    solver.graph.add_node(6, {"t": 2})
    with pytest.raises(InputError, match=r"5 nodes and 4 edges then, 6 and 4 now\. Make a new Solver$"):
        solver.solve()


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_costs_that_are_no_numbers(value: float | None) -> None:
    given = graph()
    for node in given.nodes:
        given.nodes[node]["cost"] = value if node == 3 else 1.0
    solver = Solver(given)
    solver.add_cost(NodeSelectedCost(attribute="cost"))
    with pytest.raises(
        InputError, match=r"NaN or infinite for 1 variables: NodeSelected\(3\)\. Look at the attributes"
    ):
        solver.solve()


def test_pin_of_none_is_no_pin() -> None:
    pins = {1: None, 2: None, 3: False, 4: float("nan"), (1, 2): True}
    with pytest.warns(
        FreePinWarning, match=r"^the attribute of Pin\(pin\) has no value \(None or NaN\) for 3 nodes and edg"
    ):
        solver = model(pin=pins)
    solver.solve()
    assert selected(solver) == ([1, 2, 4], [(1, 2), (2, 4)])
    theirs = model(motile.Solver, pin=pins)
    assert theirs.solve(backend=ilpy.Preference.Scip).status is ilpy.SolverStatus.INFEASIBLE


def test_pins_that_contradict_are_named() -> None:
    solver = model(children=1, pin={(1, 2): True, (1, 3): True, 5: False, (2, 4): True})
    wanted = (
        "these pins cannot hold together: Pin(pin) of edge (1, 2) = True, Pin(pin) of edge (1, 3) = True. "
        "No selection of nodes and edges honours them. Correct or remove one"
    )
    with pytest.warns(NoSelectionWarning, match=f"^INFEASIBLE: {re.escape(wanted)}$"):
        solution = solver.solve()
    assert solution.status is ilpy.SolverStatus.INFEASIBLE
    assert solution.native_status == wanted
    with pytest.raises(PinConflictError, match=re.escape(wanted)):
        solver.get_selected_subgraph()


def test_pins_that_contradict_rows_of_others_are_named() -> None:
    solver = model(pin={(1, 2): True, (1, 3): True, (2, 4): True})
    solver.add_constraint(SplitsAreFew(0))
    solver.add_constraint(EdgesInARow([(2, 4), (3, 5)], 1))
    with pytest.warns(
        NoSelectionWarning, match=r"cannot hold together: Pin\(pin\) of edge \(1, 2\) = True, Pin\(pin\) of"
    ):
        solution = solver.solve()
    assert solution.status is ilpy.SolverStatus.INFEASIBLE


def test_constraints_that_contradict_without_pins() -> None:
    solver = model()
    row = ilpy.Constraint()
    for index in solver.get_variables(EdgeSelected).values():
        row.set_coefficient(index, 1)
    row.set_relation(ilpy.Relation.GreaterEqual)
    row.set_value(9)
    solver.constraints.add(row)
    with pytest.warns(
        NoSelectionWarning, match=r"satisfies the constraints, whatever the pins say; .* added to solver.con"
    ):
        assert solver.solve().status is ilpy.SolverStatus.INFEASIBLE


def test_a_time_limit_without_a_selection() -> None:
    solver = model()
    solver.add_constraint(SplitsAreFew(1))
    with pytest.warns(NoSelectionWarning, match=r"^TIMELIMIT: no selection was found within the time given"):
        assert solver.solve(timeout=1e-9).status is ilpy.SolverStatus.TIMELIMIT


def test_weights_after_solving() -> None:
    solver = model()
    first = solver.solve()
    assert selected(solver)[1] == EDGES
    solver.weights[("EdgeSelectedCost", "constant")] = 10.0
    solver.weights[("NodeAppearCost", "constant")] = 0.0
    second = solver.solve()
    assert selected(solver)[1] == []
    assert second.objective_value > first.objective_value
    assert len(first.variable_values) == solver.num_variables
    solver.add_cost(NodeSelectedCost(constant=50.0), "none at all")
    assert solver.solve().objective_value == 0
    assert selected(solver) == ([], [])


@pytest.mark.parametrize("solve_first", [False, True])
def test_pickled_solvers(solve_first: bool) -> None:
    solver = model(pin={4: False})
    solver.add_constraint(ExclusiveNodes(set(pair) for pair in [(2, 3)]))
    if solve_first:
        solver.solve()
    copy = pickle.loads(pickle.dumps(solver))
    assert copy.solve().objective_value == solver.solve().objective_value
    assert selected(copy) == selected(solver) == ([1, 3, 5], [(1, 3), (3, 5)])
    assert len(list(copy.constraints)) == len(list(solver.constraints))
    copy.weights[("EdgeSelectedCost", "constant")] = 10.0
    assert copy.solve().objective_value != solver.solve().objective_value


def test_empty_graphs() -> None:
    solver = Solver(motile.TrackGraph())
    solver.add_cost(EdgeSelectedCost(constant=1.0))
    solver.add_constraint(MaxParents(1))
    assert solver.solve().status is ilpy.SolverStatus.OPTIMAL
    assert selected(solver) == ([], [])


def test_the_log_says_what_is_no_flow(caplog: pytest.LogCaptureFixture) -> None:
    solver = model()
    with caplog.at_level("INFO", logger="tracker.motile.solver"):
        solver.solve()
        assert "is no part of a flow" not in caplog.text
        assert solver.certificate.route == "flow"
        solver.add_constraint(EdgesInARow([(2, 4), (3, 5)], 1))
        solver.solve()
    assert "the constraint EdgesInARow is no part of a flow: dominance" in caplog.text
    assert solver.certificate.reasons == ("the constraint EdgesInARow",)


def test_events_as_of_a_backend() -> None:
    events = []
    model().solve(on_event=events.append)
    assert [event["event_type"] for event in events] == ["PRESOLVEROUND", "BESTSOLFOUND"]
    assert events[1]["primalbound"] == pytest.approx(events[1]["dualbound"])


def test_ends_are_paid_only_where_tracks_end() -> None:
    """With a reward for appearing motile pays 2 and 3 of the three nodes that its rows leave open; nobody appears."""
    rewards = []
    for solver_class in (motile.Solver, Solver):
        given = graph()
        given.add_node(6, {"t": 0})
        for child in (2, 3):
            given.add_edge((6, child), {})
        solver = solver_class(given)
        solver.add_cost(NodeAppearCost(constant=-0.5))
        solver.add_constraint(Fixed(nodes=dict.fromkeys(given.nodes, True), edges=dict.fromkeys(EDGES, True)))
        solver.add_constraint(MaxParents(1))
        solution = solver.solve(backend=ilpy.Preference.Any if solver_class is Solver else ilpy.Preference.Scip)
        appear = solver.get_variables(NodeAppear)
        rewards.append([solution[appear[node]] for node in (2, 3)])
    assert rewards == [[1, 1], [0, 0]]


def test_a_named_backend_solves_the_same() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wanted = model().solve().objective_value
        assert model().solve(backend=ilpy.Preference.Scip).objective_value == pytest.approx(wanted)
