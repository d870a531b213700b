"""What the candidates that were never held would cost at least: for margins, a second look at all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.candidate_stream import kept_links
from tracker.candidate_windows import CandidateSource, Window, each_window
from tracker.ilp.problem import Solution, TrackingProblem


@dataclass(frozen=True)
class DroppedWays:
    """The least that switching on a candidate costs which was left out; infinite where there is none.

    into, out: (N,) over the links and divisions into and out of each detection.   link_out: (N,) over links alone.
    division: (E,) over the divisions that hold each link of the problem.
    """

    into: NDArray[np.float64]
    out: NDArray[np.float64]
    link_out: NDArray[np.float64]
    division: NDArray[np.float64]


def dropped_ways(
    source: CandidateSource,
    problem: TrackingProblem,
    solution: Solution,
    done: Callable[[float], None] = lambda share: None,
) -> DroppedWays:
    """Price everything once more, and take from each cost what the duals pay (tracker/margins.py).

    A dropped candidate is dominated, so switching it on costs its reduced cost less the slack around its rows, or twice
    that where it is negative: a division of the split model may need two such links.
    """
    count = problem.n_detections
    paid = solution.duals[: 2 * count] + solution.slack[: 2 * count]
    into, out, link_out = (np.full(count, np.inf) for _ in range(3))
    division = np.full(len(problem.links), np.inf)
    offset = 0

    def look(window: Window) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        links = window.graph.links
        by_child, by_parent = paid[:count][links[:, 1]], paid[count:][links[:, 0]]
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
        return links, np.where(kept, np.inf, np.minimum(worth, 2 * worth)), held, kept

    for links, switch, held, kept in each_window(source, look, done=done):
        parent, child = links.T
        np.minimum.at(link_out, parent, switch)
        best = np.minimum(switch, held)
        np.minimum.at(out, parent, best)
        np.minimum.at(into, child, best)
        n_kept = int(kept.sum())
        division[offset : offset + n_kept] = held[kept]
        offset += n_kept
    return DroppedWays(into, out, link_out, division)
