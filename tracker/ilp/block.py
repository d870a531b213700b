"""Block: one or more independent components of the problem, as a small integer program of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from tracker.ilp.problem import TrackingProblem
from tracker.ilp.reduce import batches, row_components
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side


@dataclass(frozen=True)
class Block:
    """Minimise cost @ x over binary x with matrix @ x = rhs (`equality` rows) or <= rhs (the others).

    rows, columns: numbers in the whole problem of this block's R rows and C columns.
    component: (C,) component number of each column, counted over the whole problem.
    bounded: (C,) columns whose x <= 1 the rows do not imply (detections, and where a row is left out).
    start: (C,) columns that the first linear program should hold.
    lower, upper: (C,) bounds; 0 and 1 where not given.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    matrix: csc_array
    cost: NDArray[np.float64]
    rhs: NDArray[np.float64]
    equality: NDArray[np.bool_]
    component: NDArray[np.int32]
    bounded: NDArray[np.bool_]
    start: NDArray[np.bool_]
    lower: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    upper: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))

    def __post_init__(self) -> None:
        """Columns are free unless said otherwise."""
        if len(self.lower) != len(self.cost):
            object.__setattr__(self, "lower", np.zeros(len(self.cost), np.int8))
            object.__setattr__(self, "upper", np.ones(len(self.cost), np.int8))

    def with_rows(self, rows: NDArray[np.int64]) -> "Block":
        """The block with only some of its rows (indices)."""
        return replace(
            self,
            rows=self.rows[rows],
            matrix=csc_array(self.matrix.tocsr()[rows].tocsc()),
            rhs=self.rhs[rows],
            equality=self.equality[rows],
        )

    def infeasible_rows(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Row indices that `values` (C,) violates by more than 1e-6."""
        excess = self.matrix @ values - self.rhs
        return np.flatnonzero(np.where(self.equality, np.abs(excess), excess) > 1e-6)


def promising(problem: TrackingProblem, columns: NDArray[np.int64], per_detection: int = 3) -> NDArray[np.bool_]:
    """(K,) which of `columns` a first linear program should hold.

    All detection, appear, disappear and split columns; of the links the cheapest few of every parent and every
    child; of the divisions the cheapest few of every parent; and whatever enters or leaves a detection that may
    not appear or disappear, since pins could make the first program infeasible without it.
    """
    layout, price = problem.layout, problem.cost
    chosen = np.ones(len(columns), bool)
    no_start, no_end = problem.upper[layout.appear] == 0, problem.upper[layout.disappear] == 0
    for family, ends in ((layout.link, problem.links), (layout.division, problem.divisions)):
        low, high = np.searchsorted(columns, [family.start, family.stop])
        own = columns[low:high] - family.start
        cost = price[columns[low:high]]
        ends = ends[own]
        keep = no_end[ends[:, 0]] | no_start[ends[:, 1:]].any(axis=1)
        for key in ends.T[: 2 if family == layout.link else 1]:
            keep |= _cheapest(key, cost, problem.n_detections, per_detection)
        chosen[low:high] = keep
    return chosen


def _cheapest(key: NDArray[np.integer], cost: NDArray[np.float64], n_keys: int, per_key: int) -> NDArray[np.bool_]:
    """True for the `per_key` cheapest entries of every key, ties with the last of them included."""
    chosen = np.zeros(len(key), bool)
    for _ in range(per_key):
        best = np.full(n_keys, np.inf)
        rest = ~chosen
        np.minimum.at(best, key[rest], cost[rest])
        chosen |= cost <= best[key]
    return chosen


def split_into_blocks(
    problem: TrackingProblem,
    columns: NDArray[np.int64],
    rhs_change: NDArray[np.float64],
    target_rows: int,
    enforced: NDArray[np.bool_] | None = None,
) -> tuple[list[Block], NDArray[np.int64], int]:
    """Blocks over the free `columns`, rows that no free column touches, and the number of components.

    rhs_change: (rows,) what columns fixed at 1 already put into each row.
    enforced: (rows,) which rows there are, default all; each of the columns must touch one.
    """
    matrix = constraint_matrix(problem, columns)
    partly = np.zeros(len(columns), bool)
    if enforced is not None:
        kept = enforced[matrix.indices]
        partly = np.asarray(csc_array((~kept, matrix.indices, matrix.indptr), shape=matrix.shape).sum(axis=0)) > 0
        starts = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
        matrix = csc_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)
    component = row_components(matrix)
    touched = np.diff(matrix.tocsr().indptr) > 0
    used, component_rows = np.unique(component[touched], return_counts=True)
    batch_of = np.full(int(component.max(initial=-1)) + 1, -1, np.int64)
    batch_of[used] = batches(component_rows, target_rows)
    blocks = list(_blocks(problem, columns, matrix, component, batch_of, touched, rhs_change, partly))
    return blocks, np.flatnonzero(~touched), len(used)


def _blocks(
    problem: TrackingProblem,
    columns: NDArray[np.int64],
    matrix: csc_array,
    component: NDArray[np.int32],
    batch_of: NDArray[np.int64],
    touched: NDArray[np.bool_],
    rhs_change: NDArray[np.float64],
    partly: NDArray[np.bool_],
) -> Iterator[Block]:
    column_component = component[matrix.indices[matrix.indptr[:-1]]]
    column_batch = batch_of[column_component]
    row_batch = np.where(touched, batch_of[component], -1)
    column_order = np.argsort(column_batch, kind="stable")
    row_order = np.argsort(row_batch, kind="stable")
    n_batches = int(batch_of.max(initial=-1)) + 1
    column_ends = np.searchsorted(column_batch[column_order], np.arange(n_batches + 1))
    row_ends = np.searchsorted(row_batch[row_order], np.arange(n_batches + 1))
    matrix = matrix[:, column_order]
    local_row = np.empty(len(row_order), np.int64)
    local_row[row_order] = np.arange(len(row_order))
    rhs = right_hand_side(problem) - rhs_change
    equalities = n_equalities(problem)
    start = promising(problem, columns)
    bounded = (columns < problem.n_detections) | partly
    for number in range(n_batches):
        rows = row_order[row_ends[number] : row_ends[number + 1]]
        low, high = column_ends[number], column_ends[number + 1]
        own = column_order[low:high]
        entries = slice(matrix.indptr[low], matrix.indptr[high])
        indices = local_row[matrix.indices[entries]] - row_ends[number]
        starts = matrix.indptr[low : high + 1] - matrix.indptr[low]
        yield Block(
            rows=rows,
            columns=columns[own],
            matrix=csc_array((matrix.data[entries], indices, starts), shape=(len(rows), len(own))),
            cost=problem.cost[columns[own]],
            rhs=rhs[rows],
            equality=rows < equalities,
            component=column_component[own],
            bounded=bounded[own],
            start=start[own],
        )
