"""The thinnest way through: a server beside an engine is looked at, asked, and listened to."""

from __future__ import annotations

import asyncio
import json

import pytest
import websockets

from tests.service.conftest import Asked


def test_health_is_open_and_everything_else_wants_a_token(asked):
    with asked.client(None) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/").status_code == 200
        for path in ("/v1", "/v1/state", "/v1/actions", "/v1/stream/events", "/nothing"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"


def test_the_state_has_a_tag_and_is_not_sent_again(asked):
    with asked.client() as client:
        first = client.get("/v1/state")
        assert first.json()["names"] == ["relay", "compute"] and first.headers["etag"] == '"1-3"'
        again = client.get("/v1/state", headers={"If-None-Match": '"1-3"'})
        assert (again.status_code, again.content) == (304, b"")


def test_an_action_is_a_row_that_a_repeated_key_finds_again(asked):
    before = asked.wakes
    with asked.client("act") as client:
        keyed = {"Idempotency-Key": "one"}
        first = client.post("/v1/actions", json={"kind": "pause"}, headers=keyed)
        assert first.status_code == 202 and first.json()["state"] == "queued"
        assert first.json()["actor"] == "the-act"
        again = client.post("/v1/actions", json={"kind": "pause"}, headers=keyed)
        assert again.status_code == 200 and again.json() == first.json()
        assert client.get(first.headers["location"]).json() == first.json()
        assert asked.wakes == before + 1
        other = client.post("/v1/actions", json={"kind": "resume"}, headers=keyed)
        assert other.status_code == 422 and other.json()["type"].endswith("/key")
        assert client.post("/v1/actions", json={"kind": "pause"}).status_code == 400


def test_a_token_to_read_may_not_act(asked):
    with asked.client("read") as client:
        answer = client.post("/v1/actions", json={"kind": "pause"}, headers={"Idempotency-Key": "r"})
        assert answer.status_code == 403 and answer.json()["type"].endswith("/scope")


def test_the_stream_says_hello_then_the_state_then_each_new_one():
    asked = Asked()

    async def listen():
        url = f"{asked.server.url.replace('http', 'ws')}v1/stream"
        offered = ["reallot.v1", f"token.{asked.secrets['read']}"]
        async with websockets.connect(url, subprotocols=offered) as socket:
            assert socket.subprotocol == "reallot.v1"
            hello, state = [json.loads(await socket.recv()) for _ in range(2)]
            assert (hello["t"], hello["you"]) == ("hello", {"scope": "read", "name": "the-read"})
            assert (state["t"], state["seq"]) == ("state", 3)
            from dataclasses import replace

            asked.hub.publish(replace(asked.hub.board, seq=4))
            assert json.loads(await socket.recv())["seq"] == 4
            asked.hub.end()
            assert json.loads(await socket.recv())["t"] == "bye"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, subprotocols=["reallot.v1", "token.wrong"])
        assert refused.value.response.status_code == 401

    try:
        asyncio.run(listen())
    finally:
        asked.close()
