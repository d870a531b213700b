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
    """values: (C,) binary or None (nothing found); bound: proven; duals, slack: (R,), NaN where unknown."""

    values: NDArray[np.float64] | None
    bound: float
    duals: NDArray[np.float64]
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
    relaxation = relax(block, settings, deadline)
    duals, none = relaxation.duals, np.zeros(len(block.rhs))
    if relaxation.values is None:
        return BlockResult(None, relaxation.bound, duals, none, UNPROVEN, relaxation.infeasible)
    values = np.round(relaxation.values)
    if np.abs(relaxation.values - values).max(initial=0.0) <= _INTEGRAL and not len(block.infeasible_rows(values)):
        return BlockResult(values, relaxation.bound, duals, none, INTEGRAL_LP)
    repaired = repair(block, relaxation, settings, deadline)
    proof = UNPROVEN if repaired.values is None else INTEGER_PROGRAM if repaired.whole else FIXING
    return BlockResult(repaired.values, repaired.bound, duals, repaired.slack, proof, repaired.infeasible)


def _solve_as_integer_program(block: Block, settings: SolverSettings, deadline: float) -> BlockResult:
    found = solve_integer(block, np.arange(len(block.cost)), settings, deadline)
    bound = max(found.bound, float(np.minimum(block.cost, 0.0).sum()))  # the latter is the bound of zero duals
    proof = INTEGER_PROGRAM if np.isfinite(found.bound) else UNPROVEN
    unknown = np.full(len(block.rhs), np.nan)
    return BlockResult(found.values, bound, unknown, unknown, proof, found.infeasible)
