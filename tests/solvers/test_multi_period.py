"""Several periods: the active protocols and the proof for all others, against HiGHS on the whole program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Certificate,
    CVaR,
    EarningsCurve,
    Group,
    InvalidInput,
    Limits,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    Status,
    certify,
    formulate,
    solve,
)
from reallot.formulation import complete
from reallot.solvers.interface.result import NoFeasibleSplit, SolverResult
from reallot.solvers.multi_period import column_generation as horizon
from tests.strategies import budget, limits, protocols, starts, staying_allowed

FEATURES = {"bounds", "idle", "turnover", "costs", "warm_up", "floors", "periods"}
SEVERAL = AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 0.0}, periods=2)


@st.composite
def horizons(draw: st.DrawFn) -> AllocationProblem:
    """Flat rates over a few periods: many that start empty or none, floors, holds, tight limits, starts off budget."""
    size = draw(st.one_of(st.integers(2, horizon.FEW), st.integers(horizon.FEW + 1, 2 * horizon.FEW)))
    periods = draw(st.integers(2, 6))
    names = [f"p{i:02d}" for i in range(size)]
    features = FEATURES if draw(st.booleans()) else {"bounds", "costs", "periods"}
    grid = draw(st.sampled_from([None, 8]))
    idle = "idle" in features and draw(st.booleans())
    holders = draw(st.integers(1, size))
    current = draw(starts(holders, 1.0, grid, idle)) + [0.0] * (size - holders)
    specs = [draw(protocols(name, share, features, grid, periods)) for name, share in zip(names, current, strict=True)]
    now = dict(zip(names, current, strict=True))
    problem = AllocationProblem(
        specs,
        now,
        capacity=draw(st.sampled_from([1.0, 1.0, 1.0, 0.75, 1.125])),
        allow_idle=idle,
        periods=periods,
        horizon_hours=draw(st.sampled_from([1.0, 6.0, 24.0])),
        limits=draw(limits(now, features, grid, periods)),
    )
    return staying_allowed(problem) if draw(st.booleans()) else problem


def certificate(problem: AllocationProblem, answer: SolverResult) -> Certificate:
    """Of the answer, over the whole program, from its own prices."""
    program, prices = formulate(problem), answer.prices
    assert prices is not None
    blocks = {"movement": prices.movement, "budget": prices.capacity, "bought": prices.bought, "sold": prices.sold}
    row_prices = np.concatenate([blocks[block.name].ravel() for block in program.rows])
    return certify(program, complete(problem, program, answer.schedule), row_prices)


def agrees_with_highs(problem: AllocationProblem, compiled: bool) -> None:
    """Status and objective of HiGHS on the whole program; feasible; a gap that closes."""
    program, answer = formulate(problem), horizon.solve(problem, compiled=compiled)
    if (program.lower > program.upper).any():
        assert isinstance(answer, NoFeasibleSplit)
        return
    expected = solve(program)
    assert isinstance(answer, NoFeasibleSplit) == (expected.status is Status.INFEASIBLE), expected.detail
    if isinstance(answer, NoFeasibleSplit):
        return
    proof = certificate(problem, answer)
    assert abs(proof.objective - program.objective(expected.values)) <= 1e-9 * proof.scale
    assert proof.worst_residual <= 1e-9 and proof.gap <= 1e-10


@pytest.mark.slow
@budget(4.0)
@given(problem=horizons())
def test_it_agrees_with_highs_on_the_whole_program(problem: AllocationProblem) -> None:
    agrees_with_highs(problem, compiled=False)


@pytest.mark.slow
@budget(4.0)
@given(problem=horizons())
def test_compiled_it_agrees_with_highs_on_the_whole_program(problem: AllocationProblem) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    from reallot.solvers.multi_period import network

    agrees_with_highs(problem, compiled=True)
    answer, whole = horizon.solve(problem, compiled=True), horizon.horizon_arrays(problem)
    if isinstance(answer, SolverResult) and network.why_ineligible(whole) is None:
        # nothing had to be handed over for want of a proof
        assert "network simplex inside (Numba), " in answer.detail


@pytest.fixture(params=[False, True], ids=["HiGHS inside", "network simplex inside"])
def compiled(request: pytest.FixtureRequest) -> bool:
    if request.param:
        pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    return bool(request.param)


def crowded(size: int = 14) -> AllocationProblem:
    """Five poor protocols hold all; the richest could take it, were it not that each may rise by 0.1 a period only."""
    names = [f"p{i:02d}" for i in range(size)]
    current = {name: 0.2 if i < 5 else 0.0 for i, name in enumerate(names)}
    specs = [ProtocolSpec(name, float(i), move_cost=0.01) for i, name in enumerate(names)]
    return AllocationProblem(specs, current, periods=3, horizon_hours=3.0, limits=Limits(max_change=0.1))


def test_what_the_first_guess_leaves_out_joins_when_the_prices_ask_for_it(compiled: bool) -> None:
    problem = crowded()
    # in the first period the five sell 0.5, and five buy it; the guess has room for two of them
    answer = horizon.solve(problem, compiled=compiled)
    assert isinstance(answer, SolverResult)
    first = horizon.first_active(horizon.horizon_arrays(problem))
    joined = answer.schedule.max(axis=0)[~first] > 0.0
    assert joined.any() and "1 round" not in answer.detail
    assert certificate(problem, answer).gap <= 1e-12
    agrees_with_highs(problem, compiled=compiled)


def test_without_the_proof_the_first_guess_would_be_taken_for_the_optimum(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = crowded()
    right = horizon.solve(problem, compiled=compiled)
    monkeypatch.setattr(horizon, "best_purchase", lambda whole, values, prices: np.zeros(whole.shape[1]))
    monkeypatch.setattr(horizon, "proves", lambda steps, schedule, prices: True)
    wrong = horizon.solve(problem, compiled=compiled)
    assert isinstance(right, SolverResult) and isinstance(wrong, SolverResult)
    proof = certificate(problem, wrong)
    assert proof.objective < certificate(problem, right).objective - 0.1
    assert proof.is_feasible and proof.gap > 0.01


def test_an_answer_that_does_not_prove_itself_is_found_again_with_every_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = crowded()
    monkeypatch.setattr(horizon, "proves", lambda steps, schedule, prices: False)
    answer = horizon.solve(problem, compiled=False)
    assert isinstance(answer, SolverResult) and answer.detail.startswith("14 of 14 protocols active")


def test_a_start_below_capacity_that_the_active_alone_cannot_fill_asks_everybody() -> None:
    names = [f"p{i:02d}" for i in range(20)]
    specs = [ProtocolSpec(name, 1.0 + i, max_share=0.5 if i < 11 else 0.05) for i, name in enumerate(names)]
    limits = Limits(max_change=0.05)
    problem = AllocationProblem(specs, dict.fromkeys(names, 0.0), periods=2, limits=limits)
    answer = horizon.solve(problem, compiled=False)
    assert isinstance(answer, SolverResult) and "as fewer cannot take the capacity" in answer.detail
    assert answer.schedule[0] == pytest.approx(np.full(20, 0.05))
    agrees_with_highs(problem, compiled=False)


@pytest.mark.parametrize("capacity", [0.0, 1.0])
def test_where_nobody_holds_or_earns_anything_somebody_is_active_all_the_same(capacity: float, compiled: bool) -> None:
    names = [f"p{i:02d}" for i in range(horizon.FEW + 1)]
    problem = AllocationProblem(dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0), periods=2, capacity=capacity)
    agrees_with_highs(problem, compiled)


def test_nothing_moves_where_moving_gains_nothing(compiled: bool) -> None:
    names = [f"p{i:02d}" for i in range(12)]
    current = {name: 0.25 if i % 3 == 0 else 0.0 for i, name in enumerate(names)}
    answer = horizon.solve(AllocationProblem(dict.fromkeys(names, 1.0), current, periods=4), compiled=compiled)
    assert isinstance(answer, SolverResult)
    worth = certificate(AllocationProblem(dict.fromkeys(names, 1.0), current, periods=4), answer)
    assert worth.objective == pytest.approx(1.0) and worth.gap <= 1e-12


WHY_NOT = {
    "the start breaks a bound": {"protocols": [ProtocolSpec("a", 1.0, max_share=0.5), ProtocolSpec("b", 2.0)]},
    "the start does not sum to the capacity": {"capacity": 0.75},
}


@pytest.mark.parametrize("reason", WHY_NOT)
def test_a_start_that_may_not_stay_is_handed_from_the_network_to_highs(reason: str) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    problem = replace(SEVERAL, **WHY_NOT[reason])
    answer = horizon.solve(problem, compiled=True)
    assert isinstance(answer, SolverResult) and f"HiGHS inside as {reason}" in answer.detail
    agrees_with_highs(problem, compiled=True)


def test_a_network_answer_without_proof_is_handed_to_highs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="compiled paths need Numba (extra `fast`)")
    from reallot.solvers.multi_period import network

    right = horizon.solve(crowded(), compiled=True)
    assert isinstance(right, SolverResult) and "network simplex inside" in right.detail
    monkeypatch.setattr(network, "PIVOTS_PER_ARC", 0)
    answer = horizon.solve(crowded(), compiled=True)
    assert isinstance(answer, SolverResult) and "HiGHS inside as the network simplex did not end" in answer.detail
    assert certificate(crowded(), answer).gap <= 1e-12


def test_floors_above_ceilings_and_full_holds_are_unmet() -> None:
    floor = ProtocolSpec("a", 1.0, min_share=0.0, max_share=0.5, decrease_floor=0.75)
    assert isinstance(horizon.solve(replace(SEVERAL, protocols=[floor, ProtocolSpec("b", 1.0)])), NoFeasibleSplit)
    assert isinstance(horizon.solve(replace(SEVERAL, capacity=0.5, limits=Limits(held=("a", "b")))), NoFeasibleSplit)


TWO = {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (replace(SEVERAL, periods=1), "one period"),
        (replace(SEVERAL, protocols=[ProtocolSpec("a", 1.0, max_share=1.0), ProtocolSpec("b", 1.0, max_share=1.0)],
                 capacity=None), "no capacity"),
        (replace(SEVERAL, resources={"cpu": 1.0}), "resources (cpu)"),
        (replace(SEVERAL, limits=Limits(groups=(Group("both", ("a", "b"), max_share=1.0),))), "group both"),
        (replace(SEVERAL, scenarios=Scenarios(rates={"a": [1.0]}), risk=CVaR(0.5, 0.5)), "CVaR"),
        (replace(SEVERAL, risk=RateUncertainty(1.0, 1.0)), "uncertainty"),
        (AllocationProblem([ProtocolSpec("a", 1.0, move_fee=1.0), ProtocolSpec("b", 1.0)], TWO, periods=2), "fee"),
        (replace(SEVERAL, limits=Limits(max_moves=1)), "max_moves 1"),
        (replace(SEVERAL, limits=Limits(min_move=0.1)), "min_move 0.1"),
        (AllocationProblem([ProtocolSpec("a", 1.0, step=0.5), ProtocolSpec("b", 1.0)], TWO, periods=2), "units"),
        (AllocationProblem([ProtocolSpec("a", EarningsCurve.through([(0, 0), (0.5, 1), (1, 1.5)])),
                            ProtocolSpec("b", 1.0)], TWO, periods=2), "a has a curve"),
    ],
)  # fmt: skip
def test_what_it_declines_it_declines_in_words(problem: AllocationProblem, words: str) -> None:
    reason = horizon.why_ineligible(problem)
    assert reason is not None and words in reason
    with pytest.raises(InvalidInput, match="the horizon path declines"):
        horizon.solve(problem)


def test_it_takes_several_periods_with_every_linear_rule_of_change() -> None:
    assert horizon.why_ineligible(SEVERAL) is None
    given = Limits(max_change=0.5, max_turnover=0.25, held={"a": 1})
    assert horizon.why_ineligible(replace(SEVERAL, allow_idle=True, reserve=0.1, limits=given)) is None
