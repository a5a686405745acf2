"""Readings in a real PostgreSQL server that dies, freezes, refuses and comes back; and its password, nowhere."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.history import Sample, samples_of
from reallot.engine.ledger.postgres_history import PostgresHistory
from reallot.errors import ConfigurationError, DataError, InvalidInput
from reallot.orchestration.reallocation import ReallocationEngine
from tests.engine.ledger.conftest import VARIABLE
from tests.orchestration.worlds import World, same
from tests.servers import PASSWORD

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = [f"p{number:02d}" for number in range(12)]
SECRETS = (PASSWORD, "canary%2Fof%2042", "canary")


def poll(minute, names=NAMES):
    """One poll, that many minutes after the start."""
    at = AT + timedelta(minutes=minute)
    return samples_of(
        at, {name: float(minute) for name in names}, dict.fromkeys(names, 0.01), dict.fromkeys(names, True)
    )


@contextmanager
def opened(variable, schema, **options):
    store = PostgresHistory(variable, schema=schema, pause_seconds=0.01, **options)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def within(seconds):
    """What is in here takes no longer."""
    started = time.perf_counter()
    yield
    assert time.perf_counter() - started < seconds


def eventually(store, holds):
    """Waits for the store's own thread until this holds."""
    with store._changed:
        assert store._changed.wait_for(holds, 30)


@contextmanager
def stopped(postgres):
    """The server is dead meanwhile."""
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@pytest.mark.slow
def test_an_hour_without_the_server_leaves_journal_and_moves_alone(postgres, variable, schema, tmp_path, caplog):
    with opened(variable, schema) as store:
        store.add(poll(0))
        eventually(store, lambda: store.waiting == 0)
        ledger = open_ledger(tmp_path / "ledger", history=store)
        world, clock = World(relay=0.5, storage=0.5), ManualClock(AT)
        engine = ReallocationEngine(ledger=ledger, clock=clock)
        with stopped(postgres):
            for minute in range(1, 61):
                with within(0.1):
                    ledger.history.add(poll(minute))
            asyncio.run(engine.execute_reallocation(world.plan(relay=0.3, storage=0.7), world.adapters))
            assert same(world.shares, {"relay": 0.3, "storage": 0.7})
            assert same(ledger.journal.committed(), world.shares)
            eventually(store, lambda: store.trouble)
            with pytest.raises(DataError, match="readings in PostgreSQL"):
                store.samples(AT, AT + DAY)
            with within(0.1):
                store.roll_up(AT + DAY)
            assert (store.waiting, store.lost) == (60 * len(NAMES), 0)
        eventually(store, lambda: store.waiting == 0 and not store.trouble)
        assert len(store.samples(AT, AT + DAY)) == 61 * len(NAMES)
        assert [each.samples for each in store.hours(AT, AT + DAY, "p00")] == [60, 1]
        told = [record.getMessage() for record in caplog.records if record.name == "reallot.engine.ledger.history"]
        assert len(told) == 2 and "written again; 0 lost" in told[1]
        engine.close()
        ledger.close()


@pytest.mark.slow
def test_more_than_may_wait_is_lost_oldest_first_and_counted(postgres, variable, schema):
    with opened(variable, schema, most_waiting=100) as store, stopped(postgres):
        for minute in range(60):
            store.add(poll(minute))
        eventually(store, lambda: store.waiting == 100)
        assert store.lost == 60 * len(NAMES) - 100
    with opened(variable, schema, most_waiting=100) as store:
        for minute in range(60):
            store.add(poll(minute, ["relay"]))
        assert len(store.samples(AT, AT + DAY, "relay")) == 60 and store.lost == 0


@pytest.mark.slow
def test_what_was_kept_back_is_the_newest(postgres, variable, schema):
    with opened(variable, schema, most_waiting=10) as store:
        with stopped(postgres):
            for minute in range(60):
                store.add(poll(minute, ["relay"]))
            eventually(store, lambda: store.trouble and store.waiting == 10)
        eventually(store, lambda: store.waiting == 0)
        assert [each.earnings for each in store.samples(AT, AT + DAY)] == [float(minute) for minute in range(50, 60)]
        assert store.lost == 50


@pytest.mark.slow
def test_a_server_that_dies_again_and_again_loses_nothing_that_was_added(postgres, variable, schema):
    with opened(variable, schema) as store:
        for minute in range(4):
            store.add(poll(minute))
            with stopped(postgres):
                store.add(poll(minute + 100))
        assert len(store.samples(AT, AT + DAY)) == 8 * len(NAMES)
        assert store.lost == 0


