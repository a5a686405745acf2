"""The coordinator against a model of it: adapters that answer, fail, lie, hang, refuse logins, jumping clocks."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.records import AggregatedMetrics, ProtocolStatus
from reallot.errors import ErrorKind, ProtocolError
from reallot.orchestration.coordinator import ProtocolCoordinator

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("disk", "miner", "relay")
MOST_HISTORY = 7


class Fickle:
    """Does what it was told last, and keeps the model: what a coordinator must know of it by now."""

    def __init__(self, clock: ManualClock, min_interval: float) -> None:
        self.clock, self.min_interval = clock, min_interval
        self.mood, self.detail = "answer", 1.0
        self.wrong: list[str] = []  # an assertion raised in a call would only become a kind of error
        self.value = self.value_at = self.error = None
        self.failures, self.not_before = 0, -math.inf

    def capabilities(self) -> Capabilities:
        return Capabilities(timeout=timedelta(milliseconds=1), min_interval=timedelta(seconds=self.min_interval))

    async def get_status(self):
        now = self.clock.monotonic()
        if now < self.not_before - 1e-2:
            self.wrong.append(f"asked {self.not_before - now} s too early")
        if self.mood == "answer":
            self.value, self.value_at, self.error = self.detail, now, None
            self.failures, self.not_before = 0, now + self.min_interval
            return status(self.detail)
        kind, pause = self.detail if self.mood == "fail" else (ErrorKind.SHAPE, None)
        kind = ErrorKind.UNREACHABLE if self.mood == "hang" else kind
        kind = ErrorKind.NEVER_REPORTED if self.mood == "lie" and self.detail is SILENT else kind
        self.error = kind
        if kind is ErrorKind.NEVER_REPORTED:
            self.failures, self.not_before = 0, now
        else:
            self.failures += 1
            first, most = (60.0, 3600.0) if kind in (ErrorKind.RATE_LIMITED, ErrorKind.AUTH) else (1.0, 120.0)
            self.not_before = now + max(min(first * 2 ** (self.failures - 1), most), pause or 0.0)
        if self.mood == "hang":
            await asyncio.get_running_loop().create_future()
        if self.mood == "lie":
            return self.detail
        raise ProtocolError("told to", kind, retry_after_seconds=pause)

    async def get_allocation(self) -> float:
        return 0.25

    async def apply_allocation(self, share: float) -> None: ...


def status(value) -> ProtocolStatus:
    plain = ProtocolStatus(protocol="x", connected=True, earnings_per_hour=1.0, allocation=0.25, observed_at=START)
    return plain.model_copy(update={"earnings_per_hour": value})


names = st.sampled_from(NAMES)
kinds = st.sampled_from(ErrorKind)
SILENT = status(None)
lies = st.sampled_from([None, 3.0, SILENT, status(math.nan), status(-1e10), status("1"), status(1e300), status(True)])


moods = st.one_of(
    st.tuples(st.just("answer"), st.floats(min_value=1.0, max_value=50.0) | st.floats(-50.0, -1.0)),
    st.tuples(st.just("fail"), st.tuples(kinds, st.none() | st.floats(min_value=0.0, max_value=5000.0))),
    st.tuples(st.just("hang"), st.none()),
    st.tuples(st.just("lie"), lies),
)


class CoordinatorMachine(RuleBasedStateMachine):
    @initialize(intervals=st.tuples(*[st.sampled_from([0.0, 30.0, 300.0])] * 3))
    def begin(self, intervals):
        self.clock = ManualClock(START)
        self.coordinator = ProtocolCoordinator(MOST_HISTORY, clock=self.clock)
        self.sources = {}
        for name, interval in zip(NAMES, intervals, strict=True):
            self.sources[name] = Fickle(self.clock, interval)
            self.coordinator.register_adapter(name, self.sources[name])
        self.metrics: AggregatedMetrics | None = None
        self.polls = 0

    @rule(moods=st.tuples(*[moods] * 3), seconds=st.sampled_from([0.0, 0.5, 1.0, 29.0, 70.0, 400.0, 3000.0]))
    def they_behave_and_are_polled(self, moods, seconds):
        for source, mood in zip(self.sources.values(), moods, strict=True):
            source.mood, source.detail = mood
        self.is_polled()
        self.clock.advance(seconds)
        self.is_polled()

    @rule(name=names)
    def is_resumed(self, name):
        self.coordinator.resume(name)
        source = self.sources[name]
        source.failures, source.not_before = 0, -math.inf

    @rule(seconds=st.floats(min_value=0.0, max_value=4000.0))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(seconds=st.floats(min_value=-90_000.0, max_value=90_000.0))
    def the_wall_clock_jumps(self, seconds):
        self.clock.jump(seconds)

    def is_polled(self):
        async def run():
            try:
                self.metrics = await self.coordinator.poll_all()
                self.polls += 1
            except Exception as error:
                assert "none of 3 protocols answers" in str(error)
                assert all(source.value is None for source in self.sources.values())
                self.metrics = None
            assert len(asyncio.all_tasks()) == 1

        asyncio.run(run())
        if self.metrics is not None:
            self.agrees(self.metrics)

    def agrees(self, metrics: AggregatedMetrics) -> None:
        known = {name: source.value for name, source in self.sources.items() if source.value is not None}
        assert metrics.earnings_by_protocol == known
        assert metrics.total_earnings_per_hour == math.fsum(known.values())
        now = self.clock.monotonic()
        old = {name: now - self.sources[name].value_at for name in known if self.sources[name].error is not None}
        assert metrics.stale == old
        for name, source in self.sources.items():
            found = metrics.statuses[name]
            assert found.error is source.error
            assert (found.earnings_per_hour is None) == (source.error is not None)
            assert metrics.connection_status[name] == found.connected
        assert AggregatedMetrics.model_validate_json(metrics.model_dump_json()) == metrics

    @invariant()
    def history_is_bounded(self):
        if hasattr(self, "coordinator"):
            history = asyncio.run(self.coordinator.get_metrics_history())
            assert len(history) == min(self.polls, MOST_HISTORY)
            assert not [wrong for source in self.sources.values() for wrong in source.wrong]


TestCoordinatorMachine = pytest.mark.slow(CoordinatorMachine.TestCase)
TestCoordinatorMachine.settings = settings(stateful_step_count=20)


@given(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.decimals()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.lists(st.floats())
    | st.fractions()
)
def test_whatever_an_adapter_reports_the_record_is_sound_and_json(value):
    class Odd(Fickle):
        async def get_status(self):
            return status(value)

    clock = ManualClock(START)
    coordinator = ProtocolCoordinator(clock=clock)
    coordinator.register_adapter("odd", Odd(clock, 0.0))
    sound = Fickle(clock, 0.0)
    coordinator.register_adapter("sound", sound)
    metrics = asyncio.run(coordinator.poll_all())
    found = metrics.earnings_by_protocol.get("odd", 0.0)
    assert type(found) is float
    assert abs(found) <= 1e9
    assert metrics.earnings_by_protocol["sound"] == 1.0
    assert AggregatedMetrics.model_validate_json(metrics.model_dump_json()) == metrics
