"""A motile model as arrays: its graph, which variables it has, its limits, pins and rows of other authors."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ilpy
import numpy as np
from motile.variables import EdgeMergePair, EdgeSelected, EdgeSplitPair, NodeSelected
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tracker.errors import InputError, first_five
from tracker.motile.recognise import bounds_in
from tracker.motile.vocabulary import NEEDS, ON_EDGES, ON_NODES, Kind, index_map

if TYPE_CHECKING:
    from tracker.motile.solver import Solver

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pin:
    """A value demanded of a variable of motile's own, and who demands it."""

    variable: int
    value: bool
    who: str


@dataclass(frozen=True)
class CustomRows:
    """Rows that are not motile's: low <= matrix @ values <= high over all variables, and what each comes from."""

    matrix: csr_array
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """What a solver holds, in rows of nodes (N) and edges (E).

    edges: (E, 2) rows (parent, child).   pairs: of EdgeSplitPair and EdgeMergePair, (P, 2) edges, where these exist.
    starts: first variable of each kind that exists.   custom: (variables,) True where the kind is not motile's.
    types: (variables,) ilpy's VariableType.   max_parents, max_children: also bounded by the graph itself.
    exclusive: sets of nodes.   pins: values demanded.   rows: all else.
    quadratic: sources of rows that are not linear.
    """

    names: list[Any]
    edge_names: list[Any]
    edges: _Ints
    pairs: dict[Kind, _Ints]
    starts: dict[Kind, int]
    custom: NDArray[np.bool_]
    types: _Ints
    max_parents: int
    max_children: int
    exclusive: list[_Ints]
    pins: list[Pin]
    rows: CustomRows
    custom_kinds: tuple[str, ...]
    quadratic: tuple[str, ...]

    @property
    def n_nodes(self) -> int:
        """Nodes."""
        return len(self.names)

    @property
    def n_variables(self) -> int:
        """Variables of all kinds."""
        return len(self.custom)

    def count(self, kind: Kind) -> int:
        """How many variables of a kind of motile's there are, if it exists."""
        if kind in ON_NODES:
            return self.n_nodes
        return len(self.edges) if kind in ON_EDGES else len(self.pairs.get(kind, ()))

    def variables(self, kind: Kind) -> slice:
        """The variables of a kind that exists."""
        return slice(self.starts[kind], self.starts[kind] + self.count(kind))

    def places(self, kind: Kind, pins: list[Pin]) -> _Ints:
        """Which variables of a kind, counted from its first, some pins are on."""
        if kind not in self.starts:
            return np.empty(0, np.int64)
        place = np.array([pin.variable for pin in pins], np.int64) - self.starts[kind]
        return np.asarray(place[(place >= 0) & (place < self.count(kind))])

    def nodes_of(self, variables: _Ints) -> _Ints:
        """Nodes that any of the variables speaks of."""
        found = [np.empty(0, np.int64)]
        for kind in self.starts:
            place = self.variables(kind)
            own = variables[(variables >= place.start) & (variables < place.stop)] - place.start
            if kind in ON_NODES:
                found.append(own)
            else:
                found.append(self.edges[own if kind in ON_EDGES else self.pairs[kind][own].ravel()].ravel())
        return np.unique(np.concatenate(found))


