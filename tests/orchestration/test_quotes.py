"""What others offer for a share that nobody holds, played on a clock moved by hand: it counts as far as it was paid."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig, OptimizerConfig, ReallocationConfig
from reallot.engine.contracts.records import ProtocolStatus
from reallot.engine.planning.quotes import QUOTES, Payment, offered
from reallot.orchestration.coordinator import ProtocolCoordinator
from reallot.orchestration.cycle import run_cycle
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from reallot.orchestration.reallocation import ReallocationEngine
from reallot.problem import EarningsCurve

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class Source:
    """Earns `rate` for a full share, says `quote` (None for no quote), and nothing of earnings while it holds none."""

    def __init__(self, rate: float, share: float, quote: float | None = None) -> None:
        self.rate, self.share, self.quote = rate, share, quote

    def capabilities(self) -> Capabilities:
        return Capabilities()

    async def get_status(self) -> ProtocolStatus:
        return ProtocolStatus(
            protocol="it",
            connected=True,
            earnings_per_hour=self.rate * self.share if self.share else None,
            allocation=self.share,
            observed_at=BEGIN,
            quote=self.quote,
        )

    async def get_allocation(self) -> float:
        return self.share

    async def apply_allocation(self, share: float) -> None:
        self.share = share


class Played:
    """Two protocols, cycle after cycle: `relay` earns 1.0 USD/h for a full share and holds all at first."""

    def __init__(self, pool: Source) -> None:
        self.clock, self.pool, self.relay = ManualClock(BEGIN), pool, Source(1.0, 1.0)
        self.coordinator = ProtocolCoordinator(clock=self.clock)
        for name, adapter in (("relay", self.relay), ("pool", pool)):
            self.coordinator.register_adapter(name, adapter)
        config = OptimizerConfig(min_improvement_threshold=0.01, policy="rates")
        self.optimizer = EarningsOptimizer(config, clock=self.clock)
        self.engine = ReallocationEngine(ReallocationConfig(), clock=self.clock)
        self.monitor = RealtimeMonitor(MonitorConfig(), clock=self.clock, changes=self.engine)
        self.moves, self.reasons = 0, ""

    def go(self, hours: float) -> Played:
        async def run():
            for _ in range(round(hours * 12)):
                result = await run_cycle(self.coordinator, self.optimizer, self.engine, self.monitor, clock=self.clock)
                assert result.errors == {}
                self.moves += result.acted
                self.reasons = "; ".join(result.plan.reasons)
                self.clock.advance(300.0)

        asyncio.run(run())
        return self

    def rate(self) -> float:
        async def last():
            return (await self.coordinator.get_metrics_history())[-1]

        return self.optimizer.rates(asyncio.run(last()))["pool"].rate


def test_without_a_quote_nothing_is_known_of_what_was_never_held():
    assert Played(Source(3.0, 0.0)).go(6).pool.share == 0.0


@pytest.mark.slow
def test_a_better_offer_is_taken_though_nothing_was_ever_held_there():
    played = Played(Source(3.0, 0.0, quote=3.0)).go(8)
    assert played.pool.share == pytest.approx(1.0)


def test_a_worse_offer_is_not_taken():
    played = Played(Source(0.9, 0.0, quote=0.9)).go(8)
    assert (played.pool.share, played.moves) == (0.0, 0)


@pytest.mark.slow
def test_an_offer_that_was_never_paid_has_to_be_clearly_better():
    assert Played(Source(1.1, 0.0, quote=1.1)).go(8).pool.share == 0.0


@pytest.mark.slow
def test_what_pays_half_of_its_offer_is_left_and_not_believed_again():
    played = Played(Source(0.75, 0.0, quote=1.5)).go(12)
    assert played.pool.share < 0.05
    moved = played.moves
    assert moved <= 4
    played.go(24)
    assert played.moves == moved  # the offer stands, and it is known what it is worth
    assert played.rate() == pytest.approx(0.75, rel=0.1)


@pytest.mark.slow
def test_an_offer_that_rises_is_taken_by_what_was_paid_of_it():
    played = Played(Source(0.75, 0.0, quote=1.5)).go(12)
    played.pool.quote, played.pool.rate = 4.0, 2.0
    assert played.go(10).pool.share > 0.5


@pytest.mark.slow
def test_what_pays_more_than_it_offers_is_known_for_that():
    pool = Source(1.6, 0.5, quote=0.8)
    played = Played(pool)
    played.relay.share = 0.5
    played.go(4)
    pool.share, played.relay.share = 0.0, 1.0  # somebody took it away
    assert played.go(1).rate() == pytest.approx(1.6, rel=0.1)


@pytest.mark.slow
def test_a_glitch_of_the_offer_moves_nothing():
    pool = Source(0.5, 0.0, quote=0.5)
    played = Played(pool).go(4)
    for _ in range(3):
        pool.quote = 500.0
        played.go(2 / 12)
        pool.quote = 0.5
        played.go(1)
    assert (played.moves, pool.share) == (0, 0.0)


@pytest.mark.slow
def test_a_plan_says_that_a_rate_is_an_offer_and_how_much_of_it_was_paid_and_when():
    played = Played(Source(0.75, 0.0, quote=1.5)).go(1 / 12)
    assert "pool is taken at its quote, of which nothing was paid yet" in played.reasons
    played.go(20)
    assert "pool is taken at its quote, of which 50 % was paid, last " in played.reasons


@pytest.mark.slow
def test_an_offer_that_ends_leaves_what_is_held_as_it_is_read():
    pool = Source(3.0, 0.0, quote=3.0)
    played = Played(pool).go(8)
    pool.quote = None
    assert played.go(4).pool.share == pytest.approx(1.0)


@pytest.mark.slow
def test_an_offer_of_nothing_is_no_reason_to_come():
    assert Played(Source(3.0, 0.0, quote=0.0)).go(6).pool.share == 0.0


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(paid=st.floats(0.1, 2.0), quote=st.floats(0.2, 3.0))
def test_whatever_part_of_an_offer_is_paid_it_is_known_within_a_day_and_nothing_goes_to_and_fro(paid, quote):
    played = Played(Source(paid * quote, 0.0, quote=quote)).go(24)
    moved = played.moves
    assert moved <= 8
    best = max(1.0, paid * quote)
    earned = played.relay.share + played.pool.share * paid * quote
    never_tried = quote * (1.0 - QUOTES.doubt) < 1.15  # nothing may move for less than both thresholds
    if not never_tried or paid * quote <= 1.0:
        assert earned >= 0.85 * best
    played.go(24)
    assert played.moves <= moved + 2


# The arithmetic


def test_the_ratio_is_a_running_mean_of_paid_to_quoted():
    payment = Payment().paid(0.5, 1.0, BEGIN, 0.1)
    assert payment.ratio == 0.5
    for hour in range(1, 40):
        payment = payment.paid(0.8, 1.0, BEGIN + timedelta(hours=hour), 1.0)
    assert payment.ratio == pytest.approx(0.8, abs=0.01)
    assert payment.paid(1.0, 0.0, BEGIN, 1.0).ratio == payment.ratio  # nothing was offered


def test_doubt_comes_back_with_the_age_of_what_was_paid():
    never, just = Payment(), Payment(1.0, 1.0, BEGIN)
    assert never.doubt(BEGIN) == QUOTES.doubt
    assert just.doubt(BEGIN) == 0.0
    week = just.doubt(BEGIN + timedelta(hours=QUOTES.doubt_hours))
    assert week == pytest.approx(QUOTES.doubt / 2)


def test_an_offer_for_a_full_share_is_counted_on_the_shape_that_is_known():
    shape = EarningsCurve.through([(0.0, 0.0), (0.5, 1.0), (1.0, 1.5)])
    assert offered(3.0, shape) == pytest.approx(2.0)
    assert offered(3.0, None) == 3.0
