"""Candidate graph: which links and divisions the solver may choose from, as index arrays."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracker.detections import Detections
from tracker.local_motion import residuals

Direction = Literal["backward", "forward", "both"]
_PAIRS_PER_CHUNK = 4_000_000  # pairs that are gated at once, so that gating bounds the memory


@dataclass(frozen=True)
class CandidateGraph:
    """Detections with candidate links and divisions.

    links: (E, 2) int32 rows (parent, child), sorted by parent, then child; the parent is in an earlier frame.
    divisions: (H, 3) int32 rows (parent, child, child), child rows increasing, sorted.
    division_links: (H, 2) int32, indices into `links` of the two links that a division replaces.
    """

    detections: Detections
    links: NDArray[np.int32]
    divisions: NDArray[np.int32]
    division_links: NDArray[np.int32]

    @property
    def link_gap_frames(self) -> NDArray[np.int64]:
        """(E,) steps between parent and child: 1 for neighbouring kept frames."""
        step = self.detections.step
        return step[self.links[:, 1]] - step[self.links[:, 0]]


def build_candidates(
    detections: Detections,
    *,
    neighbors: int = 10,
    direction: Direction = "backward",
    max_distance: float = math.inf,
    max_frame_gap: int = 1,
    divisions: bool = True,
    pairs_per_parent: int = 0,
    division_max_distance: float = math.inf,
    flow: NDArray[np.float64] | None = None,
    steps: tuple[int, int] | None = None,
) -> CandidateGraph:
    """Propose links between near detections, and every pair of a parent's links as a division.

    neighbors: how many nearest detections to propose per detection and frame gap; 0 means all within
        `max_distance`.   direction: "backward" links every detection to its nearest in the earlier frame (as
        Attrackt), "forward" to its nearest in the later one, "both" takes the union.
    max_distance: in the unit of `Detections.position`, per frame of gap (a link over 2 frames may be twice as long).
    max_frame_gap: 1 links neighbouring frames only, 2 also bridges one missing frame, and so on.
    pairs_per_parent: keep this many divisions of a parent, those whose children's midpoint is nearest; 0 keeps all.
    division_max_distance: neither child of a division may be farther from the parent, per frame of gap.
    flow: (N, D) expected displacement of each detection per frame; distances are then counted from where a parent is
        expected. Default: where it is.
    steps: only what parents of these kept frames, half-open, take part in; default all.
    """
    starts = detections.starts
    first, stop = (0, len(starts) - 1) if steps is None else steps
    drift = np.zeros_like(detections.position) if flow is None else flow
    parts = [np.empty((0, 2), np.int32)]
    for gap_frames in range(1, max_frame_gap + 1):
        for step in range(first, min(stop, len(starts) - 1 - gap_frames)):
            earlier = slice(int(starts[step]), int(starts[step + 1]))
            later = slice(int(starts[step + gap_frames]), int(starts[step + gap_frames + 1]))
            parents = detections.position[earlier] + gap_frames * drift[earlier]
            near = _near_pairs(parents, detections.position[later], neighbors, direction, max_distance * gap_frames)
            parts.append(near + np.array([earlier.start, later.start], np.int32))
    links = np.concatenate(parts)
    links = links[np.lexsort((links[:, 1], links[:, 0]))]
    graph = CandidateGraph(detections, links, np.empty((0, 3), np.int32), np.empty((0, 2), np.int32))
    if not divisions:
        return graph
    pairs = np.concatenate(
        [
            np.empty((0, 2), np.int32),
            *division_pairs(
                graph, drift, pairs_per_parent=pairs_per_parent, division_max_distance=division_max_distance
            ),
        ]
    )
    return with_divisions(graph, pairs)


def with_divisions(graph: CandidateGraph, division_links: NDArray[np.int32]) -> CandidateGraph:
    """The graph with divisions given as (H, 2) pairs of link indices of one parent, smaller index first."""
    triples = np.empty((len(division_links), 3), np.int32)
    triples[:, 0] = graph.links[division_links[:, 0], 0]
    triples[:, 1:] = graph.links[division_links, 1]
    return CandidateGraph(graph.detections, graph.links, triples, division_links)


def _near_pairs(
    parents: NDArray[np.float64], children: NDArray[np.float64], neighbors: int, direction: Direction, radius: float
) -> NDArray[np.int32]:
    """(K, 2) pairs (parent, child) of near places."""
    if not len(parents) or not len(children):
        return np.empty((0, 2), np.int32)
    found = []
    if direction in ("backward", "both"):
        child, parent = _nearest(children, parents, neighbors, radius)
        found.append(np.column_stack([parent, child]))
    if direction in ("forward", "both"):
        parent, child = _nearest(parents, children, neighbors, radius)
        found.append(np.column_stack([parent, child]))
    pairs = np.concatenate(found).astype(np.int32)
    return np.unique(pairs, axis=0) if direction == "both" else pairs


def _nearest(
    query: NDArray[np.float64], target: NDArray[np.float64], neighbors: int, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (query, target) of the nearest `neighbors` targets of each query within `radius` (inclusive)."""
    tree = cKDTree(target)
    if neighbors == 0:
        near = cKDTree(query).sparse_distance_matrix(tree, radius, output_type="coo_matrix")
        return near.row.astype(np.int64), near.col.astype(np.int64)
    # The tree's own bound is exclusive; widen it by one float and let the comparison below decide.
    distance, index = tree.query(
        query, k=np.arange(1, min(neighbors, len(target)) + 1), distance_upper_bound=np.nextafter(radius, math.inf)
    )
    keep = np.isfinite(distance) & (distance <= radius)
    rows = np.broadcast_to(np.arange(len(query))[:, None], index.shape)
    return rows[keep], index[keep].astype(np.int64)


