"""How many candidates a movie has, and how many of them a run would hold, without holding any."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.candidate_stream import stream_candidates
from tracker.candidate_windows import CandidateSource, Window, each_window

_PRICED_WINDOWS = 6  # spread over the movie: how many candidates are held is told by these


@dataclass(frozen=True)
class Survey:
    """n_links, n_divisions: proposed.   held_links, held_divisions: that a run would hold, extrapolated from a part.

    alone: rows of detections without any link.
    """

    n_links: int
    n_divisions: int
    held_links: int
    held_divisions: int
    alone: NDArray[np.int64]


def survey(source: CandidateSource) -> Survey:
    """Propose everything, window by window, and price a few windows."""
    found = source.context.graph.detections
    linked = np.zeros(len(found), bool)

    def count(window: Window) -> tuple[NDArray[np.int32], int]:
        return window.graph.links, sum(len(pairs) for pairs in window.pairs()) if source.pairs else 0

    n_links = n_divisions = 0
    for links, pairs in each_window(source, count):
        n_links, n_divisions = n_links + len(links), n_divisions + pairs
        linked[links.ravel()] = True
    windows = source.windows()
    chosen: NDArray[np.int64] = np.unique(np.linspace(0, len(windows) - 1, _PRICED_WINDOWS).round().astype(int))
    held = np.zeros(2)
    proposed = 0
    for number in chosen:
        for chunk in stream_candidates(source, steps=windows[number]):
            held += len(chunk.links), len(chunk.divisions)
            proposed += chunk.n_links_proposed
    links, divisions = (held * n_links / max(1, proposed)).round().astype(int).tolist()
    return Survey(n_links, n_divisions, links, divisions, np.flatnonzero(~linked))
