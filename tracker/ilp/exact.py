"""From the linear relaxation of a block to its integer optimum, with a proof."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.backends import SolverSettings, solve_integer
from tracker.ilp.block import Block
from tracker.ilp.relax import relax
from tracker.ilp.repair import repair

INTEGRAL_LP, FIXING, INTEGER_PROGRAM, UNPROVEN = "integral LP", "reduced-cost fixing", "MIP", "none"
STRENGTH = (INTEGRAL_LP, FIXING, INTEGER_PROGRAM, UNPROVEN)  # a result names the last one any block needed
_INTEGRAL = 1e-6


@dataclass(frozen=True)
class BlockResult:
    """What solving a block gave.

    values: (C,) binary, or None when nothing was found.   bound: proven lower bound.
    duals: (R,) of the block's rows, NaN where unknown.   cut_prices: (C,) what the duals of cuts take off each cost.
    slack: (R,) see `Solution.slack`.   proof: one of STRENGTH.
    """

    values: NDArray[np.float64] | None
    bound: float
    duals: NDArray[np.float64]
    cut_prices: NDArray[np.float64]
    slack: NDArray[np.float64]
    proof: str
    infeasible: bool = False


def solve_block(block: Block, settings: SolverSettings, deadline: float) -> BlockResult:
    """The cheapest binary values of a block.

    With HiGHS: relax; if that is integral it is the optimum, else `repair` makes it so. With another backend: its
    integer program on the whole block, without duals.
    """
    if settings.backend != "highs":
        return _solve_as_integer_program(block, settings, deadline)
    tightened, relaxation = relax(block, settings, deadline)
    count = len(block.rhs)
    duals = relaxation.duals[:count]
    cut_prices = tightened.matrix[count:].T @ np.minimum(relaxation.duals[count:], 0.0)
    slack = np.zeros(count)
    if relaxation.values is None:
        return BlockResult(None, relaxation.bound, duals, cut_prices, slack, UNPROVEN, relaxation.infeasible)
    values = np.round(relaxation.values)
    if np.abs(relaxation.values - values).max(initial=0.0) <= _INTEGRAL and not len(block.infeasible_rows(values)):
        return BlockResult(values, relaxation.bound, duals, cut_prices, slack, INTEGRAL_LP)
    repaired = repair(tightened, relaxation, settings, deadline)
    proof = UNPROVEN if repaired.values is None else INTEGER_PROGRAM if repaired.whole else FIXING
    slack = repaired.slack[:count]
    return BlockResult(repaired.values, repaired.bound, duals, cut_prices, slack, proof, repaired.infeasible)


def _solve_as_integer_program(block: Block, settings: SolverSettings, deadline: float) -> BlockResult:
    found = solve_integer(block, np.arange(len(block.cost)), settings, deadline)
    bound = max(found.bound, float(np.minimum(block.cost, 0.0).sum()))  # the latter is the bound of zero duals
    proof = INTEGER_PROGRAM if np.isfinite(found.bound) else UNPROVEN
    unknown = np.full(len(block.rhs), np.nan)
    return BlockResult(found.values, bound, unknown, np.zeros(len(block.cost)), unknown, proof, found.infeasible)
