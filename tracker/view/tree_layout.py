"""Where the branches of one lineage stand in a tree: time runs down, a division is a fork."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.lineage import Lineage


@dataclass(frozen=True)
class Branch:
    """One track. place: from 0 for the leftmost branch.   rows: its detections in time.   mother: its number, or 0."""

    track: int
    place: float
    rows: NDArray[np.int64]
    mother: int


def lineage_tree(lineage: Lineage, track: NDArray[np.int64], row: int) -> list[Branch]:
    """The branches of the lineage that holds detection `row`, mothers before daughters; empty where it is no cell."""
    if row < 0 or not track[row]:
        return []
    mother_of: dict[int, int] = {}
    daughters: dict[int, list[int]] = {}
    for mother, *children in track[lineage.divisions].tolist():
        daughters[mother] = sorted(children)
        mother_of |= dict.fromkeys(children, mother)
    root = int(track[row])
    while root in mother_of:
        root = mother_of[root]
    order: list[int] = []
    place: dict[int, float] = {}
    leaves = 0
    stack = [(root, False)]
    while stack:
        number, done = stack.pop()
        children = daughters.get(number, [])
        if done:
            place[number] = (place[children[0]] + place[children[1]]) / 2
        elif children:
            order.append(number)
            stack += [(number, True), (children[1], False), (children[0], False)]
        else:
            order.append(number)
            place[number] = float(leaves)
            leaves += 1
    inside = np.flatnonzero(np.isin(track, order))  # rows ascend in time
    own = {number: inside[track[inside] == number] for number in order}
    return [Branch(number, place[number], own[number], mother_of.get(number, 0)) for number in order]
