"""What tests of several files share and is dear to make."""

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer, running_server, why_not


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server of PostgreSQL on loopback, for the whole session."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_server() as server:
        yield server
