"""What is wrong with an installation, each fault with the command that mends it; nothing is moved or made."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from ..engine.ledger.lock import LedgerLock
from ..errors import how_to_install
from ..runtime.checkup import ACTING, Finding, check_config
from ..runtime.config import Config
from ..runtime.notify_settings import NotifyTarget
from ..text.durations import format_duration

PORT = 8420
WAL_RESET_MENDED = (3, 51, 3)
"""SQLite before this may, in rare races of two writers, damage a file in write-ahead mode."""
LITTLE, TOO_LITTLE = 500 << 20, 20 << 20
"""Bytes of free room below which it is told, and below which a ledger cannot be relied on."""
DATABASES = ("journal.db", "history.db", "requests.db", "events.db")


@dataclass(frozen=True)
class Complaint:
    """One thing that was looked at: `level` is ok, warn or fail."""

    level: str
    place: str
    text: str
    cure: str = ""


@dataclass(frozen=True)
class Machine:
    """What is known of the machine beside the files; given by tests, asked of the machine otherwise."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    sqlite: tuple[int, ...] = sqlite3.sqlite_version_info
    free_bytes: int | None = None
    port: int = PORT


async def diagnose(config: Config, machine: Machine | None = None) -> list[Complaint]:
    """All that is found, in the order in which one would look: adapters, ledger, messages, access, the machine."""
    machine = machine or Machine()
    found = [_of(each) for each in await check_config(config)]
    found += _mode(config)
    folder = config.ledger_folder
    if folder is not None and folder.is_dir():
        found += _ledger(config, folder, machine)
    for name, target in config.notify.named().items():
        found.append(_target(name, target))
    found += _libraries(machine)
    return found


def _of(finding: Finding) -> Complaint:
    if finding.trouble:
        return Complaint("fail", finding.place, finding.trouble, finding.cure)
    return Complaint("ok", finding.place, finding.note or "well")


def _mode(config: Config) -> Iterator[Complaint]:
    mode = config.reallocation.mode
    simulated = all(each.simulates for each in config.protocols.values())
    if mode in ACTING and config.ledger_folder is None and not simulated:
        text = f"mode {mode.value} without a ledger on disk: a restart forgets what was begun"
        yield Complaint("warn", "[ledger]", text, 'write path = "ledger" under [ledger]')


def _ledger(config: Config, folder: Path, machine: Machine) -> Iterator[Complaint]:
    free = shutil.disk_usage(folder).free if machine.free_bytes is None else machine.free_bytes
    if free < LITTLE:
        level = "fail" if free < TOO_LITTLE else "warn"
        text = f"{free / 1e6:.0f} MB are free where the ledger is"
        yield Complaint(level, "[ledger]", text, f"make room: df -h {folder}")
    if os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o002:
        yield Complaint("fail", "[ledger]", "anybody on this machine may write into it", f"chmod 700 {folder}")
    tokens = folder / "tokens.json"
    if tokens.is_file() and stat.S_IMODE(tokens.stat().st_mode) & 0o077:
        yield Complaint("fail", "[service]", "others on this machine may read its tokens", f"chmod 600 {tokens}")
    for name in DATABASES:
        if (folder / name).is_file() and (why := _damage(folder / name)):
            aside = f"mv {folder / name} {folder / name}.damaged"
            cure = "reallot resume, after a look at the shares" if name == "journal.db" else aside
            yield Complaint("fail", "[ledger]", f"{name} is damaged: {why}", cure)
    yield from _life(config, folder, machine)


def _damage(path: Path) -> str:
    """Why a database cannot be relied on; "" where it can."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            return "" if answer == "ok" else str(answer)
    except sqlite3.Error as error:
        return "" if "locked" in str(error) else str(error)


def _life(config: Config, folder: Path, machine: Machine) -> Iterator[Complaint]:
    """Whether an engine runs on it, and whether its readings are as young as they should be."""
    last, lock = last_reading(folder), LedgerLock(folder)
    runs = lock.is_held()
    if last is not None and last > machine.now + config.coordinator.every:
        text = f"readings up to {last:%Y-%m-%d %H:%M} UTC are from the future: the clock of this machine went back"
        yield Complaint("fail", "clock", text, "set the clock: timedatectl set-ntp true")
    elif runs and last is not None and (age := machine.now - last) > patience(config):
        text = f"{lock.owner()} runs, and its last reading is {format_duration(age)} old"
        yield Complaint("fail", "engine", text, "see its log, then start it again: systemctl restart reallot")
    elif runs:
        yield Complaint("ok", "engine", f"runs: {lock.owner()}")
    if not runs and _is_taken(machine.port):
        text = f"port {machine.port} is taken by another program, so --serve would not start"
        yield Complaint("warn", "[service]", text, f"see who it is: ss -ltnp 'sport = {machine.port}'; or --serve :0")


def patience(config: Config) -> timedelta:
    """How old the last reading of a living engine may be."""
    return 3 * config.coordinator.every + timedelta(minutes=1)


def last_reading(folder: Path) -> datetime | None:
    """The moment of the newest reading in a ledger's folder; None without one."""
    from ..engine.ledger.history import History
    from ..errors import DataError

    if not (folder / "history.db").is_file():
        return None
    try:
        with closing(History(folder / "history.db", read_only=True)) as history:
            return history.last()
    except (DataError, sqlite3.Error):
        return None


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _target(name: str, target: NotifyTarget) -> Complaint:
    """Whether messages to one target can be sent at all."""
    place = f"[notify] {name}"
    if missing := [each for each in target.variables() if not os.environ.get(each)]:
        return Complaint("fail", place, f"the variable {missing[0]} is not set", f"export {missing[0]}=...")
    if target.command is not None:
        if shutil.which(target.command[0]) is None:
            cure = f"install it, or name its whole path: which {target.command[0]}"
            return Complaint("fail", place, f"there is no program {target.command[0]}", cure)
        return Complaint("ok", place, f"runs {target.command[0]}")
    scheme = os.environ[target.url_env or ""].partition("://")[0].lower()
    if scheme not in ("http", "https") and find_spec("apprise") is None:
        text = "its address is not a webhook, and Apprise is not installed"
        return Complaint("fail", place, text, how_to_install("notify"))
    if not scheme.isalnum():
        return Complaint("fail", place, f"{target.url_env} holds no address", f"export {target.url_env}=https://...")
    return Complaint("ok", place, f"sends to the address in {target.url_env}")


def _libraries(machine: Machine) -> Iterator[Complaint]:
    version = ".".join(map(str, machine.sqlite))
    if machine.sqlite < WAL_RESET_MENDED:
        text = f"SQLite {version} has a rare fault of write-ahead files, mended in 3.51.3; a backup a day is cheap"
        yield Complaint("ok", "machine", text, "reallot backup DIR, from a timer")
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        yield Complaint("ok", "machine", "the page and the API are not installed", how_to_install("service"))
