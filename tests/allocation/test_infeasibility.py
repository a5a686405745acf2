"""Infeasible problems: the rules by name, the amount, and relaxations that are enough and no more than needed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Group, Infeasible, InvalidInput, Limits, LockIn, ProtocolSpec, allocate
from reallot.allocation.infeasibility import find_conflict, is_feasible
from reallot.allocation.relax import relax
from reallot.errors import Conflict
from tests.strategies import KINDS, budget, problems


def conflict_of(problem: AllocationProblem, solver: str = "auto") -> Conflict:
    with pytest.raises(Infeasible) as caught:
        allocate(problem, solver=solver)
    assert caught.value.conflict is not None
    assert str(caught.value) == caught.value.conflict.message
    return caught.value.conflict


def test_held_protocols_over_capacity_read_like_a_sentence() -> None:
    # storage and relay are held at 0.40 each: 0.80 of capacity 0.60, so 0.20 too much
    problem = AllocationProblem(
        {"storage": 1.0, "relay": 2.0, "compute": 3.0},
        {"storage": 0.4, "relay": 0.4, "compute": 0.0},
        capacity=0.6,
        limits=Limits(held={"storage", "relay"}),
    )
    conflict = conflict_of(problem)
    assert conflict.message == (
        "held protocols already take 0.80 (storage 0.40, relay 0.40) of capacity 0.60; "
        "release one of them or raise capacity by 0.20"
    )
    assert set(conflict.rules) == {"capacity", "held storage", "held relay"}
    assert conflict.amount == pytest.approx(0.2)


def test_ceilings_below_capacity_say_how_much_can_be_placed() -> None:
    specs = [ProtocolSpec("a", 1.0, max_share=0.5), ProtocolSpec("b", 1.0, max_share=0.3)]
    conflict = conflict_of(AllocationProblem(specs, {"a": 0.4, "b": 0.4}))
    assert "at most 0.80 (a 0.50 by max_share, b 0.30 by max_share) of capacity 1.00 can be placed" in conflict.message
    assert "allow idle capacity" in conflict.message
    assert "raise max_share of a by 0.20" in conflict.message


def test_one_protocol_against_itself_is_named_with_its_share() -> None:
    specs = [ProtocolSpec("a", 1.0, max_share=0.3), ProtocolSpec("b", 1.0)]
    conflict = conflict_of(AllocationProblem(specs, {"a": 0.5, "b": 0.5}, limits=Limits(held={"a"})))
    assert conflict.message.startswith("a (now 0.50) cannot meet its own rules: held at 0.50 and max_share 0.30")
    assert "release a" in conflict.message and "raise max_share of a by 0.20" in conflict.message


def test_forced_moves_over_turnover_give_both_amounts() -> None:
    # a must fall from 0.6 to 0.3, which is a turnover of 0.3
    specs = [ProtocolSpec("a", 1.0, max_share=0.3), ProtocolSpec("b", 1.0)]
    conflict = conflict_of(AllocationProblem(specs, {"a": 0.6, "b": 0.4}, limits=Limits(max_turnover=0.2)))
    assert "moves of 0.30 are forced by max_share a 0.30, max_turnover is 0.20" in conflict.message
    assert "raise max_turnover by 0.10" in conflict.message


def test_the_reserve_is_part_of_the_sentence() -> None:
    problem = AllocationProblem({"a": 1.0}, {"a": 0.5}, reserve=0.6, limits=Limits(held={"a"}))
    message = conflict_of(problem).message
    assert "held protocols already take 0.50 (a 0.50) of capacity 0.40 (1.00 less reserve 0.60)" in message


def test_a_resource_gives_what_is_needed_and_what_there_is() -> None:
    # a at its floor 0.5 uses 4 cpu, b with the other half 3: 7 of 6.5
    specs = [ProtocolSpec("a", 1.0, min_share=0.5, uses={"cpu": 8}), ProtocolSpec("b", 1.0, uses={"cpu": 6})]
    conflict = conflict_of(AllocationProblem(specs, {"a": 0.6, "b": 0.4}, resources={"cpu": 6.5}))
    assert "7.00 of resource cpu is needed, there is 6.50" in conflict.message
    assert "raise resource cpu by 0.50" in conflict.message


def test_whole_units_that_do_not_fill_capacity_are_no_matter_of_fractions() -> None:
    specs = [ProtocolSpec("a", 1.0, step=0.25), ProtocolSpec("b", 1.0, step=0.25)]
    conflict = conflict_of(AllocationProblem(specs, {"a": 0.5, "b": 0.5}, capacity=0.9))
    assert "units, entry shares or counts leave no split" in conflict.message
    assert {entry.rule: entry.amount for entry in conflict.relaxations} == pytest.approx(
        {"capacity": 0.1, "capacity lower": 0.15}
    )


def test_a_group_that_may_not_all_be_active_is_named() -> None:
    group = Group("ip", ("a", "b"), max_active=1)
    problem = AllocationProblem(
        {"a": 1.0, "b": 1.0}, {"a": 0.6, "b": 0.4}, limits=Limits(groups=(group,), max_change=0.2)
    )
    conflict = conflict_of(problem)
    assert "raise max_active of group ip by 1" in conflict.message


def test_a_lock_in_beyond_max_change_is_named_over_several_periods() -> None:
    specs = [ProtocolSpec("a", 1.0), ProtocolSpec("b", 1.0, lock_in=LockIn(0.7, 2))]
    problem = AllocationProblem(specs, {"a": 0.6, "b": 0.4}, periods=3, limits=Limits(max_change=0.2))
    assert "lower the lock-in of b by 0.10" in conflict_of(problem).message


def test_the_amount_shown_is_never_below_what_is_needed() -> None:
    # 0.70 must fit into 0.60: a third of 0.1 from each of three
    problem = AllocationProblem(
        {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.4, "b": 0.4, "c": 0.2}, capacity=0.6, limits=Limits(max_change=0.1)
    )
    assert "raise max_change by 0.03334" in conflict_of(problem).message


def test_a_decrease_floor_above_the_present_share_is_lowered_from_that_share() -> None:
    # 0.30 is held by a floor of 0.35: the floor in force is 0.30, and capacity 0.20 asks for 0.10 less
    specs = [ProtocolSpec("a", 1.0, decrease_floor=0.35)]
    conflict = conflict_of(AllocationProblem(specs, {"a": 0.3}, capacity=0.2))
    assert conflict.message.endswith("lower decrease_floor of a by 0.10, to 0.20")


def test_a_share_far_above_the_capacity_is_told_how_far_it_has_to_fall() -> None:
    # 12 may fall by 0.5, to 11.5: 1.5 more than the capacity of 10
    problem = AllocationProblem({"a": 1.0}, {"a": 12.0}, capacity=10.0, limits=Limits(max_change=0.5))
    conflict = conflict_of(problem)
    assert conflict.message == (
        "what may not shrink takes 11.50 (a 11.50 by max_change) of capacity 10.00; "
        "raise capacity by 1.50 or raise max_change of a by 1.50"
    )
    assert conflict.amount == pytest.approx(1.5)


def test_a_floor_above_the_capacity_is_lowered_or_capacity_raised() -> None:
    problem = AllocationProblem([ProtocolSpec("a", 1.0, min_share=3.0), ProtocolSpec("b", 2.0)], {"a": 0.5, "b": 0.5})
    assert conflict_of(problem).message.endswith("raise capacity by 2.00 or lower min_share of a by 2.00")


@pytest.mark.parametrize("solver", ["auto", "highs", "scipy"])
def test_an_amount_too_small_for_two_decimals_is_written_out(solver: str) -> None:
    limits = Limits(held={"a"})
    problem = AllocationProblem(
        [ProtocolSpec("a", 1.0, min_share=3e-9), ProtocolSpec("b", 2.0)], {"a": 0.0, "b": 1.0}, limits=limits
    )
    message = conflict_of(problem, solver).message
    assert message.endswith("release a or lower min_share of a by 0.000000003")


def test_no_capacity_can_be_lowered_below_its_reserve_but_idle_may_be_allowed() -> None:
    problem = AllocationProblem({"a": 1.0}, {"a": 0.0}, reserve=0.1, limits=Limits(held={"a"}, max_turnover=0.0))
    message = conflict_of(problem).message
    assert message.endswith("allow idle capacity (or lower capacity by 0.90)")
    assert allocate(replace(problem, capacity=1.0 - 0.9)).shares["a"] == 0.0


def test_a_count_is_loosened_by_a_whole_number() -> None:
    # c has to take 4 of 10 from a or b, which is two moves
    specs = [ProtocolSpec("a", 1.0), ProtocolSpec("b", 1.0), ProtocolSpec("c", 1.0, min_share=4.0)]
    problem = AllocationProblem(specs, {"a": 5.0, "b": 5.0, "c": 0.0}, capacity=10.0, limits=Limits(max_moves=0))
    assert conflict_of(problem).message.endswith("raise max_moves by 2 or lower min_share of c by 4.00")


def test_a_max_change_per_period_is_raised_for_all_protocols() -> None:
    specs = [ProtocolSpec("a", 1.0, max_share=0.3), ProtocolSpec("b", 1.0)]
    problem = AllocationProblem(specs, {"a": 0.5, "b": 0.5}, periods=2, limits=Limits(max_change=[0.1, 0.2]))
    assert "raise max_change by 0.10" in conflict_of(problem).message


def test_where_no_single_rule_is_enough_the_least_set_is_given() -> None:
    specs = [ProtocolSpec("a", 1.0, max_share=0.1), ProtocolSpec("b", 1.0, min_share=0.8)]
    problem = AllocationProblem(specs, {"a": 0.9, "b": 0.1}, limits=Limits(held={"a", "b"}))
    conflict = conflict_of(problem)
    assert not conflict.relaxations
    together = "raise max_share of a by 0.80 and lower min_share of b by 0.70"
    assert conflict.message.endswith(f"no single rule is enough; together, {together}")
    typed = [replace(specs[0], max_share=0.1 + 0.80), replace(specs[1], min_share=0.8 - 0.70)]
    assert allocate(replace(problem, protocols=typed)).shares.round(9).to_dict() == problem.current


def test_a_feasible_problem_has_no_conflict_to_explain() -> None:
    with pytest.raises(InvalidInput, match="feasible"):
        find_conflict(AllocationProblem({"a": 1.0}, {"a": 1.0}))


def test_relaxing_an_unknown_rule_lists_the_rules() -> None:
    with pytest.raises(InvalidInput, match=r"no rule 'patience'.*capacity"):
        relax(AllocationProblem({"a": 1.0}, {"a": 1.0}), "patience", 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.25)
@given(data=st.data())
def test_every_relaxation_is_enough_alone_and_half_of_it_is_not(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, sizes=(1, 4)))
    if is_feasible(problem):
        return
    conflict = find_conflict(problem)
    assert conflict.rules and conflict.amount > 0.0
    named = {word for rule in conflict.rules for word in rule.split()[1:]}
    assert all(word in conflict.message or len(named) > 5 for word in named - {"lower"})
    for entry in conflict.relaxations:
        assert is_feasible(relax(problem, entry.rule, entry.amount)), entry
        whole = entry.rule.startswith(("held", "max_moves", "active"))
        if not whole and entry.amount > 1e-7:
            assert not is_feasible(relax(problem, entry.rule, 0.5 * entry.amount)), entry


def test_where_nothing_was_found_to_loosen_the_message_says_so() -> None:
    specs = [ProtocolSpec("a", 1.0, max_share=0.1), ProtocolSpec("b", 1.0, min_share=0.8)]
    problem = AllocationProblem(specs, {"a": 0.9, "b": 0.1}, limits=Limits(held={"a", "b"}))
    conflict = find_conflict(problem, has_plan=lambda _: False)
    assert conflict.message.endswith("; no set of rules to loosen together was found in time; no single rule is enough")
