"""How well policies decide over time: recorded traces, made worlds, the default with one thing changed, known tables.

`python -m benchmarks.decision` is the same as `python -m benchmarks --only decision`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from time import process_time

import numpy as np

from reallot.backtest.accounting import account
from reallot.backtest.hindsight import hindsight
from reallot.backtest.settings import Setting
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import RateTable, read_table
from reallot.policy.registry import policy

from . import olps, traces, worlds
from .decision_changes import CHANGES, NONE

POLICIES = (
    "replay",
    "value",
    "work-function",
    "work-function-split",
    "work-function-2",
    "follow-the-leader",
    "ema",
    "threshold",
    "profit-switching",
)
DEFAULT = "replay"
FAMILIES = (*worlds.FAMILIES, *worlds.LATER)
COSTS = (0.01, 0.1, 1.0)
TRACES = (
    "energy_load_eu_2020_2021",
    "energy_sell_us_2020_2021",
    "funding_2021_2022",
    "mining_nicehash_201802",
    "mining_zpool_201802",
    "gpu_rental_a100_2025",
)
QUOTED = "mining_zpool_201802"
"""The trace with a signal file. With it, it counts among the six; without it, it is shown and not counted."""
SEEDS = range(1000, 1008)
"""Of made worlds: none of them served to choose anything."""
CHANGED_SEEDS = SEEDS[:2]
"""Of the worlds on which the default is changed."""
PROCESSES = 2
TIMED = (10, 4_000)
"""Alternatives and steps of the walk that is timed."""
SMOKE_STEPS = 150
NOTHING = 1e-9
"""A gain smaller than this part of the optimum is none."""


@dataclass(frozen=True)
class Source:
    """Where rates come from: a recorded trace, with its signal or not, or a made world.

    steps  how many of them; None is all
    """

    kind: str
    name: str
    seed: int = 0
    signal: bool = False
    steps: int | None = None

    @property
    def counted(self) -> bool:
        """False for a trace of quotes without them."""
        return self.kind == "world" or self.name != QUOTED or self.signal

    @property
    def shown(self) -> str:
        """The trace's name, and whether quotes were seen."""
        return self.name if self.name != QUOTED else f"{self.name}{'' if self.signal else ', paid rates only'}"

    def table(self) -> RateTable:
        """The rates; raises FileNotFoundError for a trace that is not there."""
        if self.kind == "world":
            step_hours, rates = worlds.world(self.name, self.seed)
            names = tuple(f"p{place:02d}" for place in range(rates.shape[1]))
            whole = RateTable(self.name, names, np.arange(len(rates)) * step_hours, rates, step_hours)
        else:
            folder = traces.folder()
            if folder is None:
                raise FileNotFoundError(f"no {self.name}.csv.gz; point REALLOT_TRACES at the folder that holds it")
            signal = folder / f"{self.name}_signal.csv.gz" if self.signal else None
            whole = read_table(folder / f"{self.name}.csv.gz", signal=signal)
        if self.steps is None:
            return whole
        quotes = None if whole.quotes is None else whole.quotes[: self.steps]
        return replace(whole, times=whole.times[: self.steps], rates=whole.rates[: self.steps], quotes=quotes)


@dataclass(frozen=True)
class Case:
    """One policy on one source at one cost. Money is USD, net of moves, over all steps.

    days          cost of moving everything, in days of mean earnings (k)
    change        what was changed in the policy; "" is nothing
    milliseconds  processor time of a step: deciding, and carrying it out within the limits
    """

    source: Source
    days: float
    policy: str
    change: str
    steps: int
    size: int
    net: float
    never: float
    optimum: float
    milliseconds: float

    @property
    def gain(self) -> float:
        """Share of the gain: (net - never) / (optimum - never); NaN where there is nothing to gain."""
        most = self.optimum - self.never
        return (self.net - self.never) / most if most > NOTHING * abs(self.optimum) else float("nan")

    @property
    def below(self) -> bool:
        """True where never moving earns more."""
        return self.net < self.never - NOTHING * abs(self.never)


@dataclass(frozen=True)
class Job:
    """One source at one cost: all policies, or the default with one thing changed."""

    source: Source
    days: float
    change: str = NONE


