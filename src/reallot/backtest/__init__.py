"""Policies over recorded rates: the same decision step as live, on a clock moved by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..policy.base import Policy
    from .result import Backtest
    from .settings import Setting


def backtest(
    table: Any,
    policies: str | Policy | Iterable[str | Policy] | None = None,
    setting: Setting | None = None,
    *,
    signal: Any = None,
    step_hours: float | None = None,
) -> Backtest:
    """What each policy would have earned over recorded rates, beside never moving and the optimum in hindsight.

    table     rates, USD/h per unit of share: a DataFrame (times by alternatives), a .csv, .csv.gz or .parquet file
    policies  names, such as "ema", or objects with a name and `decide(observation)`; each runs on a copy of its own.
              None is all that are shipped
    setting   Setting: start, limits, costs, hold, budget, what is read and when; by default the reference problem
    signal    a table of what was visible where that is not what was paid; policies see it as quotes
    step_hours
              length of a step, where the table's index holds numbers

    Raises InvalidInput for a table with gaps or an uneven clock, an unknown policy or a wrong answer of one.

    >>> import pandas as pd
    >>> from reallot import Setting, backtest
    >>> times = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    >>> rates = pd.DataFrame({"relay": [2.0] * 48, "compute": [1.0] * 24 + [4.0] * 24}, index=times)
    >>> result = backtest(rates, ["greedy", "work-function"], Setting(cost_usd=0.5))
    >>> result.to_frame()["net"].round(2).to_dict()
    {'optimum': 141.25, 'never': 108.0, 'greedy': 136.35, 'work-function': 136.35}
    """
    from .run import run_all

    return run_all(table, policies, setting, signal=signal, step_hours=step_hours)
