"""The rates at which protocols would move: as a bisection on `allocate` finds them, in little time, never guessed."""

from __future__ import annotations

import math
from dataclasses import replace
from time import process_time, thread_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.explain import Case, problem
from reallot import (
    Allocation,
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Infeasible,
    Limits,
    ProtocolSpec,
    Scenarios,
    allocate,
    explain,
    formulate,
)
from reallot.allocation.no_trade_rates import NoTradeRange, thresholds
from reallot.allocation.rate_shift import with_rate_shift
from reallot.allocation.time_budget import TimeBudget, default_seconds
from reallot.solvers.single_period.sensitivity import marginals
from tests.machine import slower
from tests.strategies import budget, problems

SEARCHED = [
    "resources and groups",
    "resources alone",
    "robust",
    "CVaR",
    "several periods",
    "fees",
    "max moves",
    "smallest move",
    "entry shares",
    "units",
    "bent curves",
    "one of a group",
    "fees over periods",
    "choices over periods",
]
"""Kinds of problems that the exact path does not take, or not all of them."""


def moves(plan: Allocation, name: str, sign: float, shift: float) -> bool:
    """True where the plan of the problem with this rate shifted by sign * shift moves the protocol that way now."""
    place = plan.problem.names.index(name)
    shifted = allocate(with_rate_shift(plan.problem, name, sign * shift), time_limit_seconds=math.inf)
    return bool(sign * (shifted.schedule[0, place] - plan.problem.arrays.current[place]) > 1e-9)


def bisected(plan: Allocation, name: str, sign: float, low: float, high: float, within: float) -> float:
    """The shift between `low` and `high` at which the protocol begins to move, to `within`; low stays, high moves."""
    while high - low > within:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if moves(plan, name, sign, middle) else (middle, high)
    return high


def agree(plan: Allocation, data: st.DataObject) -> None:
    """Compares one of the rates that are found, whichever is drawn, with a bisection on `allocate`."""
    left = marginals(plan.problem.arrays, plan.schedule[0])[1]
    size = max(0.1, plan.certificate.scale / plan.problem.horizon_hours)
    rates = []
    for stay in thresholds(plan):
        last = float(left[plan.problem.names.index(stay.protocol)])
        rates += [(stay.protocol, 1.0, stay.takes_at, stay.rate)] if stay.takes_at is not None else []
        rates += [(stay.protocol, -1.0, stay.gives_at, last)] if stay.gives_at is not None else []
    if not rates:
        return
    name, sign, rate, marginal = data.draw(st.sampled_from(rates))
    shift, slack = sign * (rate - marginal), 1e-5 * max(size, abs(rate))
    assert shift >= -slack
    assert moves(plan, name, sign, max(shift, 0.0) + slack), (name, sign, rate)
    if shift > slack:
        begins = bisected(plan, name, sign, 0.0, shift + slack, slack)
        assert begins == pytest.approx(shift, abs=2.0 * slack), (name, sign, rate)


def is_narrow(problem: AllocationProblem) -> bool:
    """True where some share could move by so little that a slightly better rate is not worth more than rounding."""
    data = problem.arrays
    widths = [curve.widths for curve in data.curved]
    ends = [data.max_change.ravel(), (data.upper - data.current).ravel(), (data.current - data.lower).ravel()]
    ends += [data.current, *widths, *([] if data.max_turnover is None else [data.max_turnover])]
    room = np.abs(np.concatenate(ends))
    return bool(((room > 0.0) & (room < 2e-3)).any())


@pytest.mark.parametrize("kind", SEARCHED)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_rates_agree_with_a_bisection_on_allocate(kind: str, data: st.DataObject) -> None:
    asked = data.draw(problems(kind, sizes=(2, 4)))
    if is_narrow(asked) or (asked.scenarios is not None and asked.arrays.curved):
        return  # factors of a curve multiply its shift as well
    try:
        plan = allocate(asked)
    except Infeasible:
        return
    agree(plan, data)


