"""Variables that are no flags, and rows that are no sums: what others may bring into a motile model."""

import ilpy
import motile
import pytest
from motile.constraints import Constraint
from motile.costs import Cost, Weight
from motile.variables import EdgeSelected, NodeSelected, Variable
from test_motile_input import model, selected

from tracker.motile import NoSelectionWarning, Solver


class Amount(Variable[int]):
    """How many nodes of a frame are selected."""

    variable_type = ilpy.VariableType.Integer

    @staticmethod
    def instantiate(solver: motile.Solver) -> list[int]:
        return [0, 1, 2]

    @classmethod
    def instantiate_constraints(cls, solver: motile.Solver):
        nodes, amount = solver.get_variables(NodeSelected), solver.get_variables(cls)
        for frame in (0, 1, 2):
            members = [nodes[node] for node in solver.graph.nodes_by_frame(frame)]
            yield sum(members[1:], start=members[0]) == amount[frame]


class Share(Amount):
    variable_type = ilpy.VariableType.Continuous


class AmountCost(Cost):
    def __init__(self, kind: type[Amount], weight: float) -> None:
        self.kind, self.weight = kind, Weight(weight)

    def apply(self, solver: motile.Solver) -> None:
        for frame, index in solver.get_variables(self.kind).items():
            solver.add_variable_cost(index, float(frame), self.weight)


@pytest.mark.parametrize("kind", [Amount, Share])
def test_variables_that_are_no_flags(kind: type[Amount]) -> None:
    objectives = []
    for solver_class in (Solver, motile.Solver):
        solver = model(solver_class)
        solver.add_cost(AmountCost(kind, 0.75))
        solution = solver.solve(backend=ilpy.Preference.Any if solver_class is Solver else ilpy.Preference.Scip)
        objectives.append(solution.objective_value)
        amounts = [solution[index] for index in solver.get_variables(kind).values()]
        assert amounts == pytest.approx([1, 2, 2])
    assert objectives[0] == pytest.approx(objectives[1])
    assert objectives[0] != pytest.approx(model().solve().objective_value)


def test_a_cost_without_bound() -> None:
    class Loose(Share):
        @staticmethod
        def instantiate_constraints(solver: motile.Solver):
            return []

    solver = model()
    solver.add_cost(AmountCost(Loose, -1.0))
    with pytest.warns(NoSelectionWarning, match=r"^UNBOUNDED: the cost falls without limit"):
        assert solver.solve().status is ilpy.SolverStatus.UNBOUNDED


class Product(Constraint):
    def instantiate(self, solver: motile.Solver):
        row = ilpy.Constraint()
        edges = solver.get_variables(EdgeSelected)
        row.set_quadratic_coefficient(edges[(1, 2)], edges[(1, 3)], 1.0)
        row.set_value(0.0)
        yield row


def test_products_are_left_to_motile() -> None:
    solver = model()
    solver.add_constraint(Product())
    solution = solver.solve()
    assert solution.status is ilpy.SolverStatus.OPTIMAL
    assert solver.certificate is None
    assert len(selected(solver)[1]) == 3
