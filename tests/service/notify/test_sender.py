"""Messages on their way: targets that hang, refuse, fail or take their time, a restart, secrets, and no delay."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import process_time

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.clock import ManualClock
from reallot.runtime.notify_settings import NotifySection, NotifyTarget
from reallot.service.notify import ways
from reallot.service.notify.rules import Notice
from reallot.service.notify.sender import MOST_WAITING, Notifier
from reallot.service.notify.ways import Arrival, Attempt, Message, send

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CANARY = "canary-5f3a9b71c2"
HALT = Notice(key="halted", kind="halted", text=f"nothing is moved: token={CANARY}", at=NOON, severity=1.0, lasts=True)
MESSAGE = Message("reallot: halted", HALT.text, (HALT,))


class Hook(BaseHTTPRequestHandler):
    """Answers with the status that its path names, and keeps what it was sent."""

    got: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((self.path, body))
        self.send_response(int(self.path.strip("/").split("/")[0]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    handler = type("OneHook", (Hook,), {"got": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler.got
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "sent"), (204, "sent"), (302, "not_sent"), (401, "not_sent"), (503, "not_sent"), (500, "unsure")],
)
def test_a_webhook_says_by_its_status_whether_it_took_the_message(hook, monkeypatch, status, outcome):
    monkeypatch.setenv("HOOK_URL", f"{hook[0]}/{status}/{CANARY}")
    attempt = send(NotifyTarget(url_env="HOOK_URL"), MESSAGE)
    assert attempt.outcome == outcome and CANARY not in attempt.why
    (path, body), *rest = hook[1]
    told = json.loads(body)
    assert not rest and path.endswith(CANARY) and told["kinds"] == ["halted"] and told["title"] == "reallot: halted"
    assert CANARY not in told["text"]


def test_a_webhook_that_is_not_there_surely_got_nothing(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{port}/{CANARY}")
    attempt = send(NotifyTarget(url_env="HOOK_URL"), MESSAGE)
    assert attempt.outcome is Arrival.NOT_SENT and CANARY not in attempt.why


@pytest.mark.parametrize(
    "address",
    [
        f"https://me:{CANARY}/x@127.0.0.1:1/",
        f"https://[{CANARY}/",
        f"http://127.0.0.1:{CANARY}/",
        f"http://:1/{CANARY}",
        f"http://127.0.0.1:1/{CANARY} x",
        f"http://{'a' * 80}.{CANARY}/",
        f"http://.{CANARY}./",
    ],
)
def test_an_address_that_is_none_is_not_quoted(monkeypatch, address):
    monkeypatch.setenv("HOOK_URL", address)
    attempt = send(NotifyTarget(url_env="HOOK_URL"), MESSAGE)
    assert attempt.outcome is Arrival.NOT_SENT and attempt.why and CANARY not in attempt.why


def test_a_webhook_that_does_not_answer_may_have_got_it(monkeypatch):
    monkeypatch.setattr(ways, "ATTEMPT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert send(NotifyTarget(url_env="HOOK_URL"), MESSAGE) == Attempt(Arrival.UNSURE, "no answer in time")


def test_a_program_gets_the_message_and_only_the_variables_it_names(tmp_path, monkeypatch):
    file = tmp_path / "got.json"
    code = "import json,os,sys;open(sys.argv[2],'w').write(json.dumps([sys.argv[1],sys.stdin.read(),dict(os.environ)]))"
    monkeypatch.setenv("BOT_TOKEN", CANARY)
    monkeypatch.setenv("OTHER_TOKEN", "other-canary")
    command = [sys.executable, "-I", "-S", "-c", code, "{title}", str(file)]
    assert send(NotifyTarget(command=command, env=["BOT_TOKEN"]), MESSAGE).outcome is Arrival.SENT
    title, text, environment = json.loads(file.read_text())
    assert title == "reallot: halted" and text.startswith("reallot: halted\nnothing is moved")
    assert environment["BOT_TOKEN"] == CANARY and "OTHER_TOKEN" not in environment and CANARY not in text


@pytest.mark.parametrize(("code", "outcome"), [(0, "sent"), (75, "not_sent"), (69, "not_sent"), (1, "unsure")])
def test_a_program_says_by_its_code_whether_it_was_sent(code, outcome):
    assert send(NotifyTarget(command=["/bin/sh", "-c", f"exit {code}"]), MESSAGE).outcome == outcome


def test_a_program_that_hangs_is_killed_and_one_that_is_not_there_sent_nothing(monkeypatch):
    monkeypatch.setattr(ways, "ATTEMPT_SECONDS", 0.05)
    hangs = send(NotifyTarget(command=["/bin/sh", "-c", "exec sleep 60"]), MESSAGE)
    assert hangs.outcome is Arrival.UNSURE and "did not end" in hangs.why
    assert send(NotifyTarget(command=["/no/such/program"]), MESSAGE).outcome is Arrival.NOT_SENT


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("HOOK_URL", raising=False)
    attempt = send(NotifyTarget(url_env="HOOK_URL"), MESSAGE)
    assert attempt == Attempt(Arrival.NOT_SENT, "the environment variable HOOK_URL is not set")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library's own imports
def test_apprise_sends_what_is_no_webhook(hook, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    pytest.importorskip("apprise", reason="extra notify")
    monkeypatch.setenv("PHONE_URL", hook[0].replace("http://", "json://") + "/200")
    assert send(NotifyTarget(url_env="PHONE_URL"), MESSAGE).outcome is Arrival.SENT
    assert json.loads(hook[1][0][1])["title"] == "reallot: halted"
    monkeypatch.setenv("PHONE_URL", f"slack://{CANARY}")
    refused = send(NotifyTarget(url_env="PHONE_URL"), MESSAGE)
    assert refused.outcome is Arrival.NOT_SENT and CANARY not in refused.why + caplog.text


def section(**keys: object) -> NotifySection:
    return NotifySection(targets=[{"url_env": "HOOK_URL", **keys}])


def test_a_target_that_hangs_never_delays_a_cycle():
    hangs, reached = threading.Event(), threading.Event()

    def deliver(target: NotifyTarget, message: Message) -> Attempt:
        reached.set()
        hangs.wait(30.0)
        return Attempt(Arrival.UNSURE)

    notifier = Notifier(section(), ManualClock(NOON), deliver=deliver)
    notifier.start()
    notifier.cycle({HALT.key: HALT})
    assert reached.wait(10.0)
    started = process_time()
    for _ in range(3 * MOST_WAITING):
        notifier.cycle({HALT.key: HALT})
    assert (process_time() - started) / (3 * MOST_WAITING) < 0.001
    assert notifier.counts["", "dropped"] == 2 * MOST_WAITING
    hangs.set()
    notifier.stop(10.0)


def test_a_message_is_counted_by_target_and_outcome_and_a_trouble_is_told_once():
    told: list[str] = []
    notifier = Notifier(
        section(name="phone"),
        clock := ManualClock(NOON),
        tell=lambda event: told.append(event.text),
        deliver=lambda *_: Attempt(Arrival.NOT_SENT, "refused"),
    )
    notifier.cycle({HALT.key: HALT})
    for _ in range(3):
        notifier.pump()
        clock.advance(3600)
    assert notifier.counts["phone", "not_sent"] == 3
    assert told == ["the message to phone did not surely arrive: refused"]


def test_an_end_arrives_after_a_restart(tmp_path: Path):
    sent: list[str] = []

    def deliver(target: NotifyTarget, message: Message) -> Attempt:
        sent.append(message.text)
        return Attempt(Arrival.SENT)

    clock = ManualClock(NOON)
    before = Notifier(section(), clock, folder=tmp_path, deliver=deliver)
    before.cycle({HALT.key: HALT})
    before.pump()
    after = Notifier(section(), clock, folder=tmp_path, deliver=deliver)
    for _ in range(3):
        clock.advance(600)
        after.cycle({})
        after.pump()
    assert len(sent) == 2 and sent[1].startswith("over: nothing is moved")


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"target 1": 7}', '{"target 1": {"begun": 3}}'])
def test_a_damaged_file_of_who_was_told_what_stops_nobody(tmp_path: Path, damage):
    (tmp_path / "notified.json").write_text(damage)
    notifier = Notifier(section(), ManualClock(NOON), folder=tmp_path, deliver=lambda *_: Attempt(Arrival.SENT))
    notifier.cycle({HALT.key: HALT})
    notifier.pump()
    assert notifier.counts["target 1", "sent"] == 1


CONFIG = """
[notify]
[[notify.targets]]
name = "phone"
url_env = "HOOK_URL"
[[notify.targets]]
command = ["/bin/sh", "-c", "exit 75"]
[protocols.a]
adapter = "simulated"
share = 0.5
rate = 1.0
"""


def test_the_command_tries_every_target_and_shows_no_address(hook, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOOK_URL", f"{hook[0]}/200/{CANARY}")
    (tmp_path / "config.toml").write_text(CONFIG)
    assert main(["notify", "test", str(tmp_path / "config.toml")]) == 3
    out, err = capsys.readouterr()
    assert "phone" in out and "$HOOK_URL" in out and "not sent" in out and CANARY not in out + err
    assert "A test from reallot" in json.loads(hook[1][0][1])["text"]
    (tmp_path / "config.toml").write_text(CONFIG.replace("exit 75", "exit 0"))
    assert main(["notify", "test", str(tmp_path / "config.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["phone"] == {"outcome": "sent", "why": ""}


def test_without_a_target_the_command_says_how_to_have_one(tmp_path, capsys):
    (tmp_path / "config.toml").write_text("[protocols.a]\nadapter = 'simulated'\nshare = 0.5\nrate = 1.0\n")
    assert main(["notify", "test", str(tmp_path / "config.toml")]) == 2
    assert "[[notify.targets]]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "keys", ["", 'url_env = "A"\ncommand = ["x"]', 'url_env = "http://x"', 'quiet = ["25:00", "1"]']
)
def test_a_target_that_cannot_be_is_refused_where_it_stands(tmp_path, capsys, keys):
    text = CONFIG.replace('name = "phone"\nurl_env = "HOOK_URL"', keys)
    (tmp_path / "config.toml").write_text(text)
    assert main(["notify", "test", str(tmp_path / "config.toml")]) == 2
    assert "[notify]" in capsys.readouterr().err
