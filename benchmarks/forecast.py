"""Forecasts with bands: the default against its own members and against boosted trees, and what adapting changes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import pandas as pd

from reallot.policy.forecast.bands import MEMBERS, BandForecast, calibrated
from reallot.policy.forecast.boosted import boosted
from reallot.policy.forecast.rate_table import history
from reallot.policy.forecast.simple_forecasts import Member, Past, pooled_ridge, seasonal_naive, smoothing
from reallot.problem.arrays import FloatArray

from . import traces
from .forecast_sets import POINTS, SERIES, hourly

STEPS = 24
SEED = 2
"""Choices were made on the seeds 0 and 1."""
ORIGINS = 6
WALKED, LONGEST = 1_000, 100
"""Past bands that are looked at for what adapting changes, and the length of the windows among them."""
CPU_SECONDS = 1.0
NAMES = (
    "energy_sell_us_2020_2021",
    "energy_load_eu_2020_2021",
    "mining_nicehash_201802",
    "mining_zpool_201802",
    "funding_2021_2022",
    "gpu_rental_a100_2025",
)


@dataclass(frozen=True)
class Scored:
    """One way on one set; means over series, steps and moments.

    mase      absolute error of the middle forecast, in mean seasonal differences of the past
    is80      interval score of the 80 % band in the same unit: its width, and ten times by how much it was missed
    held80    part of what came within the 80 % band; held95 the same of the 95 % band
    bias      mean forecast less what came, in the same unit
    cpu       processor seconds of one fit with both bands
    asked     no more than this; None where nothing was asked
    """

    what: str
    way: str
    mase: float
    is80: float
    held80: float
    held95: float
    bias: float
    cpu: float
    asked: float | None = None


@dataclass(frozen=True)
class Drifted:
    """How often 80 % bands held over a long walk, in all and in the worst 100 steps (tenth percentile of series)."""

    what: str
    ahead: int
    fixed: float
    adaptive: float
    fixed_worst: float
    adaptive_worst: float


def _plain_mean(past: Past) -> FloatArray:
    return np.asarray(np.mean([member(past) for member in MEMBERS], axis=0))


def ways() -> dict[str, tuple[Member, ...]]:
    """Members by the name of what they make together."""
    found: dict[str, tuple[Member, ...]] = {
        "default: median of the three": MEMBERS,
        "mean of the three": (_plain_mean,),
        "seasonal naive": (seasonal_naive,),
        "smoothing": (smoothing,),
        "pooled ridge": (pooled_ridge,),
    }
    if not no_boost():
        found |= {"LightGBM": (boosted,), "boosted: median of the three and LightGBM": (*MEMBERS, boosted)}
    return found


def score(what: str, tables: Sequence[pd.DataFrame], way: str, members: Sequence[Member]) -> Scored:
    """The way on tables whose last STEPS rows are what came."""
    parts: list[FloatArray] = []
    took = []
    for table in tables:
        past, came = history(table.iloc[:-STEPS], STEPS), table.iloc[-STEPS:].to_numpy()
        before = time.process_time()
        forecast = calibrated(past, STEPS, members)
        low, high, lower, higher = (forecast.quantile(q).to_numpy() for q in (0.1, 0.9, 0.025, 0.975))
        took.append(time.process_time() - before)
        scale = np.abs(past.rates[past.season :] - past.rates[: -past.season]).mean(axis=0)
        unit, there = np.where(scale > 0.0, scale, 1.0), scale > 0.0
        missed = np.maximum(low - came, 0.0) + np.maximum(came - high, 0.0)
        measures = (
            np.abs(forecast.quantile(0.5).to_numpy() - came) / unit,
            (high - low + 10.0 * missed) / unit,
            (low <= came) & (came <= high),
            (lower <= came) & (came <= higher),
            (forecast.mean.to_numpy() - came) / unit,
        )
        parts.append(np.array([each[:, there].mean() for each in measures]))
    mase, is80, held80, held95, bias = np.mean(parts, axis=0).tolist()
    return Scored(what, way, mase, is80, held80, held95, bias, float(np.median(took)))


def drift(what: str, table: pd.DataFrame, walked: int) -> list[Drifted]:
    """The default's own past bands, with and without adapting, one step and STEPS ahead."""
    adaptive = calibrated(history(table, STEPS), STEPS, MEMBERS, replayed=walked)
    fixed = replace(adaptive, adapt=False)
    worst = {each: _worst(each) for each in (adaptive, fixed)}
    return [
        Drifted(what, h, *(worst[each][k][h - 1] for k in (0, 1) for each in (fixed, adaptive))) for h in (1, STEPS)
    ]


