"""What motile's variables mean: their values follow from which nodes and edges are selected."""

from collections.abc import Callable

import numpy as np
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

from tracker.motile.model import Model
from tracker.motile.vocabulary import Kind

_Flags = NDArray[np.bool_]


def values_of(model: Model, nodes: _Flags, edges: _Flags) -> NDArray[np.float64]:
    """(variables,) values of all variables of motile's own, as its documentation defines them; 0 for others.

    nodes: (N,) selected.   edges: (E,) selected, between selected nodes.
    A track begins at a selected node without selected edge in, and ends at one without selected edge out. A node with
    two or more edges out splits, and these edges are split edges; merges are the mirror image. An edge that is
    neither continues a track. A pair is 1 when both its edges are selected.
    """
    parent, child = model.edges.T
    n_in = np.bincount(child[edges], minlength=model.n_nodes)
    n_out = np.bincount(parent[edges], minlength=model.n_nodes)
    split, merge = n_out > 1, n_in > 1
    meaning: dict[Kind, Callable[[], _Flags]] = {
        NodeSelected: lambda: nodes,
        NodeAppear: lambda: nodes & (n_in == 0),
        NodeDisappear: lambda: nodes & (n_out == 0),
        NodeSplit: lambda: split,
        NodeMerge: lambda: merge,
        EdgeSelected: lambda: edges,
        EdgeContinuation: lambda: edges & ~split[parent] & ~merge[child],
        EdgeSplit: lambda: edges & split[parent],
        EdgeMerge: lambda: edges & merge[child],
        EdgeSplitPair: lambda: np.asarray(edges[model.pairs[EdgeSplitPair]].all(axis=1)),
        EdgeMergePair: lambda: np.asarray(edges[model.pairs[EdgeMergePair]].all(axis=1)),
    }
    values = np.zeros(model.n_variables)
    for kind in model.starts:
        values[model.variables(kind)] = meaning[kind]()
    return values
