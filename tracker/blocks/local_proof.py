"""What is left after the duals did all they can: clusters that close the gap in place (see ilp/clusters.py)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from tracker.blocks.certificate import Excess
from tracker.blocks.part import Part, rows_of_detections, take
from tracker.ilp.backends import SolverSettings
from tracker.ilp.block import Block
from tracker.ilp.clusters import InfeasibleError, OutOfTimeError, OutsideError, settle
from tracker.ilp.relax import Relaxation
from tracker.ilp.repair import as_equalities
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side

_Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Proof:
    """A cluster: its rows, and every column that touches them, with the least reduced cost `delta` adds to L(y).

    reduced_cost: (K,) of the columns. They say how much of them other clusters may lay claim to.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    used: NDArray[np.bool_]
    reduced_cost: NDArray[np.float64]
    delta: float


def close_gap(
    part: Part, excess: Excess, chosen: _Flags, least: float, settings: SolverSettings, deadline: float
) -> tuple[NDArray[np.bool_], list[Proof]] | None:
    """Values and proofs under which no column of the `chosen` detections costs more than is proven.

    excess: of the part.   least: excess per column that is let pass. None where a proof would have to reach beyond the
    chosen detections, or time is up.
    """
    window, places = take(part, chosen)
    problem = window.problem
    matrix = constraint_matrix(problem, np.arange(problem.layout.n_columns))
    equality = np.arange(matrix.shape[0]) < n_equalities(problem)
    inner = rows_of_detections(problem, window.whole)
    for number, members in enumerate(problem.exclusive_sets):  # all members are here, so every column of the row is
        inner[(3 if problem.split else 2) * problem.n_detections + number] |= window.whole[members].any()
    values = window.values.astype(np.float64)
    rhs = np.where(inner, right_hand_side(problem), matrix @ values)  # rows of the rim stay as they are
    duals = np.where(equality, window.duals, np.minimum(window.duals, 0.0))
    count = len(values)
    block = Block(
        rows=np.arange(len(rhs)),
        columns=np.arange(count),
        matrix=csc_array(matrix),
        cost=problem.cost,
        rhs=rhs,
        equality=equality,
        component=np.zeros(count, np.int32),
        bounded=np.ones(count, bool),
        start=np.ones(count, bool),
        lower=problem.lower,
        upper=problem.upper,
    )
    relaxation = Relaxation(values, duals, excess.reduced_cost[places.columns], 0.0)
    program, filled = as_equalities(block, values, relaxation)
    dear = np.concatenate([excess.columns[places.columns], excess.rows[places.rows][~equality]]) > least
    pending = [rows[inner[rows]] for rows in (program.rows_of(np.array([column])) for column in np.flatnonzero(dear))]
    pending = [rows for rows in pending if len(rows)]
    if not pending:
        return part.values, []
    try:
        clusters = settle(program, filled, pending, [], settings, deadline, closed=~inner)
    except (OutsideError, OutOfTimeError, InfeasibleError):
        return None
    found, proofs = part.values.copy(), []
    for cluster in clusters:
        filled[cluster.columns] = cluster.values
        real = cluster.columns < count
        columns = cluster.columns[real]
        proofs.append(
            Proof(
                rows=places.rows[cluster.rows],
                columns=places.columns[columns],
                used=cluster.values[real] > 0.5,
                reduced_cost=program.reduced_cost[columns],
                delta=cluster.delta,
            )
        )
    found[places.columns] = filled[:count] > 0.5
    return found, proofs


def compatible(proofs: list[Proof]) -> NDArray[np.bool_]:
    """(P,) proofs that may be counted together, the later ones giving way.

    Two that share a column may when nobody uses it and its |reduced cost| is not below the sum of their deltas: who
    used it would pay for both at once.
    """
    kept = np.zeros(len(proofs), bool)
    if not proofs:
        return kept
    owner = np.repeat(np.arange(len(proofs)), [len(proof.columns) for proof in proofs])
    columns = np.concatenate([proof.columns for proof in proofs])
    names, place, times = np.unique(columns, return_inverse=True, return_counts=True)
    claimed = np.zeros(len(names))
    taken = np.zeros(len(names), bool)  # counted by a proof already
    price = np.abs(np.concatenate([proof.reduced_cost for proof in proofs]))
    used = np.concatenate([proof.used for proof in proofs])
    ends = np.cumsum([0, *np.bincount(owner, minlength=len(proofs))])
    anybody = np.bincount(place, used, len(names)) > 0
    for number, proof in enumerate(proofs):
        own = slice(ends[number], ends[number + 1])
        at = place[own]
        clash = taken[at] & (times[at] > 1) & (anybody[at] | (price[own] < claimed[at] + proof.delta - 1e-9))
        if clash.any():
            continue
        kept[number] = True
        taken[at] = True
        claimed[at] += proof.delta
    return kept
