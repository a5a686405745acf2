"""The monitor: the life of an alert, reports as integrals, the dashboard, what is kept."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig
from reallot.engine.contracts.records import Alert, AllocationChange, ChangeKind
from reallot.engine.execution.guards import Blocked
from reallot.errors import ConfigurationError, MonitoringError
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.orchestration.optimizer import EarningsOptimizer
from tests.orchestration.polls import START, poll, status

HALVES = {"relay": 0.5, "compute": 0.5}
QUIET = MonitorConfig(low_earnings_threshold=None)
run = asyncio.run


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def even(rate: float, minute: float, **more: object):
    return poll({"relay": rate, "compute": rate}, HALVES, minute, **more)


def checked(monitor: RealtimeMonitor, *polls) -> list[list[Alert]]:
    return [run(monitor.check_alerts(metrics, [])) for metrics in polls]


# alerts -------------------------------------------------------------------------------------------------------------


def test_a_condition_is_told_once_and_once_more_when_it_is_over():
    monitor = RealtimeMonitor()
    told = checked(monitor, even(4.0, 0), even(3.0, 1), even(4.9, 2), even(5.6, 3), even(6.0, 4))
    assert [len(alerts) for alerts in told] == [1, 0, 0, 1, 0]
    assert told[0][0].message == "earnings are 4 USD/h, below 5"
    assert told[3][0].message.startswith("over after 3m: earnings are 4 USD/h")
    [kept] = run(monitor.get_alert_history())
    assert (kept.key, kept.count, kept.recovered_at, kept.last_seen) == ("low_earnings", 3, at(3), at(2))


def test_what_stands_at_its_threshold_is_not_told_over_and_over():
    monitor = RealtimeMonitor()
    told = checked(monitor, *(even(rate, minute) for minute, rate in enumerate([4.99, 5.01, 4.99, 5.2, 4.99, 5.5])))
    assert [len(alerts) for alerts in told] == [1, 0, 0, 0, 0, 1]


def test_a_protocol_without_a_share_is_not_flat():
    monitor, told = RealtimeMonitor(QUIET), []
    for minute in range(0, 12 * 60, 10):
        away = {"relay": 0.0, "compute": 1.0} if minute > 120 else HALVES
        metrics = poll({"relay": 6.0 + minute % 30 / 100, "compute": 6.0 + minute % 20 / 100}, away, minute)
        told += run(monitor.check_alerts(metrics, []))
    assert told == []


def test_an_alert_needs_so_many_of_the_last_checks_and_ends_where_none_saw_it():
    monitor = RealtimeMonitor(MonitorConfig(needed=2, out_of=3))
    rates = [4, 6, 6, 4, 6, 4, 6, 6, 6]
    told = checked(monitor, *(even(float(rate), minute) for minute, rate in enumerate(rates)))
    assert [len(alerts) for alerts in told] == [0, 0, 0, 0, 0, 1, 0, 0, 1]


def test_needing_more_than_there_are_is_a_mistake():
    with pytest.raises(ConfigurationError, match="needed is 3 of out_of 2"):
        RealtimeMonitor(MonitorConfig(needed=3, out_of=2))


def test_a_condition_that_comes_back_soon_is_not_told_again():
    monitor = RealtimeMonitor(MonitorConfig(mute=timedelta(minutes=10)))
    told = checked(monitor, even(4.0, 0), even(6.0, 1), even(4.0, 2), even(6.0, 3), even(4.0, 11))
    assert [len(alerts) for alerts in told] == [1, 1, 0, 0, 1]
    first, second = run(monitor.get_alert_history())
    assert (first.count, first.recovered_at, second.timestamp) == (2, at(3), at(11))


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_what_comes_and_goes_is_told_twice_an_hour_at_most_and_its_end_when_it_stays_away(low):
    monitor = RealtimeMonitor(MonitorConfig(drop_percent=None))
    told = checked(monitor, *(even(1.0 if each else 9.0, 5.0 * minute) for minute, each in enumerate(low)))
    begins = [number for number, alerts in enumerate(told) for each in alerts if each.recovered_at is None]
    ends = [number for number, alerts in enumerate(told) for each in alerts if each.recovered_at is not None]
    assert len(begins) - len(ends) in (0, 1) and all(end > begin for begin, end in zip(begins, ends, strict=False))
    assert all(later - begin >= 12 for begin, later in zip(begins, begins[3:], strict=False))
    assert all(any(begin <= number for begin in begins) for number, each in enumerate(low) if each)
    clear = checked(monitor, *(even(9.0, 5.0 * (len(low) + minute)) for minute in range(14)))
    assert len(ends) + sum(map(len, clear)) == len(begins) and not monitor.open_alerts


def test_a_condition_at_every_other_poll_is_one_alert_from_the_third_time_on():
    monitor = RealtimeMonitor(MonitorConfig(drop_percent=None))
    told = checked(monitor, *(even(9.0 - 8.0 * (minute % 2), 5.0 * minute) for minute in range(60)))
    said = [each for alerts in told for each in alerts]
    assert len(said) == 5 and said[-1].message.endswith("it comes and goes, and is over when it stays away for an hour")


def test_a_muted_key_is_silent_until_then():
    monitor = RealtimeMonitor()
    monitor.mute_alert("low_earnings", at(5))
    told = checked(monitor, even(4.0, 0), even(4.0, 4), even(4.0, 5))
    assert [len(alerts) for alerts in told] == [0, 0, 1]


def test_low_earnings_may_be_relative_to_ones_own_median():
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None, low_earnings_percent=60.0, drop_percent=None))
    for minute in range(20):
        metrics = even(0.01, minute)
        assert checked(monitor, metrics) == [[]]
        run(monitor.update_snapshot(metrics))
    [[alert]] = checked(monitor, even(0.005, 20))
    assert alert.message == "earnings are 0.005 USD/h, below 60 % of their median of 0.01"


def test_a_silent_protocol_is_told_after_the_timeout_with_what_it_said():
    monitor = RealtimeMonitor(QUIET)
    said = {"relay": status("relay", connected=False, message="login refused")}
    told = checked(
        monitor,
        even(6.0, 0),
        *(even(6.0, m, down=("relay",), statuses=said, stale={"relay": 60.0 * m}) for m in (1, 5, 6, 7)),
        even(6.0, 8),
    )
    assert [len(alerts) for alerts in told] == [0, 0, 0, 1, 0, 1]
    assert told[3][0].message == "relay has not answered since 2026-01-01 00:01 UTC: login refused"
    assert told[3][0].key == "disconnected:relay"


def test_a_source_that_answers_with_an_old_value_is_told():
    [[], [alert]] = checked(
        RealtimeMonitor(QUIET), even(6, 0, stale={"relay": 299.0}), even(6, 1, stale={"relay": 301})
    )
    assert alert.key == "stale:relay"


def test_an_unwell_protocol_is_told():
    [[alert]] = checked(RealtimeMonitor(QUIET), even(6.0, 0, statuses={"relay": status("relay", healthy=False)}))
    assert alert.key == "unhealthy:relay"


def test_an_opportunity_is_told_from_its_threshold_on():
    metrics = poll({"relay": 4.0, "compute": 16.0}, HALVES)
    pairs = EarningsOptimizer().analyze_opportunities(metrics)
    improvement = pairs[0].earnings_improvement
    for threshold, told in ((improvement, 1), (improvement + 0.01, 0)):
        monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None, optimization_threshold=threshold))
        assert len(run(monitor.check_alerts(metrics, pairs))) == told


def test_earnings_that_used_to_change_and_stand_still_are_told_but_not_those_that_never_changed():
    monitor = RealtimeMonitor(QUIET)
    alerts = []
    for minute in range(0, 10 * 60, 10):
        moving = 6.0 + (minute % 30) / 100 if minute < 120 else 6.0
        metrics = poll({"relay": moving, "compute": 6.0}, HALVES, minute)
        alerts += [(minute, alert.key) for alert in run(monitor.check_alerts(metrics, []))]
    assert alerts == [(120 + 360, "flat:relay")]


def test_a_drop_against_its_own_past_is_told_and_a_spike_is_not():
    monitor, told = RealtimeMonitor(QUIET), []
    for minute in range(400):
        rate = 60_000.0 if 100 <= minute < 103 else (1.0 if minute >= 300 else 6.0)
        metrics = poll({"relay": rate, "compute": 6.0}, HALVES, minute)
        told += [(minute, alert.key) for alert in run(monitor.check_alerts(metrics, []))]
    [(minute, key)] = told
    assert key == "drop:relay"
    assert 305 <= minute <= 315


def test_acknowledging_needs_the_timestamp_and_names_the_nearest():
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=5.0))
    with pytest.raises(MonitoringError, match="there are none"):
        run(monitor.acknowledge_alert(START))
    [[first, second]] = checked(
        monitor, even(4.0, 0, statuses={name: status(name, healthy=name != "relay") for name in HALVES})
    )
    assert first.timestamp != second.timestamp
    run(monitor.acknowledge_alert(second.timestamp))
    assert [alert.acknowledged for alert in run(monitor.get_alert_history())] == [False, True]
    with pytest.raises(MonitoringError, match=r"nearest is 2026-01-01T00:00:00.*earnings are 4"):
        run(monitor.acknowledge_alert(at(-5)))
    with pytest.raises(MonitoringError, match="aware"):
        run(monitor.acknowledge_alert(START.replace(tzinfo=None)))


def test_alerts_are_bounded_and_what_is_over_goes_first():
    monitor = RealtimeMonitor(MonitorConfig(max_alerts=3))
    monitor.raise_alert("halted: a rollback failed", key="halted")
    checked(monitor, *(even(4.0 if minute % 2 else 6.0, minute) for minute in range(20)))
    history = run(monitor.get_alert_history())
    assert len(history) == 3
    assert history[0].key == "halted"


def test_an_alert_from_elsewhere_lasts_until_it_is_resolved():
    monitor = RealtimeMonitor(QUIET)
    halted = Alert(message="nothing is moved any more", severity=1.0, timestamp=START, key="halted")
    assert monitor.raise_alert(halted).key == "halted"
    assert monitor.raise_alert(halted) is None
    checked(monitor, even(6.0, 1), even(6.0, 2))
    assert [alert.key for alert in monitor.open_alerts] == ["halted"]
    assert monitor.resolve_alert("halted").recovered_at == at(2)
    assert monitor.open_alerts == []


@given(wrong=st.sampled_from((5, None, 2.5, float("nan"), [], {}, object())))
def test_what_is_no_alert_is_refused_in_words_of_its_own(wrong):
    monitor = RealtimeMonitor(QUIET)
    with pytest.raises(MonitoringError, match=r"message is .*; it must be a text"):
        monitor.raise_alert(wrong)
    with pytest.raises(MonitoringError, match=r"key is .*; it must be a text"):
        monitor.raise_alert("disk full", key=wrong)
    with pytest.raises(MonitoringError, match="severity is"):
        monitor.raise_alert("disk full", severity=wrong)
    assert monitor.open_alerts == []
    assert monitor.resolve_alert("halted") is None


# reports ------------------------------------------------------------------------------------------------------------


def kept(polls, config: MonitorConfig = QUIET, **more: object) -> RealtimeMonitor:
    monitor = RealtimeMonitor(config, **more)

    async def keep() -> None:
        for metrics in polls:
            await monitor.update_snapshot(metrics)

    run(keep())
    return monitor


def test_a_report_is_the_area_under_a_polygon():
    # relay: 0 -> 4 -> 2 USD/h at 0, 1 and 3 h: 2 + 6 = 8 USD; compute: 3 USD/h throughout: 9 USD
    points = [(0, 0.0), (60, 8.0), (180, 4.0)]
    monitor = kept(poll({"relay": rate, "compute": 6.0}, HALVES, minute) for minute, rate in points)
    report = run(monitor.generate_report(at(0), at(180)))
    assert report.earnings_by_protocol == pytest.approx({"relay": 8.0, "compute": 9.0})
    assert report.total_earnings == report.net_earnings == pytest.approx(17.0)
    assert report.average_earnings_per_hour == pytest.approx(17.0 / 3.0)
    assert report.covered == 1.0
    # from 0:30 to 2:00: relay 0.5 h * (2 + 4) / 2 + 1 h * (4 + 3) / 2 = 5 USD, compute 4.5
    part = run(monitor.generate_report(at(30), at(120)))
    assert part.total_earnings == pytest.approx(9.5)


def test_more_readings_of_the_same_rate_are_not_more_money():
    often = kept(even(6.0, second / 12) for second in range(12 * 60 + 1))
    seldom = kept(even(6.0, minute) for minute in (0, 3, 30, 60))
    for monitor in (often, seldom):
        assert run(monitor.generate_report(at(0), at(60))).total_earnings == pytest.approx(6.0)


def test_a_gap_is_not_covered_and_said():
    monitor = kept(even(6.0, minute) for minute in [*range(11), *range(40, 51)])
    report = run(monitor.generate_report(at(0), at(60)))
    assert report.total_earnings == pytest.approx(6.0 * 20 / 60)
    assert report.covered == pytest.approx(20 / 60)
    assert report.average_earnings_per_hour == pytest.approx(6.0)
    assert report.notes == ["no readings from 2026-01-01T00:10:00+00:00 to 2026-01-01T00:40:00+00:00: not counted"]


def test_what_is_carried_forward_is_not_measured_and_uptime_says_how_long():
    polls = [
        even(6.0, m, stale={"relay": 60.0} if m >= 30 else {}, down=("relay",) if m >= 30 else ()) for m in range(61)
    ]
    report = run(kept(polls).generate_report(at(0), at(60)))
    assert report.earnings_by_protocol == pytest.approx({"relay": 3.0 * 29 / 60, "compute": 3.0})
    assert report.carried_earnings == pytest.approx(3.0 * 31 / 60)
    assert report.uptime == pytest.approx({"relay": 29.5 / 60, "compute": 1.0})


def test_periods_that_cannot_be_are_refused():
    monitor = kept([even(6.0, 0), even(6.0, 1)])
    with pytest.raises(MonitoringError, match="not after its start"):
        run(monitor.generate_report(at(1), at(1)))
    with pytest.raises(MonitoringError, match="there are some from"):
        run(monitor.generate_report(at(10), at(20)))
    with pytest.raises(MonitoringError, match="aware"):
        run(monitor.generate_report(START.replace(tzinfo=None), at(1)))
    with pytest.raises(MonitoringError, match="none at all"):
        run(RealtimeMonitor().generate_report(at(0), at(1)))


def test_parts_of_a_period_sum_to_the_whole():
    @given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 50)), min_size=3, max_size=20), st.floats(0.01, 0.99))
    def parts(steps, where):
        minute, polls = 0, []
        for wait, rate in steps:
            polls.append(even(rate, minute))
            minute += wait
        end = (polls[-1].timestamp - START).total_seconds() / 60
        monitor, middle = kept(polls), at(end * where)
        halves = [run(monitor.generate_report(*period)) for period in ((at(0), middle), (middle, at(end)))]
        whole = run(monitor.generate_report(at(0), at(end)))
        assert sum(half.total_earnings for half in halves) == pytest.approx(whole.total_earnings)
        assert sum(whole.earnings_by_protocol.values()) == pytest.approx(whole.total_earnings)

    parts()


def test_a_move_is_reviewed_with_what_was_predicted_and_what_was_measured():
    # relay 4, compute 16 USD/h; at 02:00 0.2 go to compute: 10 -> 12.4 USD/h, as predicted
    after = {"relay": 0.3, "compute": 0.7}
    rates = {"relay": 4.0, "compute": 16.0}
    plan = EarningsOptimizer().calculate_optimal_allocation(poll(rates, HALVES, 119))
    changes = [
        AllocationChange(timestamp=at(120), protocol=name, before=0.5, after=share, plan_id=plan.id)
        for name, share in after.items()
    ]
    changes.append(
        changes[0].model_copy(update={"timestamp": at(400), "kind": ChangeKind.ROLLBACK, "plan_id": "other"})
    )
    polls = (poll(rates, HALVES if minute < 120 else after, minute) for minute in range(241))
    monitor = kept(polls, changes=lambda: changes)
    monitor.remember_plan(plan)
    report = run(monitor.generate_report(at(0), at(240)))
    [move] = report.moves
    assert move.predicted == pytest.approx(2.4)
    assert move.measured == pytest.approx(2.4, rel=0.02)
    assert (report.reallocations, report.rollbacks) == (1, 0)
    too_soon = kept((poll(rates, HALVES, minute) for minute in range(130)), changes=lambda: changes)
    too_soon.remember_plan(plan)
    [move] = run(too_soon.generate_report(at(0), at(130))).moves
    assert move.measured is None


# dashboard, trends, retention ---------------------------------------------------------------------------------------


class Engine:
    """What the monitor asks of an engine."""

    def __init__(self, until: datetime | None) -> None:
        self.until = until

    async def get_reallocation_history(self) -> list[AllocationChange]:
        return [
            AllocationChange(timestamp=at(-60 * hours), protocol="relay", before=0.5, after=0.4) for hours in (30, 2, 1)
        ]

    async def get_newest_reallocations(self, most: int) -> list[AllocationChange]:
        return (await self.get_reallocation_history())[-most:]

    async def blocked(self) -> Blocked | None:
        return None if self.until is None else Blocked("hold", self.until, "held")


def test_the_dashboard_shows_changes_and_when_the_next_may_be():
    metrics = poll({"relay": 4.0, "compute": 16.0}, HALVES)
    pairs = EarningsOptimizer().analyze_opportunities(metrics)
    for until, wait in ((at(12), timedelta(minutes=12)), (None, timedelta(0))):
        monitor = RealtimeMonitor(changes=Engine(until))
        shown = run(monitor.get_dashboard_metrics(metrics, {"relay": 0.3, "compute": 0.7}, pairs))
        assert shown.next_reallocation_in == wait
        assert [change.timestamp for change in shown.recent_changes] == [at(-120), at(-60)]
        assert shown.optimization_opportunity == pairs[0]
        assert shown.optimal_allocation == {"relay": 0.3, "compute": 0.7}
    nothing = run(RealtimeMonitor().get_dashboard_metrics(metrics, HALVES, []))
    assert nothing.next_reallocation_in is None
    assert nothing.optimization_opportunity is None


def test_trends_are_the_last_hours_and_old_data_goes():
    monitor = kept(even(float(hour), 60 * hour) for hour in range(49))
    assert run(monitor.get_earnings_trends(2)) == [(at(60 * hour), float(hour)) for hour in (46, 47, 48)]
    run(monitor.cleanup_old_data(1))
    assert len(run(monitor.get_earnings_trends(100))) == 25
    clock = ManualClock(at(60 * 50))
    assert run(kept((even(1.0, 60 * hour) for hour in range(49)), clock=clock).get_earnings_trends(2)) == [
        (at(2880), 1.0)
    ]
    for call in (monitor.get_earnings_trends(-1), monitor.cleanup_old_data(-1)):
        with pytest.raises(MonitoringError, match="is -1; it must be a number, 0 or more"):
            run(call)


def test_retention_keeps_what_still_holds():
    monitor = RealtimeMonitor()
    checked(monitor, even(4.0, 0), even(6.0, 1), even(4.0, 2))
    clock = ManualClock(at(60 * 24 * 3))
    monitor._clock = clock
    run(monitor.cleanup_old_data(1))
    assert [alert.timestamp for alert in run(monitor.get_alert_history())] == [at(2)]


def test_snapshots_are_bounded_in_order_and_one_for_each_time():
    config = MonitorConfig(low_earnings_threshold=None, max_snapshots=5)
    monitor = kept((even(float(minute), minute) for minute in (0, 3, 1, 2, 2, 5, 4, 6)), config)
    assert [earned for _, earned in run(monitor.get_earnings_trends(10))] == [2, 3, 4, 5, 6]


def test_every_record_of_the_monitor_is_plain_json():
    metrics = poll({"relay": 4.0, "compute": 16.0}, HALVES)
    optimizer = EarningsOptimizer()
    pairs, plan = optimizer.analyze_opportunities(metrics), optimizer.calculate_optimal_allocation(metrics)
    monitor = kept([metrics, poll({"relay": 4.0, "compute": 16.0}, HALVES, 1)], changes=Engine(at(5)))
    records = [
        metrics,
        plan,
        *pairs,
        *run(monitor.check_alerts(metrics, pairs)),
        run(monitor.get_dashboard_metrics(metrics, plan.allocation, pairs)),
        run(monitor.generate_report(at(0), at(1))),
    ]
    for record in records:
        text = record.model_dump_json()
        assert type(record).model_validate_json(text) == record
        json.loads(text, parse_constant=pytest.fail)


def test_a_stale_value_is_told_with_its_age_and_the_dashboard_says_what_is_measured():
    old = poll({"disk": 2.0, "relay": 2.0}, {"disk": 0.5, "relay": 0.5}, stale={"disk": 3 * 86_400.0})
    old = old.model_copy(update={"measured_earnings_per_hour": 1.0})
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None))
    [told] = asyncio.run(monitor.check_alerts(old, []))
    assert told.message == "disk answers, but its value is 3d old: it is carried forward"
    board = asyncio.run(monitor.get_dashboard_metrics(old, {}, []))
    assert (board.measured_earnings_per_hour, board.stale) == (1.0, {"disk": 3 * 86_400.0})


def test_a_loss_is_told_once_and_its_end_too():
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None, drop_percent=None))

    def told(minute: float, rate: float) -> list[str]:
        polled = poll({"disk": rate}, {"disk": 0.5}, minute)
        return [alert.message for alert in asyncio.run(monitor.check_alerts(polled, []))]

    losing = "disk loses 1 USD/h; [optimizer] allow_idle lets capacity stand idle"
    assert [told(minute, rate) for minute, rate in enumerate((2.0, -2.0, -3.0, 0.0))] == [
        [],
        [losing],
        [],
        [f"over after 2m: {losing}"],
    ]
