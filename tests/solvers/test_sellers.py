"""Several periods where everybody holds something: sellers by their times, against HiGHS on the whole program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec, allocate, hindsight
from reallot.formulation import moves
from reallot.problem.arrays import FloatArray
from reallot.solvers.interface.result import RowPrices
from reallot.solvers.multi_period import column_generation, seller_generation
from reallot.solvers.multi_period.arrays import (
    HorizonArrays,
    bound,
    holding_values,
    horizon_arrays,
    largest,
    objective,
    proves,
)
from reallot.solvers.multi_period.restricted_program import HighsRestricted
from reallot.solvers.multi_period.seller_generation import at_rest, first_traders, only_sell, solve_sellers
from reallot.solvers.multi_period.window_joins import unlimited_prices
from tests.strategies import budget

EQUAL = 1e-9
MISS = 1e-9


@st.composite
def everybody_holds(draw: st.DrawFn) -> HorizonArrays:
    """All hold something, or nearly all; rates on a grid (ties) or not, floors, ceilings, holds, turnover, idle."""
    seed, size, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(12, 30)), draw(st.integers(2, 24))
    random = np.random.default_rng(seed)
    ties, idle = draw(st.booleans()), draw(st.booleans())
    if ties:
        gain, take = (
            random.integers(0, 5, (count, size)).astype(float),
            random.integers(0, 4, (count, size)).astype(float),
        )
        give = random.integers(0, 3, size).astype(float)
    else:
        gain = np.abs(random.normal(0.0, 0.1, (count, size)).cumsum(axis=0) + random.uniform(0.5, 2.0, size))
        gain *= draw(st.sampled_from([1e-3, 1.0, 1e6]))
        take = gain.mean() * random.uniform(0.0, 4.0, (count, size))
        give = gain.mean() * random.uniform(0.0, 2.0, size)
    shares = np.full(size, 1.0 / size) if draw(st.booleans()) else random.dirichlet(np.full(size, 0.7))
    if draw(st.booleans()):
        shares[: size // 4] = 0.0
        shares /= shares.sum()
    lower, upper = np.zeros((count, size)), np.ones((count, size))
    floors = draw(st.sampled_from(["none", "steady", "all of it", "changing"]))
    if floors in ("steady", "all of it"):
        part = random.integers(0, 2, size) if floors == "all of it" else random.uniform(0.0, 1.0, size)
        lower[:] = shares * part * (random.random(size) < 0.6)
    if floors == "changing":
        lower[count // 2 :, :4] = 0.5 * shares[:4]
    most = np.full((count, size), draw(st.sampled_from([2.0, 0.5, 0.2, 2.0 / size, 0.3 / size])))
    if draw(st.booleans()):
        most[:, :3] = 0.0  # held throughout
        most[: count // 2, 3:6] = 0.0
    if draw(st.booleans()):
        upper[:] = np.maximum(shares, random.uniform(0.1, 0.9, size))
    turnover = draw(st.sampled_from([None, None, 0.3, 0.02]))
    return HorizonArrays(
        gain, take, give, lower, upper, most, shares, float(shares.sum()), idle,
        None if turnover is None else np.full(count, turnover),
    )  # fmt: skip


def agrees(whole: HorizonArrays) -> bool:
    """Worth of HiGHS on the whole program, every rule met, and the gap closed; whether sellers were planned apart."""
    found = solve_sellers(whole)
    if found is None:
        return False
    assert found.prices is not None
    expected = HighsRestricted(whole, np.arange(whole.shape[1]), np.zeros(len(whole.gain))).answer()
    assert expected is not None
    size = max(abs(objective(whole, expected[0])), largest(whole))
    assert abs(objective(whole, found.schedule) - objective(whole, expected[0])) <= EQUAL * size
    assert abs(bound(whole, found.prices) - objective(whole, found.schedule)) <= EQUAL * size
    assert proves(whole, found.schedule, found.prices)
    assert (found.schedule >= whole.lower - MISS).all() and (found.schedule <= whole.upper + MISS).all()
    return True


@pytest.mark.slow
@budget(4.0)
@given(whole=everybody_holds())
def test_sellers_apart_are_the_optimum_of_the_whole_or_decline(whole: HorizonArrays) -> None:
    agrees(whole)


@pytest.mark.slow
@budget(2.0)
@given(whole=everybody_holds())
def test_declining_is_about_speed_alone(whole: HorizonArrays) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seller_generation, "_too_many", lambda whole, trades: False)
        patch.setattr(seller_generation, "FEW", 1)
        patch.setattr(seller_generation, "CEILINGS", 1e9)
        agrees(whole)


@pytest.mark.slow
@budget(1.0)
@given(whole=everybody_holds())
def test_a_sample_of_the_sellers_begins_and_does_not_decide(whole: HorizonArrays) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seller_generation, "SAMPLE", 3)
        agrees(whole)


@pytest.mark.slow
@budget(1.0)
@given(whole=everybody_holds())
def test_few_times_and_a_poor_guess_cost_rounds_and_nothing_else(whole: HorizonArrays) -> None:
    nothing = np.zeros(len(whole.gain))
    poor = RowPrices(nothing, nothing, nothing, np.zeros(whole.shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seller_generation, "TIMES", 1)
        patch.setattr(seller_generation, "BESIDE", 0)
        patch.setattr(seller_generation, "unlimited_prices", lambda each: poor)
        agrees(whole)


def equal_split(size: int = 24, count: int = 8, seed: int = 1) -> HorizonArrays:
    """Rates that wander, from the equal split; a step may move a fifth of everything."""
    random = np.random.default_rng(seed)
    gain = np.abs(random.normal(0.0, 0.05, (count, size)).cumsum(axis=0) + random.uniform(1.0, 2.0, size))
    take, shares = np.tile(random.uniform(0.5, 2.0, size), (count, 1)), np.full(size, 1.0 / size)
    wide = np.ones((count, size))
    return HorizonArrays(gain, take, np.zeros(size), 0.0 * wide, wide, 0.2 * wide, shares, 1.0, False, None)


@pytest.mark.parametrize("idle", [False, True], ids=["full", "idle"])
@pytest.mark.parametrize("turnover", [None, 0.1], ids=["free", "turnover"])
@pytest.mark.parametrize("floor", [0.0, 0.5, 1.0], ids=["no floors", "half a share", "floors of exploration"])
def test_from_the_equal_split_sellers_are_planned_apart(idle: bool, turnover: float | None, floor: float) -> None:
    whole = equal_split()
    lower = floor * whole.current * (np.arange(24) % 2)
    whole = replace(
        whole,
        lower=np.tile(lower, (8, 1)),
        idle=idle,
        turnover=None if turnover is None else np.full(8, turnover),
    )
    assert agrees(whole)


def test_three_periods_by_hand() -> None:
    """One earns 5, eleven earn 1, 2 or 3; buying costs 2, and half of everything may move in a step.

    A unit of who earns 3 gains (5 - 3) * 3 - 2 = 4 when it moves at once; at most half may be bought in period 0, so
    the eleven of 1/12 queue: 6 move at once (those that earn least gain most), 5 as period 1 begins if 2 periods pay:
    4 for who earns 3: 2 * 2 - 2 = 2 > 0.
    """
    earns = np.array([5.0, *(4 * [1.0]), *(4 * [2.0]), *(3 * [3.0])])
    size = earns.size
    wide = np.ones((3, size))
    whole = HorizonArrays(
        gain=np.tile(earns, (3, 1)), take=2.0 * wide, give=np.zeros(size), lower=0.0 * wide, upper=wide,
        most=0.5 * wide, current=np.full(size, 1.0 / 12.0), available=1.0, idle=False, turnover=None,
    )  # fmt: skip
    found = solve_sellers(whole)
    assert found is not None and found.detail.startswith("2 of 12 protocols trade, 10 only sell")
    assert found.schedule[:, 0] == pytest.approx([7 / 12, 1.0, 1.0])
    # four of rate 1 and two of rate 2 go first
    assert found.schedule[0, 1:5] == pytest.approx(0.0)
    assert found.schedule[0, 5:9].sum() == pytest.approx(2 / 12) and found.schedule[0, 9:] == pytest.approx(1 / 12)
    staying, moved = (
        float(earns.sum()) * 3 / 12,
        (4 * (3 * 4 - 2) + 2 * (3 * 3 - 2) + 2 * (2 * 3 - 2) + 3 * (2 * 2 - 2)),
    )
    assert objective(whole, found.schedule) == pytest.approx(staying + moved / 12)
    assert agrees(whole)


def test_where_all_earn_the_same_everybody_stays() -> None:
    whole = replace(equal_split(), gain=np.ones((8, 24)))
    found = solve_sellers(whole)
    assert found is not None and found.schedule == pytest.approx(np.full((8, 24), 1 / 24))
    assert agrees(whole)


def test_where_many_would_buy_it_declines() -> None:
    narrow = replace(equal_split(), upper=np.full((8, 24), 2.0 / 24))
    assert solve_sellers(narrow) is None
    slow = replace(equal_split(), most=np.full((8, 24), 0.2 / 24))
    assert not only_sell(slow).any() and solve_sellers(slow) is None
    few = equal_split(8)
    assert solve_sellers(few) is None


def test_roles_say_who_may_only_sell() -> None:
    whole = equal_split(24)
    lower, upper, current = whole.lower.copy(), whole.upper.copy(), whole.current.copy()
    lower[:, 0] = current[0]  # at its floor
    lower[4:, 1] = current[1]  # a floor that begins later
    upper[2, 2] = 0.5 * current[2]  # has to sell
    current[3] = 0.0
    roles = replace(whole, lower=lower, upper=upper, current=current)
    assert at_rest(roles).nonzero()[0].tolist() == [0, 3]
    assert (~only_sell(roles)).nonzero()[0].tolist() == [0, 1, 2, 3]


def test_first_traders_take_all_in_one_step() -> None:
    whole = equal_split()
    traders = first_traders(whole, unlimited_prices(whole))
    assert 5 <= traders.sum() <= 10


def test_a_last_unit_that_sells_slowly_is_worth_no_more_than_it_earns() -> None:
    whole = replace(equal_split(2, 3), gain=np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), give=np.array([0.5, 0.5]))
    nothing = np.zeros(3)
    prices = RowPrices(np.array([2.0, 2.0, 2.0]), nothing, nothing, np.zeros((3, 2)))
    free = holding_values(whole, prices)
    held: FloatArray = holding_values(whole, prices, np.array([-2.0, np.inf]))
    # sold at once it would be worth -0.5; the last unit can only wait: -1 a period, -2 in all
    assert free[:, 0] == pytest.approx([-0.5, -0.5, -0.5])
    assert held[:, 0] == pytest.approx([-2.0, -1.0, -0.5])
    assert held[:, 1] == pytest.approx(free[:, 1])


def test_without_the_times_left_out_a_first_guess_would_be_taken_for_the_optimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = equal_split(24, 24)
    right = solve_sellers(whole)
    monkeypatch.setattr(seller_generation, "TIMES", 1)
    monkeypatch.setattr(seller_generation, "worth_of_times", lambda whole, places, prices: np.zeros((25, places.size)))
    wrong = solve_sellers(whole)
    # what does not prove itself is not handed out
    assert right is not None
    assert wrong is None or objective(whole, wrong.schedule) == pytest.approx(objective(whole, right.schedule))


def wandering(size: int, periods: int) -> AllocationProblem:
    random = np.random.default_rng(7)
    rates = np.abs(random.normal(0.0, 0.05, (periods, size)).cumsum(axis=0) + random.uniform(1.0, 2.0, size))
    names = [f"q{i:03d}" for i in range(size)]
    return AllocationProblem(
        [ProtocolSpec(name, 1.0, move_cost=float(random.uniform(0.5, 5.0))) for name in names],
        dict.fromkeys(names, 1.0 / size),
        periods=periods,
        horizon_hours=float(periods),
        rates=dict(zip(names, rates.T.tolist(), strict=True)),
        limits=Limits(max_change=0.2),
    )


def test_plans_and_hindsight_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_generation, "available", lambda: False)
    problem = wandering(40, 50)
    plan = allocate(problem)
    assert plan.solver == "horizon" and "only sell" in plan.solver_reason
    assert plan.certificate.is_optimal
    best = hindsight(problem)
    assert best.net == pytest.approx(plan.value.net, rel=1e-12)
    whole = allocate(problem, solver="highs")
    assert plan.certificate.objective == pytest.approx(whole.certificate.objective, rel=1e-11)


def test_large_problems_are_planned_this_way_with_numba_as_well() -> None:
    known = horizon_arrays(wandering(100, 130))
    answers = [column_generation.solve_arrays(known, compiled) for compiled in (None, False)]
    assert all("only sell" in answer.detail for answer in answers)


@pytest.mark.parametrize("solver", ["horizon", "highs"])
def test_no_label_is_made_that_is_not_printed(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    at = moves.Places.__getitem__
    monkeypatch.setattr(moves.Places, "__getitem__", lambda self, index: made.append(index) or at(self, index))
    plan = allocate(wandering(20, 10), solver=solver)
    assert plan.certificate.is_optimal and len(made) <= 1


def test_labels_are_names_with_their_periods() -> None:
    labels = moves.labels(wandering(3, 2))
    assert list(labels) == [(name, period) for period in range(2) for name in ("q000", "q001", "q002")]
    assert list(labels[1:3]) == [("q001", 0), ("q002", 0)] and labels[-1] == ("q002", 1)


def test_an_answer_that_is_not_proved_is_found_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seller_generation, "proves", lambda whole, schedule, prices: False)
    known = horizon_arrays(wandering(30, 10))
    assert solve_sellers(known) is None
    answer = column_generation.solve_arrays(known, False)
    assert "active" in answer.detail and proves(known, answer.schedule, answer.prices)
