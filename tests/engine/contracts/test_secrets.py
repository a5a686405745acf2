"""A canary in every place of a configuration that may name a secret, then every way in which things go wrong.

It must be in no log, no ledger, no reading, no repr and no error, as it is or as addresses, JSON and logins write it.
(HTTP answers, metrics and notifications come with the service; what a core file holds is the machine's memory.)
"""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64encode
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel

from reallot.cli.main import main
from reallot.engine.contracts import secrets as secrets_module
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.contracts.secrets import LONGEST, PREFIX, Secret, redact, remember
from reallot.engine.contracts.validation import amount
from reallot.engine.ledger.folder import open_ledger
from reallot.errors import ErrorKind, ProtocolError, ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from reallot.runtime.adapter_settings import ADAPTERS
from reallot.runtime.build import build
from reallot.runtime.config import LedgerSection, read_config
from tests.orchestration.worlds import plan

CORE = "canary"
NEEDLES = (
    CORE,
    *(b64encode(b" " * shift + CORE.encode()).decode()[2 * (shift > 0) + shift : -4] for shift in range(3)),
)
"""As it is, and what is left of it in base64 wherever it begins."""
MODES = ("401", "403", "429", "500", "302", "html", "broken", "value", "list", "ok")
PLACES = {
    "bearer": 'bearer_env = "CANARY_1"',
    "basic": 'basic_env = ["CANARY_2", "CANARY_3"]',
    "header": 'headers_env = { "X-Key" = "CANARY_4" }',
    "parameter": 'params_env = { key = "CANARY_5" }',
}
SECRETS = 11
IN_HEADERS = (1, 4, 8)
"""What stands in a header as it is has to be ASCII."""


def canary(number: int) -> str:
    """Every sign that somebody writes in another way."""
    return f'{CORE}-{number}/47+11&"x" \'=ü'


def clean(*texts: object) -> None:
    for text in map(str, texts):
        assert not [needle for needle in NEEDLES if needle in text], text


class Echo(BaseHTTPRequestHandler):
    """Says back all that it was sent, in every wrong way: the first part of the path says which."""

    def answer(self) -> None:
        mode = self.path.split("/")[1].partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        sent = f"{self.path} {dict(self.headers)} {body}"
        bare = self.headers.get("X-Key") or self.headers.get("Authorization", "").partition(" ")[2] or self.path
        status = int(mode) if mode.isdigit() else 200
        told = {
            "html": f"<html>{sent}</html>",
            "broken": f'{{"usd": {sent}',
            "value": json.dumps({"usd": bare, "status": "success", "data": {"resultType": bare}, "token": bare}),
            "list": json.dumps([bare]),
            "ok": json.dumps({"usd": 1.0, "note": sent}),
        }.get(mode, json.dumps({"error": bare, "message": sent, "detail": sent}))
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if mode == "html" else "application/json")
        self.send_header("Location", f"http://127.0.0.1:1/?{b64encode(bare.encode()).decode()}&{CORE}")
        self.send_header("X-Echo", b64encode(sent.encode()).decode())
        self.end_headers()
        self.wfile.write(told.encode())

    do_GET = do_POST = do_PUT = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture
def address():
    server = Server(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch):
    for number in range(1, SECRETS + 1):
        monkeypatch.setenv(f"CANARY_{number}", canary(number).replace("ü", "" if number in IN_HEADERS else "ü"))
    monkeypatch.setenv("CANARY_11", "postgresql://me:canary-11%2F47@127.0.0.1:1/base")


def tables(address: str) -> str:
    """Every adapter that takes a secret, with each in each place, at a server that answers in each wrong way."""
    text = ""
    for mode in MODES:
        for place, keys in PLACES.items():
            text += f'[protocols.json_{mode}_{place}]\nadapter = "http_json"\nurl = "{address}/{mode}"\n'
            text += f'value = "usd"\n{keys}\n'
        for place in ("bearer", "basic"):
            text += f'[protocols.prometheus_{mode}_{place}]\nadapter = "prometheus"\nurl = "{address}/{mode}"\n'
            text += f'query = "x"\n{PLACES[place]}\n'
        text += f'[protocols.myst_{mode}]\nadapter = "mysterium"\nurl = "{address}/{mode}"\nprice_usd = 0.1\n'
        text += 'user_env = "CANARY_6"\npassword_env = "CANARY_7"\n'
        text += f'[protocols.xmrig_{mode}]\nadapter = "xmrig"\nurl = "{address}/{mode}"\nusd_per_gigahash = 0.02\n'
        text += 'threads = 4\ntoken_env = "CANARY_8"\n'
    for name, program in (
        ("fails", "echo $CANARY_9 >&2; exit 1"),
        ("prints", "echo $CANARY_9"),
        ("quotes", 'echo \\"$CANARY_9\\"'),
        ("signals", "echo $CANARY_9 >&2; kill -9 $$"),
    ):
        text += f'[protocols.tool_{name}]\nadapter = "command"\nread = ["/bin/sh", "-c", "{program}"]\nvalue = "usd"\n'
        text += 'env = ["CANARY_9"]\n'
    return text


