"""One figure of every kind, from small results made here: shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import reallot as ra

CORNERS = pd.DataFrame({"turnover": [0.0, 0.5, 1.0], "net_benefit": [0.0, 1.0, 1.5], "price": [2.0, 1.0, 0.0]})
RATES = {"storage": 1.4, "relay": 2.1, "compute": 1.7}
START = {"storage": 0.4, "relay": 0.3, "compute": 0.3}


@cache
def plan() -> ra.Allocation:
    """Three protocols, one of them held."""
    limits = ra.Limits(max_change=0.2, max_turnover=0.15, held=["storage"])
    return ra.allocate(ra.AllocationProblem(RATES, START, horizon_hours=24, limits=limits))


def times(steps: int, **every: Any) -> pd.DatetimeIndex:
    """Hours in UTC."""
    return pd.date_range("2026-01-01", periods=steps, freq=pd.Timedelta(**(every or {"hours": 1})), tz="UTC")


@cache
def result(steps: int = 72) -> Any:
    """A backtest of four policies over rates that swing."""
    hours = np.arange(steps)
    rates = pd.DataFrame({name: 2 + np.sin(hours / 9 + place) for place, name in enumerate(RATES)}, index=times(steps))
    return ra.backtest(rates, ["greedy", "ema", "best-fixed", "profit-switching"], ra.Setting(cost_days=0.02))


def prices() -> dict[Any, Any]:
    """Prices at three moments; an end may be infinite and a limit may be missing."""
    return {
        moment: {
            "capacity": ra.Price(1.0 + place, 2.0 + place),
            **({"turnover": ra.Price(-np.inf, 0.5)} if place else {}),
        }
        for place, moment in enumerate(times(3))
    }


def seen() -> Any:
    """Of 300 plans: most of the bins are empty."""
    said = np.repeat([0.12, 0.55, 0.58, 0.93], [4, 100, 160, 36])
    return ra.reliability(said, np.arange(300) % 3 > 0)


FIGURES: dict[str, Callable[[], Any]] = {
    "plan": lambda: ra.plots.plan_figure(plan()),
    "frontier": lambda: ra.plots.frontier_figure(CORNERS, limit=0.3),
    "sensitivity": lambda: ra.plots.sensitivity_figure(plan().sensitivity()),
    "prices": lambda: ra.plots.prices_figure(prices()),
    "shares": lambda: ra.plots.shares_figure(result().shares("ema"), start=START),
    "net": lambda: ra.plots.net_figure(result()),
    "reliability": lambda: ra.plots.reliability_figure(seen()),
    "backtest": lambda: ra.plots.backtest_figure(result()),
}
