"""reallot backtest: what policies would have earned over a recorded table of rates."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..backtest.result import Backtest
from ..backtest.run import run_all
from ..backtest.settings import Setting
from ..backtest.table import read_table
from ..errors import InvalidInput
from ..policy.registry import policies_of
from ..problem import Limits
from ..problem.validation import number
from ..text.columns import comma_separated
from ..text.numbers import shown, usd
from ..text.progress import Bar
from .screen import Screen

STDOUT = "-"
PROVED = 1e-6
"""A gap that is no larger is none to speak of."""
HEAD = ["", "net", "cost", "moved", "plans", "of optimum", "of gain", "seconds"]


def backtest(options: argparse.Namespace) -> int:
    """Runs the policies over the table and prints one row for each; JSON, CSV and a picture where asked for."""
    names = None if options.policy is None else [name.strip() for name in options.policy.split(",") if name.strip()]
    if names is not None:
        policies_of(names)  # a wrong name is said before a long table is read
    if options.json_file == options.csv_file == STDOUT:
        raise InvalidInput("--json and --csv both take the place of the table; name a file for one of them")
    setting = setting_of(options)
    hours = None if options.step_hours is None else _number(options.step_hours, "--step-hours")
    table = read_table(options.trace, signal=options.signal, step_hours=hours)
    result = run_all(table, names, setting, progress=Bar("policies"))
    if options.json_file is not None:
        _write(result.to_json(), options.json_file)
    if options.csv_file is not None:
        _write(result_csv(result), options.csv_file)
    if STDOUT not in (options.json_file, options.csv_file):
        print(result_text(result, Screen.of(sys.stdout)))
    if options.plot is not None:
        from ..plots import backtest_figure, save

        save(backtest_figure(result), options.plot)
        print(f"wrote {options.plot}", file=sys.stderr)
    return 0


def setting_of(options: argparse.Namespace) -> Setting:
    """The setting that the options ask for; raises InvalidInput."""
    if options.cost_days is not None and options.cost_usd is not None:
        raise InvalidInput("--cost-days and --cost-usd say the same thing twice; give one of them")
    return Setting(
        limits=Limits(max_turnover=_number(options.max_change, "--max-change", high=1.0)),
        cost_days=None if options.cost_days is None else _number(options.cost_days, "--cost-days"),
        cost_usd=None if options.cost_usd is None else _number(options.cost_usd, "--cost-usd"),
        hold=options.hold,
        min_confidence=_number(options.min_confidence, "--min-confidence", high=1.0),
    )


def result_text(result: Backtest, screen: Screen) -> str:
    """What was run, one row for the optimum, never and each policy, the best by net first; and what is marked."""
    data, terms = result.table, result.terms
    head = (
        f"{shown(data.name)}: {data.steps} steps of {data.step_hours:g} h, {len(data.names)} alternatives; moving "
        f"everything costs {usd(terms.move_cost)} USD."
    )
    names = sorted(result.runs, key=lambda name: -result.runs[name].net)
    rows = [HEAD, _row(result, "optimum"), _row(result, "never")]
    rows += [_row(result, name) for name in names if name != "never"]
    parts = [screen.folded(head), "", screen.table(rows, range(1, len(HEAD))), ""]
    if any(run.sees_future for run in result.runs.values()):
        parts.append("* is told the whole table before it begins")
    limit = f"{usd(result.optimum.bound)} USD"
    left = ""
    if result.optimum.gap > PROVED:
        left = f" The best way found is {100.0 * result.optimum.gap:.2g} % below that: {shown(result.optimum.how)}."
    parts.append(screen.folded(f"In hindsight no way within the limits earns more than {limit}.{left}"))
    return "\n".join(parts)


def result_csv(result: Backtest) -> str:
    """The same rows, the best by net first, with all digits; USD and parts."""
    names = ["optimum", *sorted(result.runs, key=lambda name: -result.runs[name].net)]
    keys = ["net", "cost", "moved", "plans", "share_of_optimum", "share_of_gain", "seconds"]
    rows: list[list[object]] = [["policy", *keys, "sees_future"]]
    for name in names:
        figures = result.figures(name)
        sees = name in result.runs and result.runs[name].sees_future
        rows.append([name, *(figures[key] if figures[key] == figures[key] else None for key in keys), sees])
    return comma_separated(rows)


def _row(result: Backtest, name: str) -> list[str]:
    figures, mark = result.figures(name), "*" if name in result.runs and result.runs[name].sees_future else ""
    parts = [_part(figures[key]) for key in ("share_of_optimum", "share_of_gain")]
    money = [f"{figures[key]:.2f}" for key in ("net", "cost", "moved")]
    return [f"{shown(name)}{mark}", *money, f"{figures['plans']:.0f}", *parts, f"{figures['seconds']:.2f}"]


def _part(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"


def _number(text: str, what: str, high: float = float("inf")) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InvalidInput(f"{what} is {text!r}; it must be a number") from None
    return number(value, what, 0.0, high)


def _write(text: str, place: str) -> None:
    if place == STDOUT:
        print(text)
        return
    try:
        Path(place).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{place}: cannot be written: {error.strerror or error}") from None
