"""A private PostgreSQL for tests: Debian's program, a free port of loopback, a temporary folder, gone afterwards."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PASSWORD = "p@ss:w/rd'\"?"  # has to be quoted everywhere


def programs() -> Path | None:
    """The folder of the newest initdb and pg_ctl; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    on_path = shutil.which("pg_ctl")
    if not found and on_path and shutil.which("initdb"):
        return Path(on_path).parent
    return max(found, key=lambda path: int(path.parent.name), default=None)


def why_not() -> str:
    """Why no server can be started here; "" where it can."""
    if programs() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql; `make system-packages`)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and setpriv is not there to run it as nobody"
    return ""


@dataclass
class PostgresServer:
    """A server that runs; its one user is `tester`."""

    port: int
    folder: Path

    def url(self, database: str, password: str | None = PASSWORD) -> str:
        from urllib.parse import quote

        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://tester{secret}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """A name that nobody uses yet."""
        return f"tracks_{secrets.token_hex(6)}"

    @cached_property
    def admin(self):
        """A connection to the database `postgres`, outside of transactions."""
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="tester", password=PASSWORD, dbname="postgres"
        )
        connection.autocommit = True
        return connection

    def execute(self, sql: str) -> None:
        with self.admin.cursor() as cursor:
            cursor.execute(sql)


@contextlib.contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start it, and stop it whatever happens."""
    binaries = programs()
    assert binaries is not None
    top = Path(tempfile.mkdtemp(prefix="postgres-for-tests-"))
    ordinary = _as_ordinary_user()
    try:
        top.chmod(0o700)
        if ordinary:
            os.chown(top, _NOBODY, _NOBODY)
        data, secret = top / "data", top / "secret"
        secret.write_text(PASSWORD + "\n", encoding="utf-8")
        if ordinary:
            os.chown(secret, _NOBODY, _NOBODY)
        make = [
            "-D",
            data,
            "-U",
            "tester",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        _call([*ordinary, binaries / "initdb", *make], top)
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={top} -c fsync=off"
        control = [*ordinary, binaries / "pg_ctl", "-D", data, "-w", "-t", "30", "-l", top / "log"]
        _call([*control, "-o", options, "start"], top)
        server = PostgresServer(port, top)
        try:
            yield server
        finally:
            if "admin" in server.__dict__:
                server.admin.close()
            _call([*control, "-m", "immediate", "stop"], top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


_NOBODY = 65534


def _as_ordinary_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _call(command: list[object], folder: Path) -> None:
    plain = [str(part) for part in command]
    done = subprocess.run(plain, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
    if done.returncode:
        log = folder / "log"
        raise RuntimeError(f"{plain}: {done.stderr}{log.read_text() if log.exists() else ''}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
