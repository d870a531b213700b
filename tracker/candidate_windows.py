"""Candidates window by window: what parents of a few frames may do, priced, before anything is thrown away.

A parent with all its links and divisions lies in one window, so a window is priced by itself; the pairs of its links
are looked at in parts, so that they are never in memory all at once.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tracker.added_candidates import add_candidates
from tracker.candidates import CandidateGraph, build_candidates, division_pairs, with_divisions
from tracker.config import Candidates, CostSettings, Term
from tracker.costs import DetectionCosts, TermPrices
from tracker.detections import stretches
from tracker.features import Family
from tracker.features.context import FeatureContext
from tracker.features.standardise import Standardiser
from tracker.ilp.reduce import dominated_divisions, dominated_links

WINDOW_DETECTIONS = 10_000  # parents of a window, unless a single frame has more
PAIRS_AT_ONCE = 250_000  # pairs of links that are priced at once: their columns fit into the processor's cache
T = TypeVar("T")


@dataclass(frozen=True)
class Demand:
    """What pins demand and touch, in rows of the detections.

    links: (K, 2).   divisions: (M, 3).   touched: (N,) detections that some pin speaks of: their columns may not be
    free to move, so that nothing around them is left out.
    """

    links: NDArray[np.int64]
    divisions: NDArray[np.int64]
    touched: NDArray[np.bool_]


@dataclass(frozen=True)
class LinkScores:
    """Scores of links that are no more than a table. ends: (K, 2) rows (parent, child), sorted.   score: (K,)."""

    ends: NDArray[np.integer]
    score: NDArray[np.float64]

    def of(self, links: NDArray[np.integer], size: int) -> NDArray[np.float64]:
        """(E,) scores of links (E, 2), 0 where there is none; size: number of detections."""
        key = self.ends[:, 0].astype(np.int64) * size + self.ends[:, 1]
        low, high = (0, 0) if not len(links) else np.searchsorted(self.ends[:, 0], [links[0, 0], links[-1, 0] + 1])
        key = key[low:high]
        wanted = links[:, 0].astype(np.int64) * size + links[:, 1]
        if not len(key):
            return np.zeros(len(links))
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where(key[place] == wanted, self.score[low + place], 0.0)


@dataclass(frozen=True)
class CandidateSource:
    """All that the candidates of a movie follow from.

    context: what features look at, without any link.   candidates, settings, terms: of the config.
    ends: costs of detections and their ends.   statistics: of z-scored terms, over all proposed candidates.
    flow: (N, D) local motion that nearness is counted from, or None.   scores: of links, or None.
    threads: windows that are worked on at once.
    """

    context: FeatureContext
    candidates: Candidates
    settings: CostSettings
    terms: tuple[Term, ...]
    ends: DetectionCosts
    statistics: dict[tuple[Family, str], Standardiser]
    flow: NDArray[np.float64] | None = None
    demand: Demand | None = None
    scores: LinkScores | None = None
    threads: int = 1

    @property
    def pairs(self) -> bool:
        """Whether pairs of links are candidates of their own."""
        return self.candidates.divisions == "pair"

    def near_links(self, steps: tuple[int, int] | None = None) -> CandidateGraph:
        """The links that nearness proposes, no divisions.   steps: only those of parents in these kept frames."""
        wanted = self.candidates
        return build_candidates(
            self.context.graph.detections,
            neighbors=wanted.neighbors,
            direction=wanted.direction,
            max_distance=wanted.max_distance,
            max_frame_gap=wanted.max_frame_gap,
            divisions=False,
            flow=self.flow,
            steps=steps,
        )

    @cached_property
    def free_prices(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """(N,) prices of appearing, disappearing, and of an end that stands for a link; infinite where pins touch."""
        appear, disappear = self.ends.appear.copy(), self.ends.disappear.copy()
        if self.demand is not None:
            appear[self.demand.touched] = disappear[self.demand.touched] = np.inf
        end = disappear if self.ends.split is None else np.maximum(disappear, -self.ends.split)
        return appear, disappear, end

    def windows(self, steps: tuple[int, int] | None = None) -> list[tuple[int, int]]:
        """Half-open ranges of kept frames, each with about WINDOW_DETECTIONS detections; steps: only within these."""
        return stretches(self.context.graph.detections.starts, WINDOW_DETECTIONS, steps)


@dataclass(frozen=True)
class DivisionPart:
    """Some divisions of a window. prices.context.graph holds them with all links of the window.

    cost: (K,).   kept: (K,) False where another choice is never worse.
    """

    prices: TermPrices
    cost: NDArray[np.float64]
    kept: NDArray[np.bool_]


@dataclass
class Window:
    """The candidates whose parents lie in steps [first_step, stop_step). with_demand: pins have added theirs."""

    source: CandidateSource
    first_step: int
    stop_step: int
    with_demand: bool = True
    n_divisions_proposed: int = field(init=False, default=0)

    @property
    def n_links_proposed(self) -> int:
        """Links, those that pins demand included."""
        return len(self.graph.links)

    @cached_property
    def graph(self) -> CandidateGraph:
        """The links; with divisions only where pins demand some here."""
        source, found = self.source, self.source.context.graph.detections
        graph = source.near_links((self.first_step, self.stop_step))
        demand = source.demand
        if demand is None or not self.with_demand:
            return graph
        low, high = found.starts[[self.first_step, self.stop_step]]
        links, divisions = (
            rows[(rows[:, 0] >= low) & (rows[:, 0] < high)] for rows in (demand.links, demand.divisions)
        )
        if not len(links) and not len(divisions):
            return graph
        if source.pairs:
            pairs = np.concatenate([np.empty((0, 2), np.int32), *self._proposed_pairs(graph)])
            graph = with_divisions(graph, pairs)
        return add_candidates(graph, links, divisions, pairs=source.pairs)

    @cached_property
    def prices(self) -> TermPrices:
        """Prices of the links."""
        source, graph = self.source, self.graph
        scores = None if source.scores is None else source.scores.of(graph.links, len(graph.detections))
        context = source.context.with_links(graph, scores)
        return TermPrices(context, source.terms, dict(source.statistics), {})

    @cached_property
    def link_cost(self) -> NDArray[np.float64]:
        """(E,) cost of each link."""
        return self.prices.total("link", np.zeros(len(self.graph.links)))

    @cached_property
    def link_kept(self) -> NDArray[np.bool_]:
        """(E,) False where ending and appearing is never worse."""
        appear, _, end = self.source.free_prices
        return ~dominated_links(self.graph.links, self.link_cost, end, appear)

    def division_parts(self) -> Iterator[DivisionPart]:
        """The divisions, part by part of PAIRS_AT_ONCE, in their order."""
        source, graph = self.source, self.graph
        if not source.pairs:
            return
        appear, disappear, _ = source.free_prices
        price = self.link_cost
        if source.demand is not None:
            price = np.where(source.demand.touched[graph.links].any(axis=1), np.inf, price)
        for prices in self.unpriced_divisions():
            pairs, divisions = prices.context.graph.division_links, prices.context.graph.divisions
            cost = prices.total("division", np.full(len(pairs), source.settings.division))
            if not prices.has("division"):
                cost += self.link_cost[pairs].sum(axis=1)
            dear = dominated_divisions(divisions, pairs, cost, price, disappear, appear)
            yield DivisionPart(prices, cost, ~dear)

    def unpriced_divisions(self) -> Iterator[TermPrices]:
        """The divisions, part by part, before anything is computed of them."""
        for pairs in self.pairs():
            context = self.prices.context.with_divisions(with_divisions(self.graph, pairs))
            yield TermPrices(context, self.source.terms, dict(self.source.statistics), {})

    def pairs(self) -> Iterator[NDArray[np.int32]]:
        """(K, 2) pairs of link indices that are divisions, part by part."""
        known = self.graph.division_links
        if len(known):
            self.n_divisions_proposed = len(known)
            yield from (known[start : start + PAIRS_AT_ONCE] for start in range(0, len(known), PAIRS_AT_ONCE))
            return
        for pairs in self._proposed_pairs(self.graph):
            self.n_divisions_proposed += len(pairs)
            yield pairs

    def _proposed_pairs(self, graph: CandidateGraph) -> Iterator[NDArray[np.int32]]:
        wanted = self.source.candidates
        return division_pairs(
            graph,
            self.source.flow,
            pairs_per_parent=wanted.pairs_per_parent,
            division_max_distance=wanted.division_max_distance,
            pairs_per_chunk=PAIRS_AT_ONCE,
        )


def each_window(
    source: CandidateSource,
    work: Callable[[Window], T],
    *,
    steps: tuple[int, int] | None = None,
    with_demand: bool = True,
    done: Callable[[float], None] = lambda share: None,
) -> Iterator[T]:
    """`work` of every window, in their order, `source.threads` at once and few of them waiting.

    done: told the share of the detections that are behind. An exception, Ctrl-C too, ends what has not begun.
    """
    starts = source.context.graph.detections.starts
    waiting = deque(source.windows(steps))
    total = max(1, int(sum(starts[stop] - starts[first] for first, stop in waiting)))
    running: deque[tuple[int, Future[T]]] = deque()
    pool = ThreadPoolExecutor(source.threads)
    behind = 0
    try:
        while waiting or running:
            while waiting and len(running) <= source.threads:
                first, stop = waiting.popleft()
                window = Window(source, first, stop, with_demand)
                running.append((int(starts[stop] - starts[first]), pool.submit(work, window)))
            size, future = running.popleft()
            yield future.result()
            behind += size
            done(behind / total)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
