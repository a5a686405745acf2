"""Paths, times and documents: whatever is put in, a value comes out or an error with a kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.adapters.http import _pause, parsed
from reallot.adapters.reading import look_up, moment_of, path_of
from reallot.engine.contracts.secrets import LONGEST, redact, remember
from reallot.errors import ErrorKind, ProtocolError

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
        *("2026-01-10T00:00:00Z", "2026-01-10T01:00:00+01:00", "2026-01-10T00:00:00.000000000Z"),
        *(1768003200, "1768003200", 1768003200.0, Decimal(1768003200), 1768003200000),
    ],
)
def test_times_are_read_in_every_form(value):
    assert moment_of(value) == datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00Z", "2026-01-10T00:00:00", "", "soon", None, True, 0, -1, 1e300, float("nan"), [], {}]
)
def test_times_that_say_nothing_are_none(value):
    assert moment_of(value) is None


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
