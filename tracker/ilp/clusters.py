"""Local optimality: mend a solution where it is broken, and prove it optimal, without looking at the rest.

Given duals y of equality rows, every x within bounds that satisfies the rows costs  y.b + sum_j rc_j x_j. Its *excess*
over the bound  L = y.b + sum_j least_j,  least_j = min(rc_j l_j, rc_j u_j),  is  sum_j rc_j x_j - least_j >= 0, column
by column.

A *cluster* is a set of rows R. Let delta(R) be the least excess of binary values of the columns that touch R, when
only the rows of R are enforced: a small integer program. Clusters with no column in common pay their excess
independently, so L + sum of deltas is a lower bound. The cluster's solution, put into the given one, may break rows
just outside R; then R takes these in and is solved again. Once nothing is broken, and no column outside clusters has
any excess, the combination costs exactly the bound: it is optimal. Proofs stay local, whatever the movie's size.

Clusters that share a column are merged when the column is used, or when its excess is below the sum of their deltas.
Otherwise it does no harm: a solution that uses the column pays for all of these clusters at once.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from tracker.ilp.backends import SolverSettings, solve_integer
from tracker.ilp.block import Block

_SLACK = 1e-9


class InfeasibleError(Exception):
    """No binary values of a cluster satisfy its rows. `rows`: those of the cluster."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        """Remember the rows."""
        super().__init__("infeasible")
        self.rows = rows


class OutOfTimeError(Exception):
    """The deadline passed."""


@dataclass(frozen=True)
class Equalities:
    """matrix @ x = rhs over binary x with lower <= x <= upper, priced by reduced costs.

    matrix, by_row: the same (R, C) matrix by columns and by rows.   reduced_cost: (C,) under some duals.
    """

    matrix: csc_array
    by_row: csr_array
    rhs: NDArray[np.float64]
    reduced_cost: NDArray[np.float64]
    lower: NDArray[np.int8]
    upper: NDArray[np.int8]

    def least(self, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each column adds to the bound: min(rc l, rc u)."""
        reduced = self.reduced_cost[columns]
        return np.minimum(reduced * self.lower[columns], reduced * self.upper[columns])

    def rows_of(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows that any of the columns touches, sorted."""
        return np.unique(self.matrix[:, columns].indices).astype(np.int64)

    def columns_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns that touch any of the rows, sorted."""
        return np.unique(self.by_row[rows].indices).astype(np.int64)


@dataclass(frozen=True)
class Cluster:
    """Rows R; every column that touches them, with its value; the proven least excess; if all columns were admitted."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    delta: float
    everything: bool


def settle(
    program: Equalities,
    values: NDArray[np.float64],
    pending: list[NDArray[np.int64]],
    settled: list[Cluster],
    settings: SolverSettings,
    deadline: float,
) -> list[Cluster]:
    """Clusters that, put into `values`, give an optimal solution.

    values: (C,) satisfying every row outside `pending`, without excess outside `pending` and `settled`; not changed.
    pending: row sets where it is broken or may be improved.   settled: clusters known to be right.
    Raises InfeasibleError, OutOfTimeError.
    """
    done = list(settled)
    pending = united(pending)
    while True:
        done += [_solve(program, rows, settings, deadline) for rows in pending]
        groups = _entangled(program, done)
        if len(groups) == len(done):
            growth = _growth(program, values, done)
            if not growth:
                return done
            groups = united([*groups, *growth])
        kept = {cluster.rows.tobytes(): cluster for cluster in done}
        done = [kept[rows.tobytes()] for rows in groups if rows.tobytes() in kept]
        pending = [rows for rows in groups if rows.tobytes() not in kept]


def united(groups: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Sorted sets, those with a member in common made one."""
    members = np.concatenate([np.empty(0, np.int64), *groups])
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    names, place = np.unique(members, return_inverse=True)
    size = len(groups) + len(names)
    links = coo_array((np.ones(len(members), bool), (owner, len(groups) + place)), (size, size))
    label = connected_components(links, directed=False)[1][len(groups) :]
    return [names[label == number] for number in np.unique(label)]


def _entangled(program: Equalities, clusters: list[Cluster]) -> list[NDArray[np.int64]]:
    """The clusters' row sets, those that may not be counted apart made one."""
    if len(clusters) < 2:
        return [cluster.rows for cluster in clusters]
    columns = np.concatenate([cluster.columns for cluster in clusters])
    sizes = [len(cluster.columns) for cluster in clusters]
    names, place, times = np.unique(columns, return_inverse=True, return_counts=True)
    together = np.bincount(place, np.repeat([cluster.delta for cluster in clusters], sizes))
    used = np.bincount(place, np.concatenate([cluster.values for cluster in clusters])) > 0
    excess = np.abs(program.reduced_cost[names])
    shared = names[(times > 1) & (used | (excess < together - _SLACK))]
    if not len(shared):
        return [cluster.rows for cluster in clusters]
    # A column is written as a row number of its own, below all real ones, so that sharing it unites the sets.
    marked = [
        np.concatenate([-1 - cluster.columns[np.isin(cluster.columns, shared)], cluster.rows]) for cluster in clusters
    ]
    return [rows[rows >= 0] for rows in united(marked)]


def _growth(program: Equalities, values: NDArray[np.float64], clusters: list[Cluster]) -> list[NDArray[np.int64]]:
    """What clusters have to take in: rows outside all of them that their changed columns break.

    Then also every row that such a cluster reaches through a column not dearer than its delta, since only such columns
    can be part of another solution as good: clusters grow by rings, and are solved a few times only.
    """
    rows, moved, owner = [], [], []
    for number, cluster in enumerate(clusters):
        change = cluster.values - values[cluster.columns]
        part = program.matrix[:, cluster.columns[change != 0]]
        rows.append(part.indices)
        moved.append(part.data * np.repeat(change[change != 0], np.diff(part.indptr)))
        owner.append(np.full(len(part.indices), number))
    touched, place = np.unique(np.concatenate([np.empty(0, np.int32), *rows]), return_inverse=True)
    imbalance = np.bincount(place, np.concatenate([np.empty(0), *moved]), minlength=len(touched))
    own = np.concatenate([np.empty(0, np.int64), *(cluster.rows for cluster in clusters)])
    broken = (np.abs(imbalance) > 1e-6) & ~np.isin(touched, own)
    if not broken.any():
        return []
    found = []
    hit = broken[place]
    owners = np.concatenate(owner)[hit]
    hit_rows = touched[place][hit]
    for number in np.unique(owners):
        cluster = clusters[number]
        cheap = cluster.columns[program.reduced_cost[cluster.columns] <= cluster.delta + _SLACK]
        found.append(
            np.concatenate([cluster.rows[:1], hit_rows[owners == number], program.rows_of(cheap)]).astype(np.int64)
        )
    return found


def _solve(program: Equalities, rows: NDArray[np.int64], settings: SolverSettings, deadline: float) -> Cluster:
    """Least excess over the rows R. Columns dearer than the best solution found cannot be part of a better one."""
    if time.perf_counter() > deadline:
        raise OutOfTimeError
    columns = program.columns_of(rows)
    lower, upper = program.lower[columns], program.upper[columns]
    if np.any(lower > upper):
        raise InfeasibleError(rows)
    matrix = csc_array(program.by_row[rows].tocsc()[:, columns])
    values = lower.astype(np.float64)
    free = np.flatnonzero(lower < upper)
    block = Block(
        rows=rows,
        columns=columns[free],
        matrix=csc_array(matrix[:, free]),
        cost=program.reduced_cost[columns[free]],
        rhs=program.rhs[rows] - matrix @ values,
        equality=np.ones(len(rows), bool),
        component=np.zeros(len(free), np.int32),
        bounded=np.ones(len(free), bool),
        start=np.ones(len(free), bool),
    )
    nothing = float(np.minimum(block.cost, 0.0).sum())
    if not len(free):
        if np.abs(block.rhs).max(initial=0.0) > 1e-6:
            raise InfeasibleError(rows)
        return Cluster(rows, columns, values, 0.0, everything=True)
    ranked = np.sort(block.cost)
    limit = max(0.0, float(ranked[min(len(free) - 1, len(rows))]))
    while True:
        choice = np.flatnonzero(block.cost <= limit)
        found = solve_integer(block, choice, settings, deadline)
        everything = len(choice) == len(free)
        if found.infeasible:
            if everything:
                raise InfeasibleError(rows)
            limit = float(ranked[min(len(free) - 1, len(choice) + len(choice) // 4 + 8)])
            continue
        if found.values is None:
            raise OutOfTimeError
        excess = float(block.cost @ found.values) - nothing
        if excess <= limit + _SLACK or everything:
            values[free] = found.values
            return Cluster(rows, columns, values, min(max(found.bound - nothing, 0.0), excess), everything)
        limit = min(excess, 1.5 * limit + 1e-3) * (1 + _SLACK) + _SLACK  # a larger limit may find a lower excess