@pytest.mark.parametrize("least", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("kind", ["fees", "several periods", "fees over periods"])
@pytest.mark.slow
@budget(0.05)
@given(data=st.data())
def test_rates_agree_where_a_plan_has_to_be_worth_a_least_gain(kind: str, least: float, data: st.DataObject) -> None:
    asked = data.draw(problems(kind, sizes=(2, 3)))
    asked = replace(asked, limits=replace(asked.limits, min_gain=least))
    if is_narrow(asked):
        return
    try:
        plan = allocate(asked)
    except Infeasible:
        return
    agree(plan, data)


def test_a_fee_is_paid_back_by_the_largest_move_by_hand() -> None:
    # b takes up to 0.2 from a: 0.2 * (rate - 2) * 24 h pays the fee of 0.6 USD from 2 + 0.6 / 4.8 = 2.125 USD/h on
    plan = allocate(
        AllocationProblem(
            [ProtocolSpec("a", 2.0), ProtocolSpec("b", 2.0, move_fee=0.6)],
            {"a": 0.7, "b": 0.3},
            horizon_hours=24.0,
            limits=Limits(max_change=0.2),
        )
    )
    (a, b) = thresholds(plan)
    assert b.takes_at == pytest.approx(2.125, abs=1e-9) and b.gives_at == pytest.approx(1.875, abs=1e-9)
    # a has no fee of its own, but whoever takes from b or gives to it makes b pay one
    assert a.takes_at == pytest.approx(2.125, abs=1e-9) and a.gives_at == pytest.approx(1.875, abs=1e-9)


def test_a_count_of_moves_leaves_the_rate_of_the_better_pair_by_hand() -> None:
    # two moves: b takes from a. c would have to earn more than b, 3 USD/h, to take a's share in its place
    plan = allocate(
        AllocationProblem(
            {"a": 1.0, "b": 3.0, "c": 2.0},
            {"a": 0.5, "b": 0.3, "c": 0.2},
            horizon_hours=24.0,
            limits=Limits(max_change=0.1, max_moves=2),
        )
    )
    (c,) = thresholds(plan)
    assert (c.protocol, c.takes_at) == ("c", pytest.approx(3.0))
    assert c.gives_at == pytest.approx(1.0)  # below that c gives in place of a


def test_factors_of_scenarios_shift_like_rates() -> None:
    # the worse half counts: b earns 1 and 3, a earns 2 and 2. b is worth its worst, 1, and has to rise by 1
    plan = allocate(
        AllocationProblem(
            {"a": 2.0, "b": 2.0},
            {"a": 1.0, "b": 0.0},
            scenarios=Scenarios(factors={"a": [1.0, 1.0], "b": [0.5, 1.5]}),
            risk=CVaR(0.5, 1.0),
        )
    )
    b = {stay.protocol: stay for stay in thresholds(plan)}["b"]
    assert b.rate == pytest.approx(2.0) and b.takes_at == pytest.approx(3.0)
    assert not moves(plan, "b", 1.0, 0.999) and moves(plan, "b", 1.0, 1.001)


def averse(curve: EarningsCurve | float) -> AllocationProblem:
    """c beside a, under CVaR: the worse scenario halves what both earn, and the warm-up of c counts in full."""
    return AllocationProblem(
        [ProtocolSpec("a", 2.0), ProtocolSpec("c", curve, warm_up_hours=0.8)],
        {"a": 1.0, "c": 0.0},
        limits=Limits(max_change=0.2),
        horizon_hours=1.0,
        scenarios=Scenarios(factors={"a": [0.5, 1.5], "c": [0.5, 1.5]}),
        risk=CVaR(0.5, 1.0),
    )


def test_pieces_that_lose_fill_in_order_at_rates_where_they_earn_by_hand() -> None:
    # at most 0.2 goes to c, all of it on the first piece: at a shift u > 1 a unit there is worth
    # u - 0.5 - 0.8 * (u - 1) USD, and as much as a's 2 * 0.5 where u = 3.5
    flat = allocate(averse(-1.0))
    for plan in (flat, allocate(averse(EarningsCurve((0.0, 0.5), (0.0, -0.5), -2.0)))):
        c = {stay.protocol: stay for stay in thresholds(plan)}["c"]
        assert c.takes_at == pytest.approx(2.5)
    assert not moves(flat, "c", 1.0, 3.499) and moves(flat, "c", 1.0, 3.501)


@budget(0.3)
@given(slopes=st.sets(st.integers(-3, 3), min_size=2, max_size=3), shift=st.integers(-4, 4))
def test_one_program_serves_a_rate_however_it_is_shifted(slopes: set[int], shift: int) -> None:
    first, second, *_ = falling = sorted(map(float, slopes), reverse=True)
    asked = averse(EarningsCurve((0.0, 0.25, 0.5), (0.0, 0.25 * first, 0.25 * (first + second)), falling[-1]))
    assert formulate(asked).column_slices == formulate(with_rate_shift(asked, "c", shift)).column_slices


def test_a_cost_that_never_pays_is_weighed_in_full_where_the_rate_is_another() -> None:
    # a would have to earn 1e9 USD over 24 h more than c to move at all
    specs = [ProtocolSpec("a", 0.02, move_cost=1e9), ProtocolSpec("b", 0.03), ProtocolSpec("c", 0.03)]
    plan = allocate(AllocationProblem(specs, {"a": 0.6, "b": 0.3, "c": 0.1}, periods=2, horizon_hours=24.0))
    stays = {stay.protocol: stay for stay in thresholds(plan)}
    assert stays["a"].takes_at == pytest.approx(0.03 + 1e9 / 24.0, rel=1e-6)
    assert stays["a"].gives_at == pytest.approx(0.03 - 1e9 / 24.0, rel=1e-6)


def test_a_search_that_is_cut_short_says_between_which_rates_the_answer_is() -> None:
    stay = NoTradeRange("a", 0.25, 1.0, None, 0.75, "", takes_within=(1.0, 1.5))
    assert "takes more above a rate between 1 and 1.5 USD/h, gives below 0.75 USD/h" in str(stay)
    unknown = NoTradeRange("a", 0.25, 1.0, None, None, "", takes_within=(1.0, None), gives_within=(0.5, None))
    assert "takes more only above 1 USD/h, if at all, gives only below 0.5 USD/h, if at all" in str(unknown)
    assert vars(unknown)["takes_within"] == (1.0, None)


class Passing(TimeBudget):
    """A budget in which so many searches may begin and each ends at once: what a slow machine does to one."""

    def __init__(self, searches: int) -> None:
        super().__init__(9.0)
        self.searches = searches

    def part_ends(self) -> float:
        self.searches -= 1
        return math.inf if self.searches >= 0 else 0.0


@pytest.mark.parametrize("searches", range(8))
@pytest.mark.parametrize("features", [{"fee", "max_moves", "curve"}, {"min_move"}])
def test_whatever_ends_a_search_the_rate_is_within_what_is_told(features: set[str], searches: int) -> None:
    plan = allocate(problem(Case("explain", 4, 1, frozenset(features)), 0))
    for cut, whole in zip(thresholds(plan, budget=Passing(searches)), thresholds(plan), strict=True):
        for at, within, right in (
            (cut.takes_at, cut.takes_within, whole.takes_at),
            (cut.gives_at, cut.gives_within, whole.gives_at),
        ):
            if within is None:
                assert at == right
                continue
            assert "not all of its rates are known" in cut.because
            near, far = within
            if right is None:
                assert far is None
                continue
            assert abs(right - near) <= abs((math.inf if far is None else far) - near) + 1e-9


def test_a_search_that_takes_long_leaves_the_others_their_time() -> None:
    budget = TimeBudget(100.0)
    began = thread_time()
    assert budget.part_ends() - began == pytest.approx(50.0, abs=1.0)
    budget.waiting = 20
    assert budget.part_ends() - began == pytest.approx(20.0, abs=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "protocols", "periods", "ceiling"),
    [
        ({"cvar", "max_moves", "step"}, 10, 1, 0.3),
        ({"max_moves", "step"}, 5, 3, 1.0),
        ({"curve", "max_moves"}, 5, 3, 1.0),
    ],
)
def test_the_time_of_an_explanation_is_bounded_where_sums_hardly_ever_fit(
    features: set[str], protocols: int, periods: int, ceiling: float
) -> None:
    plan = allocate(problem(Case("explain", protocols, periods, frozenset(features)), 0))
    explain(plan, budget_seconds=0.0)  # the first call imports what it needs
    began = process_time()
    why = explain(plan)
    assert process_time() - began < ceiling * slower()
    partial = [stay for stay in why.stays if "not all of its rates" in stay.because]
    asks = "explain(plan, budget_seconds=None) searches until all of it is known"
    assert (asks in str(why)) == bool(partial or why.left_out)


