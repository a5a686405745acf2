"""Limits and sums that the present shares miss by rounding: one tolerance, the same on every path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Goal,
    Group,
    Infeasible,
    Limits,
    LinearRule,
    LockIn,
    Near,
    ProtocolSpec,
    allocate,
    allocate_many,
)
from reallot.problem.effective import PRESENT
from reallot.solvers.single_period.batch import BatchStatus

NAMES = ("a", "b", "c")
OFF = [sign * 0.5 * 10.0**-k for k in range(6, 13) for sign in (1.0, -1.0)]
PATHS = ("exact", "highs", "scipy", "fees", "horizon")


def shares_off_by(off: float, held: tuple[str, ...] = (), periods: int = 1, **spec: float) -> AllocationProblem:
    """Three protocols whose present shares sum to 1 + `off`."""
    specs = [ProtocolSpec(name, rate, **spec) for name, rate in zip(NAMES, (1.0, 3.0, 2.0), strict=True)]
    current = {"a": 0.5, "b": 0.3, "c": 0.2 + off}
    return AllocationProblem(specs, current, limits=Limits(held=held), periods=periods)


def outcome(problem: AllocationProblem, path: str) -> list[float] | None:
    """The plan's shares by `path`, with what the path needs to take the problem; None where it is infeasible."""
    if path == "fees":
        specs = [ProtocolSpec(spec.name, spec.curve, move_fee=1e-9) for spec in problem.specs]
        problem = AllocationProblem(specs, problem.current, limits=problem.limits)
    if path == "horizon":
        problem = AllocationProblem(problem.specs, problem.current, limits=problem.limits, periods=2)
    try:
        return [float(share) for share in allocate(problem, solver=path).schedule[0]]
    except Infeasible:
        return None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("off", OFF)
def test_present_shares_that_are_all_held_meet_the_sum_within_the_tolerance_on_every_path(
    path: str, off: float
) -> None:
    problem = shares_off_by(off, held=NAMES)
    expected = list(problem.current.values()) if abs(off) <= PRESENT else None
    assert outcome(problem, path) == expected


@pytest.mark.parametrize("solver", ["numpy", "numba"])
@pytest.mark.parametrize("off", OFF)
def test_a_batch_says_of_each_problem_what_it_says_alone(solver: str, off: float) -> None:
    if solver == "numba":
        pytest.importorskip("numba")
    current = [[0.5, 0.3, 0.2 + off]]
    many = allocate_many([[1.0, 3.0, 2.0]], current, held=[[True] * 3], solver=solver)
    if abs(off) <= PRESENT:
        assert many.status[0] == BatchStatus.OPTIMAL
        assert many.shares[0].tolist() == many.allocation(0).schedule[0].tolist() == current[0]
    else:
        assert many.status[0] == BatchStatus.INFEASIBLE
        with pytest.raises(Infeasible):
            many.allocation(0)


@pytest.mark.slow
@given(
    off=st.sampled_from([0.0, *OFF]),
    held=st.sets(st.sampled_from(NAMES), max_size=2),
    max_share=st.sampled_from([0.2, 0.3, 0.5]),
    bound_off=st.sampled_from([0.0, *OFF]),
)
def test_all_paths_agree_where_sums_and_bounds_are_off_by_little(
    off: float, held: set[str], max_share: float, bound_off: float
) -> None:
    problem = shares_off_by(off, held=tuple(sorted(held)), max_share=max_share + bound_off)
    plans = {path: outcome(problem, path) for path in PATHS if path != "fees"}
    first = plans["exact"]
    for path, shares in plans.items():
        assert (shares is None) == (first is None), (path, plans)
        if shares is not None and first is not None:
            assert np.allclose(shares, first, atol=4.0 * PRESENT, rtol=0.0), (path, plans)


def test_the_fee_path_does_not_count_rounding_as_a_move() -> None:
    specs = [ProtocolSpec("a", 1.0, max_share=0.3), ProtocolSpec("b", 3.0), ProtocolSpec("c", 0.0)]
    problem = AllocationProblem(specs, {"a": 0.1 + 0.2, "b": 0.3, "c": 0.4}, limits=Limits(max_moves=2))
    plan = allocate(problem)
    assert plan.solver == "fees" and plan.net_benefit == pytest.approx(1.2)


