"""What a store holds when all is solved: the lineage, its cost counted anew, and how sure each decision is."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.audit import audit
from tracker.blocks.filled import Filled
from tracker.blocks.grid import odd_sizes
from tracker.blocks.margins import movie_margins, proofs_from_facts
from tracker.blocks.movie import Movie, read_movie
from tracker.blocks.plan import SEAMS, Plan
from tracker.candidate_windows import CandidateSource
from tracker.detections import Detections
from tracker.doubts import uncertain_rows
from tracker.dropped_ways import dropped_ways
from tracker.errors import StoreError
from tracker.ilp.problem import proves_optimal, relative_gap
from tracker.inputs import Inputs
from tracker.margins import Margins
from tracker.pin_checks import ResolvedPins
from tracker.stopwatch import Stopwatch
from tracker.store import Region, Store

_OWN = ("pair_duals", "slack", "proven_locally")  # facts that are no news for run.json


@dataclass(frozen=True)
class Stored:
    """What came of a movie in blocks.

    movie: the lineage and its duals.   link_cost: (N,) of the way in.   unproven: what the lineage costs more than the
    duals and the proofs of `slack` (2, N) say.   margins: None where none were measured.
    near: links (E, 2) and their costs (E,) of the parents whose way out is least certain, sorted by parent.
    notes: what is odd but allowed.   report: `blockwise` of run.json.   status, objective, bound: as of `Solution`.
    """

    inputs: Inputs
    pins: ResolvedPins | None
    filled: Filled
    movie: Movie
    link_cost: NDArray[np.float64]
    unproven: float
    slack: NDArray[np.float64]
    counts: dict[str, int]
    notes: tuple[str, ...]
    status: str
    objective: float
    bound: float
    report: dict[str, Any]
    margins: Margins | None = None
    near: tuple[NDArray[np.int64], NDArray[np.float64]] = (np.empty((0, 2), np.int64), np.empty(0))


def read_back(
    store: Store, plan: Plan, watch: Stopwatch, inputs: Inputs, pins: ResolvedPins | None, filled: Filled
) -> Stored:
    """The lineage that the store holds, its cost counted anew. Raises StoreError where it is damaged."""
    with watch.stage("keep", "reading the solution"):
        movie = read_movie(store, len(inputs.detections), plan.forbidden)
        found = audit(store, movie, [], inputs.detections.starts)
        record = store.blocks()[SEAMS]
    if found.broken.any():
        raise StoreError(
            f"the solution in {plan.place} is damaged around ids {np.flatnonzero(found.broken)[:5].tolist()}"
        )
    bound = min(record.bound, found.objective)
    optimal = proves_optimal(bound, found.objective)
    counts = {"columns": found.columns, "blocks": len(plan.grid), **found.counts}
    report: dict[str, Any] = {name: value for name, value in record.facts.items() if name not in _OWN}
    proven, slack = proofs_from_facts(record.facts, len(inputs.detections))
    return Stored(
        inputs=inputs,
        pins=pins,
        filled=filled,
        movie=movie,
        link_cost=found.link_cost,
        unproven=max(0.0, found.objective - (found.bound + proven)),
        slack=slack,
        counts=counts,
        notes=(*filled.notes, *odd_sizes(plan.grid, filled.common, int(report["windows_mended"]))),
        status="optimal" if optimal else "feasible",
        objective=found.objective,
        bound=bound,
        report={
            "objective": found.objective,
            "bound": bound,
            "gap": relative_gap(found.objective, bound),
            **report,
        },
    )


def with_margins(found: Stored, store: Store, source: CandidateSource, watch: Stopwatch) -> Stored:
    """The same with a lower bound of every margin.   source: what the candidates of the store follow from."""
    movie, starts = found.movie, found.inputs.detections.starts
    with watch.stage("margins", "measuring margins"):
        done = watch.share("measuring margins")
        dropped = dropped_ways(source, movie.duals[:2] + found.slack, movie.parent, done)
        margins = movie_margins(store, movie, starts, found.slack, found.unproven, dropped)
        parents = uncertain_rows(found.inputs.detections, movie.selected, margins.out)
    return replace(found, margins=margins, near=_links_of(store, found.inputs.detections, np.sort(parents)))


def _links_of(
    store: Store, detections: Detections, parents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Links (E, 2) of a few parents and their costs, in the order of the parents."""
    links, costs = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for parent in parents.tolist():
        step, place = int(detections.step[parent]), detections.position[parent]
        part = store.read(Region(step, step + 1, np.stack([place, np.nextafter(place, np.inf)])))
        ends = part.id[part.links]
        own = ends[:, 0] == parent
        links.append(ends[own])
        costs.append(part.link_cost[own])
    return np.concatenate(links), np.concatenate(costs)
