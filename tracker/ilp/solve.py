"""Order of play: bounds, dominance, components, linear relaxation, proof; the answer with its certificate."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tracker.errors import NoSolutionError, PinConflictError
from tracker.ilp.backends import SolverSettings, check_backend
from tracker.ilp.block import Block, split_into_blocks
from tracker.ilp.exact import INTEGRAL_LP, STRENGTH, UNPROVEN, BlockResult, solve_block
from tracker.ilp.greedy import greedy
from tracker.ilp.problem import Solution, TrackingProblem, proves_optimal
from tracker.ilp.reduce import dominated
from tracker.ilp.rows import constraint_matrix, n_equalities, right_hand_side


class InfeasibleProblemError(PinConflictError):
    """No lineage satisfies the bounds.

    rows: detections around which the contradiction lies.   program_rows: rows of the program that cannot be satisfied.
    """

    def __init__(self, problem: TrackingProblem, program_rows: NDArray[np.int64]) -> None:
        """Remember the rows involved."""
        rows = _detections_of_rows(problem, program_rows)
        super().__init__(
            "the pins contradict each other: no lineage satisfies them all. The contradiction lies around "
            f"{len(rows)} detections, rows {rows[:5].tolist()}{' ...' if len(rows) > 5 else ''}"
        )
        self.rows, self.program_rows = rows, program_rows


def solve(problem: TrackingProblem, settings: SolverSettings | None = None) -> Solution:
    """The cheapest lineage, proven.

    Raises PinConflictError when the bounds admit no lineage, NoSolutionError when the time limit came before
    any lineage was found, ConfigError when the backend is not available.
    """
    settings = settings or SolverSettings()
    check_backend(settings.backend)
    clock = time.perf_counter()
    deadline = clock + settings.time_limit_s
    impossible = np.flatnonzero(problem.lower > problem.upper)
    if len(impossible):
        raise InfeasibleProblemError(
            problem, np.unique(constraint_matrix(problem, impossible).indices).astype(np.int64)
        )

    free = (problem.lower < problem.upper) & ~dominated(problem)
    columns = np.flatnonzero(free)
    fixed_on = np.flatnonzero(problem.lower == 1)
    values = np.zeros(problem.layout.n_columns, bool)
    values[fixed_on] = True
    rhs_change = constraint_matrix(problem, fixed_on) @ np.ones(len(fixed_on))
    blocks, untouched, n_components = split_into_blocks(problem, columns, rhs_change, settings.batch_rows)
    rhs = right_hand_side(problem) - rhs_change
    broken = untouched[np.where(untouched < n_equalities(problem), rhs[untouched] != 0, rhs[untouched] < 0)]
    if len(broken):
        raise InfeasibleProblemError(problem, broken)
    reduced = time.perf_counter()

    results = _solve_all(blocks, settings, deadline)
    bound = float(problem.cost[fixed_on].sum())
    duals, slack = np.zeros(len(rhs)), np.zeros(len(rhs))
    proof = INTEGRAL_LP
    unsolved = []
    for block, result in zip(blocks, results, strict=True):
        if result.infeasible:
            raise InfeasibleProblemError(problem, block.rows)
        bound += result.bound
        duals[block.rows] = result.duals
        slack[block.rows] = result.slack
        proof = max(proof, result.proof, key=STRENGTH.index)
        if result.values is None:
            unsolved.append((block, result.likely))
        else:
            values[block.columns[result.values > 0.5]] = True
    if unsolved:
        _fill_greedily(problem, unsolved, values)
    cuts, cut_duals, clusters = _tightenings(blocks, results, len(rhs), problem.layout.n_columns)
    objective = float(problem.cost @ values)
    proven = proves_optimal(bound, objective)
    return Solution(
        values=values,
        objective=objective,
        bound=min(bound, objective),
        status="optimal" if proven else "feasible",
        proof=proof if proven else UNPROVEN,
        duals=duals,
        slack=slack,
        cuts=cuts,
        cut_duals=cut_duals,
        clusters=clusters,
        seconds={"reduce": reduced - clock, "solve": time.perf_counter() - reduced},
        counts={
            "columns": problem.layout.n_columns,
            "rows": len(rhs),
            "components": n_components,
            "free_columns": len(columns),
            "unsolved_blocks": len(unsolved),
        },
    )


def _solve_all(blocks: list[Block], settings: SolverSettings, deadline: float) -> list[BlockResult]:
    """Every block, several at once: HiGHS runs outside Python's lock.

    Always in threads of its own, so that Ctrl-C is heard here at once; then what runs is cancelled.
    """
    order = np.argsort([-len(block.cost) for block in blocks], kind="stable")
    pool = ThreadPoolExecutor(settings.threads or os.cpu_count() or 1)
    futures = {index: pool.submit(solve_block, blocks[index], settings, deadline) for index in order.tolist()}
    try:
        return [futures[index].result() for index in range(len(blocks))]
    except BaseException:
        settings.cancel.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _tightenings(
    blocks: list[Block], results: list[BlockResult], n_rows: int, n_columns: int
) -> tuple[csr_array, NDArray[np.float64], tuple[NDArray[np.int64], ...]]:
    """Cuts and clusters of all blocks in the numbers of the whole problem."""
    indices, sizes, duals, clusters = [np.empty(0, np.int64)], [np.zeros(1, np.int64)], [np.empty(0)], []
    n_cuts = 0
    for block, result in zip(blocks, results, strict=True):
        rows = block.rows
        if result.cuts is not None:
            indices.append(block.columns[result.cuts.indices])
            sizes.append(np.diff(result.cuts.indptr))
            duals.append(result.cut_duals)
            rows = np.append(rows, n_rows + n_cuts + np.arange(len(result.cut_duals)))
            n_cuts += len(result.cut_duals)
        clusters += [np.sort(rows[own]) for own in result.clusters]
    flat = np.concatenate(indices)
    cuts = csr_array((np.ones(len(flat)), flat, np.cumsum(np.concatenate(sizes))), shape=(n_cuts, n_columns))
    return cuts, np.concatenate(duals), tuple(clusters)


def _fill_greedily(
    problem: TrackingProblem, unsolved: list[tuple[Block, NDArray[np.bool_] | None]], values: NDArray[np.bool_]
) -> None:
    """Give the blocks that time did not suffice for the better of two quick lineages, in place.

    One is greedy; the other starts from what the relaxation, where there is one, takes by more than half.
    """
    likely = np.zeros(problem.layout.n_columns, bool)
    for block, columns in unsolved:
        if columns is not None:
            likely[block.columns[columns]] = True
    lineages = [greedy(problem)]
    if likely.any() and not problem.split:
        lineages.append(greedy(problem, likely))
    for block, _ in unsolved:
        chosen = [lineage[block.columns] for lineage in lineages]
        valid = [one for one in chosen if not len(block.infeasible_rows(one.astype(float)))]
        if not valid:
            raise NoSolutionError(
                "the time limit came before any lineage was found that honours the pins. "
                "Raise solver.time_limit_s, or remove pins"
            )
        best = min(valid, key=lambda one: float(block.cost @ one))
        values[block.columns[best]] = True


def _detections_of_rows(problem: TrackingProblem, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    flow = rows[rows < 2 * problem.n_detections]
    return np.unique(flow % problem.n_detections)
