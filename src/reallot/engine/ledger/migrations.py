"""The tables of the journal, as numbered migrations: each runs once, in one transaction."""

from __future__ import annotations

JOURNAL = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE operation (
        id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL, wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
        epoch INTEGER NOT NULL, rounds INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX operation_state ON operation (state);
    CREATE INDEX operation_plan ON operation (plan_id);
    CREATE INDEX operation_kind ON operation (kind, id);
    CREATE TABLE step (
        id INTEGER PRIMARY KEY, operation INTEGER NOT NULL REFERENCES operation (id), kind TEXT NOT NULL,
        protocol TEXT NOT NULL, before REAL NOT NULL, after REAL NOT NULL, state TEXT NOT NULL,
        wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
        may_act INTEGER NOT NULL DEFAULT 1, open INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
        asked INTEGER
    );
    CREATE TABLE touched (
        protocol TEXT PRIMARY KEY, wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX step_operation ON step (operation);
    CREATE INDEX step_open ON step (open) WHERE open = 1;
    CREATE TABLE committed (protocol TEXT PRIMARY KEY, share REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE frozen (protocol TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE waiting (
        one INTEGER PRIMARY KEY CHECK (one = 1), plan_id TEXT NOT NULL, plan TEXT NOT NULL,
        wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL, confirmed INTEGER NOT NULL
    );
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, wall INTEGER NOT NULL, verdict TEXT NOT NULL,
        reason TEXT NOT NULL, plan TEXT NOT NULL, inputs TEXT NOT NULL, UNIQUE (plan_id, verdict)
    );
    CREATE TABLE alert (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, message TEXT NOT NULL, severity REAL NOT NULL,
        wall INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL,
        acknowledged INTEGER NOT NULL, recovered INTEGER
    );
    CREATE INDEX alert_key ON alert (key, recovered);
    """,
    # some files of the first schema have it already
    "CREATE INDEX IF NOT EXISTS step_protocol ON step (protocol, id)",
    # what is open is asked for at every entry
    "CREATE INDEX alert_open ON alert (key) WHERE recovered IS NULL",
    # the words of `contracts.move_state`
    """
    UPDATE operation SET state = 'applying' WHERE state = 'confirming';
    UPDATE decision SET verdict = 'rolled_back' WHERE verdict = 'rolled back'
    """,
)
"""The newest schema is the number of migrations; the file carries it as `PRAGMA user_version`."""
