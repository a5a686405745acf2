"""The optimum in hindsight: the whole trace against `allocate`, windows against the whole, what must hold of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks import hindsight as benchmark
from benchmarks import traces
from reallot import AllocationProblem, Group, Infeasible, InvalidInput, Limits, LockIn, ProtocolSpec, allocate
from reallot.backtest import hindsight as module
from reallot.backtest.hindsight import Hindsight, hindsight
from reallot.formulation.evaluate_arrays import gain_scale, worst_residual
from reallot.problem.objective import turnover, value
from reallot.solvers.interface.result import NoFeasibleSplit
from reallot.solvers.multi_period import coarse_to_fine, column_generation, window_joins, windows
from reallot.solvers.multi_period.arrays import bound, horizon_arrays, objective
from reallot.solvers.numba.dispatch import available, switched_off
from tests.strategies import NAMES, budget, limits, protocols, starts, staying_allowed

FEATURES = {"bounds", "idle", "turnover", "costs", "warm_up", "floors", "periods"}
EQUAL = 1e-9

needs_numba = pytest.mark.skipif(not available(), reason="Numba is not installed; it comes with the extra fast")
needs_traces = pytest.mark.skipif(
    traces.folder() is None,
    reason="no traces beside the repository (../shared/data); point REALLOT_TRACES at their folder to run this",
)


@st.composite
def small(draw: st.DrawFn, most: int = 12) -> AllocationProblem:
    """A short trace with any limits, costs, floors, holds and warm-up; staying is allowed."""
    names, periods = NAMES[: draw(st.integers(1, 5))], draw(st.integers(2, most))
    grid, idle = draw(st.sampled_from([None, 8])), draw(st.booleans())
    current = draw(starts(len(names), 1.0, grid, idle))
    now = dict(zip(names, current, strict=True))
    specs = [draw(protocols(name, share, FEATURES, grid, periods)) for name, share in now.items()]
    problem = AllocationProblem(
        specs,
        now,
        allow_idle=idle,
        periods=periods,
        horizon_hours=draw(st.sampled_from([1.0, 6.0, 24.0])),
        limits=draw(limits(now, FEATURES, grid, periods)),
    )
    return staying_allowed(problem)


def trace(
    steps: int, size: int, cost: float, seed: int = 0, limit: Limits | None = None, fee: float = 0.0
) -> AllocationProblem:
    """Rates that wander and come back, an hour a step, from the equal split; `cost` USD for a unit moved."""
    random = np.random.default_rng([seed, steps, size])
    rates = np.empty((steps, size))
    away = random.normal(size=size)
    for t in range(steps):
        away = 0.9 * away + 0.4 * random.normal(size=size)
        rates[t] = 2.0 + away
    names = [f"p{i}" for i in range(size)]
    return of(rates, names, cost, Limits(max_turnover=0.2) if limit is None else limit, fee)


def of(
    rates: np.ndarray, names: list[str], cost: float, limit: Limits, fee: float = 0.0, start: list[float] | None = None
) -> AllocationProblem:
    """A trace of `rates` (steps, names)."""
    steps, size = rates.shape
    return AllocationProblem(
        [ProtocolSpec(name, 0.0, move_cost=cost / 2.0, move_fee=fee) for name in names],
        dict(zip(names, start or [1.0 / size] * size, strict=True)),
        periods=steps,
        horizon_hours=float(steps),
        rates=dict(zip(names, rates.T.tolist(), strict=True)),
        limits=limit,
    )


def size_of(problem: AllocationProblem, net: float) -> float:
    """What a difference of money is measured by."""
    return max(abs(net), gain_scale(problem.arrays))


def is_honest(problem: AllocationProblem, found: Hindsight) -> None:
    """A feasible plan, its money recomputed, under its bound."""
    worth = value(problem, found.shares)
    assert worst_residual(problem, found.shares)[0] <= EQUAL
    assert (found.net, found.cost) == (worth.net, worth.cost)
    assert found.gross == pytest.approx(worth.net + worth.cost)
    assert found.moved == pytest.approx(turnover(problem, found.shares).sum())
    assert found.bound >= found.net
    assert found.gap >= 0.0


@pytest.mark.slow
@given(small())
def test_the_whole_trace_is_worth_what_allocate_finds(problem: AllocationProblem) -> None:
    found, plan = hindsight(problem), allocate(problem, solver="highs")
    is_honest(problem, found)
    near = EQUAL * size_of(problem, plan.value.net)
    assert abs(found.net - plan.value.net) <= near
    assert found.bound - found.net <= near
    assert found.windows == 1


@pytest.mark.slow
@given(small(), st.integers(2, 6))
def test_windows_are_worth_no_more_than_the_optimum_and_their_bound_no_less(
    problem: AllocationProblem, window: int
) -> None:
    found, best = hindsight(problem, window=window), allocate(problem, solver="highs").value.net
    is_honest(problem, found)
    near = EQUAL * size_of(problem, best)
    assert found.net <= best + near
    assert found.bound >= best - near


@pytest.mark.slow
@budget(0.5)
@given(small(), st.integers(2, 4), st.booleans())
def test_windows_that_grow_until_they_fit_prove_the_optimum(
    problem: AllocationProblem, length: int, compiled: bool
) -> None:
    known = horizon_arrays(problem)
    found = windows.plan(known, length, problem.periods, compiled=compiled and available())
    assert not isinstance(found, NoFeasibleSplit) and found.answer.prices is not None
    worth = objective(known, found.answer.schedule)
    assert found.open == 0
    assert bound(known, found.answer.prices) - worth <= 2e-9 * problem.periods * size_of(problem, worth)
    assert worst_residual(problem, found.answer.schedule)[0] <= EQUAL


@budget(0.5)
@given(small())
def test_a_bound_without_limits_of_change_is_a_bound(problem: AllocationProblem) -> None:
    known = horizon_arrays(problem)
    prices = window_joins.unlimited_prices(known)
    best = allocate(problem, solver="highs").value.net
    assert bound(known, prices) >= best - EQUAL * size_of(problem, best)


def test_without_limits_the_prices_without_limits_prove_the_optimum() -> None:
    problem = trace(300, 4, 0.5, limit=Limits())
    known = horizon_arrays(problem)
    assert bound(known, window_joins.unlimited_prices(known)) == pytest.approx(hindsight(problem).net, rel=1e-12)


def test_the_optimum_falls_with_cost() -> None:
    worth = [hindsight(trace(200, 5, cost)).net for cost in (0.0, 0.1, 0.5, 2.0, 10.0)]
    assert all(earlier > later for earlier, later in pairwise(worth))


@pytest.mark.parametrize(
    "limit",
    [lambda most: Limits(max_turnover=most), lambda most: Limits(max_change=most)],
    ids=["max_turnover", "max_change"],
)
def test_the_optimum_falls_with_a_tighter_limit(limit: Callable[[float], Limits]) -> None:
    problems = [trace(200, 5, 0.3, limit=limit(most)) for most in (1.0, 0.4, 0.2, 0.05, 0.0)]
    worth = [hindsight(problem).net for problem in problems]
    assert all(earlier > later for earlier, later in pairwise(worth))
    assert worth[-1] == pytest.approx(hindsight(trace(200, 5, 1e4)).net), "nothing may move: that is to stay"


def test_without_cost_and_limit_every_step_has_the_best() -> None:
    problem = trace(400, 6, 0.0, limit=Limits())
    best = problem.arrays.rate.max(axis=1).sum()
    for found in (hindsight(problem), hindsight(problem, window=50)):
        assert found.net == pytest.approx(best, rel=1e-13)
        assert found.bound == pytest.approx(best, rel=1e-13)
        assert found.cost == 0.0


@example(731, 1e-6, 10)
@budget(0.5)
@given(st.integers(0, 1000), st.sampled_from([1e-6, 0.01, 3.0, 1e5]), st.sampled_from([None, 10]))
def test_scaling_rates_and_costs_scales_everything(seed: int, factor: float, window: int | None) -> None:
    problem = trace(40, 4, 0.4, seed=seed)
    costs = [replace(spec, move_cost=factor * spec.move_cost) for spec in problem.specs]
    rates = {name: [factor * rate for rate in row] for name, row in (problem.rates or {}).items()}
    found = hindsight(problem, window=window)
    scaled = hindsight(replace(problem, protocols=costs, rates=rates), window=window)
    for one, other in ((found.gross, scaled.gross), (found.net, scaled.net), (found.bound, scaled.bound)):
        assert other == pytest.approx(factor * one, rel=1e-9)
    assert np.allclose(found.shares, scaled.shares, rtol=0.0, atol=1e-9)


@pytest.mark.slow
@given(st.permutations(range(5)), st.integers(0, 1000), st.sampled_from([None, 12]))
def test_permuting_alternatives_permutes_the_plan(order: list[int], seed: int, window: int | None) -> None:
    problem = trace(40, 5, 0.4, seed=seed)
    other = of(problem.arrays.rate[:, order], [problem.names[i] for i in order], 0.4, problem.limits)
    found, permuted = hindsight(problem, window=window), hindsight(other, window=window)
    assert permuted.net == pytest.approx(found.net, rel=1e-12)
    assert np.allclose(permuted.shares, found.shares[:, order], rtol=0.0, atol=1e-9)


@given(st.integers(0, 3), st.integers(0, 1000))
def test_a_copied_alternative_changes_nothing_in_value(which: int, seed: int) -> None:
    problem = trace(40, 4, 0.4, seed=seed)
    rates = np.column_stack([problem.arrays.rate, problem.arrays.rate[:, which]])
    copied = of(rates, [*problem.names, "copy"], 0.4, problem.limits, start=[0.25] * 4 + [0.0])
    assert hindsight(copied).net == pytest.approx(hindsight(problem).net, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("way", [pytest.param(True, marks=needs_numba, id="numba"), pytest.param(False, id="highs")])
def test_windows_that_look_far_enough_ahead_are_exact(way: bool) -> None:
    known = horizon_arrays(trace(600, 4, 0.3))
    joined, whole = windows.plan(known, 120, 120, compiled=way), windows.plan(known, 600, 600, compiled=way)
    assert (
        not isinstance(joined, NoFeasibleSplit)
        and not isinstance(whole, NoFeasibleSplit)
        and joined.answer.prices is not None
    )
    assert (joined.windows, joined.open, whole.windows) == (9, 0, 1)
    worth = objective(known, whole.answer.schedule)
    assert objective(known, joined.answer.schedule) == pytest.approx(worth, rel=1e-12)
    assert bound(known, joined.answer.prices) == pytest.approx(worth, rel=1e-12)


def test_windows_that_look_too_short_ahead_say_so_and_longer_ones_are_exact() -> None:
    problem = trace(400, 4, 20.0)
    found, best = hindsight(problem, window=16), hindsight(problem)
    assert "seams open: prices of neighbours differ" in found.how and found.windows > 40
    assert found.net < best.net < found.bound
    grown = windows.plan(horizon_arrays(problem), 16, 400)
    assert not isinstance(grown, NoFeasibleSplit) and grown.open == 0
    assert objective(horizon_arrays(problem), grown.answer.schedule) == pytest.approx(best.net, rel=1e-11)


@pytest.mark.parametrize("cost", [0.3, 20.0])
def test_a_long_trace_is_planned_in_windows_of_its_own_accord(cost: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AT_ONCE", "AT_ONCE_IN_HIGHS"):
        monkeypatch.setattr(module, name, 1000)
    monkeypatch.setattr(module, "SHORTEST", 50)
    monkeypatch.setattr(module, "WINDOW", 200)
    problem = trace(600, 4, cost)
    found = hindsight(problem)
    assert f"{found.windows} windows, every seam fits" in found.how
    assert (found.windows == 23) == (cost == 0.3), "what a dear move is worth shows in longer windows only"
    assert found.net == pytest.approx(hindsight(problem, window=600).net, rel=1e-11)
    assert found.gap <= 1e-11


def test_without_compiled_code_windows_grow_until_they_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = trace(400, 6, 20.0)
    best = hindsight(problem).net
    monkeypatch.setattr(windows, "available", lambda: False)
    monkeypatch.setattr(column_generation, "available", lambda: False)
    monkeypatch.setattr(column_generation, "MANY_CELLS", 300)
    monkeypatch.setattr(coarse_to_fine, "WHOLE", 300)
    monkeypatch.setattr(column_generation, "MOST_USED", 1.0)  # as where many protocols take part: no interior point
    for name, small in (("AT_ONCE", 1000), ("SHORTEST", 50), ("WINDOW", 300)):
        monkeypatch.setattr(module, name, small)
    found = hindsight(problem)
    assert "HiGHS from coarse to fine" in found.how
    assert found.net == pytest.approx(best, rel=1e-11)
    assert found.gap <= 1e-11


def test_without_compiled_code_more_is_planned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = trace(400, 6, 20.0)
    monkeypatch.setattr(module, "AT_ONCE", 1000)
    with switched_off():
        found = hindsight(problem)
    assert found.how.startswith("all periods at once") and found.gap <= 1e-11
    assert found.net == pytest.approx(hindsight(problem).net, rel=1e-11)


def test_out_of_time_shares_stay_and_the_bound_allows_everything() -> None:
    problem = trace(400, 4, 0.5)
    found, best = hindsight(problem, window=40, time_limit_seconds=0.0), hindsight(problem)
    assert "out of time at period 40 of 400" in found.how
    assert (found.shares[40:] == found.shares[39]).all()
    assert found.net < best.net <= found.bound
    unlimited = hindsight(replace(problem, limits=Limits()))
    assert found.bound < unlimited.bound, "what was planned is bounded by its own prices"


def test_shares_move_only_where_a_turnover_by_period_lets_them() -> None:
    most = [0.5 if t % 8 == 0 else 0.0 for t in range(160)]
    problem = trace(160, 4, 0.3, limit=Limits(max_turnover=most))
    found = hindsight(problem, window=40)
    is_honest(problem, found)
    moved = turnover(problem, found.shares)
    assert moved.max() > 0.4 and moved[np.arange(160) % 8 != 0].max() == 0.0
    assert found.gap < 0.01


@pytest.mark.parametrize("part", [0.05, 0.4])
def test_fees_are_paid_whole_and_bounded_in_proportion(part: float, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = trace(12, 3, 0.1, limit=Limits(max_turnover=0.4), fee=part)
    best = hindsight(problem)
    assert best.how.startswith("all periods at once; highs")
    monkeypatch.setattr(module, "SMALL", 0)
    for window in (None, 6):
        found = hindsight(problem, window=window)
        is_honest(problem, found)
        assert "spreads each fee" in found.how
        assert found.net <= best.net + EQUAL
        assert found.bound >= best.net - EQUAL
    free = hindsight(replace(problem, protocols=[replace(spec, move_fee=0.0) for spec in problem.specs]))
    assert found.bound < free.net, "the bound knows of the fees"


def test_small_problems_of_other_kinds_are_left_to_allocate() -> None:
    capped = trace(12, 3, 0.1, limit=Limits(max_change=0.5, groups=(Group("g", ("p0", "p1"), max_share=0.7),)))
    single = AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 0.0})
    for problem in (capped, single, trace(6, 3, 0.1, limit=Limits(max_moves=2))):
        found = hindsight(problem)
        assert found.net == pytest.approx(allocate(problem).value.net)
        assert found.gap <= 1e-6 and "bound from" in found.how


def test_long_problems_of_other_kinds_decline_in_words() -> None:
    problem = trace(1001, 2, 0.1, limit=Limits(max_moves=1))
    with pytest.raises(InvalidInput, match=r"1001 periods and 2 protocols declines: max_moves 1 .*to 1000 periods"):
        hindsight(problem)


def test_a_trace_without_any_feasible_plan_is_infeasible(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = ProtocolSpec("p0", 1.0, lock_in=LockIn(0.9, 2))
    problem = AllocationProblem(
        [locked, ProtocolSpec("p1", 2.0)], {"p0": 0.5, "p1": 0.5}, periods=4, limits=Limits(max_change=0.1)
    )
    with pytest.raises(Infeasible) as caught:
        hindsight(problem)
    assert caught.value.conflict is not None
    monkeypatch.setattr(module, "SMALL", 0)
    with pytest.raises(Infeasible, match="first periods alone"):
        hindsight(problem)


def test_a_least_gain_that_is_not_reached_is_to_stay() -> None:
    problem = trace(50, 3, 0.3)
    gain = hindsight(problem).net - hindsight(replace(problem, limits=Limits(max_turnover=0.0))).net
    for least, moves in ((0.9 * gain, True), (1.1 * gain, False)):
        found = hindsight(replace(problem, limits=Limits(max_turnover=0.2, min_gain=least)))
        assert (found.moved > 0.0) == moves
        is_honest(problem, found)


def test_what_comes_back_is_a_record() -> None:
    one, other = hindsight(trace(30, 3, 0.3)), hindsight(trace(30, 3, 0.3))
    assert one == replace(other, seconds=other.seconds + 1.0)
    assert one != hindsight(trace(30, 3, 0.4)) and one != "one"
    with pytest.raises(ValueError, match="read-only"):
        one.shares[0, 0] = 1.0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda problem: hindsight(problem, window=1), "window"),
        (lambda problem: hindsight(problem, window=2.5), "whole number"),  # type: ignore[arg-type]
        (lambda problem: hindsight(problem, time_limit_seconds=float("nan")), "time_limit_seconds"),
        (lambda problem: hindsight(problem, time_limit_seconds=-1.0), "time_limit_seconds"),
    ],
    ids=["short window", "part of a period", "no number", "negative time"],
)
def test_wrong_arguments_are_named(call: Callable[[AllocationProblem], Hindsight], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        call(trace(10, 2, 0.1))


@needs_traces
@pytest.mark.parametrize(
    ("name", "days"),
    [
        pytest.param(
            name, days, marks=() if name.startswith("gpu") and days < 1.0 else pytest.mark.slow, id=f"{name}-{days}"
        )
        for name, days in benchmark.REFERENCE
        if not name.startswith("energy")
    ],
)
def test_the_optimum_of_a_recorded_trace_is_the_published_one(name: str, days: float) -> None:
    loaded = traces.load(name)
    problem = benchmark.problem_of(loaded, days)
    found, (published, gap) = hindsight(problem), benchmark.REFERENCE[name, days]
    is_honest(problem, found)
    assert found.net == pytest.approx(published, rel=1e-4)
    assert found.net <= published * (1.0 + gap + 1e-7) and published <= found.bound * (1.0 + 1e-7)
    assert found.gap <= 1e-10
