"""One window solved while the rest stands still: its duals (the bound never falls), its lineage, and what it proves.

With the duals outside a window fixed, what a lineage costs falls apart: columns that do not touch the window cost at
least min(rc l, rc u) each, and those that do, at their costs less what the duals outside pay for them, cost at least
what the window's own program says, in which only its own rows hold. Its linear relaxation gives the best duals of the
window; its integer optimum, a bound on top of them where the relaxation is fractional.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.certificate import Excess
from tracker.blocks.part import Part, rows_of_detections, take, touching, within
from tracker.ilp.backends import SolverSettings
from tracker.ilp.block import Block, split_into_blocks
from tracker.ilp.exact import solve_block
from tracker.ilp.relax import Program, safe_bound
from tracker.ilp.rows import constraint_matrix
from tracker.ilp.solve import solve

_Flags = NDArray[np.bool_]
_Result = TypeVar("_Result")
_CLOSED = 1e-9  # relative: a window's values cost no more than is proven


@dataclass(frozen=True)
class Proof:
    """Rows that together prove `delta` more than their duals do, and every free column that touches them.

    used: (K,) what of the columns is chosen.   reduced_cost: (K,) of the columns.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    used: _Flags
    reduced_cost: NDArray[np.float64]
    delta: float


def ascend(part: Part, chosen: _Flags, settings: SolverSettings, deadline: float) -> NDArray[np.float64]:
    """(rows,) duals of the part, those of the `chosen` detections' rows the best for the duals of all other rows.

    chosen: (N,) whole detections. Block coordinate ascent on L(y): columns that reach out of the window cost what they
    cost less what the fixed duals outside pay for them, and are bounded by 0 and 1 alone. Where a program is infeasible
    or out of time its rows keep their duals.
    """
    duals = part.duals.copy()

    def relaxed(block: Block) -> NDArray[np.float64] | None:
        found = Program(block, settings, deadline).optimise()
        return None if found.infeasible or found.values is None else found.duals

    blocks = _program(part, chosen, settings.batch_rows)
    for block, result in zip(blocks, _parallel(relaxed, blocks, settings), strict=True):
        if result is not None:
            duals[block.rows] = np.where(block.equality, result, np.minimum(result, 0.0))
    return duals


def prove(
    part: Part, excess: Excess, chosen: _Flags, least: float, settings: SolverSettings, deadline: float
) -> list[Proof]:
    """Proofs of those components of a window in which values cost more than duals prove, and yet are the best.

    excess: of the part.   least: an excess up to this is none.
    A component with a link of which it is unknown what a row outside pays for it (`Part.half_paired`) proves nothing.
    """
    unknown = np.zeros(len(part.values), bool)
    if part.half_paired is not None:
        unknown[part.problem.layout.link] = part.half_paired
    blocks = [
        block
        for block in _program(part, chosen, 1)
        if excess.columns[block.columns].sum() + excess.rows[block.rows].sum() > least
        and not unknown[block.columns].any()
    ]
    proofs = []
    for block, result in zip(
        blocks, _parallel(lambda block: solve_block(block, settings, deadline), blocks, settings), strict=True
    ):
        values = part.values[block.columns]
        cost = float(block.cost @ values)
        if result.infeasible or cost - result.bound > _CLOSED * max(1.0, abs(cost)):
            continue
        delta = result.bound - safe_bound(block, part.duals[block.rows])[0]
        if delta > 0:
            reduced_cost = excess.reduced_cost[block.columns]
            proofs.append(Proof(block.rows, block.columns, values.copy(), reduced_cost, delta))
    return proofs


def compatible(proofs: list[Proof]) -> _Flags:
    """(P,) proofs that may be counted together, the later ones giving way.

    Two that share a column may when nobody uses it and its |reduced cost| is not below the sum of their deltas: who
    used it would pay for both at once.
    """
    kept = np.zeros(len(proofs), bool)
    if not proofs:
        return kept
    ends = np.cumsum([0, *(len(proof.columns) for proof in proofs)])
    names, place, times = np.unique(
        np.concatenate([proof.columns for proof in proofs]), return_inverse=True, return_counts=True
    )
    price = np.abs(np.concatenate([proof.reduced_cost for proof in proofs]))
    anybody = np.bincount(place, np.concatenate([proof.used for proof in proofs]), len(names)) > 0
    claimed, taken = np.zeros(len(names)), np.zeros(len(names), bool)
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


def decide(part: Part, settings: SolverSettings) -> _Flags:
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


def redecide(part: Part, chosen: _Flags, settings: SolverSettings) -> _Flags:
    """(columns,) values in which all columns with every end among the `chosen` detections are decided anew.

    Raises PinConflictError where the rest leaves no lineage.
    """
    window, places = take(part, chosen)
    window.decided = ~within(window.problem, window.whole)
    values = part.values.copy()
    inner = ~window.decided
    values[places.columns[inner]] = decide(window, settings)[inner]
    return values


def _program(part: Part, chosen: _Flags, batch_rows: int) -> list[Block]:
    """The window's program: its rows, every free column that touches one, priced by the duals outside."""
    problem = part.problem
    enforced = rows_of_detections(problem, chosen)
    if not enforced.any():
        return []
    free = np.flatnonzero((problem.lower < problem.upper) & touching(problem, chosen))
    fixed_on = np.flatnonzero(problem.lower == 1)
    rhs_change = constraint_matrix(problem, fixed_on) @ np.ones(len(fixed_on))
    cost = problem.cost.copy()
    cost[free] -= constraint_matrix(problem, free).T @ np.where(enforced, 0.0, part.duals)
    return split_into_blocks(replace(problem, cost=cost), free, rhs_change, batch_rows, enforced)[0]


def _parallel(work: Callable[[Block], _Result], blocks: list[Block], settings: SolverSettings) -> list[_Result]:
    threads = settings.threads or os.cpu_count() or 1
    if threads == 1 or len(blocks) < 2:
        return [work(block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, blocks))
