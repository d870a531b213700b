"""Both ways: our candidates, costs and pins as a motile model, and a motile model as ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import motile
import numpy as np
from motile.constraints import MaxChildren, MaxParents
from motile.variables import (
    EdgeContinuation,
    EdgeSelected,
    EdgeSplitPair,
    NodeAppear,
    NodeDisappear,
    NodeSelected,
    NodeSplit,
)
from numpy.typing import NDArray

from tracker.annotations import with_soft_pins
from tracker.candidates import CandidateGraph
from tracker.costs import Costs
from tracker.detections import Detections
from tracker.errors import InputError, first_five
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.motile.costs import KindCost
from tracker.motile.fixed import Fixed
from tracker.motile.flow import fits, to_flow
from tracker.motile.model import Model, read_model
from tracker.motile.solver import Solver
from tracker.motile.vocabulary import Kind
from tracker.pin_checks import ResolvedPins

_Ints = NDArray[np.int64]


def to_motile(
    graph: CandidateGraph,
    costs: Costs,
    pins: ResolvedPins | PinArrays | None = None,
    *,
    keep: bool = True,
    soft_weight: float = 1.0,
    solver_class: type[motile.Solver] = Solver,
) -> motile.Solver:
    """Candidates, costs and pins as a motile model whose solution is that of `track run`.

    Nodes are rows of `graph.detections`, with the attributes t, label, pos and the detection's properties; edges are
    its links, with the features that were computed, and where a division has a child without a link, that edge, too.
    Links cost on EdgeContinuation and divisions on EdgeSplitPair, which replaces the two; without divisions of their
    own links cost on EdgeSelected and `costs.split` on NodeSplit.
    keep: every detection must be selected (costs.detection = "keep").   soft_weight: annotations.soft_weight.
    solver_class: of the model made. Every candidate that pins demand must be in the graph, as after
    `tracker.prepare.prepare`.
    """
    problem = make_problem(
        len(graph.detections),
        graph.links,
        graph.divisions,
        link_cost=costs.link,
        division_cost=costs.division,
        detection_cost=costs.detection,
        appear_cost=costs.appear,
        disappear_cost=costs.disappear,
        split_cost=costs.split,
        division_links=graph.division_links,
    )
    hard = pins.hard if isinstance(pins, ResolvedPins) else pins
    if isinstance(pins, ResolvedPins):
        problem = with_soft_pins(problem, pins, soft_weight)
    layout, count, split = problem.layout, problem.n_detections, problem.split
    links = [(u, v) for u, v in problem.links.tolist()]
    pairs = [tuple(sorted(((u, v), (u, w)))) for u, v, w in problem.divisions.tolist()]

    detections, track_graph = graph.detections, motile.TrackGraph()
    labels, positions = detections.label.tolist(), detections.position.tolist()
    properties = {name: column.tolist() for name, column in detections.properties.items()}
    for row, frame in enumerate(detections.frame.tolist()):
        own = {name: column[row] for name, column in properties.items()}
        track_graph.add_node(row, {**own, "t": frame, "label": labels[row], "pos": positions[row]})
    features = {name: column.tolist() for (family, name), column in costs.columns.items() if family == "link"}
    data = {edge: {name: column[number] for name, column in features.items()} for number, edge in enumerate(links)}
    edges = sorted({*links, *(edge for pair in pairs for edge in pair)})  # so that motile's pairs are sorted like ours
    for edge in edges:
        track_graph.add_edge(edge, data.get(edge, {}))

    solver = solver_class(track_graph)

    def price(kind: Kind, name: str, keys: list[Any], family: slice) -> None:
        solver.add_cost(KindCost(kind, dict(zip(keys, problem.cost[family].tolist(), strict=True))), name)

    rows = list(range(count))
    price(NodeSelected, "detection", rows, layout.detection)
    price(EdgeContinuation if pairs else EdgeSelected, "link", links, layout.link)
    price(NodeAppear, "appear", rows, layout.appear)
    price(NodeDisappear, "disappear", rows, layout.disappear)
    if split:
        price(NodeSplit, "split", rows, layout.splits)
    if pairs:
        price(EdgeSplitPair, "division", pairs, layout.division)
        solver.add_constraint(Fixed(others=_not_candidates(solver, links, pairs)))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2 if split or pairs else 1))
    kept = dict.fromkeys(rows, True) if keep else {}
    if hard is not None:
        kept = {row: value for row, value in kept.items() if row not in set(hard.detection[:, 0].tolist())}
        for fixed in _as_fixed(hard, set(edges)):
            solver.add_constraint(fixed)
    solver.add_constraint(Fixed(nodes=kept))
    return solver


def _not_candidates(solver: motile.Solver, links: list[Any], pairs: list[Any]) -> Mapping[Kind, Mapping[Any, bool]]:
    """Pairs of edges that are no division, and edges that are no link, which a motile graph has all the same."""
    divisions, known = set(pairs), set(links)
    return {
        EdgeSplitPair: {pair: False for pair in solver.get_variables(EdgeSplitPair) if pair not in divisions},
        EdgeContinuation: {edge: False for edge in solver.graph.edges if edge not in known},
    }


def _as_fixed(pins: PinArrays, edges: set[Any]) -> list[Fixed]:
    """Each kind of pins as values of motile's variables; what is no edge need not be forbidden."""
    link = {(u, v): bool(value) for u, v, value in pins.link.tolist() if value or (u, v) in edges}
    pair = {tuple(sorted(((u, v), (u, w)))): bool(value) for u, v, w, value in pins.division.tolist()}
    pair = {two: value for two, value in pair.items() if value or edges.issuperset(two)}
    nodes = {row: bool(value) for row, value in pins.detection.tolist()}
    # motile's own rows let a node appear that has a parent: say that it has none.
    childless = pins.children[(pins.children[:, 1:] < 0).all(axis=1)]
    for side, ends in ((1, pins.appear), (0, pins.disappear), (0, childless)):
        alone = set(ends[ends[:, 1] != 0, 0].tolist())
        nodes = {**dict.fromkeys(alone, True), **nodes}
        link.update({edge: False for edge in edges if edge[side] in alone and not link.get(edge)})
    others: dict[Kind, dict[Any, bool]] = {
        NodeAppear: {row: bool(value) for row, value in pins.appear.tolist()},
        NodeDisappear: {row: bool(value) for row, value in pins.disappear.tolist()},
    }
    if pair:
        others[EdgeSplitPair] = pair
    found = [Fixed(nodes, link, others)]
    for parent, one, other in pins.children.tolist():  # exactly these
        children = [child for child in (one, other) if child >= 0]
        if not children:
            found.append(Fixed(others={NodeDisappear: {parent: True}}))
        elif len(children) == 1:
            found.append(Fixed(edges={(parent, children[0]): True}, others={NodeSplit: {parent: False}}))
        else:
            found.append(Fixed(edges={(parent, child): True for child in children}))
    return found


