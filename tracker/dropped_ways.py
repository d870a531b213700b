"""What the candidates that were never held would cost at least: for margins, a second look at all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.candidate_stream import kept_links
from tracker.candidate_windows import CandidateSource, Window, each_window


@dataclass(frozen=True)
class DroppedWays:
    """The least that switching on a candidate costs which was left out; infinite where there is none.

    into, out: (N,) over the links and divisions into and out of each detection.   link_out: (N,) over links alone.
    division: (N,) over the divisions that hold the link by which each detection was reached.
    """

    into: NDArray[np.float64]
    out: NDArray[np.float64]
    link_out: NDArray[np.float64]
    division: NDArray[np.float64]

    def of(self, rows: NDArray[np.int64]) -> "DroppedWays":
        """Those of some detections alone."""
        return DroppedWays(self.into[rows], self.out[rows], self.link_out[rows], self.division[rows])


def dropped_ways(
    source: CandidateSource,
    paid: NDArray[np.float64],
    parent: NDArray[np.int64],
    done: Callable[[float], None] = lambda share: None,
) -> DroppedWays:
    """Price everything once more, and take from each cost what the duals pay (tracker/margins.py).

    paid: (2, N) duals plus slack of the rows in(v) and out(v).   parent: (N,) row that the chosen link into each
    detection comes from, -1 where there is none.   done: told the share that is behind.
    A dropped candidate is dominated, so switching it on costs its reduced cost less the slack around its rows, or twice
    that where it is negative: a division of the split model may need two such links.
    """
    into, out, link_out, division = (np.full(len(parent), np.inf) for _ in range(4))

    def look(window: Window) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        links = window.graph.links
        by_child, by_parent = paid[0][links[:, 1]], paid[1][links[:, 0]]
        held = np.full(len(links), np.inf)  # the least over the dropped divisions that hold each link
        chosen = [np.empty((0, 2), np.int32)]
        for part in window.division_parts():
            pairs = part.prices.context.graph.division_links
            chosen.append(pairs[part.kept])
            pairs = pairs[~part.kept]
            worth = part.cost[~part.kept] - by_parent[pairs[:, 0]] - by_child[pairs[:, 0]] - by_child[pairs[:, 1]]
            worth = np.minimum(worth, 2 * worth)
            np.minimum.at(held, pairs[:, 0], worth)
            np.minimum.at(held, pairs[:, 1], worth)
        kept = kept_links(window, np.concatenate(chosen))
        worth = window.link_cost - by_parent - by_child
        return links, np.where(kept, np.inf, np.minimum(worth, 2 * worth)), held

    for links, switch, held in each_window(source, look, done=done):
        mother, child = links.T
        np.minimum.at(link_out, mother, switch)
        best = np.minimum(switch, held)
        np.minimum.at(out, mother, best)
        np.minimum.at(into, child, best)
        used = parent[child] == mother
        division[child[used]] = held[used]
    return DroppedWays(into, out, link_out, division)