def division_pairs(
    graph: CandidateGraph,
    flow: NDArray[np.float64] | None = None,
    *,
    pairs_per_parent: int = 0,
    division_max_distance: float = math.inf,
    pairs_per_chunk: int = _PAIRS_PER_CHUNK,
) -> Iterator[NDArray[np.int32]]:
    """Yield (K, 2) pairs of link indices with one parent, smaller index first, gated as in `build_candidates`.

    Chunk by chunk of whole parents with about `pairs_per_chunk` pairs each, in the order of the links.
    """
    links = graph.links
    gated = math.isfinite(division_max_distance)
    step = np.empty((0, 0))
    if gated or pairs_per_parent:  # from where the parent is expected
        drift = np.zeros_like(graph.detections.position) if flow is None else flow
        step = residuals(graph.detections, links, drift)
    allowed = np.arange(len(links), dtype=np.int32)
    if gated:
        allowed = allowed[np.linalg.norm(step, axis=1) <= division_max_distance * graph.link_gap_frames]
    parent = links[allowed, 0]
    group_end = np.searchsorted(parent, parent, side="right")
    partners = group_end - np.arange(len(parent)) - 1
    ends = np.cumsum(partners)
    low = 0
    while low < len(parent):
        # The last parent that begins before the chunk is full goes wholly into it.
        full = int(np.searchsorted(ends, (ends[low - 1] if low else 0) + pairs_per_chunk))
        high = int(group_end[min(full, len(parent) - 1)])
        own = partners[low:high]
        first = np.repeat(np.arange(low, high), own)
        offset = np.arange(len(first)) - np.repeat(np.cumsum(own) - own, own)
        pairs = allowed[np.column_stack([first, first + 1 + offset])]
        yield _nearest_midpoints(graph, step, pairs, pairs_per_parent) if pairs_per_parent else pairs
        low = high


def _nearest_midpoints(
    graph: CandidateGraph, step: NDArray[np.float64], pairs: NDArray[np.int32], keep: int
) -> NDArray[np.int32]:
    """The `keep` pairs of every parent whose children's midpoint is nearest to it, in the order given."""
    parent = graph.links[pairs[:, 0], 0]
    distance = np.linalg.norm(step[pairs].mean(axis=1), axis=1)
    order = np.lexsort((distance, parent))
    ranked_parent = parent[order]
    rank = np.arange(len(order)) - np.searchsorted(ranked_parent, ranked_parent)
    kept: NDArray[np.int32] = pairs[np.sort(order[rank < keep])]
    return kept
