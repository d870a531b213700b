"""Candidates that pins once demanded: kept for later, open only while a pin demands them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.added_candidates import add_candidates
from tracker.candidates import CandidateGraph
from tracker.ilp.problem import Layout
from tracker.pin_checks import ResolvedPins
from tracker.pin_table import KINDS


@dataclass(frozen=True)
class Demand:
    """What true pins, certain or likely, speak of. links: (K, 2) rows.   divisions: (M, 3) rows, children ascending.

    links: those of `divisions` included.
    """

    links: NDArray[np.int64]
    divisions: NDArray[np.int64]


def demanded_by(pins: ResolvedPins) -> Demand:
    """The links and divisions that must be candidates under `pins`."""
    kind, rows, true = pins.table.kind, pins.rows, pins.table.value
    n_children = (rows[:, 1:] >= 0).sum(axis=1)
    children = kind == KINDS.index("children")
    link = true & ((kind == KINDS.index("link")) | (children & (n_children == 1)))
    division = true & ((kind == KINDS.index("division")) | (children & (n_children == 2)))
    single = np.column_stack([rows[:, 0], rows[:, 1:].max(axis=1)])[link]
    triple = rows[division]
    return Demand(np.concatenate([single, triple[:, :2], triple[:, [0, 2]]]), triple)


class OpenCandidates:
    """A graph of proposed and demanded candidates, and which of them a run would have under given pins."""

    def __init__(self, proposed: CandidateGraph, *, pairs: bool, graph: CandidateGraph | None = None) -> None:
        """proposed: before any pin.   pairs: divisions are candidates of their own.   graph: with what was demanded."""
        self.graph = proposed if graph is None else graph
        self._proposed, self._pairs = proposed, pairs
        self._size = len(proposed.detections)
        self._link_key = self._links(self.graph.links)
        division_key = self._pair(self.graph.division_links)
        self._division_order = np.argsort(division_key, kind="stable")
        self._division_key = division_key[self._division_order]
        moved = np.searchsorted(self._link_key, self._links(proposed.links))
        self._added_links = np.setdiff1d(np.arange(len(self.graph.links)), moved)
        known = np.isin(division_key, self._pair(moved[proposed.division_links]))
        self._added_divisions = np.flatnonzero(~known)

    def missing(self, demand: Demand) -> bool:
        """Whether the graph lacks a candidate that is demanded."""
        return bool(np.any(self._find_links(demand.links) < 0) or np.any(self._find_divisions(demand.divisions) < 0))

    def with_added(self, demand: Demand) -> "OpenCandidates":
        """The graph with what is demanded; nothing is forgotten."""
        grown = add_candidates(self.graph, demand.links, demand.divisions, pairs=self._pairs)
        return OpenCandidates(self._proposed, pairs=self._pairs, graph=grown)

    def closed(self, layout: Layout, demand: Demand) -> NDArray[np.int64]:
        """Columns of a problem over this graph that neither nearness nor `demand` wants, sorted.

        An added link is open while demanded, and so is each division that it makes with another open link; a division
        of proposed links that was not proposed, while it is demanded itself.
        """
        wanted = self._find_links(demand.links)
        links = np.setdiff1d(self._added_links, wanted)
        added = self._added_divisions
        of_link = self.graph.division_links[added]
        is_open = ~np.isin(of_link, links).any(axis=1) & np.isin(of_link, self._added_links).any(axis=1)
        is_open |= np.isin(added, self._find_divisions(demand.divisions))
        return np.concatenate([layout.link.start + links, layout.division.start + added[~is_open]])

    def _links(self, links: NDArray[np.integer]) -> NDArray[np.int64]:
        return links[:, 0].astype(np.int64) * self._size + links[:, 1]

    def _pair(self, division_links: NDArray[np.integer]) -> NDArray[np.int64]:
        return division_links[:, 0].astype(np.int64) * (len(self.graph.links) + 1) + division_links[:, 1]

    def _find_links(self, links: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K,) link indices, -1 where there is none."""
        return _find(self._link_key, self._links(links))

    def _find_divisions(self, divisions: NDArray[np.int64]) -> NDArray[np.int64]:
        """(M,) division indices, -1 where there is none; none at all where divisions are no candidates."""
        if not self._pairs:
            return np.empty(0, np.int64)
        pair = np.column_stack([self._find_links(divisions[:, [0, child]]) for child in (1, 2)])
        place = np.where((pair >= 0).all(axis=1), _find(self._division_key, self._pair(pair)), -1)
        place[place >= 0] = self._division_order[place[place >= 0]]
        return place


def _find(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) places of `wanted` in the sorted `keys`; -1 where it is not there."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)
