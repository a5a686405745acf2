"""A PostgreSQL server for the tests of this folder, started once; they are skipped where there is none."""

from __future__ import annotations

from itertools import count

import pytest

from tests.servers import Postgres

VARIABLE = "REALLOT_TEST_HISTORY_URL"
_schemas = count()


@pytest.fixture(scope="session")
def libraries():
    """Skips where the extra is not installed."""
    pytest.importorskip("psycopg", reason="skipped: psycopg is not installed (pip install 'reallot[postgres]')")


@pytest.fixture(scope="session")
def postgres(libraries):
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def variable(postgres, monkeypatch):
    """The name of the environment variable that leads to the server."""
    monkeypatch.setenv(VARIABLE, postgres.url)
    return VARIABLE


@pytest.fixture
def schema():
    """The name of a schema that nobody has used."""
    return f"test {next(_schemas)}"