def read_model(solver: "Solver") -> Model:
    """The model as it is now; raises InputError for a graph whose edges lead nowhere or that grew in between."""
    kinds = solver.variables
    names = list(kinds[NodeSelected]) if NodeSelected in kinds else []
    edge_names = list(kinds[EdgeSelected]) if EdgeSelected in kinds else []
    edges = _edges(solver, names, edge_names)
    place = {edge: row for row, edge in enumerate(edge_names)}
    pairs = {
        kind: np.array([(place[e], place[f]) for e, f in kinds[kind]], np.int64).reshape(-1, 2)
        for kind in (EdgeSplitPair, EdgeMergePair)
        if kind in kinds
    }
    starts = {kind: solver.indices(kind).start for kind in kinds if kind in NEEDS}
    custom = np.zeros(solver.num_variables, bool)
    for kind, variables in kinds.items():
        if kind not in NEEDS:
            custom[np.fromiter(index_map(variables).values(), np.int64, len(variables))] = True
    limits = [
        min([len(edges) if given is None else int(given), int(np.bincount(edges[:, side]).max(initial=0))])
        for given, side in ((solver.constraints.max_parents, 1), (solver.constraints.max_children, 0))
    ]
    pins = [
        Pin(variable, value, who) for variable, own in solver.constraints.pins.items() for value, who in own.items()
    ]
    rest: list[tuple[ilpy.Constraint, str]] = []
    for row, source in solver.constraints.custom:
        bounds = list(bounds_in(row))
        if bounds and not custom[[index for index, _ in bounds]].any() and not row.get_quadratic_coefficients():
            pins += [Pin(index, value, f"{source} of {_called(solver, index)} = {value}") for index, value in bounds]
        else:
            rest.append((row, source))
    return Model(
        names=names,
        edge_names=edge_names,
        edges=edges,
        pairs=pairs,
        starts=starts,
        custom=custom,
        types=np.array([solver.variable_types[index] for index in range(solver.num_variables)], np.int64),
        max_parents=limits[0],
        max_children=limits[1],
        exclusive=[np.array(own, np.int64) - starts[NodeSelected] for own in solver.constraints.exclusive],
        pins=pins,
        rows=_rows(rest, solver.num_variables),
        custom_kinds=tuple(kind.__name__ for kind in kinds if kind not in NEEDS),
        quadratic=tuple(source for row, source in rest if row.get_quadratic_coefficients()),
    )


def check_edges(graph: Any) -> None:
    """Raise InputError for edges between nodes that are not there, and edges added twice."""
    astray = [edge for edge in graph.edges if edge[0] not in graph.nodes or edge[1] not in graph.nodes]
    if astray:
        raise InputError(
            f"every edge must join two nodes of the graph; not so: {first_five(astray)}. TrackGraph leaves out nodes "
            f"without the frame attribute {graph.frame_attribute!r}, silently, but keeps their edges: give every node "
            "its frame, or drop these edges"
        )
    repeated = _repeated(edge for edges in graph.next_edges.values() for edge in edges)
    if repeated:
        raise InputError(
            f"every edge may be added once; more often: {first_five(repeated)}. motile would count each of them "
            "as a child of its own"
        )
    timeless = [node for node, data in graph.nodes.items() if data.get(graph.frame_attribute) is None]
    if timeless:
        raise InputError(
            f"every node needs a frame; the attribute {graph.frame_attribute!r} is missing or None for "
            f"{first_five(timeless)}"
        )


def _repeated(edges: Iterable[Any]) -> list[Any]:
    return [edge for edge, times in Counter(edges).items() if times > 1]


def _edges(solver: "Solver", names: list[Any], edge_names: list[Any]) -> _Ints:
    graph = solver.graph
    grown = len(graph.nodes) != len(names) or (bool(edge_names) and len(graph.edges) != len(edge_names))
    if names and grown:
        raise InputError(
            f"the graph changed after its variables were made: {len(names)} nodes and {len(edge_names)} edges then, "
            f"{len(graph.nodes)} and {len(graph.edges)} now. Make a new Solver"
        )
    row = {node: number for number, node in enumerate(names)}
    flat = np.fromiter((row[end] for edge in edge_names for end in edge), np.int64, 2 * len(edge_names))
    return flat.reshape(-1, 2)


def _called(solver: "Solver", variable: int) -> str:
    for kind, variables in solver.variables.items():
        for key, index in index_map(variables).items():
            if index == variable:
                return f"{kind.__name__}({key!r})"
    return f"variable {variable}"


def _rows(rows: list[tuple[ilpy.Constraint, str]], n_variables: int) -> CustomRows:
    indices: list[int] = []
    values: list[float] = []
    starts, low, high = [0], [], []
    for row, _ in rows:
        coefficients, relation = row.get_coefficients(), row.get_relation()
        indices += coefficients.keys()
        values += coefficients.values()
        starts.append(len(indices))
        low.append(-np.inf if relation == ilpy.Relation.LessEqual else row.get_value())
        high.append(np.inf if relation == ilpy.Relation.GreaterEqual else row.get_value())
    matrix = csr_array((np.array(values, float), np.array(indices, int), np.array(starts)), (len(rows), n_variables))
    return CustomRows(matrix, np.array(low, float), np.array(high, float), tuple(source for _, source in rows))