def run(job: Job) -> list[Case]:
    """Its cases; `never` and `optimum` are NaN where something is changed, as they are those of the unchanged."""
    table, setting = job.source.table(), Setting(cost_days=job.days)
    course = Course.of(table, setting)
    cases = []
    never = optimum = float("nan")
    if job.change == NONE:
        never = table.step_hours * float(table.rates.mean(axis=1).sum())
        optimum = hindsight(setting.whole_problem(table)).net
    for name in POLICIES if job.change == NONE else (DEFAULT,):
        with CHANGES[job.change]():
            before = process_time()
            shares = walk(policy(name), course)
            spent = process_time() - before
        net = float(account(shares, course.start, table.rates, course.terms).net.sum())
        steps, size = table.rates.shape
        figures = (steps, size, net, never, optimum, 1e3 * spent / steps)
        cases.append(Case(job.source, job.days, name, job.change, *figures))
    return cases


def sources(smoke: bool) -> Iterator[Source]:
    """All traces that are there, and all worlds; short and few in smoke mode."""
    steps = SMOKE_STEPS if smoke else None
    if traces.folder() is not None:
        for name in TRACES[-1:] if smoke else TRACES:
            for signal in (True, False) if name == QUOTED else (False,):
                yield Source("trace", name, signal=signal, steps=steps)
    for seed in SEEDS[:1] if smoke else SEEDS:
        for family in FAMILIES[-2:] if smoke else FAMILIES:
            yield Source("world", family, seed, steps=steps)


def jobs(smoke: bool) -> list[Job]:
    """What is to be run, long traces first."""
    chosen = list(sources(smoke))
    costs = COSTS[1:2] if smoke else COSTS
    changed = [each for each in chosen if each.counted and (each.kind == "trace" or each.seed in CHANGED_SEEDS)]
    whole = [Job(source, days) for source in chosen for days in costs]
    return whole + [Job(source, days, change) for change in CHANGES if change for source in changed for days in costs]


def measure(smoke: bool, repeats: int) -> list[Case | Timed | olps.Wealth]:
    """Everything; worlds and traces in PROCESSES processes. Answers do not depend on `repeats`."""
    timed = [timing(100 if smoke else TIMED[1], repeats)]
    todo = jobs(smoke)
    if smoke:
        found = [case for job in todo for case in run(job)]
    else:
        found = []
        # a matrix is small here: threads of the linear algebra library would only be in each other's way
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            for place, cases in enumerate(pool.map(run, todo, chunksize=1), 1):
                found += cases
                if sys.stderr.isatty() or not place % 50:
                    print(f"{place} of {len(todo)} done", file=sys.stderr, flush=True)
    base = {(case.source, case.days): case for case in found if case.policy == DEFAULT and not case.change}
    known = [
        replace(case, never=base[case.source, case.days].never, optimum=base[case.source, case.days].optimum)
        for case in found
    ]
    return [*known, *timed, *olps.measure(smoke)]


@dataclass(frozen=True)
class Timed:
    """Processor time of one step of the default at n alternatives, milliseconds: the least of some walks' means."""

    size: int
    steps: int
    milliseconds: float


def timing(steps: int, repeats: int) -> Timed:
    """The default walked over rates that wander, at the reference problem's middle cost."""
    random, size = np.random.default_rng(6), TIMED[0]
    rates = 1.0 + 0.02 * np.cumsum(random.normal(size=(steps, size)), axis=0) + 0.1 * random.normal(size=(steps, size))
    names = tuple(f"p{place}" for place in range(size))
    course = Course.of(RateTable("timed", names, np.arange(steps) / 12.0, rates, 1.0 / 12.0), Setting(cost_usd=2.4))
    spent = []
    for _ in range(min(repeats, 3)):
        before = process_time()
        walk(policy(DEFAULT), course)
        spent.append(1e3 * (process_time() - before) / steps)
    return Timed(size, steps, min(spent))


def left_out() -> str:
    """What could not be measured here, in words; "" where everything was."""
    if traces.folder() is not None:
        return ""
    return "recorded traces and published tables left out, no data; point REALLOT_TRACES at their folder"
