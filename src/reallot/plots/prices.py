"""Prices of limits over time, as bands from what one more unit adds to what the last one adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidInput
from ..problem.validation import known_names
from .paper import INK, PALE, dates, paper, plain, tidy, time_axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .paper import Figure

MOST_ROWS = 6


def prices_figure(
    prices: Mapping[Any, Mapping[str, tuple[float, float]]], limits: Iterable[str] | None = None
) -> Figure:
    """Draw shadow prices of limits over time, a row for each limit.

    The line is what one more unit would add, and the band reaches up to what the last unit adds. An infinite end,
    because the limit cannot move that way, is left out. A limit that is not named at a time costs nothing then.

    Parameters
    ----------
    prices
        `plan.prices` by time: a datetime or a number.
    limits
        Names of the limits that are drawn. None is the six that are dearest on average.

    Returns
    -------
    matplotlib.figure.Figure
        Prices (USD/h per unit of each limit).

    Raises
    ------
    InvalidInput
        Where a limit is named at no time (the message names the near miss), or matplotlib is not installed.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, allocate, plots
    >>> problem = AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7}, limits=Limits(max_turnover=0.2))
    >>> len(plots.prices_figure({0: allocate(problem).prices}).axes)
    2
    """
    import pandas as pd

    if not isinstance(prices, Mapping) or not prices:
        raise InvalidInput("prices are plan.prices by time: {time: plan.prices, ...}, at least one")
    times = sorted(prices)
    axis = time_axis(pd.Index(times))
    known = list(dict.fromkeys(name for time in times for name in prices[time]))
    if not known:
        raise InvalidInput("no limit has a price at any time; there is nothing to draw")
    ends = np.array([[prices[time].get(name, (0.0, 0.0)) for name in known] for time in times], dtype=float)
    low, high = _finite(ends[:, :, 0], ends[:, :, 1])
    chosen = _chosen(known, limits, low)
    figure = paper(8.5, 1.2 + 1.15 * len(chosen))
    rows = figure.subplots(len(chosen), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, i in zip(rows, chosen, strict=True):
        _draw(axes, axis.edges, low[:, i], high[:, i])
        tidy(axes, x="", y="")
        axes.set_title(plain(known[i]), loc="left", fontsize=9.5)
    rows[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, fontsize=9, ncols=2)
    dates(rows[-1], axis)
    rows[-1].set_xlabel(axis.label)
    figure.suptitle("What one more unit of each limit adds", x=0.01, ha="left", fontsize=11)
    figure.supylabel("price (USD/h per unit)", fontsize=10)
    return figure


def _finite(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both ends of each price: where one is infinite, the other stands for it; NaN where neither is finite."""
    first = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, np.nan))
    return first, np.where(np.isfinite(high), high, first)


def _chosen(known: list[str], limits: Iterable[str] | None, low: NDArray[Any]) -> list[int]:
    """Positions of the limits that are drawn."""
    if limits is None:
        mean = np.nan_to_num(np.abs(low)).mean(axis=0)
        return [int(i) for i in np.argsort(-mean, kind="stable")[:MOST_ROWS]]
    if isinstance(limits, str):
        raise InvalidInput(f"limits are names in a list: [{limits!r}]")
    names = list(dict.fromkeys(limits))
    known_names(names, known, "limits")
    if not names:
        raise InvalidInput("limits names none; leave it out to see the dearest")
    return [known.index(name) for name in names]


def _draw(axes: Any, edges: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> None:
    """One limit's line and band; the last step has a length too."""
    below, above = np.append(low, low[-1]), np.append(high, high[-1])
    look = {"facecolor": "0.85", "edgecolor": PALE, "hatch": "////", "lw": 0.0}
    axes.fill_between(edges, below, above, step="post", label="up to what the last unit adds", **look)
    axes.step(edges, below, where="post", color=INK, lw=1.5, label="what one more unit adds")
