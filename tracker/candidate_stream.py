"""Candidates as a stream: priced, and without those that can never be chosen, so that few are ever in memory.

Dominance (docs/ilp.md) looks at one link or division with the ends of its own detections. So a window of frames can
throw away, by itself, what the whole program would throw away; what is left is usually a few candidates a detection.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tracker.candidate_windows import CandidateSource, Window, each_window
from tracker.candidates import CandidateGraph
from tracker.features import Family
from tracker.features.standardise import Moments, Standardiser


@dataclass(frozen=True)
class PricedChunk:
    """All candidates whose parent lies in steps [first_step, stop_step), priced, dominated ones already dropped.

    links: (E, 2) int32 rows of the whole movie, sorted by parent, then child.   link_cost: (E,).
    divisions: (H, 3) int32 rows, sorted.   division_cost: (H,) in place of the two links.
    division_links: (H, 2) int32 indices into this chunk's links, or -1 where that link was dropped. As it is, the links
        of a kept division are kept, too, since tables show their features: no -1 occurs.
    n_links_proposed, n_divisions_proposed: how many nearness and pins proposed here, before dominance.
    link_columns: feature columns of the links, by name, where they were asked for.
    """

    first_step: int
    stop_step: int
    links: NDArray[np.int32]
    link_cost: NDArray[np.float64]
    divisions: NDArray[np.int32]
    division_cost: NDArray[np.float64]
    division_links: NDArray[np.int32]
    n_links_proposed: int
    n_divisions_proposed: int
    link_columns: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def stream_candidates(
    source: CandidateSource,
    *,
    steps: tuple[int, int] | None = None,
    with_columns: bool = False,
    done: Callable[[float], None] = lambda share: None,
) -> Iterator[PricedChunk]:
    """Yield what the solver needs, window after window in the order of the frames.

    steps: only parents of these kept frames, half-open; default all.   with_columns: with the features of links.
    done: told the share that is behind. Candidates that pins demand are there, and around detections that pins touch
    nothing is dropped. The optimum over what is yielded is the optimum over everything.
    """
    return each_window(source, lambda window: _chunk(window, with_columns), steps=steps, done=done)


def measure_statistics(
    source: CandidateSource, done: Callable[[float], None] = lambda share: None
) -> dict[tuple[Family, str], Standardiser]:
    """Mean and standard deviation of every z-scored term on links and divisions over all proposed candidates.

    Those that pins demand do not count. Equal to what the whole column gives, up to rounding.
    """
    wanted = {(term.on, term.feature) for term in source.terms if term.standardise == "zscore"}
    wanted = {key for key in wanted if key[0] != "detection" and key not in source.statistics}
    if not wanted:
        return dict(source.statistics)
    families = {family for family, _ in wanted}
    ordered = sorted(wanted)

    def look(window: Window) -> dict[tuple[Family, str], list[Moments]]:
        found: dict[tuple[Family, str], list[Moments]] = {key: [] for key in ordered}
        for family, feature in ordered:
            if family == "link":
                found[family, feature].append(Moments.measure(window.prices.column(family, feature)))
        for prices in window.unpriced_divisions() if "division" in families else ():
            for family, feature in ordered:
                if family == "division":
                    found[family, feature].append(Moments.measure(prices.column(family, feature)))
        return found

    parts: dict[tuple[Family, str], list[Moments]] = {key: [] for key in ordered}
    for found in each_window(source, look, with_demand=False, done=done):
        for key, own in found.items():
            parts[key] += own
    return {**source.statistics, **{key: Standardiser.of_parts(own) for key, own in parts.items()}}


@dataclass(frozen=True)
class Needed:
    """The candidates that are needed, of the whole movie.

    graph, link_cost, division_cost: as in `PricedChunk`.   columns: features of the links.
    n_links, n_divisions: how many were proposed.
    """

    graph: CandidateGraph
    link_cost: NDArray[np.float64]
    division_cost: NDArray[np.float64]
    columns: dict[tuple[Family, str], NDArray[np.float64]]
    n_links: int
    n_divisions: int


def collect(source: CandidateSource, chunks: Iterator[PricedChunk]) -> Needed:
    """All chunks of a movie as one graph."""
    held: list[PricedChunk] = []
    offset = 0
    for chunk in chunks:
        moved = np.where(chunk.division_links >= 0, chunk.division_links + np.int32(offset), np.int32(-1))
        held.append(replace(chunk, division_links=moved.astype(np.int32)))
        offset += len(chunk.links)
    names = list(held[0].link_columns) if held else []
    return Needed(
        graph=CandidateGraph(
            source.context.graph.detections,
            np.concatenate([np.empty((0, 2), np.int32), *(chunk.links for chunk in held)]),
            np.concatenate([np.empty((0, 3), np.int32), *(chunk.divisions for chunk in held)]),
            np.concatenate([np.empty((0, 2), np.int32), *(chunk.division_links for chunk in held)]),
        ),
        link_cost=np.concatenate([np.empty(0), *(chunk.link_cost for chunk in held)]),
        division_cost=np.concatenate([np.empty(0), *(chunk.division_cost for chunk in held)]),
        columns={("link", name): np.concatenate([chunk.link_columns[name] for chunk in held]) for name in names},
        n_links=sum(chunk.n_links_proposed for chunk in held),
        n_divisions=sum(chunk.n_divisions_proposed for chunk in held),
    )


def kept_links(window: Window, kept_pairs: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(E,) links of a window that are needed: not dominated, or held by a division that is not."""
    kept = window.link_kept.copy()
    kept[kept_pairs] = True
    return kept


def _chunk(window: Window, with_columns: bool) -> PricedChunk:
    costs, pairs = [np.empty(0)], [np.empty((0, 2), np.int32)]
    for part in window.division_parts():
        costs.append(part.cost[part.kept])
        pairs.append(part.prices.context.graph.division_links[part.kept])
    chosen = np.concatenate(pairs)
    kept = kept_links(window, chosen)
    place = np.cumsum(kept, dtype=np.int32) - 1
    links = window.graph.links
    division_links = place[chosen].astype(np.int32)
    links, kept_rows = links[kept], links
    divisions = np.column_stack([kept_rows[chosen[:, 0], 0], kept_rows[chosen, 1]]).astype(np.int32)
    columns = {name: column[kept] for (family, name), column in window.prices.columns.items() if family == "link"}
    return PricedChunk(
        first_step=window.first_step,
        stop_step=window.stop_step,
        links=links,
        link_cost=window.link_cost[kept],
        divisions=divisions,
        division_cost=np.concatenate(costs),
        division_links=division_links,
        n_links_proposed=window.n_links_proposed,
        n_divisions_proposed=window.n_divisions_proposed,
        link_columns=columns if with_columns else {},
    )
