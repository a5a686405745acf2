"""A backup of a ledger in use, the health of an engine, and the signal that lets it read its file again."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.history import samples_of
from reallot.errors import DataError, InvalidInput
from reallot.service.backup import back_up
from tests.pair import PAIR, run


def filled(folder: Path, at: datetime):
    ledger = open_ledger(folder)
    ledger.journal.adopt({"relay": 0.6, "compute": 0.4})
    ledger.history.add(samples_of(at, {"relay": 1.0}, {"relay": 0.6}, {"relay": True}))
    return ledger


def test_a_backup_is_a_ledger_with_all_that_the_first_has(tmp_path: Path):
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    ledger = filled(tmp_path / "ledger", at)  # an engine has it
    told = ledger.events.add([(at, "alert", "relay is silent", {"key": "silent:relay"}, 30)])
    asked = ledger.requests.post("pause")
    sizes = back_up(tmp_path / "ledger", tmp_path / "copy")
    ledger.close()
    databases = {each.name for each in (tmp_path / "ledger").glob("*.db")} - {"lock.db"}
    assert set(sizes) == databases and all(sizes.values())
    copy = open_ledger(tmp_path / "copy")
    assert copy.journal.committed() == {"relay": 0.6, "compute": 0.4}
    assert copy.history.last() == at and copy.journal.halted() == "" and copy.notes == []
    assert copy.events.after(0, 9) == told and copy.requests.all() == [asked]
    copy.close()
    assert not list(tmp_path.glob(".copy*")) and (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_a_backup_replaces_nothing_and_needs_a_ledger(tmp_path: Path, capsys):
    filled(tmp_path / "ledger", datetime(2026, 6, 1, tzinfo=UTC)).close()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("")
    with pytest.raises(InvalidInput, match="not an empty folder"):
        back_up(tmp_path / "ledger", tmp_path / "copy")
    assert [each.name for each in (tmp_path / "copy").iterdir()] == ["mine"]
    code, _, err = run(capsys, "backup", tmp_path / "other", "--ledger", tmp_path / "nowhere")
    assert code == 2 and "there is no ledger here" in err
    code, out, _ = run(capsys, "backup", tmp_path / "other", "--ledger", tmp_path / "ledger")
    assert code == 0 and "journal.db" in out


def test_a_backup_may_be_made_where_one_stands(tmp_path: Path, monkeypatch):
    filled(tmp_path / "ledger", datetime(2026, 6, 1, tzinfo=UTC)).close()
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    back_up(tmp_path / "ledger", Path())
    assert (tmp_path / "copy" / "journal.db").is_file()


def test_a_damaged_ledger_gives_no_backup_that_looks_sound(tmp_path: Path):
    filled(tmp_path / "ledger", datetime(2026, 6, 1, tzinfo=UTC)).close()
    path = tmp_path / "ledger" / "journal.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(DataError):
        back_up(tmp_path / "ledger", tmp_path / "copy")
    assert not (tmp_path / "copy").exists() and not list(tmp_path.glob(".copy*"))


def test_health_by_the_ledger(tmp_path: Path, capsys):
    (tmp_path / "config.toml").write_text('[ledger]\npath = "ledger"\n' + PAIR)
    ledger = filled(tmp_path / "ledger", datetime.now(UTC))
    assert run(capsys, "health", tmp_path / "config.toml")[0] == 0
    ledger.close()
    code, out, _ = run(capsys, "health", tmp_path / "config.toml")
    assert code == 1 and "no engine runs" in out
    for each in (tmp_path / "ledger").iterdir():
        each.unlink()
    ledger = filled(tmp_path / "ledger", datetime.now(UTC) - timedelta(hours=1))
    code, out, _ = run(capsys, "health", tmp_path / "config.toml")
    assert code == 1 and "1h" in out
    ledger.close()


@pytest.mark.parametrize(("scheme", "status", "code"), [("http", 200, 0), ("http", 503, 1), ("https", 200, 1)])
def test_health_by_the_page(capsys, scheme: str, status: int, code: int):
    """An https address is asked by TLS, which this page does not speak."""
    asked = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert run(capsys, "health", "--url", f"{scheme}://127.0.0.1:{server.server_port}/reallot/")[0] == code
        thread.join()
    assert asked == (["/reallot/healthz"] if scheme == "http" else [])
    assert run(capsys, "health", "--url", f"http://127.0.0.1:{server.server_port}")[0] == 1


def test_reload_is_a_signal_to_the_engine_that_runs(tmp_path: Path, capsys):
    (tmp_path / "config.toml").write_text('[ledger]\npath = "ledger"\n' + PAIR)
    code, _, err = run(capsys, "reload", tmp_path / "config.toml")
    assert code == 2 and "no engine runs" in err
    heard = []
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append(True))
    ledger = filled(tmp_path / "ledger", datetime.now(UTC))  # held by this process
    try:
        code, out, _ = run(capsys, "reload", tmp_path / "config.toml")
        assert code == 0 and f"process {os.getpid()}" in out and heard == [True]
        (tmp_path / "config.toml").write_text("[optimizer]\nhorizon = 1\n" + PAIR)
        code, _, err = run(capsys, "reload", tmp_path / "config.toml")
        assert code == 2 and "horizon" in err and heard == [True]
    finally:
        signal.signal(signal.SIGHUP, before)
        ledger.close()
