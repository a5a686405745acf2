"""What a person asks of a running engine ends as a row that says what came of it, whatever happened in between."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.clock import ManualClock, SystemClock
from reallot.engine.contracts.move_state import MoveState
from reallot.engine.execution.pause import PAUSED
from reallot.engine.ledger.folder import open_ledger
from reallot.engine.ledger.operator_requests import LIFETIME, ActionState, Requests
from reallot.errors import DataError
from reallot.runtime.build import build, remember
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner
from tests.orchestration.polls import START
from tests.pair import CENTS

TEXT = (
    """
[coordinator]
every = "{every}"
[reallocation]
mode = "{mode}"
min_hold_duration = "{hold}"
[optimizer]
min_improvement_threshold = 0.001
min_improvement_percent = 0.0
"""
    + CENTS
)


class Kill(BaseException):
    """The process ends here."""


class Engine:
    """A run on a ledger, moved by hand; `step` is one cycle and the time to the next."""

    def __init__(self, folder, mode="confirm", clock=None, hold="1h", every="5m"):
        self.told = []
        self.clock = clock or ManualClock(START)
        config = config_from_text(TEXT.format(mode=mode, hold=hold, every=every))
        self.parts = build(config, ledger=folder, clock=self.clock)
        self.runner = Runner(self.parts, self.told.append)
        self.box: Requests = self.parts.ledger.requests
        self.journal = self.parts.engine.journal

    def step(self, times=1):
        for _ in range(times):
            asyncio.run(self.runner.cycle())
            self.clock.advance(300.0)
        return self

    def ask(self, kind, about="", **more):
        return self.box.post(kind, about, **more).id

    def end_of(self, number):
        return self.box.find(number)

    def texts(self, kind):
        return [event.text for event in self.told if event.kind == kind]

    def close(self):
        asyncio.run(self.parts.close())


@pytest.fixture
def engine(tmp_path):
    found = Engine(tmp_path)
    yield found
    found.close()


@pytest.mark.slow
def test_a_confirmation_ends_with_the_operation_that_it_led_to(engine):
    plan = engine.step().journal.waiting().plan_id
    number = engine.ask("confirm", plan)
    again = engine.ask("confirm", plan)
    engine.step()
    first, second = engine.end_of(number), engine.end_of(again)
    assert (first.state, second.state) == (ActionState.DONE, ActionState.DONE)
    assert first.operation == second.operation == engine.journal.operation_of(plan).id
    assert len(engine.journal.changes()) == 2  # two protocols, once
    late = engine.ask("confirm", plan)
    engine.step()
    assert engine.end_of(late).operation == first.operation


def test_a_confirmation_of_another_plan_is_refused_and_says_which_waits(engine):
    plan = engine.step().journal.waiting().plan_id
    number = engine.ask("confirm", "another")
    engine.step()
    found = engine.end_of(number)
    assert found.state is ActionState.REFUSED
    assert found.problem["detail"] == f"plan another does not wait for a confirmation; {plan} does"
    assert [text for text in engine.texts("action") if "confirm was refused" in text]


@pytest.mark.slow
def test_a_declined_plan_is_not_asked_for_again_within_the_hour_not_even_after_a_restart(tmp_path):
    engine = Engine(tmp_path).step()
    number = engine.ask("decline", engine.journal.waiting().plan_id)
    engine.step(3)
    assert engine.end_of(number).state is ActionState.DONE and engine.journal.waiting() is None
    assert "a person said no to these moves" in engine.runner.last.blocked
    engine.close()
    engine = Engine(tmp_path, clock=ManualClock(engine.clock.now())).step()
    assert engine.journal.waiting() is None
    engine.step(12)
    assert engine.journal.waiting() is not None
    engine.close()


def test_a_declined_plan_is_not_asked_for_again_however_much_was_decided_since(engine):
    engine.ask("decline", engine.step().journal.waiting().plan_id)
    engine.step()
    for number in range(51):
        engine.journal.decide(f"other {number}", engine.clock.now(), MoveState.BLOCKED, "it rests", "{}")
    engine.step()
    assert engine.journal.waiting() is None and "a person said no to these moves" in engine.runner.last.blocked


@pytest.fixture
def moved(tmp_path):
    """An engine in which a plan was carried out, and that plan's id."""
    found = Engine(tmp_path, hold="0s").step()
    plan = found.journal.waiting().plan_id
    found.ask("confirm", plan)
    yield found.step(), plan
    found.close()


