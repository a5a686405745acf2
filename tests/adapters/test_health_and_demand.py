"""What the three general adapters say of a protocol's health and of the share that it has demand for."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs

import pytest

from reallot.adapters.command import CommandAdapter
from reallot.adapters.http_json import HttpJsonAdapter
from reallot.adapters.prometheus import PrometheusAdapter
from reallot.errors import ErrorKind, ProtocolError
from tests.adapters.server import Server
from tests.adapters.test_local import python


@pytest.mark.parametrize(
    ("said", "healthy", "limited"),
    [
        ({"ok": True, "wanted": 0.8, "share": 0.5}, True, False),
        ({"ok": 0, "wanted": 0.5, "share": 0.5}, False, True),
        ({"ok": "1", "wanted": "0.2", "share": 0.5}, True, True),
        ({"ok": None, "wanted": None, "share": 0.5}, None, None),
        ({"ok": True, "wanted": 3, "share": 0.5}, True, False),
        ({"ok": "fine", "wanted": 0.5, "share": 0.5}, ErrorKind.SHAPE, None),
        ({"ok": True, "wanted": -1, "share": 0.5}, ErrorKind.SHAPE, None),
        ({"ok": True, "wanted": 30, "share": 0.5}, ErrorKind.SHAPE, None),
        ({"wanted": 1, "share": 0.5}, ErrorKind.SHAPE, None),
    ],
)
def test_health_and_demand_are_where_the_paths_lead(said, healthy, limited):
    """As a program prints them, as an address answers, and as a query gives them."""

    def queried(request):
        key = parse_qs(request.query)["query"][0]
        number = 2.0 if key == "usd" else said.get(key)
        result = [] if number is None else [{"metric": {}, "value": [1768003200, str(float(number))]}]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    async def run():
        found = []
        paths = {"share": "share", "healthy": "ok", "demand": "wanted"}
        document = {"usd": 2.0, **said}
        async with Server(lambda request: document) as server, Server(queried) as prometheus:
            told = python("import sys; print(sys.argv[1])", json.dumps(document))
            adapters = [
                HttpJsonAdapter("it", server.url, value="usd", **paths),
                CommandAdapter("it", told, value="usd", **paths),
            ]
            if not isinstance(said.get("ok"), str) and None not in (said.get("ok"), said["wanted"]):
                adapters.append(PrometheusAdapter("it", "usd", prometheus.url, **paths))
            for adapter in adapters:
                try:
                    found.append(await adapter.get_status())
                except ProtocolError as error:
                    found.append(error)
                await adapter.close()
        return found

    for status in asyncio.run(run()):
        if isinstance(status, ProtocolError):
            assert status.kind is healthy
        else:
            assert (status.healthy, status.demand_limited, status.allocation) == (healthy, limited, 0.5)
