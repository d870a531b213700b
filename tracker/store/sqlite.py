"""A store in one file of SQLite: no server, many readers and writers on one machine.

Write-ahead log (readers never wait), every commit on the disk before it counts, writers wait for each other. Not for
folders that several machines share: their file systems do not lock as SQLite needs it; there, use PostgreSQL.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import OutputError, StoreError, StoreLockedError, StoreMismatchError
from tracker.file_lock import locked
from tracker.store.funlib_graph import make_sqlite, metadata_of
from tracker.store.interface import SCHEMA_VERSION, RunLock
from tracker.store.place import Place
from tracker.store.rows import Header
from tracker.store.sql import SqlStore
from tracker.store.tables import DECISIONS, INDICES, OWN_TABLES, Table, division_dtype
from tracker.store.text import header_from_json, header_to_json

BUSY_S = 120.0
_ROWS_AT_ONCE = 50_000
_MARK = "pintrack_store"


class SqliteStore(SqlStore):
    """Implements `interface.Store`."""

    JOIN = "CROSS JOIN"  # SQLite never turns it round: from the few ids that are wanted to the index
    NEXT_ORDER = "(SELECT COALESCE(MAX(ord), 0) + 1 FROM blocks)"

    def __init__(self, place: Place, header: Header, connection: sqlite3.Connection) -> None:
        """Use an open connection."""
        super().__init__(place, header)
        self._connection = connection
        # Positions as columns of their own: the same bytes under other names.
        self._flat = {name: np.dtype(_flat_fields(dtype)) for name, dtype in self._dtypes.items()}
        with _told(self.place):
            connection.execute("CREATE TEMP TABLE wanted (id INTEGER PRIMARY KEY)")

    def close(self) -> None:
        """See `Store`."""
        with suppress(sqlite3.Error):
            self._connection.close()

    @contextmanager
    def lock(self) -> Iterator[RunLock]:
        """See `Store`: a lock file beside the store."""
        assert self.place.path is not None
        with _file_lock(self.place):
            yield _Held()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _told(self.place):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back itself, on a full disk for instance
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with _told(self.place):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                with suppress(sqlite3.Error):
                    self._connection.execute("COMMIT")

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with _told(self.place):
            return self._connection.execute(sql, parameters).fetchall()

    def _change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        with _told(self.place):
            return self._connection.execute(sql, parameters).rowcount

    def _table(self, name: str, rest: str, parameters: Sequence[object] = ()) -> Table:
        flat = self._flat[name]
        columns = ", ".join(f"{name}.{column}" for column in flat.names or ())
        with _told(self.place):
            cursor = self._connection.execute(f"SELECT {columns} {rest}", parameters)
            parts = [np.empty(0, flat)]
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                parts.append(np.array(rows, flat))  # NULL, as which SQLite keeps NaN, becomes NaN
        return np.concatenate(parts).view(self._dtypes[name])

    def _upsert(self, name: str, table: Table) -> None:
        flat = self._flat[name]
        names = flat.names or ()
        places = ", ".join("?" * len(names))
        self._many(f"INSERT OR REPLACE INTO {name} ({', '.join(names)}) VALUES ({places})", table.view(flat))

    def _wanted(self, ids: NDArray[np.int64]) -> str:
        self._connection.execute("DELETE FROM wanted")
        self._connection.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ids[:, None].tolist())
        return "wanted"

    def _decide(self, table: Table) -> None:
        values = ", ".join(f"{name} = ?" for name in DECISIONS)
        changed = np.empty(len(table), [(name, table.dtype[name]) for name in (*DECISIONS, "id")])
        for name in changed.dtype.names or ():
            changed[name] = table[name]
        self._many(f"UPDATE nodes SET {values} WHERE id = ?", changed)

    def _choose(self, name: str, ids: NDArray[np.int64], selected: int) -> int:
        where = " AND ".join(f"{end} = ?" for end in "uvw"[: ids.shape[1]])
        with _told(self.place):
            statement = f"UPDATE {name} SET selected = {selected} WHERE {where}"
            return self._connection.executemany(statement, ids.tolist()).rowcount

    def _axis(self, axis: int) -> str:
        return f"position_{axis}"

    def _many(self, sql: str, table: Table) -> None:
        with _told(self.place):
            for first in range(0, len(table), _ROWS_AT_ONCE):
                self._connection.executemany(sql, table[first : first + _ROWS_AT_ONCE].tolist())


class _Held:
    def check(self) -> None:
        """The lock of a file is ours while we live."""


def create(place: Place, header: Header, *, overwrite: bool) -> SqliteStore:
    """Make the file: whole, under another name, and renamed. Raises as `store.create_store`."""
    path = place.path
    assert path is not None
    if path.exists() and not overwrite:
        raise StoreError(
            f"the store {place} exists already. Name another with store.url, or replace it with --overwrite"
        )
    with _told(place):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _file_lock(place):
            if path.exists():
                _check_ours(place)  # never replace what is not ours
            elif metadata_of(path).exists() and not overwrite:
                raise StoreError(
                    f"{metadata_of(path)} describes a database that is not there. Name another with store.url, or "
                    "replace it with --overwrite"
                )
            work = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
            try:
                _fill(Place("sqlite", place.arrays, path=work / path.name), header)
                for old in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"), path):
                    old.unlink(missing_ok=True)
                os.replace(metadata_of(work / path.name), metadata_of(path))
                os.replace(work / path.name, path)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return open_(place, write=True)


def open_(place: Place, *, write: bool) -> SqliteStore:
    """Open the file. Raises as `store.open_store`; the config is not looked at."""
    assert place.path is not None
    if not place.path.exists():
        raise StoreError(f"there is no store at {place}. `track run` with this store.url makes one")
    with _told(place):
        _check_ours(place)  # before its journal becomes a write-ahead log
        connection = _connect(place, write=write)
        try:
            header = _read_mark(place, connection)
            if write:
                connection.execute("BEGIN IMMEDIATE")  # says now, not in hours, whether this may be written
                connection.execute("ROLLBACK")
            return SqliteStore(place, header, connection)
        except BaseException:
            connection.close()
            raise


def exists(place: Place) -> bool:
    """Whether there is a file."""
    return place.path is not None and place.path.exists()


def _fill(place: Place, header: Header) -> None:
    assert place.path is not None
    connection = _connect(place, write=True)
    try:
        make_sqlite(place.path, connection, header)
        ends = {"u": "INTEGER NOT NULL", "v": "INTEGER NOT NULL", "w": "INTEGER NOT NULL"}
        columns = [f"{name} {ends.get(name, '')}" for name in division_dtype(header).names or ()]
        connection.execute(f"CREATE TABLE divisions ({', '.join(columns)}, PRIMARY KEY (u, v, w))")
        for statement in (*OWN_TABLES, *INDICES):
            connection.execute(statement)
        connection.execute(f"CREATE TABLE {_MARK} (version INTEGER NOT NULL, header TEXT NOT NULL)")
        connection.execute(f"INSERT INTO {_MARK} VALUES (?, ?)", [SCHEMA_VERSION, header_to_json(header)])
    finally:
        connection.close()


def _connect(place: Place, *, write: bool) -> sqlite3.Connection:
    path = place.path
    assert path is not None
    if write:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 20000"):
            connection.execute(f"PRAGMA {pragma}")
    else:
        log = path.with_name(f"{path.name}-wal")
        # In a folder that may not be written SQLite cannot make the index of its log; without a log it needs none.
        effective = os.access in os.supports_effective_ids
        writable = os.access(path.parent, os.W_OK, effective_ids=effective)
        still = not writable and not (log.exists() and log.stat().st_size)
        uri = f"{path.as_uri()}?mode=ro{'&immutable=1' * still}"
        connection = sqlite3.connect(uri, timeout=BUSY_S, isolation_level=None, uri=True)
    connection.execute("PRAGMA cache_size = -65536")  # KiB
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _check_ours(place: Place) -> None:
    """Read the mark, and change nothing. Raises as `_read_mark`."""
    connection = _connect(place, write=False)
    try:
        _read_mark(place, connection)
    finally:
        connection.close()


def _read_mark(place: Place, connection: sqlite3.Connection) -> Header:
    """The header. Raises StoreError where the file is none of ours, StoreMismatchError for another version."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [_MARK]).fetchone():
        raise StoreError(f"{place.path} is a database, but no store of ours. Name another file with store.url")
    version, content = connection.execute(f"SELECT version, header FROM {_MARK}").fetchone()
    if version != SCHEMA_VERSION:
        raise StoreMismatchError(
            f"the store {place} has schema version {version}, this program reads and writes {SCHEMA_VERSION}. "
            "Use the program that made it, or replace it with --overwrite"
        )
    return header_from_json(content)


