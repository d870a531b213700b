"""The same problem as a `motile.Solver`: an independent referee, and a door for people with motile costs of their own.

What the problem says                    what motile 1 is given
    detection x_v                            NodeSelected with its cost
    v is a child of u (E_uv)                 EdgeSelected with the cost of the link
    appearance, disappearance                NodeAppear, NodeDisappear with a cost per detection
    division h = (u; v, w) of model A        EdgeSplitPair with the cost c_h - c_uv - c_uw, because motile goes on
                                             paying the two links; a pair that is no division is forbidden
    split s_u of model B                     NodeSplit with its cost
    bounds, exclusive sets, forbidden pairs  constraints, one row each

Motile keeps costs as float32: compare objectives with a tolerance, or price the answer with the problem's own costs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import ilpy
import motile
import numpy as np
from ilpy.expressions import Constant, Expression
from motile.constraints import Constraint, MaxChildren, MaxParents
from motile.costs import Cost, Weight
from motile.variables import EdgeSelected, EdgeSplitPair, NodeAppear, NodeDisappear, NodeSelected, NodeSplit, Variable
from numpy.typing import NDArray

from tracker.errors import InputError, NoSolutionError, PinConflictError, first_five
from tracker.ilp.problem import TrackingProblem

Edge = tuple[int, int]
Pair = tuple[Edge, Edge]


class KeyedCost(Cost):
    """A cost of its own for each key (node, edge or pair of edges) of one kind of motile variable.

    Unlike motile's NodeAppearCost and NodeDisappearCost it exempts nothing: an end of the movie is free because its
    cost is 0. `weight` scales them all.
    """

    def __init__(self, kind: type[Variable[Any]], costs: Mapping[Any, float], weight: float = 1.0) -> None:
        """`costs` of the variables of `kind`; absent keys cost nothing."""
        self.kind, self.by_key, self.weight = kind, dict(costs), Weight(weight)

    def apply(self, solver: motile.Solver) -> None:
        """Give every variable its cost."""
        variables = solver.get_variables(self.kind)
        for key, cost in self.by_key.items():
            solver.add_variable_cost(variables[key], cost, self.weight)


class ProblemRows(Constraint):
    """Bounds, exclusive sets, forbidden pairs and the choice of divisions of a problem, in motile's variables.

    The columns of the problem are these sums of motile's variables, with E for edges and g for pairs:

        model A  link e_uv = E_uv - sum of g that hold (u,v)     disappear d_u = x_u - sum of E_uv + sum of g of u
        model B  link e_uv = E_uv                                disappear d_u = x_u - sum of E_uv + s_u
        both     appear a_v = x_v - sum of E_uv
    """

    def __init__(self, problem: TrackingProblem) -> None:
        """Take the rows from `problem`."""
        self.problem = problem

    def instantiate(self, solver: motile.Solver) -> Iterator[Expression]:
        """One expression per row; columns that are free and in no set give none."""
        problem = self.problem
        nodes, edges = solver.get_variables(NodeSelected), solver.get_variables(EdgeSelected)
        links, divisions = _edges(problem), _divisions(problem)
        pairs = solver.get_variables(EdgeSplitPair) if divisions else {}
        holding: dict[Edge | int, list[Expression]] = {}  # the pairs that hold an edge, or that are of a node
        for one, other in divisions:
            for key in (one, other, one[0]):
                holding.setdefault(key, []).append(pairs[one, other])

        graph, pair_of = solver.graph, list(divisions)

        def divides(row: int) -> Expression:
            return solver.get_variables(NodeSplit)[row] if problem.split else _sum(holding.get(row, ()))

        def alone(edge: Edge) -> Expression:
            return edges[edge] - _sum(holding.get(edge, ()))

        def childless(row: int) -> Expression:
            return nodes[row] - _sum(edges[edge] for edge in graph.next_edges[row]) + divides(row)

        meaning: dict[str, Callable[[int], Expression]] = {
            "detection": lambda row: nodes[row],
            "link": lambda place: alone(links[place]),
            "division": lambda place: pairs[pair_of[place]],
            "appear": lambda row: nodes[row] - _sum(edges[edge] for edge in graph.prev_edges[row]),
            "disappear": childless,
            "splits": divides,
        }
        for name, value in meaning.items():
            family = getattr(problem.layout, name)
            for place in np.flatnonzero(problem.lower[family] == 1).tolist():
                yield value(place) >= 1
            for place in np.flatnonzero(problem.upper[family] == 0).tolist():
                yield value(place) <= 0
        for edge in edges.keys() - set(links):
            yield alone(edge) <= 0
        for pair in pairs.keys() - divisions.keys():
            yield pairs[pair] <= 0
        for members in problem.exclusive_sets:
            yield _sum(nodes[row] for row in members.tolist()) <= 1
        for first, second in problem.forbidden_pairs.tolist():
            yield edges[links[first]] + edges[links[second]] <= 1


def to_motile(problem: TrackingProblem, frames: NDArray[np.integer]) -> motile.Solver:
    """The problem as a motile solver with the same optimum: nodes are detection rows with their frame as `t`.

    frames: (N,) frame of each detection, earlier for a parent than for its children.
    Solve it with a named backend, `solver.solve(backend=ilpy.Preference.Scip)`: the default takes what is installed.
    Raises InputError for negative appear or disappear costs, repeated links or divisions, and frames that do not fit.
    """
    _refuse(problem, frames)
    layout, cost = problem.layout, problem.cost
    links = dict(zip(_edges(problem), cost[layout.link].tolist(), strict=True))
    divisions = _divisions(problem)
    graph = motile.TrackGraph()
    for row, frame in enumerate(np.asarray(frames).tolist()):
        graph.add_node(row, {"t": frame})
    # The child of a division need not be a candidate link: motile needs an edge for it all the same, and ProblemRows
    # sees to it that it is not used alone. Sorted, so that motile writes its pairs as `_divisions` does.
    for edge in sorted({*links, *(edge for pair in divisions for edge in pair)}):
        graph.add_edge(edge, {})

    solver = motile.Solver(graph)
    for name, kind in (("detection", NodeSelected), ("appear", NodeAppear), ("disappear", NodeDisappear)):
        solver.add_cost(KeyedCost(kind, dict(enumerate(cost[getattr(layout, name)].tolist()))), name)
    solver.add_cost(KeyedCost(EdgeSelected, links), "link")
    if problem.split:
        solver.add_cost(KeyedCost(NodeSplit, dict(enumerate(cost[layout.splits].tolist()))), "split")
    if divisions:
        own = cost[layout.division].tolist()
        extra = {(e, f): own[i] - links.get(e, 0.0) - links.get(f, 0.0) for (e, f), i in divisions.items()}
        solver.add_cost(KeyedCost(EdgeSplitPair, extra), "division")
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2 if divisions or problem.split else 1))
    solver.add_constraint(ProblemRows(problem))
    return solver


def from_motile(problem: TrackingProblem, solver: motile.Solver, solution: ilpy.Solution) -> NDArray[np.bool_]:
    """(columns,) the problem's columns, as the selected nodes and edges of a motile solution have them.

    All other columns follow from these; motile's own indicators, loose where they cost nothing, are not consulted.
    Raises PinConflictError when the problem is infeasible (motile itself would give an empty graph), NoSolutionError
    when the solution is not proven optimal.
    """
    if solution.status in (ilpy.SolverStatus.INFEASIBLE, ilpy.SolverStatus.INF_OR_UNBOUNDED):
        raise PinConflictError(
            "motile found no lineage that satisfies the pins, kept detections and exclusive sets together. "
            "Remove some of them"
        )
    if solution.status is not ilpy.SolverStatus.OPTIMAL:
        raise NoSolutionError(
            f"wanted motile's proven optimum, but it stopped with the status {solution.status.value!r}. "
            "Give it more time or a smaller problem"
        )
    layout, count = problem.layout, problem.n_detections
    chosen = np.asarray(solution.variable_values) > 0.5
    nodes, edges = solver.get_variables(NodeSelected), solver.get_variables(EdgeSelected)
    selected = np.array([chosen[int(nodes[row])] for row in range(count)], bool)
    found = [edge for edge, variable in edges.items() if chosen[int(variable)]]
    parents, children = np.array(found, np.int64).reshape(-1, 2).T
    n_children = np.bincount(parents, minlength=count)
    values = np.zeros(layout.n_columns, bool)
    values[layout.detection] = selected
    values[layout.appear] = selected & (np.bincount(children, minlength=count) == 0)
    values[layout.disappear] = selected & (n_children == 0)
    if problem.split:
        values[layout.splits] = n_children == 2
    as_link = {edge for edge in found if problem.split or n_children[edge[0]] == 1}
    values[layout.link] = [edge in as_link for edge in _edges(problem)]
    values[layout.division] = [set(pair) <= set(found) for pair in _divisions(problem)]
    return values


def solve_with_motile(
    problem: TrackingProblem, frames: NDArray[np.integer], time_limit_s: float = 0.0
) -> NDArray[np.bool_]:
    """(columns,) optimum of the problem by motile and SCIP; a time limit of 0 is none.

    Raises as `to_motile` and `from_motile` do.
    """
    solver = to_motile(problem, frames)
    return from_motile(problem, solver, solver.solve(timeout=time_limit_s, backend=ilpy.Preference.Scip))


def _sum(terms: Iterable[Expression]) -> Expression:
    return sum(terms, start=Constant(0))


def _edges(problem: TrackingProblem) -> list[Edge]:
    """The links in column order, as motile's edges."""
    return [(u, v) for u, v in problem.links.tolist()]


