"""One block: what it decides, and what it leaves to others.

A block decides every column that touches its write region: its detections with their ends, their links and divisions,
those of parents in other regions included. So when it is finished, every row of its detections is satisfied, and stays
so: later blocks find these columns decided, selected and unselected ones alike. What it sees beyond (the context) only
informs it. Its duals, of the rows of its detections, are the best ones for the duals of finished blocks.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.part import Part, grown, touching
from tracker.blocks.window import ascend, decide
from tracker.errors import InputError, PinConflictError
from tracker.ilp.backends import SolverSettings

_Flags = NDArray[np.bool_]
_LEAST_S = 1.0  # to decide a block, when the time of the run is up


@dataclass(frozen=True)
class Decided:
    """columns: (columns,) flags of what the block decides.   values: (columns,).   duals: (rows,) of the part.

    rows: (rows,) flags of the duals that are the block's.
    contradicted: what finished neighbours decided leaves no lineage here; then no column is decided.
    """

    columns: _Flags
    values: _Flags
    duals: NDArray[np.float64]
    rows: _Flags
    contradicted: bool


def solve_region(part: Part, write: _Flags, settings: SolverSettings, deadline: float) -> Decided:
    """Decide the columns of the `write` (N,) detections of a part, which hold whatever they touch.

    Raises InputError when the context is smaller than a column is long; NoSolutionError when time is up.
    """
    problem = part.problem
    near = grown(problem, write)
    if not part.whole[near].all():
        short = np.flatnonzero(near & ~part.whole)
        raise InputError(
            f"the context of a block must hold every detection that a candidate joins to it; {len(short)} are outside. "
            "Make [blocks] context at least as long as the longest link"
        )
    kinds = 3 if problem.split else 2
    rows = np.zeros(len(part.duals), bool)
    rows[: kinds * problem.n_detections] = np.tile(write, kinds)
    first = kinds * problem.n_detections
    for number, members in enumerate(problem.exclusive_sets):
        rows[first + number] = write[members].all()
    if len(problem.forbidden_pairs):
        rows[first + len(problem.exclusive_sets) :] = write[problem.links[problem.forbidden_pairs[:, 0], 0]]
    duals = ascend(part, part.whole & ~part.finished, settings, deadline)
    try:
        left_s = max(_LEAST_S, deadline - time.perf_counter())  # without any lineage the run could not end
        values = decide(part, replace(settings, time_limit_s=min(settings.time_limit_s, left_s)))
    except PinConflictError:
        return Decided(np.zeros(len(part.values), bool), part.values, duals, rows, contradicted=True)
    return Decided(touching(problem, write), values, duals, rows, contradicted=False)
