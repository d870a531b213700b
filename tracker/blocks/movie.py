"""A movie solved in blocks, as arrays over its detections: who descends from whom, and the duals.

Detections fit into memory where candidates do not: 60 bytes each. A lineage is the parent of every detection; columns
of any region follow from it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.part import Part
from tracker.blocks.stored import Forbidden, early_of, half_paired, problem_of
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.rows import right_hand_side
from tracker.store import UNDECIDED, Header, Store
from tracker.store import Part as Found

NONE = -1


@dataclass
class Movie:
    """N detections by id.

    selected, finished: (N,) bool; what is not finished is undecided.   parent: (N,) int64 id, -1 = none.
    duals: (2 or 3, N) of in, out (and cap).   pair_duals: (P,) of the forbidden pairs.
    """

    selected: NDArray[np.bool_]
    finished: NDArray[np.bool_]
    parent: NDArray[np.int64]
    duals: NDArray[np.float64]
    pair_duals: NDArray[np.float64]
    forbidden: Forbidden
    header: Header

    @property
    def n_children(self) -> NDArray[np.int64]:
        """(N,) how many detections have each as their parent."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self.parent))


def read_movie(store: Store, count: int, forbidden: Forbidden) -> Movie:
    """What the blocks decided. count: number of detections."""
    kinds = 3 if store.header.divisions == "split" else 2
    early = early_of(store.blocks().values(), forbidden)
    movie = Movie(
        selected=np.zeros(count, bool),
        finished=np.zeros(count, bool),
        parent=np.full(count, NONE),
        duals=np.zeros((kinds, count)),
        pair_duals=early.pair_duals.copy(),
        forbidden=forbidden,
        header=store.header,
    )
    for rows in store.read_solution():
        ids, known = rows.detections.id, rows.owner != UNDECIDED
        movie.finished[ids] = known
        movie.selected[ids] = known & (rows.selected == 1)
        for kind, dual in enumerate((rows.dual_in, rows.dual_out, rows.dual_cap)[:kinds]):
            movie.duals[kind, ids] = np.where(known, dual, 0.0)
        for ends in (rows.links, rows.divisions[:, :2], rows.divisions[:, [0, 2]]):
            movie.parent[ends[:, 1]] = ends[:, 0]
    for ends in (early.links, early.divisions[:, :2], early.divisions[:, [0, 2]]):
        still = ends[~movie.finished[ends[:, 0]]]
        movie.parent[still[:, 1]] = still[:, 0]
    return movie


def part_of_movie(found: Found, movie: Movie) -> tuple[Part, NDArray[np.int64]]:
    """A region under the present state, and the indices of its forbidden pairs."""
    problem, pairs = problem_of(found, movie.header, movie.forbidden)
    ids = found.id
    duals = np.zeros(len(right_hand_side(problem)))
    kinds = len(movie.duals)
    duals[: kinds * len(ids)] = movie.duals[:, ids].ravel()
    if len(pairs):
        duals[len(duals) - len(pairs) :] = movie.pair_duals[pairs]
    finished = movie.finished[ids]
    decided = np.zeros(problem.layout.n_columns, bool)
    layout = problem.layout
    for family in (layout.detection, layout.appear, layout.disappear, layout.splits):
        if family.stop > family.start:
            decided[family] = finished
    decided[layout.link] = finished[problem.links].any(axis=1)
    decided[layout.division] = finished[problem.divisions].any(axis=1)
    values, alone = values_of(found, problem, movie), half_paired(found, problem, movie.forbidden)
    return Part(problem, found.inside.copy(), values, decided, duals, finished, alone), pairs


def values_of(found: Found, problem: TrackingProblem, movie: Movie) -> NDArray[np.bool_]:
    """(columns,) of a region, from the parents."""
    ids, layout = found.id, problem.layout
    values = np.zeros(layout.n_columns, bool)
    parent, children = movie.parent[ids], movie.n_children[ids]
    selected, finished = movie.selected[ids], movie.finished[ids]
    values[layout.detection] = selected
    values[layout.appear] = selected & finished & (parent < 0)
    values[layout.disappear] = selected & finished & (children == 0)
    mother, child = problem.links.T
    descends = parent[child] == ids[mother]
    values[layout.link] = descends & (problem.split | (children[mother] == 1))
    if len(problem.divisions):
        mother, one, other = problem.divisions.T
        values[layout.division] = (parent[one] == ids[mother]) & (parent[other] == ids[mother])
    if problem.split:
        values[layout.splits] = finished & (children == 2)
    return values


def put_back(found: Found, part: Part, pairs: NDArray[np.int64], movie: Movie) -> NDArray[np.int64]:
    """Take over what a region's whole detections have become; returns the ids of those that changed."""
    problem, layout, ids, whole = part.problem, part.problem.layout, found.id, part.whole
    parent = np.full(len(ids), NONE)
    links = problem.links[part.values[layout.link]]
    divisions = problem.divisions[part.values[layout.division]]
    for ends in (links, divisions[:, :2], divisions[:, [0, 2]]):
        parent[ends[:, 1]] = ids[ends[:, 0]]
    own = ids[whole]
    duals = part.duals[: len(movie.duals) * len(ids)].reshape(len(movie.duals), -1)[:, whole]
    selected = part.values[layout.detection][whole]
    finished = part.decided[layout.detection][whole]
    changed = (movie.parent[own] != parent[whole]) | (movie.selected[own] != selected)
    changed |= (movie.finished[own] != finished) | (movie.duals[:, own] != duals).any(axis=0)
    movie.parent[own], movie.selected[own], movie.finished[own] = parent[whole], selected, finished
    movie.duals[:, own] = duals
    if len(pairs):
        new = part.duals[len(part.duals) - len(pairs) :]
        mother = movie.forbidden.pairs[pairs, 0]
        inner = np.isin(mother, own)
        moved = movie.pair_duals[pairs] != new
        movie.pair_duals[pairs[inner]] = new[inner]
        return np.union1d(own[changed], mother[moved & inner])
    return own[changed]
