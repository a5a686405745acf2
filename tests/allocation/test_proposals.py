"""Every way out of a conflict, single or joint, typed as it is printed, gives a plan."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    EarningsCurve,
    Goal,
    Group,
    Infeasible,
    Limits,
    LinearRule,
    LockIn,
    Near,
    ProtocolSpec,
    allocate,
)
from reallot.allocation.relax import relax
from reallot.errors import Conflict
from tests.strategies import KINDS, budget
from tests.strategies import problems as problems_of

FEATURES = (
    *("held", "max_change", "max_turnover", "bounds", "floors", "groups", "active", "resources", "idle", "capacity"),
    *("max_moves", "min_move", "fees", "entry", "step", "one_unit", "periods", "curves", "reserve"),
    *("group floors", "least active", "rules", "near", "goal", "up and down", "relative", "one way", "hold on"),
)
NAMES = ("a", "b", "c", "d")
AMOUNT = r"(\d+(?:\.\d+)?)"


def conflict_of(problem: AllocationProblem) -> Conflict | None:
    """What stands in the way of `problem`; None where it has a plan."""
    try:
        allocate(problem)
    except Infeasible as error:
        assert error.conflict is not None, str(error)
        assert str(error) == error.conflict.message
        return error.conflict
    return None


def ways_out(message: str) -> tuple[list[str], list[str]]:
    """The proposals of a message, each to be tried alone, and those to be made together."""
    _, alone, together = message.partition("; no single rule is enough")
    if alone:
        return [], split(together.removeprefix("; together, "))
    return split(message.rpartition("; ")[2]), []


def split(text: str) -> list[str]:
    return [part for part in re.split(r", (?!together)(?!to )| or (?!lower capacity)| and ", text) if part]


def typed(problem: AllocationProblem, proposal: str, conflict: Conflict) -> Iterator[AllocationProblem]:
    """The problems that somebody gets who does what `proposal` says, number for number."""
    if proposal == "release one of them":
        for rule in conflict.rules:
            if rule.startswith("held "):
                yield release(problem, rule.removeprefix("held "))
        return
    for pattern, change in WAYS.items():
        found = re.fullmatch(pattern, proposal)
        if found:
            yield from change(problem, *found.groups())
            return
    raise AssertionError(f"nobody can type {proposal!r}")


def release(problem: AllocationProblem, name: str) -> AllocationProblem:
    held = problem.limits.held
    left: Any = {key: t for key, t in held.items() if key != name} if isinstance(held, dict) else set(held) - {name}
    return limited(problem, held=left)


def limited(problem: AllocationProblem, **changes: Any) -> AllocationProblem:
    return replace(problem, limits=replace(problem.limits, **changes))


def more(value: Any, by: str) -> Any:
    return tuple(each + float(by) for each in value) if isinstance(value, tuple) else value + float(by)


def spec_changed(problem: AllocationProblem, name: str, **changes: Any) -> AllocationProblem:
    return replace(problem, protocols=[replace(s, **changes) if s.name == name else s for s in problem.specs])


def group_changed(problem: AllocationProblem, name: str, key: str, by: float) -> AllocationProblem:
    groups = [replace(g, **{key: getattr(g, key) + by}) if g.name == name else g for g in problem.limits.groups]
    return limited(problem, groups=tuple(groups))


def change_of(problem: AllocationProblem, key: str, name: str, by: str) -> AllocationProblem:
    limit = getattr(problem.limits, key)
    table = dict(limit) if isinstance(limit, dict) else dict.fromkeys(problem.names, limit)
    return limited(problem, **{key: {**table, name: table[name] + float(by)}})


def rule_typed(problem: AllocationProblem, name: str, _by: str, text: str) -> AllocationProblem:
    """The rule of that name as the text has it; one with two bounds is two texts."""
    low, between, rest = text.partition(" <= ")
    both = [f"{rest.partition(' <= ')[0]} >= {low}", rest] if between and " <= " in rest else [text]
    kept = [rule for rule in problem.limits.rules if rule.name != name]
    assert len(kept) < len(problem.limits.rules)
    return limited(problem, rules=[*kept, *both])


def floor_of(problem: AllocationProblem, name: str, by: str, to: str | None) -> AllocationProblem:
    now = problem[name].decrease_floor
    return spec_changed(problem, name, decrease_floor=now - float(by) if to is None else float(to))


Change = Callable[..., list[AllocationProblem]]
WAYS: dict[str, Change] = {
    r"release (\w+)": lambda p, name: [release(p, name)],
    rf"raise capacity by {AMOUNT}": lambda p, by: [replace(p, capacity=p.capacity + float(by))],
    rf"allow idle capacity \(or lower capacity by {AMOUNT}\)": lambda p, by: [
        replace(p, allow_idle=True),
        replace(p, capacity=p.capacity - float(by)),
    ],
    rf"raise max_turnover by {AMOUNT}": lambda p, by: [limited(p, max_turnover=more(p.limits.max_turnover, by))],
    r"raise max_moves by (\d+)": lambda p, by: [limited(p, max_moves=p.limits.max_moves + int(by))],
    rf"raise resource (\w+) by {AMOUNT}": lambda p, key, by: [
        replace(p, resources={**p.resources, key: p.resources[key] + float(by)})
    ],
    rf"raise max_share of group (\w+) by {AMOUNT}": lambda p, name, by: [
        group_changed(p, name, "max_share", float(by))
    ],
    r"raise max_active of group (\w+) by (\d+)": lambda p, name, by: [group_changed(p, name, "max_active", int(by))],
    rf"lower min_share of group (\w+) by {AMOUNT}": lambda p, name, by: [
        group_changed(p, name, "min_share", -float(by))
    ],
    r"lower min_share of group (\w+) to 0": lambda p, name: [
        group_changed(p, name, "min_share", -next(g.min_share for g in p.limits.groups if g.name == name))
    ],
    r"lower min_share of (\w+) to 0": lambda p, name: [spec_changed(p, name, min_share=0.0)],
    r"lower the lock-in of (\w+) to 0": lambda p, name: [
        spec_changed(p, name, lock_in=replace(p[name].lock_in, share=0.0))
    ],
    r"lower decrease_floor of (\w+) to 0": lambda p, name: [spec_changed(p, name, decrease_floor=0.0)],
    r"lower min_active of group (\w+) by (\d+)": lambda p, name, by: [group_changed(p, name, "min_active", -int(by))],
    rf"loosen rule (.+) by {AMOUNT}, to (.+)": lambda p, name, by, text: [rule_typed(p, name, by, text)],
    rf"raise within of near by {AMOUNT}": lambda p, by: [
        limited(p, near=replace(p.limits.near, within=p.limits.near.within + float(by)))
    ],
    rf"lower at_least of the goal by {AMOUNT} USD/h": lambda p, by: [
        replace(p, goal=replace(p.goal, at_least=p.goal.at_least - float(by)))
    ],
    r"let (\w+) decrease: take it out of only_increase": lambda p, name: [
        limited(p, only_increase=set(p.limits.only_increase) - {name})
    ],
    r"let (\w+) increase: take it out of only_decrease": lambda p, name: [
        limited(p, only_decrease=set(p.limits.only_decrease) - {name})
    ],
    r"set hold_after_change to 0": lambda p: [limited(p, hold_after_change=0)],
    rf"raise (max_\w+) by {AMOUNT}": lambda p, key, by: [limited(p, **{key: more(getattr(p.limits, key), by)})],
    rf"raise (max_change\w*|max_increase|max_decrease) of (\w+) by {AMOUNT}": lambda p, key, name, by: [
        change_of(p, key, name, by)
    ],
    rf"raise max_share of (\w+) by {AMOUNT}": lambda p, name, by: [
        spec_changed(p, name, max_share=p[name].max_share + float(by))
    ],
    rf"lower min_share of (\w+) by {AMOUNT}": lambda p, name, by: [
        spec_changed(p, name, min_share=p[name].min_share - float(by))
    ],
    rf"lower the lock-in of (\w+) by {AMOUNT}": lambda p, name, by: [
        spec_changed(
            p, name, lock_in=replace(p[name].lock_in, share=p[name].lock_in.share - float(by))
        )
    ],
    rf"lower decrease_floor of (\w+) by {AMOUNT}(?:, to {AMOUNT})?": lambda p, name, by, to: [
        floor_of(p, name, by, to)
    ],
}  # fmt: skip


def check_ways_out(problem: AllocationProblem, conflict: Conflict) -> None:
    """Whoever types a proposal gets a plan, and so does whoever uses the conflict's amounts."""
    alone, together = ways_out(conflict.message)
    event("a way out" if alone or together else "no way out was found in time")
    assert not together or not conflict.relaxations, conflict.message
    for proposal in alone:
        for eased in typed(problem, proposal, conflict):
            allocate(eased)
    joint = problem
    for proposal in together:
        (joint,) = list(typed(joint, proposal, conflict))[-1:]
    if together:
        allocate(joint)
    for entry in conflict.relaxations:
        allocate(relax(problem, entry.rule, entry.amount))
        counts = entry.rule.startswith(("max_moves", "active"))
        assert not counts or entry.amount == int(entry.amount) >= 1
    assert not re.search(r"by 0\.0*(?!\d)", conflict.message), conflict.message


