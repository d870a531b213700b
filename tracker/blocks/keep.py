"""The mended solution, written as one more block: in one transaction, whatever changed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.audit import Audit
from tracker.blocks.margins import proofs_as_facts
from tracker.blocks.mending import MovieMended
from tracker.blocks.movie import Movie, read_movie
from tracker.blocks.plan import SEAMS, Plan
from tracker.store import BlockSolution, Store


def keep_mended(store: Store, plan: Plan, movie: Movie, mended: MovieMended, seconds: dict[str, float]) -> None:
    """Write the detections that mending changed, and its record with what `blockwise` of run.json says."""
    before, after = mended.before, mended.after
    records = store.blocks()
    contradicted = [
        plan.grid.name(number)
        for number in range(len(plan.grid))
        if records[plan.record(number)].facts.get("contradicted")
    ]
    facts = {
        "blocks": len(plan.grid),
        "grid": {name: list(getattr(plan.grid, name)) for name in ("counts", "size", "context", "reach")},
        "before": _told(before),
        "after": _told(after),
        "windows_mended": mended.windows,
        "rounds": mended.rounds,
        "local_proofs": len(mended.proofs),
        **proofs_as_facts(mended.proofs, len(movie.parent)),
        "contradicted_blocks": contradicted,
        "out_of_time": mended.out_of_time,
        "seconds": dict(seconds),
        "seconds_of_blocks": sum(float(str(records[plan.record(n)].facts["seconds"])) for n in range(len(plan.grid))),
    }
    changed = _changed(store, movie)
    _commit(store, plan.digest, movie, changed, facts, after)


def _told(found: Audit) -> dict[str, float | None]:
    known = np.isfinite(found.objective)
    return {
        "objective": found.objective if known else None,
        "bound": found.bound,
        "gap": found.gap if known else None,
    }


def _changed(store: Store, movie: Movie) -> NDArray[np.int64]:
    """Ids of the detections that the store has otherwise, and of those that an earlier mending decided.

    What a record does not name again is undecided.
    """
    stored = read_movie(store, len(movie.parent), movie.forbidden)
    other = (stored.parent != movie.parent) | (stored.selected != movie.selected) | (stored.finished != movie.finished)
    parents = np.concatenate([stored.parent[other], movie.parent[other]])
    other[parents[parents >= 0]] = True  # the links of a parent are its own
    other |= (stored.duals != movie.duals).any(axis=0)
    for rows in store.read_solution() if SEAMS in store.blocks() else ():
        other[rows.detections.id[rows.owner == SEAMS]] = True
    return np.flatnonzero(other)


def _commit(
    store: Store, digest: str, movie: Movie, ids: NDArray[np.int64], facts: dict[str, Any], after: Audit
) -> None:
    inside = np.zeros(len(movie.parent), bool)
    inside[ids] = True
    children = np.flatnonzero((movie.parent >= 0) & inside[np.maximum(movie.parent, 0)])
    links = np.column_stack([movie.parent[children], children]).reshape(-1, 2)
    divisions = np.empty((0, 3), np.int64)
    if movie.header.divisions == "pair":
        links, divisions = _by_family(links)
    selected = movie.selected[ids]
    store.write_solution(
        BlockSolution(
            block=SEAMS,
            digest=digest,
            id=ids,
            selected=selected,
            appear=selected & (movie.parent[ids] < 0),
            disappear=selected & (movie.n_children[ids] == 0),
            dual_in=movie.duals[0, ids],
            dual_out=movie.duals[1, ids],
            dual_cap=movie.duals[2, ids] if len(movie.duals) > 2 else None,
            links=links,
            divisions=divisions,
            objective=after.objective,
            bound=after.bound,
            facts={**facts, "pair_duals": [[place, float(y)] for place, y in enumerate(movie.pair_duals)]},
        )
    )


def _by_family(links: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Single links, and divisions of parents with two: in the pair model a division replaces its links."""
    links = links[np.lexsort((links[:, 1], links[:, 0]))]
    _, first, count = np.unique(links[:, 0], return_index=True, return_counts=True)
    two = first[count == 2]
    divisions = np.column_stack([links[two], links[two + 1, 1]]).reshape(-1, 3)
    return links[first[count == 1]], divisions
