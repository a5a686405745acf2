"""The coordinator: every adapter at once, none in the way of another, absent is not zero."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.records import ProtocolStatus, ResourceUtilization, SeriesKind
from reallot.engine.contracts.secrets import Secret
from reallot.engine.contracts.validation import capabilities_of
from reallot.engine.execution.adapter_calls import Outcome, ask_for, read_shares
from reallot.errors import ConfigurationError, CoordinationError, ErrorKind, ProtocolError
from reallot.orchestration.coordinator import ProtocolCoordinator

START = datetime(2026, 1, 1, tzinfo=UTC)
SHORT = Capabilities(timeout=timedelta(milliseconds=20))


def status(earnings=1.0, **others) -> ProtocolStatus:
    plain = ProtocolStatus(protocol="any", connected=True, earnings_per_hour=1.0, allocation=0.5, observed_at=START)
    return plain.model_copy(update={"earnings_per_hour": earnings, **others})


class Scripted:
    """Answers what it is told to: values are returned, exceptions raised, functions called; the last one stays."""

    def __init__(self, *answers, capabilities: Capabilities | None = None) -> None:
        self.answers, self.calls, self.closed = list(answers), 0, 0
        self.can = capabilities or Capabilities()

    def capabilities(self) -> Capabilities:
        return self.can

    async def get_status(self) -> ProtocolStatus:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return await answer() if callable(answer) else answer

    async def get_allocation(self) -> float:
        return 0.5

    async def apply_allocation(self, share: float) -> None: ...

    async def close(self) -> None:
        self.closed += 1


async def for_ever():
    await asyncio.get_running_loop().create_future()


async def deaf():
    """Does not let itself be cancelled."""
    for _ in range(20):
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue


def coordinator_of(clock=None, **adapters) -> ProtocolCoordinator:
    coordinator = ProtocolCoordinator(clock=clock or ManualClock(START))
    for name, adapter in adapters.items():
        coordinator.register_adapter(name, adapter)
    return coordinator


def poll(coordinator):
    return asyncio.run(coordinator.poll_all())


def test_a_poll_adds_up_what_every_protocol_earns():
    clock = ManualClock(START)
    metrics = poll(
        coordinator_of(
            clock,
            storage=SimulatedAdapter("storage", 2.0, share=0.25, clock=clock),
            relay=SimulatedAdapter("relay", 4.0, share=0.75, clock=clock),
        )
    )
    assert metrics.earnings_by_protocol == {"storage": 0.5, "relay": 3.0}
    assert metrics.total_earnings_per_hour == 3.5
    assert metrics.allocation_by_protocol == {"storage": 0.25, "relay": 0.75}
    assert metrics.connection_status == {"storage": True, "relay": True}
    assert (metrics.timestamp, metrics.stale, metrics.resource_utilization.cpu) == (START, {}, 1.0)


@pytest.mark.parametrize(
    ("name", "adapter", "words"),
    [
        ("relay", Scripted(status()), "registered already"),
        ("", Scripted(status()), "give a name"),
        (" a", Scripted(status()), "without spaces"),
        (Scripted(status()), "relay", "give a name"),
        ("other", "relay", "no get_status, get_allocation"),
        ("other", Scripted, "give an instance"),
        ("other", type("Near", (), {"get_state": 1, "get_statuses": lambda self: 1})(), "did you mean 'get_statuses'"),
    ],
)
def test_what_is_no_adapter_is_refused_in_words(name, adapter, words):
    with pytest.raises(ConfigurationError, match=words):
        coordinator_of(relay=Scripted(status())).register_adapter(name, adapter)


@pytest.mark.parametrize("size", [0, -1, 2.5, "9", True, None])
def test_a_history_has_room_for_one_at_least(size):
    with pytest.raises(ConfigurationError, match="max_history_size"):
        ProtocolCoordinator(size)


def test_the_adapters_are_shown_and_cannot_be_changed():
    coordinator = coordinator_of(relay=Scripted(status()))
    assert list(coordinator.adapters) == ["relay"]
    with pytest.raises(TypeError):
        coordinator.adapters["other"] = Scripted(status())


def test_a_poll_of_nothing_is_an_error():
    with pytest.raises(CoordinationError, match="register_adapter"):
        poll(ProtocolCoordinator())
    with pytest.raises(CoordinationError, match=r"none of 1 protocols answers.*relay: gone"):
        poll(coordinator_of(relay=Scripted(ProtocolError("gone"))))


def test_a_hanging_adapter_costs_the_others_nothing_and_leaves_no_task():
    async def run():
        coordinator = coordinator_of(
            hung=Scripted(for_ever, capabilities=SHORT), relay=Scripted(status(3.0)), storage=Scripted(status(1.0))
        )
        started = time.perf_counter()
        metrics = await coordinator.poll_all()
        return metrics, time.perf_counter() - started, len(asyncio.all_tasks())

    metrics, seconds, tasks = asyncio.run(run())
    assert metrics.earnings_by_protocol == {"relay": 3.0, "storage": 1.0}
    assert metrics.connection_status == {"hung": False, "relay": True, "storage": True}
    assert metrics.statuses["hung"].error is ErrorKind.UNREACHABLE
    assert "0.02s" in metrics.statuses["hung"].message
    assert seconds < 0.02 + 0.1 + 0.1
    assert tasks == 1


@pytest.mark.slow
def test_a_thousand_hangs_leave_no_task():
    async def run():
        can = Capabilities(timeout=timedelta(milliseconds=1))
        coordinator = coordinator_of(
            alive=Scripted(status(2.0)), **{f"hung{i}": Scripted(for_ever, capabilities=can) for i in range(1000)}
        )
        metrics = await coordinator.poll_all()
        return metrics.earnings_by_protocol, len(asyncio.all_tasks())

    assert asyncio.run(run()) == ({"alive": 2.0}, 1)


def test_an_adapter_deaf_to_cancelling_is_left_behind_and_not_asked_twice():
    async def run():
        clock = ManualClock(START)
        adapter = Scripted(status(2.0), deaf, capabilities=SHORT)
        coordinator = coordinator_of(clock, deaf=adapter, relay=Scripted(status(3.0)))
        await coordinator.poll_all()
        started = time.perf_counter()
        metrics = await coordinator.poll_all()
        seconds = time.perf_counter() - started
        clock.advance(1000.0)
        again = await coordinator.poll_all()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
        return metrics, seconds, again, adapter.calls

    metrics, seconds, again, calls = asyncio.run(run())
    assert seconds < 0.02 + 0.1 + 0.1
    assert (metrics.stale["deaf"], again.stale["deaf"], calls) == (0.0, 1000.0, 2)
    assert again.earnings_by_protocol == {"deaf": 2.0, "relay": 3.0}


class Foreign(BaseException):
    pass


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("x"), ErrorKind.TRANSIENT),
        (ValueError("x"), ErrorKind.SHAPE),
        (KeyError("x"), ErrorKind.SHAPE),
        (ZeroDivisionError(), ErrorKind.SHAPE),
        (ConnectionRefusedError("x"), ErrorKind.UNREACHABLE),
        (TimeoutError(), ErrorKind.UNREACHABLE),
        (StopAsyncIteration(), ErrorKind.TRANSIENT),
        (StopIteration(), ErrorKind.TRANSIENT),
        (ExceptionGroup("x", [ValueError()]), ErrorKind.TRANSIENT),
        (MemoryError(), ErrorKind.TRANSIENT),
        (Foreign("x"), ErrorKind.TRANSIENT),
        (GeneratorExit(), ErrorKind.TRANSIENT),
        (Unspeakable(), ErrorKind.TRANSIENT),
        (asyncio.CancelledError(), ErrorKind.TRANSIENT),
        (ProtocolError("x", ErrorKind.RATE_LIMITED), ErrorKind.RATE_LIMITED),
        (ProtocolError("x", "nonsense"), ErrorKind.TRANSIENT),
    ],
)
def test_any_exception_becomes_a_kind_and_touches_nobody_else(error, kind):
    metrics = poll(coordinator_of(bad=Scripted(error), relay=Scripted(status(3.0))))
    assert metrics.earnings_by_protocol == {"relay": 3.0}
    assert metrics.statuses["bad"].error is kind
    assert metrics.statuses["bad"].earnings_per_hour is None
    assert not metrics.connection_status["bad"]


def test_cancelling_a_poll_passes_through_and_ends_every_call():
    async def run():
        coordinator = coordinator_of(hung=Scripted(for_ever), relay=Scripted(status()))
        task = asyncio.create_task(coordinator.poll_all())
        await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks()), await coordinator.get_metrics_history()

    assert asyncio.run(run()) == (1, [])


def test_a_person_who_ends_the_program_ends_it():
    with pytest.raises(KeyboardInterrupt):
        poll(coordinator_of(bad=Scripted(KeyboardInterrupt())))


class Leaves:
    """A plug-in that ends the program, at once or within its coroutines."""

    def __init__(self, at_once):
        self.get_status = self.get_allocation = self.leave if at_once else self.leave_later
        self.apply_allocation = lambda share: self.get_status()

    def leave(self):
        raise SystemExit(3)

    async def leave_later(self):
        raise SystemExit(3)

    close = leave_later


@pytest.mark.parametrize("at_once", [True, False])
def test_a_plug_in_that_ends_the_program_fails_alone(at_once):
    async def run():
        async with coordinator_of(bad=Leaves(at_once), good=Scripted(status(2.0))) as coordinator:
            metrics = await coordinator.poll_all()
        adapter = Leaves(at_once)
        return metrics, (await read_shares({"bad": adapter}, 1.0))["bad"], await ask_for(adapter, 0.5, "", 1.0)

    metrics, reading, (outcome, words) = asyncio.run(run())
    assert metrics.earnings_by_protocol == {"good": 2.0}
    assert "tried to end the program: SystemExit: 3" in metrics.statuses["bad"].message
    assert reading.share is None and "SystemExit" in reading.reason
    assert outcome is not Outcome.ANSWERED and "SystemExit" in words


class OfItsOwn(BaseException):
    """An error that is none of Exception's."""


