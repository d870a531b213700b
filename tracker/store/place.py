"""Where a store is: a URL, taken apart, its password kept out of sight."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tracker.errors import ConfigError

_EXAMPLES = "sqlite:///relative.db, sqlite:////absolute.db, postgresql://user@host:5432/database or memory:"


@dataclass(frozen=True)
class Place:
    """kind: "sqlite", "postgresql" or "memory".   arrays: folder of the zarr arrays.

    path: the file, for SQLite.   host, port, user, database: for PostgreSQL; None where libpq's own rules
    (PGHOST, PGUSER, .pgpass, ...) shall find it. The password is never part of `str` or `repr`.
    """

    kind: str
    arrays: Path
    path: Path | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    database: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The URL without the password."""
        if self.kind == "sqlite":
            return f"sqlite:///{self.path}"
        if self.kind == "memory":
            return "memory:"
        user = "" if self.user is None else quote(self.user, safe="") + "@"
        host = self.host or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if self.port is None else f":{self.port}"
        return f"postgresql://{user}{host}{port}/{quote(self.database or '', safe='')}"


def split_password(url: str) -> tuple[str, str | None]:
    """The URL without its password, and the password. Raises ConfigError (which shows neither) for no URL at all."""
    if "://" not in url or url.startswith("sqlite:"):
        return url, None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigError(f"store.url is no URL that can be read; wanted {_EXAMPLES}") from None
    if parts.password is None:
        return url, None
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}@{host}").geturl(), unquote(parts.password)


def parse_place(url: str, folder: Path = Path(), *, arrays: Path | None = None, password: str | None = None) -> Place:
    """The place that a URL names. Raises ConfigError.

    folder: what a relative file is counted from.   arrays: default beside the file; needed for PostgreSQL.
    password: before that of the URL.
    """
    url, found = split_password(url)
    if url == "memory:":
        return Place("memory", arrays or folder / "memory.arrays")
    if url.startswith("sqlite:///"):
        text = url.removeprefix("sqlite:///")
        if not text or text.endswith("/"):
            raise ConfigError(f"store.url names no file: {url!r}; wanted {_EXAMPLES}")
        path = Path(os.path.realpath(folder / Path(text).expanduser()))
        return Place("sqlite", arrays or path.with_name(f"{path.stem}.arrays"), path=path)
    if not url.startswith(("postgresql://", "postgres://")):
        kind = f"{url.partition('://')[0]}://..." if "://" in url else "a text without ://"
        raise ConfigError(f"store.url wants {_EXAMPLES}; found {kind}")  # the rest may hold a password
    parts = urlsplit(url)
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or "@" in parts.path or parts.query or parts.fragment:
        raise ConfigError(  # not shown: what stands behind ? or a stray / may be a password
            f"store.url names no database, or more than one, or has options behind it; wanted {_EXAMPLES}. In a "
            "password / ? # @ are written %2F %3F %23 %40; it may also stand in PGPASSWORD or .pgpass"
        )
    if arrays is None:
        raise ConfigError(f"a store at {url} needs a folder for its arrays: give store.arrays")
    user = None if parts.username is None else unquote(parts.username)
    secret = password if password is not None else found
    return Place(
        "postgresql", arrays, host=parts.hostname, port=parts.port, user=user, database=database, password=secret
    )
