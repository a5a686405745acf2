"""reallot run --serve: what goes on beside a run begins and ends with it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading

import pytest

from reallot.cli.main import main
from reallot.cli.serve import serve
from tests.orchestration.played import Played
from tests.pair import PAIR


def test_one_cycle_has_nobody_to_show_it_to(tmp_path, capsys):
    (tmp_path / "config.toml").write_text(PAIR)
    assert main(["run", str(tmp_path / "config.toml"), "--once", "--serve"]) == 2
    assert "--once ends after one cycle" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [False, True])
def test_with_the_run_end_its_server_and_its_pages_and_the_ledger_stays_open(tmp_path, kept):
    played, said = Played(PAIR, ledger=tmp_path if kept else None), []

    async def go():
        served = serve(played.runner, "127.0.0.1:0", said.append)
        stop = asyncio.Event()
        assert served.server.is_alive and await served.pages.ask(lambda: served.pages.journal.halted()) == ""
        assert await served.pages.ask(lambda: served.pages.history.last()) is None
        stop.set()
        await served.run(print, None, stop)
        with pytest.raises(RuntimeError, match="shutdown"):
            await served.pages.ask(lambda: served.pages.journal.halted())
        return served

    served = asyncio.run(go())
    assert not served.server.is_alive and said == [f"open {served.url}"]
    assert not [each for each in threading.enumerate() if each.name.startswith("reallot-records")]
    assert played.parts.ledger.journal.halted() == "" and played.parts.ledger.history.last() is None
    played.close()


@pytest.mark.slow
def test_a_log_that_is_kept_has_the_address_and_no_token(tmp_path):
    """A container's log has what goes to standard output and to standard error."""
    (tmp_path / "config.toml").write_text(PAIR)
    command = [sys.executable, "-m", "reallot", "run", str(tmp_path / "config.toml"), "--json-log"]
    command += ["--serve", "127.0.0.1:0", "--ledger", str(tmp_path / "ledger")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        lines = []
        for line in running.stdout:
            lines.append(line)
            if json.loads(line)["event"] == "serve" or len(lines) > 20:
                running.terminate()
        running.wait(60)
    [told] = [json.loads(line)["message"] for line in lines if json.loads(line)["event"] == "serve"]
    assert told.startswith("open http://127.0.0.1:") and "reallot token new NAME" in told
    assert "token=" not in "".join(lines)