SAID = RuntimeError("no such key"), SystemExit(2), asyncio.CancelledError("2"), GeneratorExit("2"), OfItsOwn("2")


@pytest.mark.parametrize("error", SAID, ids=lambda error: type(error).__name__)
def test_capabilities_that_raise_are_told_once_by_name(error, caplog):
    class Speechless(Scripted):
        def capabilities(self):
            raise error

    async def run():
        async with coordinator_of(relay=Speechless(status(2.0))) as coordinator:
            return [await coordinator.poll_all() for _ in range(3)]

    assert asyncio.run(run())[-1].earnings_by_protocol == {"relay": 2.0}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1 and told[0].startswith("relay does not say what it can do") and str(error) in told[0]
    with pytest.raises(ProtocolError, match=f"Speechless: capabilities.. raised {type(error).__name__}: {error}"):
        capabilities_of(Speechless(status(2.0)))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        "1.5",
        b"1",
        True,
        1j,
        1e308,
        1e10,
        10**400,
        [1.0],
        Decimal("NaN"),
        -1e10,
        Decimal("-1e400"),
        np.float64("nan"),
        np.array([1.0, 2.0]),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_amount_is_refused_at_the_edge(value):
    metrics = poll(coordinator_of(bad=Scripted(status(value)), relay=Scripted(status(3.0))))
    assert metrics.earnings_by_protocol == {"relay": 3.0}
    assert metrics.statuses["bad"].error is ErrorKind.SHAPE
    assert json.loads(metrics.model_dump_json())["total_earnings_per_hour"] == 3.0


