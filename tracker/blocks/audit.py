"""The certificate of a movie in a store: cost, bound and gap, a few frames at a time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.certificate import measure_excess
from tracker.blocks.movie import Movie, part_of_movie
from tracker.blocks.part import ends_of
from tracker.blocks.window import Proof, compatible
from tracker.detections import stretches
from tracker.ilp.bounds import find_divisions
from tracker.ilp.problem import TrackingProblem, find_links, relative_gap
from tracker.store import Part as Found
from tracker.store import Region, Store

LEAST = 1e-9
DETECTIONS = 20_000  # of a stretch of frames that is looked at
LINK, DIVISION = 4, 5  # families of a key; 0..3 are x, a, d, s


@dataclass(frozen=True)
class MovieProof:
    """A `Proof` that any region can place.

    keys: (K, 4) of its columns: family, then ids, -1 = none.   ids: detections that its columns touch.
    loose: (M,) ids of the detections whose cap row it accounts for, and pairs: of the forbidden pairs.
    """

    keys: NDArray[np.int64]
    ids: NDArray[np.int64]
    loose: NDArray[np.int64]
    pairs: NDArray[np.int64]
    used: NDArray[np.bool_]
    reduced_cost: NDArray[np.float64]
    delta: float


@dataclass
class Audit:
    """objective: cost of the lineage, NaN where some of it is undecided.   bound: proven, local proofs included.

    seeds: (N,) detections around which more is paid than is proven.   unclosed: how much in all.
    broken: (N,) detections with a row that is not satisfied, or undecided.
    link_cost: (N,) what the way in of each detection costs: its link, or half its division (NaN: none).
    columns: how many were looked at.
    """

    objective: float
    bound: float
    unclosed: float
    seeds: NDArray[np.bool_]
    broken: NDArray[np.bool_]
    link_cost: NDArray[np.float64]
    columns: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """As of `Solution`."""
        return relative_gap(self.objective, self.bound)


def audit(store: Store, movie: Movie, proofs: list[MovieProof], starts: NDArray[np.int64]) -> Audit:
    """Look at every column once, in the block of frames of its parent. starts: (T+1,) first id of each step."""
    count = len(movie.parent)
    found = Audit(0.0, 0.0, 0.0, np.zeros(count, bool), ~movie.finished, np.full(count, np.nan))
    for first, stop in stretches(starts, DETECTIONS):
        region = store.read(Region(first, stop))
        part, pairs = part_of_movie(region, movie)
        problem, layout = part.problem, part.problem.layout
        excess = measure_excess(problem, part.values, part.duals)
        own = _owned(problem, region.inside)
        own_rows = np.zeros(len(part.duals), bool)
        kinds = len(movie.duals)
        own_rows[: kinds * problem.n_detections] = np.tile(region.inside, kinds)
        if len(pairs):
            mother = problem.links[problem.forbidden_pairs[:, 0], 0]
            own_rows[len(own_rows) - len(pairs) :] = region.inside[mother]
            of_pairs = np.minimum(part.duals[len(own_rows) - len(pairs) :], 0.0)  # as `measure_excess` takes them
            found.bound += float(of_pairs[region.inside[mother]].sum())
        reduced = excess.reduced_cost[own]
        found.bound += float(np.minimum(reduced * problem.lower[own], reduced * problem.upper[own]).sum())
        found.objective += float(problem.cost[own] @ part.values[own])
        found.columns += int(own.sum())
        columns, rows = np.where(own, excess.columns, 0.0), np.where(own_rows, excess.rows, 0.0)
        for proof in proofs:
            place = columns_of(proof.keys, region, problem)
            columns[place] = 0.0
            rows[rows_of(proof, region, problem, pairs)] = 0.0
        found.unclosed += float(columns.sum() + rows.sum())
        dear = ends_of(problem, columns > LEAST)
        dear |= (rows[: kinds * problem.n_detections].reshape(kinds, -1) > LEAST).any(axis=0)
        if len(pairs):
            dear[mother[rows[len(rows) - len(pairs) :] > LEAST]] = True
        wrong = (excess.broken & own_rows)[: kinds * problem.n_detections].reshape(kinds, -1).any(axis=0)
        out = own & ((part.values < problem.lower) | (part.values > problem.upper))
        wrong |= ends_of(problem, out)
        if len(pairs):
            wrong[mother[(excess.broken & own_rows)[len(own_rows) - len(pairs) :]]] = True
        found.seeds[region.id[dear]] = True
        found.broken[region.id[wrong]] = True
        on = np.flatnonzero(part.values[layout.link])
        found.link_cost[region.id[problem.links[on, 1]]] = problem.cost[layout.link.start + on]
        on = np.flatnonzero(part.values[layout.division])
        for child in (1, 2):
            found.link_cost[region.id[problem.divisions[on, child]]] = 0.5 * problem.cost[layout.division.start + on]
        for name, family in (("appear", layout.appear), ("disappear", layout.disappear)):
            found.counts[name] = found.counts.get(name, 0) + int(part.values[family][region.inside].sum())
    if found.broken.any():
        found.objective = float("nan")
    found.seeds |= found.broken
    found.bound += sum(proof.delta for proof in proofs)
    return found


def keep_compatible(proofs: list[MovieProof]) -> list[MovieProof]:
    """Those that may be counted together, the later ones giving way."""
    if len(proofs) < 2:
        return proofs
    number = np.unique(np.concatenate([proof.keys for proof in proofs]), axis=0, return_inverse=True)[1].ravel()
    ends = np.cumsum([0, *(len(proof.keys) for proof in proofs)])
    rows = np.empty(0, np.int64)
    plain = [
        Proof(rows, number[ends[place] : ends[place + 1]], proof.used, proof.reduced_cost, proof.delta)
        for place, proof in enumerate(proofs)
    ]
    return [proof for proof, good in zip(proofs, compatible(plain), strict=True) if good]


def movie_proof(proof: Proof, region: Found, problem: TrackingProblem, pairs: NDArray[np.int64]) -> MovieProof:
    """The proof of a region for the whole movie."""
    layout, ids = problem.layout, region.id
    keys = np.full((len(proof.columns), 4), -1, np.int64)
    for number, family in enumerate((layout.detection, layout.appear, layout.disappear, layout.splits)):
        inside = (proof.columns >= family.start) & (proof.columns < family.stop)
        keys[inside, 0], keys[inside, 1] = number, ids[proof.columns[inside] - family.start]
    for number, family, ends in ((LINK, layout.link, problem.links), (DIVISION, layout.division, problem.divisions)):
        inside = (proof.columns >= family.start) & (proof.columns < family.stop)
        keys[inside, 0] = number
        keys[inside, 1 : 1 + ends.shape[1]] = ids[ends[proof.columns[inside] - family.start]]
    count = problem.n_detections
    first_extra = (3 if problem.split else 2) * count
    cap = proof.rows[(proof.rows >= 2 * count) & (proof.rows < first_extra)] - 2 * count
    extra = proof.rows[proof.rows >= first_extra] - first_extra - len(problem.exclusive_sets)
    touched = np.unique(keys[:, 1:])
    return MovieProof(keys, touched[touched >= 0], ids[cap], pairs[extra], proof.used, proof.reduced_cost, proof.delta)


def columns_of(keys: NDArray[np.int64], region: Found, problem: TrackingProblem) -> NDArray[np.int64]:
    """Columns of a region, of those keys that it has."""
    layout, place = problem.layout, region.rows_of(keys[:, 1:])
    present = (place >= 0) | (keys[:, 1:] < 0)
    keep = present.all(axis=1)
    family, place = keys[keep, 0], place[keep]
    found = [np.empty(0, np.int64)]
    for number, own in enumerate((layout.detection, layout.appear, layout.disappear, layout.splits)):
        found.append(own.start + place[family == number, 0])
    links = find_links(problem.links, place[family == LINK][:, [0, 1, 1]])[:, 0]
    divisions = find_divisions(problem.divisions, place[family == DIVISION])
    found += [layout.link.start + links[links >= 0], layout.division.start + divisions[divisions >= 0]]
    return np.concatenate(found)


def rows_of(proof: MovieProof, region: Found, problem: TrackingProblem, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The `<=` rows of a region that the proof accounts for."""
    cap = region.rows_of(proof.loose)
    extra = np.flatnonzero(np.isin(pairs, proof.pairs))
    first_extra = (3 if problem.split else 2) * problem.n_detections
    return np.concatenate([2 * problem.n_detections + cap[cap >= 0], first_extra + extra])


def _owned(problem: TrackingProblem, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(columns,) whose parent, or detection, is inside: each column has one owner."""
    layout = problem.layout
    own = np.zeros(layout.n_columns, bool)
    for family in (layout.detection, layout.appear, layout.disappear, layout.splits):
        if family.stop > family.start:
            own[family] = inside
    own[layout.link] = inside[problem.links[:, 0]]
    own[layout.division] = inside[problem.divisions[:, 0]]
    return own
