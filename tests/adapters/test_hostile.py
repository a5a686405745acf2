"""Hostile answers, each adapter with each, over a socket: an error with a kind, or the right number."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from reallot.adapters.http_json import HttpJsonAdapter
from reallot.adapters.series import Series, Unit
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ErrorKind, ProtocolError
from reallot.orchestration.coordinator import ProtocolCoordinator
from tests.adapters.cases import BY_NAME, CASES, START, Case, iso
from tests.adapters.server import Answer, Request, Server

AUTH, LIMITED, TRANSIENT, SHAPE, UNREACHABLE, NEVER = (
    ErrorKind.AUTH,
    ErrorKind.RATE_LIMITED,
    ErrorKind.TRANSIENT,
    ErrorKind.SHAPE,
    ErrorKind.UNREACHABLE,
    ErrorKind.NEVER_REPORTED,
)
RIGHT, LOSS = "right", "a loss"
PAGE = "<!doctype html><title>Node</title><div id=app></div>"
LOGIN = "<html><form><input name=user><input class='x' type='password'></form></html>"
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def placed(documents, where, value):
    """`documents` with another value at one place."""
    path, keys = where
    result = copy.deepcopy(documents)
    found = result[path]
    for key in keys[:-1]:
        found = found[key]
    found[keys[-1]] = value
    return result


def at(documents, where):
    path, keys = where
    found = documents[path]
    for key in keys:
        found = found[key]
    return found


def spoilt(change):
    """A hostile answer in which the earnings' field is `change(value)`."""
    return lambda request, documents, case: placed(documents, case.value, change(at(documents, case.value)))[
        request.path
    ]


def literal(word):
    """A hostile answer in which the earnings' field is a word that JSON does not know."""

    def answer(request, documents, case):
        text = json.dumps(placed(documents, case.value, "@@")[request.path])
        return Answer(text.replace('"@@"', word))

    return answer


def whole(answer):
    return lambda request, documents, case: answer


def times(moment):
    def answer(request, documents, case):
        for where in case.times:
            documents = placed(documents, where, moment)
        return documents[request.path]

    return answer


def slash(request: Request, documents, case):
    if request.path.endswith("//") or request.path + "/" in documents:
        return documents[request.path.rstrip("/") + ("/" if request.path.rstrip("/") + "/" in documents else "")]
    if request.path.endswith("/") and request.path in documents:
        return Answer("", 301, {"Location": request.path + "/"})
    if request.path.endswith("/"):
        return documents[request.path[:-1]]
    return Answer("", 301, {"Location": request.path + "/" + (f"?{request.query}" if request.query else "")})