@pytest.mark.parametrize("value", [Decimal("1.5"), np.float32(1.5), np.float64(1.5), 5e-324, 0, -0.0, 10**6])
def test_what_is_an_amount_becomes_a_float(value):
    found = poll(coordinator_of(good=Scripted(status(value)))).earnings_by_protocol["good"]
    assert type(found) is float
    assert found == float(value)
    assert math.copysign(1.0, found) == 1.0


@pytest.mark.parametrize("value", [-1.0, -1, Decimal("-1"), np.float64(-1.0), -1e9])
def test_a_loss_is_a_number_like_any_other(value):
    metrics = poll(coordinator_of(loses=Scripted(status(value)), relay=Scripted(status(3.0))))
    assert metrics.earnings_by_protocol == {"loses": float(value), "relay": 3.0}
    assert metrics.total_earnings_per_hour == 3.0 + float(value)


def test_a_value_a_thousand_times_higher_is_believed_when_it_comes_three_times():
    clock = ManualClock(START)
    coordinator = coordinator_of(clock, unit=Scripted(status(0.004), status(4.0)))
    seen = []
    for _ in range(4):
        metrics = poll(coordinator)
        seen.append((metrics.earnings_by_protocol["unit"], metrics.statuses["unit"].error))
        clock.advance(300.0)
    assert seen == [(0.004, None), (0.004, ErrorKind.SHAPE), (0.004, ErrorKind.SHAPE), (4.0, None)]
    assert metrics.doubted == {"unit": 0.5} and "is its unit right?" in metrics.statuses["unit"].doubt
    coordinator.accept("unit")
    metrics = poll(coordinator)
    assert metrics.doubted == {} and metrics.statuses["unit"].doubt == ""