def _worst(forecast: BandForecast) -> tuple[list[float], list[float]]:
    """By step ahead: how often the band held, and in the worst window, at the tenth percentile of series."""
    held = forecast.held(0.8).astype(float)
    sums = np.cumsum(np.concatenate([np.zeros_like(held[:1]), held]), axis=0)
    length = min(LONGEST, len(held))
    windows = (sums[length:] - sums[:-length]) / length
    return held.mean(axis=(0, 2)).tolist(), np.quantile(windows.min(axis=0), 0.1, axis=1).tolist()


def measure(smoke: bool, repeats: int) -> list[Scored | Drifted]:
    """Every way on every set; in smoke mode a few made series once."""
    rows: list[Scored | Drifted] = []
    for what, tables, long in _sets(smoke, min(repeats, ORIGINS)):
        rows += [score(what, tables, way, members) for way, members in ways().items()]
        rows += drift(what, long, 100 if smoke else WALKED)
    if not smoke and isinstance(rows[0], Scored):
        rows[0] = replace(rows[0], asked=CPU_SECONDS)
    return rows


def _sets(smoke: bool, origins: int) -> Iterator[tuple[str, list[pd.DataFrame], pd.DataFrame]]:
    """(name, tables that end with what came, one long table)"""
    series, points = (4, 600) if smoke else (SERIES, POINTS)
    made = _hourly(hourly(SEED, series, points + origins * STEPS))
    cuts = [made.iloc[k * STEPS : points + (k + 1) * STEPS] for k in range(origins)]
    yield f"made, {series} x {points:,}", cuts, _hourly(hourly(SEED, series, points if smoke else 2 * points))
    if smoke or traces.folder() is None:
        return
    for name in NAMES:
        trace = traces.load(name)
        clock = pd.date_range("2026-01-01", periods=len(trace.rates), freq=pd.Timedelta(hours=trace.step_hours))
        whole = pd.DataFrame(trace.rates, index=clock, columns=list(trace.protocols))
        ends = np.linspace(max(900, len(whole) // 3), len(whole), origins).astype(int)
        yield name, [whole.iloc[:end] for end in ends], whole


def _hourly(values: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.date_range("2026-01-01", periods=len(values), freq="h"))


def no_boost() -> str:
    """Why LightGBM is left out, or ""."""
    return "" if find_spec("lightgbm") else "LightGBM left out; install the extra boost: pip install -e '.[boost]'"


def left_out() -> str:
    """What could not be measured here, in words."""
    lost = "" if traces.folder() is not None else "traces left out, no data; point REALLOT_TRACES at their folder"
    return ". ".join(each for each in (no_boost(), lost) if each)


def table(rows: Sequence[Scored | Drifted]) -> str:
    """Both tables as Markdown."""
    lines = [
        "| set | way | MASE | IS80 | 80 % held | 95 % held | bias of the mean | processor, s | asked | reached |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        if isinstance(row, Scored):
            numbers = f"{row.mase:.3f} | {row.is80:.2f} | {row.held80:.3f} | {row.held95:.3f} | {row.bias:+.3f}"
            asked = " | " if row.asked is None else f"{row.asked:g} | {'yes' if row.cpu <= row.asked else 'no'}"
            lines.append(f"| {row.what} | {row.way} | {numbers} | {row.cpu:.2f} | {asked} |")
    lines += [
        "",
        "| set | steps ahead | held, fixed | held, adaptive | worst 100, fixed | worst 100, adaptive |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if isinstance(row, Drifted):
            numbers = f"{row.fixed:.3f} | {row.adaptive:.3f} | {row.fixed_worst:.2f} | {row.adaptive_worst:.2f}"
            lines.append(f"| {row.what} | {row.ahead} | {numbers} |")
    return "\n".join(lines)


ABOUT = (
    f"{STEPS} steps ahead, fitted anew at each of {ORIGINS} moments. MASE and IS80 (interval score of the 80 % band) "
    "are in mean seasonal differences of the past: lower is better. Series that never change are left out. The made "
    f"set has the seed {SEED}; how the default works was chosen on the seeds 0 and 1.\n\n"
    f"The second table walks along the last {WALKED:,} moments, where there are so many: how often 80 % bands held, "
    f"and in their worst {LONGEST} steps, at the tenth percentile of series."
)
