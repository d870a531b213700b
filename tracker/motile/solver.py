"""`motile.Solver` with our exact solver below: the same constructor, methods, attributes and results."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ilpy
import motile
import numpy as np
from motile.constraints import Constraint
from motile.costs import Cost, Weight
from numpy.typing import NDArray

from tracker.errors import InputError, PinConflictError, first_five
from tracker.motile.answer import Certificate, solve_model
from tracker.motile.array_costs import apply_as_arrays
from tracker.motile.features import ArrayFeatures
from tracker.motile.model import check_edges
from tracker.motile.recognise import take
from tracker.motile.rows import ModelRows
from tracker.motile.vocabulary import NEEDS, Kind, index_map

logger = logging.getLogger(__name__)


class Solver(motile.Solver):
    """Solve a motile model exactly and fast; see docs/motile.md.

    Variables have the numbers that motile gives them, costs and constraints are motile's classes or anybody's own.
    Different from motile: `features` and `costs` are float64; appear and disappear indicators are 1 exactly where a
    track begins or ends, as motile documents them, also where a negative cost tempts them; a pin without a value
    (None, NaN) is no pin; costs that are not finite are refused; `ilp_solver` stays None; and without a solution
    `solve` says why, and `get_selected_subgraph` raises instead of giving an empty graph.

    certificate: what was proven about the last solution, and how.
    """

    def __init__(self, track_graph: motile.TrackGraph) -> None:
        """A model of `track_graph`, without costs and constraints."""
        super().__init__(track_graph)
        self.features: ArrayFeatures = ArrayFeatures()
        self.constraints: ModelRows = ModelRows()
        self._costs: NDArray[np.float64] = np.empty(0)  # type: ignore[assignment]
        self.certificate: Certificate | None = None
        self._costs_at = -1

    def add_cost(self, cost: Cost, name: str | None = None) -> None:
        """Add a cost; `name` tells its weights from those of another cost of the same class."""
        name = type(cost).__name__ if name is None else name
        if name in self._cost_instances:
            raise RuntimeError(
                f"A cost instance with name '{name}' was already registered. "
                "Consider passing a different name with the 'name=' argument to Solver.add_cost"
            )
        self._cost_instances[name] = cost
        for attribute, weight in cost.__dict__.items():
            if isinstance(weight, Weight):
                self.features.register_feature(self.weights.add_weight(weight, (name, attribute)))
        if not apply_as_arrays(self, cost):
            cost.apply(self)

    def add_constraint(self, constraint: Constraint) -> None:
        """Add a constraint: motile's own by what they mean, others as the rows that they write."""
        if not take(self, constraint):
            self._add_custom(type(constraint).__name__, lambda: super(Solver, self).add_constraint(constraint))

    def solve(
        self,
        timeout: float = 0.0,
        num_threads: int = 1,
        verbose: bool = False,
        backend: ilpy.Preference = ilpy.Preference.Any,
        on_event: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> ilpy.Solution:
        """The cheapest selection, proven.

        timeout: seconds, 0 for none; the best selection found by then has the status TIMELIMIT.
        num_threads: independent parts solved at once.   verbose: log at the level WARNING, else at INFO.
        backend: Any solves linear relaxations by HiGHS and proves the rest; a named one is given the integer programs
        of a flow that remain after our reductions; what rows of others reach is always HiGHS'.
        on_event: told when the model is reduced ("PRESOLVEROUND") and solved ("BESTSOLFOUND", with primalbound,
        dualbound and gap).
        The objective of the Solution is `costs` times its values. Without a solution its values are 0, its status is
        INFEASIBLE or TIMELIMIT, and a warning says why, naming pins that cannot hold together.
        Raises InputError for costs that are not finite and graphs whose edges lead nowhere.
        """
        self._refuse_costs()
        self.objective = ilpy.Objective()
        self.objective._coeffs = self.costs.tolist()  # set_coefficient resizes for each of them
        level = logging.WARNING if verbose else logging.INFO
        self.solution, self.certificate = solve_model(
            self, timeout, num_threads, backend, on_event, lambda text: logger.log(level, text)
        )
        return self.solution

    def get_selected_subgraph(self, solution: ilpy.Solution | None = None) -> motile.TrackGraph:
        """The selected nodes and edges; raises PinConflictError where there is no solution to select them by."""
        solution = self.solution if solution is None else solution
        if solution is not None and solution.status is ilpy.SolverStatus.INFEASIBLE:
            raise PinConflictError(
                str(solution.native_status)
                if solution is self.solution
                else "the solution given is of no feasible model"
            )
        return super().get_selected_subgraph(solution)

    def add_variable_cost(self, index: int | ilpy.Variable, value: float, weight: Weight) -> None:
        """Add a cost of one variable, as costs of your own do."""
        self.features.add_feature(index, self.weights.index_of(weight), value)

    def fit_weights(
        self, gt_attribute: str, regularizer_weight: float = 0.1, max_iterations: int = 1000, eps: float = 1e-6
    ) -> None:
        """Learn the weights from nodes and edges marked as true (1), false (0) or unknown (None or absent).

        All other variables follow from the truth: a node whose way in is known is also known to appear or not. See
        `tracker.motile.learning`. regularizer_weight: of |weights|^2 / 2.   max_iterations: cutting planes at most.
        eps: relative gap of the objective at which to stop.
        """
        from tracker.motile.learning import learn_weights  # brings the rooms of `track tune`, which nothing else needs

        self.weights.from_ndarray(learn_weights(self, gt_attribute, regularizer_weight, max_iterations, eps).tolist())

    @property
    def costs(self) -> NDArray[np.float64]:
        """(variables,) the cost of each, at the present weights."""
        if self._weights_changed or self._costs_at != self.features.changes or len(self._costs) != self.num_variables:
            self._compute_costs()
            self._weights_changed, self._costs_at = False, self.features.changes
        return self._costs

    @property
    def weight_names(self) -> list[str]:
        """Of each weight in their order, "cost: attribute"."""
        named = {id(weight): name for name, weight in self.weights._weights_by_name.items()}
        return [str(named[id(weight)]) for weight in self.weights._weights]

    def indices(self, kind: Kind) -> slice:
        """Where the variables of a kind lie, which must be there."""
        numbers = index_map(self.variables[kind])
        first = next(iter(numbers.values()), 0)
        return slice(first, first + len(numbers))

    def _compute_costs(self) -> None:
        weights = np.array([weight.value for weight in self.weights._weights], np.float64)
        self._costs = self.features.to_ndarray() @ weights

    def _add_variables(self, cls: Kind) -> None:
        if cls not in NEEDS:
            self._add_custom(cls.__name__, lambda: super(Solver, self)._add_variables(cls))
            return
        if not any(kind in NEEDS for kind in self.variables):
            check_edges(self.graph)
        keys = cls.instantiate(self)
        indices = self._allocate_variables(len(keys))
        self.variables[cls] = cls(self, dict(zip(keys, indices, strict=True)))
        self.variable_types.update(dict.fromkeys(indices, cls.variable_type))
        for other in NEEDS[cls]:
            self.get_variables(other)
        self.constraints.later(partial(cls.instantiate_constraints, self))

    def _add_custom(self, name: str, add: Callable[[], None]) -> None:
        """Do what adds rows that are not motile's, and remember whose they are."""
        before, self.constraints.source = self.constraints.source, name
        try:
            add()
        finally:
            self.constraints.source = before

    def _refuse_costs(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.costs))
        if len(bad):
            named = {int(index) for index in bad[:5]}
            found = [
                f"{kind.__name__}({key!r})"
                for kind, variables in self.variables.items()
                for key, index in index_map(variables).items()
                if index in named
            ]
            raise InputError(
                f"costs must be finite numbers; they are NaN or infinite for {len(bad)} variables: "
                f"{first_five(found)}{' ...' if len(bad) > 5 else ''}. Look at the attributes and weights of "
                f"{first_five(self._cost_instances)}"
            )