def test_the_fee_path_pays_no_fee_for_rounding() -> None:
    specs = [
        ProtocolSpec("a", 1.0, max_share=0.3, move_fee=0.1),
        ProtocolSpec("b", 1.5, max_share=0.7, move_fee=0.1),
        ProtocolSpec("c", 0.0),
    ]
    plan = allocate(AllocationProblem(specs, {"a": 0.1 + 0.2, "b": 0.3, "c": 0.4}))
    assert plan.net_benefit == pytest.approx(0.5) and plan.value.move_fee.sum() == 0.1
    # by hand: b takes the 0.4 of c at 1.5 USD/h, which is 0.6, and pays 0.1 once


@pytest.mark.slow
@given(
    sign=st.sampled_from([1.0, -1.0]),
    apart=st.floats(1e-8, 3e-7),
    fee=st.sampled_from([0.0, 0.01, 0.1]),
    periods=st.integers(1, 2),
    path=st.sampled_from(["highs", "scipy"]),
)
def test_fees_and_bounds_next_to_the_share_leave_a_plan(
    sign: float, apart: float, fee: float, periods: int, path: str
) -> None:
    specs = [
        ProtocolSpec("a", 1.0, max_share=0.3 + sign * apart, move_fee=fee),
        ProtocolSpec("b", 1.5, max_share=0.7, move_fee=0.1),
        ProtocolSpec("c", 0.0),
    ]
    problem = AllocationProblem(specs, {"a": 0.3, "b": 0.3, "c": 0.4}, periods=periods)
    plan = allocate(problem, solver=path)
    forced = fee if sign < 0.0 else 0.0
    assert plan.certificate.objective == pytest.approx(0.3 + 1.05 - 0.1 - forced, abs=1e-6)


@pytest.mark.parametrize("solver", ["auto", "scipy"])
@pytest.mark.parametrize("off", [2e-9, 5e-8, 5e-7, 1e-5])
def test_a_share_off_its_grid_by_little_more_than_rounding_goes_onto_it_where_it_cannot_stay(
    off: float, solver: str
) -> None:
    # of a capacity of 1 a has 1 and a little: it cannot stay, and ten units of 0.1 earn most
    specs = [ProtocolSpec("a", 3.0, step=0.1), ProtocolSpec("b", 2.0, step=0.1)]
    assert allocate(AllocationProblem(specs, {"a": 1.0 + off, "b": 0.0}), solver=solver).shares.to_list() == [1.0, 0.0]


def mixed(share: float, features: dict[str, float], limits: Limits, periods: int, idle: bool) -> AllocationProblem:
    """a holds `share` and would earn more than b, which holds the rest; where b may be idle it loses."""
    specs = [ProtocolSpec("a", 2.0, **features), ProtocolSpec("b", -1.0 if idle else 1.0)]  # type: ignore[arg-type]
    return AllocationProblem(specs, {"a": share, "b": 1.0 - share}, limits=limits, periods=periods, allow_idle=idle)


@pytest.mark.slow
@given(
    share=st.sampled_from([0.0, 0.2]),
    off=st.sampled_from([5e-13, 5e-11, 5e-10, 9e-10]),
    features=st.sampled_from([{"entry_share": 0.2}, {"step": 0.1}, {"step": 0.1, "entry_share": 0.2}]),
    limits=st.sampled_from(
        [
            Limits(min_move=0.05),
            Limits(max_moves=1),
            Limits(min_move=0.05, groups=(Group("g", ("a", "b"), max_active=1),)),
            Limits(groups=(Group("g", ("a",), max_active=0),)),
            Limits(min_move=0.05, held={"a"}),
            Limits(max_change=0.1, allow_one_unit=True, min_move=0.05),
        ]
    ),
    periods=st.sampled_from([1, 2]),
    idle=st.booleans(),
    solver=st.sampled_from(["auto", "scipy"]),
)
def test_a_share_that_is_off_its_grid_by_rounding_is_on_it(
    share: float, off: float, features: dict[str, float], limits: Limits, periods: int, idle: bool, solver: str
) -> None:
    worths = []
    for present in (share, share + off):
        try:
            worths.append(
                allocate(mixed(present, features, limits, periods, idle), solver=solver).certificate.objective
            )
        except Infeasible:
            worths.append(None)
    assert worths[1] == (None if worths[0] is None else pytest.approx(worths[0], abs=1e-8))


