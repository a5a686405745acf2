"""Shares over time as areas, with marks where they move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput
from ..problem.validation import by_name, known_names
from ..text.numbers import shown
from .labels import distinct
from .paper import INK, LABEL, OTHERS, area_look, beside, dates, paper, stride, table_of, tidy, time_axis

if TYPE_CHECKING:
    import pandas as pd

    from .paper import Figure

MOST_AREAS = 12
SMALL = 0.01
"""Of everything, on average: several below it are one area."""
DUST = 1e-9


def shares_figure(shares: pd.DataFrame, *, start: Mapping[str, float] | None = None, title: str = "") -> Figure:
    """Draw shares of capacity over time as areas, with marks where they move.

    The largest area stands at the bottom. Protocols beyond 12, and several that hold under 1 % on average, are one area
    together. Marks above the areas are as high as the part of the capacity that moves.

    Parameters
    ----------
    shares
        Shares (times, protocols), as `Backtest.shares` and `Allocation.schedule_frame` return them. A row holds until
        the next one.
    start
        Shares before the first row, by name. With them, the moves of the first row are marked too.
    title
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Shares over time.

    Raises
    ------
    InvalidInput
        Where the table has gaps or shares below 0, a name is not in it, or matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from reallot import plots
    >>> times = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    >>> len(plots.shares_figure(pd.DataFrame({"relay": [0.2, 0.5, 0.5], "compute": [0.8, 0.5, 0.5]}, index=times)).axes)
    1
    """
    figure = paper(9.0, 4.2)
    draw_shares(figure.subplots(), table_of(shares, "shares"), start, title or "Who holds how much")
    return figure


def draw_shares(axes: Any, shares: pd.DataFrame, start: Mapping[str, float] | None, title: str) -> None:
    """The areas and marks of `shares_figure` on axes."""
    values, axis, step = shares.to_numpy(dtype=float), time_axis(shares.index), stride(len(shares))
    if values.min() < -DUST:
        row, column = np.argwhere(values == values.min())[0]
        raise InvalidInput(f"shares: {shares.columns[column]} is {values.min():g} at {shares.index[row]}, below 0")
    entries = _areas(axes, np.append(axis.edges[:-1:step], axis.edges[-1:]), shares, values[::step])
    top = max(float(values.sum(axis=1).max()), DUST)
    moved = _moved(values, shares, start)
    if moved.max() > DUST:
        entries.append(_marks(axes, axis.at[::step], moved, step, top))
    axes.set_ylim(0.0, top * 1.14 if moved.max() > DUST else top)
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= top * 1.001])
    dates(axes, axis)
    tidy(axes, x=axis.label, y="share of capacity", title=title)
    axes.grid(False)
    beside(axes, [handle for handle, _ in entries[::-1]], [label for _, label in entries[::-1]])


def _areas(axes: Any, edges: NDArray[Any], shares: pd.DataFrame, values: NDArray[Any]) -> list[tuple[Any, str]]:
    """An area for each protocol, the largest first, and one for the smallest together. Returns the legend's entries."""
    mean = values.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    large = min(int((mean >= SMALL * mean.sum()).sum()), MOST_AREAS - 1) or MOST_AREAS - 1
    kept, rest = np.split(order, [large if large < len(order) - 1 else len(order)])
    names, looks = (
        distinct([shown(str(shares.columns[i])) for i in kept], LABEL, 9.0),
        [area_look(place) for place in range(len(kept))],
    )
    if len(rest):
        names, looks = [*names, f"{len(rest)} others"], [*looks, OTHERS]
    values = np.hstack([values[:, kept], values[:, rest].sum(axis=1, keepdims=True)])[:, : len(names)]
    heights = np.cumsum(np.hstack([np.zeros((len(values), 1)), values]), axis=1)
    heights = np.vstack([heights, heights[-1:]])  # the last step has a length too
    return [
        (axes.fill_between(edges, heights[:, i], heights[:, i + 1], step="post", **look), name)
        for i, (name, look) in enumerate(zip(names, looks, strict=True))
    ]


def _moved(values: NDArray[Any], shares: pd.DataFrame, start: Mapping[str, float] | None) -> NDArray[Any]:
    """(steps,) part of the capacity that each row moves."""
    first = values[0]
    if start is not None:
        before = by_name(start, "start")
        known_names(before, [str(name) for name in shares.columns], "start")
        first = np.array([float(before.get(str(name), 0.0)) for name in shares.columns])
    change = np.diff(np.vstack([first, values]), axis=0)
    taken, given = np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1)
    return np.asarray(np.maximum(taken, given))


def _marks(axes: Any, at: NDArray[Any], moved: NDArray[Any], step: int, top: float) -> tuple[Any, str]:
    """Marks of moves above the areas, one for each drawn point in which a share moves; the legend's entry."""
    drawn = np.append(moved, np.zeros(-len(moved) % step)).reshape(-1, step).max(axis=1)
    there, most = drawn > DUST, float(drawn.max())
    base = top * 1.02
    axes.vlines(at[there], base, base + top * (0.02 + 0.09 * drawn[there] / most), color=INK, lw=0.9)
    sign = axes.plot([], [], ls="", marker="|", ms=10, color=INK)[0]
    return sign, f"moves: {int((moved > DUST).sum())}, the largest {most:.2g}"
