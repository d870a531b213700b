"""The tables and metadata of funlib.persistence, so that others read our nodes and edges with `read_graph`.

Its two classes make them; they are handed a connection of ours, since their own constructors open a database without a
time to wait (SQLite) and run CREATE DATABASE on every opening (PostgreSQL). They are used for nothing else: see sql.py.
Nobody should open a database of unknown origin with that library: it evaluates the text that it finds as types.
"""

import importlib.util
import sqlite3
from pathlib import Path
from typing import Any

from tracker.errors import MissingExtraError
from tracker.store.rows import Header
from tracker.store.tables import DUALS, PRICES, STATES

ENDPOINTS = ["u", "v"]


def require_scale(what: str) -> None:
    """Raise MissingExtraError where the extra `scale` is not installed; `what` needs it."""
    for module, package in (("funlib.persistence", "funlib.persistence"), ("psycopg2", "psycopg2-binary")):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:  # of the package that it lies in
            found = None
        if found is None:
            raise MissingExtraError(package, "scale", what)


def make_sqlite(file: Path, connection: sqlite3.Connection, header: Header) -> None:
    """Make nodes, edges and the `-meta.json` beside a new, empty file."""
    from funlib.persistence.graphs.sql_graph_database import SQLGraphDataBase
    from funlib.persistence.graphs.sqlite_graph_database import SQLiteGraphDataBase

    class Graph(SQLiteGraphDataBase):
        def __init__(self) -> None:
            self.db_file, self.meta_collection = file, metadata_of(file)
            self.con, self.cur = connection, connection.cursor()
            self._node_array_columns = self._edge_array_columns = None
            SQLGraphDataBase.__init__(self, **_description(header))

    Graph()


def make_postgres(connection: Any, header: Header) -> None:
    """Make nodes, edges and metadata in a database that has none of them."""
    from funlib.persistence.graphs.pgsql_graph_database import PgSQLGraphDatabase
    from funlib.persistence.graphs.sql_graph_database import SQLGraphDataBase

    class Graph(PgSQLGraphDatabase):
        def __init__(self) -> None:
            self.connection, self.cur = connection, connection.cursor()
            SQLGraphDataBase.__init__(self, **_description(header))

    Graph()


def metadata_of(file: Path) -> Path:
    """Where funlib.persistence keeps what it knows about a file of SQLite."""
    return file.with_name(f"{file.stem}-meta.json")


def _description(header: Header) -> dict[str, Any]:
    from funlib.persistence.types import Vec

    def all_of(kind: type, *names: str) -> dict[str, type]:
        return dict.fromkeys(names, kind)

    return {
        "mode": "w",
        "position_attribute": "position",
        "directed": True,
        "endpoint_names": ENDPOINTS,
        "node_attrs": {
            "position": Vec(float, header.ndim + 1),
            **all_of(int, "step", "frame", "label"),
            **all_of(float, *PRICES),
            **all_of(int, "keep"),
            **all_of(float, *header.detection_columns),
            **all_of(int, "owner", *STATES),
            **all_of(float, *DUALS),
        },
        "edge_attrs": {**all_of(float, "cost", *header.link_columns), **all_of(int, "selected")},
    }
