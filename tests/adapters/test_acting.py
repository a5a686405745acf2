"""Adapters with a login or with something to set: what they send, what they make of a refusal, and no secret shown."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta

import pytest

from reallot.adapters.http_json import HttpJsonAdapter
from reallot.adapters.mysterium import MysteriumAdapter
from reallot.adapters.prometheus import PrometheusAdapter
from reallot.adapters.xmrig import XmrigAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError
from tests.adapters.cases import BY_NAME, START, mysterium_documents, xmrig_documents
from tests.adapters.server import Answer, Server

CANARY = "canary-0815-secret"


class Miner:
    """As much of a miner as its API shows: it keeps its configuration and runs as many threads."""

    def __init__(self, profile="rx", entry=None, algo="rx/0") -> None:
        self.config = {"cpu": {"enabled": True, profile: [0, 1, 2, 3] if entry is None else entry}, "donate-level": 1}
        self.profile, self.algo, self.paused, self.restricted, self.puts = profile, algo, False, False, 0
        self.instead = None

    def __call__(self, request):
        if self.instead is not None and request.method != "GET":
            return self.instead
        if request.path == "/1/config" and request.method == "PUT":
            self.puts, self.config = self.puts + 1, json.loads(request.body)
            return Answer(status=204)
        if request.path == "/1/config":
            return self.config
        if request.path == "/json_rpc":
            self.paused = json.loads(request.body)["method"] == "pause"
            return {"id": 1, "jsonrpc": "2.0", "result": {"status": "OK"}}
        summary = xmrig_documents(0.0)["/2/summary"]
        entry = self.config["cpu"][self.profile]
        threads = entry["threads"] if isinstance(entry, dict) else len(entry)
        hashes = {"total": [1250.0 * threads] * 3, "highest": 5200.0, "threads": [[1250.0] * 3] * threads}
        more = {"hashrate": hashes, "paused": self.paused, "algo": self.algo, "restricted": self.restricted}
        return {"/2/summary": summary | more}.get(request.path)


def acting(miner, *shares, threads=4, timeout=5.0):
    """Shares read back after each one that is asked for, or error kinds."""

    async def run():
        found = []
        async with Server(miner) as server:
            adapter = XmrigAdapter(
                "m", server.url, usd_per_gigahash=1.0, threads=threads, timeout=timedelta(seconds=timeout)
            )
            for share in shares:
                try:
                    await adapter.apply_allocation(share)
                    found.append(await adapter.get_allocation())
                except ProtocolError as error:
                    found.append(error.kind)
            await adapter.close()
        return found

    return asyncio.run(run())


def test_a_miners_share_is_its_threads_and_zero_is_a_pause():
    miner = Miner()
    assert acting(miner, 0.5, 0.25, 0.0, 0.75, 1.0) == [0.5, 0.25, 0.0, 0.75, 1.0]
    assert miner.config == {"cpu": {"enabled": True, "rx": [0, 1, 2, 3]}, "donate-level": 1}


def test_asking_a_miner_twice_writes_once():
    miner = Miner()
    acting(miner, 0.5, 0.5, 0.5)
    assert miner.puts == 1


@pytest.mark.parametrize(
    ("profile", "entry", "algo"),
    [
        ("rx/wow", [-1] * 4, "rx/wow"),
        ("*", [[1, 0], [1, 2], [1, 4], [1, 6]], "cn/r"),
        ("cn", {"intensity": 2, "threads": 4, "affinity": -1}, "cn/0"),
    ],
)
def test_every_way_to_write_threads_is_understood(profile, entry, algo):
    miner = Miner(profile, entry, algo)
    assert acting(miner, 0.5) == [0.5]
    assert len(miner.config["cpu"][profile]) == 2


@pytest.mark.parametrize("share", [0.3, 1.2, -0.25, float("nan"), "0.5", None])
def test_a_share_that_is_no_whole_number_of_threads_is_refused(share):
    miner = Miner()
    assert acting(miner, share) == [ErrorKind.REFUSED]
    assert miner.puts == 0


@pytest.mark.parametrize(
    ("instead", "kind"),
    [
        (Answer({"error": "restricted"}, 403), ErrorKind.REFUSED),
        (Answer({"error": "bad"}, 400), ErrorKind.REFUSED),
        (Answer({"error": "x"}, 500), ErrorKind.UNKNOWN),
        (Answer("<html>", kind="text/html"), ErrorKind.UNKNOWN),
        (Answer("{}", cut=0), ErrorKind.UNKNOWN),
        (Answer({"error": {"code": 1}}), ErrorKind.REFUSED),
    ],
)
def test_what_a_miner_makes_of_a_change_is_refused_or_unknown(instead, kind):
    miner = Miner()
    miner.instead = instead
    assert acting(miner, 0.5) == [kind]


def test_a_change_without_an_answer_is_unknown():
    miner = Miner()
    miner.instead = Answer(hangs=True)
    assert acting(miner, 0.5, timeout=0.05) == [ErrorKind.UNKNOWN]


def test_a_miner_that_may_only_be_read_refuses():
    miner = Miner()
    miner.restricted = True
    assert acting(miner, 0.5) == [ErrorKind.REFUSED]


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"threads": True}, {"fee": 1.0}, {"usd_per_gigahash": -1.0}])
def test_a_miner_is_set_up_soundly(wrong):
    with pytest.raises(ConfigurationError, match="m: "):
        XmrigAdapter("m", "http://127.0.0.1:1", **{"usd_per_gigahash": 1.0, "threads": 4, **wrong})


class Guarded:
    """A node with a login whose tokens end after two uses."""

    def __init__(self, password) -> None:
        self.password, self.token, self.uses, self.logins = password, "", 0, 0

    def __call__(self, request):
        if request.path == "/auth/authenticate":
            self.logins += 1
            if json.loads(request.body) != {"username": "myst", "password": self.password}:
                return Answer({"error": f"wrong: {request.body.decode()}"}, 401)
            self.token, self.uses = f"token-{self.logins}-{CANARY}", 0
            return {"token": self.token}
        self.uses += 1
        if request.headers.get("authorization") != f"Bearer {self.token}" or self.uses > 4:
            return Answer({"error": "expired"}, 401)
        return mysterium_documents(self.uses and 1.0).get(request.path)


def guarded(password, monkeypatch):
    monkeypatch.setenv("NODE_USER", "myst")
    monkeypatch.setenv("NODE_PASSWORD", CANARY)

    async def run():
        node, told = Guarded(password), []
        async with Server(node) as server:
            clock = ManualClock(START)
            adapter = MysteriumAdapter(
                url=server.url, price_usd=0.2, user_env="NODE_USER", password_env="NODE_PASSWORD", clock=clock
            )
            for _ in range(3):
                try:
                    told.append(await adapter.get_status())
                except ProtocolError as error:
                    told.append(error)
                clock.advance(3600.0)
            await adapter.close()
        return node, told

    return asyncio.run(run())


def test_a_login_is_made_once_and_again_when_its_token_ends(monkeypatch):
    node, told = guarded(CANARY, monkeypatch)
    assert told[0].kind is ErrorKind.NEVER_REPORTED
    assert [each.earnings_per_hour for each in told[1:]] == [0.0, 0.0]
    assert node.logins == 3


def test_a_refused_login_is_auth_and_shows_no_password(monkeypatch):
    node, told = guarded("another", monkeypatch)
    assert {each.kind for each in told} == {ErrorKind.AUTH}
    assert CANARY not in "".join(map(repr, told)) + "".join(map(str, told))
    assert node.logins == 3


@pytest.mark.parametrize("place", ["bearer", "header", "parameter", "basic"])
def test_secrets_reach_the_server_and_no_message(place, monkeypatch):
    monkeypatch.setenv("API_KEY", CANARY)
    given = {
        "bearer": {"bearer_env": "API_KEY"},
        "header": {"headers_env": {"X-Key": "API_KEY"}},
        "parameter": {"params_env": {"key": "API_KEY"}},
        "basic": {"basic_env": ("API_KEY", "API_KEY")},
    }[place]

    async def run():
        told = []
        answers = [Answer({"error": CANARY}, 500), Answer("", 302, {"Location": f"http://x/?{CANARY}"}), Answer(CANARY)]
        async with Server(lambda request: answers[len(told)]) as server:
            adapter = HttpJsonAdapter("a", server.url, value="x", **given)
            for _ in answers:
                with pytest.raises(ProtocolError) as caught:
                    await adapter.get_status()
                told.append(f"{caught.value} {caught.value!r} {adapter!r} {adapter._http!r}")
            await adapter.close()
        return told, server.requests

    told, requests = asyncio.run(run())
    sent = requests[0].query + str(requests[0].headers)
    assert CANARY in sent or "Basic " in sent
    assert CANARY not in "".join(told)


def test_a_secret_that_is_not_set_is_auth_and_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    adapter = HttpJsonAdapter("a", "http://127.0.0.1:9", value="x", bearer_env="NO_SUCH")
    with pytest.raises(ProtocolError, match="NO_SUCH") as caught:
        asyncio.run(adapter.get_status())
    assert caught.value.kind is ErrorKind.AUTH


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://me:pw@127.0.0.1/", "basic_env"),
        ("http://127.0.0.1/?api_key=5", "params_env"),
        ("ftp://127.0.0.1/", "give one such as"),
        ("http://", "give one such as"),
        ("http://127.0.0.1:99999/", "give one such as"),
        (None, "give one such as"),
    ],
)
def test_addresses_hold_no_secrets_and_are_sound(url, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        HttpJsonAdapter("a", url, value="x")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("path", ["", ".", "a..b", "a[", "a[-1]", "a[b]", 3])
def test_a_path_that_cannot_be_is_refused(path):
    with pytest.raises(ConfigurationError, match="no path"):
        HttpJsonAdapter("a", "http://127.0.0.1:9", value=path)


def test_what_only_reads_refuses_to_act():
    for name in ("json counter", "prometheus", "storj", "mysterium"):
        adapter = BY_NAME[name].make("http://127.0.0.1:9", ManualClock(START))
        assert not adapter.capabilities().acts
        for call, kind in (
            (adapter.apply_allocation(0.5), ErrorKind.REFUSED),
            (adapter.get_allocation(), ErrorKind.NEVER_REPORTED),
        ):
            with pytest.raises(ProtocolError) as caught:
                asyncio.run(call)
            assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"resultType": "vector", "result": []}, ErrorKind.NEVER_REPORTED),
        ({"resultType": "vector", "result": [{"value": [1, "1"]}] * 2}, ErrorKind.SHAPE),
        ({"resultType": "matrix", "result": []}, ErrorKind.SHAPE),
        ({"resultType": "scalar", "result": [1e9, "+Inf"]}, ErrorKind.SHAPE),
        ({"resultType": "scalar", "result": [1e9, "0.5"]}, 0.5),
    ],
)
def test_a_query_gives_one_number_or_a_reason(data, kind):
    async def run():
        async with Server(lambda request: {"status": "success", "data": data}) as server:
            adapter = PrometheusAdapter("p", 'sum(x{a="b"})', server.url)
            try:
                return (await adapter.get_status()).earnings_per_hour
            except ProtocolError as error:
                return error.kind
            finally:
                await adapter.close()

    assert asyncio.run(run()) == kind


def test_without_the_client_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ConfigurationError, match=r"reallot\[http\]"):
        HttpJsonAdapter("a", "http://127.0.0.1:9", value="x")
