"""The tables of a store as structured arrays: one dtype for memory, for SQLite's rows and for PostgreSQL's.

Three tables. `nodes` and `edges` are those of funlib.persistence, `divisions` is beside them, for that library knows
no hyperedges:

    nodes      id, position (t, [z,] y, x; t = frame), step, frame, label, prices, keep, columns | owner, selected, ...
    edges      u, v, cost, columns | selected
    divisions  u, v, w, cost, columns | selected

`selected` of an edge or division is 1 when it is chosen, else 0, also while its parent is undecided: so committing a
block changes the chosen rows alone, a tenth of all. Whether a 0 is a decision is known from the parent's owner.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tracker.errors import StoreError, first_five
from tracker.store.interface import UNDECIDED, BlockSolution, Part, SolvedRows
from tracker.store.rows import CandidateRows, DetectionRows, Header
from tracker.store.text import facts_to_json, text

PRICES = ("appear_cost", "disappear_cost", "detection_cost")
STATES = ("selected", "appear", "disappear")
DUALS = ("dual_in", "dual_out", "dual_cap")
DECISIONS = ("owner", *STATES, *DUALS)
Table = NDArray[np.void]
# Beside nodes and edges; `ord` counts records, so that nothing depends on the clock.
OWN_TABLES = (
    "CREATE TABLE blocks (block BIGINT PRIMARY KEY, status TEXT NOT NULL, digest TEXT NOT NULL, "
    "objective DOUBLE PRECISION NOT NULL, bound DOUBLE PRECISION NOT NULL, message TEXT NOT NULL, facts TEXT NOT NULL, "
    "ord BIGINT NOT NULL)",
    "CREATE TABLE pins (source TEXT NOT NULL, kind BIGINT NOT NULL, id0 BIGINT NOT NULL, id1 BIGINT NOT NULL, "
    "id2 BIGINT NOT NULL, value BIGINT NOT NULL)",
)
INDICES = (
    "CREATE INDEX nodes_owner ON nodes (owner) WHERE owner >= 0",
    "CREATE INDEX edges_into ON edges (v)",
    "CREATE INDEX edges_chosen ON edges (u, v) WHERE selected = 1",
    "CREATE INDEX divisions_first ON divisions (v)",
    "CREATE INDEX divisions_second ON divisions (w)",
    "CREATE INDEX divisions_chosen ON divisions (u, v, w) WHERE selected = 1",
)


def node_dtype(header: Header) -> np.dtype[np.void]:
    """One detection; `position` is t, then space."""
    fields: list[tuple[str, DTypeLike] | tuple[str, DTypeLike, tuple[int, ...]]] = [
        ("id", np.int64),
        ("position", np.float64, (header.ndim + 1,)),
        *((name, np.int64) for name in ("step", "frame", "label")),
        *((name, np.float64) for name in PRICES),
        ("keep", np.int64),
        *((name, np.float64) for name in header.detection_columns),
        ("owner", np.int64),
        *((name, np.int64) for name in STATES),
        *((name, np.float64) for name in DUALS),
    ]
    return np.dtype(fields)


def edge_dtype(header: Header) -> np.dtype[np.void]:
    """One link."""
    return np.dtype(_candidate(("u", "v"), header.link_columns))


def division_dtype(header: Header) -> np.dtype[np.void]:
    """One division."""
    return np.dtype(_candidate(("u", "v", "w"), header.division_columns))


def _candidate(ends: tuple[str, ...], columns: tuple[str, ...]) -> list[tuple[str, DTypeLike]]:
    numbers = [(name, np.float64) for name in ("cost", *columns)]
    return [*((name, np.int64) for name in ends), *numbers, ("selected", np.int64)]


def keys(table: Table) -> NDArray[np.int64]:
    """(n, k) the columns that make a row unique."""
    names = [name for name in ("id", "u", "v", "w") if name in (table.dtype.names or ())]
    return np.stack([table[name] for name in names], axis=1)


def nodes_of(rows: DetectionRows, header: Header) -> Table:
    """Detections as undecided rows. Raises StoreError where they do not fit the header."""
    _same_columns("detection", rows.columns, header.detection_columns)
    if rows.position.shape[1] != header.ndim:
        raise StoreError(f"positions must have {header.ndim} axes, found {rows.position.shape[1]}")
    lost = (rows.step < 0) | (rows.step >= len(header.frames))
    lost[~lost] = header.frames[rows.step[~lost]] != rows.frame[~lost]
    if lost.any():
        raise StoreError(
            f"step and frame disagree with the frames of the store; ids {first_five(rows.id[lost].tolist())}"
        )
    table = np.zeros(len(rows), node_dtype(header))
    for name in ("id", "step", "frame", "label", "keep", *PRICES):
        table[name] = getattr(rows, name)
    table["position"][:, 0], table["position"][:, 1:] = rows.frame, rows.position
    for name, column in rows.columns.items():
        table[name] = column
    return undecided(table)


def undecided(table: Table) -> Table:
    """Make detections undecided, in place."""
    for name in ("owner", *STATES):
        table[name] = UNDECIDED
    for name in DUALS:
        table[name] = 0.0
    return table


def decided_nodes(table: Table, solution: BlockSolution) -> None:
    """Put a block's decisions into its detections, in place and in the order of the block's ids."""
    table["owner"] = solution.block
    for name in (*STATES, "dual_in", "dual_out"):
        table[name] = getattr(solution, name)
    table["dual_cap"] = 0.0 if solution.dual_cap is None else solution.dual_cap


def candidates_of(rows: CandidateRows, header: Header) -> tuple[Table, Table]:
    """Links and divisions as rows. Raises StoreError where they do not fit the header."""
    _same_columns("link", rows.link_columns, header.link_columns)
    _same_columns("division", rows.division_columns, header.division_columns)
    if len(rows.divisions) and header.divisions != "pair":
        raise StoreError(f'divisions with a cost of their own need divisions = "pair", this is "{header.divisions}"')
    tables = []
    for dtype, ids, cost, columns in (
        (edge_dtype(header), rows.links, rows.link_cost, rows.link_columns),
        (division_dtype(header), rows.divisions, rows.division_cost, rows.division_columns),
    ):
        table = np.zeros(len(ids), dtype)
        for place, name in enumerate("uvw"[: ids.shape[1]]):
            table[name] = ids[:, place]
        table["cost"] = cost
        for name, column in columns.items():
            table[name] = column
        tables.append(table)
    return tables[0], tables[1]


def _same_columns(kind: str, found: Mapping[str, object], wanted: tuple[str, ...]) -> None:
    if set(found) != set(wanted):
        raise StoreError(
            f"this store keeps the {kind} columns {list(wanted)}, found {list(found)}: name them when it is made"
        )


def check_solution(solution: BlockSolution) -> None:
    """Raise StoreError for what no block may write."""
    count = len(solution.id)
    if solution.block < 0:
        raise StoreError(f"blocks are numbered from 0, found {solution.block}")
    if np.any(np.diff(solution.id) <= 0):
        raise StoreError(f"block {solution.block} must name its detections once each, in increasing order")
    numbers = {"dual_in": solution.dual_in, "dual_out": solution.dual_out}
    if solution.dual_cap is not None:
        numbers["dual_cap"] = solution.dual_cap
    for name, values in numbers.items():
        if values.shape != (count,) or not np.isfinite(values).all():
            raise StoreError(f"{name} of block {solution.block} must be ({count},) finite numbers")
    for name in STATES:
        if getattr(solution, name).shape != (count,) or getattr(solution, name).dtype != bool:
            raise StoreError(f"{name} of block {solution.block} must be ({count},) bool")
    text(solution.digest)
    facts_to_json(solution.facts)
    if not np.isfinite([solution.objective, solution.bound]).all():
        raise StoreError(f"objective and bound of block {solution.block} must be finite")
    for name, ends in (("links", 2), ("divisions", 3)):
        chosen = getattr(solution, name)
        if chosen.ndim != 2 or chosen.shape[1] != ends:
            raise StoreError(f"{name} of block {solution.block} must be (K, {ends}) ids, found {chosen.shape}")
        foreign = chosen[~is_in(chosen[:, 0], solution.id)]
        if len(foreign):
            raise StoreError(
                f"block {solution.block} owns the {name} of its own parents; others: {first_five(foreign.tolist())}"
            )


def check_found(solution: BlockSolution, name: str, wanted: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    """Raise StoreError naming the rows of `wanted` (n, k) that are not among `found` (m, k)."""
    if len(wanted) == len(found):
        return
    there = set(map(tuple, found.tolist()))
    missing = [row for row in wanted.tolist() if tuple(row) not in there]
    raise StoreError(f"block {solution.block} decides {name} that are not in the store: {first_five(missing)}")


def is_in(ids: NDArray[np.int64], increasing: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ids (any shape) are in an increasing array."""
    if not len(increasing):
        return np.zeros(np.shape(ids), bool)
    place = np.minimum(np.searchsorted(increasing, ids), len(increasing) - 1)
    return np.asarray(increasing[place] == ids, bool)


