"""Models of motile without a solution say so, and name the pins that cannot hold."""

import ilpy
import motile
import numpy as np
import pytest
from motile.constraints import Constraint, MaxChildren, MaxParents, Pin
from motile.costs import NodeAppearCost, NodeSelectedCost
from motile.variables import EdgeMerge, EdgeSplit, NodeMerge, NodeSplit

from tracker.motile import Fixed, FreePinWarning, NoSelectionWarning, Solver


def fan(*edges, nodes=4):
    """Node 1 in frame 0, the others in frame 1."""
    graph = motile.TrackGraph()
    for name in range(1, nodes + 1):
        graph.add_node(name, {"t": int(name > 1)})
    for edge in edges:
        graph.add_edge(edge, {})
    return graph


def limited(graph, *constraints):
    solver = Solver(graph)
    solver.add_cost(NodeAppearCost(constant=1.0))
    for constraint in (MaxParents(1), MaxChildren(2), *constraints):
        solver.add_constraint(constraint)
    return solver


def why(solver):
    with pytest.warns(NoSelectionWarning):
        solution = solver.solve()
    assert solution.status is ilpy.SolverStatus.INFEASIBLE
    return str(solution.native_status)


@pytest.mark.parametrize("kind", [EdgeSplit, EdgeMerge])
def test_a_closed_edge_neither_splits_nor_merges(kind):
    pins = Fixed(edges={(1, 2): False}, others={kind: {(1, 2): True}})
    told = why(limited(fan((1, 2), (1, 3), (1, 4)), pins))
    assert f"Fixed of {kind.__name__}((1, 2)) = True" in told


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({NodeMerge: {2: True}}, "NodeMerge(2)"),
        ({EdgeMerge: {(1, 2): True}}, "EdgeMerge((1, 2))"),
        ({NodeSplit: {3: True}}, "NodeSplit(3)"),
    ],
)
def test_a_pin_that_the_limits_forbid_is_named(others, named):
    told = why(limited(fan((1, 2), nodes=3), Fixed(others=others)))
    assert told.startswith(f"these pins cannot hold together: Fixed of {named} = True")


class Impossible(Constraint):
    """0 >= 1."""

    def instantiate(self, solver):
        row = ilpy.Constraint()
        row.set_relation(ilpy.Relation.GreaterEqual)
        row.set_value(1)
        yield row


def test_a_row_of_nothing_that_is_false():
    assert why(limited(fan((1, 2)), Impossible())) == (
        "no selection of nodes and edges satisfies the constraints, whatever the pins say (rows of Impossible are at "
        "work there, too). Relax one of the constraints"
    )


@pytest.mark.parametrize("nothing", [None, float("nan"), np.float32("nan")])
def test_a_pin_without_a_value_is_none(nothing):
    graph = fan((1, 2), nodes=2)
    graph.nodes[2]["gt"] = nothing
    solver = Solver(graph)
    solver.add_cost(NodeSelectedCost(constant=-1.0))
    with pytest.warns(FreePinWarning):
        solver.add_constraint(Pin("gt"))
    assert solver.costs @ np.array(solver.solve().variable_values) == -2.0
