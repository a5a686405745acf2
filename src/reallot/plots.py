"""Figures: a plan as bars, today beside plan. The only place that draws; needs matplotlib (extra `plot`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .allocation import Allocation
from .errors import InvalidInput


def plan_figure(plan: Allocation) -> Any:
    """A matplotlib Figure: shares today and planned, one pair of bars per protocol; InvalidInput without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InvalidInput("drawing needs matplotlib: pip install 'reallot[plot]'") from None
    names, places = list(plan.problem.names), range(len(plan.problem.names))
    figure = Figure(figsize=(8.0, 1.2 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh([place - 0.19 for place in places], plan.problem.arrays.current, height=0.36, color="0.7", label="today")
    axes.barh([place + 0.19 for place in places], plan.schedule[0], height=0.36, color="tab:green", label="plan")
    axes.set_yticks(list(places), names)
    axes.invert_yaxis()
    axes.set_xlabel("share of capacity")
    axes.set_title(f"{plan.earnings_per_hour:.4g} USD/h, today {plan.stay_value.earnings_per_hour:.4g}")
    axes.legend(frameon=False, loc="lower right")
    return figure


def save_plan(plan: Allocation, path: Path) -> None:
    """Writes `plan_figure` to a file whose ending names the format; raises InvalidInput where that cannot be done."""
    figure = plan_figure(plan)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: cannot be drawn to: {error}") from None
