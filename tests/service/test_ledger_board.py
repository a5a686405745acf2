"""The page over a ledger alone: what an engine of another process wrote is shown, and what is asked for is put in."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from reallot.engine.contracts.configs import Mode
from reallot.engine.contracts.records import Alert
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.history import samples_of
from reallot.service.board import Condition, verdict
from reallot.service.ledger_board import LedgerBoards
from tests.runtime.test_actions import Engine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def looked(ledger, **more):
    boards = LedgerBoards(ledger, mode=Mode.CONFIRM, every=300.0, now=lambda: NOW, **more)
    hub = boards.begin()
    hub.publish = hub.take
    return boards, hub


def read(ledger, minutes, earned, *, up=True):
    at = NOW - timedelta(minutes=minutes)
    ledger.history.add(samples_of(at, {"relay": earned}, {"relay": 0.5}, {"relay": up}))


def test_a_ledger_without_readings_says_that_no_engine_runs():
    _, hub = looked(open_ledger())
    assert verdict(hub.board) == (Condition.BLIND, "No engine runs on this ledger.")
    assert hub.board.blocked.by == "engine" and not hub.board.is_fresh(NOW)


def test_readings_shares_and_alerts_are_shown_and_a_look_tells_only_what_differs():
    ledger = open_ledger()
    read(ledger, 10, 0.4)
    read(ledger, 5, 0.6)
    read(ledger, -60 * 24 * 1000, 9.0)  # of a clock that was ahead
    boards, hub = looked(ledger)
    assert hub.board.result.metrics.earnings_by_protocol == {"relay": 0.6} and hub.board.names == ("relay",)
    seq = hub.board.seq
    boards.look(hub)
    assert hub.board.seq == seq
    ledger.journal.raise_alert(Alert(key="low", message="low", severity=0.5, timestamp=NOW))
    ledger.events.add([(NOW, "alert", "low", {}, 20)])
    boards.look(hub)
    assert hub.board.seq == seq + 1 and [each.key for each in hub.board.alerts] == ["low"]
    assert [number for number, _ in hub.recent] == [1]
    read(ledger, 0, 0.6, up=False)
    boards.look(hub)
    assert hub.board.silent == ["relay"]


def test_a_plan_that_waits_and_a_pause_are_those_of_the_engine(tmp_path):
    engine = Engine(tmp_path)
    engine.step(2)
    boards, hub = looked(engine.parts.ledger)
    waiting = engine.journal.waiting()
    assert hub.board.runs and hub.board.waiting.id == waiting.plan_id
    assert hub.board.waits_until == waiting.at.wall + engine.parts.engine.config.confirmation_lifetime
    assert verdict(hub.board).condition is Condition.WAITING
    engine.ask("pause")
    engine.step()
    boards.look(hub)
    assert verdict(hub.board).condition is Condition.PAUSED and hub.board.blocked.by == "halted"
    engine.close()


@pytest.mark.slow
def test_the_command_serves_a_ledger_and_what_is_asked_for_is_heard_by_the_engine(tmp_path):
    engine = Engine(tmp_path)
    engine.step()
    command = [sys.executable, "-m", "reallot", "serve", "--ledger", str(tmp_path), "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address, _, token = server.stdout.readline().removeprefix("open ").strip().partition("#token=")
        with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60.0) as client:
            assert client.get("/v1/state").json()["names"] == sorted(engine.parts.coordinator.adapters)
            asked = client.post("/v1/actions", json={"kind": "pause"}, headers={"Idempotency-Key": "k"}).json()
            engine.step()
            assert client.get(f"/v1/actions/{asked['id']}?wait=20").json()["state"] == "done"
            assert client.get("/v1/config").status_code == 503
            assert client.get("/v1/plans").status_code == 200
    finally:
        server.terminate()
        server.stdout.close()
        assert server.wait(timeout=60) == 0
        engine.close()
