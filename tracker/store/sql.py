"""What SQLite and PostgreSQL have in common: the statements. How rows travel is each one's own.

funlib.persistence makes the tables `nodes` and `edges` and reads them; but it pastes values into its SQL as text (NaN,
None and quotes break), keeps old attributes where a row is written again, truncates positions to whole numbers,
commits row by row and knows neither divisions nor blocks. So all rows go through the statements here, on its tables.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.store.interface import UNDECIDED, BlockRecord, BlockSolution, Counts, Part, SolvedRows
from tracker.store.place import Place
from tracker.store.region import Region
from tracker.store.rows import CandidateRows, DetectionRows, Header, PinRows
from tracker.store.tables import (
    DUALS,
    STATES,
    Table,
    candidates_of,
    check_found,
    check_solution,
    decided_nodes,
    division_dtype,
    edge_dtype,
    is_in,
    keys,
    node_dtype,
    nodes_of,
    to_part,
    to_solved,
)
from tracker.store.text import facts_to_json, text


class SqlStore(ABC):
    """Everything of `interface.Store` that two databases do alike."""

    JOIN: ClassVar[str]  # of the ids that are wanted with a large table; must not be turned round
    NEXT_ORDER: ClassVar[str]  # number of the next record, in SQL

    def __init__(self, place: Place, header: Header) -> None:
        """Know the tables."""
        self.place, self.header = place, header
        self._dtypes = {"nodes": node_dtype(header), "edges": edge_dtype(header), "divisions": division_dtype(header)}

    @property
    def arrays(self) -> Path:
        """Folder of the zarr arrays."""
        return self.place.arrays

    # How each database does it

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[None]:
        """All that is written inside is committed together, or not at all."""

    @abstractmethod
    def _snapshot(self) -> AbstractContextManager[None]:
        """All that is read inside is of one moment."""

    @abstractmethod
    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """A few rows."""

    @abstractmethod
    def _change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; how many rows it changed."""

    @abstractmethod
    def _table(self, name: str, rest: str, parameters: Sequence[object] = ()) -> Table:
        """Whole rows of a table, any number: SELECT its columns, then `rest`, which begins with FROM."""

    @abstractmethod
    def _upsert(self, name: str, table: Table) -> None:
        """Write rows; replace those whose key is there."""

    @abstractmethod
    def _wanted(self, ids: NDArray[np.int64]) -> str:
        """A relation with the column `wanted.id`, to be named after FROM; good until the next call."""

    @abstractmethod
    def _decide(self, table: Table) -> None:
        """Update the decisions of detections."""

    @abstractmethod
    def _choose(self, name: str, ids: NDArray[np.int64], selected: int) -> int:
        """Set `selected` of edges or divisions given by their keys (K, k); how many there were."""

    @abstractmethod
    def _axis(self, axis: int) -> str:
        """One coordinate of a position in SQL; 0 is t."""

    # Ingest

    def write_detections(self, rows: DetectionRows) -> None:
        """See `Store`."""
        table = nodes_of(rows, self.header)
        with self._transaction():
            self._clear(rows.id)
            self._upsert("nodes", table)

    def write_candidates(self, rows: CandidateRows) -> None:
        """See `Store`."""
        links, divisions = candidates_of(rows, self.header)
        with self._transaction():
            if len(links):
                self._upsert("edges", links)
            if len(divisions):
                self._upsert("divisions", divisions)

    # Regions

    def read(self, region: Region) -> Part:
        """See `Store`."""
        with self._snapshot():
            inside = self._inside(region)
            ids = np.sort(inside["id"])
            near = {}
            for name, ends in (("edges", "uv"), ("divisions", "uvw")):
                relation = self._wanted(ids) if len(ids) else ""
                found = [
                    self._table(name, f"FROM {relation} {self.JOIN} {name} ON {name}.{end} = wanted.id")
                    for end in ends
                    if len(ids)
                ]
                near[name] = np.concatenate([np.empty(0, self._dtypes[name]), *found])
            members = np.unique(np.concatenate([keys(table).ravel() for table in near.values()]))
            far = members[~is_in(members, ids)]
            outside = inside[:0]
            if len(far):
                outside = self._table("nodes", f"FROM {self._wanted(far)} {self.JOIN} nodes ON nodes.id = wanted.id")
        return to_part(self.header, inside, outside, near["edges"], near["divisions"])

    def _inside(self, region: Region) -> Table:
        frames = self.header.frames[max(0, region.first_step) : max(0, region.stop_step)]
        if not len(frames):
            return np.empty(0, self._dtypes["nodes"])
        time = self._axis(0)
        if region.box is None:
            return self._table(
                "nodes", f"FROM nodes WHERE {time} BETWEEN ? AND ?", [float(frames[0]), float(frames[-1])]
            )
        terms, bounds = [f"{time} = ?"], []  # frame by frame, so that the index narrows the first axis of space, too
        for axis, (low, high) in enumerate(region.box.T.tolist(), start=1):
            for sign, bound in ((">=", low), ("<", high)):
                if np.isfinite(bound):
                    terms.append(f"{self._axis(axis)} {sign} ?")
                    bounds.append(bound)
                elif (bound > 0) == (sign == ">="):
                    return np.empty(0, self._dtypes["nodes"])  # from infinity on, or up to minus infinity
        where = f"FROM nodes WHERE {' AND '.join(terms)}"
        return np.concatenate(
            [self._table("nodes", where, [frame, *bounds]) for frame in frames.astype(float).tolist()]
        )

    # Solution

    def write_solution(self, solution: BlockSolution) -> None:
        """See `Store`."""
        check_solution(solution)
        facts = facts_to_json(solution.facts)
        with self._transaction():
            if self._rows("SELECT 1 FROM blocks WHERE block = ?", [int(solution.block)]):
                rows = self._rows("SELECT id FROM nodes WHERE owner >= 0 AND owner = ?", [int(solution.block)])
                before = np.array(rows, np.int64).ravel()
                self._clear(before[~is_in(before, solution.id)])
            self._check_there(solution, "detections", "nodes", solution.id[:, None])
            table = np.zeros(len(solution.id), self._dtypes["nodes"])
            table["id"] = solution.id
            decided_nodes(table, solution)
            self._decide(table)
            for name, what in (("edges", "links"), ("divisions", "divisions")):
                self._choose_alone(solution, name, what)
            self._record(solution.block, "done", solution.digest, solution.objective, solution.bound, "", facts)

    def _choose_alone(self, solution: BlockSolution, name: str, what: str) -> None:
        """Choose what the solution says, and nothing else of these parents; touch only the rows that change."""
        new = np.unique(getattr(solution, what), axis=0)
        old = np.empty((0, new.shape[1]), np.int64)
        if len(solution.id):
            ends = ", ".join(f"{name}.{end}" for end in "uvw"[: new.shape[1]])
            relation = f"{self._wanted(solution.id)} {self.JOIN} {name} ON {name}.u = wanted.id"
            rows = self._rows(f"SELECT {ends} FROM {relation} WHERE {name}.selected = 1")
            old = np.array(rows, np.int64).reshape(len(rows), new.shape[1])
        was, will = set(map(tuple, old.tolist())), set(map(tuple, new.tolist()))
        dropped, added = (np.array(sorted(rows), np.int64) for rows in (was - will, will - was))
        if len(dropped):
            self._choose(name, dropped, 0)
        if len(added) and self._choose(name, added, 1) != len(added):
            self._check_there(solution, what, name, new)

    def _check_there(self, solution: BlockSolution, what: str, name: str, ids: NDArray[np.int64]) -> None:
        if not len(ids):
            return
        first = "id" if name == "nodes" else "u"
        parents = np.unique(ids[:, 0])
        columns = ", ".join(
            f"{name}.{column}" for column in ("id", "u", "v", "w") if column in (self._dtypes[name].names or ())
        )
        relation = self._wanted(parents)
        rows = self._rows(f"SELECT {columns} FROM {relation} {self.JOIN} {name} ON {name}.{first} = wanted.id")
        found = np.array(rows, np.int64).reshape(-1, ids.shape[1])
        wanted = set(map(tuple, ids.tolist()))
        check_found(
            solution, what, ids, found[[tuple(row) in wanted for row in found.tolist()]] if len(found) else found
        )

    def _clear(self, ids: NDArray[np.int64]) -> None:
        """Make detections undecided, with the candidates whose parents they are."""
        if not len(ids):
            return
        relation = self._wanted(np.unique(ids))
        decided = self._rows(
            f"SELECT nodes.id FROM {relation} {self.JOIN} nodes ON nodes.id = wanted.id WHERE owner <> {UNDECIDED}"
        )
        if not decided:
            return
        changed = np.array(decided, np.int64).ravel()
        table = np.zeros(len(changed), self._dtypes["nodes"])
        table["id"] = changed
        for name in ("owner", *STATES):
            table[name] = UNDECIDED
        self._decide(table)
        relation = self._wanted(changed)
        for name in ("edges", "divisions"):
            self._change(
                f"UPDATE {name} SET selected = 0 WHERE selected = 1 AND u IN (SELECT wanted.id FROM {relation})"
            )

    def read_solution(self, first_step: int = 0, stop_step: int | None = None) -> Iterator[SolvedRows]:
        """See `Store`; each stretch is of one moment."""
        stop = len(self.header.frames) if stop_step is None else stop_step
        for step in range(max(0, first_step), min(stop, len(self.header.frames))):
            with self._snapshot():
                nodes = self._inside(Region(step, step + 1))
                nodes = nodes[np.argsort(nodes["id"])]
                if not len(nodes):
                    continue
                ids = np.ascontiguousarray(nodes["id"])
                chosen = []
                for name, ends in (("edges", "u, v"), ("divisions", "u, v, w")):
                    where = "WHERE selected = 1 AND u BETWEEN ? AND ?"
                    rows = self._rows(f"SELECT {ends} FROM {name} {where} ORDER BY {ends}", [int(ids[0]), int(ids[-1])])
                    found = np.array(rows, np.int64).reshape(len(rows), len(ends.split(", ")))
                    chosen.append(found[is_in(found[:, 0], ids)])
            yield to_solved(self.header, nodes, chosen[0], chosen[1])

    def blocks(self) -> dict[int, BlockRecord]:
        """See `Store`."""
        columns = "block, status, digest, objective, bound, message, facts, ord"
        rows = self._rows(f"SELECT {columns} FROM blocks ORDER BY block")
        return {row[0]: BlockRecord(*row[:-2], json.loads(row[-2]), row[-1]) for row in rows}  # type: ignore[call-arg]

    def mark_failed(self, block: int, digest: str, message: str) -> None:
        """See `Store`."""
        with self._transaction():
            self._record(block, "failed", digest, 0.0, 0.0, message.replace("\0", " "), "{}")

    def _record(
        self, block: int, status: str, digest: str, objective: float, bound: float, message: str, facts: str
    ) -> None:
        self._change("DELETE FROM blocks WHERE block = ?", [int(block)])
        self._change(
            "INSERT INTO blocks (block, status, digest, objective, bound, message, facts, ord) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?, {self.NEXT_ORDER})",
            [int(block), status, text(digest), float(objective), float(bound), message, facts],
        )

    def forget_solution(self) -> None:
        """See `Store`."""
        values = ", ".join([f"{name} = {UNDECIDED}" for name in ("owner", *STATES)] + [f"{name} = 0" for name in DUALS])
        with self._transaction():
            self._change(f"UPDATE nodes SET {values} WHERE owner <> {UNDECIDED}")
            for name in ("edges", "divisions"):
                self._change(f"UPDATE {name} SET selected = 0 WHERE selected = 1")
            self._change("DELETE FROM blocks")

    def counts(self) -> Counts:
        """See `Store`."""
        tables = ("nodes", "edges", "divisions")
        wanted = [*tables, f"nodes WHERE owner <> {UNDECIDED}", *(f"{name} WHERE selected = 1" for name in tables)]
        with self._snapshot():
            found = [self._rows(f"SELECT COUNT(*) FROM {what}")[0][0] for what in wanted]
        return Counts(*found)

    # Pins

    def write_pins(self, source: str, pins: PinRows) -> None:
        """See `Store`."""
        text(source)
        with self._transaction():
            self._change("DELETE FROM pins WHERE source = ?", [source])
            for kind, ids, value in zip(pins.kind.tolist(), pins.id.tolist(), pins.value.tolist(), strict=True):
                self._change("INSERT INTO pins VALUES (?, ?, ?, ?, ?, ?)", [source, kind, *ids, int(value)])

    def read_pins(self, sources: Sequence[str] | None = None) -> dict[str, PinRows]:
        """See `Store`."""
        rows = self._rows("SELECT source, kind, id0, id1, id2, value FROM pins ORDER BY source, kind, id0, id1, id2")
        found: dict[str, list[tuple[int, ...]]] = {}
        for source, *numbers in rows:
            if sources is None or source in sources:
                found.setdefault(source, []).append(tuple(numbers))
        tables = {source: np.array(numbers, np.int64) for source, numbers in found.items()}
        return {source: PinRows(t[:, 0].astype(np.int8), t[:, 1:4], t[:, 4] == 1) for source, t in tables.items()}
