"""The store: detections, candidates and solution of a run that is too large for one process.

`create_store` makes one, `open_store` opens one that is there (in every worker anew); see `interface.py` for what it
promises and docs/store.md for how to use it.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from tracker.errors import StoreError
from tracker.store.funlib_graph import require_scale
from tracker.store.identity import check_identity
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
    return _backend(place).create(place, header, overwrite=overwrite)


def open_store(place: Place, *, config: Mapping[str, Any] | None = None, write: bool = True) -> Store:
    """Open a store that was made before.

    config: the identity (`configured.config_identity`) of the config at hand; None = whatever the store was made from.
    write: False opens it for reading alone, which also works where nothing may be written.
    Raises StoreMismatchError for another config (naming the keys that differ) or another schema version; StoreError
    where there is no store, where it cannot be reached, or not be written though `write`; MissingExtraError.
    """
    if place.kind == "memory":
        raise StoreError("a store in memory lives only in the process that made it, and cannot be opened again")
    store: Store = _backend(place).open_(place, write=write)
    if config is not None:
        try:
            check_identity(str(place), store.header.config, config)
        except StoreError:
            store.close()
            raise
    return store


def store_exists(place: Place) -> bool:
    """Whether `open_store` would find a store. Raises as it does where the place cannot be reached."""
    return place.kind != "memory" and bool(_backend(place).exists(place))


def _backend(place: Place) -> Any:
    """The module with `create`, `open_` and `exists` for a kind of place."""
    require_scale(f"store.url = {str(place)!r}")
    return importlib.import_module(f"tracker.store.{'sqlite' if place.kind == 'sqlite' else 'postgres'}")