def test_more_share_may_earn_a_thousand_times_more():
    coordinator = coordinator_of(big=Scripted(status(0.004, allocation=0.001), status(4.0, allocation=1.0)))
    poll(coordinator)
    assert poll(coordinator).earnings_by_protocol == {"big": 4.0}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        3.0,
        {"earnings_per_hour": 1.0},
        status(allocation=1.5),
        status(allocation=math.nan),
        status(series=SeriesKind.EXTRAPOLATION),
        status(utilization=ResourceUtilization.model_construct(cpu=math.nan)),
    ],
)
def test_what_is_no_status_is_refused_at_the_edge(answer):
    metrics = poll(coordinator_of(bad=Scripted(answer), relay=Scripted(status(3.0))))
    assert (metrics.statuses["bad"].error, list(metrics.earnings_by_protocol)) == (ErrorKind.SHAPE, ["relay"])


def test_absent_is_not_zero():
    clock = ManualClock(START)
    coordinator = coordinator_of(
        clock,
        relay=Scripted(status(3.0), ProtocolError("gone"), status(4.0)),
        silent=Scripted(status(None)),
        dead=Scripted(ProtocolError("dead")),
    )
    first = poll(coordinator)
    clock.advance(60.0)
    second = poll(coordinator)
    clock.advance(60.0)
    third = poll(coordinator)
    assert [metrics.total_earnings_per_hour for metrics in (first, second, third)] == [3.0, 3.0, 4.0]
    assert [metrics.stale for metrics in (first, second, third)] == [{}, {"relay": 60.0}, {}]
    assert second.earnings_by_protocol == {"relay": 3.0}
    assert second.allocation_by_protocol == {"relay": 0.5, "silent": 0.5}
    assert second.connection_status == {"relay": False, "silent": True, "dead": False}
    assert second.statuses["relay"].earnings_per_hour is None
    assert first.statuses["silent"].error is ErrorKind.NEVER_REPORTED


def test_a_source_that_stands_still_longer_than_its_cadence_is_marked():
    clock = ManualClock(START)
    can = Capabilities(cadence=timedelta(hours=12))
    coordinator = coordinator_of(clock, disk=Scripted(status(1.0, source_time=START), capabilities=can))
    ages = []
    for _ in range(5):
        ages.append(poll(coordinator).stale.get("disk"))
        clock.advance(4 * 3600.0)
    assert ages == [None, None, None, None, 16 * 3600.0]


def test_retry_after_is_kept_and_two_lines_are_logged(caplog):
    clock = ManualClock(START)
    adapter = Scripted(
        status(1.0), ProtocolError("slow down", ErrorKind.RATE_LIMITED, retry_after_seconds=90.0), status(2.0)
    )
    coordinator = coordinator_of(clock, busy=adapter)
    with caplog.at_level(logging.DEBUG, "reallot"):
        calls = []
        for _ in range(12):
            poll(coordinator)
            calls.append(adapter.calls)
            clock.advance(10.0)
    assert calls == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4]
    assert [record.getMessage() for record in caplog.records] == [
        "busy gives no value (rate_limited): slow down",
        "busy answers again",
    ]


@pytest.mark.parametrize("pause", [math.nan, -1.0, "soon", None, 1e12])
def test_a_nonsensical_pause_is_not_for_ever(pause):
    clock = ManualClock(START)
    coordinator = coordinator_of(
        clock, busy=Scripted(status(), ProtocolError("x", ErrorKind.RATE_LIMITED, retry_after_seconds=pause))
    )
    poll(coordinator), poll(coordinator)
    assert 60.0 <= coordinator.next_poll_in("busy") <= 86_400.0


