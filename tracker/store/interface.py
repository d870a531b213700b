"""What a store is: detections, candidates and solution of one run, read and written by region and by block.

A store holds one priced program whose detections do not fit, or need not fit, into one process. Three kinds keep the
same promises (`memory.py`, `sqlite.py`, `postgres.py`) and pass the same tests. The rules:

- A detection's *id* is its row among the detections of the whole run (sorted by frame, then label), int64 from 0.
- Ownership goes by detection: the block that owns u owns x_u, its appearance and disappearance, and every link and
  division *whose parent is u*. So a link is decided exactly when its parent is, and each has one owner.
- What is written again replaces what was there. Every method that writes is one transaction: all of it, or nothing.
- Costs, positions and duals are finite float64 (not 32-bit); further columns may be NaN or infinite. All come back to
  the last bit.
- Nothing depends on the clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.store.place import Place
from tracker.store.region import Region
from tracker.store.rows import CandidateRows, DetectionRows, Header, PinRows

SCHEMA_VERSION = 1
UNDECIDED = -1


@dataclass(frozen=True)
class Part:
    """What `read` found around a region, ready to become a program. A *row* is an index into its detections.

    detections: n of them, sorted by id, each whole: those inside the region, and the far ends of their candidates.
    inside: (n,) bool, in the region itself.
    selected, appear, disappear: (n,) int8, -1 = undecided, else 0 or 1.   owner: (n,) int64 block, -1 = undecided.
    dual_in, dual_out, dual_cap: (n,) float64 multipliers of the rows in(v), out(v), cap(v) as the owner wrote them
        (signs as in tracker/ilp/rows.py); NaN = undecided.
    links: (E, 2) int64 rows (parent, child), sorted, every one that has an end inside.
    link_selected: (E,) int8, -1 exactly where the parent is undecided.
    divisions: (H, 3) int64 rows (parent, child, child), child rows increasing, sorted; every one with a member inside.
    division_selected: (H,) int8 likewise.
    link_cost (E,), division_cost (H,) float64; link_columns, division_columns: what else was written.
    """

    detections: DetectionRows
    inside: NDArray[np.bool_]
    selected: NDArray[np.int8]
    appear: NDArray[np.int8]
    disappear: NDArray[np.int8]
    owner: NDArray[np.int64]
    dual_in: NDArray[np.float64]
    dual_out: NDArray[np.float64]
    dual_cap: NDArray[np.float64]
    links: NDArray[np.int64]
    link_cost: NDArray[np.float64]
    link_selected: NDArray[np.int8]
    link_columns: Mapping[str, NDArray[np.float64]]
    divisions: NDArray[np.int64]
    division_cost: NDArray[np.float64]
    division_selected: NDArray[np.int8]
    division_columns: Mapping[str, NDArray[np.float64]]

    @property
    def id(self) -> NDArray[np.int64]:
        """(n,) ids, increasing; `id[links]` are the links as ids."""
        return self.detections.id

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of ids, any shape; -1 where this part does not have them."""
        if not len(self.id):
            return np.full(np.shape(ids), -1, np.int64)
        place = np.minimum(np.searchsorted(self.id, ids), len(self.id) - 1)
        return np.where(self.id[place] == ids, place, -1).astype(np.int64)


@dataclass(frozen=True)
class BlockSolution:
    """What one block decided about the n detections that it owns.

    block: its number, >= 0.   digest: what its answer depends on, to know on resuming whether it still holds.
    id: (n,) int64 increasing.   selected, appear, disappear: (n,) bool.
    dual_in, dual_out: (n,) float64, finite.   dual_cap: likewise, for the split model; None = 0.
    links: (K, 2) int64 *ids* of the selected links whose parent is in `id`; all other links of these parents are 0.
    divisions: (K, 3) int64 ids (parent, child, child), child ids increasing, of the selected divisions likewise.
    objective, bound: the block's own, for a person; `facts`: anything else worth keeping (seconds, proof), as JSON.
    """

    block: int
    digest: str
    id: NDArray[np.int64]
    selected: NDArray[np.bool_]
    appear: NDArray[np.bool_]
    disappear: NDArray[np.bool_]
    dual_in: NDArray[np.float64]
    dual_out: NDArray[np.float64]
    links: NDArray[np.int64]
    divisions: NDArray[np.int64]
    dual_cap: NDArray[np.float64] | None = None
    objective: float = 0.0
    bound: float = 0.0
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True)
class BlockRecord:
    """The last word about a block. status: "done" or "failed".   message: why it failed, else "".

    order: later records have larger numbers, whatever the clock said.
    """

    block: int
    status: str
    digest: str
    objective: float
    bound: float
    message: str
    facts: Mapping[str, object]
    order: int


