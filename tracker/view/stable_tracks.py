"""Numbers of tracks that stay when the lineage changes elsewhere, so that colours stay."""

import numpy as np
from numpy.typing import NDArray

from tracker.lineage import Lineage


def follow_tracks(
    before: NDArray[np.int64], lineage: Lineage, used: int = 0, remembered: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """(N,) number of each detection's track in `lineage`, 0 where it is not selected.

    before: (N,) the numbers so far.   used: the largest number that any track ever had, where that is more.
    remembered: (N,) the number that the track beginning at each detection had last, 0 for none; kept up to date here.
    A track takes over the number of the earlier track with which it shares most detections; where several share as
    many, the one that begins earlier. A number goes to one track; a track that gets none
    has that which it had when it was there last, if that is free, or else a new one.
    """
    raw = lineage.track_id
    both = np.flatnonzero((raw > 0) & (before > 0))
    pairs, first, shared = np.unique(
        np.column_stack([raw[both], before[both]]), axis=0, return_index=True, return_counts=True
    )
    given = np.zeros(int(raw.max(initial=0)) + 1, np.int64)
    # Most tracks are as they were: both have one partner, and these are settled at once.
    alone = (np.bincount(pairs[:, 0])[pairs[:, 0]] == 1) & (np.bincount(pairs[:, 1])[pairs[:, 1]] == 1)
    given[pairs[alone, 0]] = pairs[alone, 1]
    rest = np.flatnonzero(~alone)
    rest = rest[np.lexsort((first[rest], -shared[rest]))]
    taken: set[int] = set()
    for track, number in pairs[rest].tolist():
        if not given[track] and number not in taken:
            given[track] = number
            taken.add(number)
    head = np.flatnonzero((raw > 0) & ((lineage.parent < 0) | (raw[lineage.parent] != raw)))
    if remembered is not None:
        for row in head[given[raw[head]] == 0].tolist():  # those that are new, few
            if remembered[row] and remembered[row] not in given:
                given[raw[row]] = remembered[row]
    new = np.flatnonzero(given[1:] == 0) + 1
    given[new] = max(used, int(before.max(initial=0))) + 1 + np.arange(len(new))
    given[0] = 0
    if remembered is not None:
        remembered[head] = given[raw[head]]
    return given[raw]


def parents_of_tracks(track: NDArray[np.int64], lineage: Lineage) -> NDArray[np.int64]:
    """(T,) of the tracks 1 .. T the track that divided into it; 0 for none, and for numbers that no track has."""
    parent = np.zeros(int(track.max(initial=0)), np.int64)
    mothers, children = lineage.divisions[:, 0], lineage.divisions[:, 1:]
    parent[track[children] - 1] = track[mothers][:, None]
    return parent