def backend(postgres, condition="true"):
    """The process at the other end of the store's connection, as soon as the condition holds."""
    query = f"SELECT pid FROM pg_stat_activity WHERE application_name = 'reallot' AND {condition}"
    deadline = time.monotonic() + 30
    while not (found := postgres.run(query)):
        assert time.monotonic() < deadline
    return found[0][0]


@contextmanager
def frozen(process):
    """The process stands still meanwhile: it neither answers nor ends its connection."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.mark.slow
def test_a_connection_that_froze_is_replaced(postgres, variable, schema):
    with opened(variable, schema, connect_seconds=2, statement_seconds=0.1) as store:
        store.add(poll(0))
        store.samples(AT, AT)
        with frozen(backend(postgres)):
            with within(0.1):
                store.add(poll(1))
            with within(8):
                assert len(store.samples(AT, AT + DAY)) == 2 * len(NAMES)


@pytest.mark.slow
def test_a_statement_that_froze_is_given_up_and_its_readings_wait(postgres, variable, schema):
    import psycopg

    with opened(variable, schema, connect_seconds=2, statement_seconds=0.5) as store:
        store.add(poll(0))
        store.samples(AT, AT)
        with psycopg.connect(postgres.url) as other:
            other.execute(f'LOCK TABLE "{schema}".sample')
            store.add(poll(1))
            with frozen(backend(postgres, "wait_event_type = 'Lock'")):
                eventually(store, lambda: "no answer within 2.5s" in store.trouble)
                assert store.waiting == len(NAMES)
        assert len(store.samples(AT, AT + DAY)) == 2 * len(NAMES)


@pytest.mark.slow
def test_an_address_that_never_answers_holds_nobody(libraries, monkeypatch, schema, caplog):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv(VARIABLE, f"postgresql://me:canary@127.0.0.1:{deaf.getsockname()[1]}/base")
        store = PostgresHistory(VARIABLE, schema=schema, connect_seconds=2, close_seconds=0.1)
        with within(0.1):
            store.add(poll(0))
        with within(6), pytest.raises(DataError, match=r"readings in PostgreSQL \(127\.0\.0\.1/base\)"):
            store.samples(AT, AT + DAY)
        with within(1):
            store.close()
    assert f"closed while {len(NAMES)} readings waited" in caplog.text
    with pytest.raises(DataError, match="closed"):
        store.add(poll(1))


def test_a_table_that_somebody_holds_is_waited_for_no_longer_than_said(postgres, variable, schema):
    import psycopg

    with opened(variable, schema, statement_seconds=0.1) as store:
        store.add(poll(0))
        store.samples(AT, AT)
        with psycopg.connect(postgres.url) as other:
            other.execute(f'LOCK TABLE "{schema}".sample')
            store.add(poll(1))
            with pytest.raises(DataError, match="statement timeout"):
                store.last()
        assert store.last() == AT + timedelta(minutes=1)


def test_tables_that_were_dropped_are_made_again(postgres, variable, schema):
    with opened(variable, schema) as store:
        store.add(poll(0))
        store.samples(AT, AT)
        postgres.run(f'DROP SCHEMA "{schema}" CASCADE')
        with pytest.raises(DataError, match="does not exist"):
            store.samples(AT, AT)
        store.add(poll(1))
        assert len(store.samples(AT, AT + DAY)) == len(NAMES)


def test_many_that_begin_at_once_make_the_tables_once(variable, schema):
    def begin(number):
        with opened(variable, schema) as store:
            store.add(poll(number, ["relay"]))
            store.last()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, range(4)))
    with opened(variable, schema) as store:
        assert len(store.samples(AT, AT + DAY)) == 4


def test_one_that_may_only_read_can_read(postgres, variable, schema, monkeypatch):
    with opened(variable, schema) as store:
        store.add(poll(0))
        store.samples(AT, AT)
    postgres.run(
        "DROP ROLE IF EXISTS guest",
        "CREATE ROLE guest LOGIN PASSWORD 'guest-canary'",
        f'GRANT USAGE ON SCHEMA "{schema}" TO guest',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO guest',
    )
    monkeypatch.setenv("REALLOT_TEST_GUEST", postgres.url.replace("reader:canary%2Fof%2042", "guest:guest-canary"))
    with opened("REALLOT_TEST_GUEST", schema) as store:
        assert len(store.samples(AT, AT + DAY)) == len(NAMES)
        store.add(poll(1))
        with pytest.raises(DataError, match="permission denied"):
            store.samples(AT, AT + DAY)
    postgres.run(f'DROP SCHEMA "{schema}" CASCADE', "DROP ROLE guest")


def test_tables_of_a_newer_version_are_not_touched(postgres, variable, schema):
    with opened(variable, schema) as store:
        store.last()
    postgres.run(f'UPDATE "{schema}".version SET number = 9')
    with opened(variable, schema) as store:
        store.add(poll(0))
        with pytest.raises(DataError, match="schema 9 of a newer version, and this version knows 2"):
            store.last()
    assert postgres.run(f'SELECT count(*) FROM "{schema}".sample') == [(0,)]


def test_a_database_that_cannot_hold_every_name_is_refused(postgres, schema, monkeypatch):
    postgres.run("DROP DATABASE IF EXISTS old", "CREATE DATABASE old ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv(VARIABLE, postgres.url.replace("/postgres?", "/old?"))
    with opened(VARIABLE, schema) as store, pytest.raises(DataError, match="encoding is LATIN1; UTF8 is needed"):
        store.last()
    postgres.run("DROP DATABASE old WITH (FORCE)")


def test_numbers_at_the_edge_are_absent_or_zero_and_stop_no_sum(variable, schema):
    odd = {"a": float("nan"), "b": float("inf"), "c": -1e308, "d": 5e-324, "e": -1e100, "f": 1e100, "g": 0.25}
    with opened(variable, schema) as store:
        for second in range(3):
            store.add([Sample(name, AT + timedelta(seconds=second), value, value, True) for name, value in odd.items()])
        store.add([Sample("f", AT, -1e100, 0.0, True), Sample("d", AT, 0.0, 0.0, True)])
        found = {each.protocol: each.earnings for each in store.samples(AT + timedelta(seconds=1), AT + DAY)}
        assert found == {"a": None, "b": None, "c": None, "d": 0.0, "e": -1e100, "f": 1e100, "g": 0.25}
        store.roll_up(AT + DAY)
        assert {each.protocol: each.samples for each in store.hours(AT, AT + DAY)} == dict.fromkeys(odd, 3)


@pytest.mark.parametrize("name", ["a\0b", "half \ud800", "x" * 501, "é" * 251])
def test_a_name_that_no_table_can_hold_is_refused_and_nothing_of_its_poll_waits(variable, schema, name):
    with opened(variable, schema) as store:
        with pytest.raises(InvalidInput, match="no name to keep"):
            store.add([*poll(0), Sample(name, AT, 1.0, 0.5, True)])
        assert store.waiting == 0


def test_a_question_about_a_name_that_cannot_be_is_answered(variable, schema):
    with opened(variable, schema) as store:
        assert store.samples(AT, AT + DAY, "a\0b") == [] == store.samples(AT, AT + DAY, "half \ud800")


def failing(call):
    """The error of a call, as a log would show it: with causes and contexts, message and repr."""
    try:
        call()
    except (DataError, ConfigurationError) as error:
        context = error.__context__
        return "".join(
            [*traceback.format_exception(error), repr(error), str(error), str(error.__cause__), repr(context)]
        )
    raise AssertionError("nothing failed")


@pytest.mark.slow
def test_the_password_is_in_no_error_log_or_repr(postgres, schema, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    told = []
    spoilt = [
        postgres.url.replace("reader:", "nobody:"),
        postgres.url.replace("canary%2Fof", "canary%2Fon"),
        postgres.url.replace("/postgres?", "/nowhere?"),
        postgres.url.replace("host=", "host=/nowhere"),
        f"host=/nowhere user=me password='{PASSWORD}' dbname=base",
        f"postgresql://me:canary@{PASSWORD.replace('/', '@')}@127.0.0.1/base",
        f"host=/nowhere user=me {PASSWORD}",
        "postgresql://me:canary%ZZ@127.0.0.1/base",
        "mysql://me:canary@127.0.0.1/base",
        "canary",
    ]
    for text in spoilt:
        monkeypatch.setenv(VARIABLE, text)

        def use():
            with opened(VARIABLE, schema) as store:
                told.append(repr(store) + repr(vars(store)) + repr(vars(store._server)))
                store.add(poll(0))
                store.last()

        told.append(failing(use))
    monkeypatch.setenv(VARIABLE, postgres.url)
    with opened(VARIABLE, schema) as store:
        store.add(poll(0))
        with stopped(postgres):
            store.add(poll(1))
            eventually(store, lambda: store.trouble)
            told += [failing(store.last), store.trouble, repr(store)]
    everything = "\n".join(told) + caplog.text + postgres.log
    assert len(told) > len(spoilt) and "postgres" in everything
    assert [secret for secret in SECRETS if secret in everything] == []


def test_without_its_variable_it_names_it(libraries, monkeypatch, schema):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=f"environment variable {VARIABLE} is not set"):
        PostgresHistory(VARIABLE, schema=schema)


def test_without_the_extra_it_says_what_to_install(monkeypatch, schema):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'reallot\[postgres\]'"):
        PostgresHistory(VARIABLE, schema=schema)