@st.composite
def share(draw: st.DrawFn, of: float = 1.0) -> float:
    """A share on a coarse grid, a third of one, or one with many digits, as part of `of`."""
    return of * draw(
        st.one_of(
            st.integers(0, 20).map(lambda k: k / 20),
            st.integers(0, 12).map(lambda k: k / 12),
            st.integers(0, 10**6).map(lambda k: k / 10**6 + (k / 3e9 if k % 2 else 0.0)),
        )
    )


@st.composite
def limits_of_later(draw: st.DrawFn, names: tuple[str, ...], features: set[str], size: float) -> dict[str, Any]:
    """Relations, a split to be near to, and limits of change by direction, as a part, one way and in time."""
    limits: dict[str, Any] = {}
    weight = st.sampled_from([1.0, -1.0, 0.5, 2.0, 1.0 / 3.0, 1.2345678])
    if "rules" in features:
        sides = draw(st.sampled_from([["at_most"], ["at_least"], ["equals"]]))
        weights = {name: draw(weight) for name in names}
        limits["rules"] = [LinearRule(weights, **{side: draw(share(size)) for side in sides})]
    if "near" in features:
        limits["near"] = Near({name: draw(share(size)) for name in names}, draw(share(0.3 * size)))
    if "up and down" in features:
        limits["max_increase"] = draw(st.none() | share(0.3 * size))
        limits["max_decrease"] = draw(
            st.none() | st.dictionaries(st.sampled_from(names), share(0.3 * size), min_size=1)
        )
    if "relative" in features:
        limits["max_change_relative"] = draw(share())
    if "one way" in features:
        first, *others = names
        limits["only_increase"] = {first} if draw(st.booleans()) else set()
        limits["only_decrease"] = set(others) if draw(st.booleans()) else set()
    if "hold on" in features:
        limits["hold_after_change"] = draw(st.integers(1, 2))
    return limits


