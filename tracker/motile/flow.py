"""A motile model with at most one parent and two children as our flow program: problem.py says why that is fast.

    motile's variables                 in columns of the program
    NodeSelected, NodeAppear, ...      x_v, a_v, d_v
    EdgeSelected (u,v)                 e_uv + sum of divisions that hold (u,v)          EdgeContinuation: e_uv alone
    EdgeSplit (u,v), EdgeSplitPair     sum of divisions that hold (u,v), the division
    NodeSplit                          sum of divisions of u; or s_u, where there would be too many divisions and
                                       no cost and no row tells them apart
    merges                             0

So what a column costs is the sum of what its variables cost.
"""

from dataclasses import dataclass

import numpy as np
from motile.variables import (
    EdgeContinuation,
    EdgeSelected,
    EdgeSplit,
    EdgeSplitPair,
    NodeAppear,
    NodeDisappear,
    NodeSelected,
    NodeSplit,
)
from numpy.typing import NDArray

from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import Layout, TrackingProblem
from tracker.motile.model import Model, Pin
from tracker.motile.vocabulary import Kind

_Ints = NDArray[np.int64]
_Flags = NDArray[np.bool_]
TELLING = (EdgeContinuation, EdgeSplit, EdgeSplitPair)  # they tell divisions apart, or a division from its links
MOST_PAIRS = 5_000_000  # up to so many, divisions are columns of their own: their relaxation is integral more often


@dataclass(frozen=True)
class FlowProgram:
    """The program of a model.

    free: the program without pins on nodes and edges.   problem: with them.
    variables, places: (K,) a variable and a column that it is the sum of, with others.
    pins: those on nodes and edges, in an order of their own; rows: (pins, 3) their nodes, -1 = none.
    left: pins that bounds cannot express, such as a split that must be there: a sum of columns that must be 1.
    """

    model: Model
    free: TrackingProblem
    problem: TrackingProblem
    variables: _Ints
    places: _Ints
    pins: tuple[Pin, ...]
    rows: _Ints
    left: tuple[Pin, ...]

    def selected(self, values: _Flags) -> tuple[_Flags, _Flags]:
        """Selected nodes (N,) and edges (E,) of a lineage."""
        layout = self.problem.layout
        edges = values[layout.link].copy()
        edges[self.problem.division_links[values[layout.division]].ravel()] = True
        return values[layout.detection], edges

    def column_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(columns,) what each column is worth when the variables are worth `values` (variables,)."""
        return np.asarray(np.bincount(self.places, values[self.variables], self.problem.layout.n_columns), np.float64)

    def subset(self, chosen: _Ints) -> PinArrays:
        """Some of the pins as arrays."""
        return _pin_arrays(self.model, [self.pins[number] for number in chosen.tolist()])


def fits(model: Model) -> bool:
    """Whether the model is a flow: one parent, two children at most, without variables that are not motile's."""
    return model.max_parents <= 1 and model.max_children <= 2


