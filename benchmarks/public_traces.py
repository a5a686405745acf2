"""The default over all recorded traces: how much of what could be earned it keeps, and how deep it falls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reallot import Setting
from reallot.backtest.accounting import account
from reallot.backtest.hindsight import hindsight
from reallot.backtest.simulate import Course, walk
from reallot.policy.base import FloatArray, Policy
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.registry import policy

from . import traces
from .decision_runs import COSTS, SMOKE_STEPS, Source

DOMAINS = {
    "energy": (
        "energy_load_eu_2020_2021",
        "energy_sell_us_2020_2021",
        "energy_load_apac_na_2023_2024",
        "energy_sell_eu_2023_2024",
    ),
    "lending and funding": ("funding_2021_2022", "funding_2023_2024"),
    "mining": ("mining_nicehash_201802", "mining_zpool_201802", "mining_multipool_201802"),
    "GPU rental": ("gpu_rental_a100_2025", "gpu_rental_h100_2025"),
    "carbon": ("carbon_us_2022",),
    "advertising": ("ad_cpm_2011",),
}
STEPS = 4000
"""The first steps of each trace: what a run over all of them can afford."""
DEFAULT, BARE = "replay", "replay without its regret budget"


@dataclass(frozen=True)
class Kept:
    """One trace at one cost under one policy.

    days  cost of a full move, in days of mean earnings
    gain  (net - never) / (optimum - never); NaN where there is nothing to gain
    dip   the lowest net gain over never moving at any step, in full moves
    """

    domain: str
    trace: str
    days: float
    policy: str
    gain: float
    dip: float


def measure(smoke: bool, repeats: int) -> list[Kept]:
    """All traces at three costs; in smoke mode one of each. Nothing is timed, so `repeats` is of no use."""
    if traces.folder() is None:
        return []
    domains = {"GPU rental": DOMAINS["GPU rental"][:1]} if smoke else DOMAINS
    costs, steps = (COSTS[1:2], SMOKE_STEPS) if smoke else (COSTS, STEPS)
    return [
        row
        for domain, names in domains.items()
        for name in names
        for days in costs
        for row in _kept(domain, Source("trace", name, steps=steps), days)
    ]


def _kept(domain: str, source: Source, days: float) -> list[Kept]:
    table, setting = source.table(), Setting(cost_days=days)
    course = Course.of(table, setting)
    never = table.step_hours * table.rates.mean(axis=1)
    most = hindsight(setting.whole_problem(table)).net - float(never.sum())
    made: dict[str, Policy] = {DEFAULT: policy(DEFAULT), BARE: Replay()}
    rows = []
    for name, each in made.items():
        apart = np.cumsum(account(walk(each, course), course.start, table.rates, course.terms).net - never)
        gain = float(apart[-1]) / most if most > 0.0 else float("nan")
        rows.append(Kept(domain, source.name, days, name, gain, float(apart.min()) / course.terms.move_cost))
    return rows


def left_out() -> str:
    """What is not here, and why."""
    return "" if traces.folder() is not None else "Recorded traces are not here: nothing is measured."


def table(rows: Sequence[Kept]) -> str:
    """Markdown: share of the gain by trace and cost, then medians, means cut at -1, cases below never, deepest dips."""
    costs = sorted({row.days for row in rows})
    found = {(row.trace, row.days, row.policy): row for row in rows}
    heads = [f"{what}, k = {days:g}" for what in ("share of the gain", "deepest dip") for days in costs]
    lines = [["trace", *heads], ["---"] + ["---:"] * len(heads)]
    for trace in dict.fromkeys(row.trace for row in rows):
        mine = [found[trace, days, DEFAULT] for days in costs]
        lines.append([trace, *(f"{each.gain:.3f}" for each in mine), *(f"{each.dip:.2f}" for each in mine)])
    for name in (DEFAULT, BARE):
        for what, of in SUMMARIES.items():
            cells = [of([row for row in rows if row.policy == name and row.days == days]) for days in costs]
            lines.append([f"{what}, {name}", *cells, *[""] * len(costs)])
        dips = [min(row.dip for row in rows if row.policy == name and row.days == days) for days in costs]
        lines[-1][1 + len(costs) :] = [f"{dip:.2f}" for dip in dips]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _finite(rows: Sequence[Kept]) -> FloatArray:
    return np.array([row.gain for row in rows if np.isfinite(row.gain)])


SUMMARIES: dict[str, Callable[[Sequence[Kept]], str]] = {
    "median": lambda rows: f"{np.median(_finite(rows)):.3f}",
    "mean, cut at -1": lambda rows: f"{np.maximum(_finite(rows), -1.0).mean():.3f}",
    "below never moving": lambda rows: f"{int((_finite(rows) < -1e-9).sum())} of {len(_finite(rows))}",
}
