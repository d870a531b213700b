"""How the neighbourhood of each detection moves, measured on the detections alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracker.detections import Detections


def local_motion(detections: Detections, *, neighbors: int = 8, rounds: int = 2) -> NDArray[np.float64]:
    """Displacement of the neighbourhood of each detection per step (kept frame), (N, D) in data.unit.

    flow_u = median over the `neighbors` nearest confident links (a, b) of (p_b - p_a) / gap_ab, axis by axis, its own
    link included; nearest by the distance from p_u to p_a. Links join successive frames that are not empty, and are
    confident when each end is the other's nearest after the earlier one was moved by the flow of the round before
    (first round: none). Fewer links than `neighbors`: all of them.
    The flow is 0 in the last frame, which nothing leaves, and where equal distances leave no link confident.
    Independent of the candidates, so that proposing more of them changes no flow. A flow beyond half the spacing of
    the cells cannot be told from a smaller one.
    """
    position, starts = detections.position, detections.starts
    flow = np.zeros_like(position)
    occupied = np.flatnonzero(np.diff(starts))
    for earlier, later in zip(occupied[:-1].tolist(), occupied[1:].tolist(), strict=True):
        own = slice(int(starts[earlier]), int(starts[earlier + 1]))
        children = position[int(starts[later]) : int(starts[later + 1])]
        flow[own] = _flow_between(position[own], children, neighbors, rounds) / (later - earlier)
    return flow


def _flow_between(
    parents: NDArray[np.float64], children: NDArray[np.float64], neighbors: int, rounds: int
) -> NDArray[np.float64]:
    """(n, D) displacement around each parent from its frame to that of the children."""
    flow = np.zeros_like(parents)
    tree = cKDTree(children)
    for _ in range(rounds):
        parent, child = mutual_nearest_pairs(parents + flow, tree)
        if not len(parent):
            return flow
        moved = children[child] - parents[parent]
        count = np.arange(1, min(neighbors, len(parent)) + 1)
        _, near = cKDTree(parents[parent]).query(parents, k=count)
        flow = np.median(moved[near], axis=1)
    return flow


def mutual_nearest_pairs(
    parents: NDArray[np.float64], children: cKDTree
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (parent, child) of the places that are each other's nearest; children as a tree."""
    _, child = children.query(parents)
    _, parent = cKDTree(parents).query(children.data)
    mutual = np.flatnonzero(parent[child] == np.arange(len(parents)))
    return mutual, child[mutual]


def residuals(detections: Detections, links: NDArray[np.integer], flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """(E, D) steps of links less the local motion, which goes on at the same pace over frame gaps."""
    parent, child = links.T
    gap = (detections.step[child] - detections.step[parent])[:, None]
    return np.asarray(detections.position[child] - detections.position[parent] - gap * flow[parent])
