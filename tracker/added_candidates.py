"""Candidates that people demand: links and divisions that nearness did not propose."""

import numpy as np
from numpy.typing import NDArray

from tracker.candidates import CandidateGraph, with_divisions


def add_candidates(
    graph: CandidateGraph, links: NDArray[np.int64], divisions: NDArray[np.int64], *, pairs: bool
) -> CandidateGraph:
    """The graph with more links (K, 2) and divisions (M, 3), rows as in the graph; those it has already stay single.

    The two links of an added division are added, too. pairs: an added link also becomes a division with each other link
    of its parent, as it would have if it had been proposed. The order of links and divisions stays sorted.
    """
    wanted = np.concatenate([links.reshape(-1, 2), divisions[:, :2], divisions[:, [0, 2]]]).astype(np.int32)
    size = len(graph.detections)
    old_key, new_key = _key(graph.links, size), np.unique(_key(wanted, size))
    new_key = new_key[~np.isin(new_key, old_key)]
    key = np.sort(np.concatenate([old_key, new_key]))
    every_link = np.column_stack([key // size, key % size]).astype(np.int32)
    moved = np.searchsorted(key, old_key)
    division_links = [moved[graph.division_links]]
    if pairs:
        division_links.append(_pairs_of(every_link, np.searchsorted(key, new_key)))
    triple = np.sort(divisions[:, 1:], axis=1)
    division_links.append(
        np.column_stack([np.searchsorted(key, divisions[:, 0] * size + triple[:, child]) for child in (0, 1)]).reshape(
            -1, 2
        )
    )
    together = np.unique(np.concatenate(division_links), axis=0) if pairs else division_links[0]
    grown = CandidateGraph(graph.detections, every_link, np.empty((0, 3), np.int32), np.empty((0, 2), np.int32))
    return with_divisions(grown, together.astype(np.int32))


def _key(links: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    return links[:, 0].astype(np.int64) * size + links[:, 1]


def _pairs_of(links: NDArray[np.int32], added: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P, 2) pairs of link indices of one parent of which at least one is added, smaller index first."""
    start = np.searchsorted(links[:, 0], links[added, 0])
    size = np.searchsorted(links[:, 0], links[added, 0], side="right") - start
    first = np.repeat(added, size)
    other = np.repeat(start, size) + np.arange(len(first)) - np.repeat(np.cumsum(size) - size, size)
    pairs = np.sort(np.column_stack([first, other]), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
