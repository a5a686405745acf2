"""Everything that can be measured, by the name that --only asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reallot.solvers.numba import dispatch

from . import (
    batch,
    confidence,
    curves,
    cycle,
    data,
    decision_runs,
    decision_tables,
    equal_split,
    explain,
    exploration,
    fee,
    fleet,
    forecast,
    growth,
    hindsight,
    horizon,
    imports,
    kernel,
    models,  # noqa: F401  registers its specs
    nested,
    peers,
    public_traces,
    report,
    resolve,
    service,
    step,
    traces,
    whole,
)
from .measure import measure
from .registry import SPECS, Spec

COSTS = (0.01, 0.1)
"""Cost of a unit moved, as a part of what a day of the equal split earns."""
INSTALL = "pip install -e '.[bench]'"


@dataclass(frozen=True)
class Group:
    """One table.

    title    what it shows, and in which unit
    measure  (smoke, repeats) to rows; it has checked the answers by then
    table    rows to Markdown
    about    what a reader of the table should know
    left_out says in words what could not be measured here; "" where everything was
    seeds    of what is drawn; "" where nothing is
    """

    title: str
    measure: Callable[[bool, int], Sequence[Any]]
    table: Callable[[Any], str]
    about: str = ""
    left_out: Callable[[], str] = lambda: ""
    seeds: str = str(step.SEED)

    @property
    def compares(self) -> str:
        """What it compares, in one line for `--help`."""
        return f"{self.title}; {self.drawn}"

    @property
    def drawn(self) -> str:
        """The seeds in words."""
        return f"seeds {self.seeds}" if self.seeds else "nothing is drawn"


def _range(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}"


def _spec(spec: Spec) -> Group:
    return Group(
        f"{', '.join(spec.backends)}: {spec.about} (ms)",
        lambda smoke, repeats: measure(spec, smoke, repeats),
        report.timings,
    )


def _chains(smoke: bool, repeats: int) -> list[traces.ChainResult]:
    if traces.folder() is None:
        return []
    loaded = [traces.load(name) for name in traces.NAMES]
    rows = [traces.run(trace, part, 20 if smoke else None) for trace in loaded for part in COSTS]
    for row in rows:
        if row.worst > 1e-9:
            raise AssertionError(f"{row.trace}: objectives differ by {row.worst:.1e} of the scale")
    return rows


def _no_traces() -> str:
    return "" if traces.folder() is not None else "left out, no data; point REALLOT_TRACES at their folder"


def _no_numba() -> str:
    return "" if dispatch.available() else f"rows with Numba left out; install the extra bench: {INSTALL}"


def _no_peers() -> str:
    missing = ", ".join(peers.missing())
    return f"left out, as not installed: {missing}; install the extra bench: {INSTALL}" if missing else ""


DUELS = {
    "peers": Group(
        "allocate() and a session against the same step in cvxpy, cvxportfolio, skfolio, linopy, Pyomo, PuLP, linprog "
        "and highspy",
        peers.measure,
        report.duels,
        "One step of one period: flat rates, max change, a cost per unit moved. Rates and current shares change by up "
        "to 2 % from call to call, which suits what is kept. The peers give shares; allocate() checks its input, "
        "certifies, and says why.",
        _no_peers,
    ),
    "whole": Group(
        "allocate() the whole way against one linprog call",
        whole.measure,
        report.duels,
        "linprog has its arrays before the clock starts and is asked for nothing else.",
        seeds=str(whole.SEED),
    ),
    "kernel": Group(
        "the exact split on arrays, NumPy and Numba, against PuLP, highspy and a sort",
        kernel.measure,
        report.duels,
        "The same step. Each answer of ours is proved by its own price of capacity (weak duality) before the others "
        "are compared with it.",
        _no_numba,
    ),
    "batch": Group(
        "allocate_many against a loop of linprog; times are for one problem",
        batch.measure,
        report.duels,
        left_out=_no_numba,
        seeds=f"{batch.SEED}, {batch.SAMPLE_SEED}",
    ),
    "horizon": Group(
        "many periods planned together against HiGHS on the whole program, solver time only",
        horizon.measure,
        report.duels,
        "Periods x protocols. Rates wander about their mean, a move costs 2 to 20 % of a day's rate, max change is "
        "0.2. Ten protocols hold something at the start, or all do.",
        _no_numba,
        seeds=str(horizon.SEED),
    ),
    "nested": Group(
        "groups with floors and caps inside each other: marginal gains merged against HiGHS, solver time only",
        nested.measure,
        report.duels,
        f"Halves of halves, {nested.LEVELS} levels, each with a floor and a cap beside its present sum.",
        seeds=str(nested.SEED),
    ),
    "equal_split": Group(
        "many periods planned together from the equal split, against HiGHS on the whole program, solver time only",
        equal_split.measure,
        report.duels,
        "Periods x protocols, ten seeds of three kinds of rates; max change is 0.2. The figures take the middle one. "
        "Who only sells is planned by when it sells, who buys period by period.",
        _no_numba,
        seeds=str(equal_split.SEED),
    ),
    "fee": Group(
        "a fixed fee for every protocol that moves: the search against HiGHS on the MILP, solver time only",
        fee.measure,
        report.duels,
        "No limit on moves. Each question has a row, as some are many times harder; the figures take the middle one.",
        _no_numba,
        seeds=str(fee.SEED),
    ),
    "resolve": Group(
        "a fleet and whole numbers, solved again as rates change by 1 %: what is kept against starting afresh",
        resolve.measure,
        report.duels,
        "Hosts x protocols x resources of each host, and a cap on every protocol's sum over the hosts. Protocols with "
        "fees and groups, counted and smallest moves, entry shares, or units.",
        seeds=str(resolve.SEED),
    ),
}
"""The comparisons that the figures are taken from."""

GROUPS = {
    "data": Group(
        "from a table of data to a certified plan (processor ms)", data.measure, data.table, data.ABOUT, _no_peers
    ),
    **{name: _spec(spec) for name, spec in SPECS.items()},
    **DUELS,
    "explain": Group(
        "explain() and allocate() where shares and moves are choices (processor seconds)",
        explain.measure,
        explain.table,
        "Three problems a case; the middle and the longest of them. Complete: nothing was left out, every plan proved.",
        seeds=_range(explain.SEEDS),
    ),
    "fleet": Group(
        "fleets of hosts under shared limits, from nothing and warm, against HiGHS on the whole program (processor s)",
        fleet.measure,
        fleet.table,
        "Ten protocols; eight caps, a turnover limit and a budget over all hosts. HiGHS's program is made before its "
        "clock starts. Memory is the largest so far, data included.",
        _no_numba,
        seeds=str(fleet.SEED),
    ),
    "growth": Group(
        "time against the number of protocols",
        growth.measure,
        report.growths,
        "In brackets the slope since the size before, in logarithms: 1 is in proportion, 2 would be quadratic.",
        _no_numba,
    ),
    "service": Group(
        "a server beside an engine: processor time, what was delivered, and the engine's slowest cycles",
        service.measure,
        service.table,
        "The engine in one thread, the server in another, the clients in another process. CPU is that of the server's "
        "thread. Stuck clients are dismissed after two sends of 5 s.",
        service.left_out,
        seeds="",
    ),
    "imports": Group(
        "import reallot against import numpy, in CPU seconds on top of the interpreter",
        lambda smoke, repeats: imports.measure(1 if smoke else 2 * repeats + 1),
        report.imports,
        "numpy's linear algebra library starts one thread per core, which spins for a moment: that is most of the "
        "difference between the two columns, and none of it is ours.",
        seeds="",
    ),
    "forecast": Group(
        "rates ahead with bands, the default against its members and boosted trees",
        forecast.measure,
        forecast.table,
        forecast.ABOUT,
        forecast.left_out,
        seeds=str(forecast.SEED),
    ),
    "hindsight": Group(
        "the best that whole traces allow, with its bound, against published optima",
        hindsight.measure,
        hindsight.table,
        "The reference problem of the data: from the equal split, at most 0.2 moved in a step; k is the cost of a unit "
        "moved in days of mean earnings. The bound is proven by prices, from arrays alone, and the net recomputed from "
        "the shares. The difference is of net from the optimum that is published with the data, which may be a little "
        "below the best possible. The made traces are noise without memory, a walk, and weather with a daily season. "
        "One trace is solved without Numba as well.",
        hindsight.left_out,
        seeds=f"{hindsight.SEED} beside recorded rates",
    ),
    "curves": Group(
        "captures with earnings curves learned while deciding (no times but the last column)",
        curves.measure,
        curves.table,
        curves.ABOUT,
        seeds=_range(curves.SEEDS),
    ),
    "exploration": Group(
        "exploring where only what holds a share is read, against reading everything (no times but the last column)",
        exploration.measure,
        exploration.table,
        exploration.ABOUT,
        seeds=_range(exploration.SEEDS),
    ),
    "confidence": Group(
        "how often plans paid that were said to pay with some probability",
        confidence.measure,
        confidence.table,
        confidence.ABOUT,
        confidence.left_out,
        seeds=f"{_range(confidence.SEEDS)} beside recorded rates",
    ),
    "public_traces": Group(
        "the default on thirteen recorded traces: how much of what could be earned it keeps, and how deep it falls",
        public_traces.measure,
        public_traces.table,
        "the default with its regret budget and without, at three costs",
        public_traces.left_out,
        seeds="",
    ),
    "decision": Group(
        "policies against never moving and the optimum in hindsight, on recorded and made rates",
        decision_runs.measure,
        decision_tables.table,
        decision_tables.ABOUT,
        decision_runs.left_out,
        seeds=f"{_range(decision_runs.SEEDS)} beside recorded rates",
    ),
    "cycle": Group(
        "the running engine against the times asked of it, on simulated protocols and a clock moved by hand",
        cycle.measure,
        cycle.table,
        "All four parts: coordinator, optimizer, engine, monitor; the ledger in memory. One cycle is one poll with all "
        "that follows from it.",
        cycle.no_client,
    ),
    "traces": Group(
        "recorded rates, every step a decision, three ways to the same objective",
        _chains,
        report.chains,
        "Milliseconds per step. **exact** is the whole way from the record to the certified plan. **HiGHS kept** is "
        "one model for the whole chain, changed and solved warm, its certificate included; the record is there "
        'already, ties are not settled. **HiGHS** is `allocate(problem, solver="highs")`. The difference is relative '
        "to the certificate's scale. k is the cost of a unit moved, as a part of what a day of the equal split earns; "
        "max change is 0.2.\n\n"
        "The money is what the chain earned, each plan applied for one step. It is no policy: each decision believes "
        "the present rates for a whole day. Where they jitter within minutes, as in the mining trace, and moves are "
        "dear (k = 0.1), it would have been better never to move; holds, confirmation and better forecasts are what "
        "that takes.",
        _no_traces,
        seeds="",
    ),
}
