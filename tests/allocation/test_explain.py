"""Why it moved, why it stayed, what each limit costs: the numbers add up and the thresholds are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    Allocation,
    AllocationProblem,
    EarningsCurve,
    Group,
    Infeasible,
    InvalidInput,
    Limits,
    ProtocolSpec,
    allocate,
    explain,
)
from reallot.allocation.explain import move_reasons
from reallot.allocation.limit_costs import limit_costs
from reallot.allocation.no_trade_rates import MOST_SEARCHED, NoTradeRange, thresholds
from reallot.allocation.rate_shift import with_rate_shift
from reallot.allocation.time_budget import OutOfTime, TimeBudget
from tests.strategies import CHOICES, COUPLED, KINDS, LINEAR, budget, problems


def three() -> AllocationProblem:
    """Storage bends at 0.3, relay is held, compute is flat; a day's horizon."""
    return AllocationProblem(
        [
            ProtocolSpec("storage", EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)]), move_cost=0.02),
            ProtocolSpec("relay", 2.1, max_share=0.5),
            ProtocolSpec("compute", 1.7, move_cost=0.01),
            ProtocolSpec("archive", 1.2, move_cost=0.03),
        ],
        {"storage": 0.4, "relay": 0.4, "compute": 0.2, "archive": 0.0},
        horizon_hours=24,
        limits=Limits(max_change=0.2, held={"relay"}),
    )


def plan_of(problem: AllocationProblem) -> Allocation | None:
    try:
        return allocate(problem)
    except Infeasible:
        return None


def test_gain_cost_and_charges_of_each_move_by_hand() -> None:
    # storage gives 0.1 of its flat piece (1 USD/h per share), compute takes it (1.7): over 24 h
    # storage: gain -0.1 * 1 * 24 = -2.4, cost 0.1 * 0.02 = 0.002; compute: 0.1 * 1.7 * 24 = 4.08, cost 0.001
    # compute is where the last unit goes: a unit of capacity is worth 1.7 * 24 - 0.01 = 40.79, so 0.1 is charged 4.079
    why = explain(allocate(three()), budget_seconds=None)
    storage, compute = why.moves
    assert (storage.protocol, storage.gain, storage.cost) == ("storage", pytest.approx(-2.4), pytest.approx(0.002))
    assert (compute.gain, compute.cost) == (pytest.approx(4.08), pytest.approx(0.001))
    assert compute.charges == pytest.approx({"capacity": 4.079})
    assert storage.charges == pytest.approx({"capacity": -4.079})
    assert storage.net_benefit == pytest.approx(-2.4 - 0.002 + 4.079)
    assert compute.net_benefit == pytest.approx(0.0, abs=1e-12)


def test_the_rate_at_which_a_protocol_would_move_by_hand() -> None:
    # archive would take what compute takes: it must beat 1.7 * 24 - 0.01 with its own cost 0.03: (40.79 + 0.03) / 24
    archive = {stay.protocol: stay for stay in explain(allocate(three()), budget_seconds=None).stays}["archive"]
    assert archive.takes_at == pytest.approx((40.79 + 0.03) / 24)
    assert archive.gives_at is None
    assert "archive stays at 0.00: earns 1.2 USD/h, takes more above 1.701 USD/h" in str(archive)


def test_a_held_protocol_says_that_it_is_held() -> None:
    relay = {stay.protocol: stay for stay in explain(allocate(three()), budget_seconds=None).stays}["relay"]
    assert str(relay) == "relay stays at 0.40: held"


def test_what_each_limit_costs_and_the_three_answers_by_hand() -> None:
    # without the hold, relay goes to its bound 0.5 on storage's 0.1: 0.21 - 0.17 = 0.04 USD/h more than compute's,
    # and compute's move cost of 0.001 over 24 h is saved; nothing else is in the way
    why = explain(allocate(three()), budget_seconds=None)
    costs = {limit.name: limit.usd_per_hour for limit in why.limits}
    assert costs == pytest.approx({"held relay": 0.04 + 0.001 / 24, "max_change": 0.0})
    # today: 1.0 + 0.84 + 0.34; plan: 0.9 + 0.84 + 0.51 - 0.003 / 24; widened: 0.9 + 1.05 + 0.34 - 0.002 / 24
    answers = {name: answer.net_per_hour for name, answer in why.answers.items()}
    assert answers["today"] == pytest.approx(2.18)
    assert answers["within limits"] == pytest.approx(2.25 - 0.003 / 24)
    assert answers["limits widened"] == pytest.approx(2.29 - 0.002 / 24)


