"""What policies earned ahead of never moving, with the optimum in hindsight; a backtest on one page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidInput
from ..text.numbers import percent, usd
from .drawn import DrawnBacktest
from .paper import INK, PALE, beside, dates, line_look, paper, plain, stride, tidy, time_axis
from .shares import draw_shares

if TYPE_CHECKING:
    from .paper import Figure


def net_figure(result: DrawnBacktest, policies: Iterable[str] | None = None) -> Figure:
    """Draw the net earnings of policies and of the optimum, less those of never moving.

    The legend says how far ahead each ends, and its share of the gain. What falls deeper than the optimum rises leaves
    the picture.

    Parameters
    ----------
    result
        The backtest.
    policies
        Names of the policies that are drawn. None is all.

    Returns
    -------
    matplotlib.figure.Figure
        Net earnings so far (USD) over time.

    Raises
    ------
    InvalidInput
        Where a name was not run, or matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from reallot import backtest, plots
    >>> times = pd.date_range("2026-01-01", periods=24, freq="h", tz="UTC")
    >>> result = backtest(pd.DataFrame({"relay": 2.0, "compute": 1.0}, index=times), ["greedy"])
    >>> len(plots.net_figure(result).axes)
    1
    """
    figure = paper(9.5, 4.6)
    draw_net(figure.subplots(), result, policies)
    return figure


def backtest_figure(result: DrawnBacktest, policy: str | None = None) -> Figure:
    """Draw a backtest on one page: `net_figure` above, the shares of one policy below.

    Parameters
    ----------
    result
        The backtest.
    policy
        Name of the policy whose shares are drawn. None is the best of those that were not told the future.

    Returns
    -------
    matplotlib.figure.Figure
        Net earnings (USD) and shares over time.

    Raises
    ------
    InvalidInput
        Where a name was not run, or matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from reallot import backtest, plots
    >>> times = pd.date_range("2026-01-01", periods=24, freq="h", tz="UTC")
    >>> result = backtest(pd.DataFrame({"relay": 2.0, "compute": 1.0}, index=times), ["greedy"])
    >>> len(plots.backtest_figure(result).axes)
    2
    """
    fair = [name for name, run in result.runs.items() if not run.sees_future]
    name = policy or max(fair, key=lambda each: result[each].net, default="optimum")
    run = result[name]
    figure = paper(9.5, 7.8)
    above, below = figure.subplots(2, 1, sharex=True)
    draw_net(above, result, None)
    start = dict(zip(result.table.names, result.start.tolist(), strict=True))
    title = f"Shares of {plain(name)}: {run.plans} plans, {run.moved:.3g} times the capacity moved"
    draw_shares(below, result.shares(name), start, title)
    above.set_xlabel("")
    return figure


def draw_net(axes: Any, result: DrawnBacktest, policies: Iterable[str] | None) -> None:
    """The lines of `net_figure` on axes, the best first in the legend."""
    if isinstance(policies, str):
        raise InvalidInput(f"policies are names in a list: [{policies!r}]")
    chosen = list(result.runs if policies is None else dict.fromkeys(policies))
    names = sorted((name for name in chosen if name not in ("optimum", "never")), key=lambda each: -result[each].net)
    axis, never = time_axis(result.table.index), result.never.account.net
    step = stride(len(never))
    kept = np.unique(np.append(np.arange(0, len(never), step), len(never) - 1))
    at = np.append(axis.edges[:1], axis.edges[1:][kept])
    leads = {name: np.append(0.0, np.cumsum(result[name].account.net - never)[kept]) for name in ["optimum", *names]}
    looks = [{"color": INK, "lw": 2.4}, *(line_look(place, len(at)) for place in range(len(names)))]
    handles = [axes.plot(at, lead, **look)[0] for lead, look in zip(leads.values(), looks, strict=True)]
    labels = [_label(result, name) for name in leads]
    handles.append(axes.axhline(0.0, color=PALE, lw=2.4, zorder=1))
    labels.append(f"never moving ({usd(result.never.net)} in all)")
    best, lowest = float(leads["optimum"].max()), min(float(leads[name].min()) for name in leads)
    if best > 0.0:
        axes.set_ylim(max(lowest, -best) * 1.06 - 0.02 * best, best * 1.06)
    axes.yaxis.set_major_formatter("{x:,.12g}")
    dates(axes, axis)
    title = f"{plain(result.table.name)}: moving everything costs {usd(result.terms.move_cost)} USD"
    tidy(axes, x=axis.label, y="net, ahead of never moving (USD)", title=title)
    beside(axes, handles, labels)
    told = "\n* was told the whole table" if any(result[name].sees_future for name in names) else ""
    axes.get_legend().set_title(f"USD ahead at the end, share of the gain{told}", prop={"size": 9})


def _label(result: DrawnBacktest, name: str) -> str:
    """A line's name, where it ends and its share of the gain."""
    run, part = result[name], result.figures(name)["share_of_gain"]
    ahead = run.net - result.never.net
    told = "in hindsight" if name == "optimum" else "" if math.isnan(part) else percent(part)
    mark = "*" if run.sees_future and name != "optimum" else ""
    return f"{plain(name)}{mark}  {usd(ahead, sign=True)}{', ' if told else ''}{told}"
