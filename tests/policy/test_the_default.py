"""The default policy and its parts: forecasts by a plain computation, the recursion by search, steps by the LP."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec, allocate
from reallot.policy.base import Observation, Terms, Values
from reallot.policy.experts import DEPTH, MOST_DEPTH, Bank, depth
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.forecast.ridge import PooledRidge, horizons
from reallot.policy.shadow_portfolios import Shadows, exchange
from reallot.policy.value_iteration import stretches, worth
from tests.policy.forecast.plain import plain_forecasts

SEEDS = st.integers(0, 2**32 - 1)


def terms(size: int, cost: float = 0.5, **others: object) -> Terms:
    names = tuple(f"p{i}" for i in range(size))
    given: dict[str, object] = {"step_hours": 1.0, "move_cost": cost, "limits": Limits(max_turnover=0.2), **others}
    return Terms(names, **given)  # type: ignore[arg-type]


def walk(size: int, steps: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed)
    return 1.0 + np.cumsum(drawn.normal(size=(steps, size)), axis=0) / 5.0 + drawn.normal(size=(steps, size)) / 3.0


@given(SEEDS)
def test_a_step_of_shares_is_the_lps(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    size = int(drawn.integers(2, 7))
    values, shares = drawn.normal(size=size), drawn.dirichlet(np.ones(size))
    most, turnover, cost = drawn.uniform(0.05, 0.5), drawn.uniform(0.05, 1.0), drawn.uniform(0.0, 1.0)
    specs = [ProtocolSpec(f"p{i}", value, move_cost=cost / 2.0) for i, value in enumerate(values.tolist())]
    current = {f"p{i}": share for i, share in enumerate(shares.tolist())}
    plan = allocate(AllocationProblem(specs, current, limits=Limits(max_change=most, max_turnover=turnover)))
    change = exchange(values, np.minimum(shares, most), np.minimum(1.0 - shares, most), cost, turnover)
    assert abs(change.sum()) < 1e-12
    gain = float(values @ change) - cost * np.abs(change).sum() / 2.0
    assert gain == pytest.approx(plan.net_benefit, abs=1e-9)


@given(SEEDS)
def test_the_recursion_is_the_best_way_of_one_unit(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    size, count = int(drawn.integers(2, 4)), int(drawn.integers(1, 5))
    blocks, cost = drawn.normal(size=(count, size)), float(drawn.uniform(0.0, 2.0))
    values = worth(blocks, np.array([count, 1]), np.array([cost, cost]))
    for start in range(size):
        best = max(
            sum(blocks[b, place] for b, place in enumerate((start, *way)))
            - cost * sum(here != there for here, there in itertools.pairwise((start, *way)))
            for way in itertools.product(range(size), repeat=count - 1)
        )
        assert values[0, start] == pytest.approx(best, abs=1e-12)
    assert values[1] == pytest.approx(blocks[0])


@given(SEEDS)
@settings(max_examples=10)
def test_forecasts_are_those_of_a_plain_weighted_regression(seed: int) -> None:
    rates = walk(3, 40, seed)
    ridge = PooledRidge(3, 1.0, 3)
    forecasts = np.array([ridge.take(row) for row in rates])
    assert forecasts[-1] == pytest.approx(plain_forecasts(rates, 3), rel=1e-6, abs=1e-9)


def test_horizons_double_from_half_an_hour_or_a_step() -> None:
    assert horizons(1 / 12, 4).tolist() == pytest.approx([0.5, 1.0, 2.0, 4.0])
    assert horizons(8.0, 3).tolist() == [8.0, 16.0, 32.0]


def test_a_persistent_difference_is_forecast_and_noise_is_shrunk() -> None:
    drawn = np.random.default_rng(5)
    steady = PooledRidge(2, 1.0, 6)
    for _ in range(300):
        forecast = steady.take(np.array([1.2, 0.8]) + drawn.normal(size=2) * 0.1)
    assert forecast[-1] == pytest.approx([0.2, -0.2], abs=0.04)
    noise = PooledRidge(2, 1.0, 6)
    for _ in range(1000):
        forecast = noise.take(1.0 + drawn.normal(size=2))
    assert np.abs(forecast[-1]).max() < 0.15


def test_glitches_in_quotes_leave_forecasts_alone() -> None:
    """The traces of a pool that quotes up to 34,744 USD/h where at most 14 are earned."""
    drawn = np.random.default_rng(6)
    with_glitches, without = PooledRidge(3, 1.0, 4, quotes=True), PooledRidge(3, 1.0, 4, quotes=True)
    for step in range(400):
        rates = np.array([3.0, 2.0, 1.0]) + drawn.normal(size=3) * 0.2
        quotes = rates + drawn.normal(size=3) * 0.1
        glitched = quotes.copy()
        if step % 50 == 7:
            glitched[2] = 34_744.0
        left, right = with_glitches.take(rates, glitched), without.take(rates, quotes)
    assert left == pytest.approx(right, abs=0.2)


@pytest.mark.slow
def test_what_is_quoted_ahead_is_used() -> None:
    """Quotes that know the next hour: a forecast with them misses by less."""
    rates = walk(4, 600, 11)
    told, alone = PooledRidge(4, 1.0, 1, quotes=True), PooledRidge(4, 1.0, 1)
    misses = []
    for step in range(len(rates) - 1):
        after = rates[step + 1] - rates[step + 1].mean()
        misses.append(
            [np.abs(told.take(rates[step], rates[step + 1])[0] - after), np.abs(alone.take(rates[step])[0] - after)]
        )
    with_quotes, without = np.array(misses)[200:].mean(axis=(0, 2))
    assert with_quotes < 0.5 * without


@pytest.mark.parametrize(
    ("cost", "level", "looks"),
    [(0.0, 1.0, DEPTH), (24.0, 1.0, DEPTH), (240.0, 1.0, 12), (1.0, 0.0, MOST_DEPTH - 2), (2400.0, 1.0, 12)],
)
def test_costlier_moves_are_looked_at_further_ahead(cost: float, level: float, looks: int) -> None:
    assert depth(terms(3, cost), np.full(3, level)) == looks


def test_a_bank_of_fourteen_with_stay_last() -> None:
    bank = Bank(terms(3), np.ones(3), quotes=False)
    assert len(bank.names) == len(set(bank.names)) == 14
    values = bank.take(np.array([2.0, 1.0, 1.0]), None)
    assert values.shape == (14, 3)
    assert bank.names[-1] == "stay" and not values[-1].any()


@pytest.mark.parametrize(("fee", "hold"), [(0.0, 0.0), (0.05, 0.0), (0.0, 3.0)])
def test_shadows_account_for_what_they_move_and_keep_to_limits(fee: float, hold: float) -> None:
    own = terms(4, 0.3, move_fee=fee, hold_hours=hold, low=(0.05,) * 4, high=(0.6,) * 4)
    start = np.full(4, 0.25)
    shadows, drawn = Shadows(own, 2, start), np.random.default_rng(3)
    changed_at = np.full((2, 4), -100)
    for step in range(60):
        before = shadows.shares.copy()
        values = drawn.normal(size=(2, 4))
        shadows.step(values)
        change = shadows.shares - before
        moved = np.abs(change).sum(axis=1) / 2.0
        assert (moved <= 0.2 + 1e-12).all()
        assert (shadows.shares >= 0.05 - 1e-12).all() and (shadows.shares <= 0.6 + 1e-12).all()
        assert shadows.shares.sum(axis=1) == pytest.approx([1.0, 1.0])
        fees = fee * (change != 0.0).sum(axis=1)
        assert shadows.paid == pytest.approx(0.3 * moved + fees)
        gain = (values * change).sum(axis=1) - shadows.paid
        assert (gain >= -1e-12).all()
        assert (step - changed_at[change != 0.0] >= hold).all()
        changed_at[change != 0.0] = step
        rates = drawn.normal(size=4)
        assert shadows.earn(rates) == pytest.approx(shadows.shares @ rates - shadows.paid)


def asked(policy: Replay, rates: np.ndarray, own: Terms) -> Values:
    for step, row in enumerate(rates, 1):
        answer = policy.decide(Observation(own, step, np.full(own.size, 1.0 / own.size), row))
    assert isinstance(answer, Values)
    return answer


def test_the_first_leader_is_the_value_rule_and_a_steady_gain_is_taken() -> None:
    policy, own = Replay(), terms(3, 24.0)
    answer = asked(policy, np.tile([2.0, 1.0, 1.0], (24 * 4, 1)), own)
    assert policy.leader == next(iter(policy.scores))
    assert answer.values[0] - answer.values[1] > own.move_cost


@pytest.mark.slow
def test_another_rule_leads_once_it_is_better_by_a_full_move() -> None:
    drawn = np.random.default_rng(1)
    policy, own = Replay(), terms(2, 0.05)
    led = set()
    shares = np.array([0.5, 0.5])
    for step in range(3000):
        # what was good turns bad at once: every forecast from the past loses
        flip = 1.0 if step % 2 else -1.0
        row = np.array([1.0 + flip, 1.0 - flip]) + drawn.normal(size=2) * 0.01
        policy.decide(Observation(own, step + 1, shares, row))
        led.add(policy.leader)
        scores = policy.scores
        assert scores[policy.leader] >= max(scores.values()) - own.move_cost - 1e-9
    assert len(led) >= 1


def test_stretches_add_up_to_the_horizons() -> None:
    forecasts, hours = np.array([[1.0], [2.0], [0.5]]), np.array([1.0, 2.0, 4.0])
    assert stretches(forecasts, hours).cumsum(axis=0)[:, 0].tolist() == [1.0, 4.0, 2.0]


def test_what_was_never_seen_is_taken_as_the_mean_and_nothing_seen_as_stay() -> None:
    policy, own = Replay(), terms(3)
    shares = np.full(3, 1.0 / 3.0)
    assert policy.decide(Observation(own, 1, shares, np.full(3, np.nan))) is None
    answer = policy.decide(Observation(own, 2, shares, np.array([2.0, np.nan, 1.0])))
    assert isinstance(answer, Values) and np.isfinite(answer.values).all()
    assert answer.values[0] > answer.values[1] > answer.values[2]
