"""Local proofs: integer optimum of a block whose relaxation is fractional in a few places.

With duals y, every binary x that satisfies the rows costs  y.b + sum_j rc_j x_j, so its *excess* over the
relaxation's bound L = y.b + sum_j min(0, rc_j) is  sum_j rc_j x_j - min(0, rc_j) >= 0, column by column.

A *cluster* is a set of rows R around fractional columns (the whole component where that is small). Let delta(R) be
the least excess of binary values of the columns that touch R, when only the rows of R are enforced: a small integer
program. Clusters with no column in common pay their excess independently, so L + sum of deltas is a lower bound. The
cluster's solution, put into the relaxed one, may break rows just outside R; then R takes these rows in and is solved
again. Once nothing is broken, the combination is a binary solution of exactly that cost: optimal. The price of a proof
is local, whatever the size of the movie.

Clusters that share a column are merged when the column is used, or when its reduced cost is below the sum of their
deltas. Otherwise it does no harm: a solution that uses the column pays for all of these clusters at once.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, csr_array, hstack
from scipy.sparse.csgraph import connected_components

from tracker.ilp.backends import SolverSettings, solve_integer
from tracker.ilp.block import Block
from tracker.ilp.relax import Relaxation

_INTEGRAL = 1e-6
_SLACK = 1e-9
_WHOLE_ROWS = 3000  # components up to this size are one cluster from the start


@dataclass(frozen=True)
class Repaired:
    """values: (C,) binary, None when time ran out.   bound: proven.   whole: a program needed every column.

    slack: (R,) sum of the deltas of the clusters with a column in that row: see margins.
    """

    values: NDArray[np.float64] | None
    bound: float
    slack: NDArray[np.float64]
    whole: bool = False
    infeasible: bool = False


@dataclass(frozen=True)
class _Cluster:
    """rows R; every column that touches them, with its value; the proven least excess; if all columns were admitted."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    delta: float
    everything: bool


class _InfeasibleError(Exception):
    pass


class _OutOfTimeError(Exception):
    pass


def repair(block: Block, relaxation: Relaxation, settings: SolverSettings, deadline: float) -> Repaired:
    """Binary values of a block from its fractional relaxation, and the bound that goes with them."""
    count = len(block.cost)
    block, relaxation = _as_equalities(block, relaxation)
    assert relaxation.values is not None
    rounded = np.round(relaxation.values)
    integral = np.abs(relaxation.values - rounded) <= _INTEGRAL
    relaxed = np.where(integral, rounded, relaxation.values)
    by_row = csr_array(block.matrix.tocsr())
    fractional = block.matrix[:, np.flatnonzero(~integral)]
    pending = [np.unique(fractional[:, [column]].indices).astype(np.int64) for column in range(fractional.shape[1])]
    pending += [np.array([row]) for row in block.infeasible_rows(relaxed)]
    pending = _united([*pending, *_small_components(block, np.concatenate(pending))])
    done: list[_Cluster] = []
    try:
        while True:
            done += [
                _solve_cluster(block, by_row, relaxation.reduced_cost, rows, settings, deadline) for rows in pending
            ]
            groups = _entangled(done, relaxation.reduced_cost, len(block.cost))
            if len(groups) == len(done):
                values = relaxed.copy()
                for cluster in done:
                    values[cluster.columns] = cluster.values
                broken = block.infeasible_rows(values)
                if not len(broken):
                    bound = relaxation.bound + sum(cluster.delta for cluster in done)
                    whole = any(cluster.everything for cluster in done)
                    slack = np.zeros(len(block.rhs))
                    for cluster in done:
                        slack[np.unique(block.matrix[:, cluster.columns].indices)] += cluster.delta
                    return Repaired(values[:count], bound, slack, whole)
                groups = _united([*groups, *_around(broken, by_row, block, done, values != relaxed, relaxation)])
            kept = {cluster.rows.tobytes(): cluster for cluster in done}
            done = [kept[rows.tobytes()] for rows in groups if rows.tobytes() in kept]
            pending = [rows for rows in groups if rows.tobytes() not in kept]
    except _InfeasibleError:
        return Repaired(None, np.inf, np.zeros(len(block.rhs)), infeasible=True)
    except _OutOfTimeError:
        return Repaired(None, relaxation.bound, np.zeros(len(block.rhs)))


def _as_equalities(block: Block, relaxation: Relaxation) -> tuple[Block, Relaxation]:
    """The block with a binary column for what is left of each `<=` row: an unused right-hand side is excess, too."""
    assert relaxation.values is not None
    loose = np.flatnonzero(~block.equality)
    if not len(loose):
        return block, relaxation
    unit = csc_array((np.ones(len(loose)), (loose, np.arange(len(loose)))), shape=(len(block.rhs), len(loose)))
    left = (block.rhs - block.matrix @ relaxation.values)[loose]
    row_component = np.unique(block.component)[_row_component(block)]
    extended = Block(
        rows=block.rows,
        columns=np.append(block.columns, np.full(len(loose), -1)),
        matrix=csc_array(hstack([block.matrix, unit])),
        cost=np.append(block.cost, np.zeros(len(loose))),
        rhs=block.rhs,
        equality=np.ones(len(block.rhs), bool),
        component=np.append(block.component, row_component[loose]),
        bounded=np.append(block.bounded, np.ones(len(loose), bool)),
        start=np.append(block.start, np.ones(len(loose), bool)),
    )
    return extended, Relaxation(
        values=np.append(relaxation.values, left),
        duals=relaxation.duals,
        reduced_cost=np.append(relaxation.reduced_cost, -np.minimum(relaxation.duals[loose], 0.0)),
        bound=relaxation.bound,
    )