def test_back_off_doubles_to_a_limit_and_ends_with_an_answer():
    clock = ManualClock(START)
    adapter = Scripted(status(), *[ProtocolError("x")] * 9, status())
    coordinator = coordinator_of(clock, weak=adapter)
    waits = []
    for _ in range(11):
        poll(coordinator)
        waits.append(coordinator.next_poll_in("weak"))
        clock.advance(waits[-1])
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0, 0.0]


def test_a_refused_login_is_asked_less_and_less_often_but_once_an_hour_and_a_command_lifts_that(caplog):
    clock = ManualClock(START)
    refusals = [ProtocolError("401", ErrorKind.AUTH)] * 12
    adapter = Scripted(status(2.0), *refusals, status(3.0))
    coordinator = coordinator_of(clock, shut=adapter)
    poll(coordinator)
    waits = []
    for _ in refusals[1:]:
        metrics = poll(coordinator)
        waits.append(coordinator.next_poll_in("shut"))
        clock.advance(waits[-1] - 1.0)
        calls = adapter.calls
        poll(coordinator)
        assert adapter.calls == calls
        clock.advance(1.0)
    assert waits == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, *[3600.0] * 5]
    assert metrics.earnings_by_protocol == {"shut": 2.0} and metrics.stale["shut"] > 0.0
    poll(coordinator)
    assert len([record for record in caplog.records if "once an hour" in record.getMessage()]) == 1
    coordinator.resume("shut")
    assert poll(coordinator).earnings_by_protocol == {"shut": 3.0}


def test_between_two_reads_the_last_value_stands_and_is_not_stale():
    clock = ManualClock(START)
    adapter = Scripted(status(2.0), status(3.0), capabilities=Capabilities(min_interval=timedelta(minutes=5)))
    coordinator = coordinator_of(clock, slow=adapter)
    seen = []
    for _ in range(6):
        metrics = poll(coordinator)
        seen.append((metrics.earnings_by_protocol["slow"], metrics.stale, metrics.connection_status["slow"]))
        clock.advance(60.0)
    assert seen == [(2.0, {}, True)] * 5 + [(3.0, {}, True)]


def test_a_share_is_asked_for_where_the_status_does_not_say():
    assert poll(coordinator_of(mute=Scripted(status(allocation=None)))).allocation_by_protocol == {"mute": 0.5}


def test_clocks_of_sources_that_are_ahead_or_never_set_are_not_believed():
    late, never = START + timedelta(hours=2), datetime(1, 1, 1, tzinfo=UTC)
    metrics = poll(coordinator_of(ahead=Scripted(status(source_time=late)), unset=Scripted(status(source_time=never))))
    assert [each.source_time for each in metrics.statuses.values()] == [None, None]
    assert {each.observed_at for each in metrics.statuses.values()} == {START}


def test_history_is_bounded_and_asked_for_by_period():
    clock = ManualClock(START)
    coordinator = ProtocolCoordinator(3, clock=clock)
    coordinator.register_adapter("relay", Scripted(status()))
    for _ in range(5):
        poll(coordinator)
        clock.advance(3600.0)
    history = asyncio.run(coordinator.get_metrics_history())
    assert [metrics.timestamp.hour for metrics in history] == [2, 3, 4]
    hours = [START + timedelta(hours=hour) for hour in range(6)]
    period = asyncio.run(
        coordinator.get_metrics_for_period(hours[3], hours[4].astimezone(timezone(timedelta(hours=2))))
    )
    assert period == history[1:]
    assert coordinator.last_update == hours[4]
    with pytest.raises(CoordinationError, match="after its end"):
        asyncio.run(coordinator.get_metrics_for_period(hours[4], hours[3]))
    with pytest.raises(CoordinationError, match="aware"):
        asyncio.run(coordinator.get_metrics_for_period(datetime(2026, 1, 1), hours[3]))


