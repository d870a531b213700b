"""All blocks of a problem that is in memory, one after the other: the referee of the store's way, and its reference."""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.certificate import measure_excess
from tracker.blocks.part import Part, grown, take, undecided, within
from tracker.blocks.region import solve_region
from tracker.blocks.seams import Mended, mend
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem, proves_optimal
from tracker.ilp.reduce import dominated
from tracker.ilp.solve import InfeasibleProblemError


@dataclass(frozen=True)
class Blockwise:
    """values: (columns,) of the problem as given.   objective, bound: after mending.

    stitched_objective, stitched_bound: before it; the objective is NaN where a block was contradicted.
    contradicted: blocks that finished neighbours left no lineage; mending decided them.
    """

    values: NDArray[np.bool_]
    objective: float
    bound: float
    stitched_objective: float
    stitched_bound: float
    contradicted: tuple[int, ...]
    mended: Mended

    @property
    def status(self) -> str:
        """As of `Solution`."""
        return "optimal" if proves_optimal(self.bound, self.objective) else "feasible"


def without_dominated(problem: TrackingProblem) -> tuple[TrackingProblem, NDArray[np.int64]]:
    """The problem without links and divisions that are dominated or forbidden, and where its columns lay before."""
    layout = problem.layout
    dropped = dominated(problem) | (problem.upper == 0)
    links, divisions = np.flatnonzero(~dropped[layout.link]), np.flatnonzero(~dropped[layout.division])
    kept = np.ones(layout.n_columns, bool)
    kept[layout.link], kept[layout.division] = ~dropped[layout.link], ~dropped[layout.division]
    place = np.full(len(problem.links) + 1, -1, np.int64)
    place[links] = np.arange(len(links))
    pairs = place[problem.forbidden_pairs].reshape(-1, 2)
    small = TrackingProblem(
        links=problem.links[links],
        divisions=problem.divisions[divisions],
        split=problem.split,
        cost=problem.cost[kept],
        lower=problem.lower[kept],
        upper=problem.upper[kept],
        n_detections=problem.n_detections,
        exclusive_sets=problem.exclusive_sets,
        forbidden_pairs=pairs[(pairs >= 0).all(axis=1)],
        division_links=place[problem.division_links[divisions]].reshape(-1, 2),
    )
    return small, np.flatnonzero(kept)


def solve_blockwise(
    problem: TrackingProblem,
    block_of: NDArray[np.int64],
    *,
    rings: int = 1,
    settings: SolverSettings | None = None,
) -> Blockwise:
    """Solve block after block, prove one bound for all, and mend the seams.

    block_of: (N,) number of each detection's block.   rings: width of the context, in columns.
    Raises PinConflictError when the bounds admit no lineage.
    """
    settings = settings or SolverSettings()
    deadline = time.perf_counter() + settings.time_limit_s
    small, kept = without_dominated(problem)
    state = undecided(small)
    contradicted = [
        block
        for block in np.unique(block_of).tolist()
        if not _solve_one(state, block_of == block, rings, settings, deadline)
    ]
    stitched = measure_excess(small, state.values, state.duals)
    whole = not contradicted
    objective = float(small.cost @ state.values)
    mended = mend(state, settings, deadline)
    open_rows = measure_excess(small, state.values, state.duals)
    wrong = open_rows.broken.any() or np.any((state.values < small.lower) | (state.values > small.upper))
    if wrong or not state.decided.all():
        raise InfeasibleProblemError(small, np.flatnonzero(open_rows.broken).astype(np.int64))
    values = np.zeros(problem.layout.n_columns, bool)
    values[kept] = state.values
    bound = open_rows.bound + sum(proof.delta for proof in mended.proofs)
    found = float(problem.cost @ values)
    return Blockwise(
        values=values,
        objective=found,
        bound=min(bound, found),
        stitched_objective=objective if whole else float("nan"),
        stitched_bound=stitched.bound,
        contradicted=tuple(contradicted),
        mended=mended,
    )


def _solve_one(state: Part, write: NDArray[np.bool_], rings: int, settings: SolverSettings, deadline: float) -> bool:
    """Solve one block and enter what it decides; False when it is contradicted."""
    part, places = take(state, grown(state.problem, write, rings))
    own = write[places.detections]
    left = replace(settings, time_limit_s=max(0.0, deadline - time.perf_counter()))
    found = solve_region(part, own, left, deadline)
    columns = places.columns[found.columns]
    state.values[columns] = found.values[found.columns]
    state.decided[columns] = True
    state.duals[places.rows[found.rows]] = found.duals[found.rows]
    state.finished[write] = True
    if found.contradicted:  # nothing of it stands, but its columns to finished neighbours
        inner = within(state.problem, write)
        state.values[inner] = state.problem.lower[inner] == 1
    return not found.contradicted
