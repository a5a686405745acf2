"""What a running engine says: why nothing moved, what a confirmation does, who refuses, and alerts that come back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.configs import MonitorConfig
from reallot.engine.ledger.operator_requests import CONFIRM, Requests
from reallot.errors import ErrorKind
from reallot.orchestration.monitor import RealtimeMonitor
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner
from tests.orchestration.polls import START, poll, status
from tests.pair import CENTS

SMALL = (
    """
[coordinator]
every = "5m"
[reallocation]
mode = "{mode}"
[optimizer]
min_improvement_threshold = {threshold}
min_improvement_percent = 0.0
{optimizer}
{more}
"""
    + CENTS
    + """{b}
"""
)


def small(threshold=0.25, mode="automatic", optimizer="", more="", b=""):
    return SMALL.format(threshold=threshold, mode=mode, optimizer=optimizer, more=more, b=b)


def played(text, hours, ledger=None, each=None):
    """What was told in so many hours; `each` is called with the runner after every cycle."""
    told, clock = [], ManualClock(START)
    parts = build(config_from_text(text), ledger=ledger, clock=clock)
    runner = Runner(parts, told.append)

    async def run():
        async for _ in runner.cycles(asyncio.Event(), START + timedelta(hours=hours)):
            if each is not None:
                each(runner)
        await parts.close()

    asyncio.run(run())
    return told


def of(told, *kinds):
    return [event.text for event in told if event.kind in kinds]


def test_it_says_once_why_it_did_not_move():
    told = played(small(), 4)
    assert of(told, "declined") == ["did not move: b would bring +0.008 USD/h, below 0.25 (min_improvement_threshold)"]
    assert of(told, "move") == []


def test_each_reason_is_said_once_and_again_after_a_move():
    told = played(small(threshold=0.005, more="", b='changes = [["4h", 0.025]]'), 8)
    assert [event.kind for event in told if event.kind in ("move", "declined")].count("move") >= 2
    declined = of(told, "declined")
    assert len(declined) == len(set(declined))


@pytest.mark.parametrize("mode", ["advise", "confirm"])
def test_who_only_advises_says_it_too_and_who_only_looks_does_not(mode):
    assert len(of(played(small(mode=mode), 1), "declined")) == 1
    assert of(played(small(mode="observe"), 1), "declined") == []


def test_the_last_declined_decision_is_kept_and_explained(tmp_path, capsys):
    played(small(), 1, ledger=tmp_path / "ledger")
    assert main(["explain", "LAST", "--ledger", str(tmp_path / "ledger")]) == 0
    out = capsys.readouterr().out
    assert "declined at" in out and "the same plan" in out


def test_the_default_of_low_earnings_is_relative_to_ones_own():
    told = played(small(b='changes = [["2h", 0.0]]'), 4)
    [began] = [text for text in of(told, "alert") if "earnings are" in text]
    assert "% of their median" in began
    assert not [text for text in of(played(small(), 2), "alert") if "earnings are" in text]
    asked = played(small(more="[monitor]\nlow_earnings_threshold = 5.0"), 1)
    assert [text for text in of(asked, "alert") if "below 5" in text]
    assert MonitorConfig().low_earnings_threshold == 5.0  # in Python the reference's default stays


def test_a_confirmation_during_a_poll_is_carried_out_in_the_next_cycle_with_its_line(tmp_path):
    ledger, waited, cycles = tmp_path / "ledger", [], []

    def watch(runner):
        waiting = runner.parts.engine.journal.waiting()
        cycles.append(dict(runner.parts.engine.journal.committed()))
        if waiting is not None and not waited:
            waited.append(len(cycles))
            poll_all = runner.parts.coordinator.poll_all

            async def poll_and_confirm():
                if len(waited) == 1:
                    waited.append(len(cycles) + 1)
                    Requests(ledger).post(CONFIRM, waiting.plan_id)
                return await poll_all()

            runner.parts.coordinator.poll_all = poll_and_confirm

    told = played(small(threshold=0.001, mode="confirm"), 1, ledger=ledger, each=watch)
    assert len([text for text in of(told, "move") if "as a person confirmed" in text]) == 1
    during = waited[1] - 1
    assert cycles[during]["b"] == pytest.approx(0.4) and cycles[during + 1]["b"] > 0.5


def test_one_cycle_shows_the_shares_after_its_move(tmp_path, capsys):
    path = tmp_path / "config.toml"
    path.write_text(small(threshold=0.001))
    assert main(["run", str(path), "--once"]) == 0
    out = capsys.readouterr().out
    assert "  moved a " in out
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.split()[:1] in (["a"], ["b"])}
    assert rows == {"a": "0.400", "b": "0.600"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ErrorKind.AUTH, "has refused the login since"),
        (ErrorKind.RATE_LIMITED, "has asked to be left alone since"),
        (ErrorKind.SHAPE, "has answered with nothing that can be read since"),
        (ErrorKind.UNREACHABLE, "has not answered since"),
    ],
)
def test_has_not_answered_is_said_only_of_one_that_does_not(error, words):
    monitor = RealtimeMonitor(MonitorConfig(low_earnings_threshold=None, connection_timeout="5m"))

    async def run():
        for minute in range(10):
            at = START + timedelta(minutes=minute)
            said = status("a", connected=False, observed_at=at, error=error, message="no")
            metrics = poll({"a": 1.0}, {"a": 1.0}, minute, down=("a",), statuses={"a": said})
            if told := await monitor.check_alerts(metrics, []):
                return told
        return []

    [alert] = asyncio.run(run())
    assert words in alert.message


def test_an_alert_that_comes_back_while_it_is_muted_is_silent_and_told_where_it_stays():
    """One beginning and one end; what lasts is told again when the time of silence is over.

    The third time within an hour it is over once it has stayed away for an hour.
    """
    config = MonitorConfig(low_earnings_threshold=5.0, optimization_threshold=100.0, mute=timedelta(minutes=10))
    monitor = RealtimeMonitor(config)

    async def run():
        told = []
        for minute, earned in enumerate([1.0, 9.0, 1.0, 9.0, *[1.0] * 12, *[9.0] * 62]):
            alerts = await monitor.check_alerts(poll({"a": earned}, {"a": 1.0}, minute), [])
            told += [(minute, alert.recovered_at is None) for alert in alerts]
        return told

    assert asyncio.run(run()) == [(0, True), (1, False), (10, True), (75, False)]  # last seen at 15


def test_a_part_of_ones_own_median_alone_leaves_no_threshold_in_dollars():
    text = small(more="[monitor]\nlow_earnings_percent = 20.0")
    assert not [line for line in of(played(text, 2), "alert") if "earnings are" in line]
    assert build(config_from_text(text)).monitor.config.low_earnings_percent == 20.0
