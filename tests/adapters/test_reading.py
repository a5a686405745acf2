"""Paths, times and documents: whatever is put in, a value comes out or an error with a kind."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.adapters.http import _pause, parsed
from reallot.adapters.reading import Reader, look_up, path_of
from reallot.adapters.series import Series, Unit
from reallot.adapters.times import moment_of, time_of, zone_of
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.secrets import LONGEST, redact, remember
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError
from reallot.orchestration.coordinator import ProtocolCoordinator
from tests.strategies import budget

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
DOCUMENT = {"a": {"b": [{"c": 1}, {"c": 2}]}, "d": [[1, 2], [3]]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[1].c", 2),
        ("a.b[*].c", [1, 2]),
        ("a.b[*]", [{"c": 1}, {"c": 2}]),
        ("d[0][1]", 2),
        ("d[*][0]", [1, 3]),
    ],
)
def test_a_path_leads_to_its_field(path, found):
    assert look_up(DOCUMENT, path, "it") == found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a.x", "no 'x'; known: b"),
        ("aa", "did you mean 'a'"),
        ("a.b[2].c", "entry 2"),
        ("a[0]", "entry 0"),
        ("a[*]", "a list"),
        ("a.b.c", "there is no object"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path, words):
    with pytest.raises(ProtocolError, match=words) as caught:
        look_up(DOCUMENT, path, "it")
    assert caught.value.kind is ErrorKind.SHAPE


@pytest.mark.slow
@budget(0.5)
@given(documents, st.from_regex(r"([a-c]|\[\d\]|\[\*\])(\.[a-c]|\[\d\]|\[\*\]){0,3}", fullmatch=True))
def test_any_document_and_any_path_end_in_a_value_or_a_kind(document, path):
    path_of(path)
    try:
        look_up(document, path, "it")
    except ProtocolError as error:
        assert error.kind is ErrorKind.SHAPE


@given(documents)
def test_documents_come_back_as_they_were_sent(document):
    def as_decimals(value):
        if isinstance(value, float):
            return Decimal(json.dumps(value))
        if isinstance(value, list):
            return [as_decimals(each) for each in value]
        return {key: as_decimals(each) for key, each in value.items()} if isinstance(value, dict) else value

    assert parsed(json.dumps(document).encode(), "it") == as_decimals(document)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_document_or_a_shape(content):
    try:
        parsed(content, "it")
    except ProtocolError as error:
        assert error.kind is ErrorKind.SHAPE
        assert len(str(error)) < LONGEST + 50


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-10T00:00:00Z", "2026-01-10T01:00:00+01:00", "2026-01-10T00:00:00.000000000Z", "20260110T000000Z"),
        *("Sat, 10 Jan 2026 00:00:00 GMT", "10 Jan 2026 01:00:00 +0100", "Sat, 10 Jan 2026 00:00:00 -0000"),
        *(1768003200, "1768003200", 1768003200.0, Decimal(1768003200), "1768003200.0"),
        *(1768003200 * 10**3, 1768003200 * 10**6, str(1768003200 * 10**6), 1768003200 * 10**9),
    ],
)
def test_times_are_read_in_every_form(value):
    assert moment_of(value) == datetime(2026, 1, 10, tzinfo=UTC)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.sampled_from(
        [
            datetime.isoformat,
            format_datetime,
            lambda moment: moment.timestamp(),
            lambda moment: int(moment.timestamp() * 1e3),
            lambda moment: str(int(moment.timestamp() * 1e6)),
            lambda moment: moment.astimezone(ZoneInfo("Asia/Tokyo")).isoformat(),
            lambda moment: moment.astimezone(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None).isoformat(),
            lambda moment: moment.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%a, %d %b %Y %H:%M:%S"),
        ]
    ),
)
def test_whatever_way_a_time_is_written_it_is_that_time(moment, write):
    found = moment_of(write(moment), ZoneInfo("Asia/Tokyo"))
    assert abs(found - moment) <= timedelta(seconds=1)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "", " ", None, 0, -1, "0", "0001-01-01"])
def test_a_time_that_never_was_is_none(value):
    assert time_of(value) is None


@pytest.mark.parametrize(
    "value", ["soon", True, 1e300, float("nan"), [], {}, "2026-13-01", "10/01/2026", "1" * 70, "2026-01-10T25:00:00Z"]
)
def test_a_time_that_cannot_be_read_is_an_error(value):
    with pytest.raises(ProtocolError, match="cannot be read") as caught:
        time_of(value)
    assert caught.value.kind is ErrorKind.SHAPE


@given(st.text() | documents)
def test_any_time_is_a_moment_in_utc_a_day_never_or_a_shape(value):
    try:
        found = time_of(value)
    except ProtocolError as error:
        assert error.kind is ErrorKind.SHAPE
    else:
        assert not isinstance(found, datetime) or found.tzinfo is UTC


def test_a_naive_time_takes_the_zone_that_is_configured_and_is_refused_without():
    berlin = zone_of("Europe/Berlin", "it")
    assert time_of("2026-01-10T01:00:00", berlin) == datetime(2026, 1, 10, tzinfo=UTC)
    assert time_of("2026-07-10T02:00:00", berlin) == datetime(2026, 7, 10, tzinfo=UTC)
    assert time_of("2026-01-10T01:00:00Z", berlin) == datetime(2026, 1, 10, 1, tzinfo=UTC)
    with pytest.raises(ProtocolError, match='set time_zone = "UTC"'):
        time_of("2026-01-10T01:00:00")
    with pytest.raises(ConfigurationError, match="time_zone 'Europe/Berln' is not known"):
        zone_of("Europe/Berln", "it")


def test_a_day_is_over_where_its_zone_says_so():
    assert time_of("2026-01-10") == date(2026, 1, 10) == time_of("20260110")
    assert moment_of("2026-01-10") == datetime(2026, 1, 11, tzinfo=UTC)
    assert moment_of("2026-01-10", ZoneInfo("Asia/Tokyo")) == datetime(2026, 1, 10, 15, tzinfo=UTC)


class Told(Reader):
    """A reader of documents that a test puts in."""

    def __init__(self, kind, clock, **others):
        can = Capabilities(acts=False, cadence=timedelta(hours=1))
        super().__init__(
            "it", Series(kind, window=timedelta(hours=1)), Unit(), share=0.5, most=None, clock=clock,
            capabilities=can, **others
        )  # fmt: skip
        self.document = {}

    async def get_status(self):
        at = self.time_at(self.document, "at")
        return self.status(self.document["usd"], "usd", at=at)


def polled(kind, readings, **others):
    """(earnings or error, age of what is carried forward) after each (hours, usd, time) of a source."""

    async def run():
        clock, found = ManualClock(datetime(2026, 1, 10, tzinfo=UTC)), []
        adapter = Told(kind, clock, **others)
        coordinator = ProtocolCoordinator(clock=clock)
        coordinator.register_adapter("it", adapter)
        for hours, usd, at in readings:
            clock.advance(hours * 3600 - (clock.now() - datetime(2026, 1, 10, tzinfo=UTC)).total_seconds())
            adapter.document = {"usd": usd, "at": at}
            status = await coordinator.get_protocol_status("it")
            coordinator.resume("it")
            age = coordinator._sources["it"].age(adapter.capabilities())
            found.append((status.earnings_per_hour if status.error is None else status.error, age))
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("kind", ["rate", "event", "counter", "balance"])
@pytest.mark.parametrize("at", ["2026-01-07T00:00:00", "yesterday", True, "2026-02-10T00:00:00Z"])
def test_a_value_whose_time_cannot_be_read_is_an_error_and_never_fresh(kind, at):
    assert polled(kind, [(0, 2.0, at), (1, 2.0, at), (2, 2.0, at)]) == [(ErrorKind.SHAPE, None)] * 3


@pytest.mark.parametrize(
    "at", ["2026-01-07T00:00:00Z", "Wed, 07 Jan 2026 00:00:00 GMT", 1767744000 * 10**6, "2026-01-07T09:00:00"]
)
def test_a_value_of_three_days_ago_is_stale_however_its_time_is_written(at):
    assert polled("rate", [(0, 2.0, at)], time_zone="Asia/Tokyo") == [(2.0, 3 * 86_400.0)]


def test_a_rate_whose_time_says_never_has_never_reported():
    assert polled("rate", [(0, 2.0, None), (1, 2.0, "0001-01-01T00:00:00Z")]) == [(ErrorKind.NEVER_REPORTED, None)] * 2


def test_an_amount_of_a_day_is_earned_over_that_day_and_stands_until_the_next_is_late():
    """6 USD a day, told some time after it is over; from the 12th on nothing more comes."""
    readings = [
        *((9, 6, "2026-01-09"), (20, 6, "2026-01-09"), (35, 6, "2026-01-10"), (57, 6, "2026-01-11")),
        *((24 * 3.5, 6, "2026-01-11"), (24 * 4.5, 6, "2026-01-11"), (24 * 6, 6, "2026-01-11")),
    ]
    assert [found for found, _ in polled("event", readings)] == [0.25] * 5 + [0.0] * 2


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_any_retry_after_is_a_pause_or_nothing(text):
    pause = _pause(text)
    assert pause is None or pause >= 0.0


@given(st.text(), st.text())
def test_a_known_secret_is_never_in_a_message(before, after):
    remember("kept-secret-77")
    told = redact(f"{before}kept-secret-77{after}")
    assert "kept-secret-77" not in told
    assert len(told) <= LONGEST
    assert "\n" not in told