def to_flow(model: Model, costs: NDArray[np.float64], used: _Flags) -> FlowProgram:
    """The program of a model that `fits`.   used: (variables,) those that rows of others or pins speak of."""
    telling = [model.variables(kind) for kind in TELLING if kind in model.starts]
    told = any(costs[own].any() or used[own].any() for own in telling)
    n_pairs = np.bincount(model.edges[:, 0], minlength=1).astype(np.int64)
    pairs = model.max_children == 2 and (told or int((n_pairs * (n_pairs - 1) // 2).sum()) <= MOST_PAIRS)
    split = model.max_children == 2 and not pairs
    count, n_edges = model.n_nodes, len(model.edges)
    division_links = np.empty((0, 2), np.int64)
    if pairs:
        division_links = model.pairs[EdgeSplitPair] if EdgeSplitPair in model.pairs else siblings(model.edges[:, 0])
    divisions = np.column_stack([model.edges[division_links[:, 0]], model.edges[division_links[:, 1], 1]])
    layout = Layout(count, n_edges, len(divisions), split)
    variables, places = _meaning(model, layout, divisions, division_links)
    lower, upper = np.zeros(layout.n_columns, np.int8), np.ones(layout.n_columns, np.int8)
    if model.max_parents <= 0 or model.max_children <= 0:
        upper[layout.link] = 0
    others = [pin for pin in model.pins if not _is_hard(model, pin)]
    left = _bound(others, variables, places, lower, upper)
    free = TrackingProblem(
        links=model.edges,
        divisions=divisions,
        split=split,
        cost=np.asarray(np.bincount(places, costs[variables], layout.n_columns), np.float64),
        lower=lower,
        upper=upper,
        n_detections=count,
        exclusive_sets=[own for own in model.exclusive if len(own) > 1],
        division_links=division_links,
    )
    hard = tuple(pin for pin in model.pins if _is_hard(model, pin))
    arrays = _pin_arrays(model, list(hard))
    rows = np.full((len(hard), 3), -1, np.int64)
    for number, pin in enumerate(hard):
        nodes = model.nodes_of(np.array([pin.variable]))
        rows[number, : len(nodes)] = nodes
    return FlowProgram(model, free, apply_pins(free, arrays), variables, places, hard, rows, tuple(left))


def siblings(parent: _Ints) -> _Ints:
    """(P, 2) all pairs of edges with the same parent, the earlier edge first.   parent: (E,)."""
    order = np.argsort(parent, kind="stable")
    starts = np.searchsorted(parent[order], parent[order], side="left")
    place = np.arange(len(order)) - starts  # how many siblings come before each
    later = np.repeat(np.arange(len(order)), place)
    first = np.repeat(starts, place) + np.arange(len(later)) - np.repeat(np.cumsum(place) - place, place)
    return np.column_stack([order[first], order[later]]).astype(np.int64)


def _is(model: Model, kind: Kind, pin: Pin) -> bool:
    return kind in model.starts and model.variables(kind).start <= pin.variable < model.variables(kind).stop


def _is_hard(model: Model, pin: Pin) -> bool:
    return _is(model, NodeSelected, pin) or _is(model, EdgeSelected, pin)


def _meaning(model: Model, layout: Layout, divisions: _Ints, division_links: _Ints) -> tuple[_Ints, _Ints]:
    """Which columns each variable is the sum of: pairs of a variable and a column."""
    link, division = layout.link.start, layout.division.start + np.arange(len(divisions))
    nodes, edges = np.arange(layout.n_detections), np.arange(layout.n_links)
    held = (division_links.T.ravel(), np.tile(division, 2))
    none = (np.empty(0, np.int64),) * 2
    columns: dict[Kind, list[tuple[_Ints, _Ints]]] = {
        NodeSelected: [(nodes, nodes)],
        NodeAppear: [(nodes, nodes + layout.appear.start)],
        NodeDisappear: [(nodes, nodes + layout.disappear.start)],
        NodeSplit: [(nodes, nodes + layout.splits.start) if layout.split else (divisions[:, 0], division)],
        EdgeSelected: [(edges, edges + link), held],
        EdgeContinuation: [none if layout.split else (edges, edges + link)],
        EdgeSplit: [held],
        EdgeSplitPair: [(np.arange(len(divisions)), division) if len(divisions) else none],
    }
    parts = [none]
    for kind, own in columns.items():
        if kind in model.starts:
            parts += [(model.starts[kind] + variable, column) for variable, column in own]
    variables, places = (np.concatenate(side) for side in zip(*parts, strict=True))
    return variables, places


def _bound(
    pins: list[Pin], variables: _Ints, places: _Ints, lower: NDArray[np.int8], upper: NDArray[np.int8]
) -> list[Pin]:
    """Pins on other variables than nodes and edges, as bounds, in place; returns those that bounds cannot express."""
    order = np.argsort(variables, kind="stable") if pins else variables
    sorted_variables = variables[order] if pins else variables
    left = []
    for pin in pins:
        own = slice(*np.searchsorted(sorted_variables, [pin.variable, pin.variable + 1]))
        columns = places[order[own]]
        if not pin.value:
            upper[columns] = 0
        elif len(columns) == 1:
            lower[columns] = 1
        else:
            left.append(pin)
    return left


def _pin_arrays(model: Model, pins: list[Pin]) -> PinArrays:
    nodes, edges = model.variables(NodeSelected), None
    if EdgeSelected in model.starts:
        edges = model.variables(EdgeSelected)
    detection = [(pin.variable - nodes.start, pin.value) for pin in pins if _is(model, NodeSelected, pin)]
    link = [
        (*model.edges[pin.variable - edges.start], pin.value)
        for pin in pins
        if edges is not None and _is(model, EdgeSelected, pin)
    ]
    return PinArrays(
        detection=np.array(detection, np.int64).reshape(-1, 2), link=np.array(link, np.int64).reshape(-1, 3)
    )
