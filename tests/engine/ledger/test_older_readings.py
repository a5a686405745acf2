"""Stores that older versions wrote open, and what was summed up is still there."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.ledger.history import History
from reallot.engine.ledger.timestamps import microseconds
from tests.engine.ledger.conftest import VARIABLE

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST_SCHEMA = """
    CREATE TABLE sample (
        protocol TEXT NOT NULL, at INTEGER NOT NULL, earnings REAL, share REAL, up INTEGER NOT NULL,
        PRIMARY KEY (protocol, at)
    ) WITHOUT ROWID;
    CREATE TABLE hourly (
        protocol TEXT NOT NULL, hour INTEGER NOT NULL, earnings REAL, share REAL, lowest REAL, highest REAL,
        samples INTEGER NOT NULL, up INTEGER NOT NULL,
        PRIMARY KEY (protocol, hour)
    ) WITHOUT ROWID;
"""
ROWS = [("relay", AT, 2.5, 0.4, 2.0, 3.0, 60, 58), ("relay", AT + timedelta(hours=1), None, 0.4, None, None, 4, 0)]


def same_as_before(hours):
    assert [(h.at, h.earnings, h.share, h.lowest, h.highest, h.samples) for h in hours] == [
        (row[1], *row[2:7]) for row in ROWS
    ]
    assert [h.up for h in hours] == [58 / 60, 0.0]
    assert [h.measured for h in hours] == [58 / 60, 0.0]
    assert [h.seconds for h in hours] == pytest.approx([3540.0, 2700.0])


def test_a_file_of_the_first_schema_keeps_its_hours(tmp_path):
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_SCHEMA)
    connection.executemany(
        "INSERT INTO hourly VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(n, microseconds(at), *row) for n, at, *row in ROWS]
    )
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    for _ in range(2):  # and again: nothing more is changed
        history = History(path)
        same_as_before(history.hours(AT, AT + timedelta(hours=2)))
        history.roll_up(AT + timedelta(hours=3))
        history.close()


def test_tables_of_the_first_schema_on_a_server_keep_their_hours(variable, schema, postgres):
    import psycopg

    from reallot.engine.ledger.postgres_history import PostgresHistory

    first = PostgresHistory(VARIABLE, schema=schema)
    assert first.last() is None
    first.close()
    with psycopg.connect(postgres.url) as connection:
        connection.execute(f'ALTER TABLE "{schema}".hourly DROP COLUMN measured, DROP COLUMN seconds')
        connection.execute(f'UPDATE "{schema}".version SET number = 1')
        for row in ROWS:
            connection.execute(f'INSERT INTO "{schema}".hourly VALUES (%s, %s, %s, %s, %s, %s, %s, %s)', row)
    for _ in range(2):
        store = PostgresHistory(VARIABLE, schema=schema)
        same_as_before(store.hours(AT, AT + timedelta(hours=2)))
        store.close()