def test_the_explanation_prints_every_part_and_converts_to_plain_values() -> None:
    why = explain(allocate(three()), budget_seconds=None)
    text = str(why)
    for part in ("three answers", "why it moved", "why the others stayed", "what each limit costs", "held relay"):
        assert part in text
    assert set(why.to_dict()) == {"moves", "stays", "limits", "answers", "left_out"}
    assert why.to_frame().loc["compute", "capacity"] == pytest.approx(4.079)
    assert "<table" in why._repr_html_()


def test_beyond_many_searches_the_rates_are_left_out_and_it_says_so() -> None:
    names = [f"p{i:02d}" for i in range(int(MOST_SEARCHED**0.5) + 1)]
    specs = [ProtocolSpec(name, 1.0, move_fee=9.0) for name in names]
    plan = allocate(AllocationProblem(specs, {name: 1.0 / len(names) for name in names}))
    stays = thresholds(plan)
    assert len(stays) == len(names)
    assert all("take long to search" in stay.because for stay in stays)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
@budget(0.2)
@given(data=st.data())
def test_gains_less_costs_add_up_to_the_net_benefit(kind: str, data: st.DataObject) -> None:
    plan = plan_of(data.draw(problems(kind, sizes=(1, 4))))
    if plan is None:
        return
    moves = move_reasons(plan)
    total = math.fsum(move.gain - move.cost for move in moves)
    assert total == pytest.approx(plan.net_benefit, abs=1e-9 * plan.certificate.scale)
    for move in moves:
        left = move.gain - move.cost - math.fsum(move.charges.values())
        assert left == pytest.approx(move.net_benefit, abs=1e-9 * plan.certificate.scale)


@pytest.mark.parametrize("kind", LINEAR | COUPLED)
@pytest.mark.slow
@budget(0.3)
@given(data=st.data())
def test_no_move_of_a_linear_plan_is_made_at_a_loss(kind: str, data: st.DataObject) -> None:
    """At supporting prices each protocol does its own best, and staying is among its choices."""
    plan = plan_of(data.draw(problems(kind)))
    if plan is None:
        return
    arrays = plan.problem.arrays
    within = ((arrays.current >= arrays.lower) & (arrays.current <= arrays.upper)).all(axis=0)
    own = dict(zip(plan.problem.names, within, strict=True))
    for move in move_reasons(plan):
        if own[move.protocol]:
            assert move.net_benefit >= -1e-8 * plan.certificate.scale


def assert_true(plan: Allocation, stay: NoTradeRange, slack: float) -> None:
    """A little before the threshold the protocol stays, a little beyond it moves."""
    place = plan.problem.names.index(stay.protocol)
    for rate, sign in ((stay.takes_at, 1.0), (stay.gives_at, -1.0)):
        if rate is None:
            continue
        marginal = stay.rate if sign > 0 else left_rate(plan, place)
        for beyond in (False, True):
            shift = rate - marginal + (slack if beyond else -slack) * sign
            if not beyond and shift * sign <= 0.0:
                continue
            shifted = allocate(with_rate_shift(plan.problem, stay.protocol, shift))
            change = sign * (shifted.schedule[0, place] - stay.share)
            assert (change > 1e-9) == beyond, (stay, shift, shifted.schedule)


def has_tiny_rooms(problem: AllocationProblem) -> bool:
    """True where some share could move by so little that a slightly better rate is not worth more than rounding."""
    data = problem.arrays
    widths = [curve.widths for curve in data.curved]
    rooms = [
        data.up[0],
        data.down[0],
        data.upper[0] - data.current,
        data.current - data.lower[0],
        data.current,
        *widths,
    ]
    rooms += [] if data.max_turnover is None else [data.max_turnover]
    room = np.abs(np.concatenate(rooms))
    return bool(((room > 0.0) & (room < 2e-3)).any())


def left_rate(plan: Allocation, place: int) -> float:
    from reallot.solvers.single_period.sensitivity import marginals

    return float(marginals(plan.problem.arrays, plan.schedule[0])[1][place])


