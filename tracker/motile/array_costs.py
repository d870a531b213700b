"""motile's own costs, applied to all variables at once."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from motile.costs import (
    Cost,
    EdgeDistanceCost,
    EdgeMergeCost,
    EdgeSelectedCost,
    EdgeSplitCost,
    NodeAppearCost,
    NodeDisappearCost,
    NodeMergeCost,
    NodeSelectedCost,
    NodeSplitCost,
    SymmetricMergeCost,
    SymmetricSplitCost,
)
from motile.variables import (
    EdgeContinuation,
    EdgeMerge,
    EdgeMergePair,
    EdgeSelected,
    EdgeSplit,
    EdgeSplitPair,
    NodeAppear,
    NodeDisappear,
    NodeMerge,
    NodeSelected,
    NodeSplit,
)
from numpy.typing import NDArray

from tracker.motile.vocabulary import ON_NODES, Kind, index_map

if TYPE_CHECKING:
    from tracker.motile.solver import Solver

_Floats = NDArray[np.float64]

_BY_ATTRIBUTE: dict[type[Cost], Kind] = {
    NodeSelectedCost: NodeSelected,
    EdgeSelectedCost: EdgeSelected,
    NodeSplitCost: NodeSplit,
    NodeMergeCost: NodeMerge,
    EdgeSplitCost: EdgeSplit,
    EdgeMergeCost: EdgeMerge,
}


def apply_as_arrays(solver: "Solver", cost: Cost) -> bool:
    """Apply one of motile's own costs; False when it is anybody else's, or a subclass, which applies itself."""
    kind = type(cost)
    if kind in _BY_ATTRIBUTE:
        _by_attribute(solver, cost, _BY_ATTRIBUTE[kind], None)
    elif kind is NodeAppearCost:
        _by_attribute(solver, cost, NodeAppear, lambda frame, first, last: frame == first)
    elif kind is NodeDisappearCost:
        _by_attribute(solver, cost, NodeDisappear, lambda frame, first, last: frame == last - 1)
    elif kind in (EdgeDistanceCost, SymmetricSplitCost, SymmetricMergeCost):
        _APPLY_GEOMETRY[kind](solver, cost)
    else:
        return False
    return True


def _by_attribute(solver: "Solver", cost: Any, kind: Kind, exempt: Callable[[Any, int, int], bool] | None) -> None:
    """Add weight * attribute + constant for every node or edge that is not exempt."""
    variables, graph = solver.get_variables(kind), solver.graph
    items = graph.nodes if kind in ON_NODES else graph.edges
    chosen = list(variables)
    if exempt is not None:
        first, last = graph.get_frames()
        ignored, frame = cost.ignore_attribute, graph.frame_attribute
        chosen = [
            key
            for key in chosen
            if not (ignored is not None and graph.nodes[key].get(ignored, False))
            and not exempt(graph.nodes[key][frame], first, last)
        ]
    index = index_map(variables)
    indices = np.fromiter((index[key] for key in chosen), np.int64, len(chosen))
    if cost.attribute is not None:
        values = _as_floats([items[key][cost.attribute] for key in chosen])
        solver.features.add_column(indices, solver.weights.index_of(cost.weight), values)
    solver.features.add_column(indices, solver.weights.index_of(cost.constant), 1.0)


def _distance(solver: "Solver", cost: EdgeDistanceCost) -> None:
    edges = solver.get_variables(EdgeContinuation)
    where = _Positions(solver, cost.position_attribute)
    ends = where.of(u for u, _ in edges), where.of(v for _, v in edges)
    _add(solver, EdgeContinuation, cost, np.linalg.norm(ends[0] - ends[1], axis=1))


def _split_symmetry(solver: "Solver", cost: SymmetricSplitCost) -> None:
    pairs = solver.get_variables(EdgeSplitPair)
    where = _Positions(solver, cost.position_attribute)
    centre = where.of(e[0] for e, _ in pairs)
    middle = (where.of(e[1] for e, _ in pairs) + where.of(f[1] for _, f in pairs)) / 2
    _add(solver, EdgeSplitPair, cost, np.linalg.norm(centre - middle, axis=1))


def _merge_symmetry(solver: "Solver", cost: SymmetricMergeCost) -> None:
    pairs = solver.get_variables(EdgeMergePair)
    where = _Positions(solver, cost.position_attribute)
    centre = where.of(e[1] for e, _ in pairs)
    middle = (where.of(e[0] for e, _ in pairs) + where.of(f[0] for _, f in pairs)) / 2
    _add(solver, EdgeMergePair, cost, np.linalg.norm(centre - middle, axis=1))


_APPLY_GEOMETRY: dict[type[Cost], Callable[["Solver", Any], None]] = {
    EdgeDistanceCost: _distance,
    SymmetricSplitCost: _split_symmetry,
    SymmetricMergeCost: _merge_symmetry,
}


def _add(solver: "Solver", kind: Kind, cost: Any, values: _Floats) -> None:
    solver.features.add_column(solver.indices(kind), solver.weights.index_of(cost.weight), values)
    solver.features.add_column(solver.indices(kind), solver.weights.index_of(cost.constant), 1.0)


class _Positions:
    """Positions of nodes, each read once."""

    def __init__(self, solver: "Solver", attribute: str | tuple[str, ...]) -> None:
        nodes = solver.graph.nodes
        if isinstance(attribute, tuple):
            read = [[data[name] for name in attribute] for data in nodes.values()]
        else:
            read = [data[attribute] for data in nodes.values()]
        self._table = _as_floats(read).reshape(len(nodes), -1) if nodes else np.zeros((0, 1))
        self._row = {node: row for row, node in enumerate(nodes)}

    def of(self, nodes: Iterable[Any]) -> _Floats:
        """(K, dimensions) of the nodes named."""
        row = self._row
        return self._table[np.fromiter((row[node] for node in nodes), np.int64)]


def _as_floats(values: list[Any]) -> _Floats:
    """None, which numpy takes for NaN, is refused with NaN where the costs are used."""
    return np.array(values, np.float64)
