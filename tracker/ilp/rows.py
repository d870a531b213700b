"""The rows of the ILP as a sparse matrix over any subset of the columns.

Row order, for N detections:  in(v) 0..N-1 | out(u) N..2N-1 | [model B: cap(u) 2N..3N-1] | exclusive sets | forbidden
pairs. The first 2N rows are equalities with right-hand side 0, all later ones are `<=`:

    in(v):   a_v + links into v + divisions with child v - x_v          = 0
    out(u):  d_u + links out of u + divisions of u - x_u [- s_u]        = 0
    cap(u):  d_u + s_u - x_u                                           <= 0
    exclusive set: sum of x <= 1        forbidden pair: e + e <= 1
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, vstack

from tracker.ilp.problem import Solution, TrackingProblem


def n_equalities(problem: TrackingProblem) -> int:
    """How many leading rows are equalities; the rest are `<=`."""
    return 2 * problem.n_detections


def right_hand_side(problem: TrackingProblem) -> NDArray[np.float64]:
    """(rows,) right-hand sides."""
    flow_rows = (3 if problem.split else 2) * problem.n_detections
    return np.concatenate([np.zeros(flow_rows), np.ones(len(problem.exclusive_sets) + len(problem.forbidden_pairs))])


def constraint_matrix(problem: TrackingProblem, columns: NDArray[np.int64]) -> csc_array:
    """The rows restricted to `columns` (sorted column numbers), as a (rows, K) matrix."""
    layout, count = problem.layout, problem.n_detections
    entries: list[tuple[NDArray[np.integer], list[float]]] = []  # per family: (K, slots) row numbers, slot signs

    def chosen(family: slice) -> NDArray[np.int64]:
        low, high = np.searchsorted(columns, [family.start, family.stop])
        own: NDArray[np.int64] = columns[low:high] - family.start
        return own

    row = chosen(layout.detection)
    in_out = [row, row + count]
    entries.append((np.column_stack([*in_out, row + 2 * count] if problem.split else in_out), [-1.0] * 3))
    link = problem.links[chosen(layout.link)]
    entries.append((link[:, ::-1] + np.array([0, count]), [1.0, 1.0]))
    division = problem.divisions[chosen(layout.division)]
    entries.append((division + np.array([count, 0, 0]), [1.0, 1.0, 1.0]))
    entries.append((chosen(layout.appear)[:, None], [1.0]))
    row = chosen(layout.disappear)
    if problem.split:
        entries.append((np.column_stack([row + count, row + 2 * count]), [1.0, 1.0]))
        row = chosen(layout.splits)
        entries.append((np.column_stack([row + count, row + 2 * count]), [-1.0, 1.0]))
    else:
        entries.append((row[:, None] + count, [1.0]))

    widths = np.concatenate([np.full(len(rows), rows.shape[1]) for rows, _ in entries])
    starts = np.concatenate([[0], np.cumsum(widths)]).astype(np.int32)
    indices = np.concatenate([rows.ravel() for rows, _ in entries]).astype(np.int32)
    values = np.concatenate([np.tile(signs[: rows.shape[1]], len(rows)) for rows, signs in entries])
    flow_rows = (3 if problem.split else 2) * count
    flow = csc_array((values, indices, starts), shape=(flow_rows, len(columns)))
    extra = _packing_rows(problem)
    return csc_array(vstack([flow, extra[:, columns]])) if extra.shape[0] else flow


def _packing_rows(problem: TrackingProblem) -> csr_array:
    """Exclusive sets over detections, then forbidden pairs over links, as a (rows, all columns) matrix."""
    layout = problem.layout
    members = [np.asarray(members, np.int64) for members in problem.exclusive_sets]
    members += list(problem.forbidden_pairs.astype(np.int64) + layout.link.start)
    sizes = [len(row) for row in members]
    indices = np.concatenate([np.empty(0, np.int64), *members])
    return csr_array(
        (np.ones(len(indices)), indices, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)),
        shape=(len(members), layout.n_columns),
    )


def reduced_costs(problem: TrackingProblem, solution: Solution) -> NDArray[np.float64]:
    """(columns,) cost minus what the solution's duals pay for each column: c - A^T y, over *all* columns."""
    matrix = constraint_matrix(problem, np.arange(problem.layout.n_columns))
    reduced: NDArray[np.float64] = problem.cost - matrix.T @ solution.duals - solution.cuts.T @ solution.cut_duals
    return reduced
