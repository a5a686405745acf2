"""Stated confidence against what happened, with how many plans each point rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInput
from .paper import INK, PALE, paper, tidy

Z = 1.96
"""Of the 95 % intervals."""


def reliability_figure(said: ArrayLike, happened: ArrayLike, counts: ArrayLike, *, title: str = "") -> Any:
    """A matplotlib Figure, a reliability diagram: how often plans with a stated probability came true.

    said      (bins,) mean stated probability of the plans in each bin
    happened  (bins,) part of them that came true
    counts    (bins,) how many plans; bins without any are left out

    Bars are 95 % intervals of Wilson, which take plans as independent: plans that overlap in time are fewer than they
    seem. The dashed line is the base rate: what always saying the mean would say. Raises InvalidInput for shapes that
    differ, probabilities outside of 0 to 1, and counts below 0.
    """
    p, q, n = _checked(said, happened, counts)
    figure = paper(5.6, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=PALE, lw=1.4, label="said = happened")
    base = float((q * n).sum() / n.sum())
    above.axhline(base, color=PALE, lw=1.4, ls="--", label=f"base rate {base:.2f}")
    low, high = wilson(q, n)
    errors = np.maximum([q - low, high - q], 0.0)
    above.errorbar(p, q, yerr=errors, fmt="o-", color=INK, lw=1.4, ms=6, capsize=3, label="plans, with 95 % interval")
    above.set_xlim(-0.02, 1.02)
    above.set_ylim(-0.02, 1.02)
    tidy(above, x="", y="came true (part of plans)", title=title or "Does it happen as often as it is said?")
    above.legend(frameon=False, loc="upper left", fontsize=9)
    below.bar(p, n, width=_width(p), color="0.75", edgecolor=INK, lw=0.8)
    for at, count in zip(p, n, strict=True):
        below.annotate(f"{count:g}", (at, count), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    below.set_ylim(0.0, float(n.max()) * 1.25)
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


def _checked(said: ArrayLike, happened: ArrayLike, counts: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """The bins that hold plans, in rising order of what was said."""
    p, q, n = (np.atleast_1d(np.asarray(each, dtype=float)) for each in (said, happened, counts))
    if not p.shape == q.shape == n.shape or p.ndim != 1:
        raise InvalidInput(f"said, happened and counts have shapes {p.shape}, {q.shape}, {n.shape}; give (bins,) each")
    if not (n >= 0.0).all() or not np.isfinite(n).all():
        raise InvalidInput("counts must be finite numbers of 0 or more")
    there = n > 0.0
    if not there.any():
        raise InvalidInput("no bin holds a plan; there is nothing to draw")
    p, q, n = p[there], q[there], n[there]
    for name, values in (("said", p), ("happened", q)):
        wrong = ~((values >= 0.0) & (values <= 1.0))
        if wrong.any():
            raise InvalidInput(f"{name} holds {values[wrong][0]:g}; probabilities are between 0 and 1")
    order = np.argsort(p, kind="stable")
    return p[order], q[order], n[order]


def _width(p: NDArray[np.float64]) -> float:
    """Of the bars: as wide as the closest two allow."""
    gaps = np.diff(p)
    return float(np.clip(gaps.min() * 0.9, 0.005, 0.08)) if gaps.size else 0.08
