"""From a config to the candidates that are needed: the way of large movies, in place of `prepare` listing them all."""

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracker.added_candidates import add_candidates
from tracker.annotations import demanded_rows
from tracker.auto.model import MovieModel
from tracker.candidate_stream import measure_statistics
from tracker.candidate_windows import CandidateSource, Demand, LinkScores
from tracker.candidates import CandidateGraph
from tracker.config import Config
from tracker.costs import TermPrices, price_detections, resolve_terms
from tracker.detections import Detections
from tracker.features.context import FeatureContext
from tracker.pin_checks import ResolvedPins

MANY = 5_000_000  # links and divisions; more are not held unless the config says so


def candidate_source(
    config: Config, context: FeatureContext, movie: MovieModel | None, pins: ResolvedPins | None
) -> CandidateSource:
    """All that the candidates of a config follow from; scores and statistics are added after, in this order.

    context: with `no_candidates` as its graph.
    """
    detections, wanted = context.graph.detections, config.candidates
    scored = config.associations is not None
    terms = resolve_terms(config.costs, has_association=scored, has_pairs=wanted.divisions == "pair")
    prices = TermPrices(context, terms, {}, {})
    ends = price_detections(prices, config.costs, divisions=wanted.divisions)
    return CandidateSource(
        context=context,
        candidates=wanted,
        settings=config.costs,
        terms=terms,
        ends=ends,
        statistics=prices.statistics,
        flow=None if movie is None else movie.flow,
        demand=None if pins is None else _demand(pins, len(detections)),
        threads=config.solver.threads or os.cpu_count() or 1,
    )


def with_statistics(source: CandidateSource, done: Callable[[float], None] = lambda share: None) -> CandidateSource:
    """The source with the statistics of its z-scored terms: a pass over all that is proposed, if there are any."""
    return replace(source, statistics=measure_statistics(source, done))


def with_scores(source: CandidateSource, score: Callable[[CandidateGraph], NDArray[np.float64]]) -> CandidateSource:
    """The source with learned scores of its links, those that pins demand included.

    score: (E,) scores of the links of a graph. The links of the whole movie are listed for it, the divisions are not.
    """
    graph = source.near_links()
    if source.demand is not None:
        graph = add_candidates(graph, source.demand.links, source.demand.divisions, pairs=False)
    return replace(source, scores=LinkScores(graph.links, score(graph)))


def no_candidates(detections: Detections) -> CandidateGraph:
    """A graph without links and divisions."""
    return CandidateGraph(
        detections, np.empty((0, 2), np.int32), np.empty((0, 3), np.int32), np.empty((0, 2), np.int32)
    )


def wants_needed(config: Config, detections: Detections) -> bool:
    """Whether only the candidates that are needed are held, as candidates.materialise says."""
    wanted = config.candidates.materialise
    return wanted == "needed" or (wanted == "auto" and count_proposed(config, detections) > MANY)


def count_proposed(config: Config, detections: Detections) -> int:
    """About how many links and divisions nearness would propose; the tests hold it to within 0.6 and 1.6 of them.

    With neighbors = 0 links are counted within max_distance, else k = neighbors for each detection and frame gap, twice
    in both directions. With divisions as pairs, a parent with the mean number m of links has m (m - 1) / 2 pairs, or
    pairs_per_parent where that is less.
    """
    wanted, sizes = config.candidates, np.diff(detections.starts)
    total = 0.0
    for gap in range(1, wanted.max_frame_gap + 1):
        earlier, later = sizes[:-gap], sizes[gap:]
        both = (earlier > 0) & (later > 0)
        if wanted.neighbors == 0:
            total += _within(detections, gap, wanted.max_distance * gap)
        elif wanted.direction == "both":
            most = np.minimum(wanted.neighbors, later) * earlier + np.minimum(wanted.neighbors, earlier) * later
            total += float(np.minimum(most, earlier * later)[both].sum())
        elif wanted.direction == "backward":
            total += float((np.minimum(wanted.neighbors, earlier) * later)[both].sum())
        else:
            total += float((np.minimum(wanted.neighbors, later) * earlier)[both].sum())
    if wanted.divisions != "pair" or not len(detections):
        return int(total)
    each = total / len(detections)
    pairs = each * (each - 1) / 2 if not wanted.pairs_per_parent else min(wanted.pairs_per_parent, each * each / 2)
    return int(total + max(0.0, pairs) * len(detections))


def _within(detections: Detections, gap: int, radius: float) -> float:
    """How many pairs of detections `gap` steps apart lie within `radius`."""
    starts, total = detections.starts, 0
    trees = [cKDTree(detections.position[low:high]) for low, high in pairwise(starts.tolist())]
    for earlier, later in zip(trees[:-gap], trees[gap:], strict=True):
        if earlier.n and later.n:
            total += int(earlier.count_neighbors(later, radius))
    return float(total)


def _demand(pins: ResolvedPins, count: int) -> Demand:
    touched = np.zeros(count, bool)
    touched[pins.rows[pins.rows >= 0]] = True
    return Demand(*demanded_rows(pins), touched)
