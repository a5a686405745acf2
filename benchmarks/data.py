"""From a user's table to a certified plan: DataFrames, records, arrays in a session, and wide problems in a batch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from reallot import Allocation, AllocationProblem, Limits, ProtocolSpec, allocate, allocate_many, session
from reallot.solvers.kernels.split import split

from .bare_sort import seconds_without_avx512
from .peers import ONE_ROW, TOLERANCE, arrays, modelling
from .quiet import quiet
from .race import Contender, Row, race
from .step import Step

SIZES = (20, 2_000, 20_000)
PEERS_TO = 2_000
"""Protocols up to which the libraries beside ours are asked."""
BATCHES = ((1, 2_000), (1, 20_000), (100, 200), (100_000, 10))
MILLION = 1_000_000
VARIANTS = 4
BEFORE = {
    "from_frame, n = 20": 4.03,
    "from_frame, n = 2,000": 190.3,
    "from_frame, n = 20,000": 2245.5,
    "records, n = 20": 1.11,
    "records, n = 2,000": 24.0,
    "records, n = 20,000": 396.3,
    "session, n = 20": 0.42,
    "session, n = 2,000": 5.10,
    "session, n = 20,000": 39.3,
    "allocate_many, 1 x 2,000": 19.8,
    "allocate_many, 1 x 20,000": 119.7,
    "allocate_many, 100 x 200": 3.91,
    "allocate_many, 100,000 x 10": 204.1,
}
"""Milliseconds of processor time that the same took while problems were lists of records; one run, a busy machine."""
ABOUT = (
    "Processor milliseconds of one call, from the data to the certified plan, everything included. Before is what the "
    "same call took when a problem was a list of records, on a busy machine of 2 cores; ratios are of this run. The "
    "session is told new rates as an array and sorts afresh; the kept HiGHS model is told the same numbers and gives "
    "neither reasons nor a certificate. A batch stands beside the kernel alone, called for each of its problems."
)


@dataclass(frozen=True)
class Million:
    """A million protocols from arrays to a certified plan: processor seconds, and megabytes above the arrays.

    sort, plain_sort  np.sort of as many numbers, as it comes and without AVX-512 (None where that is the same)
    """

    protocols: int
    seconds: float
    megabytes: float
    sort: float
    plain_sort: float | None


def measure(smoke: bool, repeats: int) -> list[Row | Million]:
    """Every row against the fastest that others do with the same data; answers are compared first."""
    rows: list[Row | Million] = []
    for size in SIZES[:1] if smoke else SIZES:
        step = Step.of(size, VARIANTS)
        theirs = _peers(step) if size <= PEERS_TO else [_kernel(step)]
        with quiet():
            rows += race("data", f"n = {size:,}", _ours(step), theirs, variants=VARIANTS, repeats=repeats)
    for count, size in ((1, 50),) if smoke else BATCHES:
        rows += _batch(count, size, repeats)
    return [*rows, _million(20_000 if smoke else MILLION, repeats)]


def _ours(step: Step) -> list[Contender]:
    frames = [
        pd.DataFrame({"rate": step.rates[k], "current": step.current[k], "move_cost": step.cost}, index=step.names)
        for k in range(step.variants)
    ]
    current = [dict(zip(step.names, shares, strict=True)) for shares in step.current.tolist()]
    rates, costs, limits = step.rates.tolist(), step.cost.tolist(), Limits(max_change=step.max_change)
    live = session(AllocationProblem.from_frame(frames[0], limits=limits), solver="auto")

    def from_frame(k: int) -> Allocation:
        return allocate(AllocationProblem.from_frame(frames[k], limits=limits))

    def from_records(k: int) -> Allocation:
        rows = zip(step.names, rates[k], costs, strict=True)
        specs = [ProtocolSpec(name, rate, move_cost=cost) for name, rate, cost in rows]
        return allocate(AllocationProblem(specs, current[k], limits=limits))

    def again(k: int) -> Allocation:
        live.change(rates=step.rates[k], current=step.current[k], order=step.names)
        return live.solve()

    def contender(name: str, note: str, run: Callable[[int], Allocation]) -> Contender:
        return Contender(name, note, run, lambda k, plan: step.worth(k, plan.schedule[0]))

    return [
        contender("from_frame", "AllocationProblem.from_frame(frame) and allocate", from_frame),
        contender("records", "a ProtocolSpec for each protocol, AllocationProblem and allocate", from_records),
        contender("session", "session.change(rates=array, current=array, order=names) and solve", again),
    ]


def _peers(step: Step) -> list[Contender]:
    """A kept cvxpy problem whose parameters are set, where cvxpy is installed, and a kept HiGHS model."""
    ways: list[tuple[str, Any, float, str]] = [
        ("highspy, one row, kept", arrays.highspy_kept(step), ONE_ROW, "a kept model told new numbers; shares only")
    ]
    if find_spec("cvxpy") is not None:
        note = "a kept problem, parameters set from the same numbers; shares only"
        ways.append(("cvxpy, HiGHS", modelling.cvxpy_highs(step), TOLERANCE, note))
    return [
        Contender(name, note, run, lambda k, shares, t=tolerance: step.worth(k, shares, t), tolerance)  # type: ignore[misc]
        for name, run, tolerance, note in ways
    ]


def _kernel(step: Step) -> Contender:
    inputs = [
        (step.rates[k] - step.cost, step.rates[k] + step.cost, step.current[k], step.low[k], step.high[k], 1.0)
        for k in range(step.variants)
    ]
    note = "the split alone, its arrays ready: no checks, no certificate"
    return Contender("kernel", note, lambda k: split(*inputs[k]), lambda k, found: step.worth(k, found.shares))


def _batch(count: int, size: int, repeats: int) -> list[Row]:
    random = np.random.default_rng([count, size])
    rates, current = random.random((count, size)), random.dirichlet(np.ones(size), count)
    cost, change = 0.02, min(0.2, 4.0 / size)
    few = min(count, 100)
    low, high = np.maximum(0.0, current - change), np.minimum(1.0, current + change)

    def many(k: int) -> Any:
        return allocate_many(rates, current, max_change=change, move_cost=cost, solver="numpy")

    def alone(k: int) -> list[Any]:
        return [split(rates[i] - cost, rates[i] + cost, current[i], low[i], high[i], 1.0) for i in range(few)]

    def worth(shares: Sequence[Any]) -> list[float]:
        return [float(rates[i] @ shares[i] - cost * np.abs(shares[i] - current[i]).sum()) for i in range(few)]

    ours = Contender(
        "allocate_many",
        "checks, answers, prices, gaps, residuals; NumPy",
        many,
        lambda k, a: worth(a.shares),
        answers=count,
    )
    theirs = Contender(
        "kernel",
        "the split alone for each problem",
        alone,
        lambda k, a: worth([each.shares for each in a]),
        answers=few,
    )
    return race("data", f"{count:,} x {size:,}", [ours], [theirs], variants=1, repeats=repeats)


SCRIPT = """
import json, resource, sys, time
import numpy as np
from reallot import AllocationProblem, Limits, allocate
size, repeats = int(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
names = [f"p{i:07d}" for i in range(size)]
rates, current, cost = random.random(size), random.dirichlet(np.ones(size)), random.uniform(0.0005, 0.005, size)
limits = Limits(max_change=4.0 / size)
few = min(size, 100_000)
equal = np.full(few, 1.0 / few)
allocate(AllocationProblem.from_arrays(names[:few], rates[:few], equal, limits=Limits(max_change=4.0 / few)))
with open("/proc/self/statm") as file:
    before = int(file.read().split()[1]) * resource.getpagesize()
seconds, sorts = [], []
for _ in range(repeats + 1):
    started = time.process_time()
    plan = allocate(AllocationProblem.from_arrays(names, rates, current, move_cost=cost, limits=limits))
    seconds.append(time.process_time() - started)
    assert plan.certificate.is_optimal
    del plan
    started = time.process_time()
    np.sort(rates)
    sorts.append(time.process_time() - started)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([sorted(seconds[1:])[repeats // 2], (peak - before) / 1e6, sorted(sorts[1:])[repeats // 2]]))
"""


def _million(size: int, repeats: int) -> Million:
    """In a fresh process, whose largest size in memory is what is asked for."""
    command = [sys.executable, "-c", SCRIPT, str(size), str(min(repeats, 5))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, megabytes, sort = json.loads(output.splitlines()[-1])
    return Million(size, seconds, megabytes, sort, seconds_without_avx512(size, repeats))


def table(rows: Sequence[Row | Million]) -> str:
    """A line for each of ours: before, now, and how many times longer the others take in this run."""
    lines = ["| what | before, ms | now, ms | against | takes, ms | ratio |", "|---|---:|---:|---|---:|---:|"]
    for row in rows:
        if isinstance(row, Row):
            what = f"{row.ours.name}, {row.size}"
            count = int(row.size.split(" x ")[0].replace(",", "")) if " x " in row.size else 1
            ours, theirs = 1e3 * count * row.ours.cpu, 1e3 * count * row.theirs.cpu
            before = f"{BEFORE[what]:g}" if what in BEFORE else "-"
            lines.append(f"| {what} | {before} | {ours:.3g} | {row.theirs.name} | {theirs:.3g} | {theirs / ours:.2g} |")
            continue
        what = f"from_arrays, n = {row.protocols:,}, {row.megabytes:.0f} MB above the arrays"
        for name, sort in (("np.sort", row.sort), ("np.sort, no AVX-512", row.plain_sort)):
            if sort is not None:
                ratio = sort / row.seconds
                lines.append(f"| {what} | - | {1e3 * row.seconds:.0f} | {name} | {1e3 * sort:.0f} | {ratio:.2g} |")
    return "\n".join(lines)
