"""A lineage at once, without proof: what the solver falls back on when time runs out."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from tracker.ilp.problem import TrackingProblem

_Flags = NDArray[np.bool_]


def greedy(problem: TrackingProblem, likely: _Flags | None = None) -> _Flags:
    """(columns,) selection by repeatedly taking links that are the best saving of both their ends.

    saving of a link (u,v) = d_u + a_v - c_uv; infinite where u may not disappear or v may not appear, and first of all
    where such a detection must stay. No divisions are made beyond those that the bounds demand. Detections are selected
    when they must be, when they are linked, or when their own cost with appearing and disappearing is negative; one
    that ends up without the link it needs is left out, and the rest tried again. The result may still violate bounds
    around detections that must stay; the caller checks.

    likely: (columns,) links and divisions to begin with, no two of which share a parent or a child.
    """
    layout = problem.layout
    forced: _Flags = problem.lower == 1
    if likely is not None:
        for family in (layout.link, layout.division):
            forced[family] |= likely[family]
    required = forced[layout.detection] | _linked(problem, forced, child=True) | _linked(problem, forced, child=False)
    required |= forced[layout.appear] | forced[layout.disappear]
    sets = _membership(problem)
    banned = (problem.upper[layout.detection] == 0) | _excluded(sets, required)
    while True:
        values = _choose(problem, sets, forced, required, banned)
        astray = values & (problem.upper == 0)
        lost = (astray[layout.appear] | astray[layout.disappear]) & ~required
        if not lost.any():
            return values
        banned |= lost


def _choose(problem: TrackingProblem, sets: csc_array, forced: _Flags, required: _Flags, banned: _Flags) -> _Flags:
    """One round, with the `required` detections and without the `banned` ones."""
    layout = problem.layout
    cost = np.where(problem.upper == 1, problem.cost, np.inf)
    appear, disappear = cost[layout.appear], cost[layout.disappear]
    values: _Flags = forced.copy()
    parent, child = problem.links[:, 0], problem.links[:, 1]
    has_child, has_parent = _linked(problem, forced, child=True), _linked(problem, forced, child=False)
    usable = (problem.upper[layout.link] == 1) & ~forced[layout.disappear][parent] & ~forced[layout.appear][child]
    usable &= sets[:, parent].multiply(sets[:, child]).sum(axis=0) == 0
    saving = np.where(usable, disappear[parent] + appear[child], -np.inf) - problem.cost[layout.link]
    urgent = (required & np.isinf(disappear))[parent] | (required & np.isinf(appear))[child]
    closed = banned
    while True:
        open_link = np.flatnonzero(
            (saving > 0) & ~has_child[parent] & ~has_parent[child] & ~closed[parent] & ~closed[child]
        )
        if not len(open_link):
            break
        order = open_link[np.lexsort((open_link, -saving[open_link], ~urgent[open_link]))]
        first_parent = np.unique(parent[order], return_index=True)[1]
        first_child = np.unique(child[order], return_index=True)[1]
        taken = order[np.intersect1d(first_parent, first_child)]
        if problem.exclusive_sets:
            taken = taken[:1]
        values[layout.link.start + taken] = True
        has_child[parent[taken]] = True
        has_parent[child[taken]] = True
        closed = banned | _excluded(sets, required | has_child | has_parent)
    selected = required | has_child | has_parent
    alone = cost[layout.detection] + appear + disappear < 0
    selected |= alone & ~closed & (not problem.exclusive_sets)
    values[layout.detection] = selected
    values[layout.appear] = selected & ~has_parent
    values[layout.disappear] = selected & ~has_child
    if problem.split:
        values[layout.splits] = np.bincount(parent[values[layout.link]], minlength=problem.n_detections) == 2
    return values


def _linked(problem: TrackingProblem, on: _Flags, *, child: bool) -> _Flags:
    """(N,) detections that have a child (or else a parent) by the links and divisions that are on."""
    layout = problem.layout
    links, divisions = problem.links[on[layout.link]], problem.divisions[on[layout.division]]
    rows = [links[:, 0], divisions[:, 0]] if child else [links[:, 1], divisions[:, 1], divisions[:, 2]]
    linked: _Flags = np.bincount(np.concatenate(rows).astype(np.int64), minlength=problem.n_detections) > 0
    return linked


def _membership(problem: TrackingProblem) -> csc_array:
    """(sets, N) 1 where a detection belongs to an exclusive set."""
    sizes = [len(members) for members in problem.exclusive_sets]
    rows = np.concatenate([np.empty(0, np.int64), *problem.exclusive_sets]).astype(np.int64)
    entries = (np.ones(len(rows)), (np.repeat(np.arange(len(sizes)), sizes), rows))
    return csc_array(entries, shape=(len(sizes), problem.n_detections))


def _excluded(sets: csc_array, selected: _Flags) -> _Flags:
    """(N,) detections that an exclusive set forbids, given those selected."""
    excluded: _Flags = (sets.T @ (sets @ selected) > 0) & ~selected
    return excluded
