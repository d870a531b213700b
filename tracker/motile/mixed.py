"""Which nodes and edges the rows of others reach; all else is still a flow, solved as one."""

from dataclasses import dataclass

import numpy as np
from motile.variables import EdgeSelected, NodeAppear, NodeDisappear, NodeMerge, NodeSelected, NodeSplit
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tracker.ilp.problem import TrackingProblem
from tracker.ilp.reduce import dominated
from tracker.motile.flow import FlowProgram
from tracker.motile.model import Model
from tracker.motile.vocabulary import ON_EDGES, ON_PAIRS, Kind

_Ints = NDArray[np.int64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """What rows of others reach, and the rest.

    nodes: (N,), edges: (E,) reached.   rest: the flow program of all else; None when that is nothing.
    """

    nodes: _Flags
    edges: _Flags
    rest: TrackingProblem | None


def split_parts(flow: FlowProgram) -> Parts:
    """Leave out links and divisions that are dominated, then follow from the nodes that rows of others speak of.

    A choice may be replaced by a better one only where nobody else's row tells the two apart. So around the nodes that
    such a row or pin names nothing is left out, and nothing there serves as the better choice.
    """
    model, problem = flow.model, flow.problem
    row, variable = coo_array(model.rows.matrix).coords
    left = np.array([pin.variable for pin in flow.left], np.int64)
    named = np.zeros(model.n_nodes, bool)
    named[model.nodes_of(np.append(variable, left).astype(np.int64))] = True

    lower = problem.lower.copy()
    lower[_touching(problem, named)] = 1  # no longer free to move, so that dominance keeps away
    out = dominated(problem.with_bounds(lower, np.maximum(problem.upper, lower)))
    layout = problem.layout
    open_links = (problem.upper == 1) & ~out
    edges = open_links[layout.link].copy()
    edges[problem.division_links[open_links[layout.division]].ravel()] = True
    chosen = [pin for pin in model.pins if pin.value]
    for kind in ON_EDGES:  # also where another pin closes it: that nothing satisfies both must show
        edges[model.places(kind, chosen)] = True

    reached = named[_components(flow, edges, named, row, variable)]
    inside = edges & reached[model.edges].all(axis=1)
    if reached.all():
        return Parts(reached, inside, None)
    closed = _touching(problem, reached)
    rest = problem.with_bounds(np.where(closed, 0, problem.lower), np.where(closed, 0, problem.upper))
    return Parts(reached, inside, rest)


def idle(model: Model, costs: NDArray[np.float64]) -> tuple[_Flags, _Flags]:
    """Nodes (N,) that may as well be selected, and edges (E,) that may as well not: nothing is gained by the opposite.

    A node that costs nothing, in a model that prices neither appearing nor disappearing. An edge without a gain: its
    cost is 0 or more, those of its child's appearing and its parent's disappearing 0 or less, those of splitting and
    merging 0 or more, and no variables tell its kind. Where pins or rows of others speak of the nodes, none is idle.
    Of equally cheap selections this takes the one that a presolve by locks takes, as in SCIP.
    """

    def cost(kind: Kind) -> NDArray[np.float64]:
        return costs[model.variables(kind)] if kind in model.starts else np.zeros(model.count(kind))

    by_rows = model.rows.matrix.indices.astype(np.int64)
    pinned = np.array([pin.variable for pin in model.pins], np.int64)
    nodes = (cost(NodeSelected) == 0) & (not {NodeAppear, NodeDisappear} & model.starts.keys())
    nodes[model.nodes_of(np.append(by_rows, pinned))] = False
    for members in model.exclusive:
        nodes[members] = False

    told = [kind for kind in (*ON_EDGES[1:], *ON_PAIRS) if kind in model.starts]
    if any(costs[model.variables(kind)].any() for kind in told):
        return nodes, np.zeros(len(model.edges), bool)
    parent, child = model.edges.T
    edges = (cost(EdgeSelected) >= 0) & (cost(NodeAppear) <= 0)[child] & (cost(NodeDisappear) <= 0)[parent]
    edges &= (cost(NodeSplit) >= 0)[parent] & (cost(NodeMerge) >= 0)[child]
    plain = [np.r_[model.variables(kind)] for kind in (NodeSelected, EdgeSelected) if kind in model.starts]
    spoken = np.zeros(model.n_nodes, bool)
    spoken[model.nodes_of(np.append(by_rows, np.setdiff1d(pinned, np.concatenate([pinned[:0], *plain]))))] = True
    edges &= ~spoken[model.edges].any(axis=1)
    edges[model.places(EdgeSelected, model.pins)] = False
    return nodes, edges


def _touching(problem: TrackingProblem, nodes: _Flags) -> _Flags:
    """(columns,) those of any of the nodes."""
    layout = problem.layout
    found = np.zeros(layout.n_columns, bool)
    for family in (layout.detection, layout.appear, layout.disappear, layout.splits):
        found[family] = nodes[: family.stop - family.start]
    found[layout.link] = nodes[problem.links].any(axis=1)
    found[layout.division] = nodes[problem.divisions].any(axis=1)
    return found


def _components(flow: FlowProgram, edges: _Flags, named: _Flags, row: _Ints, variable: _Ints) -> _Ints:
    """(N,) a representative of each node's component, a named one where there is one."""
    model = flow.model
    ends = [model.edges[edges]]
    ends += [np.column_stack([own[:-1], own[1:]]) for own in model.exclusive]
    joined = np.concatenate([np.empty((0, 2), np.int64), *ends]).astype(np.int64)
    graph = coo_array((np.ones(len(joined), bool), joined.T), (model.n_nodes,) * 2)
    label = connected_components(graph, directed=False)[1]
    representative = np.zeros(int(label.max(initial=-1)) + 1, np.int64)
    representative[label] = np.arange(model.n_nodes)
    representative[label[named]] = np.flatnonzero(named)
    return representative[label]
