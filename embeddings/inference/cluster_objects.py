"""From offsets to objects: which pixels are foreground, and which of them point at the same place. Numpy and scipy."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter
from scipy.spatial import cKDTree

Clustering = Literal["mean_shift", "seeds", "greedy"]

_MOST_SHIFTS = 300
_STOP_SHARE = 1e-3  # of the bandwidth
_SEED_SMOOTHING_PX = 2.0
_MEMBER_SHARE, _NEW_SHARE, _CERTAIN = 0.5, 0.5, 0.9


def certain_pixels(spread: NDArray[np.float32]) -> tuple[NDArray[np.bool_], float]:
    """Foreground: pixels whose offset the noise changes less than Otsu's threshold; and that threshold, in pixels."""
    from skimage.filters import threshold_otsu  # slow to import

    if not spread.size or spread.min() == spread.max():
        return np.zeros(spread.shape, np.bool_), float("nan")
    threshold = float(threshold_otsu(spread))  # type: ignore[no-untyped-call]
    return spread < threshold, threshold


def mean_shift(
    points: NDArray[np.float64],
    bandwidth: float,
    *,
    fit_share: float = 0.1,
    rng: np.random.Generator,
    seeds: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """(n,) the cluster of each point, from 0; -1 for those farther than `bandwidth` from every cluster.

    Flat kernel: each seed moves to the mean of the points within `bandwidth` of it until it rests. Of resting places
    closer than the bandwidth the one with the most points stays. Each point belongs to the nearest.
    points: (n, D).   fit_share: of the points, drawn at random, that seeds move among.
    seeds: (k, D); default the middles of the cells of a grid of side `bandwidth` that hold a point.
    """
    if not len(points):
        return np.zeros(0, np.int64)
    count = max(round(fit_share * len(points)), min(len(points), 1))
    shown = points if count == len(points) else points[np.sort(rng.permutation(len(points))[:count])]
    tree = cKDTree(shown)
    if seeds is None:
        seeds = np.unique(np.round(shown / bandwidth), axis=0) * bandwidth
    places, weight = _rest(seeds.astype(np.float64), shown, tree, bandwidth)
    places = _apart(places[weight > 0], weight[weight > 0], bandwidth)
    if not len(places):
        return np.full(len(points), -1, np.int64)
    distance, nearest = cKDTree(places).query(points, distance_upper_bound=bandwidth)
    return np.where(np.isfinite(distance), nearest, -1).astype(np.int64)


def _rest(
    places: NDArray[np.float64], points: NDArray[np.float64], tree: cKDTree, bandwidth: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where seeds (k, D) come to rest, without copies, and how many points are within reach there; 0 = never any."""
    moving, weight = np.arange(len(places)), np.zeros(len(places), np.int64)
    for _ in range(_MOST_SHIFTS):
        pair = cKDTree(places[moving]).sparse_distance_matrix(tree, bandwidth, output_type="coo_matrix")
        near = np.bincount(pair.row, minlength=len(moving))
        total = np.stack([np.bincount(pair.row, axis[pair.col], minlength=len(moving)) for axis in points.T], axis=1)
        weight[moving] = near
        moving, total, near = moving[near > 0], total[near > 0], near[near > 0]
        new = total / near[:, None]
        far = np.linalg.norm(new - places[moving], axis=1) > _STOP_SHARE * bandwidth
        places[moving] = new
        moving = moving[far]
        if not len(moving):
            break
    _, first = np.unique(np.round(places / (_STOP_SHARE * bandwidth)), axis=0, return_index=True)
    first = np.sort(first)
    return places[first], weight[first]


def _apart(places: NDArray[np.float64], weight: NDArray[np.int64], bandwidth: float) -> NDArray[np.float64]:
    """The places of which no heavier one is within the bandwidth; of equal weight the one with larger coordinates."""
    order = np.lexsort((*places.T[::-1], weight))[::-1]
    places = places[order]
    kept = np.ones(len(places), np.bool_)
    tree = cKDTree(places)
    for number, near in enumerate(tree.query_ball_point(places, bandwidth)):
        if kept[number]:
            kept[[other for other in near if other > number]] = False
    return places[kept]


def offset_minima(offset: NDArray[np.float32], foreground: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(k, D) pixels of the foreground where |offset|, smoothed with a sigma of 2 px, is lower than around them.

    offset: (D, ...).   foreground: (...).
    """
    length = gaussian_filter(np.linalg.norm(offset, axis=0), _SEED_SMOOTHING_PX)
    return np.argwhere((length == minimum_filter(length, size=3)) & foreground)


def greedy_clusters(
    points: NDArray[np.float64], certainty: NDArray[np.float64], bandwidth: float, fewest: float
) -> NDArray[np.int64]:
    """(n,) the cluster of each point, from 0; -1 for those of none.

    The most certain point not yet taken, while its certainty is at least 0.9, gathers the points with
    exp(-d^2 / (2 bandwidth^2)) > 0.5; they become a cluster where they are more than `fewest` and more than half of
    them are new, and those that are new join it.
    """
    reach = bandwidth * math.sqrt(-2 * math.log(_MEMBER_SHARE))
    cluster = np.full(len(points), -1, np.int64)
    tried = certainty < _CERTAIN
    tree = cKDTree(points) if len(points) else None
    found = 0
    for row in np.argsort(-certainty, kind="stable").tolist():
        if tried[row] or tree is None:
            continue
        members = np.asarray(tree.query_ball_point(points[row], reach), np.int64)
        new = members[cluster[members] < 0]
        tried[row] = True
        if len(members) > fewest and len(new) > _NEW_SHARE * len(members):
            cluster[new] = found
            tried[new] = True
            found += 1
    return cluster