@pytest.mark.parametrize("error", [DataError("the disk is full"), asyncio.CancelledError()])
def test_a_rollback_that_was_not_begun_is_not_said_to_be_done(moved, monkeypatch, error):
    engine, plan = moved

    async def fails(*_):
        raise error

    number, takes_back = engine.ask("rollback", plan), engine.parts.engine._roll_back
    monkeypatch.setattr(engine.parts.engine, "_roll_back", fails)
    with suppress(asyncio.CancelledError):
        engine.step()
    assert engine.end_of(number).state is ActionState.QUEUED
    monkeypatch.setattr(engine.parts.engine, "_roll_back", takes_back)
    engine.step()
    assert engine.end_of(number).state is ActionState.DONE
    assert engine.journal.committed() == pytest.approx({"a": 0.6, "b": 0.4})


def test_the_last_plan_is_taken_back_without_its_name_and_that_is_told(moved):
    engine, plan = moved
    number = engine.ask("rollback")
    engine.step()
    assert engine.end_of(number).state is ActionState.DONE and engine.end_of(number).operation is not None
    assert [text.partition(";")[0] for text in engine.texts("rollback")] == [
        f"taken back, as a person asked: plan {plan}"
    ]
    nothing = engine.ask("rollback")
    engine.step()
    assert engine.end_of(nothing).state is ActionState.REFUSED and len(engine.texts("rollback")) == 1


def test_what_a_person_confirmed_is_told_with_its_moves_and_its_cost(moved):
    engine, plan = moved
    [event] = [event for event in engine.told if event.kind == "move"]
    assert event.text == f"moved, as a person confirmed: plan {plan}: a 0.60 -> 0.40, b 0.40 -> 0.60: +0.008 USD/h"
    assert event.fields["plan_id"] == plan and event.fields["improvement"] == pytest.approx(0.008)
    assert event.fields["cost"] == 0.0 == engine.runner.spent and engine.runner.moves == 1


def test_of_rollbacks_of_two_plans_the_later_is_done_and_the_other_is_refused(moved):
    engine, plan = moved
    other, number, again = engine.ask("rollback", "another"), engine.ask("rollback", plan), engine.ask("rollback", plan)
    engine.step()
    assert [engine.end_of(each).state for each in (number, again)] == [ActionState.DONE] * 2
    refused = engine.end_of(other)
    assert (refused.state, refused.problem["by"]) == (ActionState.REFUSED, "outdated")
    assert refused.problem["detail"] == f"another was not taken back: {plan} was asked for after it"


@pytest.mark.slow
def test_a_pause_ends_by_unpause_and_a_halt_does_not(engine):
    paused = engine.ask("pause")
    engine.step()
    assert engine.end_of(paused).state is ActionState.DONE and engine.journal.halted() == PAUSED
    ended = engine.ask("unpause")
    engine.step()
    assert engine.end_of(ended).state is ActionState.DONE and not engine.journal.halted()
    from reallot.engine.contracts.records import Alert

    engine.journal.halt(Alert(key="halted", message="a rollback failed", severity=1.0, timestamp=START), {})
    refused = engine.ask("unpause")
    engine.step()
    assert engine.end_of(refused).problem["by"] == "halted" and engine.journal.halted() == "a rollback failed"


@pytest.mark.parametrize("kind", ["confirm", "rollback", "resume", "execute", "decline"])
def test_what_nobody_heard_for_ten_minutes_expires_and_is_never_done(engine, kind):
    plan = engine.step().journal.waiting().plan_id
    number = engine.ask(kind, plan, at=datetime.now(UTC) - LIFETIME - timedelta(seconds=60))
    engine.step(2)
    assert engine.end_of(number).state is ActionState.EXPIRED
    assert engine.journal.changes() == [] and engine.box.all() == []
    assert [text for text in engine.texts("action") if f"{kind} was expired: nobody heard it within 10 minutes" in text]


