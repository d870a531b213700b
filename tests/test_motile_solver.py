"""tracker.motile.Solver has the answers of motile + SCIP, in motile's own variables."""

import warnings

import ilpy
import motile
import numpy as np
import pytest
from hypothesis import given
from motile_models import KINDS, ModelCase, best_documented, documented, model_cases, signature, violated
from strategies import examples

from tracker.motile import NoSelectionWarning, Solver

OPTIMAL, INFEASIBLE = ilpy.SolverStatus.OPTIMAL, ilpy.SolverStatus.INFEASIBLE


def solved(case: ModelCase) -> tuple[Solver, ilpy.Solution]:
    solver = case.model(Solver)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSelectionWarning)
        return solver, solver.solve()


def check_values(solver: Solver, solution: ilpy.Solution) -> None:
    """The values satisfy every row of the model, mean what they say, and cost what the solution says."""
    values = np.asarray(solution.variable_values)
    for row in solver.constraints:
        assert not violated(row, values)
    selected = solver.get_selected_subgraph()
    found = documented(solver, set(selected.nodes), set(selected.edges))
    own = [int(index) for kind in KINDS if kind in solver.variables for index in solver.variables[kind].values()]
    np.testing.assert_array_equal(values[own], found[own])
    assert solver.costs @ values == pytest.approx(solution.objective_value)


@pytest.mark.parametrize("custom", [False, True])
def test_equal_optimum_with_motile_and_scip(custom: bool) -> None:
    seen = []

    @examples(250)
    @given(case=model_cases(custom=custom))
    def check(case: ModelCase) -> None:
        theirs = case.model(motile.Solver)
        wanted = theirs.solve(backend=ilpy.Preference.Scip)
        ours, found = solved(case)
        assert found.status is wanted.status
        seen.append(ours.certificate.route if ours.certificate else "infeasible")
        if found.status is OPTIMAL:
            assert found.objective_value == pytest.approx(wanted.objective_value, abs=1e-4)
            assert ours.certificate.gap <= 1e-6
            check_values(ours, found)

    check()
    assert {"infeasible", "rows", "flow and rows" if custom else "flow"} <= set(seen)


def test_ends_mean_what_motile_documents_for_rewards_too() -> None:
    @examples(60)
    @given(case=model_cases(ends_at_least=-2.0, max_nodes=4, max_edges=4))
    def check(case: ModelCase) -> None:
        wanted = best_documented(case.model(motile.Solver))
        ours, found = solved(case)
        if wanted is None:
            assert found.status is INFEASIBLE
        else:
            assert found.objective_value == pytest.approx(wanted, abs=1e-5)
            check_values(ours, found)

    check()


def test_variables_rows_and_costs_are_those_of_motile() -> None:
    @examples(60)
    @given(case=model_cases(custom=True))
    def check(case: ModelCase) -> None:
        theirs, ours = case.model(motile.Solver), case.model(Solver)
        for kind in reversed(KINDS):
            theirs.get_variables(kind)
            ours.get_variables(kind)
        assert ours.num_variables == theirs.num_variables
        assert ours.variable_types == theirs.variable_types
        assert list(ours.variables) == list(theirs.variables)
        for kind, variables in theirs.variables.items():
            own = ours.get_variables(kind)
            assert [(key, int(index)) for key, index in own.items()] == [(k, int(i)) for k, i in variables.items()]
        assert len(ours.constraints) == len(theirs.constraints)
        assert [signature(row) for row in ours.constraints] == [signature(row) for row in theirs.constraints]
        np.testing.assert_allclose(ours.costs, theirs.costs, atol=1e-5)
        np.testing.assert_allclose(ours.features.to_ndarray(), theirs.features.to_ndarray(), atol=1e-6)

    check()
