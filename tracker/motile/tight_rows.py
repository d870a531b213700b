"""Any motile model as one integer program: its variables, its custom rows, and rows tighter than motile's own.

With E the edges on one side of a node (in, with appear and merge; out, with disappear and split):

    at most one edge      end + sum E = x
    at most two           end + sum E = x + branch,   end + branch <= x
                          branch edges y <= E, their sum = 2 branch;  the pairs that hold an edge sum to its y
    more                  end + E <= x for each E,   x <= end + sum E,   end <= x,   sum E <= limit,
                          the rest as in motile

The first two are the flow of docs/ilp.md, merges its mirror image.
"""

from dataclasses import dataclass

import ilpy
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
from scipy.sparse import coo_array

from tracker.motile.model import Model
from tracker.motile.program import Program, RowFamilies, make_program
from tracker.motile.vocabulary import ON_EDGES, ON_NODES, Kind

_Ints = NDArray[np.int64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Side:
    """One side of all nodes: the column of edges that is its node, the kinds of variables, the limit."""

    column: int
    end: Kind
    branch: Kind
    branch_edge: Kind
    pair: Kind
    limit: int


@dataclass(frozen=True)
class TightProgram:
    """The program of some nodes and edges, and where motile's variables lie in it (-1: not in it)."""

    program: Program
    columns: _Ints
    nodes: _Ints
    edges: _Ints


def sides(model: Model) -> tuple[Side, Side]:
    """In and out."""
    return (
        Side(1, NodeAppear, NodeMerge, EdgeMerge, EdgeMergePair, model.max_parents),
        Side(0, NodeDisappear, NodeSplit, EdgeSplit, EdgeSplitPair, model.max_children),
    )


def to_program(model: Model, costs: NDArray[np.float64], nodes: _Flags, edges: _Flags) -> TightProgram:
    """The program over some nodes and edges between them, and all variables that are not motile's.

    Other nodes and edges must be told apart by no row, and other edges between these nodes must be 0 in some optimum.
    """
    return _Writer(model, costs, nodes, edges).write()


class _Writer:
    def __init__(self, model: Model, costs: NDArray[np.float64], nodes: _Flags, edges: _Flags) -> None:
        self.model, self.costs = model, costs
        self.nodes, self.edges = np.flatnonzero(nodes), np.flatnonzero(edges)
        place = np.full(model.n_nodes, -1, np.int64)
        place[self.nodes] = np.arange(len(self.nodes))
        self.ends = place[model.edges[self.edges]]
        self.edge_place = np.full(len(model.edges), -1, np.int64)
        self.edge_place[self.edges] = np.arange(len(self.edges))
        self.rows = RowFamilies()
        self.columns = np.full(model.n_variables, -1, np.int64)
        self.of: dict[Kind, _Ints] = {}
        self.size = 0

    def write(self) -> TightProgram:
        """All of it."""
        model = self.model
        pairs = {kind: own[(self.edge_place[own] >= 0).all(axis=1)] for kind, own in model.pairs.items()}
        self._place(NodeSelected, self.nodes)
        self._place(EdgeSelected, self.edges)
        for kind in ON_NODES[1:]:
            self._place(kind, self.nodes)
        for kind in ON_EDGES[1:]:
            if kind in model.starts:
                self._place(kind, self.edges)
        for pair, own in model.pairs.items():
            self._place(pair, np.flatnonzero((self.edge_place[own] >= 0).all(axis=1)))
        custom = np.flatnonzero(model.custom)
        self.columns[custom] = self.size + np.arange(len(custom))
        self.size += len(custom)

        lower, upper = np.zeros(self.size), np.ones(self.size)
        unbounded = self.columns[custom[model.types[custom] != int(ilpy.VariableType.Binary)]]
        lower[unbounded], upper[unbounded] = -np.inf, np.inf
        for side in sides(model):
            self._side(side, pairs.get(side.pair), upper)
        if EdgeContinuation in self.of:
            self._continuations()
        for members in model.exclusive:
            own = self.of[NodeSelected][np.flatnonzero(np.isin(self.nodes, members))]
            if len(own) > 1:
                self.rows.add(1, [(np.zeros(len(own), np.int64), own, 1.0)], -np.inf, 1.0)
        self._custom_rows()
        for pin in model.pins:
            column = self.columns[pin.variable]
            if column >= 0:
                lower[column] = max(lower[column], float(pin.value))
                upper[column] = min(upper[column], float(pin.value))
        cost = np.zeros(self.size)
        present = np.flatnonzero(self.columns >= 0)
        cost[self.columns[present]] = self.costs[present]
        integer = np.ones(self.size, bool)
        integer[self.columns[custom[model.types[custom] == int(ilpy.VariableType.Continuous)]]] = False
        return TightProgram(make_program(self.rows, cost, lower, upper, integer), self.columns, self.nodes, self.edges)

    def _place(self, kind: Kind, members: _Ints) -> None:
        """Columns for some members of a kind; where the model has no such variables they are ours alone."""
        self.of[kind] = self.size + np.arange(len(members))
        if kind in self.model.starts:
            self.columns[self.model.starts[kind] + members] = self.of[kind]
        self.size += len(members)

    def _side(self, side: Side, pairs: _Ints | None, upper: NDArray[np.float64]) -> None:
        add, at, infinite = self.rows.add, self.ends[:, side.column], np.inf
        each, every = np.arange(len(self.edges)), np.arange(len(self.nodes))
        selected, edge = self.of[NodeSelected], self.of[EdgeSelected]
        end, branch = self.of[side.end], self.of[side.branch]
        node, edges_of = (every, selected, -1.0), (at, edge, 1.0)
        ends = self.of.get(side.branch_edge)
        couples = self.of.get(side.pair)
        if side.limit <= 0:
            upper[edge] = 0
        if side.limit <= 1:
            add(len(every), [(every, end, 1.0), edges_of, node], 0.0, 0.0)
            for own in (branch, ends, couples):
                if own is not None:
                    upper[own] = 0
            return
        if side.limit == 2:
            add(len(every), [(every, end, 1.0), edges_of, node, (every, branch, -1.0)], 0.0, 0.0)
            add(len(every), [(every, end, 1.0), (every, branch, 1.0), node], -infinite, 0.0)
        else:
            degree = np.bincount(at, minlength=len(every))
            add(len(each), [(each, end[at], 1.0), (each, edge, 1.0), (each, selected[at], -1.0)], -infinite, 0.0)
            add(len(every), [(every, end, 1.0), edges_of, node], 0.0, infinite)
            add(len(every), [(every, end, 1.0), node], -infinite, 0.0)
            add(len(every), [edges_of], -infinite, float(side.limit))
            add(len(every), [edges_of, (every, branch, -2.0)], 0.0, infinite)
            reach = np.repeat(every, np.maximum(degree - 1, 0))  # (degree - 1) times the branch variable
            add(len(every), [edges_of, (reach, branch[reach], -1.0)], -infinite, 1.0)
        if ends is None:
            return
        add(len(each), [(each, ends, 1.0), (each, edge, -1.0)], -infinite, 0.0)
        if side.limit == 2:
            add(len(every), [(at, ends, 1.0), (every, branch, -2.0)], 0.0, 0.0)
        else:
            add(len(each), [(each, ends, 1.0), (each, branch[at], -1.0)], -infinite, 0.0)
            add(len(each), [(each, edge, 1.0), (each, branch[at], 1.0), (each, ends, -1.0)], -infinite, 1.0)
        if pairs is None or couples is None:
            return
        first, second = self.edge_place[pairs].T
        if side.limit == 2:
            add(len(each), [(first, couples, 1.0), (second, couples, 1.0), (each, ends, -1.0)], 0.0, 0.0)
            return
        own = np.arange(len(pairs))
        for one in (first, second):
            add(len(own), [(own, couples, 1.0), (own, ends[one], -1.0)], -infinite, 0.0)
        add(len(own), [(own, ends[first], 1.0), (own, ends[second], 1.0), (own, couples, -1.0)], -infinite, 1.0)

    def _continuations(self) -> None:
        """An edge continues a track, unless the parent splits or the child merges."""
        each, goes = np.arange(len(self.edges)), self.of[EdgeContinuation]
        edge, (parent, child) = self.of[EdgeSelected], self.ends.T
        split, merge = self.of[NodeSplit][parent], self.of[NodeMerge][child]
        self.rows.add(len(each), [(each, goes, 1.0), (each, edge, -1.0)], -np.inf, 0.0)
        for branch in (split, merge):
            self.rows.add(len(each), [(each, goes, 1.0), (each, branch, 1.0)], -np.inf, 1.0)
        terms = [(each, edge, 1.0), (each, split, -1.0), (each, merge, -1.0), (each, goes, -1.0)]
        self.rows.add(len(each), terms, -np.inf, 0.0)
        if self.model.max_parents <= 1:  # then a way out is an end, a continuation or a split
            every = np.arange(len(self.nodes))
            ends, splits = self.of[NodeDisappear], self.of[NodeSplit]
            terms = [(every, ends, 1.0), (parent, goes, 1.0), (every, splits, 1.0)]
            self.rows.add(len(every), [*terms, (every, self.of[NodeSelected], -1.0)], 0.0, 0.0)

    def _custom_rows(self) -> None:
        """Rows of others over the columns that are here; what is not here is 0."""
        given = coo_array(self.model.rows.matrix)
        row, variable = given.coords
        here = self.columns[variable] >= 0
        families, rows = self.rows, self.model.rows
        families.rows.append(row[here].astype(np.int64) + families.count)
        families.columns.append(self.columns[variable[here]])
        families.values.append(given.data[here])
        families.low.append(rows.low)
        families.high.append(rows.high)
        families.count += len(rows.low)
