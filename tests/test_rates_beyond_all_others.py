"""A rate far beyond all others leaves to the others what they gain among themselves, on every path."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Infeasible,
    Limits,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    allocate,
    allocate_many,
    session,
)
from tests.rounds import quick
from tests.strategies import COUPLED, LINEAR, budget, problems

RATES = [sign * size for size in (1e5, 1e8, 1e10, 1e12, 1e15) for sign in (1.0, -1.0)]
PATHS = ["auto", "highs", "scipy"]
each_rate = pytest.mark.parametrize("rate", quick(1e5, -1e12, 1e15, rest=RATES))


def beside(rate: float, *, fee: float = 0.0, limits: Limits | None = None, **given: object) -> AllocationProblem:
    """b to c brings 0.02 USD/h for each unit; a earns `rate`."""
    specs = [ProtocolSpec("a", rate), ProtocolSpec("b", 0.01, move_fee=fee), ProtocolSpec("c", 0.03)]
    shares = {"a": 0.6, "b": 0.3, "c": 0.1}
    return AllocationProblem(specs, shares, horizon_hours=24, limits=limits or Limits(), **given)  # type: ignore[arg-type]


@each_rate
@pytest.mark.parametrize("fee", [0.0, 0.01])
@pytest.mark.parametrize("periods", [1, 2])
@pytest.mark.parametrize("solver", PATHS)
def test_who_is_held_at_any_rate_leaves_the_others_free(rate: float, fee: float, periods: int, solver: str) -> None:
    plan = allocate(beside(rate, fee=fee, periods=periods, limits=Limits(held={"a"})), solver=solver)
    assert plan.shares.to_dict() == pytest.approx({"a": 0.6, "b": 0.0, "c": 0.4})
    # 0.3 units at 0.02 USD/h over 24 h, less the fee
    assert plan.net_benefit == pytest.approx(24 * 0.3 * 0.02 - fee)
    assert plan.earnings_per_hour == pytest.approx(0.6 * rate)


@each_rate
@pytest.mark.parametrize("solver", PATHS)
def test_who_may_move_goes_as_far_as_it_may_and_the_others_share_the_rest(rate: float, solver: str) -> None:
    plan = allocate(beside(rate, limits=Limits(max_change={"a": 0.1})), solver=solver)
    share = 0.7 if rate > 0.0 else 0.5
    assert plan.shares.to_dict() == pytest.approx({"a": share, "b": 0.0, "c": 1.0 - share})
    assert plan.certificate.objective == pytest.approx(24 * (share * rate + (1.0 - share) * 0.03))


@each_rate
def test_a_session_says_the_same(rate: float) -> None:
    live = session(beside(1.0, limits=Limits(held={"a"})))
    live.solve()
    assert live.change(rates={"a": rate}).solve().shares.to_dict() == pytest.approx({"a": 0.6, "b": 0.0, "c": 0.4})


@each_rate
def test_a_batch_says_the_same(rate: float) -> None:
    many = allocate_many([[rate, 0.01, 0.03]], [[0.6, 0.3, 0.1]], held=[[True, False, False]], horizon_hours=24)
    assert many.shares[0] == pytest.approx([0.6, 0.0, 0.4])


KINDS: dict[str, dict[str, object]] = {
    "linear": {},
    "several periods": {"periods": 2},
    "moves": {"limits": Limits(held={"a"}, max_moves=2)},
    "no change": {"limits": Limits(max_change={"a": 0.0})},
    "CVaR": {"scenarios": Scenarios(factors={"b": [1.0, 1.0]}), "risk": CVaR(0.5, 0.5)},
    "robust": {"risk": RateUncertainty({"b": 0.0}, 1.0)},
}


@pytest.mark.parametrize("kind", [*KINDS, "curve", "two curves over periods", "units"])
@pytest.mark.parametrize("rate", [1e3, 1e5, -1e5, 1e7])
@pytest.mark.parametrize("solver", PATHS)
def test_who_is_held_hides_no_gain_of_a_hundredth_of_a_cent(kind: str, rate: float, solver: str) -> None:
    held: EarningsCurve | float = rate
    if "curve" in kind:
        held = EarningsCurve((0.0, 0.5), (0.0, 0.5 * rate), rate - 0.5 * abs(rate))
    given = {"limits": Limits(held={"a"}), **KINDS.get(kind, {})}
    if kind == "two curves over periods":
        given["periods"] = 2
    step = 0.05 if kind == "units" else 0.0
    other: EarningsCurve | float = EarningsCurve((0.0, 0.2), (0.0, 0.2), 1.0) if "two" in kind else 1.0
    # a fifth of a unit gains 1e-5 USD/h for each unit
    specs = [ProtocolSpec("a", held), ProtocolSpec("b", other, step=step), ProtocolSpec("c", 1.00001, step=step)]
    problem = AllocationProblem(specs, {"a": 0.6, "b": 0.2, "c": 0.2}, horizon_hours=24, **given)  # type: ignore[arg-type]
    assert allocate(problem, solver=solver).shares.to_dict() == pytest.approx({"a": 0.6, "b": 0.0, "c": 0.4})


@pytest.mark.parametrize("solver", ["numpy", "numba"])
@pytest.mark.parametrize("rate", [1e3, 1e5, -1e5, 1e7])
def test_who_is_held_hides_no_gain_in_a_batch(rate: float, solver: str) -> None:
    if solver == "numba":
        pytest.importorskip("numba")
    many = allocate_many([[rate, 1.0, 1.00001]], [[0.6, 0.2, 0.2]], held=[[True, False, False]], solver=solver)
    assert many.shares[0] == pytest.approx([0.6, 0.0, 0.4])


def test_the_price_of_capacity_is_at_the_given_rates() -> None:
    assert allocate(beside(1e12)).prices["capacity"] == pytest.approx((1e12, 1e12))


@pytest.mark.parametrize("use", [1e3, 1e9, 1e12, 1e15])
@pytest.mark.parametrize("solver", ["highs", "scipy"])
def test_a_use_that_lets_nobody_hold_any_leaves_the_others_free(use: float, solver: str) -> None:
    specs = [
        ProtocolSpec("a", 0.02, uses={"cpu": use}),
        ProtocolSpec("b", 0.01),
        ProtocolSpec("c", 0.03, uses={"cpu": 2}),
    ]
    problem = AllocationProblem(specs, {"a": 0.0, "b": 0.9, "c": 0.1}, resources={"cpu": 1.0})
    assert allocate(problem, solver=solver).shares.to_dict() == pytest.approx({"a": 0.0, "b": 0.5, "c": 0.5}, abs=1e-9)


def test_among_two_far_rates_the_farther_one_counts() -> None:
    specs = [ProtocolSpec("a", 1e12, max_share=0.5), ProtocolSpec("b", 1e9), ProtocolSpec("c", 0.01)]
    plan = allocate(AllocationProblem([*specs, ProtocolSpec("d", 0.02)], {"a": 0.0, "b": 0.0, "c": 0.5, "d": 0.5}))
    assert plan.shares.to_dict() == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0})


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in LINEAR | COUPLED if kind not in ("CVaR", "robust")])
@budget(0.5)
@given(data=st.data())
def test_a_held_protocol_changes_nothing_for_the_others_at_any_rate(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind, grid=8, sizes=(2, 4)))
    name = problem.names[0]
    if problem.risk is not None or (problem.scenarios is not None and name in problem.scenarios.rates):
        return
    limits, rate = replace(problem.limits, held=(name,)), data.draw(st.sampled_from(RATES))
    solver = data.draw(st.sampled_from(PATHS))

    def gained(rate: float) -> float | None:
        at = replace(problem, protocols=[replace(problem.specs[0], curve=rate), *problem.specs[1:]], limits=limits)
        at = replace(at, rates=None if at.rates is None else {k: r for k, r in at.rates.items() if k != name})
        try:
            plan = allocate(at, solver=solver)
        except Infeasible:
            return None
        return float(plan.value.earnings[:, 1:].sum() * plan.value.hours) - plan.cost

    before, after = gained(1.0), gained(rate)
    assert after is None if before is None else after == pytest.approx(before, rel=1e-8, abs=1e-8)
