"""reallot backup, health and reload: a copy of a ledger, whether an engine is alive, its configuration read again."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ..engine.contracts.secrets import redact
from ..engine.ledger.lock import LedgerLock
from ..errors import InvalidInput
from ..service.backup import back_up
from ..service.diagnosis import last_reading, patience
from ..text.durations import format_duration
from .config_file import config_of, ledger_of

WELL, ILL = 0, 1
SECONDS = 5.0


def backup(options: argparse.Namespace) -> int:
    """Copies the ledger and prints what was written."""
    sizes = back_up(ledger_of(options), options.target)
    told = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items())
    print(f"{options.target}: {told}")
    return WELL


def health(options: argparse.Namespace) -> int:
    """WELL where the engine is alive: by its page, or by the age of its last reading where a file is given."""
    well, words = _by_ledger(options) if options.config is not None else _by_page(options.url)
    print(words)
    return WELL if well else ILL


def _by_page(url: str) -> tuple[bool, str]:
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=SECONDS)
        connection.request("GET", f"{parts.path.rstrip('/')}/healthz")
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, f"no answer from {redact(url)}: {redact(str(error))}"
    return status == 200, f"{redact(url)} answers with status {status}"


def _by_ledger(options: argparse.Namespace) -> tuple[bool, str]:
    config, folder = config_of(options.config), ledger_of(options)
    lock = LedgerLock(folder)
    if not lock.is_held():
        return False, f"no engine runs on {folder}"
    last = last_reading(folder)
    if last is None:
        return False, f"{lock.owner()} runs and has read nothing yet"
    age = datetime.now(UTC) - last
    return age <= patience(config), f"{lock.owner()} runs; its last reading is {format_duration(age)} old"


def reload(options: argparse.Namespace) -> int:
    """Lets the engine read its configuration again, once that can be read here."""
    config_of(options.config)
    folder = ledger_of(options)
    try:
        owner = json.loads((folder / "owner.json").read_text(encoding="utf-8"))
        process = int(owner["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        owner, process = {}, 0
    if process <= 1 or not LedgerLock(folder).is_held():
        raise InvalidInput(f"no engine runs on {folder}: reallot run {options.config} starts one")
    if not hasattr(signal, "SIGHUP"):
        raise InvalidInput("this system has no SIGHUP: start the engine again instead")
    try:
        os.kill(process, signal.SIGHUP)
    except OSError as error:
        raise InvalidInput(f"process {process} cannot be told: {error.strerror}; is it yours?") from None
    print(f"Asked process {process}: its log says what was taken, and what needs a new start.")
    return WELL
