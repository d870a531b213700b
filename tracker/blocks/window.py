"""One window solved while the rest stands still: its duals (the bound never falls) and its lineage."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.part import Part, rows_of_detections, take, touching, within
from tracker.ilp.backends import SolverSettings
from tracker.ilp.block import Block, split_into_blocks
from tracker.ilp.relax import Program
from tracker.ilp.rows import constraint_matrix, n_equalities
from tracker.ilp.solve import solve

_Flags = NDArray[np.bool_]


def ascend(part: Part, chosen: _Flags, settings: SolverSettings, deadline: float) -> NDArray[np.float64]:
    """(rows,) duals of the part, those of the `chosen` detections' rows the best for the duals of all other rows.

    chosen: (N,) whole detections. Block coordinate ascent on L(y): columns that reach out of the window cost what they
    cost less what the fixed duals outside pay for them, and are bounded by 0 and 1 alone. Where a program is infeasible
    or out of time its rows keep their duals.
    """
    problem, duals = part.problem, part.duals.copy()
    enforced = rows_of_detections(problem, chosen)
    if not enforced.any():
        return duals
    free = np.flatnonzero((problem.lower < problem.upper) & _touches(part, chosen, enforced))
    fixed_on = np.flatnonzero(problem.lower == 1)
    rhs_change = constraint_matrix(problem, fixed_on) @ np.ones(len(fixed_on))
    outside = np.where(enforced, 0.0, duals)
    cost = problem.cost.copy()
    cost[free] -= constraint_matrix(problem, free).T @ outside
    priced = replace(problem, cost=cost)
    blocks, _, _ = split_into_blocks(priced, free, rhs_change, settings.batch_rows, enforced)

    def relaxed(block: Block) -> NDArray[np.float64] | None:
        found = Program(block, settings, deadline).optimise()
        return None if found.infeasible or found.values is None else found.duals

    with ThreadPoolExecutor(settings.threads or os.cpu_count() or 1) as pool:
        results = list(pool.map(relaxed, blocks))
    for block, result in zip(blocks, results, strict=True):
        if result is not None:
            duals[block.rows] = np.where(block.equality, result, np.minimum(result, 0.0))
    return duals


def decide(part: Part, settings: SolverSettings) -> NDArray[np.bool_]:
    """(columns,) the cheapest values, those that are decided standing as they are.

    The rim is open: its detections may come and go for nothing, but none has two parents.
    Raises PinConflictError (of solve.py) where what is decided leaves no lineage.
    """
    problem, layout, rim = part.problem, part.problem.layout, ~part.whole
    lower, upper = problem.lower.copy(), problem.upper.copy()
    cost = problem.cost.copy()
    open_ends = [layout.appear, layout.disappear, *([layout.splits] if problem.split else [])]
    for family in (layout.detection, *open_ends):
        lower[family][rim], upper[family][rim], cost[family][rim] = 0, 1, 0.0
    standing = part.decided.copy()
    for family in open_ends:
        standing[family] &= part.whole
    lower[standing] = upper[standing] = part.values[standing]
    return solve(replace(problem, cost=cost, lower=lower, upper=upper), settings).values


def redecide(part: Part, chosen: _Flags, settings: SolverSettings) -> NDArray[np.bool_]:
    """(columns,) values in which all columns with every end among the `chosen` detections are decided anew.

    Raises PinConflictError where the rest leaves no lineage.
    """
    window, places = take(part, chosen)
    window.decided = ~within(window.problem, window.whole)
    values = part.values.copy()
    inner = ~window.decided
    values[places.columns[inner]] = decide(window, settings)[inner]
    return values


def _touches(part: Part, chosen: _Flags, enforced: _Flags) -> _Flags:
    """(columns,) that touch an enforced row."""
    touched = touching(part.problem, chosen)
    first_extra = (3 if part.problem.split else 2) * part.problem.n_detections
    if not enforced[first_extra:].any():
        return touched
    matrix = constraint_matrix(part.problem, np.arange(part.problem.layout.n_columns))
    assert n_equalities(part.problem) <= first_extra
    return np.asarray(abs(matrix).T @ enforced.astype(np.float64) > 0)
