"""Figures: labelled with units, told apart without colour, nothing over anything else; and what they refuse to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reallot as ra
from reallot.plots.labels import distinct, wrapped
from reallot.plots.paper import MOST_POINTS, dates, paper, plain, time_axis, width_of
from reallot.plots.reliability import wilson
from reallot.text.numbers import shown, usd
from tests.plots.figures import CORNERS, FIGURES, START, plan, prices, result, seen, times
from tests.rounds import quick

pytest.importorskip("matplotlib", reason="drawing needs matplotlib")

each_figure = pytest.mark.parametrize("name", quick(*(name for name in FIGURES if name != "backtest"), rest=FIGURES))


def drawn(figure: Any) -> list[Any]:
    """The axes that show data, after everything was laid out."""
    figure.draw_without_rendering()
    return [axes for axes in figure.axes if axes.axison]


def boxes(figure: Any) -> list[tuple[str, Any]]:
    """Every text that is seen, with the box that it takes on the page."""
    from matplotlib.text import Text

    texts = [each for each in figure.findobj(Text) if each.get_visible() and each.get_text().strip()]
    hidden = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        for label in (tick.label1, tick.label2)
    }
    shown = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axes.axison
        for tick in axis._update_ticks()
        for label in (tick.label1, tick.label2)
        if label.get_visible()
    }
    return [(each.get_text(), each.get_window_extent()) for each in texts if each not in hidden - shown]


@each_figure
def test_a_page_has_a_title_labels_with_units_and_no_text_over_another(name: str) -> None:
    figure = FIGURES[name]()
    panels = drawn(figure)
    assert_every_panel_is_labelled(figure, panels)
    assert_units_stand_where_there_is_money_or_time(name, figure, panels)
    assert_text_is_apart(figure)


def assert_every_panel_is_labelled(figure: Any, panels: list[Any]) -> None:
    assert any(axes.get_title(loc="left") for axes in panels) or figure.get_suptitle()
    for axes in panels:
        assert axes.get_ylabel() or figure.get_supylabel()
    assert panels[-1].get_xlabel()


def assert_units_stand_where_there_is_money_or_time(name: str, figure: Any, panels: list[Any]) -> None:
    said = " ".join([*(axes.get_ylabel() + axes.get_xlabel() for axes in panels), figure.get_supylabel()])
    units = {
        "plan": ["share of capacity"],
        "frontier": ["USD over the horizon", "USD/h", "share of capacity"],
        "sensitivity": ["USD/h per unit of share", "in its own unit"],
        "prices": ["USD/h per unit", "time (UTC)"],
        "shares": ["share of capacity", "time (UTC)"],
        "net": ["(USD)", "time (UTC)"],
        "reliability": ["part of plans", "number", "probability"],
        "backtest": ["(USD)", "share of capacity", "time (UTC)"],
    }
    assert all(unit in said for unit in units[name]), said


def assert_text_is_apart(figure: Any) -> None:
    """No text covers another or leaves the page."""
    drawn(figure)
    placed, page = boxes(figure), figure.bbox
    assert len(placed) > 5
    for at, (text, box) in enumerate(placed):
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1, f"{text!r} leaves the page"
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1, f"{text!r} leaves the page"
        for other, its in placed[at + 1 :]:
            width, height = min(box.x1, its.x1) - max(box.x0, its.x0), min(box.y1, its.y1) - max(box.y0, its.y0)
            assert width < 1.0 or height < 1.0, f"{text!r} stands over {other!r}"


def test_the_check_sees_text_over_text() -> None:
    figure = FIGURES["frontier"]()
    figure.axes[0].annotate("somewhere here", (0.3, 0.6), (12, -8), textcoords="offset points", va="top")
    with pytest.raises(AssertionError, match="stands over"):
        assert_text_is_apart(figure)


@pytest.mark.slow
@each_figure
def test_a_figure_is_saved_in_any_format_and_shows_itself_in_a_notebook(name: str, tmp_path: Path) -> None:
    figure = FIGURES[name]()
    assert figure._repr_png_().startswith(b"\x89PNG")
    ra.plots.save(figure, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000


def test_lines_differ_by_more_than_colour() -> None:
    axes = drawn(ra.plots.net_figure(result()))[0]
    lines = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    looks = {(line.get_marker(), str(line._unscaled_dash_pattern)) for line in lines}
    assert len(lines) == 4 and len(looks) == 4


def test_neighbouring_areas_differ_by_hatch_and_lightness() -> None:
    from matplotlib.collections import PolyCollection

    shares = pd.DataFrame(np.full((3, 12), 1 / 12), columns=[f"app {i}" for i in range(12)])
    axes = drawn(ra.plots.shares_figure(shares))[0]
    areas = [area for area in axes.collections if isinstance(area, PolyCollection)]
    light = [float(np.asarray(area.get_facecolor())[0, :3] @ [0.299, 0.587, 0.114]) for area in areas]
    assert len(areas) == 12
    for one, other in zip(range(11), range(1, 12), strict=True):
        assert areas[one].get_hatch() != areas[other].get_hatch()
        assert abs(light[one] - light[other]) > 0.1


def test_a_plan_shows_both_splits_what_changes_and_the_reasons() -> None:
    figure = plan().plot()
    bars, words = figure.axes
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([*START.values(), *plan().shares])
    assert [text.get_text() for text in bars.texts] == ["+0.15", "-0.15"]
    said = words.texts[0].get_text()
    assert all(reason.split(":")[0] in said for reason in plan().reasons) and "held: storage" in said
    assert bars.patches[0].get_hatch() and not bars.patches[-1].get_hatch()


def test_of_many_protocols_the_largest_changes_are_drawn_and_the_rest_counted() -> None:
    names = [f"app {i:02d}" for i in range(60)]
    rates = dict(zip(names, np.linspace(1.0, 3.0, 60), strict=True))
    limits = ra.Limits(max_change=0.05)
    many = ra.allocate(ra.AllocationProblem(rates, dict.fromkeys(names, 1 / 60), limits=limits))
    bars = many.plot().axes[0]
    assert len(bars.patches) == 48 and bars.get_ylabel() == "protocol (36 not shown)"


def test_a_frontier_marks_the_limit_in_force_with_what_it_gives_up() -> None:
    above = drawn(ra.plots.frontier_figure(CORNERS, limit=0.3))[0]
    assert above.texts[0].get_text() == "limit 0.3: 0.6 USD\n0.9 USD less than without"
    assert not drawn(ra.plots.frontier_figure(CORNERS))[0].texts


def test_areas_add_up_and_moves_are_marked() -> None:
    from matplotlib.collections import LineCollection

    shares = pd.DataFrame({"relay": [0.5, 0.5, 0.7, 0.7], "compute": [0.5, 0.5, 0.3, 0.2]}, index=times(4))
    axes = drawn(ra.plots.shares_figure(shares, start={"relay": 0.4, "compute": 0.6}))[0]
    marks = [each for each in axes.collections if isinstance(each, LineCollection)]
    assert len(marks) == 1 and len(marks[0].get_segments()) == 3
    lengths = [segment[1][1] - segment[0][1] for segment in marks[0].get_segments()]
    assert lengths[1] == max(lengths)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["moves: 3, the largest 0.2", "compute", "relay"]
    top = max(path.vertices[:, 1].max() for path in axes.collections[1].get_paths())
    assert top == pytest.approx(1.0)


def test_without_a_move_there_is_no_mark() -> None:
    axes = drawn(ra.plots.shares_figure(pd.DataFrame({"relay": [1.0]}, index=times(1))))[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["relay"]


def test_the_smallest_of_many_protocols_are_one_area() -> None:
    weights = np.arange(1.0, 21.0)
    shares = pd.DataFrame([weights / weights.sum()] * 2, columns=[f"app {i}" for i in range(20)])
    axes = drawn(ra.plots.shares_figure(shares))[0]
    assert axes.get_legend().get_texts()[0].get_text() == "9 others"


def test_a_schedule_looks_ahead_by_period() -> None:
    problem = replace(plan().problem, periods=4, horizon_hours=96)
    figure = ra.plots.shares_figure(ra.allocate(problem).schedule_frame(), start=START, title="Four days")
    axes = drawn(figure)[0]
    assert axes.get_xlabel() == "period" and axes.get_title(loc="left") == "Four days"


def test_leads_end_where_the_figures_say_and_the_best_stands_first() -> None:
    found = result()
    axes = drawn(ra.plots.net_figure(found, ["ema", "greedy", "best-fixed"]))[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    order = sorted(["ema", "greedy", "best-fixed"], key=lambda name: -found[name].net)
    names = [label.split("  ")[0].rstrip("*") for label in labels]
    assert names == ["optimum", *order, f"never moving ({usd(found.never.net)} in all)"]
    for line, name in zip(axes.lines, ["optimum", *order], strict=False):
        assert line.get_ydata()[0] == 0.0
        assert line.get_ydata()[-1] == pytest.approx(found[name].net - found.never.net)
    assert any(label.startswith("best-fixed*") for label in labels)
    assert "told the whole table" in axes.get_legend().get_title().get_text()


def test_the_page_of_a_backtest_shows_the_shares_of_the_best_fair_policy_or_of_the_one_named() -> None:
    fair = max(["greedy", "ema", "profit-switching"], key=lambda name: result()[name].net)
    assert result().plot().axes[1].get_title(loc="left").startswith(f"Shares of {fair}:")
    assert result().plot("never").axes[1].get_title(loc="left").startswith("Shares of never: 0 plans")


@pytest.mark.slow
def test_a_long_trace_is_drawn_with_as_many_points_as_can_be_seen_and_keeps_its_end() -> None:
    steps = 3 * MOST_POINTS + 7
    shares = pd.DataFrame({"relay": 0.6, "compute": 0.4}, index=times(steps))
    shares.iloc[-1] = [0.5, 0.5]
    axes = drawn(ra.plots.shares_figure(shares))[0]
    assert "moves: 1, the largest 0.1" in [text.get_text() for text in axes.get_legend().get_texts()]
    assert max(len(path.vertices) for path in axes.collections[0].get_paths()) < 5 * MOST_POINTS


def test_prices_take_the_finite_end_and_are_nothing_where_a_limit_is_not_named() -> None:
    rows = drawn(ra.plots.prices_figure(prices()))
    assert [axes.get_title(loc="left") for axes in rows] == ["capacity", "turnover"]
    assert rows[1].lines[0].get_ydata().tolist() == [0.0, 0.5, 0.5, 0.5]
    assert [axes.get_title(loc="left") for axes in drawn(ra.plots.prices_figure(prices(), ["turnover"]))] == [
        "turnover"
    ]


def test_a_reliability_diagram_leaves_out_empty_bins_and_says_how_good_it_is() -> None:
    above, below = drawn(ra.plots.reliability_figure(seen()))
    assert [text.get_text() for text in below.texts] == ["4", "260", "36"]
    assert "base rate 0.67" in [text.get_text() for text in above.figure.legends[0].get_texts()]
    scores = f"Brier score {seen().brier:.3f}, of the base rate {seen().base_brier:.3f}; ECE {seen().ece:.3f}"
    assert above.get_title(loc="left").split("\n")[1] == scores


def test_the_interval_of_a_part_is_wilsons() -> None:
    low, high = wilson(np.array([0.0, 1.0, 0.3]), np.array([10.0, 10.0, 1e9]))
    assert low == pytest.approx([0.0, 0.7224672, 0.3], abs=1e-4)  # 0 of 10: 0 to 0.2775
    assert high == pytest.approx([0.2775328, 1.0, 0.3], abs=1e-4)


@pytest.mark.parametrize("hours", quick(0.01, 96, 60000, rest=[0.3, 2, 8, 26, 72, 170, 500, 2000, 9000]))
def test_ticks_of_time_fit_any_length_of_trace(hours: float) -> None:
    axes = paper(9.0, 4.0).subplots()
    dates(axes, time_axis(times(30, hours=hours / 30)))
    axes.figure.draw_without_rendering()
    assert 4 <= len(axes.get_xticks()) <= 13


def test_names_are_shown_as_they_are() -> None:
    assert plain("$relay$") == r"\$relay\$"
    assert plain("_hidden") == " _hidden"
    assert plain("a\nb") == r"a\nb"
    assert plain("n" * 40) == "n" * 27 + "…"
    problem = ra.AllocationProblem({"$a_b$": 1.0, "_c": 2.0}, {"$a_b$": 1.0, "_c": 0.0})
    drawn(ra.allocate(problem).plot())


LONG = "a-protocol-with-a-long-name-in-the-second-data-centre"
LONG_NAMES = {
    "different at the end": [f"{LONG}-{i}" for i in range(4)],
    "different at the begin": [f"{i}-{LONG}" for i in range(4)],
    "different in the middle": [f"{LONG}-{i}-{LONG}" for i in range(4)],
    "wide": ["W" * 80 + sign for sign in "abcd"],
    "formulas": [f"$x_{i}$" * 30 for i in range(4)],
    "one word each": [f"{LONG} {i} {LONG} {LONG}" for i in range(4)],
}


@pytest.mark.parametrize("kind", quick("formulas", "different in the middle", rest=LONG_NAMES))
def test_a_plan_of_long_names_stays_on_the_page_and_tells_them_apart(kind: str) -> None:
    names = LONG_NAMES[kind]
    problem = ra.AllocationProblem(
        {name: float(i) for i, name in enumerate(names)}, dict.fromkeys(names, 0.25), limits=ra.Limits(max_change=0.1)
    )
    figure = ra.allocate(problem).plot()
    bars = drawn(figure)[0]
    labels = [label.get_text() for label in bars.get_yticklabels()]
    assert len(set(labels)) == len(names)
    assert bars.get_window_extent().width > 0.3 * figure.bbox.width
    for text, box in boxes(figure):
        assert box.x0 >= -1.0 and box.x1 <= figure.bbox.width + 1.0, text


@pytest.mark.slow
@given(st.lists(st.text(st.characters(codec="latin-1"), min_size=1, max_size=60), min_size=1, max_size=6, unique=True))
def test_labels_are_different_and_fit(names: list[str]) -> None:
    labels = distinct([shown(name) for name in names], 160.0, 9.0)
    assert len(set(labels)) == len(labels)
    assert all(width_of(label.replace("\\$", "$"), 9.0) <= 175.0 for label in labels)


@given(st.text(st.characters(codec="ascii", categories=["L", "P", "Zs"]), max_size=300), st.floats(40.0, 600.0))
def test_wrapped_lines_fit_and_hold_everything(text: str, points: float) -> None:
    lines = wrapped(text, points, 9.0, indent="  ")
    assert all(width_of(line, 9.0) <= points for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


GAPS = pd.DataFrame({"relay": [0.5, np.nan]})
ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "no frame": (lambda: ra.plots.shares_figure([0.5]), "shares are a DataFrame .* not a list"),  # type: ignore[arg-type]
    "empty": (lambda: ra.plots.shares_figure(pd.DataFrame()), "0 rows and 0 columns"),
    "gap": (lambda: ra.plots.shares_figure(GAPS), "relay is nan at 1"),
    "negative": (lambda: ra.plots.shares_figure(pd.DataFrame({"a": [1.2], "b": [-0.2]})), "b is -0.2 at 0, below 0"),
    "start": (
        lambda: ra.plots.shares_figure(pd.DataFrame({"relay": [1.0]}), start={"rely": 1}),
        "did you mean 'relay'",
    ),
    "texts": (lambda: ra.plots.shares_figure(pd.DataFrame({"a": [1.0]}, index=["x"])), "give times or numbers"),
    "order": (lambda: ra.plots.shares_figure(pd.DataFrame({"a": [1.0, 1]}, index=[1, 0])), "does not rise"),
    "columns": (lambda: ra.plots.frontier_figure(CORNERS[["price"]]), "a frontier has the columns"),
    "limit": (lambda: ra.plots.frontier_figure(CORNERS, limit=-0.1), "limit is -0.1"),
    "no prices": (lambda: ra.plots.prices_figure({}), "plan.prices by time"),
    "no limits": (lambda: ra.plots.prices_figure({0: {}}), "nothing to draw"),
    "limits": (lambda: ra.plots.prices_figure(prices(), ["turnovr"]), "did you mean 'turnover'"),
    "limits as text": (lambda: ra.plots.prices_figure(prices(), "turnover"), r"\['turnover'\]"),
    "none named": (lambda: ra.plots.prices_figure(prices(), []), "limits names none"),
    "policy": (lambda: ra.plots.net_figure(result(), ["emma"]), "no policy 'emma' was run; did you mean 'ema'"),
    "policy as text": (lambda: ra.plots.net_figure(result(), "ema"), r"\['ema'\]"),
    "page": (lambda: result().plot("emma"), "no policy 'emma' was run"),
    "format": (lambda: ra.plots.save(paper(2, 2), "figure.nothing"), "cannot be drawn to"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_drawn_is_said(case: str) -> None:
    draw, message = ERRORS[case]
    with pytest.raises(ra.InvalidInput, match=message):
        draw()
