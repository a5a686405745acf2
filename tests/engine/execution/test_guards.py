"""The guards alone, to the last number: the suite must notice every small change in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reallot.engine.contracts.configs import Mode, ReallocationConfig
from reallot.engine.execution.guards import (
    Blocked,
    Change,
    Rules,
    budget_blocks,
    capacity_blocks,
    changes_of,
    close_to,
    end_of_hold,
    expired,
    held,
    hold_blocks,
    outdated,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Rules()
DOWN, UP = Change("relay", 0.5, 0.3), Change("storage", 0.5, 0.7)


def later(seconds):
    return AT + timedelta(seconds=seconds)


def test_shares_fit_up_to_the_capacity_and_the_tolerance_of_each():
    assert RULES.fits({"relay": 0.5, "storage": 0.5 + 1.9e-6}) and not RULES.fits({"relay": 0.5, "storage": 0.500003})
    assert Rules(capacity=2.0).fits({"relay": 2.0}) and not Rules(capacity=2.0).fits({"relay": 2.1})


def test_a_change_is_passed_by_what_lies_beyond_it_on_the_same_side_only():
    assert UP.is_passed_by(0.8) and not UP.is_passed_by(0.7) and not UP.is_passed_by(0.6) and not UP.is_passed_by(0.4)
    assert DOWN.is_passed_by(0.2) and not DOWN.is_passed_by(0.3) and not DOWN.is_passed_by(0.6)


def test_a_hold_ends_after_its_seconds_and_none_has_no_end():
    assert end_of_hold(AT, Rules(hold_seconds=0.5)) == later(0.5) and end_of_hold(AT, Rules(hold_seconds=0.0)) is None


def test_rules_are_those_of_the_configuration():
    assert Rules.of(ReallocationConfig()) == Rules() == Rules(3600.0, 4, True, 3, 1e-6, 1.0)
    config = ReallocationConfig(
        min_hold_duration=timedelta(minutes=5),
        max_per_hour=7,
        auto_rollback=False,
        most_rollbacks=9,
        share_tolerance=0.01,
        mode=Mode.ADVISE,
    )
    advises = Blocked("mode", None, "the mode is advise: nothing is moved")
    assert Rules.of(config, 0.8) == Rules(300.0, 7, False, 9, 0.01, 0.8, advises)
    assert Rules.of(config, 0.8, "it is read only").watching == Blocked("ledger", None, "it is read only")


def test_a_change_has_a_direction_and_a_way_back():
    assert DOWN.releases and not UP.releases and not Change("relay", 0.5, 0.5).releases
    assert DOWN.reversed == Change("relay", 0.3, 0.5)


def test_shares_are_the_same_up_to_the_tolerance_and_with_it():
    assert close_to(0.5, 0.25, 0.25) and close_to(0.25, 0.5, 0.25) and not close_to(0.5, 0.25, 0.125)
    assert close_to(0.0, 0.0, 0.0) and not close_to(0.5, -0.5, 0.25)


def test_a_small_change_is_told_from_none_whatever_the_tolerance():
    rules = Rules(own={"measured": 0.25})
    assert rules.same("measured", 1.0) == 0.25
    assert rules.same("measured", 0.25) == rules.same("measured", -0.25) == 0.125
    assert rules.same("other", 1.0) == 1e-6


def test_only_what_changes_is_changed_by_name():
    before = {"d": 0.4, "c": 0.1, "b": 0.3, "a": 0.2}
    found = changes_of(before, {"a": 0.3, "b": 0.2, "c": 0.2, "d": 0.4}, ["d", "c", "b", "a"], 1e-6)
    assert found == (Change("b", 0.3, 0.2), Change("a", 0.2, 0.3), Change("c", 0.1, 0.2))
    assert changes_of(before, {**before, "a": 0.25}, ["a"], 0.1) == ()


def test_a_hold_ends_with_its_last_second():
    ages = {"relay": 600.0, "storage": 3600.0, "compute": 3599.0}
    assert held(ages, AT, RULES) == {"relay": later(3000), "compute": later(1)}
    assert hold_blocks((UP,), ages, AT, RULES) is None
    assert hold_blocks((UP, Change("fresh", 0.0, 0.1)), ages, AT, RULES) is None


def test_of_several_holds_the_last_to_end_is_told():
    ages = {"relay": 600.0, "storage": 300.0}
    for changes in ((DOWN, UP), (UP, DOWN)):
        blocked = hold_blocks(changes, ages, AT, RULES)
        assert blocked == Blocked("hold", later(3300), "storage changed 5m ago and rests for 1h")
    alike = hold_blocks((DOWN, UP), {"relay": 300.0, "storage": 300.0}, AT, RULES)
    assert alike.reason.startswith("storage")
    earlier = hold_blocks((DOWN, UP), {"relay": 300.0, "storage": 600.0}, AT, RULES)
    assert earlier.reason.startswith("relay") and earlier.until == later(3300)


def test_the_budget_is_free_when_enough_plans_are_an_hour_old():
    blocked = budget_blocks([3000.0, 10.0, 1200.0, 600.0, 3599.0, 3600.0], AT, RULES)
    assert blocked == Blocked("budget", later(600), "5 plans in the last hour, of 4 allowed")
    assert budget_blocks([3000.0, 10.0, 1200.0], AT, RULES) is None
    assert budget_blocks([3000.0, 10.0, 1200.0, 3600.0], AT, RULES) is None
    assert budget_blocks([3000.0, 10.0], AT, replace(RULES, max_per_hour=1)).until == later(3590)
    none = budget_blocks([], AT, replace(RULES, max_per_hour=0))
    assert (none.by, none.until) == ("budget", None)


def test_capacity_counts_the_most_that_each_may_have():
    full = replace(RULES, capacity=1.0, tolerance=0.25)
    assert capacity_blocks(Change("a", 0.25, 0.75), {"b": 0.5}, None, full) is None
    assert capacity_blocks(Change("a", 0.25, 0.75), {"b": 0.75}, None, full).by == "capacity"
    assert capacity_blocks(Change("a", 0.25, 0.75), {"a": 1.0, "b": 0.5}, AT, full) == Blocked(
        "settling",
        AT,
        "a at 0.7500 would make 1.5000 of capacity 1: the others have, or may still take, 0.5000",
    )
    assert capacity_blocks(Change("a", 0.5, 0.5), {"a": 0.5, "b": 0.9}, None, RULES) is None
    assert capacity_blocks(Change("a", 0.5, 0.25), {"a": 0.5, "b": 0.9}, None, RULES) is None
    assert capacity_blocks(Change("a", 0.0, 0.5), {"b": 0.5}, None, RULES) is None


def test_a_plan_is_outdated_where_one_of_its_shares_is_another():
    read = {"a": 0.5, "b": 0.4}
    assert outdated({"a": 0.5, "b": 0.4}, read, Rules(tolerance=1e-6)) is None
    assert outdated({"a": 0.5}, read, Rules(tolerance=1e-6)) is None, "of b the plan says nothing"
    found = outdated({"a": 0.5, "b": 0.3}, read, Rules(tolerance=1e-6))
    assert found == Blocked("outdated", None, "the plan starts from b at 0.3000, and it is at 0.4000")


def test_a_plan_expires_at_its_moment():
    assert expired(AT, AT) == Blocked("expired", None, "the plan was good until 2026-03-01 12:00:00 UTC")
    assert expired(later(1), AT) is None and expired(None, AT) is None


@pytest.mark.parametrize("mode", Mode)
def test_two_modes_move_nothing(mode):
    found = Rules.of(ReallocationConfig(mode=mode)).watching
    if mode in ("confirm", "automatic"):
        assert found is None
    else:
        assert found == Blocked("mode", None, f"the mode is {mode.value}: nothing is moved")
