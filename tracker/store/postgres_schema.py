"""The tables of a store in PostgreSQL: made, mended, recognised; and the lock of the one run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import psycopg2
from psycopg2 import extensions

from tracker.errors import StoreError, StoreLockedError, StoreMismatchError
from tracker.store.funlib_graph import make_postgres
from tracker.store.interface import SCHEMA_VERSION
from tracker.store.place import Place
from tracker.store.postgres_connection import connect, told
from tracker.store.rows import Header
from tracker.store.tables import INDICES, OWN_TABLES, division_dtype, node_dtype
from tracker.store.text import header_from_json, header_to_json

MARK = "pintrack_store"
_LOCK = 7_013_220_419  # of the one run; PostgreSQL's advisory locks belong to a database
_TABLES = ("nodes", "edges", "divisions", "blocks", "pins", "metadata")


def make_room(place: Place, cursor: Any, overwrite: bool) -> None:
    """Drop an earlier store; refuse tables that are not ours."""
    if not there(cursor, MARK):
        foreign = [name for name in _TABLES if there(cursor, name)]
        if foreign:
            raise StoreError(
                f"the database {place} holds tables that are no store of ours: {', '.join(foreign)}. Name a "
                "database of its own for the store"
            )
        return
    if not overwrite:
        raise StoreError(
            f"the store {place} exists already (a database holds one). Name another database with store.url, or "
            "replace it with --overwrite"
        )
    for name in (*_TABLES, MARK):
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
    cursor.execute("DROP SEQUENCE IF EXISTS block_order")


def make_tables(connection: extensions.connection, cursor: Any, header: Header) -> None:
    """Make all tables, inside a transaction of the caller."""
    make_postgres(connection, header)
    _mend(cursor, header)
    cursor.execute(f"CREATE TABLE {MARK} (version BIGINT NOT NULL, header TEXT NOT NULL)")
    cursor.execute(f"INSERT INTO {MARK} VALUES (%s, %s)", [SCHEMA_VERSION, header_to_json(header)])


def _mend(cursor: Any, header: Header) -> None:
    """Floats of 64 bits, an index that queries can use, no NULL; then the tables that are ours alone."""
    nodes, edges = node_dtype(header), ("cost", *header.link_columns)
    real = [name for name in nodes.names or () if nodes[name] == np.float64]
    for table, floats, names in (("nodes", real, nodes.names or ()), ("edges", edges, (*edges, "selected"))):
        changes = [f"ALTER COLUMN {name} TYPE DOUBLE PRECISION" for name in floats]
        changes += [f"ALTER COLUMN {name} SET NOT NULL" for name in names]
        if table == "nodes":
            changes.append("ALTER COLUMN position TYPE DOUBLE PRECISION[]")
        cursor.execute(f"ALTER TABLE {table} {', '.join(changes)}")
        cursor.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")  # room for the decisions beside the prices
    axes = ", ".join(f"(position[{axis}])" for axis in range(1, header.ndim + 2))
    cursor.execute("DROP INDEX pos_index")
    cursor.execute(f"CREATE INDEX nodes_place ON nodes ({axes})")
    types = dict.fromkeys(("u", "v", "w", "selected"), "BIGINT")
    columns = [f"{name} {types.get(name, 'DOUBLE PRECISION')} NOT NULL" for name in division_dtype(header).names or ()]
    cursor.execute(f"CREATE TABLE divisions ({', '.join(columns)}, PRIMARY KEY (u, v, w)) WITH (fillfactor = 70)")
    cursor.execute("CREATE SEQUENCE block_order")
    for statement in (*OWN_TABLES, *INDICES):
        cursor.execute(statement)


def there(cursor: Any, name: str) -> bool:
    """Whether there is such a table."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
    return bool(cursor.fetchone()[0])


def read_mark(place: Place, cursor: Any) -> Header:
    """The header. Raises StoreError where the tables are not ours, StoreMismatchError for another version."""
    if not there(cursor, MARK):
        raise StoreError(f"the database {place} holds no store of ours. `track run` with this store.url makes one")
    cursor.execute(f"SELECT version, header FROM {MARK}")
    version, content = cursor.fetchone()
    if version != SCHEMA_VERSION:
        raise StoreMismatchError(
            f"the store {place} has schema version {version}, this program reads and writes {SCHEMA_VERSION}. "
            "Use the program that made it, or replace it with --overwrite"
        )
    return header_from_json(content)


class _Held:
    def __init__(self, place: Place, connection: extensions.connection) -> None:
        self._place, self._connection = place, connection

    def check(self) -> None:
        """See `RunLock`."""
        with told(self._place, self._connection), self._connection.cursor() as cursor:
            cursor.execute("SELECT 1")


@contextmanager
def run_lock(place: Place) -> Iterator[_Held]:
    """A lock of the server on a connection of its own, which ends with the process."""
    connection = connect(place)
    try:
        with told(place, connection), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                raise StoreLockedError(
                    f"another run works on the store {place}. Wait for it, or name another store with store.url"
                )
        yield _Held(place, connection)
    finally:
        connection.close()


@contextmanager
def block(cursor: Any, begin: str) -> Iterator[None]:
    """A transaction, begun by `begin`."""
    cursor.execute(begin)
    try:
        yield
    except BaseException:
        with suppress(psycopg2.Error):
            cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")
