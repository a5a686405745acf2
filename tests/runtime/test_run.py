"""A running engine: the shipped example, what is told, what is kept, how it is stopped, and what a restart knows."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from reallot.cli.live_table import display
from reallot.engine.contracts.reports import PerformanceReport
from reallot.engine.ledger.folder import open_ledger, read_journal
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text, read_config
from reallot.runtime.runner import Runner
from tests.pair import PAIR, run

MOVING = (
    """
[coordinator]
every = "2m"
[optimizer]
min_improvement_threshold = 0.01
[reallocation]
mode = "automatic"
min_hold_duration = "1h"
[monitor]
low_earnings_threshold = 0.01
optimization_threshold = 100.0
"""
    + PAIR
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(MOVING)
    return path


@pytest.mark.parametrize("name", ["ten_protocols.toml", "ten.toml"])
def test_one_cycle_of_the_shipped_example(name: str, capsys: pytest.CaptureFixture[str]):
    code, out, err = run(capsys, "run", name, "--once", "--simulate", "1h")
    assert (code, err) == (0, "")
    assert "10 protocols, polled every 5m, mode automatic" in out
    assert out.count("  moved ") == 1
    assert "total" in out


@pytest.mark.slow
def test_a_simulated_day_moves_and_says_why_it_was_worth_it(capsys: pytest.CaptureFixture[str], config: Path):
    code, out, err = run(capsys, "run", config, "--simulate", "6h")
    assert (code, err) == (0, "")
    # 0.2 at a time, an hour apart: 0.6 -> 0.4 -> 0.2 -> 0.0
    moves = [line for line in out.splitlines() if "  moved " in line]
    assert [line.split("moved ")[1].split(":")[0] for line in moves] == [
        "relay 0.60 -> 0.40, compute 0.40 -> 0.60",
        "relay 0.40 -> 0.20, compute 0.60 -> 0.80",
        "relay 0.20 -> 0.00, compute 0.80 -> 1.00",
    ]
    assert "by never moving" in out


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["observe", "advise"])
def test_looking_and_advising_move_nothing(mode: str, capsys: pytest.CaptureFixture[str], config: Path):
    code, out, _ = run(capsys, "run", config, "--simulate", "2h", "--mode", mode)
    assert code == 0
    assert out.count("would move relay") == (1 if mode == "advise" else 0)
    assert "  moved " not in out
    assert "compute  0.400  0.400" in out


@pytest.mark.slow
def test_the_log_can_be_json_and_nothing_else(capsys: pytest.CaptureFixture[str], config: Path):
    code, out, _ = run(capsys, "run", config, "--simulate", "100m", "--json-log")
    told = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert code == 0
    assert [each["event"] for each in told] == ["start", "move", "move", "end"]
    assert told[1]["move.compute"] == pytest.approx(0.2)
    assert told[1]["time"] == "2026-01-01T00:00:00+00:00"


# What is kept


@pytest.mark.slow
def test_a_report_out_of_the_ledger_is_the_monitors_own(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    text = MOVING.replace("rate = 3.0", 'rate = 3.0\nnoise = 0.2\noutages = [["90m", "2h30m"]]')
    parts = build(config_from_text(text), simulate=True)
    began = parts.clock.now()

    async def whole():
        runner = Runner(parts, lambda event: None)
        async for _ in runner.cycles(asyncio.Event(), began + timedelta(hours=6)):
            pass
        return await parts.monitor.generate_report(began, began + timedelta(hours=6))

    own = asyncio.run(whole())
    asyncio.run(parts.close())
    config.write_text(text)
    ledger = tmp_path / "books"
    assert run(capsys, "run", config, "--simulate", "6h", "--ledger", ledger)[0] == 0
    code, out, err = run(capsys, "report", "--since", "6h", "--ledger", ledger, "--json")
    assert (code, err) == (0, "")
    found = PerformanceReport.model_validate_json(out)
    assert own.alerts > 0 and own.moves and own.carried_earnings > 0.0
    assert found == own.model_copy(update={"total_earnings": found.total_earnings})
    assert found.total_earnings == pytest.approx(own.total_earnings, rel=1e-12)
    code, out, _ = run(capsys, "report", "--since", "6h", "--ledger", ledger)
    assert code == 0
    assert "3 moves, 0 taken back" in out


@pytest.mark.slow
def test_a_second_run_on_the_same_ledger_keeps_holds_and_shares(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    ledger = tmp_path / "books"
    assert run(capsys, "run", config, "--simulate", "10m", "--ledger", ledger)[0] == 0
    code, out, _ = run(capsys, "run", config, "--simulate", "2h", "--ledger", ledger)
    assert code == 0
    assert "6 polls are known from before" in out
    assert "changed by somebody else" not in out
    code, out, _ = run(capsys, "history", "--ledger", ledger, "--json")
    moves = [change for change in json.loads(out) if change["protocol"] == "compute"]
    assert [change["after"] for change in moves] == pytest.approx([0.6, 0.8, 1.0])
    times = [datetime.fromisoformat(change["timestamp"]) for change in moves]
    assert all(after - before >= timedelta(hours=1) for before, after in pairwise(times))


@pytest.mark.slow
def test_the_last_decision_comes_out_the_same_from_its_inputs(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    ledger = tmp_path / "books"
    run(capsys, "run", config, "--simulate", "3h", "--ledger", ledger)
    code, out, err = run(capsys, "explain", "LAST", "--ledger", ledger)
    assert (code, err) == (0, "")
    assert out.startswith("Plan 2026")
    assert "\nCommitted at 2026-01-01 02:00:00 UTC." in out
    assert "relay    0.200  0.000  -0.200" in out
    assert out.endswith("Decided again from the inputs that were kept: the same plan.\n")
    code, out, _ = run(capsys, "explain", "LAST", "--ledger", ledger, "--json")
    told = json.loads(out, parse_constant=pytest.fail)
    assert (told["same"], told["verdicts"]) == (True, ["planned", "committed"])
    first = json.loads(run(capsys, "history", "--ledger", ledger, "--json")[1])[0]["plan_id"]
    code, out, _ = run(capsys, "explain", "LAST", "--plan", first, "--ledger", ledger)
    assert (code, out.split(",")[0]) == (0, f"Plan {first}")
    code, _, err = run(capsys, "explain", "LAST", "--plan", "nothing", "--ledger", ledger)
    assert (code, "no decision on a plan nothing" in err) == (3, True)


@pytest.mark.slow
def test_other_inputs_give_another_plan_and_that_is_said(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    ledger = tmp_path / "books"
    run(capsys, "run", config, "--simulate", "1m", "--ledger", ledger)
    with sqlite3.connect(ledger / "journal.db") as connection:
        ((inputs,),) = connection.execute("SELECT inputs FROM decision WHERE inputs <> ''").fetchall()
        kept = json.loads(inputs)
        kept["problem"]["limits"]["max_change"] = 0.1
        connection.execute("UPDATE decision SET inputs = ? WHERE inputs <> ''", (json.dumps(kept),))
    connection.close()
    code, out, _ = run(capsys, "explain", "LAST", "--ledger", ledger)
    assert code == 4
    assert "compute gets 0.5 now, and got 0.6" in out
    with sqlite3.connect(ledger / "journal.db") as connection:
        connection.execute("UPDATE decision SET inputs = '{' WHERE inputs <> ''")
    connection.close()
    code, _, err = run(capsys, "explain", "LAST", "--ledger", ledger)
    assert (code, "cannot be read" in err) == (3, True)


def test_advice_is_kept_with_its_inputs_too(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path):
    ledger = tmp_path / "books"
    run(capsys, "run", config, "--simulate", "30m", "--mode", "advise", "--ledger", ledger)
    code, out, _ = run(capsys, "explain", "LAST", "--ledger", ledger)
    assert (code, "advised at" in out, "the same plan" in out) == (0, True, True)
    with sqlite3.connect(ledger / "journal.db") as connection:
        assert connection.execute("SELECT count(*) FROM decision").fetchall() == [(1,)]
    connection.close()


@pytest.mark.slow
def test_a_plan_waits_for_a_person_and_is_carried_out_when_one_says_yes(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
):
    ledger = tmp_path / "books"
    arguments = ("run", config, "--mode", "confirm", "--ledger", ledger)
    code, out, _ = run(capsys, *arguments, "--simulate", "10m")
    assert (code, out.count("waits for a person"), out.count("  moved ")) == (0, 1, 0)
    _, out, _ = run(capsys, "history", "--ledger", ledger)
    waiting = out.split("reallot confirm ")[1].split()[0]
    code, _, err = run(capsys, "confirm", "another", "--ledger", ledger)
    assert (code, f"plan another does not wait for a confirmation; {waiting} does" in err) == (3, True)
    code, out, _ = run(capsys, "confirm", waiting, "--ledger", ledger)
    assert (code, f"Confirmed: {waiting}" in out) == (0, True)
    code, out, _ = run(capsys, *arguments, "--simulate", "10m")
    assert f"moved, as a person confirmed: plan {waiting}" in out
    history = json.loads(run(capsys, "history", "--ledger", ledger, "--json")[1])
    assert [(each["plan_id"], each["outcome"]) for each in history] == [(waiting, "confirmed")] * 2
    code, _, err = run(capsys, "confirm", waiting, "--ledger", ledger)
    assert code == 3


@pytest.mark.slow
def test_a_damaged_journal_halts_and_a_person_resumes(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path):
    ledger = tmp_path / "books"
    run(capsys, "run", config, "--simulate", "1m", "--ledger", ledger)
    assert run(capsys, "resume", "--ledger", ledger)[0] == 3
    (ledger / "journal.db").write_bytes(b"no database" * 1000)
    code, out, _ = run(capsys, "run", config, "--simulate", "3h", "--ledger", ledger)
    assert (code, out.count("  moved ")) == (0, 0)
    assert out.count("was damaged") >= 1
    assert list(ledger.glob("journal.db.damaged-*"))
    code, out, _ = run(capsys, "resume", "--ledger", ledger)
    assert (code, "Moves are allowed again" in out) == (0, True)
    code, out, _ = run(capsys, "run", config, "--simulate", "3h", "--ledger", ledger)
    assert out.count("  moved ") >= 1


def test_another_engine_on_the_same_ledger_is_refused(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path):
    ledger = open_ledger(tmp_path / "books")
    code, _, err = run(capsys, "run", config, "--once", "--ledger", tmp_path / "books")
    ledger.close()
    assert code == 3
    assert "is in use by process" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "missing.toml"], 2, "missing.toml: there is no such file"),
        (["run", "operator.toml"], 2, "is a problem to solve, not a configuration"),
        (["run", "ten.toml", "--simulate", "soon"], 2, "'soon' is no length of time"),
        (["run", "ten.toml", "--simulate", "0s"], 2, "is no time at all"),
        (["run", "ten.toml", "--mode", "wild"], 2, "invalid choice: 'wild'"),
        (["report"], 2, "ledger: there is no ledger here"),
        (["report", "--since", "x"], 2, "'x' is no length of time"),
        (["history", "--ledger", "nowhere"], 2, "nowhere: there is no ledger here"),
        (["explain", "LAST", "--ledger", "nowhere"], 2, "nowhere: there is no ledger here"),
        (["explain", "x.toml", "--plan", "y"], 2, "reallot explain LAST"),
        (["confirm", "x", "--ledger", "nowhere"], 2, "nowhere: there is no ledger here"),
        (["confirm"], 2, "the following arguments are required: ID"),
        (["resume", "--ledger", "nowhere"], 2, "nowhere: there is no ledger here"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert words in err


def test_where_nothing_answers_it_is_said_and_the_exit_code_is_3(capsys: pytest.CaptureFixture[str], config: Path):
    config.write_text(MOVING.replace('"simulated"', '"simulated"\noutages = [["0h", "1d"]]'))
    code, out, _ = run(capsys, "run", config, "--simulate", "10m")
    assert code == 3
    assert out.count("none of 2 protocols answers") == 1


# Secrets

CANARY = "canary-4711-secret"


class Echo(BaseHTTPRequestHandler):
    """Says back what it was sent, in every wrong way."""

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "") + self.path
        if "ok" in self.path:
            status, body = 200, json.dumps({"usd": 1.0, "note": token})
        else:
            status, body = (401, f"refused: {token}") if "401" in self.path else (200, f"<html>{token}</html>")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Echo", token)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_secret_reaches_neither_logs_nor_ledger_nor_reprs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("httpx2")
    monkeypatch.setenv("NODE_TOKEN", CANARY)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tables = [
        f'[protocols.{name}]\nadapter = "http_json"\nurl = "http://127.0.0.1:{port}/{name}"\nvalue = "usd"\n'
        'bearer_env = "NODE_TOKEN"\nparams_env = { key = "NODE_TOKEN" }\n'
        for name, port in (("p401", server.server_port), ("html", server.server_port), ("ok", server.server_port))
    ]
    tables.append(
        '[protocols.tool]\nadapter = "command"\nread = ["/bin/sh", "-c", "echo $NODE_TOKEN >&2; exit 1"]\n'
        'value = "usd"\nenv = ["NODE_TOKEN"]\n'
    )
    config = tmp_path / "config.toml"
    config.write_text("".join(tables))
    try:
        for extra in ((), ("--json-log",)):
            code, out, err = run(capsys, "run", config, "--once", "--ledger", tmp_path / "books", *extra)
            assert code == 0
            assert CANARY not in out + err
        for command in (("report",), ("history",), ("report", "--json")):
            _, out, err = run(capsys, *command, "--ledger", tmp_path / "books")
            assert CANARY not in out + err
        parts = build(read_config(config))
        assert CANARY not in repr(parts) + repr(dict(parts.coordinator.adapters)) + repr(parts.config)
        asyncio.run(parts.close())
    finally:
        server.shutdown()
        server.server_close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "books").iterdir() if "reserve" not in path.name)
    assert CANARY.encode() not in kept


# Being stopped: real time, in a process of its own


def started(config: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reallot", "run", str(config), *(str(each) for each in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"it ended without saying {words!r}: {process.stderr.read() if process.stderr else ''}")


@pytest.mark.slow
def test_ctrl_c_while_it_waits_ends_at_once(config: Path, tmp_path: Path):
    process = started(config, "--ledger", tmp_path / "books")
    until(process, "moved relay")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "stopped" in out
    assert "Earned" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [("", 0, "the step under way was finished"), ("refuses = true\n", 5, "was not finished: rolled back")],
    ids=["finished", "put back"],
)
def test_ctrl_c_in_the_middle_of_a_move_finishes_it_or_takes_it_back(
    extra: str, code: int, words: str, config: Path, tmp_path: Path
):
    config.write_text(MOVING.replace('"simulated"', '"simulated"\nlatency = "300ms"') + extra)
    process = started(config, "--ledger", tmp_path / "books")
    until(process, "2 protocols, polled every")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
    assert words in out
    journal = read_journal(tmp_path / "books")
    assert journal.open_operation() is None
    assert journal.committed() == pytest.approx(
        {"relay": 0.6, "compute": 0.4} if code else {"relay": 0.4, "compute": 0.6}
    )
    journal.close()


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once_and_the_next_start_ends_what_was_begun(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    slow = MOVING.replace('"simulated"', '"simulated"\nlatency = "3s"')
    config.write_text(slow)
    process = started(config, "--ledger", tmp_path / "books")
    until(process, "2 protocols, polled every")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (6, "")
    assert "stopped at once: the next start ends what was begun" in out
    config.write_text(MOVING)
    assert run(capsys, "run", config, "--once", "--ledger", tmp_path / "books")[0] == 0
    journal = read_journal(tmp_path / "books")
    assert journal.open_operation() is None
    journal.close()


# What a terminal sees


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on_screen(written: str) -> list[str]:
    """The lines that a terminal shows after `written`: it knows line ends, colours, and how rich moves and wipes."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part not in ("\r", "\x1b[?25l", "\x1b[?25h"):
            assert part[-1] == "m" or not part.startswith("\x1b"), part
            lines[row] += "" if part.startswith("\x1b") else part
    return [line.rstrip() for line in lines if line.strip()]


def test_a_terminal_gets_a_table_that_is_drawn_again_and_lines_above_it(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    shows = display(stream)
    parts = build(config_from_text(MOVING), simulate=True)
    result = asyncio.run(Runner(parts, lambda event: None).cycle())
    shows.show(result)
    table = on_screen(stream.getvalue())
    assert any("compute" in line for line in table)
    shows.line("a [red]change[/red]")
    assert on_screen(stream.getvalue()) == ["a [red]change[/red]", *table]
    shows.show(result)  # too soon: it stands
    assert on_screen(stream.getvalue()) == ["a [red]change[/red]", *table]
    shows.end()
    assert on_screen(stream.getvalue()) == ["a [red]change[/red]"]
    asyncio.run(parts.close())


def test_a_terminal_without_rich_gets_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("reallot.cli.live_table.has_rich", lambda: False)
    stream = Terminal()
    shows = display(stream)
    shows.line("a change")
    shows.end()
    assert stream.getvalue() == "a change\n"


def test_a_file_gets_lines_only(config: Path):
    stream = io.StringIO()
    shows = display(stream)
    parts = build(config_from_text(MOVING), simulate=True)
    shows.show(asyncio.run(Runner(parts, lambda event: None).cycle()))
    shows.line("a change")
    shows.end()
    assert stream.getvalue() == "a change\n"
    asyncio.run(parts.close())