@pytest.mark.parametrize("kind", {**LINEAR, "resources and groups": 0, "fees": 0, "units": 0, "several periods": 0})
@pytest.mark.slow
@budget(0.15)
@given(data=st.data())
def test_the_thresholds_are_where_the_plan_changes(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, sizes=(1, 4)))
    plan = plan_of(problem)
    if plan is None or problem.scenarios is not None or has_tiny_rooms(problem):
        return
    rates = [abs(stay.rate) for stay in thresholds(plan)]
    slack = 1e-5 * max([1e-1, *rates, plan.certificate.scale / problem.horizon_hours])
    for stay in thresholds(plan):
        assert_true(plan, stay, slack)


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.slow
@budget(0.1)
@given(data=st.data())
def test_wider_limits_never_earn_less(kind: str, data: st.DataObject) -> None:
    plan = plan_of(data.draw(problems(kind, sizes=(1, 4))))
    if plan is None:
        return
    why = explain(plan, budget_seconds=None)
    slack = 1e-9 * plan.certificate.scale / plan.problem.horizon_hours
    assert all(limit.usd_per_hour >= 0.0 for limit in why.limits)
    assert why.answers["limits widened"].net_per_hour >= why.answers["within limits"].net_per_hour - slack
    if plan.can_stay:
        assert why.answers["within limits"].net_per_hour >= why.answers["today"].net_per_hour - slack


def test_an_explanation_ends_in_its_budget_and_says_what_it_left_out() -> None:
    names = "abcde"
    specs = [ProtocolSpec(name, 1.0 + 0.1 * place, move_cost=0.02) for place, name in enumerate(names)]
    problem = AllocationProblem(
        specs, dict.fromkeys(names, 0.2), periods=3, horizon_hours=3, limits=Limits(max_moves=2)
    )
    why = explain(allocate(problem), budget_seconds=0.0)
    assert why.left_out == (
        "what wider limits would earn is not known: the budget of 0 s was used up",
        "what max_moves costs is not known: the budget of 0 s was used up",
    )
    assert {stay.because for stay in why.stays} == {"not all of its rates are known: the budget of 0 s was used up"}
    assert all(line in str(why) for line in why.left_out)
    assert why.to_dict()["left_out"] == list(why.left_out)
    assert set(why.answers) == {"today", "within limits"}


def test_a_budget_that_is_enough_changes_nothing() -> None:
    problem = AllocationProblem(
        [ProtocolSpec("a", 2.0, move_fee=0.1), ProtocolSpec("b", 1.9)],
        {"a": 0.5, "b": 0.5},
        limits=Limits(max_change=0.2),
    )
    plan = allocate(problem)
    assert explain(plan, budget_seconds=60.0) == explain(plan, budget_seconds=None)


class Counted(TimeBudget):
    """A budget of so many searches, however long they take."""

    def __init__(self, searches: int) -> None:
        super().__init__(None)
        self.searches = searches

    def part_ends(self) -> float:
        self.searches -= 1
        if self.searches < 0:
            raise OutOfTime
        return math.inf


def test_what_the_limits_cost_at_which_the_plan_stands_is_known_first() -> None:
    # a gives b 0.1, as much as the turnover allows: a change of 0.5, a group at 0.9 and a disk of 9 are far
    specs = [ProtocolSpec("a", 1.0, uses={"disk": 1.0}), ProtocolSpec("b", 3.0), ProtocolSpec("c", 2.0)]
    limits = Limits(max_turnover=0.1, max_change=0.5, groups=[Group("both", ["a", "b"], 0.9)])
    problem = AllocationProblem(specs, {"a": 0.5, "b": 0.3, "c": 0.2}, limits=limits, resources={"disk": 9.0})
    plan = allocate(problem)
    costs, unknown = limit_costs(plan, Counted(1))
    assert [cost.name for cost in costs] == ["turnover"]
    assert unknown == ("max_change", "group both", "resource disk")
    assert limit_costs(plan, Counted(3))[1] == ("resource disk",) and limit_costs(plan, Counted(4))[1] == ()


def test_a_budget_is_a_number_of_seconds() -> None:
    with pytest.raises(InvalidInput, match="budget_seconds is -1; it must be at least 0"):
        explain(allocate(AllocationProblem({"a": 1.0}, {"a": 1.0})), budget_seconds=-1)
