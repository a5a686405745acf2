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
    """Replay policies over recorded rates, beside never moving and the optimum in hindsight.

    Parameters
    ----------
    table
        Rates (USD/h per unit of share): a DataFrame (times, protocols), or a .csv, .csv.gz or .parquet file.
    policies
        Names such as "ema", or objects with a name and `decide(observation)`. Each runs on a copy of its own. None is
        every policy that is shipped.
    setting
        Start, limits, costs, hold, budget, and what is read when. None is the reference problem.
    signal
        A table of what was visible where that is not what was paid. Policies see it as quotes.
    step_hours
        Length of a step (hours), where the index of the table holds numbers.

    Returns
    -------
    Backtest
        One run for each policy, one for never moving, and the optimum in hindsight.

    Raises
    ------
    InvalidInput
        Where the table has gaps or an uneven clock, or a policy is unknown or answers wrongly.

    Examples
    --------
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