@st.composite
def rules_in_conflict(draw: st.DrawFn) -> AllocationProblem:
    """A problem with two to seven of FEATURES, tight enough to be infeasible more often than not."""
    features = draw(st.sets(st.sampled_from(FEATURES), min_size=2, max_size=7))
    count = draw(st.integers(1, 4))
    names, periods = NAMES[:count], draw(st.integers(2, 3)) if "periods" in features else 1
    size = draw(st.sampled_from([10.0, 0.3, 8.0, 1e-3])) if "capacity" in features else 1.0
    parts = [draw(share()) for _ in names]
    scale = draw(st.sampled_from([1.0, 1.0, 1.0, 1.2, 0.7, 3.0])) * size / (sum(parts) or 1.0)
    current = dict(zip(names, [part * scale for part in parts], strict=True))
    specs = []
    for name in names:
        given: dict[str, Any] = {}
        curve: Any = draw(st.sampled_from([0.0, 1.0, 2.5, -1.0]))
        if "curves" in features and draw(st.booleans()):
            curve = EarningsCurve((0.0, 0.3 * size), (0.0, 0.6), 1.0)
        if "bounds" in features:
            given["max_share"] = draw(st.none() | share(size))
            given["min_share"] = draw(share(size))
            if given["max_share"] is not None:
                given["min_share"] = min(given["min_share"], given["max_share"])
        if "floors" in features:
            given["decrease_floor"] = draw(st.just(0.0) | share(size))
            given["lock_in"] = draw(st.none() | st.builds(LockIn, share(size), st.integers(1, 2)))
        if "fees" in features:
            given["move_fee"] = draw(st.sampled_from([0.0, 0.1]))
        if "entry" in features:
            given["entry_share"] = draw(st.sampled_from([0.0, 0.2, 0.35])) * size
        if "step" in features:
            given["step"] = draw(st.sampled_from([0.0, 0.2, 0.25, 0.3])) * size
        if "resources" in features:
            cpu, disk = draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])), draw(st.sampled_from([0.0, 8.0]))
            given["uses"] = {"cpu": cpu, "disk": disk}
        specs.append(ProtocolSpec(name, curve, **given))
    limits: dict[str, Any] = {}
    if "held" in features:
        limits["held"] = draw(
            st.sets(st.sampled_from(names), min_size=1)
            | st.dictionaries(st.sampled_from(names), st.integers(0, periods), min_size=1)
        )
    if "max_change" in features:
        forms = [share(0.3 * size), st.dictionaries(st.sampled_from(names), share(0.3 * size), min_size=1)]
        if periods > 1:
            forms.append(st.lists(share(0.3 * size), min_size=periods, max_size=periods))
        limits["max_change"] = draw(st.one_of(forms))
    if "max_turnover" in features:
        forms = [share(0.3 * size)]
        if periods > 1:
            forms.append(st.lists(share(0.3 * size), min_size=periods, max_size=periods))
        limits["max_turnover"] = draw(st.one_of(forms))
    if "max_moves" in features:
        limits["max_moves"] = draw(st.integers(0, 2))
    if "min_move" in features:
        limits["min_move"] = draw(share(0.3 * size))
    if features & {"groups", "active", "group floors", "least active"}:
        members = tuple(sorted(draw(st.sets(st.sampled_from(names), min_size=1))))
        cap = draw(share(size)) if "groups" in features else None
        active = draw(st.integers(0, 2)) if "active" in features else None
        least = min(draw(share(size)), math.inf if cap is None else cap) if "group floors" in features else 0.0
        fewest = min(draw(st.integers(1, 2)), 2 if active is None else active, len(members))
        limits["groups"] = (Group("pool", members, cap, active, least, fewest if "least active" in features else None),)
    limits |= draw(limits_of_later(names, features, size))
    if "goal" in features:
        given_goal = Goal(draw(st.sampled_from([0.5, 1.7, 3.0])) * size, draw(st.sampled_from(["turnover", "moves"])))
    return AllocationProblem(
        specs,
        current,
        capacity=size,
        reserve=0.1 * size if "reserve" in features else 0.0,
        periods=periods,
        allow_idle="idle" in features,
        resources={"cpu": draw(share(2.0 * size)), "disk": draw(share(4.0 * size))} if "resources" in features else {},
        limits=Limits(**limits, allow_one_unit="one_unit" in features),
        goal=given_goal if "goal" in features else None,
    )


@pytest.mark.slow
@given(problem=rules_in_conflict())
def test_every_printed_proposal_gives_a_plan_as_it_is_typed(problem: AllocationProblem) -> None:
    conflict = conflict_of(problem)
    event("feasible" if conflict is None else "infeasible")
    if conflict is not None:
        check_ways_out(problem, conflict)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@budget(0.25)
@given(data=st.data())
def test_every_printed_proposal_gives_a_plan_for_every_kind_of_problem(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems_of(kind, sizes=(1, 4)))
    conflict = conflict_of(problem)
    if conflict is not None:
        check_ways_out(problem, conflict)


def test_a_floor_is_not_lowered_by_more_than_it_is() -> None:
    # a third of the machine for a pool of which nobody may be active: "by 0.3334" would leave less than nothing
    limits = Limits(groups=[Group("pool", ["a"], max_active=0, min_share=1.0 / 3.0)])
    conflict = conflict_of(AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}, limits=limits))
    assert conflict is not None
    assert "lower min_share of group pool to 0" in conflict.message
    assert [each.amount for each in conflict.relaxations if each.rule == "group_floor pool"] == [1.0 / 3.0]
