"""Random motile models for hypothesis, and a referee that reads motile's documentation instead of its rows."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import ilpy
import motile
import networkx as nx
import numpy as np
from hypothesis import strategies as st
from motile.constraints import Constraint, ExclusiveNodes, ExpressionConstraint, MaxChildren, MaxParents, Pin
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
    Weight,
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
    Variable,
)

KINDS = (
    NodeSelected,
    EdgeSelected,
    NodeAppear,
    NodeDisappear,
    NodeSplit,
    NodeMerge,
    EdgeContinuation,
    EdgeSplit,
    EdgeMerge,
    EdgeSplitPair,
    EdgeMergePair,
)


class EdgesInARow(Constraint):
    """A constraint of a user's own: of two given edges at most `most` are selected."""

    def __init__(self, edges: list[tuple[int, int]], most: int) -> None:
        self.edges, self.most = edges, most

    def instantiate(self, solver: motile.Solver) -> Iterator[ilpy.Expression]:
        variables = solver.get_variables(EdgeSelected)
        yield sum(variables[edge] for edge in self.edges) <= self.most


class SplitsAreFew(Constraint):
    """A constraint of a user's own: at most so many splits in the whole graph."""

    def __init__(self, most: int) -> None:
        self.most = most

    def instantiate(self, solver: motile.Solver) -> Iterator[ilpy.Constraint]:
        row = ilpy.Constraint()
        for variable in solver.get_variables(NodeSplit).values():
            row.set_coefficient(variable, 1)
        row.set_value(self.most)
        yield row


class FrameUsed(Variable[int]):
    """A variable of a user's own: whether any node of a frame is selected."""

    @staticmethod
    def instantiate(solver: motile.Solver) -> list[int]:
        return sorted({data["t"] for data in solver.graph.nodes.values()})

    @staticmethod
    def instantiate_constraints(solver: motile.Solver) -> Iterator[ilpy.Expression]:
        nodes, used = solver.get_variables(NodeSelected), solver.get_variables(FrameUsed)
        for node, data in solver.graph.nodes.items():
            yield nodes[node] <= used[data["t"]]


class FrameCost(Cost):
    """A cost of a user's own: for every frame that is used."""

    def __init__(self, weight: float) -> None:
        self.weight = Weight(weight)

    def apply(self, solver: motile.Solver) -> None:
        for index in solver.get_variables(FrameUsed).values():
            solver.add_variable_cost(index, 1.0, self.weight)


