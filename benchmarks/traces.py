"""Recorded rates as a chain of decisions: every step starts where the plan of the step before ended.

The data are not part of this repository. They are looked for where the environment variable REALLOT_TRACES points,
else in ../shared/data beside the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from reallot import Allocation, AllocationProblem, Limits, ProtocolSpec, allocate, certify, formulate
from reallot.solvers.programs.highs import HighsModel

NAMES = ("energy_load_eu_2020_2021", "mining_nicehash_201802")
MAX_CHANGE = 0.2
HORIZON_HOURS = 24.0


@dataclass(frozen=True)
class Trace:
    """Rates (steps, protocols) in USD per hour for a full share, one row every `step_hours`."""

    name: str
    protocols: tuple[str, ...]
    rates: NDArray[np.float64]
    step_hours: float

    def move_cost(self, part: float) -> float:
        """USD for one unit of share moved: `part` of what a day of the equal split earns on average."""
        return part * 24.0 * float(self.rates.mean())


def folder() -> Path | None:
    """Where the traces are, None where they are not."""
    given = os.environ.get("REALLOT_TRACES")
    place = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    return place if all((place / f"{name}.csv.gz").is_file() for name in NAMES) else None


def load(name: str) -> Trace:
    """The trace `name`; raises FileNotFoundError saying where it was looked for."""
    import pandas as pd

    place = folder()
    if place is None:
        raise FileNotFoundError(f"no {name}.csv.gz; point REALLOT_TRACES at the folder that holds the traces")
    table = pd.read_csv(place / f"{name}.csv.gz", index_col=0, parse_dates=True)
    clock = np.diff(table.index.to_numpy()) / np.timedelta64(1, "h")
    assert clock.min() == clock.max(), "the trace's clock is not even"
    return Trace(name, tuple(map(str, table.columns)), table.to_numpy(dtype=float), float(clock[0]))


def problem_at(trace: Trace, step: int, current: NDArray[np.float64], part: float) -> AllocationProblem:
    """The decision at `step`: what the row earns for a day against what a move costs.

    A unit moved is given once and taken once, so each side pays half of the cost.
    """
    half = trace.move_cost(part) / 2.0
    pairs = zip(trace.protocols, trace.rates[step].tolist(), strict=True)
    return AllocationProblem(
        [ProtocolSpec(name, rate, move_cost=half) for name, rate in pairs],
        dict(zip(trace.protocols, current.tolist(), strict=True)),
        horizon_hours=HORIZON_HOURS,
        limits=Limits(max_change=MAX_CHANGE),
    )


def chain(trace: Trace, part: float, steps: int | None = None) -> Iterator[Allocation]:
    """The exact plan of every step (the first `steps` of them), from the equal split on."""
    size = len(trace.protocols)
    current = np.full(size, 1.0 / size)
    for step in range(len(trace.rates) if steps is None else min(steps, len(trace.rates))):
        plan = allocate(problem_at(trace, step, current, part), solver="exact")
        yield plan
        current = plan.schedule[0]


class KeptHighs:
    """HiGHS with one model for a whole chain: gains and row limits change from step to step, the basis is kept."""

    def __init__(self) -> None:
        self._model: HighsModel | None = None

    def objective(self, problem: AllocationProblem) -> float:
        """The optimum's objective as HiGHS finds it, USD over the horizon; fails where its own certificate does."""
        program = formulate(problem)
        if self._model is None:
            self._model = HighsModel(program)
        else:
            self._model.change_gain(program.gain)
            self._model.change_rows(program.row_lower, program.row_upper)
        solution = self._model.solve()
        assert solution.values is not None, solution.detail
        certificate = certify(program, solution.values, solution.row_prices)
        assert certificate.is_optimal, f"HiGHS: {certificate}"
        return certificate.objective


def difference(plan: Allocation, objective: float) -> float:
    """How far `objective` lies from the plan's, as part of the scale its gap is measured on."""
    return abs(plan.certificate.objective - objective) / plan.certificate.scale


@dataclass(frozen=True)
class ChainResult:
    """One chain, solved twice. Times are seconds per step; money is what the applied shares earned, USD.

    worst       largest difference of the two objectives over all steps, as part of the certificate's scale
    moved       sum over the steps of the increases
    net         earned over the trace, costs taken off, each plan applied for one step of the clock
    never_move  what the equal split earned
    """

    trace: str
    part: float
    steps: int
    plans_with_moves: int
    worst: float
    exact_seconds: float
    kept_seconds: float
    highs_seconds: float
    moved: float
    net: float
    never_move: float


def run(trace: Trace, part: float, steps: int | None = None) -> ChainResult:
    """The whole chain by the exact path, by one kept HiGHS model and by allocate, compared each step."""
    started = perf_counter()
    plans = list(chain(trace, part, steps))
    exact_seconds = perf_counter() - started
    kept, worst = KeptHighs(), 0.0
    started = perf_counter()
    for plan in plans:
        worst = max(worst, difference(plan, kept.objective(plan.problem)))
    kept_seconds = perf_counter() - started
    started = perf_counter()
    for plan in plans:
        worst = max(worst, difference(plan, allocate(plan.problem, solver="highs").certificate.objective))
    highs_seconds = perf_counter() - started
    shares = np.array([plan.schedule[0] for plan in plans])
    moved = sum(plan.turnover for plan in plans)
    rates = trace.rates[: len(plans)]
    return ChainResult(
        trace=trace.name,
        part=part,
        steps=len(plans),
        plans_with_moves=sum(bool(plan.moves) for plan in plans),
        worst=worst,
        exact_seconds=exact_seconds / len(plans),
        kept_seconds=kept_seconds / len(plans),
        highs_seconds=highs_seconds / len(plans),
        moved=moved,
        net=trace.step_hours * float((rates * shares).sum()) - trace.move_cost(part) * moved,
        never_move=trace.step_hours * float(rates.mean(axis=1).sum()),
    )
