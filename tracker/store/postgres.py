"""A store in a database of PostgreSQL: many machines read and write at once.

Rows travel by binary COPY. What funlib.persistence makes is mended once, on empty tables: its 32-bit REAL becomes
DOUBLE PRECISION, and its index on the whole position, which no query can use, becomes one on the coordinates.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import psycopg2
from numpy.typing import NDArray
from psycopg2 import errors, extensions

from tracker.errors import StoreError
from tracker.store.binary_copy import from_stream, to_stream
from tracker.store.interface import RunLock
from tracker.store.place import Place
from tracker.store.postgres_connection import connect, database_there, make_database, told
from tracker.store.postgres_schema import MARK, block, make_room, make_tables, read_mark, run_lock, there
from tracker.store.rows import Header
from tracker.store.sql import SqlStore
from tracker.store.tables import DECISIONS, Table

_ROWS_AT_ONCE = 200_000


class PostgresStore(SqlStore):
    """Implements `interface.Store`."""

    JOIN = "JOIN"
    NEXT_ORDER = "nextval('block_order')"

    def __init__(self, place: Place, header: Header, connection: extensions.connection) -> None:
        """Use an open connection."""
        super().__init__(place, header)
        self._connection = connection
        self._cursor = connection.cursor()
        self._written = self._analysed = 0

    def close(self) -> None:
        """See `Store`."""
        with suppress(psycopg2.Error):
            self._connection.close()

    @contextmanager
    def lock(self) -> Iterator[RunLock]:
        """See `Store`: a lock of the server on a connection of its own, which ends with the process."""
        with run_lock(self.place) as held:
            yield held

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with told(self.place, self._connection), block(self._cursor, "BEGIN"):
            yield
        if self._written > 2 * self._analysed:  # the planner must know how large the tables are
            with suppress(psycopg2.Error):  # what was written stands; a broken connection is told by the next statement
                self._cursor.execute("ANALYZE nodes, edges, divisions")
            self._analysed = self._written

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with told(self.place, self._connection), block(self._cursor, begin):
            yield

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with told(self.place, self._connection):
            self._cursor.execute(sql.replace("?", "%s"), parameters or None)
            return self._cursor.fetchall()

    def _change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        with told(self.place, self._connection):
            self._cursor.execute(sql.replace("?", "%s"), parameters or None)
            return int(self._cursor.rowcount)

    def _table(self, name: str, rest: str, parameters: Sequence[object] = ()) -> Table:
        dtype = self._dtypes[name]
        columns = ", ".join(f"{name}.{column}" for column in dtype.names or ())
        stream = io.BytesIO()
        with told(self.place, self._connection):
            query = self._cursor.mogrify(f"SELECT {columns} {rest}".replace("?", "%s"), parameters or None).decode()
            self._cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", stream)
        return from_stream(stream.getbuffer(), dtype)

    def _upsert(self, name: str, table: Table) -> None:
        names = table.dtype.names or ()
        key = ", ".join(column for column in names if column in ("id", "u", "v", "w"))
        changes = ", ".join(f"{column} = excluded.{column}" for column in names if column not in key.split(", "))
        with told(self.place, self._connection):
            self._cursor.execute("SAVEPOINT new")
            try:
                self._copy(name, table)  # nearly always all of them are new
                self._cursor.execute("RELEASE SAVEPOINT new")
            except errors.UniqueViolation:
                self._cursor.execute("ROLLBACK TO SAVEPOINT new")
                staged = self._staged(name, f"LIKE {name}")
                self._copy(staged, table)
                chosen = ", ".join(names)
                self._cursor.execute(
                    f"INSERT INTO {name} ({chosen}) SELECT {chosen} FROM {staged} "
                    f"ON CONFLICT ({key}) DO UPDATE SET {changes}"
                )
        self._written += len(table)

    def _copy(self, name: str, table: Table) -> None:
        statement = f"COPY {name} ({', '.join(table.dtype.names or ())}) FROM STDIN (FORMAT binary)"
        for first in range(0, len(table), _ROWS_AT_ONCE):
            self._cursor.copy_expert(statement, io.BytesIO(to_stream(table[first : first + _ROWS_AT_ONCE])))

    def _staged(self, name: str, columns: str) -> str:
        """An empty table of this connection alone."""
        staged = f"staged_{name}"
        self._cursor.execute("SET LOCAL client_min_messages = warning")  # that it is there already is no news
        self._cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {staged} ({columns}) ON COMMIT DELETE ROWS")
        self._cursor.execute(f"TRUNCATE {staged}")
        return staged

    def _wanted(self, ids: NDArray[np.int64]) -> str:
        return f"unnest({_array(ids)}) AS wanted(id)"

    def _decide(self, table: Table) -> None:
        names = ("id", *DECISIONS)
        changed = np.empty(len(table), [(name, table.dtype[name]) for name in names])
        types = {np.dtype(np.int64): "BIGINT", np.dtype(np.float64): "DOUBLE PRECISION"}
        for name in names:
            changed[name] = table[name]
        with told(self.place, self._connection):
            staged = self._staged("decisions", ", ".join(f"{name} {types[table.dtype[name]]}" for name in names))
            self._copy(staged, changed)
            changes = ", ".join(f"{name} = {staged}.{name}" for name in DECISIONS)
            self._cursor.execute(f"UPDATE nodes SET {changes} FROM {staged} WHERE nodes.id = {staged}.id")

    def _choose(self, name: str, ids: NDArray[np.int64], selected: int) -> int:
        ends = "uvw"[: ids.shape[1]]
        arrays = ", ".join(_array(column) for column in ids.T)
        where = " AND ".join(f"{name}.{end} = wanted.{end}" for end in ends)
        return self._change(
            f"UPDATE {name} SET selected = {selected} FROM unnest({arrays}) AS wanted({', '.join(ends)}) WHERE {where}"
        )

    def _axis(self, axis: int) -> str:
        return f"position[{axis + 1}]"


def create(place: Place, header: Header, *, overwrite: bool) -> PostgresStore:
    """Make the tables, all in one transaction. Raises as `store.create_store`."""
    if not database_there(place):
        make_database(place)
    with run_lock(place):
        connection = connect(place)
        try:
            with told(place, connection), connection.cursor() as cursor, block(cursor, "BEGIN"):
                make_room(place, cursor, overwrite)
                make_tables(connection, cursor, header)
        except BaseException:
            connection.close()
            raise
    return PostgresStore(place, header, connection)


def open_(place: Place, *, write: bool) -> PostgresStore:
    """Open the tables. Raises as `store.open_store`; the config is not looked at."""
    if not database_there(place):
        raise StoreError(f"there is no store at {place}: no such database. `track run` with this store.url makes one")
    connection = connect(place)
    try:
        with told(place, connection), connection.cursor() as cursor:
            if not write:
                cursor.execute("SET default_transaction_read_only = on")
            header = read_mark(place, cursor)
            if write:
                cursor.execute("SHOW transaction_read_only")
                locked = cursor.fetchone()[0] == "on"
                cursor.execute(
                    "SELECT has_table_privilege('nodes', 'UPDATE') AND has_table_privilege('edges', 'INSERT')"
                )
                if locked or not cursor.fetchone()[0]:
                    raise StoreError(f"the store {place} may only be read here. Use a role that may write to it")
    except BaseException:
        connection.close()
        raise
    return PostgresStore(place, header, connection)


def exists(place: Place) -> bool:
    """Whether the database has our tables. Raises StoreError where the server cannot be reached."""
    if not database_there(place):
        return False
    connection = connect(place)
    try:
        with told(place, connection), connection.cursor() as cursor:
            return there(cursor, MARK)
    finally:
        connection.close()


def _array(ids: NDArray[np.int64]) -> str:
    """Whole numbers as SQL; there is nothing in them to escape."""
    return f"'{{{','.join(map(str, ids.tolist()))}}}'::bigint[]"