@dataclass(frozen=True)
class MotileProgram:
    """A motile model in our terms.

    graph: detections are nodes, sorted by frame and label.   costs: as `tracker.costs.to_problem` takes them.
    problem: without pins on nodes and edges, with exclusive sets.   pins: those, of motile's constraints.
    nodes: the name of each detection's node.
    """

    graph: CandidateGraph
    costs: Costs
    problem: TrackingProblem
    pins: PinArrays
    nodes: tuple[Any, ...]

    @property
    def pinned(self) -> TrackingProblem:
        """The problem under its pins."""
        return apply_pins(self.problem, self.pins)


def from_motile(solver: motile.Solver, position_attribute: str | tuple[str, ...] | None = None) -> MotileProgram:
    """A motile model as candidates, costs and pins, so that margins, suggestions and files of pins work on it.

    position_attribute: where nodes are, for suggestions and pictures; without it all lie at 0.
    A node whose name is a positive int has that as its label, if all do; else labels count nodes from 1.
    Raises InputError for models that are no flow: more than one parent or two children, rows or variables of others.
    """
    if not isinstance(solver, Solver):
        raise InputError("from_motile takes a tracker.motile.Solver; make the model with it instead of motile.Solver")
    for kind in (NodeSelected, EdgeSelected):
        solver.get_variables(kind)
    model = read_model(solver)
    if not fits(model) or model.rows.sources or model.custom_kinds:
        odd = [*dict.fromkeys(model.rows.sources), *model.custom_kinds]
        raise InputError(
            f"only models with at most one parent and two children can be read, found {model.max_parents} and "
            f"{model.max_children}" + (f", with rows or variables of {first_five(odd)}" if odd else "")
        )
    flow = to_flow(model, solver.costs, np.ones(model.n_variables, bool))
    if flow.left:
        raise InputError(f"these pins have no counterpart here: {first_five(pin.who for pin in flow.left)}")
    detections, order = _detections(solver, model, position_attribute)
    return _renumbered(model, flow.free, flow.subset(np.arange(len(flow.pins))), detections, order)


