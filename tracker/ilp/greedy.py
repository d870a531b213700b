"""A lineage at once, without proof: what the solver falls back on when time runs out."""

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.problem import TrackingProblem


def greedy(problem: TrackingProblem) -> NDArray[np.bool_]:
    """(columns,) selection by repeatedly taking links that are the best saving of both their ends.

    saving of a link (u,v) = d_u + a_v - c_uv; infinite where d_u or a_v is not allowed. No divisions are proposed
    beyond those that the bounds demand. Detections are selected when they must be, when they are linked, or when
    their own cost with appearing and disappearing is negative. The result may violate pins; the caller checks.
    """
    layout = problem.layout
    cost = np.where(problem.upper == 1, problem.cost, np.inf)
    appear, disappear = cost[layout.appear], cost[layout.disappear]
    forced: NDArray[np.bool_] = problem.lower == 1
    values: NDArray[np.bool_] = forced.copy()
    parent, child = problem.links[:, 0], problem.links[:, 1]
    has_child = _covered(problem, forced, parents=True)
    has_parent = _covered(problem, forced, parents=False)
    usable = (problem.upper[layout.link] == 1) & (problem.upper[parent] == 1) & (problem.upper[child] == 1)
    excluded = _excluded(problem, np.zeros(problem.n_detections, bool))
    with np.errstate(invalid="ignore"):
        saving = disappear[parent] + appear[child] - cost[layout.link]
    saving[~usable] = -np.inf
    while True:
        open_link = np.flatnonzero(
            (saving > 0) & ~has_child[parent] & ~has_parent[child] & ~excluded[parent] & ~excluded[child]
        )
        if not len(open_link):
            break
        order = open_link[np.lexsort((open_link, -saving[open_link]))]
        first_parent = np.unique(parent[order], return_index=True)[1]
        first_child = np.unique(child[order], return_index=True)[1]
        taken = order[np.intersect1d(first_parent, first_child)]
        if problem.exclusive_sets:
            taken = taken[:1]
        values[layout.link.start + taken] = True
        has_child[parent[taken]] = True
        has_parent[child[taken]] = True
        selected = values[layout.detection] | has_child | has_parent
        excluded = _excluded(problem, selected)
    alone = cost[layout.detection] + appear + disappear < 0
    selected = values[layout.detection] | has_child | has_parent
    selected |= alone & ~_excluded(problem, selected) & (not problem.exclusive_sets)
    values[layout.detection] = selected
    values[layout.appear] = selected & ~has_parent
    values[layout.disappear] = selected & ~has_child
    return values


def _covered(problem: TrackingProblem, on: NDArray[np.bool_], *, parents: bool) -> NDArray[np.bool_]:
    """(N,) detections that already have a child (parents=True) or a parent among the columns that are on."""
    layout = problem.layout
    links, divisions = problem.links[on[layout.link]], problem.divisions[on[layout.division]]
    rows = [links[:, 0], divisions[:, 0]] if parents else [links[:, 1], divisions[:, 1], divisions[:, 2]]
    covered: NDArray[np.bool_] = np.bincount(np.concatenate(rows).astype(np.int64), minlength=problem.n_detections) > 0
    covered |= on[layout.disappear if parents else layout.appear]
    return covered


def _excluded(problem: TrackingProblem, selected: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) detections that an exclusive set forbids, given those selected."""
    excluded = np.zeros(problem.n_detections, bool)
    for members in problem.exclusive_sets:
        if selected[members].any():
            excluded[members[~selected[members]]] = True
    return excluded
