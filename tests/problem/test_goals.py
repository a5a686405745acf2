"""Goals at the edge, in files, in order, in sessions, and against the frontier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Closest,
    ConfigurationError,
    EarningsCurve,
    Fleet,
    Goal,
    Infeasible,
    InvalidInput,
    Limits,
    Near,
    ProtocolSpec,
    allocate,
    explain,
    frontier,
    problem_from_dict,
    problem_to_dict,
    session,
)
from reallot.runtime.config import config_from_text
from tests import brute
from tests.test_independent_model import EXAMPLES

RATES, SPLIT = {"a": 3.0, "b": 1.0, "c": 2.0}, {"a": 0.2, "b": 0.8, "c": 0.0}


def problem(**given: object) -> AllocationProblem:
    return AllocationProblem(RATES, SPLIT, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: problem(goal=Closest({"d": 0.1})), ["goal names 'd'", "known: a, b, c"]),
        (lambda: problem(limits=Limits(near=Near({"d": 0.1}, 0.1))), ["near names 'd'", "known: a, b, c"]),
        (lambda: problem(goal=2.0), ["goal is 2.0", "Goal(...)"]),
        (lambda: problem(goal=[]), ["goal is []", "a list"]),
        (lambda: problem(goal=[2.0]), ["goal holds 2.0"]),
        (lambda: Goal(minimise="turnovr"), ["minimise", "did you mean 'turnover'"]),
        (lambda: Goal(at_least=float("nan")), ["at_least", "finite number"]),
        (lambda: Closest({}), ["goal: shares is empty"]),
        (lambda: Closest({"a": -0.1}), ["goal: shares a", "at least 0"]),
        (lambda: Near({"a": 0.1}, -1.0), ["near: within", "at least 0"]),
        (lambda: Limits(near={"a": 0.1}), ["near is", "Near(shares, within=...)"]),  # type: ignore[arg-type]
        (lambda: problem_from_dict({"protocols": {"a": {"rate": 1, "current": 1}}, "goal": 3}), ["goal is 3"]),
        (
            lambda: problem_from_dict({"protocols": {"a": {"rate": 1, "current": 1}}, "goal": {"at_lest": 3}}),
            ["at_lest", "did you mean 'at_least'"],
        ),
    ],
)
def test_a_goal_that_cannot_be_meant_is_refused(make, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInput) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("goal", [Goal(2.0), Closest({"a": 0.5}), [Goal(2.0, "moves"), Closest({"a": 0.5})]])
def test_a_goal_in_a_file_is_the_same_goal(goal: object) -> None:
    one = problem(goal=goal, limits=Limits(near=Near({"a": 0.5}, 0.4)))
    assert problem_from_dict(problem_to_dict(one)) == one


def test_a_session_follows_its_goals() -> None:
    live = session(problem(goal=Goal(2.0)))
    assert live.solve().shares.to_dict() == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.0})
    assert live.change(rates={"a": 2.5}).solve().shares["a"] == pytest.approx(2.0 / 3.0)  # 1.3 + 1.5 (a - 0.2) = 2
    assert live.change(goal=[Closest({"c": 0.4}), Goal(minimise="turnover")]).solve().turnover == pytest.approx(0.4)
    assert live.change(goal=None).solve().shares["a"] == pytest.approx(1.0)


def test_the_goal_is_the_frontier_the_other_way_round() -> None:
    table, today = frontier(problem()), 1.4
    for _, row in table.iterrows():
        plan = allocate(problem(goal=Goal(at_least=today + row["net_benefit"])))
        assert plan.turnover == pytest.approx(row["turnover"], abs=1e-9)


DEAR = [
    ProtocolSpec("a", 1.0, move_cost=1e6),
    ProtocolSpec("b", 1.0, move_cost=2e6),
    ProtocolSpec("c", 1.0, move_cost=3e6),
]
CHEAP = [ProtocolSpec("a", 3.0, move_cost=0.5), ProtocolSpec("b", 1.0), ProtocolSpec("c", 2.0)]


@pytest.mark.parametrize(
    ("given", "shares", "worth"),
    [
        # a fee of a plan is no distance, no turnover and no move; as a cost it is paid where anything moves
        ({"goal": Closest({"a": 0.5, "b": 0.5}), "limits": Limits(plan_fee=1.0)}, (0.5, 0.5, 0.0), 0.0),
        ({"goal": Goal(2.0), "limits": Limits(plan_fee=1.0)}, (0.5, 0.5, 0.0), -0.3),
        ({"goal": Goal(1.5, "moves"), "limits": Limits(plan_fee=1.0)}, (1.0, 0.0, 0.0), -2.0),
        ({"goal": Goal(1.5, "cost"), "limits": Limits(plan_fee=1.0)}, (1.0, 0.0, 0.0), -1.0),
        # nothing has to move; what is free and earns more is moved all the same, but not for a fee
        ({"protocols": CHEAP, "goal": Goal(1.0, "cost")}, (0.2, 0.0, 0.8), 0.0),
        ({"protocols": CHEAP, "goal": Goal(1.0, "cost"), "limits": Limits(plan_fee=0.1)}, (0.2, 0.8, 0.0), 0.0),
        # the least cost is kept with the fee and with nothing more: the wanted split is come to for free only
        (
            {
                "protocols": CHEAP,
                "goal": [Goal(1.6, "cost"), Closest({"a": 0.6, "c": 0.4})],
                "limits": Limits(plan_fee=9.0),
            },
            (0.2, 0.4, 0.4),
            -0.4,
        ),
        (
            {"protocols": CHEAP, "goal": [Goal(1.0, "cost"), Closest({"c": 0.4})], "limits": Limits(plan_fee=9.0)},
            (0.2, 0.8, 0.0),
            0.0,
        ),
        # the split would bring 0.6 USD: enough, or not; who has to move asks for none
        ({"goal": Closest({"a": 0.5, "b": 0.5}), "limits": Limits(min_gain=0.5)}, (0.5, 0.5, 0.0), 0.0),
        ({"goal": Goal(2.0), "limits": Limits(min_gain=5.0)}, (0.5, 0.5, 0.0), -0.3),
        # whatever moves cost, a later goal gives none before it up
        (
            {
                "protocols": DEAR,
                "current": {"a": 0.2, "b": 0.3, "c": 0.5},
                "goal": [Closest({"c": 0.4}), Goal(), Goal(None, "cost")],
            },
            (0.3, 0.3, 0.4),
            -4e5,
        ),
    ],
)
def test_what_a_goal_counts_is_all_that_counts(
    given: dict[str, object], shares: tuple[float, ...], worth: float
) -> None:
    current = given.pop("current", SPLIT)
    plan = allocate(AllocationProblem(given.pop("protocols", RATES), current, **given))  # type: ignore[arg-type]
    assert tuple(plan.shares) == pytest.approx(shares, abs=1e-9)
    assert plan.certificate.objective == pytest.approx(worth, abs=1e-9)
    assert plan.certificate.bound == pytest.approx(worth, abs=1e-9)


def test_a_split_that_brings_less_than_min_gain_is_set_aside() -> None:
    plan = allocate(problem(goal=Closest({"a": 0.5, "b": 0.5}), limits=Limits(min_gain=0.7)))
    assert plan.shares.to_dict() == SPLIT and plan.set_aside == pytest.approx(np.array([[0.5, 0.5, 0.0]]))
    assert any("worth 0.6 USD more than staying, less than min_gain 0.7" in line for line in plan.reasons)


def test_of_splits_as_close_as_another_that_take_whole_numbers_one_earns_the_most() -> None:
    bent = EarningsCurve.through([(0.0, 0.0), (0.31, 0.3658), (1.0, 4.3126)])
    specs = [ProtocolSpec("a", 1.0, move_cost=0.58), ProtocolSpec("b", bent)]
    goal = Closest({"a": 0.16, "b": 0.29})
    plan = allocate(
        AllocationProblem(
            specs, {"a": 0.73, "b": 0.27}, rates={"a": [2.39, 3.82]}, periods=2, horizon_hours=4.0, goal=goal
        )
    )
    # whatever b has from 0.29 up, it and a are 0.55 off in each period; the last unit of b earns 5.72, of a 3.1
    assert plan.schedule == pytest.approx(np.array([[0.16, 0.84], [0.16, 0.84]]), abs=1e-9)


def test_the_fewest_moves_where_only_some_have_a_fee() -> None:
    specs = [ProtocolSpec("a", 3.0, move_fee=0.5), ProtocolSpec("b", 1.0), ProtocolSpec("c", 2.0)]
    plan = allocate(AllocationProblem(specs, SPLIT, goal=Goal(1.9, "moves")))
    assert plan.shares.to_dict() == {"a": 1.0, "b": 0.0, "c": 0.0}  # 3 - 0.5 is more than c's 0.6 + 0.8 * 2


def test_a_fleet_takes_no_host_with_a_goal() -> None:
    with pytest.raises(InvalidInput, match="host h0 has a goal; a fleet earns the most"):
        Fleet([problem(goal=Goal(2.0))])


def test_limits_among_some_protocols_are_near_to_their_part_of_a_split() -> None:
    limits = Limits(near=Near({"a": 0.5, "b": 0.5}, 0.1))
    assert limits.among(["a"]).near == Near({"a": 0.5}, 0.1)
    assert limits.among(["c"]).near is None


def test_a_configuration_names_a_protocol_to_be_near_to_that_is_not_there() -> None:
    relay = '[protocols.relay]\nadapter = "simulated"\nrate = 1.0'
    text = "[limits]\nnear = {{ shares = {{ {} = 0.5 }}, within = 0.2 }}\n" + relay
    assert config_from_text(text.format("relay")).limits.near == Near({"relay": 0.5}, 0.2)
    with pytest.raises(ConfigurationError, match="did you mean 'relay'"):
        config_from_text(text.format("relai"))


def test_what_a_goal_came_to_is_told_and_explained() -> None:
    plan = allocate(problem(goal=Goal(2.0), limits=Limits(max_change=0.4)))
    assert any(line.startswith("goal: earns 2 USD/h with the least turnover") for line in plan.reasons)
    assert "they earn 1.4 USD/h, the goal is at least 2" in " ".join(plan.reasons)
    assert "max_change" in str([limit.name for limit in explain(plan, budget_seconds=None).limits])


def test_what_a_limit_costs_is_told_in_what_the_goal_counts_without_a_fee_in_money() -> None:
    limits = Limits(max_change=0.0, plan_fee=1.0)
    why = explain(allocate(problem(goal=Closest({"a": 0.5, "b": 0.5}), limits=limits)), budget_seconds=None)
    assert {limit.name: limit.usd_per_hour for limit in why.limits}["max_change"] == pytest.approx(0.6)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(
    shares=st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any),
    rates=st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0]), min_size=3, max_size=3),
    wanted=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    change=st.sampled_from([0.25, 0.5, 1.0]),
    least=st.sampled_from([None, 0.5, 1.25]),
    second=st.sampled_from(["turnover", "moves"]),
)
def test_goals_in_order_are_the_best_split_of_a_grid_in_that_order(
    shares: list[int], rates: list[float], wanted: list[int], change: float, least: float | None, second: str
) -> None:
    """All numbers lie on a grid of quarters, or the goal asks for no earnings, so that an optimum lies on it too."""
    names, total = "abc", sum(shares)
    current = dict(zip(names, (share / 4 for share in shares), strict=True))
    goals = [Closest(dict(zip(names, (share / 4 for share in wanted), strict=True))), Goal(None, second)]
    one = AllocationProblem(
        dict(zip(names, rates, strict=True)), current, capacity=total / 4, limits=Limits(max_change=change), goal=goals
    )

    def counts(now: tuple[float, ...]) -> tuple[float, float]:
        off = sum(abs(share - target / 4) for share, target in zip(now, wanted, strict=True))
        moves = [abs(share - before) for share, before in zip(now, current.values(), strict=True)]
        return off, sum(moves) / 2 if second == "turnover" else sum(move > 0.0 for move in moves)

    best = min(counts(schedule[0]) for schedule in brute.schedules(one, 4))
    assert counts(tuple(np.round(allocate(one).schedule[0], 9))) == pytest.approx(best, abs=1e-7)
    if least is not None:
        enough = AllocationProblem(one.protocols, current, capacity=total / 4, limits=one.limits, goal=Goal(least))
        try:
            assert allocate(enough).earnings_per_hour >= least - 1e-9
        except Infeasible:
            assert max(brute.worth(enough, schedule) for schedule in brute.schedules(enough, 4)) < least
