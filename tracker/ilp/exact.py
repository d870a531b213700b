"""From the linear relaxation of a block to its integer optimum, with a proof."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

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
    duals: (R,) of the block's rows, NaN where unknown.   cuts, cut_duals: (K, C), (K,) of cutting planes that helped.
    slack: (R,) see `Solution.slack`.   clusters: row sets where the relaxation was wrong; K cuts count after R rows.
    proof: one of STRENGTH.   likely: (C,) columns that the relaxation takes by more than half, for when time runs out.
    """

    values: NDArray[np.float64] | None
    bound: float
    duals: NDArray[np.float64]
    slack: NDArray[np.float64]
    proof: str
    cuts: csr_array | None = None
    cut_duals: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    clusters: tuple[NDArray[np.int64], ...] = ()
    infeasible: bool = False
    likely: NDArray[np.bool_] | None = None


def solve_block(block: Block, settings: SolverSettings, deadline: float) -> BlockResult:
    """The cheapest binary values of a block.

    With HiGHS: relax; if that is integral it is the optimum, else `repair` makes it so. With another backend: its
    integer program on the whole block, without duals.
    """
    if settings.backend != "highs":
        return _solve_as_integer_program(block, settings, deadline)
    tightened, relaxation = relax(block, settings, deadline)
    count = len(block.rhs)
    result = BlockResult(
        values=None,
        bound=relaxation.bound,
        duals=relaxation.duals[:count],
        slack=np.zeros(count),
        proof=UNPROVEN,
        cuts=csr_array(tightened.matrix.tocsr()[count:]) if len(tightened.rhs) > count else None,
        cut_duals=np.minimum(relaxation.duals[count:], 0.0),
        infeasible=relaxation.infeasible,
    )
    if relaxation.values is None:
        return result
    values = np.round(relaxation.values)
    if np.abs(relaxation.values - values).max(initial=0.0) <= _INTEGRAL and not len(block.infeasible_rows(values)):
        return replace(result, values=values, proof=INTEGRAL_LP)
    repaired = repair(tightened, relaxation, settings, deadline)
    return replace(
        result,
        values=repaired.values,
        bound=repaired.bound,
        slack=repaired.slack[:count],
        clusters=repaired.clusters,
        proof=UNPROVEN if repaired.values is None else INTEGER_PROGRAM if repaired.whole else FIXING,
        infeasible=repaired.infeasible,
        likely=relaxation.values > 0.5 + _INTEGRAL,
    )


def _solve_as_integer_program(block: Block, settings: SolverSettings, deadline: float) -> BlockResult:
    found = solve_integer(block, np.arange(len(block.cost)), settings, deadline)
    bound = max(found.bound, float(np.minimum(block.cost, 0.0).sum()))  # the latter is the bound of zero duals
    proof = INTEGER_PROGRAM if np.isfinite(found.bound) else UNPROVEN
    unknown = np.full(len(block.rhs), np.nan)
    return BlockResult(found.values, bound, unknown, unknown, proof, infeasible=found.infeasible)
