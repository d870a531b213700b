"""Making the problem small without changing its optimum: dominance, fixed columns, independent components."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import connected_components

from tracker.ilp.problem import TrackingProblem


def dominated(problem: TrackingProblem) -> NDArray[np.bool_]:
    """(columns,) True where some other choice is never worse, so that the column may be left out.

    Model A, with c the cost of a link, h of a division, a of appearing, d of disappearing:
        link (u,v):      c_uv >= d_u + a_v
        division (u;v,w): h >= min(c_uw + a_v, c_uv + a_w, d_u + a_v + a_w), a missing link counting as infinite
    Model B: link (u,v): c_uv >= a_v + max(d_u, -s_u), because a link may also make a split necessary.
    Only where every column named is free to move (bounds 0 and 1).
    """
    layout = problem.layout
    free = (problem.lower == 0) & (problem.upper == 1)
    price = np.where(free, problem.cost, np.inf)  # what switching a column on costs; infinite where it cannot
    appear, disappear, link = price[layout.appear], price[layout.disappear], price[layout.link]
    out = np.zeros(layout.n_columns, bool)
    end = disappear
    if problem.split:
        split = layout.splits
        end = np.where(free[split], np.maximum(disappear, -problem.cost[split]), np.inf)
    out[layout.link] = dominated_links(problem.links, link, end, appear)
    if len(problem.divisions):
        out[layout.division] = dominated_divisions(
            problem.divisions, problem.division_links, price[layout.division], link, disappear, appear
        )
    out &= free
    return out


def dominated_links(
    links: NDArray[np.integer], link: NDArray[np.float64], end: NDArray[np.float64], appear: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(E,) links that cost no less than `end` (N,) of the parent and `appear` (N,) of the child; see `dominated`."""
    dear: NDArray[np.bool_] = link >= end[links[:, 0]] + appear[links[:, 1]]
    return dear


def dominated_divisions(
    divisions: NDArray[np.integer],
    division_links: NDArray[np.integer],
    division: NDArray[np.float64],
    link: NDArray[np.float64],
    disappear: NDArray[np.float64],
    appear: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """(H,) divisions that cost no less than one of their links, or none, with what remains appearing.

    division: (H,), link: (E,), disappear, appear: (N,) prices, infinite where a column is not free; see `dominated`.
    """
    link = np.append(link, np.inf)  # index -1: no such link
    mother, one, other = divisions.T
    alternative = np.minimum(link[division_links[:, 1]], disappear[mother] + appear[other])
    alternative += appear[one]
    np.minimum(alternative, link[division_links[:, 0]] + appear[other], out=alternative)
    dear: NDArray[np.bool_] = division >= alternative
    return dear


def row_components(matrix: csc_array) -> NDArray[np.int32]:
    """(rows,) component of each row: rows that share a column are in one component."""
    width = np.diff(matrix.indptr)
    first = np.repeat(matrix.indices[matrix.indptr[:-1][width > 0]], width[width > 0])
    joined = first != matrix.indices
    ends = (first[joined], matrix.indices[joined])
    edges = coo_array((np.ones(len(ends[0]), bool), ends), (matrix.shape[0],) * 2)
    label: NDArray[np.int32] = connected_components(edges, directed=False)[1]
    return label


def batches(component_rows: NDArray[np.int64], target_rows: int) -> NDArray[np.int64]:
    """(components,) batch number of each component: neighbours are put together up to about `target_rows` rows.

    component_rows: rows of each component. One LP over many small components is faster than many small LPs.
    """
    ends = np.cumsum(component_rows)
    number: NDArray[np.int64] = np.unique((ends - component_rows) // target_rows, return_inverse=True)[1]
    return number
