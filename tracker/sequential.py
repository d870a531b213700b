"""The sequential tracker of ASCENT (Han and Lu, ICCV 2025): frame by frame, by what detections look like alone.

It is the peer of the integer program, not a part of it: each frame is decided on its own and never reconsidered, there
are no divisions, no places and no motion, and a track that was lost is never forgotten. Nothing is proven.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import ConfigError, InputError

_EQUAL = 1e-12  # P lies in [0, 1]; a smaller spread is that of rounding


@dataclass(frozen=True)
class SequentialSettings:
    """The defaults are those of ASCENT. Raises ConfigError.

    momentum: part of a track's vector that stays when a detection is added.   temperature: of the similarities.
    within_weight: w, between the mean of the costs that are best (1: half of the best are refused) and that of all the
        others (0: whatever is better than these is accepted).
    max_gap_frames: longest link, in kept frames; 1 links neighbouring frames only.
    """

    momentum: float = 0.5
    temperature: float = 0.05
    within_weight: float = 0.0
    max_gap_frames: int = 9999

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "momentum must lie in [0, 1)": 0 <= self.momentum < 1,
            "temperature must be positive": 0 < self.temperature < np.inf,
            "within_weight must lie in [0, 1]": 0 <= self.within_weight <= 1,
            "max_gap_frames must be at least 1": self.max_gap_frames >= 1,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ConfigError(f"sequential tracker: {broken}; found {getattr(self, broken.split()[0])}")


def sequential_links(
    detections: Detections, vectors: NDArray[np.floating], settings: SequentialSettings | None = None
) -> NDArray[np.int64]:
    """Links (L, 2), rows (parent, child), sorted by child; a link may skip frames, no detection has two children.

    With z_j the vectors of a frame and v_i those of the tracks so far, all z of length 1:

        v_i <- z_i at the first detection of a track, then  momentum v_i + (1 - momentum) z_i
        s_ij = cos(v_i, z_j) / temperature,   P = (softmax over j + softmax over i) / 2
        C    = (-P - mean) / std over all pairs; the matching of least sum of C is found
        a match is accepted if C_ij < w mean_within + (1 - w) mean_inter

    mean_within: over the least cost of each track; mean_inter: over all other costs. A detection without an accepted
    match begins a track. Where each track has a single detection to choose from there are no other costs, and the
    match is accepted.

    vectors: (N, C), of any length but 0.   Memory grows with tracks times the detections of a frame.
    Raises InputError for vectors that are not (N, C), not finite or 0.
    """
    settings = settings or SequentialSettings()
    unit = _unit(detections, vectors)
    track, last, seen = unit[:0], np.empty(0, np.int64), np.empty(0, np.int64)  # vector, last row and step of each
    links = [np.empty((0, 2), np.int64)]
    for step in np.flatnonzero(np.diff(detections.starts)).tolist():
        rows = np.arange(detections.starts[step], detections.starts[step + 1])
        alive = step - seen <= settings.max_gap_frames
        track, last, seen = track[alive], last[alive], seen[alive]
        old, new = _accepted(matching_costs(track, unit[rows], settings.temperature), settings.within_weight)
        links.append(np.column_stack([last[old], rows[new]]))
        track[old] = settings.momentum * track[old] + (1 - settings.momentum) * unit[rows[new]]
        last[old], seen[old] = rows[new], step
        fresh = np.delete(rows, new)
        track, last = np.concatenate([track, unit[fresh]]), np.concatenate([last, fresh])
        seen = np.concatenate([seen, np.full(len(fresh), step, np.int64)])
    found = np.concatenate(links)
    return found[np.argsort(found[:, 1])]


def matching_costs(
    tracks: NDArray[np.float64], vectors: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """(K, n) standardised costs C of `sequential_links` of K tracks and n detections; 0 where all P are equal.

    tracks: (K, C), of any length.   vectors: (n, C), of length 1.
    """
    if not len(tracks) or not len(vectors):
        return np.empty((len(tracks), len(vectors)))
    length = np.linalg.norm(tracks, axis=1, keepdims=True)
    # A track between opposite vectors may have no direction left: it is like nobody then.
    similarity = tracks / np.where(length > 0, length, 1.0) @ vectors.T / temperature
    cost = -(_softmax(similarity, axis=1) + _softmax(similarity, axis=0)) / 2
    cost -= cost.mean()
    spread = cost.std()
    return cost / spread if spread > _EQUAL else np.zeros_like(cost)


def _accepted(cost: NDArray[np.float64], within_weight: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tracks and detections that are matched."""
    from scipy.optimize import linear_sum_assignment  # here: no other part of a run needs this large package

    old, new = linear_sum_assignment(cost)
    if not len(old):
        return old, new
    best = np.zeros(cost.shape, np.bool_)
    best[np.arange(len(cost)), cost.argmin(axis=1)] = True
    if best.all():
        return old, new
    threshold = within_weight * cost[best].mean() + (1 - within_weight) * cost[~best].mean()
    accepted = cost[old, new] < threshold
    return old[accepted], new[accepted]


def _softmax(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _unit(detections: Detections, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """The vectors at length 1."""
    if vectors.ndim != 2 or len(vectors) != len(detections):
        raise InputError(
            f"the sequential tracker needs a vector per detection, ({len(detections)}, C), found {vectors.shape}"
        )
    unit = vectors.astype(np.float64)
    length = np.linalg.norm(unit, axis=1)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if len(bad):
        raise InputError(
            "the sequential tracker compares directions, and vectors must be finite and not 0; these are not: "
            f"{detections.names(bad)} (frame:label). Embed this movie again"
        )
    return unit / length[:, None]
