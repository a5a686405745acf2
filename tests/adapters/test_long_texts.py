"""Texts from outside are read in time that grows no faster than they do: no source holds up the others."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from reallot.adapters.command import _words
from reallot.adapters.http import MOST_BYTES, _asks_for_password, _pause, _told, parsed
from reallot.adapters.reading import look_up
from reallot.adapters.series import exact
from reallot.adapters.times import moment_of
from reallot.engine.contracts import secrets
from reallot.engine.contracts.records import ProtocolStatus
from reallot.engine.contracts.secrets import redact
from reallot.engine.contracts.validation import amount, checked, failure
from reallot.errors import ProtocolError

NOW = datetime(2026, 1, 10, tzinfo=UTC)
MOST_SECONDS = 0.05
PIECES = (
    *("a", "A", "1", " ", ".", "-", "_", ":", "/", "=", '"', "\\", "\n", "é", "\0", "x:", "a.", "1 ", "a://", "@a"),
    *("bearer ", "token ", "token=", "token: '", "api_key", "api_", "://a", "a@", "password", "pass", "secretse"),
    *("<input ", "type ", "type=", "<input type", "type=password", "<input type=password", "aaaaaaaaaaab", "&quot;"),
)


def status(**others):
    return ProtocolStatus(
        protocol="it", connected=True, earnings_per_hour=1.0, allocation=0.5, observed_at=NOW, **others
    )


READERS = {
    "a message": redact,
    "a short message": lambda text: redact(text, 20),
    "an HTTP error": lambda text: _told(json.dumps({"error": text}).encode()),
    "an HTTP error in parts": lambda text: _told(json.dumps({"error": [text]}).encode()),
    "a page": lambda text: _asks_for_password(b"<" + text.encode()),
    "a document": lambda text: parsed(text.encode(), "it"),
    "a time to wait": _pause,
    "a program's words": lambda text: _words(text.encode()),
    "a time": moment_of,
    "a number": lambda text: exact(text, "it"),
    "an amount": lambda text: amount(text, "it"),
    "a key": lambda text: look_up({text: 1}, "earned", "it"),
    "a plug-in's error": lambda text: failure(RuntimeError(text)),
    "a plug-in's status": lambda text: checked(status(message=text, details={text[:9]: text}), "it", NOW),
}


@pytest.fixture(autouse=True)
def a_long_secret_of_one_letter(monkeypatch):
    monkeypatch.setattr(secrets, "_seen", {})
    secrets.remember("a" * 2000 + "b")


def seconds_of(reader, given):
    started = time.process_time()
    with suppress(ProtocolError):
        reader(given)
    return time.process_time() - started


@pytest.mark.parametrize("reader", READERS)
def test_no_text_takes_longer_than_its_length_allows(reader):
    """A quarter of a million signs of every kind; two million may take 50 ms, twice that on a busy machine."""
    texts = {piece: piece * (MOST_BYTES // 8 // len(piece)) for piece in PIECES}
    for _ in range(3):  # a busy machine may be slow once
        texts = {piece: text for piece, text in texts.items() if seconds_of(READERS[reader], text) > MOST_SECONDS / 4}
    assert not list(texts)


@pytest.mark.parametrize("reader", ["a message", "an HTTP error", "a program's words"])
def test_two_million_letters_are_told_within_50_ms(reader):
    assert seconds_of(READERS[reader], "x" * MOST_BYTES) < MOST_SECONDS


def test_a_document_of_many_keys_helps_as_soon_as_one_of_few():
    keys = {f"earned-{number}": number for number in range(20_000)}
    assert seconds_of(lambda document: look_up(document, "earned", "it"), keys) < MOST_SECONDS