def _divisions(problem: TrackingProblem) -> dict[Pair, int]:
    """The divisions in column order, as motile's pairs of edges, with their number."""
    sorted_children = np.sort(problem.divisions[:, 1:], axis=1).tolist()
    mothers = problem.divisions[:, 0].tolist()
    return {((u, v), (u, w)): i for i, (u, (v, w)) in enumerate(zip(mothers, sorted_children, strict=True))}


def _refuse(problem: TrackingProblem, frames: NDArray[np.integer]) -> None:
    """Raise InputError for what motile cannot hold, or would take for another problem."""
    if np.shape(frames) != (problem.n_detections,):
        raise InputError(f"frames must have shape ({problem.n_detections},), found {np.shape(frames)}")
    for name, rows in (("links", problem.links), ("divisions", problem.divisions)):
        late = np.flatnonzero((frames[rows[:, :1]] >= frames[rows[:, 1:]]).any(axis=1))
        if len(late):
            raise InputError(
                f"{name} must lead to later frames; these do not: {first_five(rows[late].tolist())}. "
                "Give the frames of the detections that the problem was made from"
            )
        distinct = len(_divisions(problem)) if rows is problem.divisions else len(np.unique(rows, axis=0))
        if distinct != len(rows):
            raise InputError(f"{name} must differ from each other; {len(rows) - distinct} are repeated. Drop these")
    for name in ("appear", "disappear"):
        negative = np.flatnonzero(problem.cost[getattr(problem.layout, name)] < 0)
        if len(negative):
            raise InputError(
                f"{name} costs must be 0 or more for motile: its indicators may be 1 although a cell does not "
                f"{name}, and a reward would be paid all the same. Negative for the detections (rows) "
                f"{first_five(negative.tolist())}. Raise these costs, or use the solver of this package"
            )