def places(record: type[BaseModel]) -> set[str]:
    return {name for name in record.model_fields if name == "env" or name.endswith("_env")}


def test_no_place_of_a_secret_is_left_out_here():
    text, found = tables("http://127.0.0.1:1"), {}
    for name, settings in ADAPTERS.items():
        found[name] = {each for each in places(settings) if f"\n{each} = " in text.replace(f'adapter = "{name}"', "")}
        assert found[name] == places(settings)
    assert places(LedgerSection) == {"history_env"}
    assert {name for name, known in found.items() if known} == {
        "http_json",
        "prometheus",
        "mysterium",
        "xmrig",
        "command",
    }


@pytest.mark.slow
@pytest.mark.skipif(find_spec("httpx2") is None, reason="the extra http is not installed")
@pytest.mark.parametrize("server_of_readings", [False, True], ids=["own file", "server down"])
def test_every_place_and_every_wrong_answer(
    server_of_readings: bool,
    address: str,
    secrets: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    if server_of_readings:
        pytest.importorskip("psycopg")
    config, books = tmp_path / "config.toml", tmp_path / "books"
    config.write_text(('[ledger]\nhistory_env = "CANARY_11"\n' if server_of_readings else "") + tables(address))
    told = []
    for arguments in (
        ["run", config, "--once", "--ledger", books],
        ["run", config, "--once", "--json-log", "--ledger", books],
        ["report", "--ledger", books],
        ["report", "--json", "--ledger", books],
        ["history", "--ledger", books],
        ["explain", "LAST", "--ledger", books],
        ["rollback", config, "--ledger", books],
        ["resume", "--ledger", books],
    ):
        main([str(each) for each in arguments])
        told += list(capsys.readouterr())
    assert "json_401_bearer gives no value (auth)" in told[0] and "tool_fails gives no value" in told[0]
    parts = build(read_config(config), ledger=books)
    told += [repr(parts), repr(dict(parts.coordinator.adapters)), repr(parts.config)]
    metrics = asyncio.run(_polled(parts))
    told += [metrics.model_dump_json(), repr(metrics), caplog.text]
    clean(*told)
    for path in books.iterdir():
        if "reserve" not in path.name:
            clean(path.read_bytes().decode("latin-1"))


async def _polled(parts):
    try:
        return await parts.coordinator.poll_all()
    finally:
        await parts.close()


# A plug-in that nobody here wrote, in the middle of a move


class PlugIn:
    """Puts the secret into every error."""

    def __init__(self, share, error=None, reads=99, deaf=False):
        self.share, self.error, self.reads, self.deaf = share, error, reads, deaf

    async def get_status(self):
        raise RuntimeError(self.words())

    def words(self):
        return f"POST http://x/?q={Secret('CANARY_10').value()} failed"

    async def get_allocation(self):
        self.reads -= 1
        if self.reads < 0:
            raise RuntimeError(self.words())
        return self.share

    async def apply_allocation(self, share):
        if self.error is not None:
            raise self.error(self.words())
        if not self.deaf:
            self.share = share


ERRORS = {
    "refused": lambda words: ProtocolError(words, ErrorKind.REFUSED),
    "transient": lambda words: ProtocolError(words, ErrorKind.TRANSIENT),
    "lost": lambda words: ProtocolError(words, ErrorKind.UNKNOWN),
    "RuntimeError": RuntimeError,
    "OSError": OSError,
    "KeyError": KeyError,
}


@pytest.mark.slow
@pytest.mark.parametrize("auto_rollback", [True, False], ids=["put back", "halted"])
@pytest.mark.parametrize("error", [*ERRORS, "unreadable"])
def test_what_a_plug_in_says_of_a_move_that_fails(error, auto_rollback, secrets, tmp_path, caplog):
    """It is in the reasons, the alerts and the journal: without the secret."""
    config = ReallocationConfig(
        verify_timeout=timedelta(seconds=0.05), late_effects=timedelta(0), auto_rollback=auto_rollback
    )
    adapters = {
        "relay": PlugIn(0.5),
        "compute": PlugIn(0.3, reads=1) if error == "unreadable" else PlugIn(0.3, ERRORS[error]),
    }
    told = []

    async def run():
        ledger = open_ledger(tmp_path / "books")
        engine = ReallocationEngine(config, ledger=ledger, on_alert=told.append)
        wanted = plan({"relay": 0.5, "compute": 0.3}, {"relay": 0.3, "compute": 0.5})
        with pytest.raises(ReallocationError) as caught:
            await engine.execute_reallocation(wanted, adapters)
        told.append(caught.value)
        await engine.recover(adapters)
        told.extend([engine.state, engine.last_report, await engine.get_reallocation_history()])
        told.extend(ledger.journal.alerts())
        engine.close()
        ledger.close()

    asyncio.run(run())
    assert any("***" in str(each) for each in told)
    clean(*told, *map(repr, told), caplog.text)
    for path in (tmp_path / "books").iterdir():
        clean(path.read_bytes().decode("latin-1"))


def test_what_is_cut_short_is_struck_out_first(secrets):
    """A part of a secret is one too."""
    value = Secret("CANARY_10").value()
    with pytest.raises(ProtocolError) as caught:
        amount("x" * 25 + value, "earnings")
    clean(caught.value, redact("y" * 25 + value, 40))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("httpx2") is None, reason="the extra http is not installed")
