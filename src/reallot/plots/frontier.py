"""What every turnover limit would earn, and what a little more of it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidInput
from ..problem.validation import number
from ..text.numbers import usd
from .paper import INK, PALE, paper, table_of, tidy

if TYPE_CHECKING:
    import pandas as pd

    from .paper import Figure

COLUMNS = ("turnover", "net_benefit", "price")


def frontier_figure(found: pd.DataFrame, *, limit: float | None = None) -> Figure:
    """Draw net benefit and shadow price against the turnover limit.

    Parameters
    ----------
    found
        The table that `frontier` returns.
    limit
        A turnover limit in force (fraction of capacity). The figure marks what it earns and gives up.

    Returns
    -------
    matplotlib.figure.Figure
        Net benefit (USD) above, price (USD/h per unit of turnover) below.

    Raises
    ------
    InvalidInput
        Where the table is another one, or matplotlib is not installed.

    Examples
    --------
    >>> from reallot import AllocationProblem, frontier, plots
    >>> found = frontier(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}))
    >>> len(plots.frontier_figure(found, limit=0.2).axes)
    2
    """
    table = table_of(found, "the corners of a frontier")
    if not set(COLUMNS) <= set(table.columns):
        raise InvalidInput(f"a frontier has the columns {', '.join(COLUMNS)}, not {', '.join(map(str, table.columns))}")
    turnover, net, price = (table[key].to_numpy(dtype=float) for key in COLUMNS)
    figure = paper(7.5, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    end = max(float(turnover[-1]) * 1.08, limit or 0.0, 1e-3)
    above.plot(np.append(turnover, end), np.append(net, net[-1]), color=INK, lw=1.8)
    above.plot(turnover, net, "o", color=INK, ms=4)
    below.step(np.append(turnover, end), np.append(price, price[-1]), where="post", color=INK, lw=1.8)
    tidy(above, x="", y="net benefit (USD over the horizon)", title="What each turnover limit earns")
    tidy(below, x="turnover limit (share of capacity)", y="price of turnover\n(USD/h for a unit)")
    if limit is not None:
        _mark(above, number(limit, "limit", float(turnover[0])), turnover, net)
        below.axvline(limit, color=PALE, lw=1.4, ls="--")
    below.set_ylim(0.0, None)
    below.set_xlim(0.0, end)
    return figure


def _mark(axes: Any, limit: float, turnover: Any, net: Any) -> None:
    """The limit in force: what it earns, and how far that is from what no limit would earn."""
    earns = float(np.interp(limit, turnover, net))
    axes.axvline(limit, color=PALE, lw=1.4, ls="--")
    axes.plot([limit], [earns], "D", color=INK, ms=8, mfc="white", mew=1.6)
    text = f"limit {limit:g}: {usd(earns)} USD\n{usd(net[-1] - earns)} USD less than without"
    axes.annotate(text, (limit, earns), (10, -6), textcoords="offset points", va="top", fontsize=9)