def test_one_protocol_is_asked_alone():
    coordinator = coordinator_of(relay=Scripted(status(3.0)), other=Scripted(status(1.0)))
    found = asyncio.run(coordinator.get_protocol_status("relay"))
    assert (found.protocol, found.earnings_per_hour) == ("relay", 3.0)
    assert coordinator.adapters["other"].calls == 0
    with pytest.raises(CoordinationError, match="did you mean 'relay'"):
        asyncio.run(coordinator.get_protocol_status("realy"))


def test_two_polls_at_once_ask_one_after_the_other():
    async def run():
        running, most = 0, 0

        async def slow():
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return status()

        coordinator = coordinator_of(relay=Scripted(slow))
        await asyncio.gather(*(coordinator.poll_all() for _ in range(3)))
        return most, len(await coordinator.get_metrics_history())

    assert asyncio.run(run()) == (1, 3)


def test_closing_closes_every_adapter_even_where_one_fails(caplog):
    class Stubborn(Scripted):
        async def close(self):
            raise OSError("no")

    async def run():
        async with coordinator_of(a=Stubborn(status()), b=Scripted(status())) as coordinator:
            await coordinator.poll_all()
        return coordinator.adapters["b"].closed

    assert asyncio.run(run()) == 1
    assert "a could not be closed" in caplog.text


def test_secrets_of_the_environment_are_in_no_status_and_no_log(monkeypatch, caplog):
    monkeypatch.setenv("RELAY_KEY", "canary-4711")
    value = Secret("RELAY_KEY").value()
    bad = Scripted(RuntimeError(f"GET http://me:pw@127.0.0.1/?q={value} Authorization: Bearer abcdefgh failed"))
    metrics = poll(coordinator_of(bad=bad, relay=Scripted(status(message=value, details={"seen": value}))))
    told = metrics.model_dump_json() + caplog.text + repr(metrics) + repr(Secret("RELAY_KEY"))
    assert not [word for word in ("canary", "pw@", "abcdefgh") if word in told]
    assert "***" in metrics.statuses["bad"].message


def test_a_hundred_adapters_take_hardly_longer_than_one():
    async def run():
        async def slow():
            await asyncio.sleep(0.05)
            return status()

        coordinator = coordinator_of(**{f"p{i}": Scripted(slow) for i in range(100)})
        started = time.perf_counter()
        metrics = await coordinator.poll_all()
        return len(metrics.earnings_by_protocol), time.perf_counter() - started

    number, seconds = asyncio.run(run())
    assert number == 100
    assert seconds < 0.05 + 0.2


def test_a_value_that_its_own_source_says_is_days_old_is_shown_with_its_age_and_not_measured():
    clock = ManualClock(START)
    old = status(5.0, source_time=START - timedelta(days=3))
    coordinator = coordinator_of(clock, old=Scripted(old), relay=Scripted(status(3.0, source_time=START)))
    metrics = poll(coordinator)
    assert metrics.stale == {"old": 3 * 86_400.0}
    assert (metrics.total_earnings_per_hour, metrics.measured_earnings_per_hour) == (8.0, 3.0)
    clock.advance(3700.0)
    assert poll(coordinator).measured_earnings_per_hour == 0.0


def test_a_payment_of_last_week_is_no_stale_value():
    paid = status(5.0, source_time=START - timedelta(days=7), series=SeriesKind.EVENT)
    metrics = poll(coordinator_of(ManualClock(START), paid=Scripted(paid)))
    assert (metrics.stale, metrics.measured_earnings_per_hour) == ({}, 5.0)


@pytest.mark.parametrize(
    "asked", [0.02, 0.1, 0.0, -0.02, 0.11, math.nan, math.inf, "0.02", None, True, [0.02], Decimal("0.02")]
)
def test_a_tolerance_that_cannot_be_is_none_and_stops_no_poll(asked):
    coordinator = ProtocolCoordinator(clock=ManualClock(START))
    coordinator.register_adapter("odd", Scripted(status(2.0), capabilities=Capabilities(share_tolerance=asked)))
    coordinator.register_adapter("even", Scripted(status(3.0)))
    metrics = asyncio.run(coordinator.poll_all())
    assert metrics.earnings_by_protocol == {"odd": 2.0, "even": 3.0}
    assert metrics.tolerances == ({"odd": asked} if asked in (0.02, 0.1) and type(asked) is float else {})
