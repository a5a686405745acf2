"""Figures: a plan as bars, a backtest as lines. The only place that draws; needs matplotlib (extra `plot`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .allocation import Allocation
from .errors import InvalidInput

if TYPE_CHECKING:
    from .backtest.result import Backtest


def plan_figure(plan: Allocation) -> Any:
    """A matplotlib Figure: shares today and planned, one pair of bars per protocol; InvalidInput without matplotlib."""
    names, places = list(plan.problem.names), range(len(plan.problem.names))
    figure = _figure(8.0, 1.2 + 0.5 * len(names))
    axes = figure.subplots()
    axes.barh([place - 0.19 for place in places], plan.problem.arrays.current, height=0.36, color="0.7", label="today")
    axes.barh([place + 0.19 for place in places], plan.schedule[0], height=0.36, color="tab:green", label="plan")
    axes.set_yticks(list(places), names)
    axes.invert_yaxis()
    axes.set_xlabel("share of capacity")
    axes.set_title(f"{plan.earnings_per_hour:.4g} USD/h, today {plan.stay_value.earnings_per_hour:.4g}")
    axes.legend(frameon=False, loc="lower right")
    return figure


def lead_figure(result: Backtest) -> Any:
    """A matplotlib Figure: how far each policy is ahead of never moving, USD, over time; InvalidInput without it."""
    figure = _figure(9.0, 5.0)
    axes, times, never = figure.subplots(), result.table.times, result.never.account.net
    styles = ("-", "--", "-.", ":")
    for place, (name, run) in enumerate({"optimum": result.optimum, **result.runs}.items()):
        lead, look = np.cumsum(run.account.net - never), {"color": "black", "lw": 2.0} if name == "optimum" else {}
        axes.plot(times, lead, styles[place % len(styles)], label=name, **look)
    axes.axhline(0.0, color="0.6", lw=0.8)
    low = min(0.0, *(float(np.cumsum(run.account.net - never).min()) for run in (result.never, *result.runs.values())))
    best = float(np.cumsum(result.optimum.account.net - never).max())
    axes.set_ylim(max(low, -best) * 1.05, best * 1.05 if best > 0.0 else None)
    axes.set_xlabel("time (UTC)" if result.table.times.dtype.kind == "M" else "time")
    axes.set_ylabel("earned less paid, ahead of never moving (USD)")
    axes.set_title(f"{result.table.name}: moving everything costs {result.terms.move_cost:.4g} USD")
    axes.legend(frameon=False)
    return figure


def save_plan(plan: Allocation, path: Path) -> None:
    """Writes `plan_figure` to a file whose ending names the format; raises InvalidInput where that cannot be done."""
    _save(plan_figure(plan), path)


def save_backtest(result: Backtest, path: Path) -> None:
    """Writes `lead_figure` to a file whose ending names the format; raises InvalidInput where that cannot be done."""
    _save(lead_figure(result), path)


def _figure(width: float, height: float) -> Any:
    """An empty figure of so many inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InvalidInput("drawing needs matplotlib: pip install 'reallot[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: cannot be drawn to: {error}") from None
