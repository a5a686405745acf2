"""Who is let in: every name, origin, method, transport and scope; what is too much; and that no secret gets out."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.errors import ConfigurationError, InvalidInput
from reallot.service.access import LOOPBACK, Bucket, Caller, Tokens, host_of, offered, wrong_host, wrong_origin
from reallot.service.bodies import check
from reallot.service.gate import Bounds
from reallot.service.problems import Problem, problem_of
from tests.service.conftest import Asked

NOW = datetime(2026, 5, 1, tzinfo=UTC)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
HOSTS = (
    "evil.example", "127.0.0.1.evil.example", "localhost.", "127.0.0.2", "", "a b", "[::1", "127.0.0.1:8x",
    "127.0.0.1:65536", "0",
)  # fmt: skip
ORIGINS = (
    "http://evil.example",
    "null",
    "http://127.0.0.1:1",
    "https://{host}",
    "http://{host}/x",
    "file://",
    "http://",
)


def said(asked, method, path="/v1/state", host="{host}", **headers):
    """Status of one raw request, whatever a client library would think of it."""
    own = f"127.0.0.1:{asked.server.port}"
    lines = {"Host": host.format(host=own), "Authorization": f"Bearer {asked.secrets['act']}", "Connection": "close"}
    lines |= {name.replace("_", "-"): value.format(host=own) for name, value in headers.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    with socket.create_connection(("127.0.0.1", asked.server.port), timeout=5.0) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
            answer += part
    return int(answer.split()[1]), answer


SOCKET = {
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": base64.b64encode(b"x" * 16).decode(),
}


def upgrade(asked, **headers):
    offer = f"reallot.v1, token.{asked.secrets['read']}"
    return {**SOCKET, "Connection": "Upgrade", "Sec_WebSocket_Protocol": offer, **headers}


@pytest.mark.slow
def test_no_foreign_host_or_origin_gets_in_by_any_method_or_transport():
    asked = Asked(bounds=Bounds(reads=(1e9, 1e9), acts=(1e9, 1e9)))
    try:
        tried = 0
        for method, path, host in product(METHODS, ("/v1/state", "/", "/v1/stream/events"), HOSTS):
            status, answer = said(asked, method, path, host)
            assert status in (400, 421), (method, path, host, answer)
            tried += 1
        for method, path, origin in product(METHODS, ("/v1/state", "/v1/actions", "/v1/stream/events"), ORIGINS):
            status, answer = said(asked, method, path, Origin=origin)
            assert status == 403, (method, path, origin, answer)
            tried += 1
        for method, site in product(METHODS, ("cross-site", "same-site")):
            assert said(asked, method, Sec_Fetch_Site=site)[0] == 403
        for origin in ORIGINS:
            assert said(asked, "GET", "/v1/stream", **upgrade(asked, Origin=origin))[0] == 403, origin
        for host in HOSTS:
            assert said(asked, "GET", "/v1/stream", host, **upgrade(asked))[0] in (400, 421), host
        assert tried >= 200
        for host in ("127.0.0.1", "localhost:99", "LOCALHOST", "[::1]:8420"):
            assert said(asked, "GET", "/v1/state", host)[0] == 200, host
        assert said(asked, "GET", Origin="http://{host}")[0] == 200
        assert said(asked, "GET", "/v1/stream", **upgrade(asked, Origin="http://{host}"))[0] == 101
    finally:
        asked.close()


def test_a_link_to_the_page_may_stand_anywhere_and_one_to_anything_else_leads_nowhere(asked):
    opens = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert said(asked, "GET", "/", **opens)[0] == 200
    for path in ("/v1/state", "/v1/actions", "/metrics", "/openapi.json", "/nothing"):
        assert said(asked, "GET", path, **opens)[0] == 403, path
    for other in ({"Sec_Fetch_Dest": "iframe"}, {"Sec_Fetch_Mode": "no-cors"}, {"Origin": "http://evil.example"}):
        assert said(asked, "GET", "/", **{**opens, **other})[0] == 403, other


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://127.0.0.1:99999"])
def test_a_port_that_there_is_not_is_no_host(asked, origin):
    assert said(asked, "GET", "/v1/state", "127.0.0.1:99999", Origin=origin)[0] == 421


def test_tokens_that_cannot_be_read_let_nobody_in_and_say_nothing_of_files(tmp_path, caplog):
    asked = Asked(tmp_path)
    try:
        (tmp_path / "tokens.json").write_text("{")
        status, answer = said(asked, "GET", "/v1/state")
        assert status == 503 and str(tmp_path) not in answer.decode() and "tokens.json" in caplog.text
        assert said(asked, "GET", "/", Authorization="")[0] == 200
    finally:
        asked.close()


@given(st.text(max_size=40))
def test_no_text_of_a_host_but_its_own_names_gets_in(text):
    host = host_of(text)
    assert (wrong_host([text], LOOPBACK) is None) is (host is not None and host in LOOPBACK)
    assert host is None or ("\n" not in host and "@" not in host and "/" not in host)
    assert wrong_host([text, "localhost"], LOOPBACK) is not None and wrong_host([], LOOPBACK) is not None


@given(st.text(max_size=60), st.sampled_from(["127.0.0.1:8420", "localhost", "box.example:443"]))
def test_an_origin_is_let_in_only_where_it_is_the_host(text, host):
    found = wrong_origin({"host": [host], "origin": [text]}, secure=False)
    assert found is not None or text.lower().partition("://")[2].removesuffix(":80").removesuffix(":443") in (
        host, host.removesuffix(":443"),
    )  # fmt: skip


def test_an_origin_may_be_that_of_a_proxy_that_speaks_tls():
    own = {"host": ["box.example"], "origin": ["https://box.example"]}
    assert wrong_origin(own, secure=False) is None
    assert wrong_origin({**own, "origin": ["https://other.example"]}, secure=False) is not None
    assert wrong_origin({"host": ["127.0.0.1:8420"], "origin": ["https://127.0.0.1:8420"]}, secure=False) is not None


def test_a_token_is_kept_as_its_hash_and_is_good_until_it_expires_or_is_revoked(tmp_path):
    tokens = Tokens(tmp_path)
    text = tokens.new("read", "phone", timedelta(days=90), NOW)
    assert text not in (tmp_path / "tokens.json").read_text()
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600
    other = Tokens(tmp_path)
    assert other.caller(text, NOW) == Caller("phone", "read")
    assert other.caller(text, NOW + timedelta(days=90)) is None and other.caller("x", NOW) is None
    with pytest.raises(InvalidInput, match="there is a token 'phone'"):
        other.new("act", "phone", None, NOW)
    for name in ("", "a b", "x" * 41, "ä"):
        with pytest.raises(InvalidInput, match="names no token"):
            tokens.new("read", name, None, NOW)
    other.revoke("phone")
    assert tokens.caller(text, NOW) is None
    with pytest.raises(InvalidInput, match="there is no token 'phone'"):
        tokens.revoke("phone")


def test_the_tokens_of_the_last_five_starts_stay_good(tmp_path):
    tokens = Tokens(tmp_path)
    texts = [tokens.start(NOW + timedelta(minutes=n)) for n in range(7)]
    assert [tokens.caller(text, NOW + timedelta(minutes=8)) is not None for text in texts] == [False] * 2 + [True] * 5


def test_a_websocket_offers_its_token_beside_the_version():
    assert offered(["reallot.v1", "token.abc"]) == "abc"
    for wrong in (["token.abc"], ["reallot.v1"], ["reallot.v1", "token."], ["reallot.v1", "token.a", "token.b"], []):
        assert offered(wrong) is None


@given(st.lists(st.floats(0.0, 10.0), max_size=60))
def test_a_bucket_lets_no_more_through_than_its_rate_and_burst(gaps):
    bucket, now, let = Bucket(2.0, 5.0), 0.0, 0
    for gap in gaps:
        now += gap
        let += bucket.take(now) == 0.0
        assert let <= 5.0 + 2.0 * now + 1e-6


def test_wrong_tokens_and_too_many_actions_are_slowed_down():
    asked = Asked()
    try:
        with asked.client(None) as client:
            answers = [client.get("/v1", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(7)]
            assert answers == [401] * 5 + [429] * 2
            assert client.get("/v1").status_code == 401  # without a token nobody guesses
        with asked.client("act") as client:
            tried = [
                client.post("/v1/actions", json={"kind": "pause"}, headers={"Idempotency-Key": f"{n}"})
                for n in range(7)
            ]
            assert [each.status_code for each in tried] == [202] * 5 + [429] * 2
            assert int(tried[-1].headers["retry-after"]) == 1
    finally:
        asked.close()


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"[" * 1000 + b"]" * 1000, "application/json", 400),
        (b'{"kind": "pause", "kind": "resume"}', "application/json", 400),
        (b'{"kind": "pause", "reason": NaN}', "application/json", 400),
        (b'{"retention": 1e999}', "application/json", 400),
        (b'{"kind"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"kind": "pause"}', "text/plain", 415),
        (b'{"kind": "pause"}', "", 415),
    ],
)
def test_a_body_that_is_no_plain_json_is_refused_before_it_is_read(body, media, status):
    with pytest.raises(Problem) as refused:
        check(body, media)
    assert refused.value.status == status


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_every_other_json_is_read(value):
    check(json.dumps({"x": value}).encode(), "application/json; charset=utf-8")


def test_a_body_too_large_an_action_that_is_none_and_a_token_in_the_address(asked):
    with asked.client("act") as client:
        keyed = {"Idempotency-Key": "big"}
        assert client.post("/v1/actions", content=b"x" * 70_000, headers=keyed).status_code == 413
        told = client.post("/v1/actions", json={"kind": "sell", "secret": "hunter2"}, headers=keyed)
        assert told.status_code == 422 and "hunter2" not in told.text and "sell" not in told.text
        assert {each["pointer"] for each in told.json()["errors"]} == {"/kind", "/secret"}
        answer = client.get("/v1/state?token=abc")
        assert answer.status_code == 400 and answer.json()["type"].endswith("/token-in-url")
        assert client.get("/v1/state?stat=1").json()["detail"].startswith("there is no parameter 'stat'")


def test_what_is_no_error_of_the_library_says_nothing_of_itself():
    problem = problem_of(RuntimeError("password hunter2 of the database"))
    assert problem.status == 500 and "hunter2" not in problem.text("id").decode()


@pytest.mark.slow
def test_no_token_stands_in_a_log_an_answer_or_a_file(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    asked = Asked(tmp_path)
    try:
        secrets = [*asked.secrets.values()]
        texts = []
        with asked.client("act") as client:
            for path in ("/v1", "/v1/state", "/v1/nothing", "/v1/config", f"/v1/plans/{secrets[0]}/why", "/metrics"):
                answer = client.get(path)
                texts.append(answer.text.replace(secrets[0], "", 1) if "why" in path else answer.text)
                texts.append(str(answer.headers))
            client.get(f"/v1/state?token={secrets[1]}")
            client.post("/v1/actions", content=b"{", headers={"content-type": "application/json"})
        texts += [record.getMessage() for record in caplog.records if record.name.startswith(("reallot", "uvicorn"))]
        texts += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
        assert not [text[:200] for text in texts for secret in secrets if secret in text]
    finally:
        asked.close()


@pytest.mark.slow
def test_sockets_that_never_finish_their_request_leave_others_unharmed(asked):
    slow = [socket.create_connection(("127.0.0.1", asked.server.port)) for _ in range(100)]
    try:
        for each in slow:
            each.sendall(b"GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        with asked.client() as client:
            began = time.process_time()
            assert {client.get("/v1/state").status_code for _ in range(10)} == {200}
            assert time.process_time() - began < 2.0
    finally:
        for each in slow:
            each.close()


def test_a_unix_socket_serves_its_group_and_takes_over_a_name_that_nobody_listens_on(tmp_path):
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    asked = Asked(host=f"unix:{path}", hosts=["box.example.net"])
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660 and asked.server.url == f"unix:{path}"
        transport = httpx2.HTTPTransport(uds=str(path))
        token = {"Authorization": f"Bearer {asked.secrets['read']}"}
        with httpx2.Client(transport=transport, base_url="http://box.example.net", headers=token) as client:
            assert client.get("/v1/state").status_code == 200
            assert client.get("/v1/state", headers={"Host": "evil.example"}).status_code == 421
        with pytest.raises(ConfigurationError, match="another process listens there"):
            Asked(host=f"unix:{path}")
    finally:
        asked.close()
    assert not path.exists()


HEADS = {
    "no byte of it": b"",
    "a part of it": b"GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
    "a part of the next one": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he",
}


def test_a_head_that_does_not_end_in_time_ends_the_connection():
    asked = Asked(bounds=Bounds(seconds=0.05))
    try:
        slow = {what: socket.create_connection(("127.0.0.1", asked.server.port), 60.0) for what in HEADS}
        for what, each in slow.items():
            each.sendall(HEADS[what][:-7])
            each.sendall(HEADS[what][-7:])
        for each in slow.values():
            with suppress(ConnectionResetError):
                while each.recv(4096):  # to the end that the server makes
                    pass
            each.close()
    finally:
        asked.close()


if os.name == "nt":
    pytestmark = pytest.mark.skip(reason="modes of files are those of POSIX")
