"""A real process that is killed between a click and its act: what was asked for is done once, or said not to be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx2
import pytest

from reallot.cli.main import main
from reallot.engine.ledger.folder import read_journal
from reallot.engine.ledger.operator_requests import ActionState, Requests
from reallot.service.client import EngineClient
from tests.runtime.test_actions import TEXT

pytestmark = pytest.mark.slow


def served(config, folder):
    """An engine that serves, where it does, and the token that it prints."""
    command = [sys.executable, "-m", "reallot", "run", str(config), "--ledger", str(folder), "--serve", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = next(line for line in process.stdout if line.startswith("open "))
    address, _, token = line.removeprefix("open ").strip().partition("#token=")
    return process, address, token


def waiting(address, token):
    """The plan that waits, as soon as the live stream tells of one."""
    with EngineClient(address, token) as engine:
        return next(frame["waiting"] for frame in engine.frames() if frame["t"] == "state" and frame["waiting"])


@pytest.mark.parametrize("looks", [0, 1])
def test_a_confirmed_plan_of_a_killed_engine_is_carried_out_once_or_not_at_all(looks, tmp_path, capsys):
    config, folder = tmp_path / "config.toml", tmp_path / "ledger"
    config.write_text(TEXT.format(mode="confirm", hold="1h", every="1s"))
    process, address, token = served(config, folder)
    plan = waiting(address, token)
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60.0) as client:
        headers = {"Idempotency-Key": "the click", "If-Match": f'"{plan["fingerprint"]}"'}
        asked = client.post("/v1/actions", json={"kind": "confirm", "plan_id": plan["plan_id"]}, headers=headers)
        assert asked.status_code == 202
        for _ in range(looks):
            client.get(f"/v1/actions/{asked.json()['id']}?wait=0.3")
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    found = Requests(folder).find(asked.json()["id"])
    assert found is not None and found.kind == "confirm"  # the answer came after it was written
    for _ in range(2):
        assert main(["run", str(config), "--ledger", str(folder), "--once"]) == 0
    capsys.readouterr()
    ended = Requests(folder).find(found.id)
    journal = read_journal(folder)
    changes = [each for each in journal.changes() if each.plan_id == plan["plan_id"]]
    journal.close()
    assert ended.state in (ActionState.DONE, ActionState.REFUSED, ActionState.EXPIRED)
    names = [each.protocol for each in changes if each.kind == "move" and each.outcome == "confirmed"]
    assert len(names) == len(set(names))
    assert (ended.state is ActionState.DONE) == bool(names), (ended, changes)


if os.name == "nt":
    pytestmark = pytest.mark.skip(reason="SIGKILL is POSIX's")
