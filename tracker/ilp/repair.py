"""From a fractional relaxation of a block to its integer optimum: clusters around what is fractional (clusters.py)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, hstack

from tracker.ilp.backends import SolverSettings
from tracker.ilp.block import Block
from tracker.ilp.clusters import Equalities, InfeasibleError, OutOfTimeError, settle
from tracker.ilp.relax import Relaxation

_INTEGRAL = 1e-6
_WHOLE_ROWS = 3000  # components up to this size are one cluster from the start


@dataclass(frozen=True)
class Repaired:
    """values: (C,) binary, None when time ran out.   bound: proven.   whole: a program needed every column.

    slack: (R,) sum of the deltas of the clusters with a column in that row: see margins.
    clusters: row sets (indices of the block's rows) around which the relaxation was wrong.
    """

    values: NDArray[np.float64] | None
    bound: float
    slack: NDArray[np.float64]
    clusters: tuple[NDArray[np.int64], ...] = ()
    whole: bool = False
    infeasible: bool = False


def repair(block: Block, relaxation: Relaxation, settings: SolverSettings, deadline: float) -> Repaired:
    """Binary values of a block from its fractional relaxation, and the bound that goes with them."""
    count = len(block.cost)
    assert relaxation.values is not None
    program, relaxed = _as_equalities(block, relaxation.values, relaxation)
    rounded = np.round(relaxed)
    integral = np.abs(relaxed - rounded) <= _INTEGRAL
    relaxed = np.where(integral, rounded, relaxed)
    pending = [program.rows_of(np.array([column])) for column in np.flatnonzero(~integral)]
    pending += [np.array([row]) for row in np.flatnonzero(np.abs(program.matrix @ relaxed - program.rhs) > _INTEGRAL)]
    pending += _small_components(block, np.concatenate(pending))
    slack = np.zeros(len(block.rhs))
    try:
        clusters = settle(program, relaxed, pending, [], settings, deadline)
    except InfeasibleError:
        return Repaired(None, np.inf, slack, infeasible=True)
    except OutOfTimeError:
        return Repaired(None, relaxation.bound, slack)
    for cluster in clusters:
        relaxed[cluster.columns] = cluster.values
        slack[program.rows_of(cluster.columns)] += cluster.delta
    bound = relaxation.bound + sum(cluster.delta for cluster in clusters)
    whole = any(cluster.everything for cluster in clusters)
    return Repaired(relaxed[:count], bound, slack, tuple(cluster.rows for cluster in clusters), whole)


def _as_equalities(
    block: Block, values: NDArray[np.float64], relaxation: Relaxation
) -> tuple[Equalities, NDArray[np.float64]]:
    """The block with a binary column for what is left of each `<=` row: an unused right-hand side is excess, too."""
    loose = np.flatnonzero(~block.equality)
    unit = csc_array((np.ones(len(loose)), (loose, np.arange(len(loose)))), shape=(len(block.rhs), len(loose)))
    matrix = csc_array(hstack([block.matrix, unit])) if len(loose) else block.matrix
    program = Equalities(
        matrix=matrix,
        by_row=csr_array(matrix.tocsr()),
        rhs=block.rhs,
        reduced_cost=np.append(relaxation.reduced_cost, -np.minimum(relaxation.duals[loose], 0.0)),
        lower=np.append(block.lower, np.zeros(len(loose), np.int8)),
        upper=np.append(block.upper, np.ones(len(loose), np.int8)),
    )
    return program, np.append(values, (block.rhs - block.matrix @ values)[loose])


def _small_components(block: Block, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """All rows of each component that `rows` lie in, where it is small enough to be solved as a whole."""
    names, column_component = np.unique(block.component, return_inverse=True)
    row_component = np.full(len(block.rhs), len(names), np.int64)
    row_component[block.matrix.indices] = np.repeat(column_component, np.diff(block.matrix.indptr))
    size = np.bincount(row_component)
    wanted = [number for number in np.unique(row_component[rows]) if size[number] <= _WHOLE_ROWS]
    return [np.flatnonzero(row_component == number) for number in wanted]
