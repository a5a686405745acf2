"""Forecasts where not everything is read: what is carried on is not learned from; where all is read nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.policy.base import Observation, Terms
from reallot.policy.forecast.features import FloatArray
from reallot.policy.forecast.ridge import PooledRidge
from reallot.policy.last_reading import LastReading
from tests.policy.forecast.plain import plain_forecasts

SEEDS = st.integers(0, 2**32 - 1)
SIZE, STEPS = 3, 40


def readings(seed: int, steps: int = STEPS) -> FloatArray:
    drawn = np.random.default_rng(seed)
    return 1.0 + np.cumsum(drawn.normal(size=(steps, SIZE)), axis=0) / 5.0


@pytest.mark.slow
@given(SEEDS)
def test_where_everything_is_read_forecasts_are_the_same_to_the_last_bit(seed: int) -> None:
    told, untold, every = PooledRidge(SIZE, 1.0, 4), PooledRidge(SIZE, 1.0, 4), np.ones(SIZE, dtype=bool)
    for row in readings(seed, 200):
        assert np.array_equal(told.take(row, None, every), untold.take(row))


@pytest.mark.slow
@given(SEEDS)
def test_what_was_not_read_at_both_ends_is_left_out_of_the_regression(seed: int) -> None:
    rates, read = readings(seed), np.random.default_rng(seed).random((STEPS, SIZE)) < 0.7
    read[0] = True
    for t in range(1, STEPS):
        rates[t] = np.where(read[t], rates[t], rates[t - 1])
    ridge = PooledRidge(SIZE, 1.0, 3)
    forecasts = np.array([ridge.take(row, None, seen) for row, seen in zip(rates, read, strict=True)])
    assert forecasts[-1] == pytest.approx(plain_forecasts(rates, 3, read), rel=1e-6, abs=1e-9)


def test_what_is_seen_now_is_told_from_what_is_carried_on() -> None:
    seen, terms, shares = LastReading(), Terms(("a", "b"), 1.0), np.array([0.5, 0.5])
    rows = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, 4.0]])
    found = [seen.take(Observation(terms, 1, shares, rows[0])), seen.read]
    assert np.array_equal(found[0], rows[0], equal_nan=True) and found[1] is not None
    assert found[1].tolist() == [True, False]
    seen.take(Observation(terms, 2, shares, rows[1]))
    assert seen.read is None
    assert seen.take(Observation(terms, 3, shares, rows[2])).tolist() == [2.0, 4.0]
    assert seen.read is not None and seen.read.tolist() == [False, True]
