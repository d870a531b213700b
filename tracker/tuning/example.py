"""One movie to learn from: the part of its program that the annotation speaks of, and the loss there."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bmat
from scipy.sparse.csgraph import connected_components

from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.rows import constraint_matrix
from tracker.ilp.solve import solve
from tracker.tuning.cost_model import LinearModel
from tracker.tuning.propagate import propagate
from tracker.tuning.target import Target


@dataclass(frozen=True)
class Example:
    """A model, a target, and what counts.

    A row of the program (the ways into a detection, or out of it) counts when the target decides any of its columns.
    Columns of rows that count enter costs and features; links and divisions elsewhere are closed, ends elsewhere are
    free. So what lies farther from the annotation has no influence, while a wrong choice still has to pay for what it
    takes from the undecided neighbours of a right one: without that, links would be learnt to be too dear.

    counts: (columns,) bool.   program: with the others closed.   part: (columns,) number of the independent part of
    the program that a column belongs to, of `n_parts`.   loss_cost: (columns,) what choosing a column adds to the
    loss, -1 where the target has it, and loss_constant: (n_parts,) what to add to that.
    complete: every column that counts is decided.   n_links: decided true links, divisions counting twice.
    """

    model: LinearModel
    target: Target
    counts: NDArray[np.bool_]
    program: TrackingProblem
    part: NDArray[np.int64]
    n_parts: int
    loss_cost: NDArray[np.float64]
    loss_constant: NDArray[np.float64]
    complete: bool
    n_links: int

    def oracle(self, weights: NDArray[np.float64], settings: SolverSettings) -> NDArray[np.bool_]:
        """(columns,) the lineage that maximises loss - cost at internal weights (K,), exactly."""
        return self._solve(weights, self.loss_cost, self.program, settings)

    def completion(self, weights: NDArray[np.float64], settings: SolverSettings) -> NDArray[np.bool_]:
        """(columns,) the cheapest lineage that agrees with all that is decided."""
        decided, values = self.target.decided, self.target.values
        lower = np.where(decided, values, self.program.lower).astype(np.int8)
        upper = np.where(decided, values, self.program.upper).astype(np.int8)
        return self._solve(weights, np.zeros(len(decided)), self.program.with_bounds(lower, upper), settings)

    def describe(self, values: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What a lineage says in each part: fixed costs minus loss (n_parts,), joint features (n_parts, K)."""
        counted = values & self.counts
        fixed = np.where(counted, self.model.fixed, 0.0) + np.where(values, self.loss_cost * -1.0, 0.0)
        constant = np.bincount(self.part, fixed, self.n_parts) - self.loss_constant
        return constant, self.model.psi_by_group(counted, self.part, self.n_parts)

    def _solve(
        self,
        weights: NDArray[np.float64],
        loss: NDArray[np.float64],
        program: TrackingProblem,
        settings: SolverSettings,
    ) -> NDArray[np.bool_]:
        cost = np.where(self.counts, self.model.cost(weights), 0.0) - loss
        return solve(replace(program, cost=cost), settings).values


def make_example(model: LinearModel, target: Target, max_parts: int = 32) -> Example:
    """What to learn from a model and its target.   max_parts: how many independent parts are told apart at most."""
    program, decided, values = model.program, target.decided, target.values
    count, layout = program.n_detections, program.layout
    lower, upper = propagate(program, program.lower, program.upper)
    fixed = lower == upper  # every lineage agrees here
    rows = constraint_matrix(program, np.arange(layout.n_columns))[: 2 * count].tocsr()
    touch = abs(rows)
    active = touch @ decided.astype(float) > 0
    counts = touch.T @ active.astype(float) > 0
    upper = program.upper.copy()
    for family in (layout.link, layout.division):
        upper[family][~counts[family]] = 0
    inner = program.with_bounds(program.lower, upper)
    part, n_parts = _parts(inner, max_parts)
    loss_cost, loss_constant = np.where(decided, 1.0 - 2.0 * values, 0.0), (decided * values).astype(float)
    if target.loss is not None:
        loss_cost, loss_constant = target.loss
    true_links = np.count_nonzero(values[layout.link]) + 2 * np.count_nonzero(values[layout.division])
    return Example(
        model=model,
        target=target,
        counts=counts,
        program=inner,
        part=part,
        n_parts=n_parts,
        loss_cost=loss_cost,
        loss_constant=np.bincount(part, loss_constant, n_parts).astype(float),
        complete=bool((decided | fixed)[counts].all()),
        n_links=int(true_links),
    )


def _parts(program: TrackingProblem, max_parts: int) -> tuple[NDArray[np.int64], int]:
    """(columns,) number of the independent part of each column, and how many parts; neighbouring ones put together."""
    free = np.flatnonzero(program.lower < program.upper)
    part = np.zeros(program.layout.n_columns, np.int64)
    if not len(free):
        return part, 1
    matrix = constraint_matrix(program, free).tocsr()
    n_rows = matrix.shape[0]
    corner = bmat([[None, matrix], [matrix.T, None]], format="csr")
    _, label = connected_components(corner, directed=False)
    _, own = np.unique(label[n_rows:], return_inverse=True)
    n_own = int(own.max()) + 1
    n_parts = min(n_own, max_parts)
    part[free] = own * n_parts // n_own
    return part, n_parts
