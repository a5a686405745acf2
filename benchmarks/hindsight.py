"""The optimum of whole traces in hindsight: what is earned, what is proven, and what is published with the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from reallot import AllocationProblem, Limits, ProtocolSpec
from reallot.backtest.hindsight import hindsight
from reallot.solvers.numba import dispatch

from . import traces

REFERENCE = {
    ("energy_load_eu_2020_2021", 0.01): (1102358.2, 0.00006),
    ("energy_load_eu_2020_2021", 0.1): (1080689.8, 0.00056),
    ("energy_load_eu_2020_2021", 1.0): (1055126.4, 0.00231),
    ("energy_sell_us_2020_2021", 0.01): (1869395.1, 0.00004),
    ("energy_sell_us_2020_2021", 0.1): (1804980.2, 0.00009),
    ("energy_sell_us_2020_2021", 1.0): (1743286.2, 0.00053),
    ("funding_2021_2022", 0.01): (854766.78, 0.00002),
    ("funding_2021_2022", 0.1): (842941.05, 0.00002),
    ("funding_2021_2022", 1.0): (789192.9, 0.0),
    ("mining_nicehash_201802", 0.01): (1624.8361, 0.00002),
    ("mining_nicehash_201802", 0.1): (1602.6578, 0.0),
    ("mining_nicehash_201802", 1.0): (1494.8898, 0.0),
    ("mining_zpool_201802", 0.01): (2041.5132, 0.0),
    ("mining_zpool_201802", 0.1): (1997.8772, 0.0),
    ("mining_zpool_201802", 1.0): (1821.5415, 0.0),
    ("mining_multipool_201802", 0.1): (2649.7663, 0.0),
    ("mining_multipool_201802", 1.0): (2021.2367, 0.0),
    ("gpu_rental_a100_2025", 0.01): (111381.15, 0.0),
    ("gpu_rental_a100_2025", 0.1): (110925.08, 0.0),
    ("gpu_rental_a100_2025", 1.0): (106987.94, 0.0),
}
"""By trace and cost in days of mean earnings: the optimum as published with the data, USD, and the gap it allows."""
SEED = 5
WITHOUT_NUMBA = "mining_multipool_201802"
"""The trace that is measured without compiled kernels as well."""
MADE = (17_500, 10)
"""Steps and alternatives of the made traces."""
COSTS = (0.01, 0.1, 1.0)
GAP = {0.01: 1e-3, 0.1: 1e-3, 1.0: 3e-3}
"""What the gap has to stay below, by cost."""


@dataclass(frozen=True)
class Result:
    """One trace at one cost. Money is USD over the trace, times are seconds.

    part        cost of a unit moved, in days of mean earnings
    published   the optimum as published; None for a made trace
    gap         (bound - net) / bound
    built       for the record of the problem and its arrays
    seconds     for the optimum with its bound
    kernels     "Numba", or "HiGHS" where it is not there or switched off
    """

    trace: str
    part: float
    steps: int
    protocols: int
    net: float
    bound: float
    gap: float
    published: float | None
    moved: float
    windows: int
    built: float
    seconds: float
    how: str
    kernels: str

    @property
    def difference(self) -> float | None:
        """Of the optimum from the published one, as a part of that."""
        return None if self.published is None else self.net / self.published - 1.0


def problem_of(trace: traces.Trace, part: float) -> AllocationProblem:
    """The reference problem: from the equal split, at most 0.2 moved in a step, `part` days of earnings for a unit."""
    steps, size = trace.rates.shape
    half = trace.move_cost(part) / 2.0
    return AllocationProblem(
        [ProtocolSpec(name, 0.0, move_cost=half) for name in trace.protocols],
        dict.fromkeys(trace.protocols, 1.0 / size),
        periods=steps,
        horizon_hours=steps * trace.step_hours,
        rates=dict(zip(trace.protocols, trace.rates.T.tolist(), strict=True)),
        limits=Limits(max_turnover=0.2),
    )


def made(kind: str, steps: int, size: int) -> traces.Trace:
    """Rates about 1 USD/h: "noise" without memory, a "walk", or "weather" that comes back, with a daily season."""
    random = np.random.default_rng([SEED, steps, size])
    away = random.normal(size=(steps, size))
    if kind == "noise":
        rates = 1.0 + 0.3 * away
    elif kind == "walk":
        rates = 1.0 + 0.02 * away.cumsum(axis=0)
    else:
        season = 0.2 * np.sin(2.0 * np.pi * (np.arange(steps)[:, None] / 24.0 + np.arange(size) / size))
        for t in range(1, steps):
            away[t] = 0.95 * away[t - 1] + 0.1 * away[t]
        rates = 1.0 + away + season
    # costs are in days of mean earnings: a walk that strays far from 1 would make them another question
    rates += 1.0 - rates.mean()
    return traces.Trace(f"made: {kind}", tuple(f"p{i:02d}" for i in range(size)), rates, 1.0)


def measure(smoke: bool, repeats: int) -> list[Result]:
    """Every trace at every cost, once; raises AssertionError where a published optimum or an asked gap is missed."""
    steps, size = (500, 4) if smoke else MADE
    loaded = [made(kind, steps, size) for kind in ("noise", "walk", "weather")]
    if traces.folder() is not None:
        names = dict.fromkeys(name for name, _ in REFERENCE)
        loaded[:0] = [traces.load(name) for name in names if not smoke or name.startswith("gpu")]
    if dispatch.available():  # the first call compiles, or loads what was compiled
        hindsight(problem_of(made("noise", 4_000, 8), 0.1))
    rows = [_measured(trace, part) for trace in loaded for part in COSTS]
    with dispatch.switched_off():
        rows += [_measured(trace, part) for trace in loaded if trace.name == WITHOUT_NUMBA for part in COSTS]
    return rows


def _measured(trace: traces.Trace, part: float) -> Result:
    begun = perf_counter()
    problem = problem_of(trace, part)
    _ = problem.arrays
    built = perf_counter() - begun
    best = hindsight(problem)
    steps, size = trace.rates.shape
    published, allowed = REFERENCE.get((trace.name, part), (None, 0.0))
    if published is not None and not (
        published * (1.0 - 1e-7) <= best.bound and best.net <= published * (1.0 + allowed + 1e-5)
    ):
        raise AssertionError(f"{trace.name}, k = {part:g}: {best.net} to {best.bound}, published is {published}")
    if best.gap > GAP[part]:
        raise AssertionError(f"{trace.name}, k = {part:g}: gap {best.gap:.2e}, asked for {GAP[part]:g}")
    return Result(
        trace=trace.name,
        part=part,
        steps=steps,
        protocols=size,
        net=best.net,
        bound=best.bound,
        gap=best.gap,
        published=published,
        moved=best.moved,
        windows=best.windows,
        built=built,
        seconds=best.seconds,
        how=best.how,
        kernels="Numba" if dispatch.available() else "HiGHS",
    )


def left_out() -> str:
    """What could not be measured here, in words; "" where everything was."""
    return "" if traces.folder() is not None else "recorded traces left out; point REALLOT_TRACES at their folder"


def table(rows: Sequence[Result]) -> str:
    """Rows as Markdown."""
    header = (
        "| trace | k | steps x n | net, USD | bound, USD | gap | published | difference | moved | windows | built, s "
    )
    lines = [f"{header}| solved, s | by |", "|:---|" + "---:|" * 11 + ":---|"]
    for row in rows:
        cells = [
            row.trace,
            f"{row.part:g}",
            f"{row.steps} x {row.protocols}",
            f"{row.net:.9g}",
            f"{row.bound:.9g}",
            f"{row.gap:.1e}",
            "" if row.published is None else f"{row.published:.9g}",
            "" if row.difference is None else f"{100.0 * row.difference:+.5f} %",
            f"{row.moved:.1f}",
            str(row.windows),
            f"{row.built:.2f}",
            f"{row.seconds:.2f}",
            row.kernels,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
