"""Stated confidence against what happened, with how many plans each point rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .drawn import DrawnReliability
from .paper import INK, PALE, paper, tidy

if TYPE_CHECKING:
    from .paper import Figure

Z = 1.96
"""Of the 95 % intervals."""


def reliability_figure(seen: DrawnReliability, *, title: str = "") -> Figure:
    """Draw a reliability diagram: how often plans with a stated probability came true.

    Parameters
    ----------
    seen
        What `reliability` or `Backtest.reliability` returns.
    title
        Title of the figure. "" is a question.

    Returns
    -------
    matplotlib.figure.Figure
        Frequencies above, the number of plans behind each point below; bins without plans are left out.

    Raises
    ------
    InvalidInput
        Where matplotlib is not installed.

    Notes
    -----
    Bars are 95 % intervals of Wilson (1927), which take plans as independent: plans that overlap in time are fewer than
    they seem. The dashed line is the base rate. To be of use, the Brier score has to be below that of the base rate
    alone.

    Examples
    --------
    >>> from reallot import plots, reliability
    >>> len(plots.reliability_figure(reliability([0.9, 0.9, 0.3], [True, True, False])).axes)
    2
    """
    there = seen.counts > 0
    said, happened, counts = seen.said[there], seen.happened[there], seen.counts[there].astype(float)
    figure = paper(6.0, 6.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=PALE, lw=1.4, label="said = happened")
    above.axhline(seen.base, color=PALE, lw=1.4, ls="--", label=f"base rate {seen.base:.2f}")
    low, high = wilson(happened, counts)
    errors = np.maximum([happened - low, high - happened], 0.0)
    look = {"fmt": "o-", "color": INK, "lw": 1.4, "ms": 6, "capsize": 3}
    above.errorbar(said, happened, yerr=errors, label="plans, with 95 % interval", **look)
    above.set_xlim(-0.02, 1.02)
    above.set_ylim(-0.02, 1.02)
    scores = f"Brier score {seen.brier:.3f}, of the base rate {seen.base_brier:.3f}; ECE {seen.ece:.3f}"
    title = f"{title or 'Does it happen as often as it is said?'}\n{scores}"
    tidy(above, x="", y="came true (part of plans)", title=title)
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    below.bar(said, counts, width=_width(said), color="0.75", edgecolor=INK, lw=0.8)
    for at, count in zip(said, counts, strict=True):
        below.annotate(f"{count:g}", (at, count), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    below.set_ylim(0.0, float(counts.max()) * 1.25)
    tidy(below, x="stated probability that the plan pays", y="plans (number)")
    return figure


def wilson(rate: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the 95 % interval of a rate seen in `counts` independent trials (Wilson, 1927).

    >>> [round(float(end[0]), 3) for end in wilson(np.array([0.5]), np.array([10.0]))]
    [0.237, 0.763]
    """
    square = Z**2
    middle = (rate + square / (2 * counts)) / (1 + square / counts)
    half = Z / (1 + square / counts) * np.sqrt(rate * (1 - rate) / counts + square / (4 * counts**2))
    return middle - half, middle + half


def _width(said: NDArray[np.float64]) -> float:
    """Of the bars: as wide as the closest two allow."""
    gaps = np.diff(said)
    return float(np.clip(gaps.min() * 0.9, 0.005, 0.08)) if gaps.size else 0.08