def test_a_pause_waits_for_an_engine_however_long(engine):
    number = engine.ask("pause", at=datetime.now(UTC) - timedelta(days=3))
    engine.step()
    assert engine.end_of(number).state is ActionState.DONE and engine.journal.halted() == PAUSED


@pytest.mark.slow
def test_a_kept_plan_is_executed_by_its_id_once(tmp_path):
    engine = Engine(tmp_path, mode="confirm").step()
    plan = engine.journal.waiting().plan_id
    engine.close()
    engine = Engine(tmp_path, mode="automatic", clock=ManualClock(engine.clock.now()))
    engine.parts.optimizer.should_reallocate = lambda *_: False  # it would not move by itself
    number, unknown = engine.ask("execute", plan), engine.ask("execute", "never made")
    engine.step()
    found = engine.end_of(number)
    assert found.state is ActionState.DONE and found.operation == engine.journal.operation_of(plan).id
    assert engine.end_of(unknown).state is ActionState.REFUSED
    engine.close()


def test_a_plan_that_waits_gives_way_to_one_that_is_executed_and_its_alert_is_over(engine):
    kept = engine.step().journal.waiting()
    plan = json.dumps({**json.loads(kept.plan), "id": "kept"})
    engine.journal.decide("kept", engine.clock.now(), MoveState.BLOCKED, "it rested", plan)
    waits, number = engine.ask("confirm", kept.plan_id), engine.ask("execute", "kept")
    engine.step()
    alerts = {alert.key: alert.recovered_at for alert in engine.journal.alerts()}
    assert engine.end_of(number).state is ActionState.DONE and alerts[f"confirm-{kept.plan_id}"] is not None
    refused = engine.end_of(waits)
    assert (refused.state, refused.problem["by"]) == (ActionState.REFUSED, "outdated")
    assert refused.problem["detail"].endswith("a person wanted kept carried out instead")
    assert not [each for each in engine.parts.monitor.open_alerts if each.key == f"confirm-{kept.plan_id}"]


@pytest.mark.slow
def test_an_acknowledgement_and_a_mute_outlive_the_process(tmp_path):
    engine = Engine(tmp_path)
    engine.parts.monitor.raise_alert("the disk is warm", key="disk", severity=0.5)
    engine.journal.raise_alert(engine.parts.monitor.open_alerts[0])
    until = (START + timedelta(hours=1)).isoformat()
    engine.box.put("acknowledge", {"alert": "disk"})
    engine.box.put("mute", {"alert": "disk", "until": until})
    engine.step()
    assert [alert.acknowledged for alert in engine.parts.monitor.open_alerts if alert.key == "disk"] == [True]
    engine.close()
    engine = Engine(tmp_path, clock=ManualClock(engine.clock.now()))
    asyncio.run(remember(engine.parts))
    assert {alert.key: alert.acknowledged for alert in engine.journal.alerts()}["disk"]
    assert engine.journal.muted() == {"disk": START + timedelta(hours=1)}
    again = engine.parts.monitor.raise_alert("the disk is warm", key="disk", severity=0.5)
    assert again.acknowledged
    engine.parts.monitor.resolve_alert("disk")
    engine.clock.advance(86_400.0)
    assert not engine.parts.monitor.raise_alert("the disk is warm", key="disk", severity=0.5).acknowledged
    engine.close()


@pytest.mark.slow
def test_what_was_told_is_kept_in_order_over_a_restart(tmp_path):
    engine = Engine(tmp_path, mode="automatic").step(2)
    kept = engine.parts.ledger.events.after(0, 100)
    assert [each.text for each in kept] == [event.text for event in engine.told] and kept
    engine.close()
    engine = Engine(tmp_path, mode="automatic", clock=ManualClock(engine.clock.now()))
    engine.ask("pause")
    engine.step()
    more = engine.parts.ledger.events.after(kept[-1].seq, 100)
    assert [each.seq for each in more] == list(range(kept[-1].seq + 1, kept[-1].seq + 1 + len(more))) and more
    engine.close()


