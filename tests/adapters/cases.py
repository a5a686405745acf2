"""Every HTTP adapter with a source that earns steadily: the documents it serves by the hour, and what that is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reallot.adapters.http_json import HttpJsonAdapter
from reallot.adapters.mysterium import MysteriumAdapter
from reallot.adapters.prometheus import PrometheusAdapter
from reallot.adapters.series import Series, Unit
from reallot.adapters.storj import StorjAdapter
from reallot.adapters.xmrig import XmrigAdapter

START = datetime(2026, 1, 10, tzinfo=UTC)
Keys = tuple[str, tuple[str | int, ...]]
"""A path at the server, and the way to a field of its document."""


@dataclass(frozen=True)
class Case:
    """documents: path to document after so many hours; rate: USD/h; warm: hours of the readings before the test.

    free: keys that change the number rightly where they are gone or true
    """

    name: str
    make: Callable[..., Any]
    documents: Callable[[float], dict[str, Any]]
    value: Keys
    rate: float
    times: tuple[Keys, ...] = ()
    warm: tuple[float, ...] = (0.0, 1.0)
    counter: bool = False
    free: tuple[str | int, ...] = ()
    timeout: timedelta = timedelta(seconds=5)


def iso(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def storj_documents(hours: float) -> dict[str, Any]:
    """A node of this project's own making: 0.9 cents an hour, 3 of 4 TB used, fields of the newer meaning."""
    net = 180.0 + 0.8 * hours
    month = {
        "egressBandwidth": 20_000_000_000,
        "egressBandwidthPayout": 40.0 + 0.2 * hours,
        "egressRepairAudit": 9_000_000_000,
        "egressRepairAuditPayout": 20.0 + 0.1 * hours,
        "diskSpace": 900_000_000_000.5,
        "diskSpacePayout": 140.0 + 0.6 * hours,
        "heldRate": 0,
        "payout": net,
        "held": 20.0 + 0.1 * hours,
    }
    node = {
        "nodeID": "12abc",
        "wallet": "0xabc",
        "satellites": [{"id": "s1", "url": "one:7777", "disqualified": None, "suspended": None}],
        "diskSpace": {
            "used": 3_000_000_000_000,
            "available": 1_000_000_000_000,
            "trash": 20_000_000_000,
            "overused": 0,
            "allocated": 4_000_000_000_000,
        },
        "bandwidth": {"used": 29_000_000_000, "available": 0},
        "lastPinged": iso(hours - 0.1),
        "version": "1.140.0",
        "allowedVersion": "1.100.0",
        "upToDate": True,
        "startedAt": iso(-500),
        "quicStatus": "OK",
    }
    payout = {"currentMonth": month, "previousMonth": None, "currentMonthExpectations": 99_999}
    return {"/api/sno/estimated-payout": payout, "/api/sno/": node}


def mysterium_documents(hours: float) -> dict[str, Any]:
    identity = "0x" + "ab" * 20
    total = 2**70 + int(hours * 10**17)
    wei = {"wei": str(total), "ether": str(total / 1e18), "human": "1180.59"}
    return {
        "/identities": {"identities": [{"id": identity}]},
        f"/identities/{identity}": {
            "id": identity,
            "registration_status": "Registered",
            "earnings": 2**63 + 5,
            "earnings_tokens": {"wei": "30000000000000000", "ether": "0.03", "human": "0.03"},
            "earnings_total_tokens": wei,
        },
        "/services": [{"id": "w", "type": "wireguard", "status": "Running"}, {"id": "s", "status": "NotRunning"}],
    }


def xmrig_documents(hours: float) -> dict[str, Any]:
    summary = {
        "id": "x",
        "uptime": 3600,
        "restricted": False,
        "version": "6.22.0",
        "paused": False,
        "algo": "rx/0",
        "hashrate": {"total": [5010.5, 5000.0, 4990.25], "highest": 5200.0, "threads": [[1250.0] * 3] * 4},
        "results": {"shares_good": 99, "shares_total": 100, "hashes_total": 10**9},
        "connection": {"pool": "pool:3333", "uptime": 3000, "accepted": 99, "rejected": 1},
    }
    return {"/2/summary": summary}


CASES = [
    Case(
        "json counter",
        lambda url, clock: HttpJsonAdapter(
            "json",
            f"{url}/pay",
            value="month.payout",
            series=Series("counter", resets="month"),
            unit=Unit("cent"),
            time="at",
            expect={"month.unit": "cent"},
            clock=clock,
            timeout=Case.timeout,
        ),
        lambda hours: {
            "/pay": {"at": iso(hours), "month": {"payout": 700.0 + 3.6 * hours, "unit": "cent", "note": None}}
        },
        ("/pay", ("month", "payout")),
        0.036,
        times=(("/pay", ("at",)),),
        counter=True,
    ),
    Case(
        "json rate",
        lambda url, clock: HttpJsonAdapter(
            "json",
            f"{url}/rate",
            value="nodes[*].usd",
            share="share",
            expect={"unit": "USD/h"},
            clock=clock,
            timeout=Case.timeout,
        ),
        lambda hours: {"/rate": {"unit": "USD/h", "share": 0.5, "nodes": [{"usd": 0.03}, {"usd": "0.006"}]}},
        ("/rate", ("nodes", 0, "usd")),
        0.036,
        free=(0, 1),
    ),
    Case(
        "prometheus",
        lambda url, clock: PrometheusAdapter("prom", "sum(earned)", url, clock=clock, timeout=Case.timeout),
        lambda hours: {
            "/api/v1/query": {
                "status": "success",
                "data": {
                    "resultType": "vector",
                    "result": [{"metric": {}, "value": [(START + timedelta(hours=hours)).timestamp(), "0.036"]}],
                },
            }
        },
        ("/api/v1/query", ("data", "result", 0, "value", 1)),
        0.036,
        times=(("/api/v1/query", ("data", "result", 0, "value", 0)),),
    ),
    Case(
        "storj",
        lambda url, clock: StorjAdapter("storj", url, clock=clock, timeout=Case.timeout),
        storj_documents,
        ("/api/sno/estimated-payout", ("currentMonth", "payout")),
        0.008,
        times=(("/api/sno/", ("lastPinged",)), ("/api/sno/", ("startedAt",))),
        warm=(0.0, 8.0, 16.0, 24.0),
        counter=True,
    ),
    Case(
        "mysterium",
        lambda url, clock: MysteriumAdapter("myst", url, price_usd=0.2, clock=clock, timeout=Case.timeout),
        mysterium_documents,
        ("/identities/0x" + "ab" * 20, ("earnings_total_tokens", "wei")),
        0.02,
        counter=True,
    ),
    Case(
        "xmrig",
        lambda url, clock: XmrigAdapter(
            "miner",
            url,
            usd_per_gigahash=2.0,
            threads=4,
            most_hash_rate=1e5,
            clock=clock,
            timeout=Case.timeout,
        ),
        xmrig_documents,
        ("/2/summary", ("hashrate", "total", 1)),
        5000.0 * 3600 / 1e9 * 2.0 * 0.99 * 0.99,
        free=("paused",),
    ),
]
BY_NAME = {case.name: case for case in CASES}
