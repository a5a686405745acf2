"""Boosted trees as a fourth member: the same bands, no look ahead, a clear word where LightGBM is not installed."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from reallot import InvalidInput
from reallot.policy.forecast.base import Forecast, Forecaster
from reallot.policy.forecast.boosted import BoostedForecaster, boosted
from reallot.policy.forecast.simple_forecasts import Past


def values(rows: int = 260) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Two series that swing over the day."""
    day = np.sin(2.0 * np.pi * np.arange(rows)[:, None] / 24.0 + np.arange(2))
    return np.asarray(3.0 + day + np.random.default_rng(0).normal(0.0, 0.1, (rows, 2)))


def test_without_lightgbm_it_names_the_extra_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InvalidInput, match=r"install reallot\[boost\], or use BandForecaster"):
        BoostedForecaster().fit(pd.DataFrame(values()), 2)


class TestInstalled:
    """Where the extra `boost` is there."""

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("lightgbm", reason="lightgbm is not installed; it comes with the extra boost")

    def test_it_is_a_forecaster_that_learns_the_day(self) -> None:
        made = values(304)
        forecaster = BoostedForecaster(season=24)
        assert isinstance(forecaster, Forecaster)
        forecast = forecaster.fit(pd.DataFrame(made[:300]), 4)
        assert isinstance(forecast, Forecast)
        assert np.abs(forecast.quantile(0.5).to_numpy() - made[300:]).max() < 0.6
        assert (forecast.quantile(0.1) <= forecast.quantile(0.9)).all(axis=None)
        assert forecast.scenarios(5, 0).count == 5

    def test_changing_the_future_never_changes_what_it_said_before(self) -> None:
        before, other = values(), values()
        other[181:] += 100.0
        first, again = (boosted(Past(each, 120, 3, 24)) for each in (before, other))
        np.testing.assert_allclose(again[:61], first[:61], rtol=1e-10)
        assert not np.allclose(again[61:], first[61:])

    def test_the_same_rates_give_the_same_forecast(self) -> None:
        first, again = (boosted(Past(values(), 200, 2, 24)) for _ in range(2))
        assert np.array_equal(first, again)
