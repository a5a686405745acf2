"""The live stream: the same messages by every way, going on after a break, and an end for who is too slow."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from dataclasses import replace

import pytest
import websockets

from reallot.engine.ledger.event_log import KeptEvent
from tests.orchestration.polls import START
from tests.service.conftest import Asked

pytestmark = pytest.mark.slow


def kept(*numbers):
    return tuple(KeptEvent(n, START, "move", f"number {n}", {"n": n}, 20) for n in numbers)


@pytest.fixture
def asked():
    found = Asked()
    yield found
    found.close()


def connect(asked, **options):
    offers = ["reallot.v1", f"token.{asked.secrets['read']}"]
    return websockets.connect(f"{asked.server.url.replace('http', 'ws')}v1/stream", subprotocols=offers, **options)


async def read(socket, count):
    return [json.loads(await asyncio.wait_for(socket.recv(), 5.0)) for _ in range(count)]


def test_a_websocket_server_sent_events_and_polling_tell_the_same(asked):
    async def listen():
        async with connect(asked) as socket:
            await read(socket, 2)
            with asked.client() as client, client.stream("GET", "/v1/stream/events") as answer:
                lines = answer.iter_lines()
                seen = []
                while len(seen) < 2:
                    line = next(lines)
                    seen += [json.loads(line.removeprefix("data: "))] if line.startswith("data: ") else []
                assert [each["t"] for each in seen] == ["hello", "state"]
                asked.hub.publish(None, kept(1, 2))
                asked.hub.publish(replace(asked.hub.board, seq=9, last_event=2))
                by_socket = await read(socket, 3)
                by_events, numbers = [], []
                while len(by_events) < 3:
                    line = next(lines)
                    by_events += [json.loads(line.removeprefix("data: "))] if line.startswith("data: ") else []
                    numbers += [line] if line.startswith("id: ") else []
                assert by_socket == by_events
                assert [each["seq"] for each in by_socket] == [1, 2, 9] and numbers == ["id: 1", "id: 2"]
            with asked.client() as client:
                assert client.get("/v1/state").json() == by_socket[-1]

    asyncio.run(listen())


def test_who_comes_back_is_told_what_it_missed_once_and_in_order(asked):
    asked.hub.publish(None, kept(*range(1, 8)))
    asked.hub.publish(replace(asked.hub.board, seq=4, last_event=7))

    async def listen():
        async with connect(asked) as socket:
            await read(socket, 2)
            await socket.send(json.dumps({"t": "resume", "epoch": 1, "events_after": 4}))
            assert [each["seq"] for each in await read(socket, 3)] == [5, 6, 7]
            asked.hub.publish(None, kept(8))
            assert [each["seq"] for each in await read(socket, 1)] == [8]
            await socket.send(json.dumps({"t": "pong"}))

    asyncio.run(listen())


def test_who_comes_back_after_a_restart_is_told_what_was_kept(asked):
    asked.hub.remember(kept(5, 6, 7))

    async def listen():
        async with connect(asked) as socket:
            await read(socket, 2)
            await socket.send(json.dumps({"t": "resume", "epoch": 0, "events_after": 5}))
            assert [each["seq"] for each in await read(socket, 2)] == [6, 7]

    asyncio.run(listen())


def test_a_stream_ends_when_its_token_is_revoked(asked):
    async def listen():
        async with connect(asked) as socket:
            await read(socket, 2)
            with asked.client() as client, client.stream("GET", "/v1/stream/events") as answer:
                lines = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))
                assert [json.loads(next(lines))["t"] for _ in range(2)] == ["hello", "state"]
                asked.tokens.revoke("the-read")
                asked.hub.publish(replace(asked.hub.board, seq=9))
                told = [json.loads(next(lines)), *await read(socket, 1)]
        assert [(each["t"], each["code"], each["retry_in"]) for each in told] == [("bye", 1008, None)] * 2
        assert told[0]["reason"] == "the token is not good any more"

    asyncio.run(listen())
    assert not asked.hub.clients and not asked.hub.dismissed


@pytest.mark.parametrize("after", [3, 502])
def test_who_was_away_too_long_is_told_that_there_is_a_gap(asked, after):
    asked.hub.publish(None, kept(500, 501))

    async def listen():
        async with connect(asked) as socket:
            await read(socket, 2)
            await socket.send(json.dumps({"t": "resume", "epoch": 1, "events_after": after}))
            [told] = await read(socket, 1)
            assert told["t"] == "hello" and told["gap"] is True

    asyncio.run(listen())


@pytest.mark.parametrize(
    "said",
    ["x" * 5000, "{", '{"t": "sell"}', '{"t": "resume", "events_after": -1}', '{"t": "resume", "want": ["all"]}', b"x"],
)
def test_who_says_anything_else_is_closed(asked, said):
    async def listen():
        async with connect(asked) as socket:
            await socket.send(said)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await read(socket, 9)
            assert closed.value.rcvd is not None and closed.value.rcvd.code in (1008, 1009)

    asyncio.run(listen())


def test_silence_is_filled_with_beats():
    from reallot.service.stream import Stream

    asked = Asked()
    asked.close()
    slow = Stream(asked.hub, beat=0.05)
    asked = Asked(stream=slow)
    slow._hub = asked.hub

    async def listen():
        async with connect(asked) as socket:
            assert [each["t"] for each in await read(socket, 4)] == ["hello", "state", "beat", "beat"]

    asyncio.run(listen())
    asked.close()


def test_a_client_that_never_reads_is_dismissed_and_named_and_the_others_miss_nothing(caplog):
    from reallot.service.stream import Stream

    caplog.set_level(logging.WARNING, "reallot.service")
    asked = Asked()
    asked.close()
    quick = Stream(asked.hub, send=0.2)
    asked = Asked(stream=quick)
    quick._hub = asked.hub
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", asked.server.port))
    head = "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
    offer = f"Sec-WebSocket-Protocol: reallot.v1, token.{asked.secrets['act']}\r\n\r\n"
    stuck.sendall(f"{head}{key}{offer}".encode())

    async def listen():
        got = []
        async with connect(asked, max_size=None) as socket:
            await read(socket, 2)
            end = time.monotonic() + 20.0
            number = 0
            while not asked.hub.dismissed and time.monotonic() < end:
                number += 1
                asked.hub.publish(None, (KeptEvent(number, START, "wide", "x" * 20_000, {}, 20),))
                got += [each["seq"] for each in await read(socket, 1)]
                await asyncio.sleep(0.01)
        return number, got

    try:
        number, got = asyncio.run(listen())
        assert asked.hub.dismissed == 1 and got == list(range(1, number + 1))
        [line] = [each.getMessage() for each in caplog.records if "too slow" in each.getMessage()]
        assert "token the-act, websocket from 127.0.0.1:" in line and "events" in line
    finally:
        stuck.close()
        asked.close()


def test_a_token_to_read_has_at_most_twenty_streams(asked):
    async def listen():
        sockets = [await connect(asked) for _ in range(20)]
        try:
            for each in sockets:
                await read(each, 1)
            async with connect(asked) as one_more:
                [told] = await read(one_more, 1)
                assert told["t"] == "bye" and "20 streams open" in told["reason"]
        finally:
            for each in sockets:
                await each.close()

    asyncio.run(listen())


def test_a_server_with_a_hundred_open_streams_ends_at_once():
    from reallot.service.gate import Bounds

    asked = Asked(bounds=Bounds(reads=(1e9, 1e9)))

    async def listen():
        offers = ["reallot.v1", f"token.{asked.secrets['act']}"]
        url = f"{asked.server.url.replace('http', 'ws')}v1/stream"
        sockets = [await websockets.connect(url, subprotocols=offers, compression=None) for _ in range(100)]
        for each in sockets:
            await read(each, 2)
        await asyncio.to_thread(asked.server.stop)  # it waits for a few seconds at most
        assert not asked.server.is_alive
        assert {(await read(each, 1))[0]["t"] for each in sockets} == {"bye"}
        for each in sockets:
            await each.close()

    asyncio.run(listen())
    asked.close()
