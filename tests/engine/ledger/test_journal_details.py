"""The journal to the last column: the suite must notice every small change in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.move_state import MoveState
from reallot.engine.contracts.records import Alert, ChangeKind
from reallot.engine.ledger.database import Database
from reallot.engine.ledger.journal import Standing, StepState
from reallot.engine.ledger.sqlite_journal import SqliteJournal
from reallot.engine.ledger.timestamps import Stamp
from reallot.errors import DataError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARES, TO = {"relay": 0.5, "storage": 0.5}, {"relay": 0.3, "storage": 0.7}
STEPS = [("relay", 0.5, 0.3), ("storage", 0.5, 0.7)]


def at(seconds):
    return Stamp(NOON + timedelta(seconds=seconds), float(seconds), "boot")


@pytest.fixture
def journal():
    made = SqliteJournal()
    yield made
    made.close()


def begun(journal, plan_id="p1", kind=ChangeKind.MOVE, steps=STEPS, second=0):
    return journal.begin(plan_id, kind, SHARES, TO, steps, at(second), "why")


def ended(journal, operation, *states):
    for number, state in enumerate(states):
        journal.advance(operation.id, state, at(10 + number))


def mark(journal, number, state, when, **said):
    """The call of this number is marked, as it is read now."""
    step = next(each for number_of in range(1, 9) for each in journal.steps(number_of) if each.id == number)
    journal.mark(step, state, when, **said)


WAY = (MoveState.APPLYING, MoveState.COMMITTED)
BACK = (MoveState.ROLLING_BACK, MoveState.ROLLED_BACK)


def test_an_operation_is_read_as_it_was_written(journal):
    assert journal.path == ":memory:" and not journal.observe_only and not journal.loses and not journal.blocking
    made = begun(journal)
    assert (made.id, made.epoch, made.rounds, made.reason, made.at) == (1, 1, 0, "why", at(0))
    assert journal.open_operation() == made == journal.operation_of("p1") and journal.operation_of("p2") is None
    journal.advance(1, MoveState.ROLLING_BACK, at(5), "no", rounds=2)
    journal.advance(1, MoveState.ROLLING_BACK, at(6), rounds=1)
    now = journal.open_operation()
    assert (now.state, now.reason, now.rounds, now.at) == (MoveState.ROLLING_BACK, "no", 2, at(6))
    with pytest.raises(DataError, match="there is no operation 9"):
        journal.advance(9, MoveState.APPLYING, at(0))


def test_a_call_is_read_as_it_was_written(journal):
    begun(journal)
    first, second = journal.steps(1)
    assert (first.id, first.key, first.operation, first.kind) == (1, "1-1", 1, ChangeKind.MOVE)
    assert (first.protocol, first.before, first.after) == ("relay", 0.5, 0.3)
    assert (first.state, first.at, first.may_act, first.detail) == (StepState.INTENT, at(0), True, "")
    assert second.key == "1-2" and journal.steps(2) == []
    added = journal.add_step(1, ChangeKind.ROLLBACK, "relay", 0.3, 0.5, at(7))
    assert added == journal.steps(1)[2] and (added.state, added.at) == (StepState.SENT, at(7))
    mark(journal, 1, StepState.REFUSED, at(8), detail="no")
    changed = journal.steps(1)[0]
    assert (changed.state, changed.at, changed.may_act, changed.detail) == (StepState.REFUSED, at(8), False, "no")


@pytest.mark.parametrize("state", StepState)
@pytest.mark.parametrize("may_act", [False, True])
def test_a_call_is_unsettled_while_it_is_unknown_or_may_still_act(journal, state, may_act):
    begun(journal)
    assert journal.unsettled() == []
    mark(journal, 1, state, at(1), may_act=may_act)
    unsettled = may_act or state in (StepState.SENT, StepState.UNKNOWN)
    assert [each.id for each in journal.unsettled()] == ([1] if unsettled else [])


def test_a_protocol_was_changed_when_it_was_asked_and_when_that_was_answered(journal):
    begun(journal)
    assert journal.last_changes() == {}
    mark(journal, 1, StepState.SENT, at(1))
    assert journal.last_changes() == {"relay": at(1)}
    mark(journal, 1, StepState.UNKNOWN, at(2))
    assert journal.last_changes() == {"relay": at(2)}
    mark(journal, 1, StepState.CONFIRMED, at(900))
    assert journal.last_changes() == {"relay": at(2)}, "reading it back much later changes nothing"
    journal.add_step(1, ChangeKind.REPAIR, "storage", 0.5, 0.6, at(901))
    assert journal.last_changes() == {"relay": at(2)}, "a repair does not make a protocol rest"
    journal.add_step(1, ChangeKind.ROLLBACK, "storage", 0.5, 0.6, at(902))
    assert journal.last_changes() == {"relay": at(2), "storage": at(902)}


def test_only_the_end_of_an_operation_confirms_shares(journal):
    operation = begun(journal)
    journal.advance(operation.id, WAY[0], at(1))
    assert journal.committed() == {}
    journal.advance(operation.id, WAY[1], at(2))
    assert journal.committed() == TO
    ended(journal, begun(journal, "p2"), *BACK)
    assert journal.committed() == TO, "what was confirmed before stays"
    ended(journal, begun(journal, "p3", ChangeKind.ROLLBACK), *BACK)
    assert journal.committed() == SHARES
    journal.adopt({"relay": 0.1})
    assert journal.committed() == {"relay": 0.1, "storage": 0.5}
    ended(journal, begun(journal, "p4"), *WAY)
    assert journal.committed() == TO and journal.operation_of("p4").rounds == 0


def test_a_plan_put_back_confirms_what_was_there_where_nothing_was_known(journal):
    ended(journal, begun(journal), *BACK)
    assert journal.committed() == SHARES


def test_the_last_plan_in_force_is_the_newest_that_was_not_taken_back(journal):
    assert journal.last_committed() is None
    ended(journal, begun(journal, "p1"), *WAY)
    ended(journal, begun(journal, "p2"), *WAY)
    ended(journal, begun(journal, "p3"), *BACK)
    assert journal.last_committed().plan_id == "p2"
    ended(journal, begun(journal, "back-2", ChangeKind.ROLLBACK), *BACK)
    assert journal.last_committed().plan_id == "p1"
    ended(journal, begun(journal, "repair", ChangeKind.REPAIR), *BACK)
    assert journal.last_committed().plan_id == "p1"


def test_plans_that_were_begun_count_newest_first_and_no_others(journal):
    assert journal.last_moves(9) == []
    ended(journal, begun(journal, "p1"), MoveState.DISCARDED)
    ended(journal, begun(journal, "p2"), *BACK)
    ended(journal, begun(journal, "p3", ChangeKind.ROLLBACK), *BACK)
    ended(journal, begun(journal, "p4"), *WAY)
    begun(journal, "p5")
    assert journal.last_moves(9) == [at(11), at(11)] and journal.last_moves(1) == [at(11)]


def test_the_last_call_is_the_newest_that_was_sent(journal):
    begun(journal)
    assert journal.last_call("relay") == 0
    mark(journal, 1, StepState.SENT, at(1))
    assert (journal.last_call("relay"), journal.last_call("storage")) == (1, 0)
    journal.add_step(1, ChangeKind.ROLLBACK, "relay", 0.3, 0.5, at(2))
    assert journal.last_call("relay") == 3


def test_the_most_that_a_protocol_may_have(journal):
    assert journal.most("relay") is None
    begun(journal, steps=[("relay", 0.5, 0.3), ("relay", 0.3, 0.8), ("relay", 0.8, 0.1)])
    assert journal.most("relay") is None, "nothing was asked for"
    mark(journal, 1, StepState.SENT, at(1))
    assert journal.most("relay") == 0.5
    mark(journal, 1, StepState.CONFIRMED, at(1))
    assert journal.most("relay") == 0.3
    mark(journal, 2, StepState.UNKNOWN, at(1))
    assert journal.most("relay") == 0.8
    mark(journal, 2, StepState.REFUSED, at(1))
    assert journal.most("relay") == 0.3
    mark(journal, 3, StepState.CONFIRMED, at(1))
    assert journal.most("relay") == 0.1
    journal.adopt({"relay": 0.6})
    assert journal.most("relay") == 0.6


def test_changes_are_told_from_when_they_were_asked_for(journal):
    ended(journal, begun(journal), MoveState.APPLYING)
    assert journal.changes() == []
    mark(journal, 1, StepState.SENT, at(1))
    mark(journal, 1, StepState.CONFIRMED, at(60))
    mark(journal, 2, StepState.SENT, at(2))
    mark(journal, 2, StepState.REFUSED, at(61), detail="no")
    journal.add_step(1, ChangeKind.ROLLBACK, "relay", 0.3, 0.5, at(3))
    one, two, three = journal.changes()
    assert (one.timestamp, one.protocol, one.before, one.after, one.plan_id) == (at(1).wall, "relay", 0.5, 0.3, "p1")
    assert (one.kind, one.outcome, one.reason) == (ChangeKind.MOVE, "confirmed", "why")
    assert (two.timestamp, two.outcome, two.reason) == (at(2).wall, "failed", "no")
    assert (three.kind, three.outcome) == (ChangeKind.ROLLBACK, "unknown")
    assert journal.changes(at(2).wall) == [two, three] and journal.changes(newest=1) == [three]
    assert journal.changes(newest=2) == [two, three] and journal.changes(at(3).wall, 2) == [three]
    mark(journal, 3, StepState.CONFIRMED, at(62))
    ended(journal, journal.open_operation(), *BACK)
    assert [each.outcome for each in journal.changes()] == ["rolled_back", "failed", "confirmed"]


def test_one_plan_waits_the_last_that_asked(journal):
    assert journal.waiting() is None and not journal.confirm("p1")
    journal.wait_for("p1", "{}", at(1))
    journal.wait_for("p2", "[]", at(2))
    waiting = journal.waiting()
    assert (waiting.plan_id, waiting.plan, waiting.at, waiting.confirmed) == ("p2", "[]", at(2), False)
    assert not journal.confirm("p1") and journal.confirm("p2") and journal.waiting().confirmed
    journal.wait_for("p3", "{}", at(3))
    assert not journal.waiting().confirmed
    journal.drop_waiting()
    assert journal.waiting() is None


def test_a_verdict_on_a_plan_is_kept_once_and_the_newest_come_first(journal):
    for number, (plan_id, verdict) in enumerate([("p1", "waiting"), ("p1", "committed"), ("p1", "waiting")]):
        journal.decide(plan_id, at(number).wall, verdict, f"reason {number}", "{}", "[]")
    newest, oldest = journal.decisions()
    assert (oldest.verdict, oldest.reason, oldest.at) == ("waiting", "reason 0", at(0).wall)
    assert (newest.plan_id, newest.verdict, newest.plan, newest.inputs) == ("p1", "committed", "{}", "[]")
    assert journal.decisions(1) == [newest]
    journal.decide("p2", at(9).wall, "expired", "", "{}")
    assert journal.decisions(1)[0].inputs == ""


def test_a_halt_freezes_until_somebody_resumes(journal):
    assert journal.halted() == "" and journal.frozen() == {}
    alert = Alert(key="halted", message="first", severity=1.0, timestamp=NOON)
    assert journal.halt(alert, {"relay": "stuck"})
    assert not journal.halt(alert.model_copy(update={"message": "second"}), {"relay": "still stuck", "storage": "too"})
    assert journal.halted() == "second" and journal.frozen() == {"relay": "still stuck", "storage": "too"}
    journal.resume()
    assert journal.halted() == "" and journal.frozen() == {}
    assert [each.key for each in journal.alerts()] == ["halted"] and journal.recovered("halted", NOON)


def test_each_opening_is_one_epoch_and_reading_is_none(tmp_path):
    path = tmp_path / "journal.db"
    for epoch in (1, 2, 3):
        journal = SqliteJournal(path)
        assert journal.epoch == epoch and journal.blocking and journal.sound()
        assert begun(journal, f"p{epoch}").epoch == epoch
        ended(journal, journal.open_operation(), MoveState.DISCARDED)
        journal.close()
    reader = SqliteJournal(path, read_only=True)
    assert reader.epoch == 0 and "opened to be read" in reader.observe_only
    reader.close()


def test_a_file_is_waited_for_as_long_as_asked(tmp_path):
    for given, wanted in (({}, 5000), ({"busy_seconds": 0.25}, 250)):
        journal = SqliteJournal(tmp_path / "journal.db", **given)
        assert journal._database.rows("PRAGMA busy_timeout") == [(wanted,)]
        journal.close()


def test_without_room_for_the_reserve_what_drifted_is_still_put_back(tmp_path, monkeypatch):
    journal = SqliteJournal(tmp_path / "journal.db")
    monkeypatch.setattr(Database, "keep_reserve", lambda self: False)
    with pytest.raises(DataError, match="disk is full"):
        begun(journal)
    assert begun(journal, kind=ChangeKind.REPAIR).id == 1
    journal.close()


def test_everything_at_one_moment_is_what_each_question_says(journal):
    for number, plan_id in enumerate(("p1", "p2", "p3")):
        operation = begun(journal, plan_id, second=number)
        journal.send(journal.steps(operation.id)[0], at(20 + number))
        ended(journal, operation, *WAY)
    operation = begun(journal, "p4", second=40)
    second, first = journal.steps(operation.id)[1], journal.steps(operation.id)[0]
    journal.send(second, at(41))
    journal.send(first, at(42))
    journal.wait_for("p5", "{}", at(43))
    journal.raise_alert(Alert(key="over", message="m", severity=0.5, timestamp=at(44).wall))
    journal.recovered("over", at(45).wall)
    alert = Alert(key="halted", message="why", severity=1.0, timestamp=at(46).wall)
    journal.halt(alert, {"relay": "stuck", "storage": "too"})
    found = journal.standing(2)
    assert found.halted == journal.halted() == "why"
    assert found.frozen == journal.frozen() == {"relay": "stuck", "storage": "too"}
    assert found.committed == journal.committed() == TO
    assert found.operation == journal.open_operation() and found.operation.plan_id == "p4"
    assert list(found.unsettled) == journal.unsettled()
    assert [each.id for each in found.unsettled] == sorted(each.id for each in found.unsettled)
    assert found.waiting == journal.waiting() and found.waiting.plan_id == "p5"
    assert found.last_changes == journal.last_changes() and len(found.last_changes) == 2
    assert list(found.last_moves) == journal.last_moves(2) and len(found.last_moves) == 2
    assert found.last_moves[0].wall > found.last_moves[1].wall
    assert found.open_alerts == {"halted"}
    assert found.names == {"relay", "storage"}
    fresh = SqliteJournal()
    assert fresh.standing(9) == Standing()
    fresh.close()


def test_an_operation_that_an_older_version_left_confirming_is_open(journal):
    begun(journal)
    journal._database.connection.execute("UPDATE operation SET state = 'confirming'")
    assert journal.standing(1).operation.plan_id == journal.open_operation().plan_id == "p1"


def test_the_decision_of_a_plan_is_the_newest_that_has_its_text(journal):
    assert journal.decision_of("p1") is None
    journal.decide("p1", at(1).wall, "planned", "", "{text}", "{inputs}")
    journal.decide("p1", at(2).wall, "committed", "why", "", "")
    found = journal.decision_of("p1")
    assert (found.verdict, found.plan, found.inputs, found.at) == ("planned", "{text}", "{inputs}", at(1).wall)
