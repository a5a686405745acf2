"""The default forecaster: the median of three simple members, conformal bands that adapt, past error paths drawn whole.

On asinh(rate / typical size), which bears zeros, negatives and spikes where a logarithm does not. Every error behind a
band is out of sample, of a forecast made that many steps ahead, from rows up to its moment only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvalidInput
from ...problem import Scenarios
from ...problem.arrays import BoolArray, FloatArray
from ...problem.validation import number
from .conformal import LEVELS, ReplayedErrors, gammas, replay
from .rate_table import RateHistory, history, typical_sizes, whole
from .simple_forecasts import Member, Past, middle, pooled_ridge, seasonal_naive, smoothing

if TYPE_CHECKING:
    import pandas as pd

WINDOW, LEAST_WINDOW = 300, 100
"""Errors behind a band, for each protocol and each number of steps ahead; and the fewest that bands are made of."""
REPLAYED = 150
"""Past bands that are made again, to adapt and to say how they held."""
SETTLING = 20
"""Rows, beyond two seasons and the steps ahead, that members need before their errors count."""
LEARNED_FROM = 2_000
"""Rows before the first error that members look at, or two weeks of seasons where these are more."""
MEMBERS: tuple[Member, ...] = (seasonal_naive, smoothing, pooled_ridge)


@dataclass(frozen=True)
class BandForecaster:
    """Forecast rates by the median of three simple methods, with conformal bands around it.

    The methods are seasonal naive, exponential smoothing (EWMA) and a pooled ridge regression.

    Parameters
    ----------
    season
        Number of steps in a season. None is a day where the index has times and a day is at least two whole steps; else
        no season.
    adapt
        False leaves the bands at the quantiles of past errors, without adapting to how past bands held.

    Notes
    -----
    Fifty hourly series of 1,000 rows take less than a processor second, bands included.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from reallot import BandForecaster
    >>> hours = pd.date_range("2026-01-01", periods=400, freq="h", tz="UTC")
    >>> day = 3.0 + np.sin(np.arange(400) * np.pi / 12)
    >>> noise = np.random.default_rng(0).normal(0.0, 0.1, (400, 2))
    >>> rates = pd.DataFrame({"relay": day, "compute": 2.0}, index=hours) + noise
    >>> forecast = BandForecaster().fit(rates, steps=6)
    >>> forecast.mean.round(1).iloc[2].to_dict()
    {'relay': 2.1, 'compute': 2.0}
    >>> bool((forecast.quantile(0.1) < forecast.quantile(0.9)).all(axis=None))
    True
    """

    season: int | None = None
    adapt: bool = True

    def fit(self, rates: pd.DataFrame, steps: int) -> BandForecast:
        """Forecast the next rows of a table.

        Parameters
        ----------
        rates
            Rates (times, protocols) in USD/h per unit of share. Two seasons, twice the steps and 120 rows are needed;
            the errors of 450 moments and more are used where they are there.
        steps
            Number of rows ahead.

        Returns
        -------
        BandForecast
            Means, quantiles and scenarios of the next rows.

        Raises
        ------
        InvalidInput
            Where rows are missing, too few, or the clock is not even; the message names the place.
        """
        return calibrated(history(rates, steps, self.season), steps, MEMBERS, adapt=self.adapt)


@dataclass(frozen=True, eq=False)
class BandForecast:
    """Rates ahead with bands and scenarios, from the errors of past forecasts made in the same way; a `Forecast`.

    Frames are (steps, protocols) in USD/h. Nothing is known beyond the largest of the errors: no band is wider.

    Parameters
    ----------
    past
        The table, and the clock ahead.
    sizes
        (protocols,) USD/h that the scale is relative to.
    errors
        (moments, steps, protocols) on the asinh scale: what came less what was forecast; NaN where nothing came yet.
    now
        (steps, protocols) the forecast made now, on the same scale.
    window
        Number of errors behind each band.
    adapt
        True where bands adapt to how past ones held.
    """

    past: RateHistory
    sizes: FloatArray
    errors: FloatArray
    now: FloatArray
    window: int
    adapt: bool = True

    def __repr__(self) -> str:
        steps, count = self.now.shape
        return f"BandForecast({steps} steps of {count} protocols from {self.past.ahead[0]})"

    @property
    def mean(self) -> pd.DataFrame:
        """Expected rates: the mean over all past error paths, added to the forecast and taken back to USD/h.

        A path stays within what its protocol has earned so far, as `scenarios` does: their mean is this mean.
        """
        return self._frame(self._paths.mean(axis=0))

    def quantile(self, q: float) -> pd.DataFrame:
        """Rates that are not exceeded with probability `q`; never falls as `q` rises.

        The band from q to 1 - q misses at most 2 q of what comes where errors are exchangeable; under drift it
        follows what it missed. No band goes below 0 where no rate has, nor further beyond the rates seen so far than
        these lie apart. Raises InvalidInput where `q` is not between 0 and 1.
        """
        q = number(q, "q", 0.0, 1.0)
        if not 0.0 < q < 1.0:
            raise InvalidInput(f"q is {q:g}; it must lie between 0 and 1: no rate is above all that could come")
        low, high = self.past.rates.min(axis=0), self.past.rates.max(axis=0)
        floor = np.where(low < 0.0, low - (high - low), 0.0)
        return self._frame(np.clip(self._rates(self.now + self._replay.bound(q)), floor, high + (high - low)))

    def scenarios(self, n: int, seed: int, *, periods: int | None = None) -> Scenarios:
        """`n` equally likely paths of all protocols together: past error paths drawn whole, one moment for all.

        So what rose together rises together, and what followed one another still does. Moments are drawn without
        repeating one before all have been drawn. A path stays within what its protocol has earned so far (or the
        forecast, where that lies outside). Past errors on other levels would otherwise grow beyond all that was seen.

        periods  entries in a path, each the mean of equally many steps; None is one for each step

        >>> import numpy as np, pandas as pd
        >>> from reallot import AllocationProblem, CVaR, ProtocolSpec, allocate
        >>> both = np.random.default_rng(0).normal(0.0, 0.5, 400)
        >>> rates = pd.DataFrame({"relay": 3.0 + both, "compute": 2.9 - 0.1 * both})
        >>> drawn = BandForecaster().fit(rates, steps=4).scenarios(200, seed=1, periods=1)
        >>> protocols = [ProtocolSpec("relay", 3.0), ProtocolSpec("compute", 2.9)]
        >>> careful = AllocationProblem(
        ...     protocols, {"relay": 1.0, "compute": 0.0}, horizon_hours=4, scenarios=drawn, risk=CVaR(0.95, weight=0.5)
        ... )
        >>> bool(allocate(careful).shares["relay"] < 0.5)
        True
        """
        n, seed = whole(n, "n"), whole(seed, "seed", 0)
        paths, steps = self._paths, len(self.now)
        if periods is not None:
            periods = whole(periods, "periods")
            if steps % periods:
                raise InvalidInput(f"{steps} steps do not make {periods} equal periods; forecast a multiple of that")
            paths = paths.reshape(len(paths), periods, steps // periods, -1).mean(axis=2)
        random, count = np.random.default_rng(seed), len(paths)
        rounds = [random.permutation(count) for _ in range(-(-n // count))]
        drawn = paths[np.concatenate(rounds)[:n]]
        return Scenarios({name: drawn[:, :, i].tolist() for i, name in enumerate(self.past.names)})

    def coverage(self, level: float = 0.8) -> pd.DataFrame:
        """Share of what came that lay within this forecaster's own past bands of `level`, by step and protocol.

        Of the latest outcomes, 150 where the table is long enough; NaN where it is too short for any. Raises
        InvalidInput for a level that was not followed.
        """
        held = self.held(level)
        return self._frame(held.mean(axis=0) if len(held) else np.full(self.now.shape, np.nan))

    def held(self, level: float = 0.8) -> BoolArray:
        """Whether each past outcome lay within the band of `level` made for it: (outcomes, steps, protocols)."""
        place = np.flatnonzero(np.isclose(LEVELS, 1.0 - number(level, "level", 0.0, 1.0)))
        if not len(place):
            known = ", ".join(f"{1.0 - each:g}" for each in LEVELS[:-1])
            raise InvalidInput(f"bands of level {level:g} were not followed; give one of {known}")
        return np.asarray(self._replay.held[place[0]])

    @cached_property
    def _replay(self) -> ReplayedErrors:
        gamma = gammas(len(self.now))
        return replay(self.errors, self.window, gamma if self.adapt else np.zeros_like(gamma))

    @cached_property
    def _paths(self) -> FloatArray:
        """Rates along every whole error path of the window, (paths, steps, protocols) USD/h."""
        steps = len(self.now)
        whole_paths = self.errors[: len(self.errors) - steps][-self.window :]
        middle = self._rates(self.now)
        low = np.minimum(self.past.rates.min(axis=0), middle)
        high = np.maximum(self.past.rates.max(axis=0), middle)
        return np.clip(self._rates(self.now + whole_paths), low, high)

    def _rates(self, values: FloatArray) -> FloatArray:
        """From the asinh scale to USD/h."""
        return self.sizes * np.sinh(values)

    def _frame(self, values: FloatArray) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(values, index=self.past.ahead, columns=list(self.past.names))


def calibrated(
    past: RateHistory, steps: int, members: Sequence[Member], *, adapt: bool = True, replayed: int = REPLAYED
) -> BandForecast:
    """The median of `members` with bands from their own out-of-sample errors.

    replayed  past bands that are made again, at most

    The scale is fixed by the rows before the first error, so that no past forecast knows of later rows.
    """
    needed, there = rows_needed(steps, past.season), len(past.rates)
    if there < needed:
        season = f"a season of {past.season}" if past.season > 1 else "no season"
        raise InvalidInput(
            f"rates has {there} rows; {steps} steps ahead with {season} need {needed} to know how good the forecast "
            "is: give more rows, fewer steps or a shorter season"
        )
    most = steps + LEAST_WINDOW + there - needed
    window = min(WINDOW, most - steps)
    moments = min(window + 2 * steps - 1 + replayed, most)
    start = max(0, there - moments - max(LEARNED_FROM, 14 * past.season))
    rates = past.rates[start:]
    first = len(rates) - moments
    sizes = typical_sizes(rates[: first + 1])
    values = np.arcsinh(rates / sizes)
    made = middle(members, Past(values, first, steps, past.season))
    errors = np.full_like(made, np.nan)
    for h in range(1, steps + 1):
        errors[:-h, h - 1] = values[first + h :] - made[:-h, h - 1]
    return BandForecast(past, sizes, errors, made[-1], window, adapt)


def rows_needed(steps: int, season: int) -> int:
    """Fewest rows that bands can be made of: two seasons, the steps twice, SETTLING and LEAST_WINDOW."""
    return 2 * season + 2 * steps + SETTLING + LEAST_WINDOW