def _detections(
    solver: Solver, model: Model, position_attribute: str | tuple[str, ...] | None
) -> tuple[Detections, _Ints]:
    graph, names = solver.graph, model.names
    frames = [graph.nodes[name][graph.frame_attribute] for name in names]
    odd = [name for name, frame in zip(names, frames, strict=True) if int(frame) != frame]
    if odd:
        raise InputError(f"frames must be whole numbers; not so for the nodes {first_five(odd)}")
    whole = all(isinstance(name, int | np.integer) and name > 0 for name in names)
    label = np.array(names if whole else range(1, len(names) + 1), np.int64)
    frame = np.array(frames, np.int64)
    order = np.lexsort((label, frame))
    read: Callable[[Any], Any] = lambda data: [0.0, 0.0]  # noqa: E731
    if isinstance(position_attribute, tuple):
        read = lambda data: [data[name] for name in position_attribute]  # noqa: E731
    elif position_attribute is not None:
        read = lambda data: np.atleast_1d(data[position_attribute])  # noqa: E731
    position = np.array([read(graph.nodes[name]) for name in names], np.float64).reshape(len(names), -1)
    if position.shape[1] == 1:
        position = np.column_stack([np.zeros(len(names)), position])
    first, last = graph.get_frames()
    return (
        Detections(
            frame[order], label[order], position[order], np.arange(first, last), np.ones(max(position.shape[1], 2))
        ),
        order,
    )


def _renumbered(
    model: Model, free: TrackingProblem, pins: PinArrays, detections: Detections, order: _Ints
) -> MotileProgram:
    """The program with its detections, links and divisions in our order."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    links, layout = rank[free.links].reshape(-1, 2), free.layout
    backward = detections.frame[links[:, 0]] >= detections.frame[links[:, 1]]
    if backward.any():
        names = [model.edge_names[edge] for edge in np.flatnonzero(backward)[:5].tolist()]
        raise InputError(f"edges must lead to a later frame; these do not: {first_five(names)}")
    by_link = np.lexsort((links[:, 1], links[:, 0]))
    link_rank = np.empty(len(links), np.int64)
    link_rank[by_link] = np.arange(len(links))
    held = link_rank[free.division_links].reshape(-1, 2)
    held.sort(axis=1)  # links are sorted by child within a parent
    divisions = np.column_stack([links[by_link][held[:, 0]], links[by_link][held[:, 1], 1]]).reshape(-1, 3)
    by_division = np.lexsort(divisions.T[::-1])
    columns = [layout.detection.start + order, layout.link.start + by_link, layout.division.start + by_division]
    columns += [layout.appear.start + order, layout.disappear.start + order]
    if free.split:
        columns.append(layout.splits.start + order)
    own = np.concatenate(columns)
    graph = CandidateGraph(
        detections,
        links[by_link].astype(np.int32),
        divisions[by_division].astype(np.int32),
        held[by_division].astype(np.int32),
    )
    problem = replace(
        free,
        links=graph.links,
        divisions=graph.divisions,
        cost=free.cost[own],
        lower=free.lower[own],
        upper=free.upper[own],
        exclusive_sets=[np.sort(rank[members]) for members in free.exclusive_sets],
        division_links=graph.division_links,
    )
    place = problem.layout
    cost = problem.cost
    ends = (cost[place.appear], cost[place.disappear])
    costs = Costs(
        link=cost[place.link],
        division=cost[place.division],
        detection=cost[place.detection],
        appear=ends[0],
        disappear=ends[1],
        appear_unit=ends[0],
        disappear_unit=ends[1],
        split=None,
        columns={},
        statistics={},
    )
    moved = PinArrays(
        detection=np.column_stack([rank[pins.detection[:, 0]], pins.detection[:, 1]]),
        link=np.column_stack([rank[pins.link[:, :2]].reshape(-1, 2), pins.link[:, 2]]),
    )
    return MotileProgram(graph, costs, problem, moved, tuple(model.names[row] for row in order.tolist()))
