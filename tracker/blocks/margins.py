"""Margins of a movie in a store: the bounds of tracker/margins.py, a stretch of frames at a time.

Those bounds ask nothing of the duals but that L(y) plus proofs that may be counted together is below every lineage, and
the duals of blocks side by side, with the local proofs of the seams, are just that (docs/blocks.md). What a proof adds
is slack around each row that one of its columns touches. In the store no candidate is left out of L(y), dominated or
not; those that never came into it are priced once more (tracker/dropped_ways.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.audit import DETECTIONS, DIVISION, LINK, MovieProof
from tracker.blocks.certificate import measure_excess
from tracker.blocks.movie import Movie, part_of_movie
from tracker.detections import stretches
from tracker.dropped_ways import DroppedWays
from tracker.margins import Margins, margins_from, switching_costs
from tracker.store import Region, Store

_APPEAR = 1  # family of a key; below it x, which touches both rows, above it d and s, which touch out(v) alone


def movie_slack(proofs: Sequence[MovieProof], count: int) -> NDArray[np.float64]:
    """(2, N) sum of the deltas of the proofs around the rows in(v) and out(v), N = `count`; as `Solution.slack`."""
    slack = np.zeros((2, count))
    for proof in proofs:
        family, ids = proof.keys[:, 0], proof.keys[:, 1:]
        link, division = ids[family == LINK], ids[family == DIVISION]
        into = [ids[family <= _APPEAR, 0], link[:, 1], division[:, 1:].ravel()]
        out = [ids[(family < LINK) & (family != _APPEAR), 0], link[:, 0], division[:, 0]]
        for side, touched in zip(slack, (into, out), strict=True):
            side[np.unique(np.concatenate(touched))] += proof.delta
    return slack


def proofs_as_facts(proofs: Sequence[MovieProof], count: int) -> dict[str, Any]:
    """What a record of the store keeps of proofs, as JSON, so that margins can be measured from the store alone.

    count: number of detections.
    """
    slack = movie_slack(proofs, count)
    return {
        "proven_locally": sum(proof.delta for proof in proofs),
        "slack": [[[row, float(side[row])] for row in np.flatnonzero(side).tolist()] for side in slack],
    }


def proofs_from_facts(facts: Mapping[str, Any], count: int) -> tuple[float, NDArray[np.float64]]:
    """(what proofs add to the bound, (2, N) slack). A record without any proves nothing more than the duals do."""
    slack = np.zeros((2, count))
    for side, known in zip(slack, facts.get("slack", []), strict=False):
        rows = np.array(known, np.float64).reshape(-1, 2)
        side[rows[:, 0].astype(np.int64)] = rows[:, 1]
    return float(facts.get("proven_locally", 0.0)), slack


def movie_margins(
    store: Store,
    movie: Movie,
    starts: NDArray[np.int64],
    slack: NDArray[np.float64],
    unproven: float,
    dropped: DroppedWays | None,
) -> Margins:
    """Lower bounds of the margins of all N detections.

    Regions reach as far as chosen links do, so that all columns of a detection's partners are there. Of a link whose
    parent is beyond, the row of a forbidden pair may be missing: it is not chosen then, since chosen links are reached,
    and seems cheaper than it is, which makes margins smaller.
    starts: (T+1,) first id of each step.   slack: (2, N) of `movie_slack`.   unproven: what the lineage costs more than
    duals and proofs say.   dropped: of the candidates that are not in the store; None when there are none.
    """
    count, last = len(movie.parent), len(starts) - 1
    out, into = np.empty((2, count))
    reach = _longest_link(movie, starts)
    for first, stop in stretches(starts, DETECTIONS):
        region = store.read(Region(max(0, first - reach), min(last, stop + reach)))
        part, _ = part_of_movie(region, movie)
        ids, problem = region.id, part.problem
        reduced = measure_excess(problem, part.values, part.duals).reduced_cost
        found = margins_from(
            problem,
            part.values,
            switching_costs(problem, part.values, reduced),
            slack[:, ids].ravel(),
            unproven,
            None if dropped is None else dropped.of(ids),
        )
        own = (ids >= starts[first]) & (ids < starts[stop])
        out[ids[own]], into[ids[own]] = found.out[own], found.into[own]
    return Margins(out, into)


def _longest_link(movie: Movie, starts: NDArray[np.int64]) -> int:
    """Steps that a chosen link spans at most: so far lie the partners of a detection, and its siblings."""
    child = np.flatnonzero(movie.parent >= 0)
    step = np.searchsorted(starts, np.stack([movie.parent[child], child]), side="right")
    return int((step[1] - step[0]).max(initial=0))
