"""What must hold on every path to an answer: looser is no worse, who cannot move disturbs nobody, near is the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Group,
    Infeasible,
    Limits,
    LinearRule,
    ProtocolSpec,
    allocate,
    allocate_many,
    session,
)
from reallot.errors import InvalidInput
from reallot.problem.effective import PRESENT, TOGETHER
from tests.test_costs_that_never_pay import COSTS, WAYS
from tests.test_independent_model import EXAMPLES, loosened, problems, proved_worth, same
from tests.test_rates_beyond_all_others import RATES

Worth = Callable[[AllocationProblem], float]


def by(solver: str) -> Worth:
    return lambda problem: proved_worth(allocate(problem, solver=solver))


def kept_hot(problem: AllocationProblem) -> float:
    """By a session that decided something else before."""
    first = replace(
        problem, limits=Limits(), protocols=[ProtocolSpec(name, 1.0) for name in problem.names], resources={}
    )
    live = session(first)
    with suppress(Infeasible):
        live.solve()
    live.problem = problem
    return proved_worth(live.solve())


PATHS: dict[str, Worth] = {
    **{solver: by(solver) for solver in ("auto", "exact", "fees", "horizon", "highs", "scipy", "pulp")},
    "session": kept_hot,
}
"""Each path that takes any problem, or declines it."""


def worth(path: str, problem: AllocationProblem) -> float | str | None:
    """What the plan is worth; None where there is none, "declined" where the path does not take the problem."""
    try:
        return PATHS[path](problem)
    except Infeasible:
        return None
    except InvalidInput as error:
        assert "declines" in str(error), error
        return "declined"


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(problem=problems(), path=st.sampled_from(sorted(PATHS)))
def test_every_path_that_takes_a_problem_gives_the_same_worth(problem: AllocationProblem, path: str) -> None:
    found = worth(path, problem)
    if found != "declined":
        assert same(found, worth("auto", problem))  # type: ignore[arg-type]


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(problem=problems(), path=st.sampled_from(sorted(PATHS)), data=st.data())
def test_a_bound_loosened_by_little_never_lowers_the_optimum_on_any_path(
    problem: AllocationProblem, path: str, data: st.DataObject
) -> None:
    little = data.draw(st.sampled_from([10.0**-k for k in range(3, 13)]))
    before, after = worth(path, problem), worth(path, loosened(problem, little, data))
    if isinstance(before, float) and after != "declined":
        assert isinstance(after, float) and after >= before - 1e-7 * max(1.0, abs(before))


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(problem=problems(), path=st.sampled_from(sorted(PATHS)), data=st.data())
def test_who_cannot_move_changes_nothing_for_the_others_on_any_path(
    problem: AllocationProblem, path: str, data: st.DataObject
) -> None:
    """Whatever it costs to move, or earns."""
    name, spec = problem.names[0], problem.specs[0]
    # what the others are to earn for a goal depends on what this one earns
    problem = replace(problem, goal=None, limits=replace(problem.limits, held={name}))
    cost, way = data.draw(st.sampled_from(COSTS)), data.draw(st.sampled_from([*WAYS, "rate"]))
    rate = data.draw(st.sampled_from(RATES)) if way == "rate" else 0.0
    other = replace(spec, curve=rate) if way == "rate" else replace(spec, **{way: cost})
    before, after = (others(path, replace(problem, protocols=[each, *problem.specs[1:]])) for each in (spec, other))
    if isinstance(before, float) and isinstance(after, float):
        assert same(before, after)
    else:
        assert before == "declined" or after == "declined" or before == after


def others(path: str, problem: AllocationProblem) -> float | str | None:
    """What all but the first protocol bring, less all costs."""
    if path == "session":
        path = "highs"
    try:
        plan = allocate(problem, solver=path)
    except Infeasible:
        return None
    except InvalidInput:
        return "declined"
    return float(plan.value.earnings[:, 1:].sum() * plan.value.hours) - plan.cost


@pytest.mark.slow
@given(
    off=st.sampled_from([0.0, *(sign * 0.5 * 10.0**-k for k in range(6, 13) for sign in (1.0, -1.0))]),
    held=st.sets(st.sampled_from("abc"), max_size=3),
    most=st.sampled_from([0.2, 0.3, 0.5]),
)
def test_every_path_says_the_same_of_sums_that_are_off_by_little(off: float, held: set[str], most: float) -> None:
    specs = [ProtocolSpec(name, rate, max_share=most) for name, rate in zip("abc", (1.0, 3.0, 2.0), strict=True)]
    current = {"a": 0.5, "b": 0.3, "c": 0.2 + off}
    problem = AllocationProblem(specs, current, limits=Limits(held=held))
    first = worth("auto", problem)
    for path in ("exact", "highs", "scipy", "pulp", "session"):
        assert same(worth(path, problem), first, 8.0 * PRESENT), path  # type: ignore[arg-type]
    many = allocate_many(
        [[1.0, 3.0, 2.0]], [list(current.values())], upper=most, held=[[name in held for name in "abc"]]
    )
    assert (int(many.status[0]) == 0) == (first is not None)
    if first is not None:
        assert same(float(many.earnings_per_hour[0] - many.cost[0]), first, 8.0 * PRESENT)  # type: ignore[arg-type]


def together(kind: str, off: float) -> AllocationProblem:
    """Limits that leave one split when their sums are met, and none when they are off by more than rounding."""
    specs = [ProtocolSpec(name, rate) for name, rate in zip("abc", (3.0, 2.0, 1.0), strict=True)]
    current, limits = {"a": 0.5, "b": 0.3, "c": 0.2}, Limits()
    if kind in ("ceilings", "ceilings over two periods"):
        most = (0.2, 0.4, 0.4 - off)
        specs = [replace(spec, max_share=each) for spec, each in zip(specs, most, strict=True)]
    elif kind == "floors":
        least = (0.2, 0.4, 0.4 + off)
        specs = [replace(spec, min_share=each) for spec, each in zip(specs, least, strict=True)]
    elif kind == "groups":
        limits = Limits(groups=[Group("g", ["a", "b"], 0.6 - off), Group("h", ["c"], 0.4)])
    elif kind == "rules":
        limits = Limits(rules=[LinearRule({"a": 1.0, "b": 1.0}, 0.6 - off), LinearRule({"c": 1.0}, 0.4)])
    else:
        specs[0] = replace(specs[0], max_share=0.2)
        limits = Limits(max_turnover=0.3 - off)
    periods = 2 if "periods" in kind else 1
    return AllocationProblem(specs, current, limits=limits, periods=periods, horizon_hours=float(periods))


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-11, 1e-10, 3e-10, 4e-10, -1e-10, 2e-9, 1e-8, 1e-7, 1e-6])
@pytest.mark.parametrize("kind", ["ceilings", "ceilings over two periods", "floors", "groups", "rules", "turnover"])
def test_every_path_says_the_same_of_limits_that_together_miss_a_sum_by_little(kind: str, off: float) -> None:
    problem = together(kind, off)
    found = {path: worth(path, problem) for path in ("auto", "exact", "highs", "scipy", "session")}
    told = {path: each for path, each in found.items() if each != "declined"}
    assert len({each is None for each in told.values()}) == 1, told
    assert (told["auto"] is None) == (off > TOGETHER), told
    for each in told.values():
        assert each is None or same(each, told["auto"], 8.0 * PRESENT), told  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["auto", "highs", "scipy", "session"])
def test_a_sum_that_is_missed_by_more_than_a_certificate_allows_has_no_plan(path: str) -> None:
    """A solver's own tolerance comes on top of the slack; what it takes for met is looked at again."""
    specs = [ProtocolSpec("a", 0.0), ProtocolSpec("b", 0.0)]
    limits = Limits(max_moves=1, max_change_relative=0.0, groups=[Group("g", ["a", "b"], max_active=1)])
    assert worth(path, AllocationProblem(specs, {"a": 1.0 + 1.2777e-9, "b": 0.0}, limits=limits)) is None