def _united(groups: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Sorted row sets, those with a row in common made one."""
    rows = np.concatenate([np.empty(0, np.int64), *groups])
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    names, place = np.unique(rows, return_inverse=True)
    links = coo_array((np.ones(len(rows), bool), (owner, len(groups) + place)), (len(groups) + len(names),) * 2)
    label = connected_components(links, directed=False)[1][len(groups) :]
    return [names[label == number] for number in np.unique(label)]


def _entangled(clusters: list[_Cluster], reduced_cost: NDArray[np.float64], n_columns: int) -> list[NDArray[np.int64]]:
    """The clusters' row sets, those that may not be counted apart made one."""
    touching = np.zeros(n_columns, np.int64)
    together = np.zeros(n_columns)
    used = np.zeros(n_columns, bool)
    for cluster in clusters:
        touching[cluster.columns] += 1
        together[cluster.columns] += cluster.delta
        used[cluster.columns[cluster.values > 0]] = True
    shared = (touching > 1) & (used | (np.abs(reduced_cost) < together - _SLACK))
    if not shared.any():
        return [cluster.rows for cluster in clusters]
    # A column is written as a row number of its own, below all real ones, so that sharing it unites the sets.
    marked = [np.concatenate([-1 - cluster.columns[shared[cluster.columns]], cluster.rows]) for cluster in clusters]
    return [rows[rows >= 0] for rows in _united(marked)]


def _around(
    broken: NDArray[np.int64],
    by_row: csr_array,
    block: Block,
    clusters: list[_Cluster],
    changed: NDArray[np.bool_],
    relaxation: Relaxation,
) -> list[NDArray[np.int64]]:
    """What each cluster has to take in: the broken rows that its changed columns touch.

    Then also every row that it reaches through a column not dearer than its delta, since only such columns can be part
    of another solution as good: clusters grow by rings, and are solved a few times only.
    """
    found = []
    reached = np.zeros(len(changed), bool)
    for cluster in clusters:
        reached[:] = False
        reached[cluster.columns[changed[cluster.columns]]] = True
        hit = [row for row in broken if reached[by_row.indices[by_row.indptr[row] : by_row.indptr[row + 1]]].any()]
        if not hit:
            continue
        cheap = cluster.columns[relaxation.reduced_cost[cluster.columns] <= cluster.delta + _SLACK]
        ring = np.unique(block.matrix[:, cheap].indices)
        found.append(np.concatenate([cluster.rows[:1], hit, ring]).astype(np.int64))
    return found


def _small_components(block: Block, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """All rows of each component that `rows` lie in, where it is small enough to be solved as a whole."""
    row_component = _row_component(block)
    size = np.bincount(row_component)
    wanted = [number for number in np.unique(row_component[rows]) if size[number] <= _WHOLE_ROWS]
    return [np.flatnonzero(row_component == number) for number in wanted]


def _row_component(block: Block) -> NDArray[np.int64]:
    """(R,) component of each row."""
    names, column_component = np.unique(block.component, return_inverse=True)
    found = np.full(len(block.rhs), len(names), np.int64)
    found[block.matrix.indices] = np.repeat(column_component, np.diff(block.matrix.indptr))
    return found


def _solve_cluster(
    block: Block,
    by_row: csr_array,
    reduced_cost: NDArray[np.float64],
    rows: NDArray[np.int64],
    settings: SolverSettings,
    deadline: float,
) -> _Cluster:
    """Least excess over the rows R. Columns dearer than the best solution found cannot be part of a better one."""
    if time.perf_counter() > deadline:
        raise _OutOfTimeError
    part = by_row[rows]
    columns = np.unique(part.indices).astype(np.int64)
    cost = reduced_cost[columns]
    program = Block(
        rows=block.rows[rows],
        columns=block.columns[columns],
        matrix=csc_array(part.tocsc()[:, columns]),
        cost=cost,
        rhs=block.rhs[rows],
        equality=block.equality[rows],
        component=block.component[columns],
        bounded=block.bounded[columns],
        start=block.start[columns],
    )
    nothing = float(np.minimum(cost, 0.0).sum())
    ranked = np.sort(cost)
    limit = max(0.0, float(ranked[min(len(cost) - 1, len(rows))]))
    while True:
        choice = np.flatnonzero(cost <= limit)
        found = solve_integer(program, choice, settings, deadline)
        if found.infeasible:
            if len(choice) == len(cost):
                raise _InfeasibleError
            limit = float(ranked[min(len(cost) - 1, len(choice) + len(choice) // 4 + 8)])
            continue
        if found.values is None:
            raise _OutOfTimeError
        excess = float(cost @ found.values) - nothing
        if excess <= limit + _SLACK or len(choice) == len(cost):
            delta = min(max(found.bound - nothing, 0.0), excess)
            return _Cluster(rows, columns, found.values, delta, len(choice) == len(cost))
        limit = min(excess, 1.5 * limit + 1e-3) * (1 + _SLACK) + _SLACK  # a larger limit may find a lower excess
