"""What a person asks of a running engine from another process: to ask a source again, to believe what jumped."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.errors import ErrorKind, ProtocolError
from tests.orchestration.played import Played, simulated

pytestmark = pytest.mark.slow
TWO = simulated("a", 0.5, "rate = 1.0") + simulated("b", 0.5, "rate = 1.0", 'changes = [["30m", 24.0]]')


def test_resume_asks_at_once_what_is_backed_off_and_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    played = Played(TWO, ledger=tmp_path)
    adapter = played.parts.coordinator.adapters["b"]
    asked, answers = [], adapter.get_status

    async def refused():
        asked.append(played.parts.clock.now())
        raise ProtocolError("status 403", ErrorKind.AUTH)

    adapter.get_status = refused
    played.go(6)
    assert asked[-1] - asked[-2] == timedelta(hours=1)  # it is asked, once an hour
    adapter.get_status = answers
    assert main(["resume", "--ledger", str(tmp_path)]) == 0
    assert "Asked again in the next cycle: b did not answer" in capsys.readouterr().out
    asyncio.run(played.runner.cycle())
    assert played.runner.last.metrics.connection_status == {"a": True, "b": True}
    assert played.of("resumed") == ["asked again now: b"]
    assert main(["resume", "--ledger", str(tmp_path)]) == 3
    assert "nothing is halted, and no protocol failed to answer when it was asked last" in capsys.readouterr().err
    played.close()


def test_a_source_that_heals_is_asked_again_within_the_hour_without_anybody():
    played = Played(TWO)
    adapter = played.parts.coordinator.adapters["b"]
    answers = adapter.get_status

    async def refused():
        raise ProtocolError("status 401", ErrorKind.AUTH)

    adapter.get_status = refused
    played.go(30)
    adapter.get_status = answers
    played.go(1.1)
    assert played.runner.last.metrics.connection_status["b"]
    assert len([text for text in played.of("recovered") if "b has refused the login" in text]) == 1


def test_acknowledge_lets_what_jumped_be_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    played = Played(TWO, ledger=tmp_path).go(5)
    assert played.now()["b"] == pytest.approx(0.7)
    assert main(["acknowledge", "c", "--ledger", str(tmp_path)]) == 3
    assert main(["acknowledge", "b", "--ledger", str(tmp_path)]) == 0
    assert "Seen: jump:b" in capsys.readouterr().out
    assert played.go(3).now()["b"] == pytest.approx(1.0)
    assert len(played.of("acknowledged")) == 1
    assert main(["acknowledge", "b", "--ledger", str(tmp_path)]) == 3
    played.close()