MOMENTS = ("done", "confirm", "begin", "send", "mark", "advance", "drop_waiting", "decide")
KINDS = ("confirm", "rollback", "decline", "pause", "execute")
EVERY = [(kind, method) for kind in KINDS for method in MOMENTS]
SOME = [("confirm", "begin"), ("confirm", "drop_waiting"), ("rollback", "done"), ("decline", "done"), ("pause", "done")]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("kind", "method"), EVERY if "REALLOT_KILLS" in os.environ else SOME)
def test_a_process_that_ends_between_a_click_and_its_act_leaves_it_done_once(tmp_path, method, kind, after):
    """Ends it at the first write of each kind, starts again, and looks at the row, the moves and the shares."""
    engine = Engine(tmp_path, hold="0s").step()
    plan = engine.journal.waiting().plan_id
    if kind == "rollback":
        engine.ask("confirm", plan)
        engine.step()
    number = engine.ask(kind, plan)
    place = engine.box if method == "done" else engine.journal
    works = getattr(place, method)

    def killed(*values, **named):
        setattr(place, method, works)
        if after:
            works(*values, **named)
        raise Kill

    setattr(place, method, killed)
    with suppress(Kill):
        engine.step()
    engine.close()
    shares = {name: adapter.share for name, adapter in engine.parts.coordinator.adapters.items()}
    engine = Engine(tmp_path, hold="0s", clock=ManualClock(engine.clock.now()))
    for name, share in shares.items():
        asyncio.run(engine.parts.coordinator.adapters[name].apply_allocation(share))
    engine.step(2)
    found, operation = engine.end_of(number), engine.journal.operation_of(plan)
    moved = (plan, "move", "confirmed")
    done = [each for each in engine.journal.changes() if (each.plan_id, each.kind, each.outcome) == moved]
    if kind in ("confirm", "execute") and found.state is ActionState.REFUSED:
        assert not done and found.problem["detail"]  # what was begun was put back, and the row says so
        assert engine.journal.committed() == {"a": 0.6, "b": 0.4}
    else:
        assert found.state is ActionState.DONE, found
        assert len(done) == (0 if kind in ("decline", "pause") else 2)
        assert (operation is not None) is (kind not in ("decline", "pause"))
    engine.close()


@pytest.mark.slow
def test_an_engine_that_sleeps_hears_a_confirmation_long_before_its_next_poll(tmp_path):
    engine = Engine(tmp_path, clock=SystemClock(), every="10m")
    began = []

    async def run():
        stop = asyncio.Event()
        async for _ in engine.runner.cycles(stop):
            if not began:
                began.append(asyncio.get_running_loop().time())
                other = Requests(tmp_path)  # as another process does
                asyncio.get_running_loop().call_later(0.01, other.post, "confirm", engine.journal.waiting().plan_id)
            else:
                stop.set()
        return asyncio.get_running_loop().time() - began[0]

    assert asyncio.run(run()) < 60.0  # the next poll would have been after ten minutes
    assert len(engine.journal.changes()) == 2
    engine.close()


def test_a_ledger_in_memory_keeps_what_happens_as_well():
    ledger = open_ledger()
    [kept] = ledger.events.add([(START, "start", "begun", {"n": 1}, 20)])
    assert ledger.events.before(None, 5) == [kept] and kept.fields == {"n": 1}
    ledger.close()


def test_a_cleanup_that_is_asked_for_forgets_in_the_monitor_and_is_told(engine):
    engine.step(2)
    engine.clock.advance(3 * 86_400.0)
    request, _ = engine.box.put("cleanup", {"retention_days": 1}, key="k")
    engine.step()
    assert engine.end_of(request.id).state is ActionState.DONE
    assert len(engine.parts.monitor._snapshots) == 1
    assert engine.texts("cleanup") == ["what is older than 1 days is forgotten by the monitor; the ledger keeps it"]
