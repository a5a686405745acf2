"""The storage node: golden numbers of a real one (typed here, no recording), and every trap by name."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reallot.adapters.storj import Disk, Payout, StorjAdapter
from reallot.engine.contracts.clock import ManualClock
from reallot.errors import ErrorKind, ProtocolError
from tests.adapters.cases import START, storj_documents
from tests.adapters.server import Server

# a full node of 3.5 TB in January 2023, amounts in cents; prices 20, 10 and 1.50 USD per TB (month)
MONTH = {
    "egressBandwidth": 7_739_741_440,
    "egressBandwidthPayout": 15.48,
    "egressRepairAudit": 98_628_742_144,
    "egressRepairAuditPayout": 98.64,
    "diskSpace": 3_602_473_330_909.5,
    "diskSpacePayout": 540.37,
    "heldRate": 0,
    "payout": 654.49,
    "held": 0,
}
OLD_DISK = {"used": 3_381_577_296_000, "available": 3_500_000_000_000, "trash": 117_961_155_200, "overused": 0}


def status(documents, moment=START):
    async def run():
        async with Server(lambda request: documents.get(request.path)) as server:
            adapter = StorjAdapter(url=server.url, clock=ManualClock(moment))
            try:
                return await adapter.get_status()
            except ProtocolError as error:
                return error.kind
            finally:
                await adapter.close()

    return asyncio.run(run())


def documents(node=None, **payout):
    found = storj_documents(0.0)
    found["/api/sno/estimated-payout"] |= payout
    found["/api/sno/"] |= node or {}
    return found


def test_golden_the_parts_are_bytes_times_prices():
    payout = Payout.of({"previousMonth": MONTH}, "previousMonth")
    assert round(7_739_741_440 * 2000 / 1e12, 2) == 15.48
    assert round(98_628_742_144 * 1000 / 1e12, 2) == 98.63  # the node says 98.64: it rounds for each satellite
    assert round(3_602_473_330_909.5 * 150 / 1e12, 2) == 540.37
    assert payout == Payout(net=Decimal("654.49"), held=Decimal(0), gross=Decimal("654.49"))


def test_golden_a_month_of_cents_is_so_many_dollars_an_hour():
    found = status(documents(previousMonth=MONTH))
    assert found.earnings_per_hour == pytest.approx(6.5449 / 744)  # December has 744 hours: USD 0.0088/h
    assert found.details["basis"] == "mean of the month before"


@pytest.mark.parametrize("cents", [1077.31, 843.77, 1065.87, 654.49])
def test_golden_months_of_the_same_node(cents):
    month = MONTH | {"payout": cents, "diskSpacePayout": cents - 15.48 - 98.64}
    assert status(documents(previousMonth=month)).earnings_per_hour == pytest.approx(cents / 100 / 744)


def test_golden_the_held_rate_of_a_sum_is_not_believed():
    payout = Payout.of({"currentMonth": {"payout": 877.22, "held": 0.71, "heldRate": 0}}, "currentMonth")
    assert payout.held_rate == pytest.approx(0.71 / 877.93)


def test_golden_a_full_node_of_the_older_meaning():
    disk = Disk.of({"diskSpace": OLD_DISK})
    assert (disk.allocated, disk.free) == (3_500_000_000_000, 461_548_800)
    found = status(documents({"diskSpace": OLD_DISK}, previousMonth=MONTH))
    assert (found.demand_limited, round(found.utilization.disk, 4)) == (False, 0.9999)


def test_available_is_free_space_where_allocated_is_told():
    disk = Disk.of({"diskSpace": OLD_DISK | {"allocated": 4_000_000_000_000, "available": 500_000_000_000}})
    assert (disk.allocated, disk.free, disk.in_use) == (4_000_000_000_000, 500_000_000_000, 0.875)


def test_free_space_means_that_more_would_earn_nothing():
    assert status(documents(previousMonth=MONTH)).demand_limited is True


def test_the_nodes_own_expectation_changes_nothing():
    known = {status(documents(previousMonth=MONTH, currentMonthExpectations=n)).earnings_per_hour for n in (0, 10**6)}
    assert len(known) == 1


def test_a_node_never_reached_has_no_value():
    kind = status(documents({"lastPinged": "0001-01-01T00:00:00Z"}, previousMonth=MONTH))
    assert kind is ErrorKind.NEVER_REPORTED


@pytest.mark.parametrize(
    "node",
    [
        {"lastPinged": "2026-01-09T20:00:00.123456789Z"},
        {"satellites": None},
        {"satellites": [{"disqualified": "2025-01-01T00:00:00Z", "suspended": None}]},
        {"satellites": [{"disqualified": None, "suspended": "2025-01-01T00:00:00Z"}]},
    ],
)
def test_a_node_that_is_not_well_says_so(node):
    assert status(documents(previousMonth=MONTH)).healthy is True
    assert status(documents(node, previousMonth=MONTH)).healthy is False


def test_a_payout_that_its_parts_do_not_make_is_refused():
    assert status(documents(previousMonth=MONTH | {"payout": 654_490.0})) is ErrorKind.SHAPE
    assert status(documents(currentMonth={"payout": 5.0})) is ErrorKind.NEVER_REPORTED


def test_the_month_before_march_has_672_hours():
    found = status(
        documents({"lastPinged": "2026-03-10T00:00:00Z"}, previousMonth=MONTH), datetime(2026, 3, 10, tzinfo=UTC)
    )
    assert found.earnings_per_hour == pytest.approx(6.5449 / 672)
