"""Prices lie between the one-sided finite differences of the optimum, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from reallot import Allocation, AllocationProblem, Infeasible, InvalidInput, Price, allocate
from tests.strategies import LINEAR, budget, problems

STEP = 2.0**-12
"""Small against a grid of eighths: no kink of the optimum lies between a limit and a step beside it."""

FLOORS = ("min_share", "decrease_floor", "lock_in")
AMOUNTS = ("max_change", "max_increase", "max_decrease", "max_change_relative")
DIRECTIONS = {"only_increase": "max_decrease", "only_decrease": "max_increase"}
"""Limits without an amount: one unit more is one unit of the other direction, as a limit of that direction says it."""
Moved = Callable[[float], AllocationProblem]


def optimum(problem: AllocationProblem) -> float | None:
    """USD over the horizon; None where no split meets all rules."""
    try:
        return allocate(problem).certificate.objective
    except Infeasible:
        return None


def with_limits(problem: AllocationProblem, **changes: object) -> AllocationProblem:
    return replace(problem, limits=replace(problem.limits, **changes))


def with_spec(problem: AllocationProblem, name: str, **changes: object) -> AllocationProblem:
    return replace(
        problem, protocols=[replace(spec, **changes) if spec.name == name else spec for spec in problem.specs]
    )


def by_name(problem: AllocationProblem, key: str) -> dict[str, float]:
    """A limit of change by protocol, without those that it does not limit."""
    limit = getattr(problem.limits, key)
    if limit is None:
        return {}
    return dict(limit) if isinstance(limit, dict) else dict.fromkeys(problem.names, float(limit))


def without(problem: AllocationProblem, name: str) -> dict[str, object]:
    """The limits of change, but those on one protocol."""
    changes: dict[str, object] = {key: frozenset(getattr(problem.limits, key)) - {name} for key in DIRECTIONS}
    for key in AMOUNTS:
        if limit := by_name(problem, key):
            changes[key] = {other: value for other, value in limit.items() if other != name} or None
    return changes


def loosened(problem: AllocationProblem, limit: str) -> Moved:
    """The problem as a function of how much more of the limit `limit` (as named in `prices`) there is."""
    kind, _, subject = limit.partition(" ")
    limits = problem.limits
    if kind == "capacity":
        return lambda more: replace(problem, capacity=problem.capacity + more)
    if kind == "turnover":
        return lambda more: with_limits(problem, max_turnover=limits.max_turnover + more)
    if kind == "resource":
        return lambda more: replace(
            problem, resources={**problem.resources, subject: problem.resources[subject] + more}
        )
    if kind == "group":
        groups = limits.groups
        return lambda more: with_limits(problem, groups=tuple(replace(g, max_share=g.max_share + more) for g in groups))
    if kind == "held":
        free, each = without(problem, subject), by_name(problem, "max_change")
        held = frozenset(limits.held) - {subject}
        return lambda more: with_limits(problem, **free | {"held": held, "max_change": {**each, subject: more}})
    if kind in AMOUNTS:
        each = by_name(problem, kind)
        return lambda more: with_limits(problem, **{kind: {**each, subject: each[subject] + more}})
    if kind in DIRECTIONS:
        each, names = by_name(problem, DIRECTIONS[kind]), frozenset(getattr(limits, kind)) - {subject}
        return lambda more: with_limits(problem, **{kind: names, DIRECTIONS[kind]: {**each, subject: more}})
    if kind in ("max_share", "min_share"):
        now = getattr(problem[subject], kind)
        sign = 1.0 if kind == "max_share" else -1.0
        return lambda more: with_spec(problem, subject, **{kind: now + sign * more})
    # more of these two floors than there is today would not be a floor of that kind: min_share takes their place
    spec = problem[subject]
    floor = spec.lock_in.share if kind == "lock_in" else min(spec.decrease_floor, problem.current[subject])
    others = {"min_share": spec.min_share, "lock_in": spec.lock_in, "decrease_floor": spec.decrease_floor}
    others |= {kind: None if kind == "lock_in" else 0.0}
    return lambda more: with_spec(problem, subject, **others | {"min_share": floor - more})


def one_sided(problem: AllocationProblem, limit: str) -> Price:
    """What one more and the last unit of the limit are worth, by solving twice; infinite where it cannot move."""
    moved, base = loosened(problem, limit), optimum(problem)
    assert base is not None
    ends = []
    for sign in (1.0, -1.0):
        try:
            there = optimum(moved(sign * STEP))
        except InvalidInput:
            there = None
        unit = sign * STEP * problem.horizon_hours
        ends.append(-sign * float("inf") if there is None else (there - base) / unit)
    return Price(*ends)


def assert_prices_are_slopes(plan: Allocation, exactly: bool = True) -> None:
    problem = plan.problem
    near = 1e-6 * max(1.0, plan.certificate.scale / problem.horizon_hours)
    for limit, price in plan.prices.items():
        more, last = one_sided(problem, limit)
        event(limit.partition(" ")[0])
        assert price.low <= price.high + near, f"{limit}: {price} is no interval"
        if limit.startswith("held"):
            last = more
        assert more - near <= price.low, f"{limit}: {price} below the slope {more}"
        assert price.high <= last + near, f"{limit}: {price} above the slope {last}"
        # of two limits at the same height one takes the whole price: then the price is only within the interval
        if exactly and not is_tied(problem, *limit.split()[:2]):
            assert price.low == pytest.approx(more, abs=near), f"{limit}: {price}, slopes {more}, {last}"
            assert price.high == pytest.approx(last, abs=near), f"{limit}: {price}, slopes {more}, {last}"


def is_tied(problem: AllocationProblem, kind: str, name: str = "") -> bool:
    if kind in FLOORS:
        return floors_tie(problem, name)
    return kind in (*AMOUNTS, *DIRECTIONS) and changes_tie(problem, name)


def changes_tie(problem: AllocationProblem, name: str) -> bool:
    """True where two limits are the tightest one of the protocol's increase, or of its decrease."""
    each = {key: by_name(problem, key).get(name, float("inf")) for key in AMOUNTS}
    both = [each["max_change"], each["max_change_relative"] * problem.current[name]]
    for key, only in (("max_increase", "only_decrease"), ("max_decrease", "only_increase")):
        found = [*both, each[key], 0.0 if name in getattr(problem.limits, only) else float("inf")]
        if min(found) < float("inf") and found.count(min(found)) > 1:
            return True
    return False


