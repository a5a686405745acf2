"""Multi-period planning: what it forecasts with, how far it looks, and that it earns what looking ahead is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reallot import Setting, backtest
from reallot.policy.base import Observation, Target, Terms
from reallot.policy.forecast.ridge import PooledRidge
from reallot.policy.multi_period import Learned, MultiPeriod


def waves(hours: int = 24 * 12) -> pd.DataFrame:
    """Three alternatives whose best hours come one after another."""
    index = pd.date_range("2026-01-01", periods=hours, freq="h", tz="UTC")
    turn = 2.0 * np.pi * np.arange(hours)[:, None] / 24.0 + np.array([0.0, 2.0, 4.0])
    noise = 0.05 * np.random.default_rng(4).normal(size=(hours, 3))
    return pd.DataFrame(2.0 + np.sin(turn) + noise, index=index, columns=["a", "b", "c"])


def test_blocks_are_what_lies_between_horizons() -> None:
    """Cumulated earnings are those of the regressions at their horizons, even in between."""
    rates = waves(60).to_numpy()
    outlook, ridge = Learned(4.0), PooledRidge(3, 1.0, 3)
    for row in rates:
        outlook.take(row, 1.0)
        forecasts = ridge.take(row)
    blocks, level = outlook.ahead(4, 1.0), rates[-1].mean()
    assert blocks[0] == pytest.approx(level + forecasts[0])
    assert blocks[:2].mean(axis=0) == pytest.approx(level + forecasts[1])
    assert blocks.mean(axis=0) == pytest.approx(level + forecasts[2])
    assert blocks[2] == pytest.approx(blocks[3])


def test_what_was_never_seen_has_no_forecast() -> None:
    outlook = Learned()
    outlook.take(np.array([np.nan, np.nan]), 1.0)
    assert np.isnan(outlook.ahead(2, 1.0)).all()
    outlook.take(np.array([1.0, np.nan]), 1.0)
    assert np.isnan(outlook.ahead(2, 1.0)[:, 1]).all() and outlook.ahead(2, 1.0)[:, 0] == pytest.approx(1.0)


def test_what_is_carried_on_is_not_learned_from() -> None:
    """Where only what holds a share is read, the plan's forecasts are those of the default policy there."""
    rates, read = waves(60).to_numpy(), np.random.default_rng(1).random((60, 3)) < 0.6
    read[0] = True
    policy, ridge, terms = MultiPeriod(hours=4.0, blocks=4), PooledRidge(3, 1.0, 3), Terms(("a", "b", "c"), 1.0)
    last = rates[0]
    for step, row in enumerate(rates):
        last = np.where(read[step], row, last)
        policy.decide(Observation(terms, step + 1, np.full(3, 1.0 / 3.0), np.where(read[step], row, np.nan)))
        forecasts = ridge.take(last, None, read[step])
    assert policy._outlook is not None
    assert policy._outlook.ahead(4, 1.0).mean(axis=0) == pytest.approx(last.mean() + forecasts[2])


@pytest.mark.parametrize(("cost", "hours"), [(0.0, 16.0), (2.0, 16.0), (20.0, 50.0), (1e6, 1024.0)])
def test_it_plans_as_far_as_a_full_move_has_to_be_earned(cost: float, hours: float) -> None:
    policy, terms = MultiPeriod(), Terms(("a", "b"), 1.0, move_cost=cost)
    policy.decide(Observation(terms, 1, np.array([0.5, 0.5]), np.array([1.0, 3.0])))
    assert policy._hours == pytest.approx(hours)


@pytest.mark.slow
def test_it_goes_where_the_forecast_goes_ahead_of_time() -> None:
    result = backtest(waves(), [MultiPeriod(), "never", "greedy"], Setting(cost_days=0.02))
    gain = result.to_frame()["share_of_gain"]
    assert gain["multi-period"] > 0.6 and gain["multi-period"] > gain["greedy"]


def test_whoever_else_forecasts_is_asked() -> None:
    class Known:
        def take(self, rates: np.ndarray, step_hours: float, read: np.ndarray | None = None) -> None:
            pass

        def ahead(self, blocks: int, block_hours: float) -> np.ndarray:
            return np.tile([1.0, 9.0], (blocks, 1))

    terms = Terms(("a", "b"), 1.0, move_cost=0.5)
    answer = MultiPeriod(Known(), hours=8.0).decide(Observation(terms, 1, np.array([0.5, 0.5]), np.array([5.0, 1.0])))
    assert isinstance(answer, Target) and answer.shares == pytest.approx([0.0, 1.0])