@contextmanager
def _file_lock(place: Place) -> Iterator[None]:
    assert place.path is not None
    try:
        taken = locked(place.path, wait_s=0)
        taken.__enter__()
    except OutputError as error:
        raise StoreLockedError(
            f"another run works on the store {place}. Wait for it, or name another store with store.url"
        ) from error
    except OSError as error:
        raise StoreError(f"the store {place} cannot be locked: {error.strerror or error}") from error
    try:
        yield
    finally:
        taken.__exit__(None, None, None)


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """Turn what SQLite and the system say into a StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        advice = next((said for start, said in _ADVICE.items() if name.startswith(start)), "Mend this and try again")
        raise StoreError(f"the store {place} cannot be used: {error}. {advice}") from error


_ADVICE = {
    "SQLITE_FULL": "The disk is full: what was being written left nothing behind. Free some space, then resume",
    "SQLITE_READONLY": "It may only be read here. Let it be written to, or name another with store.url",
    "SQLITE_CANTOPEN": "Is its folder there, and may you write to it?",
    "SQLITE_BUSY": f"Another process has been writing it for {BUSY_S:g} seconds; nothing was written. Try again",
    "SQLITE_NOTADB": "It is no database at all. Name another file with store.url",
    "SQLITE_CORRUPT": "It is damaged. Restore a copy, or begin anew with --overwrite",
    "SQLITE_IOERR": "The disk failed; what was being written left nothing behind",
}


def _flat_fields(dtype: np.dtype[np.void]) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name in dtype.names or ():
        own = dtype[name]
        if own.shape:
            fields += [(f"{name}_{axis}", own.base) for axis in range(own.shape[0])]
        else:
            fields.append((name, own))
    return fields
