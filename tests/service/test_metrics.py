"""/metrics: the committed names, sums of money, labels that go with their protocol, rules and a board that fit."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reallot.cli.main import main
from reallot.engine.contracts.records import AggregatedMetrics, Alert, AllocationPlan
from reallot.engine.execution.pause import PAUSED
from reallot.engine.ledger.event_log import KeptEvent
from reallot.engine.ledger.journal import Standing
from reallot.engine.ledger.operator_requests import KEPT, Requests
from reallot.errors import DataError
from reallot.orchestration.cycle import CycleResult
from reallot.service.actions import ActionCounts
from reallot.service.board import Board
from reallot.service.monitoring_rules import RULES, board
from tests.orchestration.played import Played
from tests.pair import PAIR

pytest.importorskip("prometheus_client", reason="the extra service is not installed")
from reallot.service.hub import Hub
from reallot.service.metrics import CACHED_SECONDS, MOST_PROTOCOLS, NAMES, SHOWN, Metrics, Tally

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROMTOOL = shutil.which("promtool")


def cycle(at: datetime = NOON, names: tuple[str, ...] = ("relay", "compute")) -> CycleResult:
    each = 1.0 / len(names)
    metrics = AggregatedMetrics(
        timestamp=at,
        total_earnings_per_hour=1.5,
        earnings_by_protocol=dict.fromkeys(names, 1.5 * each),
        allocation_by_protocol=dict.fromkeys(names, each),
        connection_status=dict.fromkeys(names, True),
        stale={names[0]: 90.0},
    )
    plan = AllocationPlan(
        allocation=dict.fromkeys(names, each),
        estimated_improvement=0.25,
        estimated_cost=0.1,
        net_benefit=5.9,
        roi_percent=5900.0,
        confidence=0.8,
        created_at=at,
    )
    return CycleResult(started_at=at, metrics=metrics, plan=plan)


def shown(**known: object) -> Board:
    names = known.pop("names", ("relay", "compute"))
    alert = Alert(message="low", severity=0.7, timestamp=NOON, key="low")
    fields = {
        "version": "1",
        "at": NOON,
        "result": cycle(names=names),
        "names": names,
        "alerts": (alert,),
        "taken": 0.2,
        "polls": dict.fromkeys(names, (100.0, 0.02)),
    }
    standing = Standing(committed=dict.fromkeys(names, 0.5))
    return replace(Board(standing=standing, rests={names[0]: NOON}), **fields, **known)


def metrics_of(board: Board) -> Metrics:
    found = Metrics(
        Hub(board),
        actions=lambda: {("pause", "done"): 2},
        notified=lambda: {("phone", "sent"): 3},
        ledger_bytes=lambda: {"journal.db": 4096},
    )
    event = KeptEvent(1, NOON, "move", "moved", {"cost": 0.1}, 20)
    blocked = KeptEvent(2, NOON, "blocked", "not now", {"by": "hold"}, 20)
    found.tally.see(board, (event, blocked))
    return found


def samples(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def families(text: bytes) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", text.decode(), re.MULTILINE))


def test_the_names_are_those_that_are_committed():
    assert families(metrics_of(shown()).text()) == set(NAMES)


def test_the_values_are_those_of_the_board():
    found = samples(metrics_of(shown()).text())
    assert found["reallot_earnings_usd_per_hour"] == 1.5
    assert found['reallot_protocol_share_ratio{kind="committed",protocol="relay"}'] == 0.5
    assert found['reallot_protocol_value_age_seconds{protocol="relay"}'] == 90.0
    assert found['reallot_alerts_open{severity="warning"}'] == 1.0
    assert found['reallot_operations_total{kind="move",outcome="committed"}'] == 1.0
    assert found['reallot_blocked_plans_total{guard="hold"}'] == 1.0
    assert found["reallot_move_cost_usd_total"] == 0.1
    assert found['reallot_cycle_duration_seconds_bucket{le="0.3"}'] == 1.0
    assert found['reallot_poll_duration_seconds_bucket{le="0.03",protocol="relay"}'] == 1.0
    assert found["reallot_cycle_interval_seconds"] == 60.0
    assert found['reallot_notifications_total{outcome="sent",target="phone"}'] == 3.0
    halted = samples(metrics_of(shown(standing=Standing(halted=PAUSED))).text())
    assert (halted["reallot_halted"], halted["reallot_paused"]) == (1.0, 1.0)


def test_before_the_first_cycle_nothing_is_made_up():
    found = samples(Metrics(Hub(Board())).text())
    assert "reallot_earnings_usd_per_hour" not in found and found["reallot_earned_usd_total"] == 0.0


def test_money_is_the_integral_over_what_is_known():
    tally = Tally()
    for hours in (0.0, 0.5, 0.5, 1.0, 9.0, 9.5):  # told twice, and a gap of eight hours
        at = NOON + timedelta(hours=hours)
        tally.see(replace(shown(), result=cycle(at), every=1800.0), ())
    assert tally.earned == pytest.approx(1.5 * 1.5)
    assert tally.cycles.counts[3] == 5


def test_a_poll_is_counted_once_however_many_boards_tell_it():
    tally = Tally()
    for minute, began in enumerate((0.0, 0.0, 60.0)):  # the second cycle did not ask: it was not due
        polls = {"relay": (began, 5.0), "compute": (60.0 * minute, 0.02)}
        tally.see(replace(shown(), result=cycle(NOON + timedelta(minutes=minute)), polls=polls), ())
    assert (sum(tally.polls["relay"].counts), tally.polls["relay"].seconds) == (2, 10.0)
    assert sum(tally.polls["compute"].counts) == 3


def test_metrics_are_answered_though_the_box_cannot_be_read(tmp_path: Path):
    box = Requests(tmp_path)
    box.put("pause", {}, at=NOON)
    found = Metrics(Hub(shown()), actions=ActionCounts(box))
    before = samples(found.text())
    box.path.rename(tmp_path / "elsewhere")
    box.path.mkdir()  # as little can be read as from a database that somebody has locked, but without a wait
    with pytest.raises(DataError):
        box.page(1)
    found._made -= CACHED_SECONDS
    assert samples(found.text()) == before
    assert before['reallot_actions_total{kind="pause",state="queued"}'] == 1.0
    box.close()


def test_counters_never_fall_though_earnings_do():
    """Power may cost more than all earn: what is lost is counted beside what is earned, and falls into neither."""
    tally, before = Tally(), (0.0, 0.0)
    for hour, rate in enumerate((2.0, -1.0, -3.0, 4.0, 0.0)):
        result = cycle(NOON + timedelta(hours=hour))
        metrics = result.metrics.model_copy(update={"total_earnings_per_hour": rate})
        tally.see(replace(shown(), result=result.model_copy(update={"metrics": metrics}), every=3600.0), ())
        assert tally.earned >= before[0] and tally.lost >= before[1]
        before = tally.earned, tally.lost
    assert before == (6.0, 4.0)


def test_an_action_is_counted_once_in_each_state_that_it_comes_to():
    box = Requests(None)
    counts = ActionCounts(box)
    first, _ = box.put("pause", {}, at=NOON)
    assert counts() == counts() == {("pause", "queued"): 1}
    box.done(first)
    box.put("pause", {}, at=NOON)
    assert counts() == {("pause", "queued"): 2, ("pause", "done"): 1}
    box.put("poll", {}, at=datetime.now(UTC) + 2 * KEPT)  # the first is forgotten
    assert box.find(first.id) is None
    assert counts() == {("pause", "queued"): 2, ("pause", "done"): 1, ("poll", "queued"): 1}
    box.close()


def test_the_labels_of_a_protocol_that_is_gone_vanish():
    found = metrics_of(shown())
    found._hub.board = shown(names=("relay",))
    assert not any("compute" in each for each in samples(found.text()))


def test_of_very_many_protocols_only_those_that_earn_the_most_are_told():
    names = tuple(f"p{i:04}" for i in range(MOST_PROTOCOLS + 1))
    found = samples(metrics_of(shown(names=names)).text())
    assert sum("reallot_protocol_up" in each for each in found) == SHOWN
    assert found["reallot_protocols_hidden"] == MOST_PROTOCOLS + 1 - SHOWN


def test_it_is_served_to_whoever_may_read(asked):
    with asked.client(None) as client:
        assert client.get("/metrics").status_code == 401
    with asked.client() as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert families(answer.content) == set(NAMES)


@pytest.mark.slow
def test_a_run_counts_its_moves_and_its_money():
    from reallot.service.publisher import Publisher

    played = Played(PAIR)
    hub = Hub(Board(), played.parts.clock.now)
    metrics, publisher = Metrics(hub), Publisher(played.runner, hub)
    hub.publish = hub.take
    hub.watch = metrics.tally.see

    async def go():
        until = played.parts.clock.now() + timedelta(hours=5)
        async for result in played.runner.cycles(asyncio.Event(), until):
            await publisher.publish(result)

    asyncio.run(go())
    played.close()
    found = samples(metrics.text())
    assert found["reallot_lost_usd_total"] == 0.0
    assert found["reallot_earned_usd_total"] == pytest.approx(played.runner.earned, rel=0.02)
    assert found["reallot_cycle_duration_seconds_count"] == played.runner.polls
    asked = [found[f'reallot_poll_duration_seconds_count{{protocol="{name}"}}'] for name in hub.board.names]
    assert all(0 < each <= played.runner.polls for each in asked)


def promtool(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    if PROMTOOL is None:
        pytest.skip("promtool is not on this machine: it comes with Debian's package prometheus")
    return subprocess.run([PROMTOOL, *map(str, arguments)], input=given, capture_output=True, check=False)


@pytest.mark.slow
def test_promtool_finds_nothing_to_say():
    answer = promtool("check", "metrics", given=metrics_of(shown()).text())
    assert (answer.returncode, answer.stdout + answer.stderr) == (0, b"")


@pytest.mark.slow
def test_the_rules_are_sound_and_fire_when_they_should(tmp_path: Path):
    (tmp_path / "rules.yml").write_text(RULES)
    checked = promtool("check", "rules", tmp_path / "rules.yml")
    assert checked.returncode == 0 and b"7 rules found" in checked.stdout
    shutil.copy(Path(__file__).with_name("rules_test.yml"), tmp_path)
    tested = promtool("test", "rules", tmp_path / "rules_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_rules_and_board_name_only_metrics_that_there_are(capsys):
    assert main(["rules"]) == 0 and capsys.readouterr().out == RULES
    assert main(["board"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == board()
    for text in (RULES, json.dumps(printed)):
        used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"reallot_[a-z_]+", text)}
        assert used and used <= set(NAMES), used - set(NAMES)


def test_every_panel_shows_all_chosen_engines_and_nothing_lies_over_anything():
    panels = board()["panels"]
    for each in panels:
        for target in each["targets"]:
            assert target["expr"].count("$instance") == len(re.findall(r"reallot_[a-z_]+", target["expr"]))
            assert "{{instance}}" in target["legendFormat"]
    taken = [
        (each["gridPos"]["x"] + x, each["gridPos"]["y"] + y)
        for each in panels
        for x in range(each["gridPos"]["w"])
        for y in range(each["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) == 23
