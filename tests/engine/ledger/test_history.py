"""Both stores of readings against a plain dictionary: added, asked for in order, summed up, forgotten, opened again."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from reallot.engine.ledger.history import History, Hour, Sample
from reallot.engine.ledger.history_store import HistoryStore

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = ["relay", "Storage", "storage", "é", "e\u0301", "Z z", "'\"; --", "\U0001f600", "\uffee", "%s", ":at"]

names = st.sampled_from(NAMES)
moments = st.builds(
    lambda minutes, micro: AT + timedelta(minutes=minutes, microseconds=micro),
    st.integers(0, 600),
    st.sampled_from([0, 0, 1, 999_999]),
)
numbers = st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda value: round(value, 6)))
readings = st.lists(st.builds(Sample, names, moments, numbers, numbers, st.booleans()), max_size=20)
ages = st.sampled_from([timedelta(0), HOUR, 3 * HOUR, timedelta(days=14), timedelta(days=730)])


class Plain:
    """The same store as a dictionary."""

    def __init__(self):
        self.raw: dict[tuple[str, datetime], Sample] = {}
        self.summed: dict[tuple[str, datetime], Hour] = {}

    def add(self, samples):
        self.raw.update({(each.protocol, each.at): each for each in samples})

    def samples(self, start, end, protocol=None):
        return self._within(self.raw, start, end, protocol)

    def hours(self, start, end, protocol=None):
        return self._within(self.summed, start, end, protocol)

    def last(self):
        return max((at for _, at in self.raw), default=None)

    def roll_up(self, now, raw, hours):
        until = now.replace(minute=0, second=0, microsecond=0)
        done = max((hour for _, hour in self.summed), default=AT)
        groups: dict[tuple[str, datetime], list[Sample]] = {}
        for (name, at), sample in self.raw.items():
            if done <= at < until:
                groups.setdefault((name, at.replace(minute=0, second=0, microsecond=0)), []).append(sample)
        self.summed |= {key: summed(key, samples) for key, samples in groups.items()}
        self.raw = {key: each for key, each in self.raw.items() if key[1] >= min(now - raw, until)}
        self.summed = {key: each for key, each in self.summed.items() if key[1] >= now - hours}

    def _within(self, table, start, end, protocol):
        return [table[key] for key in sorted(table) if start <= key[1] < end and protocol in (None, key[0])]


def summed(key, samples):
    earned = [each.earnings for each in samples if each.up and each.earnings is not None]
    shares = [each.share for each in samples if each.share is not None]
    lowest, highest = (min(earned), max(earned)) if earned else (None, None)
    up, measured = sum(each.up for each in samples) / len(samples), len(earned) / len(samples)
    times = [each.at for each in samples]
    seconds = (max(times) - min(times)).total_seconds()
    return Hour(*key, mean(earned), mean(shares), lowest, highest, len(samples), up, measured, seconds)


def mean(values):
    return sum(values) / len(values) if values else None


def same(found, expected):
    """Equal but for the last digits of means."""
    assert [exact(each) for each in found] == [exact(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        for mine, theirs in ((one.earnings, other.earnings), (one.share, other.share)):
            assert mine is theirs is None or mine == pytest.approx(theirs, rel=1e-9, abs=1e-9)
    return True


def exact(hour):
    """All of an hour but its means."""
    return replace(hour, earnings=None, share=None)


class Conformance(RuleBasedStateMachine):
    """A store does what the dictionary does. `opened(place)` opens it, `cleared(place)` clears away."""

    def __init__(self, opened, cleared, places):
        super().__init__()
        self.opened, self.cleared, self.place = opened, cleared, next(places)
        self.plain = Plain()
        self.store: HistoryStore | None = None

    @initialize()
    def begin(self):
        self.store = self.opened(self.place)

    @rule(samples=readings)
    def add(self, samples):
        self.store.add(samples)
        self.plain.add(samples)

    @rule(now=moments, raw=ages, hours=ages)
    def roll_up(self, now, raw, hours):
        self.store.roll_up(now, raw, hours)
        self.plain.roll_up(now, raw, hours)

    @rule()
    def a_restart(self):
        self.store.close()
        self.store = self.opened(self.place)

    @rule(start=moments, end=moments, name=st.one_of(st.none(), names, st.just("unknown")))
    def a_question(self, start, end, name):
        assert self.store.samples(start, end, name) == self.plain.samples(start, end, name)
        assert same(self.store.hours(start, end, name), self.plain.hours(start, end, name))

    @invariant()
    def everything_is_there(self):
        if self.store is not None:
            whole = AT - HOUR, AT + timedelta(days=2)
            assert self.store.samples(*whole) == self.plain.samples(*whole)
            assert same(self.store.hours(*whole), self.plain.hours(*whole))
            assert self.store.last() == self.plain.last()

    def teardown(self):
        if self.store is not None:
            self.store.close()
            self.store.close()
        self.cleared(self.place)


@pytest.mark.slow
def test_readings_in_sqlite_are_what_a_dictionary_holds():
    folder = Path(tempfile.mkdtemp())
    machine = partial(Conformance, History, lambda path: None, (folder / str(number) for number in count()))
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=30))
    shutil.rmtree(folder)


@pytest.mark.slow
def test_readings_in_postgresql_are_what_a_dictionary_holds(postgres, variable):
    from reallot.engine.ledger.postgres_history import PostgresHistory

    machine = partial(
        Conformance,
        lambda schema: PostgresHistory(variable, schema=schema),
        lambda schema: postgres.run(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'),
        (f"conformance {number}" for number in count()),
    )
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=15))
