"""A store in the memory of one process: for tests, and for what is small."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import StoreLockedError
from tracker.store.interface import UNDECIDED, BlockRecord, BlockSolution, Counts, Part, RunLock, SolvedRows
from tracker.store.place import Place
from tracker.store.region import Region
from tracker.store.rows import CandidateRows, DetectionRows, Header, PinRows
from tracker.store.tables import (
    Table,
    candidates_of,
    check_found,
    check_solution,
    decided_nodes,
    division_dtype,
    edge_dtype,
    in_order,
    is_in,
    keys,
    node_dtype,
    nodes_of,
    to_part,
    to_solved,
    undecided,
)
from tracker.store.text import text


class MemoryStore:
    """Implements `interface.Store`; gone with the process."""

    def __init__(self, place: Place, header: Header) -> None:
        """An empty store."""
        self.place, self.header = place, header
        self._nodes: Table = np.zeros(0, node_dtype(header))
        self._edges: Table = np.zeros(0, edge_dtype(header))
        self._divisions: Table = np.zeros(0, division_dtype(header))
        self._blocks: dict[int, BlockRecord] = {}
        self._pins: dict[str, PinRows] = {}
        self._records = 0
        self._locked = False

    @property
    def arrays(self) -> Path:
        """Folder of the zarr arrays."""
        return self.place.arrays

    def close(self) -> None:
        """Nothing to let go of."""

    @contextmanager
    def lock(self) -> Iterator[RunLock]:
        """The only run in this process."""
        if self._locked:
            raise StoreLockedError("another run works on this store in memory")
        self._locked = True
        try:
            yield _Held()
        finally:
            self._locked = False

    def write_detections(self, rows: DetectionRows) -> None:
        """See `Store`."""
        new = nodes_of(rows, self.header)
        self._clear(np.sort(rows.id))
        self._nodes = in_order(np.concatenate([new, self._nodes]))

    def write_candidates(self, rows: CandidateRows) -> None:
        """See `Store`."""
        links, divisions = candidates_of(rows, self.header)
        self._edges = in_order(np.concatenate([links, self._edges]))
        self._divisions = in_order(np.concatenate([divisions, self._divisions]))

    def read(self, region: Region) -> Part:
        """See `Store`."""
        inside = region.contains(self._nodes["step"], self._nodes["position"][:, 1:])
        ids = self._nodes["id"][inside]
        near = [table[is_in(keys(table), ids).any(axis=1)] for table in (self._edges, self._divisions)]
        ends = np.concatenate([keys(table).ravel() for table in near])
        far = ~inside & is_in(self._nodes["id"], np.unique(ends))
        return to_part(self.header, self._nodes[inside], self._nodes[far], *near)

    def write_solution(self, solution: BlockSolution) -> None:
        """See `Store`."""
        check_solution(solution)
        rows = np.flatnonzero(is_in(self._nodes["id"], solution.id))
        check_found(solution, "detections", solution.id[:, None], self._nodes["id"][rows][:, None])
        places = {}
        for name, table in (("links", self._edges), ("divisions", self._divisions)):
            wanted = np.unique(getattr(solution, name), axis=0)
            chosen = set(map(tuple, wanted.tolist()))
            owned = np.flatnonzero(is_in(table["u"], solution.id))
            places[name] = owned[[tuple(key) in chosen for key in keys(table)[owned].tolist()]] if len(owned) else owned
            check_found(solution, name, wanted, keys(table)[places[name]])
        before = self._nodes["id"][self._nodes["owner"] == solution.block]
        self._clear(np.union1d(before, solution.id))
        changed = self._nodes[rows]
        decided_nodes(changed, solution)
        self._nodes[rows] = changed
        self._edges["selected"][places["links"]] = 1
        self._divisions["selected"][places["divisions"]] = 1
        self._record(solution.block, "done", solution.digest, solution.objective, solution.bound, "", solution.facts)

    def read_solution(self, first_step: int = 0, stop_step: int | None = None) -> Iterator[SolvedRows]:
        """See `Store`."""
        for step in range(first_step, len(self.header.frames) if stop_step is None else stop_step):
            nodes = self._nodes[self._nodes["step"] == step]
            if len(nodes):
                ids = nodes["id"]
                chosen = [table[is_in(table["u"], ids) & (table["selected"] == 1)] for table in self._candidates()]
                yield to_solved(self.header, nodes, keys(chosen[0]), keys(chosen[1]))

    def blocks(self) -> dict[int, BlockRecord]:
        """See `Store`."""
        return dict(self._blocks)

    def mark_failed(self, block: int, digest: str, message: str) -> None:
        """See `Store`."""
        self._record(block, "failed", digest, 0.0, 0.0, message, None)

    def forget_solution(self) -> None:
        """See `Store`."""
        self._clear(self._nodes["id"])
        self._blocks.clear()

    def counts(self) -> Counts:
        """See `Store`."""
        return Counts(
            detections=len(self._nodes),
            links=len(self._edges),
            divisions=len(self._divisions),
            decided=int((self._nodes["owner"] != UNDECIDED).sum()),
            selected_detections=int((self._nodes["selected"] == 1).sum()),
            selected_links=int(self._edges["selected"].sum()),
            selected_divisions=int(self._divisions["selected"].sum()),
        )

    def write_pins(self, source: str, pins: PinRows) -> None:
        """See `Store`."""
        self._pins.pop(text(source), None)
        if len(pins.kind):
            self._pins[source] = pins

    def read_pins(self, sources: Sequence[str] | None = None) -> dict[str, PinRows]:
        """See `Store`."""
        return {name: pins for name, pins in sorted(self._pins.items()) if sources is None or name in sources}

    def _candidates(self) -> tuple[Table, Table]:
        return self._edges, self._divisions

    def _clear(self, ids: NDArray[np.int64]) -> None:
        """Make detections undecided, with the candidates whose parents they are."""
        rows = is_in(self._nodes["id"], ids)
        self._nodes[rows] = undecided(self._nodes[rows])
        for table in self._candidates():
            table["selected"][is_in(table["u"], ids)] = 0

    def _record(
        self, block: int, status: str, digest: str, objective: float, bound: float, message: str, facts: object
    ) -> None:
        self._records += 1
        known = dict(facts) if isinstance(facts, dict) else {}
        self._blocks[block] = BlockRecord(block, status, digest, objective, bound, message, known, self._records)


class _Held:
    def check(self) -> None:
        """A lock in memory cannot be lost."""
