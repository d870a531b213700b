"""The store: detections, candidates and solution of a run that is too large for one process.

`create_store` makes one, `open_store` opens one that is there (in every worker anew); see `interface.py` for what it
promises and docs/store.md for how to use it.
"""

from collections.abc import Mapping
from typing import Any

from tracker.errors import ConfigError, StoreError
from tracker.store.interface import (
    SCHEMA_VERSION,
    UNDECIDED,
    BlockRecord,
    BlockSolution,
    Counts,
    Part,
    RunLock,
    SolvedRows,
    Store,
)
from tracker.store.memory import MemoryStore
from tracker.store.place import Place, parse_place
from tracker.store.region import Region
from tracker.store.rows import PIN_KINDS, CandidateRows, DetectionRows, Header, PinRows

__all__ = [
    "PIN_KINDS",
    "SCHEMA_VERSION",
    "UNDECIDED",
    "BlockRecord",
    "BlockSolution",
    "CandidateRows",
    "Counts",
    "DetectionRows",
    "Header",
    "Part",
    "PinRows",
    "Place",
    "Region",
    "RunLock",
    "SolvedRows",
    "Store",
    "create_store",
    "open_store",
    "parse_place",
    "store_exists",
]


def create_store(place: Place, header: Header, *, overwrite: bool = False) -> Store:
    """Make an empty store.

    Raises StoreError where there is one already (unless `overwrite`), where the place holds what is no store of ours
    (also with `overwrite`), and where it cannot be written or reached; StoreLockedError where a run works on what is
    to be replaced; MissingExtraError without the extra `scale`, except in memory.
    """
    if place.kind == "memory":
        return MemoryStore(place, header)
    raise ConfigError(f"stores of the kind {place.kind} are not known")


def open_store(place: Place, *, config: Mapping[str, Any] | None = None, write: bool = True) -> Store:
    """Open a store that was made before.

    config: the identity (`identity.config_identity`) of the config at hand; None = whatever the store was made from.
    write: False opens it for reading alone, which also works where nothing may be written.
    Raises StoreMismatchError for another config (naming the keys that differ) or another schema version; StoreError
    where there is no store, where it cannot be reached, or not be written though `write`; MissingExtraError.
    """
    if place.kind == "memory":
        raise StoreError("a store in memory lives only in the process that made it, and cannot be opened again")
    raise ConfigError(f"stores of the kind {place.kind} are not known")


def store_exists(place: Place) -> bool:
    """Whether `open_store` would find a store. Raises as it does where the place cannot be reached."""
    return False
