"""What all figures share: paper, lines and areas told apart without colour, axes of time, names, files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, how_to_install
from ..text.numbers import shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Figure

DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (6, 2, 1.5, 2)), (0, (1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "X")
HATCHES = ("", "///", "..", "\\\\\\", "xx", "---", "++", "|||")
LONGEST_NAME = 28
LABEL = 160.0
"""Points that a name beside a picture may take."""
MOST_POINTS = 2400
"""A long trace is drawn with about as many points as a page has dots."""
INK, PALE = "0.1", "0.6"


@dataclass(frozen=True)
class Axis:
    """Where steps stand: `at` (steps,) their begin, `edges` (steps + 1,) with the end of the last, and the label."""

    at: NDArray[Any]
    edges: NDArray[Any]
    label: str


def paper(width: float, height: float) -> Figure:
    """An empty figure of so many inches; raises InvalidInput where matplotlib is not installed."""
    figure: Figure = _shown_in_notebooks(matplotlib("figure").Figure)(figsize=(width, height), layout="constrained")
    return figure


def matplotlib(module: str = "") -> Any:
    """The package, or its module of that name; raises InvalidInput where matplotlib is not installed."""
    try:
        return import_module(f"matplotlib.{module}" if module else "matplotlib")
    except ImportError:
        raise InvalidInput(f"drawing needs matplotlib: {how_to_install('plot')}") from None


@cache
def _shown_in_notebooks(figure: Any) -> Any:
    """The class of figures, with what a notebook asks for where pyplot was never imported."""

    class Picture(figure):  # type: ignore[misc]
        """A Figure that a notebook shows without pyplot."""

        def _repr_png_(self) -> bytes:
            memory = io.BytesIO()
            self.savefig(memory, format="png", dpi=90)
            return memory.getvalue()

    return Picture


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file.

    Parameters
    ----------
    figure
        The figure.
    path
        The file; its ending tells the format (.png, .svg, .pdf).

    Raises
    ------
    InvalidInput
        Where the format is unknown or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from reallot import AllocationProblem, allocate, plots
    >>> plan = allocate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plots.save(plots.plan_figure(plan), Path(folder) / "plan.svg")
    ...     (Path(folder) / "plan.svg").exists()
    True
    """
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: cannot be drawn to: {error}") from None


def tidy(axes: Any, *, x: str, y: str, title: str = "") -> None:
    """Labels, a faint grid behind everything, and no box around it."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, loc="left", fontsize=11)
    axes.grid(True, color="0.88", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def beside(axes: Any, handles: list[Any], labels: list[str]) -> None:
    """A legend to the right of the axes, where it covers nothing."""
    axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=9,
        handlelength=3.2,
        handleheight=1.2,
    )


def line_look(place: int, points: int) -> dict[str, Any]:
    """Dashes, marker and shade of the line at `place`; markers at a few of its `points`, each line's elsewhere."""
    every = max(1, points // 8)
    return {
        "ls": DASHES[place % len(DASHES)],
        "marker": MARKERS[place % len(MARKERS)],
        "markevery": (place * every // 7 % every, every),
        "ms": 4.5,
        "lw": 1.4,
        "color": shade(place % 5 / 5 * 0.7),
    }


def area_look(place: int) -> dict[str, Any]:
    """Hatch and shade of the area at `place`; neighbours differ in both."""
    return {
        "facecolor": shade((0.9, 0.35, 0.75, 0.15, 0.55)[place % 5]),
        "hatch": HATCHES[place % len(HATCHES)],
        "edgecolor": "black" if place % 5 in (0, 2, 4) else "white",
        "lw": 0.0,
    }


OTHERS: dict[str, Any] = {"facecolor": "0.93", "lw": 0.0}
"""The look of an area that stands for several."""


def shade(part: float) -> Any:
    """A colour between dark (0) and light (1): its lightness rises with `part`, so that it can be read in grey."""
    return matplotlib().colormaps["YlGnBu_r"](part)


def width_of(text: str, size: float) -> float:
    """Points that `text` takes in the font of the figures, at a size in points."""
    return size * sum(map(_advance, text))


@cache
def _advance(sign: str) -> float:
    """Of one character, in sizes of the font."""
    font_manager = matplotlib("font_manager")
    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    font.set_size(100.0, 72.0)
    place = font.get_char_index(ord(sign))
    return float(font.load_glyph(place).linearHoriAdvance) / 6_553_600.0 if place else 1.2  # another font's box


def sentences(axes: Any, lines: list[str], size: float) -> None:
    """Lines in place of axes, from the left edge of the page on."""
    axes.axis("off")
    where = matplotlib("transforms").blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    text = axes.text(0.01, 1.0, "\n".join(lines), va="top", fontsize=size, linespacing=1.3, transform=where)
    text.set_in_layout(False)


def plain(name: str, most: int = LONGEST_NAME) -> str:
    """A name as a label: shortened, without control characters, and nothing in it read as a formula or left out."""
    text = shown(name)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def time_axis(index: pd.Index[Any]) -> Axis:
    """The axis of a pandas index of times or numbers; times are shown in UTC where they have a zone."""
    import pandas as pd

    if isinstance(index, pd.DatetimeIndex):
        at: NDArray[Any] = (index if index.tz is None else index.tz_convert(None)).to_numpy()
        label = "time" if index.tz is None else "time (UTC)"
    elif pd.api.types.is_numeric_dtype(index.dtype):
        at, label = index.to_numpy(), str(index.name or "step")
    else:
        raise InvalidInput(f"the index holds {index.dtype}; give times or numbers")
    gaps = np.diff(at)
    if (gaps <= np.zeros(1, gaps.dtype)).any():
        raise InvalidInput("the index does not rise from row to row; sort it, each time once")
    last = np.sort(gaps)[len(gaps) // 2] if len(gaps) else np.ones(1, gaps.dtype)[0]
    return Axis(at, np.append(at, at[-1:] + last), label)


def dates(axes: Any, axis: Axis) -> None:
    """Ticks of times that say no more than they must."""
    axes.set_xlim(axis.edges[0], axis.edges[-1])
    if axis.at.dtype.kind == "M":
        kinds = matplotlib("dates")
        locator = kinds.AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(kinds.ConciseDateFormatter(locator))


def stride(steps: int) -> int:
    """How many steps one drawn point stands for."""
    return max(1, -(-steps // MOST_POINTS))


def table_of(given: Any, what: str) -> pd.DataFrame:
    """A DataFrame of finite numbers with at least one row and column; raises InvalidInput."""
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise InvalidInput(f"{what} are a DataFrame with a row for each time, not a {type(given).__name__}")
    if not given.size:
        raise InvalidInput(f"{what} have {len(given)} rows and {len(given.columns)} columns; there is nothing to draw")
    values = given.to_numpy(dtype=float)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        raise InvalidInput(
            f"{what}: {given.columns[column]} is {values[row, column]:g} at {given.index[row]} "
            f"({len(wrong)} such); fill or drop gaps first"
        )
    return given
