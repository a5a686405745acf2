"""The port: whatever has `fit(rates, steps)` is a forecaster, and whatever has these four methods is its forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ...problem import Scenarios

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class Forecast(Protocol):
    """Rates in the next steps, made at the last row that the forecaster saw.

    Frames are (steps, protocols) in USD/h: the index goes on from where the table of rates ended, the columns are its
    columns.
    """

    @property
    def mean(self) -> pd.DataFrame:
        """Expected rates: what a linear program should plan with."""

    def quantile(self, q: float) -> pd.DataFrame:
        """Rates that are not exceeded with probability `q`, between 0 and 1; never falls as `q` rises.

        The 80 % band is from `quantile(0.1)` to `quantile(0.9)`.
        """

    def scenarios(self, n: int, seed: int) -> Scenarios:
        """`n` equally likely paths of all protocols together, one rate per step; the same seed gives the same paths.

        Steps are periods: a problem that plans `steps` periods of the table's step takes them as they are.
        """

    def coverage(self, level: float = 0.8) -> pd.DataFrame:
        """Share of what came that lay within the forecaster's own past bands of this level, by step and protocol."""


@runtime_checkable
class Forecaster(Protocol):
    """Makes forecasts from a table of past rates."""

    def fit(self, rates: pd.DataFrame, steps: int) -> Forecast:
        """The forecast of the next `steps` rows of `rates`.

        rates  (times, protocols) in USD/h per unit of share, oldest first, on an even clock, nothing missing

        Raises InvalidInput where the table is not like that, or too short to know how good the forecast is.
        """