def test_the_largest_shares_are_searched_first() -> None:
    specs = [ProtocolSpec(name, 2.0, move_fee=9.0) for name in "abc"]
    plan = allocate(AllocationProblem(specs, {"a": 0.2, "b": 0.5, "c": 0.3}, limits=Limits(max_moves=2)))
    a, b, c = thresholds(plan, budget=Passing(8))
    assert b.takes_at is not None and b.gives_at is not None
    assert all(stay.takes_at is stay.gives_at is None for stay in (a, c))


def test_what_explains_a_plan_has_a_quarter_of_a_second_and_more_for_more_shares() -> None:
    def shares(protocols: int, periods: int) -> AllocationProblem:
        names = [f"p{i}" for i in range(protocols)]
        return AllocationProblem(dict.fromkeys(names, 1.0), dict.fromkeys(names, 1.0 / protocols), periods=periods)

    assert default_seconds(shares(2, 1)) == default_seconds(shares(10, 1)) == 0.25
    assert default_seconds(shares(20, 1)) == pytest.approx(0.5)
    assert default_seconds(shares(5, 3)) == pytest.approx(0.75)
    assert default_seconds(shares(100, 24)) == 2.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "periods", "ceiling"),
    [
        ({"fee"}, 1, 1.5),
        ({"min_move"}, 1, 1.5),
        ({"cvar", "fee", "max_moves"}, 1, 2.0),
        ({"curve", "fee", "max_moves"}, 1, 2.0),
        ({"fee", "step", "on grid"}, 1, 2.0),
        ({"fee", "step"}, 1, 1.0),
        ({"step"}, 1, 1.0),
        ({"max_moves"}, 3, 2.0),
        ({"fee", "max_moves"}, 3, 3.0),
    ],
)
def test_an_explanation_takes_little_time(features: set[str], periods: int, ceiling: float) -> None:
    case = Case("explain", 10 if periods == 1 else 5, periods, frozenset(features))
    plan = allocate(problem(case, 0))
    began = process_time()
    why = explain(plan, budget_seconds=60.0)
    assert process_time() - began < ceiling * slower()
    assert not why.left_out and not any("not all" in stay.because for stay in why.stays)
