"""The one SQL of the readings, for SQLite and PostgreSQL: tables as numbered migrations, statements, two dialects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .timestamps import microseconds, moment

HOUR = 3_600_000_000

MIGRATIONS = (
    """
    CREATE TABLE sample (
        protocol {name} NOT NULL, at {moment} NOT NULL, earnings {number}, share {number}, up {flag} NOT NULL,
        PRIMARY KEY (protocol, at)
    ) {storage};
    CREATE TABLE hourly (
        protocol {name} NOT NULL, hour {moment} NOT NULL, earnings {number}, share {number}, lowest {number},
        highest {number}, samples {count} NOT NULL, up {count} NOT NULL,
        PRIMARY KEY (protocol, hour)
    ) {storage};
    {index}
    """,
    # How many readings an hourly mean covers, and for how long. Older rows do not know; taken as evenly covered.
    """
    ALTER TABLE hourly ADD COLUMN measured {count} NOT NULL DEFAULT 0;
    ALTER TABLE hourly ADD COLUMN seconds {number} NOT NULL DEFAULT 0.0;
    UPDATE hourly SET measured = CASE WHEN earnings IS NULL THEN 0 ELSE up END,
        seconds = 3600.0 * (samples - 1) / samples
    """,
)
"""Each runs once, in one transaction; the schema of a database is the number of those that ran."""

PUT_SAMPLE = """
    INSERT INTO sample (protocol, at, earnings, share, up) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (protocol, at) DO UPDATE SET earnings = excluded.earnings, share = excluded.share, up = excluded.up
"""
SAMPLES = "SELECT protocol, at, earnings, share, up FROM sample WHERE at >= ? AND at < ?{and_protocol} ORDER BY 1, 2"
HOURS = """
    SELECT protocol, hour, earnings, share, lowest, highest, samples, up, measured, seconds FROM hourly
    WHERE hour >= ? AND hour < ?{and_protocol} ORDER BY 1, 2
"""
LAST = "SELECT max(at) FROM sample WHERE at <= ?"
NAMES = "SELECT protocol FROM sample UNION SELECT protocol FROM hourly ORDER BY 1"
LAST_HOUR = "SELECT max(hour) FROM hourly WHERE hour < ?"
NEWEST_HOURS = "SELECT DISTINCT hour FROM hourly WHERE hour < ? ORDER BY hour DESC LIMIT 1 OFFSET ?"
ROLL_UP = """
    INSERT INTO hourly (protocol, hour, earnings, share, lowest, highest, samples, up, measured, seconds)
    SELECT protocol, {hour}, avg(earnings) FILTER (WHERE up), avg(share),
        min(earnings) FILTER (WHERE up), max(earnings) FILTER (WHERE up),
        count(*), count(*) FILTER (WHERE up), count(earnings) FILTER (WHERE up), {seconds}
    FROM sample WHERE {which} GROUP BY 1, 2
    ON CONFLICT (protocol, hour) DO UPDATE SET earnings = excluded.earnings, share = excluded.share,
        lowest = excluded.lowest, highest = excluded.highest, samples = excluded.samples, up = excluded.up,
        measured = excluded.measured, seconds = excluded.seconds
"""
BETWEEN = "at >= ? AND at < ?"
NOT_SUMMED = """
    at < ? AND NOT EXISTS (SELECT 1 FROM hourly WHERE hourly.protocol = sample.protocol AND hourly.hour = {hour})
"""
FORGET_SAMPLES = """
    DELETE FROM sample WHERE (protocol, at) IN (SELECT protocol, at FROM sample WHERE protocol = ? AND at < ? LIMIT ?)
"""
FORGET_HOURS = """
    DELETE FROM hourly
    WHERE (protocol, hour) IN (SELECT protocol, hour FROM hourly WHERE protocol = ? AND hour < ? LIMIT ?)
"""


@dataclass(frozen=True)
class Dialect:
    """Where two databases differ: the mark of a value, names of types, two expressions, and how a moment is kept."""

    mark: str
    words: Mapping[str, str]
    kept: Callable[[datetime], Any]
    read: Callable[[Any], datetime]

    def sql(self, text: str, **words: str) -> str:
        """A statement of this module as this database takes it."""
        return text.format(**self.words, **words).replace("?", self.mark)

    def migrations(self) -> tuple[str, ...]:
        """All migrations, each of some statements with semicolons between."""
        return tuple(self.sql(text) for text in MIGRATIONS)


SQLITE = Dialect(
    mark="?",
    words={
        "name": "TEXT",
        "moment": "INTEGER",
        "number": "REAL",
        "count": "INTEGER",
        "flag": "INTEGER",
        "storage": "WITHOUT ROWID",
        "index": "",
        "hour": f"at / {HOUR} * {HOUR}",
        "seconds": "(max(at) - min(at)) / 1e6",
    },
    kept=microseconds,
    read=moment,
)
POSTGRESQL = Dialect(
    mark="%s",
    words={
        "name": 'TEXT COLLATE "C"',  # sorted as everywhere else: by code points
        "moment": "TIMESTAMPTZ",
        "number": "DOUBLE PRECISION",
        "count": "BIGINT",
        "flag": "BOOLEAN",
        "storage": "",
        "index": "CREATE INDEX sample_at ON sample (at)",
        "hour": "date_trunc('hour', at, 'UTC')",
        "seconds": "extract(epoch FROM max(at) - min(at))",
    },
    kept=lambda at: at.astimezone(UTC),
    read=lambda at: at.astimezone(UTC),
)
