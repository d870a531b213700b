"""Our features as motile costs: for `tracker.motile.Solver`, where they are filled as arrays, and for motile's own.

    LinkCost           any number per link, paid by links that are no part of a division
    DivisionCost       any number per division, paid instead of the costs of its two links
    FrameGapCost       frames that an edge skips, 0 between neighbouring ones
    FlowDistanceCost   how far a child is from where the motion around its parent would take it

A cost on EdgeSelected is paid by both edges of a division as well; one on EdgeContinuation is not. So a `LinkCost` with
a `DivisionCost` is the hyperedge of earlier motile versions: the division replaces the two links.
"""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import motile
import numpy as np
from motile.costs import Cost, Weight
from motile.variables import EdgeContinuation, EdgeSelected, EdgeSplitPair
from numpy.typing import NDArray

from tracker.errors import InputError, first_five
from tracker.motile.features import ArrayFeatures
from tracker.motile.vocabulary import Kind, index_map

_Floats = NDArray[np.float64]


class ArrayCost(Cost):
    """weight * feature + constant on every variable of one kind, the feature given for all of them at once.

    Inherit from it for a fast cost of your own: name the `kind`, and write `feature`.
    """

    kind: Kind

    def __init__(self, weight: float = 1.0, constant: float = 0.0) -> None:
        """`constant` is a weight, too: both are learnt by `fit_weights`."""
        self.weight, self.constant = Weight(weight), Weight(constant)

    @abstractmethod
    def feature(self, graph: motile.TrackGraph, keys: Sequence[Any]) -> _Floats:
        """(K,) the feature of the nodes, edges or pairs of edges named by `keys`, in their order."""

    def apply(self, solver: motile.Solver) -> None:
        """Give every variable its cost."""
        variables = solver.get_variables(self.kind)
        values = np.asarray(self.feature(solver.graph, list(variables)), np.float64)
        indices = np.fromiter(index_map(variables).values(), np.int64, len(variables))
        for weight, column in ((self.weight, values), (self.constant, np.ones(len(indices)))):
            if isinstance(solver.features, ArrayFeatures):
                solver.features.add_column(indices, solver.weights.index_of(weight), column)
            else:
                for index, value in zip(indices.tolist(), column.tolist(), strict=True):
                    solver.add_variable_cost(index, value, weight)


class KindCost(ArrayCost):
    """A number for each variable of any kind: the arrays of a program as a cost."""

    def __init__(self, kind: Kind, values: Mapping[Any, float], weight: float = 1.0) -> None:
        """`values` by key of the variables of `kind`; absent ones are 0."""
        super().__init__(weight)
        self.kind, self.values = kind, dict(values)

    def feature(self, graph: motile.TrackGraph, keys: Sequence[Any]) -> _Floats:
        """(K,) as given."""
        return np.array([self.values.get(key, 0.0) for key in keys], np.float64)


class LinkCost(ArrayCost):
    """Cost of links that are no part of a division (EdgeContinuation)."""

    kind = EdgeContinuation

    def __init__(
        self, feature: str | Mapping[tuple[Any, Any], float], weight: float = 1.0, constant: float = 0.0
    ) -> None:
        """`feature`: the name of an edge attribute, or a number for each edge (u, v)."""
        super().__init__(weight, constant)
        self.given = feature

    def feature(self, graph: motile.TrackGraph, keys: Sequence[Any]) -> _Floats:
        """(E,) the attribute, or the number given."""
        if isinstance(self.given, str):
            return np.array([graph.edges[edge][self.given] for edge in keys], np.float64)
        _refuse_missing([edge for edge in keys if edge not in self.given], "LinkCost", "edges")
        return np.array([self.given[edge] for edge in keys], np.float64)


class DivisionCost(ArrayCost):
    """Cost of divisions (EdgeSplitPair); with LinkCost for links it is paid instead of that of the two links."""

    kind = EdgeSplitPair

    def __init__(
        self,
        feature: Mapping[tuple[Any, frozenset[Any]], float] | Callable[[Any, Any, Any], float],
        weight: float = 1.0,
        constant: float = 0.0,
    ) -> None:
        """`feature`: a number for each (parent, frozenset of both children), or a function of parent, child, child."""
        super().__init__(weight, constant)
        self.given = feature

    def feature(self, graph: motile.TrackGraph, keys: Sequence[Any]) -> _Floats:
        """(P,) of each pair of edges."""
        if callable(self.given):
            return np.array([self.given(one[0], one[1], other[1]) for one, other in keys], np.float64)
        names = [(one[0], frozenset((one[1], other[1]))) for one, other in keys]
        _refuse_missing([name for name in names if name not in self.given], "DivisionCost", "divisions")
        return np.array([self.given[name] for name in names], np.float64)


class FrameGapCost(ArrayCost):
    """Cost of the frames that an edge skips, of divisions as of links:  f = t_v - t_u - 1."""

    kind = EdgeSelected

    def feature(self, graph: motile.TrackGraph, keys: Sequence[Any]) -> _Floats:
        """(E,) 0 between neighbouring frames."""
        frame = {node: data[graph.frame_attribute] for node, data in graph.nodes.items()}
        return np.array([frame[v] - frame[u] - 1 for u, v in keys], np.float64)


class FlowDistanceCost(ArrayCost):
    """Cost of the way that is left when the motion around the parent is allowed for.

    f = ||p_v - p_u - (t_v - t_u) * flow_u||_2, in the unit of the positions. Paid by links that are no part of a
    division; with `divisions = True` by both edges of a division, too.
    """

    def __init__(
        self,
        position_attribute: str | tuple[str, ...],
        flow: Mapping[Hashable, Sequence[float]] | str,
        weight: float = 1.0,
        constant: float = 0.0,
        *,
        divisions: bool = False,
    ) -> None:
        """`flow`: displacement per frame of each node, or the name of the node attribute that holds it."""
        super().__init__(weight, constant)
        self.position_attribute, self.flow = position_attribute, flow
        self.kind = EdgeSelected if divisions else EdgeContinuation

    def feature(self, graph: motile.TrackGraph, keys: Sequence[Any]) -> _Floats:
        """(E,) float >= 0; larger is worse."""
        flow = self.flow
        where, moves, frame = {}, {}, {}
        for node, data in graph.nodes.items():
            named = self.position_attribute
            where[node] = [data[name] for name in named] if isinstance(named, tuple) else np.atleast_1d(data[named])
            moves[node] = np.atleast_1d(data[flow] if isinstance(flow, str) else flow[node])
            frame[node] = data[graph.frame_attribute]
        if not keys:
            return np.empty(0)
        here, there, move = (
            np.array([table[edge[end]] for edge in keys], np.float64)
            for table, end in ((where, 0), (where, 1), (moves, 0))
        )
        gap = np.array([frame[v] - frame[u] for u, v in keys], np.float64)
        return np.asarray(np.linalg.norm(there - here - gap[:, None] * move, axis=1))


def _refuse_missing(missing: list[Any], cost: str, what: str) -> None:
    if missing:
        raise InputError(
            f"{cost} needs a number for each of the {what} of the graph; none is given for {first_five(missing)}. "
            "Give them, or leave these out of the graph"
        )