@dataclass
class ModelCase:
    """A graph, and what is added to a solver, each part made anew for each solver."""

    nodes: list[tuple[int, dict[str, Any]]]
    edges: list[tuple[int, int, dict[str, Any]]]
    parts: list[Callable[[motile.Solver], None]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def graph(self) -> motile.TrackGraph:
        graph = nx.DiGraph()
        graph.add_nodes_from((node, dict(data)) for node, data in self.nodes)
        graph.add_edges_from((u, v, dict(data)) for u, v, data in self.edges)
        return motile.TrackGraph(graph)

    def model(self, solver_class: type[motile.Solver]) -> motile.Solver:
        solver = solver_class(self.graph())
        for part in self.parts:
            part(solver)
        return solver

    def __repr__(self) -> str:
        return f"ModelCase({self.nodes}, {self.edges}, {self.words})"


def documented(solver: motile.Solver, nodes: set[Any], edges: set[Any]) -> np.ndarray:
    """Values of all variables as motile documents them; networkx counts, nothing else."""
    chosen = nx.DiGraph(list(edges))
    chosen.add_nodes_from(nodes)
    split = {node for node in nodes if chosen.out_degree(node) > 1}
    merge = {node for node in nodes if chosen.in_degree(node) > 1}
    meaning: dict[Any, Callable[[Any], bool]] = {
        NodeSelected: lambda node: node in nodes,
        EdgeSelected: lambda edge: edge in edges,
        NodeAppear: lambda node: node in nodes and chosen.in_degree(node) == 0,
        NodeDisappear: lambda node: node in nodes and chosen.out_degree(node) == 0,
        NodeSplit: lambda node: node in split,
        NodeMerge: lambda node: node in merge,
        EdgeContinuation: lambda edge: edge in edges and edge[0] not in split and edge[1] not in merge,
        EdgeSplit: lambda edge: edge in edges and edge[0] in split,
        EdgeMerge: lambda edge: edge in edges and edge[1] in merge,
        EdgeSplitPair: lambda pair: set(pair) <= edges,
        EdgeMergePair: lambda pair: set(pair) <= edges,
        FrameUsed: lambda frame: any(solver.graph.nodes[node]["t"] == frame for node in nodes),
    }
    values = np.zeros(solver.num_variables)
    for kind, variables in solver.variables.items():
        for key, variable in variables.items():
            values[int(variable)] = meaning[kind](key)
    return values


def best_documented(solver: motile.Solver) -> float | None:
    """The least cost over all selections that satisfy motile's own rows for constraints; None when there is none.

    Rows of indicators are left out: they follow from their meaning. `solver` must be a plain motile.Solver.
    """
    graph = solver.graph
    coupling = ilpy.Constraints()
    for kind in solver.variables:
        if kind is not FrameUsed:
            for row in kind.instantiate_constraints(solver):
                coupling.add(row)
    known = [signature(row) for row in coupling]
    rows = [row for row in solver.constraints if signature(row) not in known]
    best = None
    for flags in product((False, True), repeat=len(graph.nodes) + len(graph.edges)):
        nodes = {node for node, flag in zip(graph.nodes, flags, strict=False) if flag}
        edges = {edge for edge, flag in zip(graph.edges, flags[len(graph.nodes) :], strict=True) if flag}
        if any(end not in nodes for edge in edges for end in edge):
            continue
        values = documented(solver, nodes, edges)
        if any(violated(row, values) for row in rows):
            continue
        cost = float(np.asarray(solver.costs, float) @ values[: len(solver.costs)])
        best = cost if best is None else min(best, cost)
    return best


def signature(row: ilpy.Constraint) -> tuple[Any, ...]:
    return tuple(sorted(row.get_coefficients().items())), int(row.get_relation()), row.get_value()


def violated(row: ilpy.Constraint, values: np.ndarray) -> bool:
    total = sum(number * values[index] for index, number in row.get_coefficients().items())
    over, under = total > row.get_value() + 1e-9, total < row.get_value() - 1e-9
    return {ilpy.Relation.LessEqual: over, ilpy.Relation.GreaterEqual: under, ilpy.Relation.Equal: over or under}[
        row.get_relation()
    ]


def model_cases(*, max_nodes: int = 6, max_edges: int = 8, ends_at_least: float = 0.0, custom: bool = False):
    """Up to six nodes in four frames, edges that may skip frames, any of motile's costs and constraints, pins.

    From a seed that hypothesis draws: its own choices repeat themselves too much to meet every kind of model.
    """
    seeds = st.integers(0, 2**32 - 1)
    return seeds.map(lambda seed: random_case(random.Random(seed), max_nodes, max_edges, ends_at_least, custom))


def random_case(rng: random.Random, max_nodes: int, max_edges: int, ends_at_least: float, custom: bool) -> ModelCase:
    frames = sorted(rng.choices(range(4), k=rng.randint(1, max_nodes)))
    names = [10 * number + frame for number, frame in enumerate(frames)]
    possible = [(u, v) for (u, s), (v, t) in combinations(zip(names, frames, strict=True), 2) if s < t]
    chosen = rng.sample(possible, min(len(possible), rng.randint(0, max_edges)))
    sure = rng.choice([0.0, 0.05, 0.3])

    def number(least: float = -2.0) -> float:
        return max(least, rng.choice([rng.randint(-8, 8) / 4, rng.uniform(-2, 2)]))

    def attributes() -> dict[str, Any]:
        found = {"cost": number(), "end": number(ends_at_least)}
        return {**found, "pinned": rng.random() < 0.6} if rng.random() < sure else found

    nodes = [
        (name, {"t": frame, "x": number(), "y": number(), "free": rng.random() < 0.5, **attributes()})
        for name, frame in zip(names, frames, strict=True)
    ]
    case = ModelCase(nodes, [(u, v, attributes()) for u, v in chosen])

    def add(word: str, part: Callable[[motile.Solver], None]) -> None:
        case.words.append(word)
        case.parts.append(part)

    def cost(kind: type[Cost], name: str, *, ends: bool = False, **options: Any) -> None:
        constant, weight = number(ends_at_least if ends else -2.0), number(0.0 if ends else -2.0)
        add(
            f"{kind.__name__}({weight}, {constant}, {options})",
            lambda solver: solver.add_cost(kind(weight=weight, constant=constant, **options), name),
        )

    ignored = rng.choice([None, "free"])
    by_name: dict[str, Callable[[str], None]] = {
        "node": lambda name: cost(NodeSelectedCost, name, attribute="cost"),
        "edge": lambda name: cost(EdgeSelectedCost, name, attribute="cost"),
        "edges": lambda name: cost(EdgeSelectedCost, name),
        "appear": lambda name: cost(NodeAppearCost, name, ends=True, ignore_attribute=ignored),
        "late": lambda name: cost(NodeAppearCost, name, ends=True, attribute="end"),
        "disappear": lambda name: cost(NodeDisappearCost, name, ends=True, attribute="end", ignore_attribute=ignored),
        "split": lambda name: cost(NodeSplitCost, name, attribute="cost"),
        "merge": lambda name: cost(NodeMergeCost, name),
        "edge split": lambda name: cost(EdgeSplitCost, name, attribute="cost"),
        "edge merge": lambda name: cost(EdgeMergeCost, name),
        "distance": lambda name: cost(EdgeDistanceCost, name, position_attribute=("y", "x")),
        "symmetric split": lambda name: cost(SymmetricSplitCost, name, position_attribute="x"),
        "symmetric merge": lambda name: cost(SymmetricMergeCost, name, position_attribute=("x",)),
    }
    for name in rng.sample(sorted(by_name), rng.randint(1, 7)):
        by_name[name](name)
    parents, children = rng.choice([1, 1, 1, 1, 2, 3, None]), rng.choice([0, 1, 2, 2, 2, 2, 3, None])
    if parents is not None:
        add(f"MaxParents({parents})", lambda solver: solver.add_constraint(MaxParents(parents)))
    if children is not None:
        add(f"MaxChildren({children})", lambda solver: solver.add_constraint(MaxChildren(children)))
    if rng.random() < 0.5:
        sets = [rng.sample(names, rng.randint(1, min(3, len(names)))) for _ in range(rng.randint(0, 2))]
        add(f"ExclusiveNodes({sets})", lambda solver: solver.add_constraint(ExclusiveNodes(sets)))
    if rng.random() < 0.7:
        add("Pin", lambda solver: solver.add_constraint(Pin("pinned")))
    if rng.random() < 0.2:
        text = "free and t > 0 and y > 1"
        add(text, lambda solver: solver.add_constraint(ExpressionConstraint(text)))
    if custom:
        if len(chosen) > 1:
            most, two = rng.randint(0, 1), rng.sample(chosen, 2)
            add(f"EdgesInARow({two}, {most})", lambda solver: solver.add_constraint(EdgesInARow(two, most)))
        if rng.random() < 0.2:
            add("SplitsAreFew", lambda solver: solver.add_constraint(SplitsAreFew(1)))
        if rng.random() < 0.2:
            weight = number()
            add(f"FrameCost({weight})", lambda solver: solver.add_cost(FrameCost(weight)))
    order = rng.sample(range(len(case.parts)), len(case.parts))
    case.parts[:] = [case.parts[place] for place in order]
    case.words[:] = [case.words[place] for place in order]
    return case