@pytest.mark.parametrize("solver", ["highs", "scipy"])
def test_dust_stays_where_nobody_may_move_by_so_little(solver: str) -> None:
    specs = [ProtocolSpec("a", -1.0, move_cost=0.1, move_cost_out=0.2), ProtocolSpec("b", -1.0, move_cost=0.1)]
    limits = Limits(min_move=0.05, groups=(Group("g", ("a", "b"), max_active=2),))
    problem = AllocationProblem(specs, {"a": 5e-11, "b": 1.0}, allow_idle=True, periods=2, limits=limits)
    plan = allocate(problem, solver=solver)
    # b costs 0.1 USD to give up and loses 1 USD over the hour
    assert plan.certificate.objective == pytest.approx(-0.1, abs=1e-9)
    assert plan.schedule[0].tolist() == [5e-11, 0.0]


ROUND = {"a": 0.3, "b": 0.3, "c": 0.4}
ALL = {"limits": Limits(held=set(ROUND))}


def misses_by(off: float, kind: str) -> AllocationProblem:
    """A problem whose present shares, or what they can change to, miss one limit by `off`."""
    given: dict[str, tuple[dict[str, float], dict[str, object]]] = {
        "sum with rest": ({}, {"allow_idle": True, "reserve": off, **ALL}),
        "max_share": ({"max_share": 0.3 - off}, ALL),
        "min_share": ({"min_share": 0.3 + off}, {"limits": Limits(max_change=0.0)}),
        "lock-in": ({"lock_in": LockIn(0.3 + off)}, ALL),  # type: ignore[dict-item]
        "max_share over periods": ({"max_share": 0.3 - off}, {"periods": 2, **ALL}),
        "resource": ({"uses": {"disk": 2.0}}, {"resources": {"disk": 0.6 - off}, **ALL}),  # type: ignore[dict-item]
        "max_share after max_change": ({"max_share": 0.2 - off}, {"limits": Limits(max_change=0.1)}),
        "min_share after max_increase": ({"min_share": 0.4 + off}, {"limits": Limits(max_increase=0.1)}),
        "max_share after a part": ({"max_share": 0.15 - off}, {"limits": Limits(max_change_relative=0.5)}),
        "max_share below a floor": ({"max_share": 0.2, "decrease_floor": 0.2 + off}, {}),
        "goal": ({}, {"goal": Goal(2.1 + off), **ALL}),
        "goal with counts": ({}, {"goal": Goal(2.1 + off, "moves"), "limits": Limits(max_moves=0)}),
    }
    limits: dict[str, dict[str, object]] = {
        "group": {"groups": [Group("pool", ["a", "b"], 0.6 - off)]},
        "group floor": {"groups": [Group("pool", ["a", "b"], min_share=0.6 + off)]},
        "rule": {"rules": [LinearRule({"a": 1.0, "b": -2.0}, at_most=-0.3 - off)]},
        "rule from below": {"rules": [LinearRule({"a": 1.0, "b": -2.0}, equals=-0.3 + off)]},
        "near": {"near": Near({"a": 0.4, "b": 0.3}, 0.1 - off)},
    }
    spec, rest = given.get(kind) or ({}, {"limits": Limits(max_moves=0, **limits[kind])})  # type: ignore[arg-type]
    specs = [ProtocolSpec("a", 1.0, **spec), ProtocolSpec("b", 2.0), ProtocolSpec("c", 3.0)]  # type: ignore[arg-type]
    return AllocationProblem(specs, ROUND, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("solvers", [("auto", "highs", "scipy"), pytest.param(("pulp",), marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "kind",
    [
        *("sum with rest", "max_share", "min_share", "lock-in", "max_share over periods", "resource"),
        *("max_share after max_change", "min_share after max_increase", "max_share after a part"),
        *("max_share below a floor", "goal", "goal with counts"),
        *("group", "group floor", "rule", "rule from below", "near"),
    ],
)
def test_every_backend_takes_a_limit_missed_by_rounding_and_none_a_limit_missed_by_more(
    kind: str, solvers: tuple[str, ...]
) -> None:
    for solver in solvers:
        assert outcome(misses_by(0.9 * PRESENT, kind), solver) is not None, solver
        assert outcome(misses_by(10.0 * PRESENT, kind), solver) is None, solver
