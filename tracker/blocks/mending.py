"""The seams of a movie in a store, mended stretch of frames by stretch of frames, until the gap is closed.

What is wrong is told by the audit, place by place. A stretch of frames around such places is read, mended as a part
(seams.py), and its detections brought up to date; nothing is written. Stretches that did not suffice are twice as long
in the next round, up to the whole movie.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.audit import Audit, MovieProof, audit, columns_of, keep_compatible, movie_proof, rows_of
from tracker.blocks.movie import Movie, part_of_movie, put_back
from tracker.blocks.seams import mend
from tracker.ilp.backends import SolverSettings
from tracker.store import Region, Store

_MARGIN = 2  # steps around what is wrong, at first
_LENGTH = 8  # steps of the first stretches
_LEAST_S = 2.0  # to mend a stretch, when the time of the run is up


@dataclass(frozen=True)
class MovieMended:
    """before, after: the audits.   windows: solved in all.   rounds: of stretches.   proofs: in `after`."""

    before: Audit
    after: Audit
    windows: int
    rounds: int
    proofs: list[MovieProof]
    out_of_time: bool


def mend_movie(
    store: Store,
    movie: Movie,
    starts: NDArray[np.int64],
    settings: SolverSettings,
    deadline: float,
    progress: Callable[[str], None] = lambda message: None,
) -> MovieMended:
    """Mend until nothing is broken and the gap is at most `settings.gap`, or time is up. `movie` changes in place.

    starts: (T+1,) first id of each step.   With a gap of 0: until nothing costs more than is proven.
    """
    proofs: list[MovieProof] = []
    before = now = audit(store, movie, proofs, starts)
    n_steps = len(starts) - 1
    length, margin, windows, rounds, out_of_time = _LENGTH, _MARGIN, 0, 0, False
    while now.seeds.any() and (now.broken.any() or now.gap > settings.gap):
        rounds += 1
        for first, stop in _stretches(now.seeds, starts, length, margin):
            if windows and time.perf_counter() >= deadline:  # one stretch at least, so that resuming gets on
                out_of_time = True
                break
            progress(f"mending seams, round {rounds}: frames {first} to {stop} of {n_steps}")
            region = store.read(Region(first, stop))
            part, pairs = part_of_movie(region, movie)
            if length >= n_steps:  # the whole movie: everything is proven anew
                proofs = []
            columns, rows = np.zeros(len(part.values), bool), np.zeros(len(part.duals), bool)
            for proof in proofs:
                columns[columns_of(proof.keys, region, part.problem)] = True
                rows[rows_of(proof, region, part.problem, pairs)] = True
            done = mend(part, settings, max(deadline, time.perf_counter() + _LEAST_S), covered=(columns, rows))
            windows += done.windows
            out_of_time |= bool(done.open.any()) and time.perf_counter() >= deadline
            changed = put_back(region, part, pairs, movie)
            proofs = [proof for proof in proofs if not np.isin(proof.ids, changed).any()]
            proofs += [movie_proof(proof, region, part.problem, pairs) for proof in done.proofs]
        proofs = keep_compatible(proofs)
        now = audit(store, movie, proofs, starts)
        if out_of_time or length >= n_steps:
            break
        length, margin = 2 * length, 2 * margin
    return MovieMended(before, now, windows, rounds, proofs, out_of_time)


def _stretches(seeds: NDArray[np.bool_], starts: NDArray[np.int64], length: int, margin: int) -> list[tuple[int, int]]:
    """Half-open ranges of steps, at most `length` long without their margins, that hold every seed.

    The whole movie, where it is not longer than that.
    """
    n_steps = len(starts) - 1
    if length >= n_steps:
        return [(0, n_steps)]
    step = np.unique(np.searchsorted(starts, np.flatnonzero(seeds), side="right") - 1)
    found: list[tuple[int, int]] = []
    for at in step.tolist():
        if found and at < found[-1][0] + length and at <= found[-1][1] + margin:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return [(max(0, low - margin), min(n_steps, high + 1 + margin)) for low, high in found]
