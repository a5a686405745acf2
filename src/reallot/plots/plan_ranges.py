"""The ranges within which a plan stays, as bars beside what holds now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInput
from .paper import INK, PALE, paper, plain, tidy

if TYPE_CHECKING:
    import pandas as pd

    from .paper import Figure

COLUMNS = ("unit", "now", "low", "high")
MOST_ROWS = 12
OPEN = 0.6
"""An end that is nowhere is drawn so far beyond the farthest one, as part of the width."""


def sensitivity_figure(ranges: pd.DataFrame) -> Figure:
    """Draw the ranges of rates and of limits within which a plan stays as it is.

    A range without an end runs to the edge. The narrowest ones are drawn, at most 12 of each kind.

    Parameters
    ----------
    ranges
        The table that `plan.sensitivity()` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Rates (USD/h) above, limits (in their units) below; a dot is what holds now.

    Raises
    ------
    InvalidInput
        Where the table is another one, or matplotlib is not installed.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, allocate, plots
    >>> plan = allocate(AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.3, "b": 0.7}, limits=Limits(max_change=0.2)))
    >>> len(plots.sensitivity_figure(plan.sensitivity()).axes)
    2
    """
    if not set(COLUMNS) <= set(getattr(ranges, "columns", ())):
        raise InvalidInput(f"ranges have the columns {', '.join(COLUMNS)}; plan.sensitivity() gives them")
    table = ranges[["now", "low", "high"]].astype(float)
    table = table[np.isfinite(table["now"])]
    is_rate = np.array([str(name).startswith("rate ") for name in table.index])
    parts = [_narrowest(table[is_rate]), _narrowest(table[~is_rate])]
    figure = paper(7.5, 1.8 + 0.3 * sum(max(len(part), 1) for part in parts))
    panels = figure.subplots(2, 1, height_ratios=[max(len(part), 1) + 0.5 for part in parts])
    titles = ("Rates within which the plan stays", "Limits within which the plan stays")
    for axes, part, title, label in zip(
        panels, parts, titles, ("rate (USD/h per unit of share)", "limit (in its own unit)"), strict=True
    ):
        _draw(axes, part)
        tidy(axes, x=label, y="", title=title)
        axes.set_ylabel(" ")
    return figure


def _narrowest(table: pd.DataFrame) -> pd.DataFrame:
    width = (table["high"] - table["low"]).fillna(np.inf).to_numpy(dtype=float)
    kept = np.sort(np.argsort(width, kind="stable")[:MOST_ROWS])
    return table.iloc[kept]


def _draw(axes: object, table: pd.DataFrame) -> None:
    low, now, high = (table[key].to_numpy(dtype=float) for key in ("low", "now", "high"))
    known = np.concatenate([each[np.isfinite(each)] for each in (low, now, high)])
    least, most = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = OPEN * max(most - least, 1e-3 * max(abs(most), 1.0))
    start = np.where(np.isfinite(low), low, least - room)
    end = np.where(np.isfinite(high), high, most + room)
    places = np.arange(len(table))[::-1]
    axes.hlines(places, start, end, color=PALE, lw=7)  # type: ignore[attr-defined]
    axes.plot(now, places, "o", color=INK, ms=5)  # type: ignore[attr-defined]
    axes.set_xlim(least - room, most + room)  # type: ignore[attr-defined]
    axes.set_ylim(-0.7, max(len(table), 1) - 0.3)  # type: ignore[attr-defined]
    axes.set_yticks(places, [plain(str(name)) for name in table.index])  # type: ignore[attr-defined]
