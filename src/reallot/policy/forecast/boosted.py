"""Boosted trees as a fourth member, by LightGBM's native API (the extra `boost`); the bands are the same.

Never assumed to be better: `python -m benchmarks --only forecast` says where it was, and where not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InvalidInput
from ...problem.arrays import FloatArray, IntArray
from .bands import MEMBERS, BandForecast, calibrated
from .rate_table import history
from .simple_forecasts import Past, SeriesFeatures

if TYPE_CHECKING:
    import pandas as pd

ROUNDS = 120
REFIT = 250
"""Rows between two fits, at most; what is forecast now has a fit of its own."""
MOST_ROWS = 60_000
"""Pairs of a moment and a step ahead that one fit looks at; of more, evenly spread moments."""
SETTINGS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.08,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 1.0,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True)
class BoostedForecaster:
    """Median of the members of `BandForecaster` and one LightGBM model, with the same bands; a `Forecaster`.

    About ten times the processor time. On its own LightGBM was the best in places and far off in others; the median of
    all four is the safer use of it (benchmark `forecast`).

    season, adapt  as in `BandForecaster`

    Raises InvalidInput where LightGBM is not installed. Not loaded before `fit`.
    """

    season: int | None = None
    adapt: bool = True

    def fit(self, rates: pd.DataFrame, steps: int) -> BandForecast:
        """The forecast of the next `steps` rows of `rates`, (times, protocols) in USD/h; errors as there."""
        _lightgbm()
        return calibrated(history(rates, steps, self.season), steps, (*MEMBERS, boosted), adapt=self.adapt)


def boosted(past: Past) -> FloatArray:
    """One model for all series and steps: what the pooled ridge looks at, and the step ahead; a `Member`.

    Fitted again every REFIT rows, on pairs that were known by then.
    """
    view, library = SeriesFeatures(past), _lightgbm()
    result = np.empty((len(past.moments), past.steps, past.values.shape[1]))
    for start, end in past.fits(REFIT):
        stride = max(1, (start - view.first) * past.steps * past.values.shape[1] // MOST_ROWS)
        taught = [(np.arange(view.first + h % stride, start - h + 1, stride), h) for h in range(1, past.steps + 1)]
        inputs = np.concatenate([_with_step(view, rows, h) for rows, h in taught])
        targets = np.concatenate([view.targets(rows, h) for rows, h in taught])
        model = library.train(SETTINGS, library.Dataset(inputs, targets), num_boost_round=ROUNDS)
        moments = np.arange(start, end)
        for h in range(1, past.steps + 1):
            answers = model.predict(_with_step(view, moments, h), num_threads=1)
            result[moments - past.first, h - 1] = view.forecasts(moments, np.asarray(answers))
    return result


def _with_step(view: SeriesFeatures, moments: IntArray, ahead: int) -> FloatArray:
    inputs = view.inputs(moments, ahead)
    return np.column_stack([inputs, np.full(len(inputs), float(ahead))])


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ModuleNotFoundError as error:
        if error.name != "lightgbm":
            raise
        raise InvalidInput(
            "LightGBM is not installed; install reallot[boost], or use BandForecaster, which needs nothing more"
        ) from None
    return lightgbm