def in_order(table: Table) -> Table:
    """Rows sorted by their keys, each once."""
    key = keys(table)
    order = np.lexsort(key.T[::-1])
    key = key[order]
    first = np.append(True, (key[1:] != key[:-1]).any(axis=1))[: len(key)]
    return table[order[first]]


def to_part(header: Header, inside: Table, far: Table, edges: Table, divisions: Table) -> Part:
    """The part of a region: `far` are the ends of candidates outside. Raises StoreError where ends are missing."""
    nodes = in_order(np.concatenate([inside, far]))
    ids = np.ascontiguousarray(nodes["id"])
    edges, divisions = in_order(edges), in_order(divisions)
    ends, members = keys(edges), keys(divisions)
    for kind, found in (("links", ends), ("divisions", members)):
        dangling = found[~is_in(found, ids).all(axis=1)]
        if len(dangling):
            raise StoreError(
                f"the store holds {kind} to detections that were never written, ids {first_five(dangling.tolist())}. "
                "Its filling was interrupted: fill it again"
            )
    rows, members = np.searchsorted(ids, ends), np.searchsorted(ids, members)
    owner = np.ascontiguousarray(nodes["owner"])
    return Part(
        detections=detections_of(nodes, header),
        inside=is_in(ids, np.sort(inside["id"])),
        **_decisions(nodes),
        links=rows,
        link_cost=np.ascontiguousarray(edges["cost"]),
        link_selected=_state(edges, owner[rows[:, 0]]),
        link_columns={name: np.ascontiguousarray(edges[name]) for name in header.link_columns},
        divisions=members,
        division_cost=np.ascontiguousarray(divisions["cost"]),
        division_selected=_state(divisions, owner[members[:, 0]]),
        division_columns={name: np.ascontiguousarray(divisions[name]) for name in header.division_columns},
    )