@dataclass(frozen=True)
class SolvedRows:
    """A stretch of the solution: n detections sorted by id, and the chosen links and divisions of these parents.

    selected, appear, disappear: (n,) int8, -1 = undecided.   owner: (n,) int64.   duals: as in `Part`.
    links: (K, 2), divisions: (K, 3) int64 ids, sorted.
    """

    detections: DetectionRows
    selected: NDArray[np.int8]
    appear: NDArray[np.int8]
    disappear: NDArray[np.int8]
    owner: NDArray[np.int64]
    dual_in: NDArray[np.float64]
    dual_out: NDArray[np.float64]
    dual_cap: NDArray[np.float64]
    links: NDArray[np.int64]
    divisions: NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """How many rows there are, and what became of them."""

    detections: int
    links: int
    divisions: int
    decided: int
    selected_detections: int
    selected_links: int
    selected_divisions: int


class RunLock(Protocol):
    """The right to be the one run that works on a store."""

    def check(self) -> None:
        """Raise StoreLostError when the lock is ours no more (its connection to the server died)."""


class Store(Protocol):
    """A store that is open in this process. Not shared between threads or processes: each opens its own.

    Raises, everywhere: StoreError (full disk, read-only, rows that are not what they should be), StoreLostError where
    the connection died: then the transaction left nothing behind, and may be repeated on a store opened anew.
    """

    @property
    def place(self) -> Place:
        """Where it is; can be pickled, so that workers open their own with `open_store(place)`."""

    @property
    def header(self) -> Header:
        """What it was made for."""

    def close(self) -> None:
        """Let go of files and connections; may be called twice."""

    def lock(self) -> AbstractContextManager[RunLock]:
        """Be the only run. Workers of the run do not take it. Dies with the process.

        Raises StoreLockedError at once where another run holds it.
        """

    # Ingest

    def write_detections(self, rows: DetectionRows) -> None:
        """Add detections; where an id is there already it is replaced, and its decisions are undecided again."""

    def write_candidates(self, rows: CandidateRows) -> None:
        """Add links and divisions between detections that are written (before or later, but before any `read`).

        A link or division that is there already is replaced, its decision with it: undecided, if its parent is
        undecided, else not selected.
        """

    # Regions

    def read(self, region: Region) -> Part:
        """All detections of a region with every candidate that touches them, whole.

        Raises StoreError naming candidates whose ends were never written.
        """

    # Solution

    def write_solution(self, solution: BlockSolution) -> None:
        """Commit a block and mark it done, in one transaction.

        Replaces what the same block wrote before (detections it owned then and does not name now are undecided again);
        takes detections over from other blocks, decisions and all. Raises StoreError where ids, links or divisions
        are not in the store, or a parent is not among the ids.
        """

    def read_solution(self, first_step: int = 0, stop_step: int | None = None) -> Iterator[SolvedRows]:
        """The solution of a half-open range of steps, a few steps at a time, in the order of ids."""

    def blocks(self) -> dict[int, BlockRecord]:
        """The record of every block that was done or failed."""

    def mark_failed(self, block: int, digest: str, message: str) -> None:
        """Note that a block failed; decisions of an earlier success stay until it is done anew."""

    def forget_solution(self) -> None:
        """Make every detection undecided and forget all blocks. Detections, candidates and pins stay."""

    def counts(self) -> Counts:
        """How much there is; a scan, so seconds for millions of rows."""

    # Pins

    def write_pins(self, source: str, pins: PinRows) -> None:
        """Replace all pins of a source ("user", or whatever the caller says)."""

    def read_pins(self, sources: Sequence[str] | None = None) -> dict[str, PinRows]:
        """Pins by source; of all sources without."""

    # Arrays

    @property
    def arrays(self) -> Path:
        """Folder of the store's zarr arrays (`arrays.py`): embeddings, scores, masks."""
