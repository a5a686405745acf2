"""What others offer beside what is earned, and a price that is read: of the three general adapters alike."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from reallot.adapters.command import CommandAdapter
from reallot.adapters.http_json import HttpJsonAdapter
from reallot.adapters.price import LivePrice
from reallot.adapters.prometheus import PrometheusAdapter
from reallot.adapters.series import Series, Unit
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.validation import checked
from reallot.engine.polling.source import Source
from reallot.errors import ConfigurationError, ErrorKind, ProtocolError
from reallot.runtime.config import config_from_text
from tests.adapters.server import Answer, Server
from tests.adapters.test_local import python

AT = datetime(2026, 1, 10, tzinfo=UTC)


def queried(document):
    """A Prometheus that knows the keys of a document as queries; a null is no series at all."""

    def answer(request):
        number = document.get(parse_qs(request.query)["query"][0])
        result = [] if number is None else [{"metric": {}, "value": [1768003200, str(float(number))]}]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    return answer


def statuses(document, **others):
    """What each of the three makes of a document with usd, offer and share; an error where it raises one."""

    async def run():
        found = {}
        paths = {"share": "share", "quote": "offer", **others}
        async with Server(lambda request: document) as server, Server(queried(document)) as prometheus:
            adapters = [
                HttpJsonAdapter("it", server.url, value="usd", **paths),
                CommandAdapter(
                    "it", python("import sys; print(sys.argv[1])", json.dumps(document)), value="usd", **paths
                ),
                PrometheusAdapter("it", "usd", prometheus.url, **paths),
            ]
            for adapter in adapters:
                try:
                    found[type(adapter).__name__] = checked(await adapter.get_status(), "it", AT)
                except ProtocolError as error:
                    found[type(adapter).__name__] = error
                await adapter.close()
        return found

    return asyncio.run(run())


def test_the_quote_stands_beside_the_earnings():
    for name, status in statuses({"usd": 0.5, "offer": 2.0, "share": 0.25}).items():
        assert (status.earnings_per_hour, status.quote, status.allocation) == (0.5, 2.0, 0.25), name


def test_the_quote_is_in_the_unit_of_the_earnings_and_over_the_same_time():
    others = {"unit": Unit("cent"), "series": Series(per=timedelta(days=1))}
    for name, status in statuses({"usd": 240, "offer": 4800, "share": 0.25}, **others).items():
        assert (status.earnings_per_hour, status.quote) == (pytest.approx(0.1), pytest.approx(2.0)), name


def test_while_nothing_is_held_and_nothing_reported_the_quote_is_told_and_nothing_is_earned():
    for name, status in statuses({"usd": None, "offer": 2.0, "share": 0.0}).items():
        assert (status.earnings_per_hour, status.quote, status.error) == (0.0, 2.0, None), name


def test_while_something_is_held_and_nothing_reported_the_quote_is_no_earning():
    for name, status in statuses({"usd": None, "offer": 2.0, "share": 0.5}).items():
        assert (status.earnings_per_hour, status.quote) == (None, 2.0), name
        assert status.error is ErrorKind.NEVER_REPORTED, name


@pytest.mark.parametrize("offer", ["what?", None, 1e300])
def test_a_quote_that_cannot_be_read_takes_no_earnings_away_and_says_why(offer):
    document = {"usd": 0.5, "offer": offer, "share": 0.25}
    if offer == "what?":
        document.pop("offer")
    for name, status in statuses(document).items():
        assert (status.earnings_per_hour, status.quote) == (0.5, None), name
        assert "its quote cannot be read" in status.message, name


def test_a_quote_that_cannot_be_read_is_told_once_and_told_when_that_ends(caplog):
    document = {"usd": 0.5, "share": 0.25}

    async def run():
        clock = ManualClock(AT)
        async with Server(lambda request: document) as server:
            adapter = HttpJsonAdapter("it", server.url, value="usd", share="share", quote="offer", clock=clock)
            source = Source("it", adapter, clock)
            for offer in (2.0, None, None, None, 2.5, 2.6):
                document["offer"] = offer
                await source.refresh()
                clock.advance(60.0)

    caplog.set_level("INFO")
    asyncio.run(run())
    told = [record.getMessage() for record in caplog.records if "it" in record.getMessage()]
    assert len(told) == 2
    assert "its quote cannot be read" in told[0]
    assert "its quote can be read again" in told[1]


# A price that is read


def test_a_price_is_read_at_its_own_address_and_asked_seldom():
    paid = {"tokens": 3.0, "share": 0.5, "offer": 10}
    price = {"data": {"cents": 25}}

    async def run():
        clock = ManualClock(AT)
        async with Server(lambda request: paid) as server, Server(lambda request: price) as market:
            live = LivePrice(market.url, "data.cents", unit="cent", every=timedelta(minutes=5))
            adapter = HttpJsonAdapter(
                "it", server.url, value="tokens", quote="offer", unit=Unit("token"), price=live, clock=clock
            )
            found = []
            for cents in (25, 50, 75):
                price["data"]["cents"] = cents
                status = await adapter.get_status()
                found.append((status.earnings_per_hour, status.quote))
                clock.advance(200.0)
            await adapter.close()
            return found, len(market.requests)

    assert asyncio.run(run()) == ([(0.75, 2.5), (0.75, 2.5), (2.25, 7.5)], 2)


def test_the_last_price_stands_for_a_while_where_none_comes_and_then_there_are_no_earnings():
    answers = [{"usd": 2.0}] + [Answer("down", 503)] * 20 + [{"usd": 3.0}] * 5

    async def run():
        clock, found = ManualClock(AT), []
        async with Server(lambda request: answers.pop(0)) as market:
            live = LivePrice(market.url, "usd", every=timedelta(minutes=5), lasts=timedelta(minutes=20))
            for _ in range(22):
                try:
                    found.append(await live.usd(clock))
                except ProtocolError as error:
                    found.append(error.kind)
                    assert "no price to count by" in str(error)
                clock.advance(300.0)
            await live.close()
        return found

    found = asyncio.run(run())
    assert found == [2.0] * 4 + [ErrorKind.TRANSIENT] * 17 + [3.0]


@pytest.mark.parametrize("wrong", [0, -1, "none", True, {}])
def test_what_is_no_price_is_not_counted_by(wrong):
    async def run():
        async with Server(lambda request: {"usd": wrong}) as market:
            with pytest.raises(ProtocolError) as caught:
                await LivePrice(market.url, "usd").usd(ManualClock(AT))
        return caught.value.kind

    assert asyncio.run(run()) is ErrorKind.SHAPE


# As config.toml says it


def configured(keys: str) -> str:
    return f'[protocols.it]\nadapter = "http_json"\nurl = "http://127.0.0.1:9/x"\nvalue = "v"\n{keys}'


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('unit = "token"', "price is missing"),
        ('unit = "points"', "price is missing"),
        ('unit = "usd"\nprice = 0.3', "unit 'usd' is money already"),
        ('unit = "cent"\nprice = { url = "http://127.0.0.1:9/x", value = "v" }', "unit 'cent' is money already"),
        ('unit = "tokn"\nprice = 1.0', "did you mean 'token'?"),
        ('series = "cuonter"', "did you mean 'counter'?"),
        ('unit = "token"\nprice = { url = "http://127.0.0.1:9/x" }', "price.value: it is missing"),
        ('unit = "token"\nprice = { url = "nowhere", value = "v" }', "price cannot be read"),
        ('unit = "token"\nprice = { url = "http://127.0.0.1:9", value = "v", unit = "eur" }', "price.unit: it must be"),
        ('unit = "token"\nprice = -1.0', "price: it must be"),
        ("quote = 3", "quote: it must be a text"),
    ],
)
def test_what_cannot_be_counted_is_found_at_load(keys, told):
    with pytest.raises(ConfigurationError) as caught:
        config_from_text(configured(keys))
    assert told in str(caught.value)
    assert "[protocols.it]" in str(caught.value)


@pytest.mark.parametrize("price", ["0.3", '{ url = "http://127.0.0.1:9/x", value = "v" }'])
def test_what_has_a_price_and_no_unit_is_counted_in_tokens(price):
    (protocol,) = config_from_text(configured(f"price = {price}")).protocols.values()
    assert protocol.reader.given()["unit"].name == "token"


@pytest.mark.parametrize(
    "table",
    [
        'adapter = "http_json"\nurl = "http://127.0.0.1:9/x"\nvalue = "v"',
        'adapter = "prometheus"\nquery = "v"',
        'adapter = "command"\nread = ["true"]\nvalue = "v"',
    ],
)
def test_all_three_take_a_quote_and_a_price_that_is_read(table):
    live = 'price = { url = "http://127.0.0.1:8081/token", value = "usd" }'
    config = config_from_text(f'[protocols.it]\n{table}\nquote = "pool"\nunit = "token"\n{live}\n')
    given = config.protocols["it"].reader.given()
    assert given["quote"] == "pool"
    assert isinstance(given["price"], LivePrice)