def to_solved(header: Header, nodes: Table, links: NDArray[np.int64], divisions: NDArray[np.int64]) -> SolvedRows:
    """Rows of a solution; links and divisions are the chosen ones, as sorted ids."""
    return SolvedRows(detections=detections_of(nodes, header), **_decisions(nodes), links=links, divisions=divisions)


def detections_of(nodes: Table, header: Header) -> DetectionRows:
    """The written part of rows."""
    plain = {name: np.ascontiguousarray(nodes[name]) for name in ("id", "step", "frame", "label", *PRICES)}
    return DetectionRows(
        **plain,
        position=np.ascontiguousarray(nodes["position"][:, 1:]),
        keep=nodes["keep"] == 1,
        columns={name: np.ascontiguousarray(nodes[name]) for name in header.detection_columns},
    )


def _state(table: Table, owner_of_parent: NDArray[np.int64]) -> NDArray[np.int8]:
    return np.where(owner_of_parent == UNDECIDED, UNDECIDED, table["selected"]).astype(np.int8)


def _decisions(nodes: Table) -> dict[str, Any]:
    open_ones = nodes["owner"] == UNDECIDED
    duals = {name: np.where(open_ones, np.nan, nodes[name]) for name in DUALS}
    return {"owner": nodes["owner"].copy(), **{name: nodes[name].astype(np.int8) for name in STATES}, **duals}
