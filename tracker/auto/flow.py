"""Local motion: where the neighbourhood of a cell goes, and how far steps deviate from that."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import chi2

from tracker.detections import Detections
from tracker.local_motion import mutual_nearest_pairs

NEIGHBORS = 20  # links that a neighbourhood's motion is fitted to
_ROUNDS = 3
_RIDGE = 0.5  # of the gradient: few neighbours give little more than their mean
_OWN_WEIGHT = 0.5  # of the detection's own link, which must not vouch for itself


def mutual_nearest(detections: Detections, flow: NDArray[np.float64]) -> NDArray[np.int64]:
    """(K, 2) rows of detections in successive frames that are each other's nearest, the earlier moved by `flow`."""
    position, starts = detections.position, detections.starts
    found = [np.empty((0, 2), np.int64)]
    for (first, middle), (_, last) in pairwise(pairwise(starts.tolist())):
        if first == middle or middle == last:
            continue
        moved, later = position[first:middle] + flow[first:middle], position[middle:last]
        parent, child = mutual_nearest_pairs(moved, cKDTree(later))
        found.append(np.column_stack([parent + first, child + middle]))
    return np.concatenate(found)


def step_scale(residual: NDArray[np.float64]) -> float:
    """Scale per axis of (K, D) steps, from their median length: Rayleigh in 2-D, Maxwell in 3-D."""
    length = np.linalg.norm(residual, axis=1)
    return float(np.median(length) / np.sqrt(chi2.ppf(0.5, residual.shape[1])))


def local_flow(detections: Detections, links: NDArray[np.integer]) -> NDArray[np.float64]:
    """(N, D) displacement of every detection's neighbourhood until the next frame, in the unit of the positions.

    Around each detection an affine motion is fitted to the steps of the nearest links of its frame, weighted by
    distance (Gaussian) and by how well they agree (Cauchy): growth and rotation are followed, wrong links are not.
    links: (K, 2) over one frame each; frames without links do not move.
    """
    position, starts = detections.position, detections.starts
    flow = np.zeros_like(position)
    step = position[links[:, 1]] - position[links[:, 0]]
    order = np.argsort(links[:, 0], kind="stable")
    parent = links[order, 0]
    bounds = np.searchsorted(parent, starts)
    for frame, (first, last) in enumerate(pairwise(starts.tolist())):
        own = order[bounds[frame] : bounds[frame + 1]]
        if len(own) and last > first:
            flow[first:last] = fit_motion(position[first:last], position[links[own, 0]], step[own])
    return flow


def fit_motion(
    query: NDArray[np.float64], place: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(Q, D) motion at the query points of steps (K, D) that begin at the places (K, D)."""
    axes = query.shape[1]
    count = min(NEIGHBORS + 1, len(place))
    distance, near = cKDTree(place).query(query, k=np.arange(1, count + 1))
    near_step = step[near]
    motion = np.median(near_step, axis=1)
    if count <= axes + 2:
        return motion
    reach = np.maximum(distance[:, -1:], 1e-9 * (1.0 + np.abs(query).max()))
    offset = (place[near] - query[:, None]) / reach[:, :, None]
    design = np.concatenate([np.ones((*offset.shape[:2], 1)), offset], axis=2)
    nearness = np.exp(-((distance / reach) ** 2))
    nearness[distance <= 1e-9 * reach] *= _OWN_WEIGHT
    deviation = np.linalg.norm(near_step - motion[:, None], axis=2)
    penalty = np.diag([1e-9, *[_RIDGE] * axes])
    for _ in range(_ROUNDS):
        typical = np.median(deviation, axis=1, keepdims=True)
        typical = np.maximum(typical, 1e-9 * reach)
        weight = nearness / (1.0 + (deviation / (1.5 * typical)) ** 2)
        weighted = design * weight[:, :, None]
        normal = weighted.transpose(0, 2, 1) @ design + penalty
        fitted = np.linalg.solve(normal, weighted.transpose(0, 2, 1) @ near_step)
        deviation = np.linalg.norm(near_step - design @ fitted, axis=2)
    return np.asarray(fitted[:, 0])