def floors_tie(problem: AllocationProblem, name: str) -> bool:
    spec = problem[name]
    floors = [spec.min_share, min(spec.decrease_floor, problem.current[name])]
    floors += [spec.lock_in.share] if spec.lock_in is not None else []
    return floors.count(max(floors)) > 1


def feasible(data: st.DataObject, kind: str) -> AllocationProblem:
    problem = data.draw(problems(kind, grid=8, sizes=(2, 4)))
    assume(optimum(problem) is not None)
    return problem


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.5)
@given(data=st.data())
def test_exact_prices_are_the_one_sided_slopes_of_the_optimum(kind: str, data: st.DataObject) -> None:
    assert_prices_are_slopes(allocate(feasible(data, kind), solver="exact"))


@pytest.mark.parametrize("kind", [*LINEAR, "resources and groups", "resources alone", "CVaR", "robust"])
@pytest.mark.slow
@budget(0.18)
@given(data=st.data())
def test_prices_from_the_tangent_program_are_the_one_sided_slopes_too(kind: str, data: st.DataObject) -> None:
    plan = allocate(feasible(data, kind), solver="highs")
    # with whole numbers prices are those given the choices, which one more unit might change
    assume(not plan.program.is_mixed_integer)
    assert_prices_are_slopes(plan)


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.18)
@given(data=st.data())
def test_both_ways_to_prices_give_the_same_intervals(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    assume(optimum(problem) is not None)
    by_matching, by_tangent = (allocate(problem, solver=solver) for solver in ("exact", "highs"))
    near = 1e-6 * max(1.0, by_matching.certificate.scale / problem.horizon_hours)
    assert by_matching.prices.keys() == by_tangent.prices.keys()
    for limit, price in by_matching.prices.items():
        assert tuple(price) == pytest.approx(tuple(by_tangent.prices[limit]), abs=near), limit
