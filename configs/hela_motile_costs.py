"""A cost and a constraint written for motile, which hela_motile.toml adds to those of this package."""

from collections.abc import Iterator, Sequence

import ilpy
import motile
import numpy as np
from motile.constraints import Constraint
from motile.variables import EdgeSelected, NodeSplit

from tracker.motile.costs import ArrayCost


class SidewaysCost(ArrayCost):
    """How far an edge goes along x, in the unit of the positions."""

    kind = EdgeSelected

    def feature(self, graph: motile.TrackGraph, keys: Sequence[tuple[int, int]]) -> np.ndarray:
        """(E,) |x_v - x_u|."""
        x = {node: data["pos"][-1] for node, data in graph.nodes.items()}
        return np.array([abs(x[v] - x[u]) for u, v in keys], np.float64)


class FewDivisions(Constraint):
    """At most so many divisions in all."""

    def __init__(self, most: int) -> None:
        """`most` of them."""
        self.most = most

    def instantiate(self, solver: motile.Solver) -> Iterator[ilpy.Constraint]:
        """One row over all nodes."""
        row = ilpy.Constraint()
        for index in solver.get_variables(NodeSplit).values():
            row.set_coefficient(index, 1)
        row.set_value(self.most)
        yield row