def test_what_no_header_can_carry_is_not_told_sign_by_sign(secrets):
    from reallot.adapters.http_json import HttpJsonAdapter

    async def run():
        adapter = HttpJsonAdapter("node", "http://127.0.0.1:1", value="usd", bearer_env="CANARY_9")
        with pytest.raises(ProtocolError) as caught:
            await adapter.get_status()
        return str(caught.value)

    assert asyncio.run(run()) == "GET http://127.0.0.1:1: a header with a sign that is not ASCII"


CASES = (str, str.upper, str.lower, str.title, str.swapcase)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=PREFIX, max_size=40),
    st.sampled_from(CASES),
    st.text(max_size=2000),
    st.text(max_size=400),
    st.data(),
)
def test_a_secret_is_struck_out_in_capital_letters_and_where_it_is_cut_short(value, case, before, after, data):
    """Wherever it stands, also across the place where a long text is cut off."""
    value = f"k7{value}"
    kept = data.draw(st.integers(min_value=PREFIX, max_value=len(value)), "signs of it that are there")
    part = case(value[:kept])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets_module, "_seen", {})
        remember(value)
        told = redact(f"{before} {part} {after}")
        assume(part.lower() not in f"{before} {after}".lower())
        assert part.lower() not in told.lower().replace("***", "")
        assert len(told) <= LONGEST


def test_a_connection_string_does_not_take_its_scheme_out_of_messages(monkeypatch):
    monkeypatch.setattr(secrets_module, "_seen", {})
    remember("postgresql://operator:canary-47@127.0.0.1/base")
    assert redact("postgresql://127.0.0.1 refused: postgresql://OPERATOR:c") == "postgresql://127.0.0.1 refused: ***"
    assert redact("PostgreSQL is not there") == "PostgreSQL is not there"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer abcd1234", "Authorization: *** ***"),
        ("basic  bWU6cHc=", "basic ***"),
        ("ftp+x://me:pw@host/x", "ftp+x://***@host/x"),
        ("my_access_token = 'abc' and more", "my_access_token = '***' and more"),
        ('{"api-key": "abc", "a": 1}', '{"api-key": "***", "a": 1}'),
        ("tokentoken=abc;x", "tokentoken=***;x"),
        ("a password, and a token", "a password, and a token"),
        ("http://host/a@b", "http://host/a@b"),
    ],
)
def test_what_looks_like_a_secret_is_struck_out(text, told):
    assert redact(text) == told