def truncated(cut):
    def answer(request, documents, case):
        body = json.dumps(documents[request.path])
        return Answer(body, cut=len(body) // 2) if cut else Answer(body[: len(body) // 2])

    return answer


HOSTILE = {
    "a page with 200": (whole(Answer(PAGE, kind="text/html")), {SHAPE}),
    "a page called JSON": (whole(Answer(PAGE)), {SHAPE}),
    "a slash is missing": (slash, {RIGHT}),
    "for ever elsewhere": (whole(Answer("", 302, {"Location": "/again"})), {SHAPE}),
    "another server": (whole(Answer("", 302, {"Location": "http://192.0.2.1/"})), {SHAPE}),
    "an error with 500": (whole(Answer({"error": "database is locked"}, 500)), {TRANSIENT}),
    "an error with 200": (whole(Answer({"error": "database is locked"})), {SHAPE}),
    "null": (spoilt(lambda value: None), {NEVER, SHAPE, RIGHT}),
    "dollars": (spoilt(lambda value: "$1.75"), {SHAPE}),
    "milli": (spoilt(lambda value: "3500m"), {SHAPE}),
    "a number as text": (spoilt(str), {RIGHT}),
    "a list": (spoilt(lambda value: [value]), {SHAPE}),
    "true": (spoilt(lambda value: True), {SHAPE}),
    "below zero": (spoilt(lambda value: "-5" if isinstance(value, str) else -5), {SHAPE, LOSS}),
    "beyond 2^53": (spoilt(lambda value: str(2**90 + 1) if isinstance(value, str) else 2**90 + 1), {SHAPE}),
    "5000 digits": (literal("1" * 5000), {SHAPE}),
    "year 1": (times("0001-01-01T00:00:00Z"), {RIGHT, NEVER}),
    "too often": (whole(Answer({"error": "slow down"}, 429)), {LIMITED}),
    "too often, until": (whole(Answer("", 429, {"Retry-After": "5400"})), {LIMITED}),
    "the login has ended": (whole(Answer({"error": "no"}, 401)), {TRANSIENT}),
    "refused in passing": (whole(Answer("", 403)), {TRANSIENT}),
    "a login page": (whole(Answer(LOGIN, kind="text/html")), {TRANSIENT}),
    "sent to the login": (whole(Answer("", 302, {"Location": "/login?next=x"})), {TRANSIENT}),
    "half of it": (truncated(cut=False), {SHAPE}),
    "cut off": (truncated(cut=True), {SHAPE, TRANSIENT}),
    "nothing": (whole(Answer("")), {SHAPE}),
    "too much": (whole(Answer(b"[" + b"1," * (1 << 20) + b"1]")), {SHAPE}),
    "too deep": (whole(Answer("[" * 100_000)), {SHAPE}),
    "NaN": (literal("NaN"), {SHAPE}),
    "Infinity": (literal("-Infinity"), {SHAPE}),
    "1e400": (literal("1e400"), {SHAPE}),
    "NaN as text": (spoilt(lambda value: "NaN"), {SHAPE}),
    "a thousand times": (
        spoilt(lambda value: str(float(value) * 1000) if isinstance(value, str) else value * 1000),
        {SHAPE},
    ),
    "no answer": (whole(Answer(hangs=True)), {UNREACHABLE}),
    "half an answer, then nothing": (whole(Answer("{}", delay=5.0)), {UNREACHABLE}),
    "two hours ahead": (times(iso(28)), {RIGHT}),
    "two hours behind": (times(iso(22.9)), {RIGHT}),
    "closed at once": (whole(Answer(raw=b"")), {TRANSIENT, UNREACHABLE}),
    "not HTTP": (whole(Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n")), {TRANSIENT, SHAPE}),
    "headers without an end": (whole(Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000)), {TRANSIENT, SHAPE}),
    "a length that is none": (
        whole(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}")),
        {TRANSIENT, SHAPE},
    ),
    "packed, and not": (whole(Answer(b"{}", headers={"Content-Encoding": "gzip"})), {SHAPE}),
    "a strange place": (whole(Answer("", 302, {"Location": "http://[::1"})), {SHAPE}),
    "a strange status": (whole(Answer({}, 999)), {SHAPE, TRANSIENT}),
    "not found": (whole(Answer({"error": "not found"}, 404)), {SHAPE}),
    "not text": (whole(Answer(b"\xff\xfe{}")), {SHAPE}),
    "a key twice": (
        lambda request, documents, case: Answer("{" + json.dumps(documents)[1:-1] + ', "a": 1, "a": 2}'),
        {SHAPE},
    ),
}

SILENT = {"no answer", "half an answer, then nothing"}


async def play(case: Case, hostile, hangs):
    """(status before, at and after the hostile answer, seconds it took, coordinator)"""
    clock = ManualClock(START)
    now = {"documents": case.documents(0.0), "hostile": None}

    def answer(request):
        if now["hostile"] is not None:
            return now["hostile"](request, now["documents"], case)
        return now["documents"].get(request.path)

    async with Server(answer) as server, ProtocolCoordinator(clock=clock) as coordinator:
        adapter = case.make(server.url, clock)
        coordinator.register_adapter("it", adapter)

        async def read(hours):
            clock.advance((START + timedelta(hours=hours) - clock.now()).total_seconds())
            now["documents"] = case.documents(hours)
            return await coordinator.get_protocol_status("it")

        for hours in case.warm:
            before = await read(hours)
        if hangs:
            adapter._http.timeout = timedelta(seconds=0.04)
        now["hostile"], started = hostile, time.perf_counter()
        then = await read(case.warm[-1] + 1.0)
        seconds = time.perf_counter() - started
        metrics = coordinator._aggregate(list(coordinator._sources.values()))
        now["hostile"], adapter._http.timeout = None, case.timeout
        coordinator.resume("it")
        for hours in (1.5, 2.0, 9.0):
            after = await read(case.warm[-1] + hours)
    return before, then, after, seconds, metrics


@pytest.mark.parametrize(
    ("name", "case"),
    [
        # the adapters read through one client: in the quick round they take turns
        pytest.param(name, case, id=f"{case.name}-{name}", marks=[] if (n - k) % len(CASES) == 0 else pytest.mark.slow)
        for n, name in enumerate(HOSTILE)
        for k, case in enumerate(CASES)
    ],
)
def test_a_hostile_answer_is_an_error_with_a_kind_and_never_a_wrong_number(case, name):
    hostile, allowed = HOSTILE[name]
    before, then, after, seconds, metrics = asyncio.run(play(case, hostile, hangs=name in SILENT))
    assert before.earnings_per_hour == pytest.approx(case.rate, rel=1e-6)
    if then.error is None and LOSS in allowed:
        assert then.earnings_per_hour < 0.0  # of a rate; a total cannot be below zero
    elif then.error is None:
        assert RIGHT in allowed, f"{then.earnings_per_hour} was taken"
        assert then.earnings_per_hour == pytest.approx(case.rate, rel=5e-3)
    else:
        assert then.error in allowed, f"{then.error}: {then.message}"
        assert then.earnings_per_hour is None
        assert metrics.earnings_by_protocol["it"] == before.earnings_per_hour
        assert metrics.stale["it"] == 3600.0
    assert after.earnings_per_hour == pytest.approx(case.rate, rel=1e-6)
    assert seconds < 2.0


@pytest.mark.parametrize(
    "answer",
    [Answer({}, 401), Answer({}, 403), Answer(LOGIN, kind="text/html"), Answer("", 302, {"Location": "/login"})],
    ids=["401", "403", "a login page", "sent to the login"],
)
def test_a_refusal_is_of_the_login_where_there_is_one_and_of_the_moment_where_there_is_none(answer, monkeypatch):
    monkeypatch.setenv("NODE_TOKEN", "token-of-a-node")

    async def run(**login):
        async with Server(lambda request: answer) as server:
            adapter = HttpJsonAdapter("it", f"{server.url}/pay", value="usd", **login)
            with pytest.raises(ProtocolError) as caught:
                await adapter.get_status()
            await adapter.close()
        return caught.value

    assert asyncio.run(run(bearer_env="NODE_TOKEN")).kind is AUTH
    passing = asyncio.run(run())
    assert passing.kind is TRANSIENT and "no login is configured" in str(passing)


@pytest.mark.slow
@every_case
def test_every_field_may_be_missing_or_null_or_something_else(case):
    """One field after another, in every document: the right number, or an error with a kind."""

    def places(document, keys=()):
        if isinstance(document, (dict, list)):
            for key, value in document.items() if isinstance(document, dict) else enumerate(document):
                yield (*keys, key)
                yield from places(value, (*keys, key))

    hours = case.warm[-1] + 1.0
    documents = case.documents(hours)
    spots = [(path, keys) for path, document in documents.items() for keys in places(document)]
    gone = object()
    odd = [gone, None, "", [], {}, True, "3500m", -1]

    def spoil(where, value):
        if value is not gone:
            return placed(documents, where, value)
        result = copy.deepcopy(documents)
        found = result[where[0]]
        for key in where[1][:-1]:
            found = found[key]
        del found[where[1][-1]]
        return result

    async def run():
        now, wrong, counted = {}, [], 0
        async with Server(lambda request: now["documents"].get(request.path)) as server:
            for where in spots:
                if where == case.value and not case.counter:
                    continue
                for value in odd:
                    a_loss = value == -1 and where[1][-1] == case.value[1][-1]  # of one of those that are added up
                    if a_loss or (where[1][-1] in case.free and value in (gone, True)):
                        continue
                    clock = ManualClock(START)
                    adapter = case.make(server.url, clock)
                    coordinator = ProtocolCoordinator(clock=clock)
                    coordinator.register_adapter("it", adapter)
                    now["documents"] = spoil(where, value)
                    status = await coordinator.get_protocol_status("it")
                    await coordinator.close()
                    counted += 1
                    if status.error is None and case.counter:
                        wrong.append((where, value, status.earnings_per_hour))
                    if status.error is None and abs(status.earnings_per_hour - case.rate) > 0.2 * case.rate:
                        wrong.append((where, value, status.earnings_per_hour))
                    if status.error in (TRANSIENT, UNREACHABLE, AUTH):
                        wrong.append((where, value, status.error, status.message))
        return wrong, counted

    wrong, counted = asyncio.run(run())
    assert counted > 30
    assert not wrong


def reading(adapter_of, documents, hours, start=START):
    """Earnings, or error kinds, after so many hours, where `documents(hours)` gives what the server says."""

    async def run():
        clock, now, found = ManualClock(start), {}, []
        serve = Server(lambda request: now["documents"].get(request.path))
        async with serve as server, ProtocolCoordinator(clock=clock) as coordinator:
            coordinator.register_adapter("it", adapter_of(server.url, clock))
            for hour in hours:
                clock.advance((start + timedelta(hours=hour) - clock.now()).total_seconds())
                now["documents"] = documents(hour)
                status = await coordinator.get_protocol_status("it")
                found.append(status.earnings_per_hour if status.error is None else status.error)
        return found

    return asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["json counter", "storj"])
def test_a_month_ends_without_a_drop_or_a_jump(name):
    case = BY_NAME[name]
    start = datetime(2026, 1, 30, tzinfo=UTC)

    def documents(hours):
        found = case.documents(hours)
        if hours < 48.0:
            return found
        for key in ("payout", "held", "egressBandwidthPayout", "egressRepairAuditPayout", "diskSpacePayout"):
            where = (case.value[0], (case.value[1][0], key))
            if key in at(found, (case.value[0], case.value[1][:1])):
                gained = at(case.documents(hours - 48.0), where) - at(case.documents(0.0), where)
                found = placed(found, where, gained)
        return placed(found, ("/api/sno/", ("lastPinged",)), iso(hours + 480)) if name == "storj" else found

    found = reading(case.make, documents, [each / 2 for each in range(160)], start)
    known = [each for each in found if not isinstance(each, ErrorKind)]
    assert len(known) > 100
    assert max(known) <= case.rate * 1.001
    assert min(known) >= case.rate * 0.49
    assert known[-1] == pytest.approx(case.rate, rel=0.03)


def test_a_payout_is_not_a_loss():
    def make(url, clock):
        return HttpJsonAdapter(
            "b", f"{url}/b", value="balance", series=Series("balance"), unit=Unit("cent"), clock=clock
        )

    paid = {0: 2000, 1: 2010, 2: 2020, 3: 4, 4: 14, 5: 24}
    found = reading(make, lambda hours: {"/b": {"balance": paid[hours]}}, range(6))
    assert found == [NEVER, 0.1, 0.1, 0.1, 0.1, 0.1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["json counter", "storj", "mysterium"])
def test_a_part_of_the_sum_vanishes(name):
    case = BY_NAME[name]

    def documents(hours):
        found = case.documents(hours)
        if hours < 30.0:
            return found
        value = at(found, case.value)
        less = str(int(value) * 4 // 5) if isinstance(value, str) else value * 0.8
        return placed(found, case.value, less)

    known = [each for each in reading(case.make, documents, range(60)) if not isinstance(each, ErrorKind)]
    assert len(known) > 40
    assert min(known) >= 0.0
    assert max(known) <= case.rate * 1.001


def test_a_unit_that_changed_is_not_believed():
    case = BY_NAME["json counter"]
    found = reading(
        case.make,
        lambda hours: placed(case.documents(hours), ("/pay", ("month", "unit")), "cent" if hours < 2 else "usd"),
        range(4),
    )
    assert found == [NEVER, pytest.approx(0.036), SHAPE, SHAPE]


def test_the_same_value_for_twelve_hours_is_neither_stale_nor_zero():
    case = BY_NAME["storj"]
    found = reading(case.make, lambda hours: case.documents(12.0 * (hours // 12)), range(60))
    assert set(found[:12]) == {NEVER}
    assert found[36:] == [pytest.approx(case.rate)] * 24


def test_retry_after_may_be_a_date_and_is_kept():
    async def run():
        clock = ManualClock(START)
        said = {"Retry-After": "Wed, 01 Jan 2098 00:00:00 GMT"}
        serve = Server(lambda request: Answer("", 429, said))
        async with serve as server, ProtocolCoordinator(clock=clock) as coordinator:
            coordinator.register_adapter("it", BY_NAME["json rate"].make(server.url, clock))
            await coordinator.get_protocol_status("it")
            return coordinator.next_poll_in("it")

    assert asyncio.run(run()) == 86_400.0


def test_nobody_listens():
    assert reading(lambda url, clock: BY_NAME["json rate"].make("http://127.0.0.1:9", clock), lambda _: {}, [0]) == [
        UNREACHABLE
    ]
