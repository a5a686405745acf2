"""Shares today and planned as pairs of bars, and the reasons in words below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..text.numbers import shown, usd
from .drawn import DrawnPlan
from .labels import distinct, wrapped
from .paper import INK, LABEL, PALE, paper, plain, sentences, tidy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .paper import Figure

MOST_BARS = 24
WIDE = 8.5
"""Inches."""
LINE, SIZE = 0.92 * 72.0 * WIDE, 9.0
"""Points that a line of text may take, and its size; signs on a screen are up to 5 % wider than in print."""


def plan_figure(plan: DrawnPlan) -> Figure:
    """Draw each protocol's share today and planned, with the reasons for the plan.

    Protocols beyond 24 are left out and counted: those with the largest changes and shares stay.

    Parameters
    ----------
    plan
        The plan.

    Returns
    -------
    matplotlib.figure.Figure
        Shares in the unit of capacity.

    Raises
    ------
    InvalidInput
        Where matplotlib is not installed.

    Examples
    --------
    >>> from reallot import AllocationProblem, allocate, plots
    >>> plan = allocate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}))
    >>> plots.plan_figure(plan).axes[0].get_xlabel()
    'share of capacity'
    """
    today, planned = np.asarray(plan.problem.arrays.current), plan.schedule[0]
    places = _chosen(today, planned)
    said = [line for reason in plan.reasons for line in wrapped(f"- {shown(reason)}", LINE, SIZE, indent="  ")]
    heights = 1.2 + (0.42 if len(places) <= 12 else 0.3) * len(places), 0.2 + 0.19 * len(said)
    figure = paper(WIDE, sum(heights))
    bars, words = figure.subplots(2, 1, height_ratios=heights)
    _draw(bars, plan, places)
    sentences(words, [plain(line, len(line)) for line in said], SIZE)
    return figure


def _chosen(today: NDArray[Any], planned: NDArray[Any]) -> NDArray[Any]:
    """Positions that are drawn, in order."""
    weight = np.abs(planned - today) * 10.0 + np.maximum(today, planned)
    return np.sort(np.argsort(-weight, kind="stable")[:MOST_BARS])


def _draw(axes: Any, plan: DrawnPlan, places: NDArray[Any]) -> None:
    today, planned = np.asarray(plan.problem.arrays.current)[places], plan.schedule[0][places]
    row = np.arange(len(places))
    axes.barh(row - 0.2, today, height=0.38, facecolor="white", edgecolor=PALE, hatch="////", lw=0.8, label="today")
    axes.barh(row + 0.2, planned, height=0.38, color="0.25", label="plan")
    for at, (before, after) in enumerate(zip(today, planned, strict=True)):
        if before != after:
            end = max(before, after)
            axes.annotate(
                f"{after - before:+.3g}", (end, at), (5, 0), textcoords="offset points", va="center", color=INK
            )
    axes.set_yticks(row, distinct([shown(plan.problem.names[i]) for i in places], LABEL, SIZE))
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.12 * max(float(np.maximum(today, planned).max(initial=0.0)), 1e-9))
    left_out = len(plan.problem.names) - len(places)
    title = (
        f"{usd(plan.earnings_per_hour)} USD/h planned, {usd(plan.stay_value.earnings_per_hour)} today; "
        f"net benefit {usd(plan.net_benefit)} USD in {plan.problem.horizon_hours:g} h"
    )
    tidy(axes, x="share of capacity", y=f"protocol ({left_out} not shown)" if left_out else "protocol", title="")
    axes.figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes.grid(False, axis="y")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, fontsize=9)
