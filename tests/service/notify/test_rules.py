"""Messages to one target on a clock that is moved by hand: what goes out, what waits, and what is never told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reallot.runtime.notify_settings import NotifyTarget
from reallot.service.notify.rules import FLAPS, GRACE, MOST_AN_HOUR, MOST_HELD, Notice, TargetRules, Told, words

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def target(**keys: Any) -> NotifyTarget:
    return NotifyTarget(url_env="PHONE_URL", **keys)


def alert(key: str = "low", severity: float = 0.7, at: datetime = NOON) -> Notice:
    return Notice(key=f"alert:{key}", kind="alert", text=f"{key} is low", at=at, severity=severity, lasts=True)


HALT = Notice(key="halted", kind="halted", text="nothing is moved", at=NOON, severity=1.0, lasts=True)
WAITS = Notice(key="waiting:p7", kind="waiting", text="relay 0.2 -> 0.3", at=NOON, lasts=True)


def move(at: datetime = NOON) -> Notice:
    return Notice(key="move p1", kind="move", text="moved relay", at=at)


class Phone:
    """A target to which every message arrives."""

    def __init__(self, started: datetime = NOON, told: Told | None = None, **keys: Any) -> None:
        self.rules = TargetRules(target(**keys), started, told)
        self.got: list[tuple[datetime, list[Notice]]] = []

    def see(self, now: datetime, *holds: Notice) -> list[Notice]:
        self.rules.see({each.key: each for each in holds}, now)
        return self.look(now)

    def look(self, now: datetime) -> list[Notice]:
        if notices := self.rules.due(now):
            self.got.append((now, notices))
            self.rules.arrived(notices, now)
        return notices

    def told(self) -> list[tuple[str, bool]]:
        return [(each.key, each.over) for _, notices in self.got for each in notices]


def test_a_condition_is_told_once_while_it_lasts_and_once_when_it_is_over():
    phone = Phone()
    for minute in range(5):
        phone.see(NOON + minute * MINUTE, alert())
    phone.see(NOON + 5 * MINUTE)
    phone.see(NOON + 6 * MINUTE)
    assert phone.told() == [("alert:low", False), ("alert:low", True)]


def test_what_a_target_does_not_want_is_dropped():
    phone = Phone(events=["halted", "alert"], least_severity=0.6)
    phone.rules.happened(move(), NOON)
    assert phone.see(NOON, alert(severity=0.5), WAITS) == []
    assert phone.see(NOON, alert(severity=0.6))


def test_in_quiet_hours_only_what_is_grave_is_told_and_the_rest_comes_in_the_morning():
    night = datetime(2026, 6, 1, 23, tzinfo=UTC)
    phone = Phone(quiet=["22:00", "07:00"], events=["alert", "halted", "waiting", "move"])
    phone.rules.happened(move(night), night)
    assert [each.key for each in phone.see(night, alert(), WAITS, HALT, alert("fire", severity=1.0))] == [
        "halted",
        "alert:fire",
    ]
    morning = phone.see(datetime(2026, 6, 2, 7, tzinfo=UTC), alert(), WAITS, HALT, alert("fire", severity=1.0))
    assert sorted(each.kind for each in morning) == ["alert", "move", "waiting"]


def test_quiet_hours_are_those_of_the_wall():
    summer = datetime(2026, 6, 1, 20, 30, tzinfo=UTC)  # half past ten in Berlin
    berlin = Phone(quiet=["22:00", "07:00"], time_zone="Europe/Berlin")
    assert berlin.see(summer, alert()) == []
    assert Phone(quiet=["22:00", "07:00"]).see(summer, alert())


def test_who_was_told_of_a_halt_at_night_is_told_of_its_end_in_the_morning():
    night = datetime(2026, 6, 1, 23, tzinfo=UTC)
    phone = Phone(quiet=["22:00", "07:00"])
    phone.see(night, HALT)
    assert phone.see(night + MINUTE) == []
    phone.look(datetime(2026, 6, 2, 7, tzinfo=UTC))
    assert phone.told() == [("halted", False), ("halted", True)]


def test_what_came_and_went_in_quiet_hours_is_one_line():
    night = datetime(2026, 6, 1, 23, tzinfo=UTC)
    phone = Phone(quiet=["22:00", "07:00"])
    phone.see(night, alert())
    phone.see(night + MINUTE)
    phone.look(datetime(2026, 6, 2, 7, tzinfo=UTC))
    assert phone.told() == [("alert:low", True)]


def test_a_plan_that_waits_no_more_before_it_was_told_is_not_told():
    night = datetime(2026, 6, 1, 23, tzinfo=UTC)
    phone = Phone(quiet=["22:00", "07:00"])
    phone.see(night, WAITS)
    phone.see(night + MINUTE)
    assert phone.look(datetime(2026, 6, 2, 7, tzinfo=UTC)) == []


def test_an_end_arrives_after_a_restart_between_beginning_and_end():
    before = Phone()
    before.see(NOON, alert(), HALT)
    kept = Told.model_validate_json(before.rules.told.model_dump_json())
    after = Phone(started=NOON + MINUTE, told=kept)
    assert after.see(NOON + 2 * MINUTE, HALT) == []  # a monitor sees its alerts again after some checks only
    assert [(each.key, each.over) for each in after.see(NOON + MINUTE + GRACE, HALT)] == [("alert:low", True)]


def test_a_condition_that_holds_over_a_restart_is_not_told_again():
    before = Phone()
    before.see(NOON, alert())
    after = Phone(started=NOON + MINUTE, told=before.rules.told)
    assert after.see(NOON + 2 * MINUTE, alert()) == []
    assert after.see(NOON + GRACE + 2 * MINUTE, alert()) == []
    assert [each.over for each in after.see(NOON + GRACE + 3 * MINUTE)] == [True]


def test_a_condition_that_comes_and_goes_a_hundred_times_is_two_messages():
    phone = Phone()
    for i in range(100):
        phone.see(NOON + 2 * i * MINUTE, alert())
        phone.see(NOON + (2 * i + 1) * MINUTE)
    assert phone.told() == [("alert:low", False), ("alert:low", True)]
    stays = NOON + 200 * MINUTE
    phone.see(stays, alert())
    assert phone.see(stays + FLAPS, alert())  # what came back and stays is told


def test_a_digest_gathers_what_is_neither_grave_nor_waits_for_an_answer():
    phone = Phone(digest="1h", events=["alert", "waiting", "move"])
    phone.rules.happened(move(), NOON)
    assert [each.kind for each in phone.see(NOON, alert(), WAITS)] == ["waiting"]
    phone.rules.happened(move(NOON + 30 * MINUTE), NOON + 30 * MINUTE)
    assert len(phone.see(NOON + 60 * MINUTE, alert(), WAITS)) == 2
    assert len(phone.see(NOON + 90 * MINUTE, alert(), WAITS)) == 1


def test_at_most_twelve_an_hour_and_then_a_digest():
    phone = Phone(events=["move"])
    for minute in range(120):
        now = NOON + minute * MINUTE
        phone.rules.happened(move(now), now)
        phone.look(now)
    times = [at for at, _ in phone.got]
    assert all(sum(at <= other < at + timedelta(hours=1) for other in times) <= MOST_AN_HOUR for at in times)
    assert sum(len(notices) for _, notices in phone.got) >= 61 and max(len(each) for _, each in phone.got) > 40


def test_what_surely_did_not_arrive_is_tried_again_three_times():
    rules = TargetRules(target(), NOON)
    rules.see({HALT.key: HALT}, NOON)
    tried, now = [], NOON
    for minute in range(60):
        now = NOON + minute * MINUTE
        if notices := rules.due(now):
            tried.append(minute)
            rules.failed(notices, now)
    assert tried == [0, 1, 6, 36] and rules.dropped == 1


def test_after_a_timeout_a_halt_is_repeated_once_and_says_so_and_a_move_is_not():
    rules = TargetRules(target(events=["halted", "move"]), NOON)
    rules.see({HALT.key: HALT}, NOON)
    rules.happened(move(), NOON)
    rules.unsure(rules.due(NOON), NOON)
    assert rules.due(NOON) == []
    again = rules.due(NOON + MINUTE)
    assert [(each.key, each.repeated) for each in again] == [("halted", True)]
    assert "may be a repeat" in words(again, target())[1]
    rules.unsure(again, NOON + MINUTE)
    assert rules.due(NOON + timedelta(hours=2)) == []


def test_a_plan_that_waits_carries_the_link_to_its_reasons():
    title, text = words([WAITS], target(), "http://127.0.0.1:8420/")
    assert title == "reallot: a plan waits for your yes"
    assert text == "relay 0.2 -> 0.3\nhttp://127.0.0.1:8420/#why=p7"


KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.tuples(st.sets(KEYS), st.sampled_from(["arrived", "failed", "unsure"]), st.integers(1, 40), st.booleans()),
    max_size=60,
)


@given(STEPS, st.sampled_from([None, ["22:00", "07:00"]]), st.sampled_from(["0s", "1h"]))
def test_whoever_was_told_of_a_beginning_is_told_of_its_end(steps, quiet, digest):
    """Whatever flaps, fails or restarts: in the end, as many ends as beginnings surely arrived, and nothing is open."""
    rules, now = TargetRules(target(quiet=quiet, digest=digest), NOON), NOON
    known: dict[str, bool] = {}
    sent: list[datetime] = []

    def look(how: str) -> None:
        if not (notices := rules.due(now)):
            return
        getattr(rules, how)(notices, now)
        if how != "failed":
            sent.append(now)
        for each in notices:
            if how == "arrived" or (how == "unsure" and each.over):  # an end that may have arrived is not repeated
                known[each.key] = not each.over

    for holds, how, minutes, restarts in steps:
        if restarts:
            rules = TargetRules(target(quiet=quiet, digest=digest), now, rules.told)
        now += minutes * MINUTE
        rules.see({each.key: each for each in map(alert, sorted(holds))}, now)
        look(how)
    for _ in range(60):
        now += 30 * MINUTE
        rules.see({}, now)
        look("arrived")
    assert not any(known.values())
    assert rules.told.begun == {} and rules.told.held == {}
    assert all(sum(at <= other < at + timedelta(hours=1) for other in sent) <= MOST_AN_HOUR for at in sent)


def test_what_waits_is_bounded():
    rules = TargetRules(target(events=["move"]), NOON)
    for i in range(3 * MOST_HELD):
        rules.happened(move(NOON + i * MINUTE), NOON)
    assert len(rules.due(NOON)) == MOST_HELD and rules.dropped == 2 * MOST_HELD
