"""Connections to PostgreSQL, and what the server says in our words. Passwords are never part of a message."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors, extensions, sql

from tracker.errors import StoreError, StoreLostError
from tracker.store.place import Place

_CONNECT_S = 15
_MAINTENANCE = "postgres"  # the database that every server has


def connect(place: Place, database: str | None = None) -> extensions.connection:
    """A connection in which each statement is a transaction of its own, unless BEGIN says otherwise.

    What the place does not say comes from libpq: PGHOST, PGUSER, PGPASSWORD, .pgpass. Raises StoreError.
    """
    try:
        connection = psycopg2.connect(
            host=place.host,
            port=place.port,
            user=place.user,
            password=place.password,
            dbname=database or place.database,
            connect_timeout=_CONNECT_S,
            application_name="pintrack",
            keepalives_idle=30,
        )
    except psycopg2.Error as error:
        raise StoreError(
            f"the store {place} cannot be reached: {_said(error, place)}. Is the server running, and are host, "
            "port, user and password right? A password may also stand in PGPASSWORD or .pgpass"
        ) from None  # the cause would carry what was asked for
    connection.autocommit = True
    return connection


def database_there(place: Place) -> bool:
    """Whether the server has the database. Raises StoreError where the server cannot be reached."""
    try:
        connect(place).close()
        return True
    except StoreError as error:
        try:
            connection = connect(place, _MAINTENANCE)
        except StoreError:
            raise error from None
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [place.database])
                if cursor.fetchone():
                    raise error from None
        finally:
            connection.close()
        return False


def make_database(place: Place) -> None:
    """Make the database. Raises StoreError where that is not allowed."""
    connection = connect(place, _MAINTENANCE)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(place.database)))
    except errors.DuplicateDatabase:
        pass  # somebody else was as quick
    except psycopg2.Error as error:
        raise StoreError(
            f"the database of the store {place} is not there, and cannot be made: {_said(error, place)}. Let somebody "
            "make it who may, or name another"
        ) from None
    finally:
        connection.close()


@contextmanager
def told(place: Place, connection: Any) -> Iterator[None]:
    """Turn what the server says into a StoreError."""
    try:
        yield
    except psycopg2.Error as error:
        said = _said(error, place)
        if connection.closed or isinstance(error, (psycopg2.InterfaceError, errors.DeadlockDetected)):
            raise StoreLostError(
                f"the connection to the store {place} broke: {said}. What was being written is there whole, or left "
                "nothing behind; try again, or resume"
            ) from error
        advice = next((said for kind, said in _ADVICE if isinstance(error, kind)), "Mend this and try again")
        raise StoreError(f"the store {place} cannot be used: {said}. {advice}") from error
    except ValueError as error:  # psycopg2 refuses texts with NUL so
        raise StoreError(f"the store {place} cannot keep this: {error}") from error


_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (
        errors.DiskFull,
        "The server's disk is full; what was being written left nothing behind. Free some space, then resume",
    ),
    (
        errors.ReadOnlySqlTransaction,
        "It may only be read here. Open it for writing, or use a server that may be written",
    ),
    (errors.InsufficientPrivilege, "Use a role that may do this"),
    (errors.UndefinedTable, "Its tables are gone; begin anew with --overwrite"),
    (errors.OutOfMemory, "The server has too little memory; read smaller regions"),
)


def _said(error: Exception, place: Place) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r" Is the server running[^?]*\?", "", text).rstrip(".?")  # what we ask ourselves
    return text if not place.password else text.replace(place.password, "***")
