"""Processor time of `explain` off the exact path, and of `allocate` where shares and moves are choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Limits,
    ProtocolSpec,
    Scenarios,
    allocate,
    explain,
)

SEEDS = range(3)
"""Each case is measured on so many problems; the table shows the middle and the longest."""


@dataclass(frozen=True)
class Row:
    """Processor seconds of one case over its problems.

    what      "explain" or "allocate"
    longest   the most that any of its problems took
    complete  explain left nothing out, or every plan was proved optimal
    """

    what: str
    case: str
    protocols: int
    periods: int
    seconds: float
    longest: float
    complete: bool


@dataclass(frozen=True)
class Case:
    """A family of problems: what they have (words of `problem`), and their size."""

    what: str
    protocols: int
    periods: int
    features: frozenset[str]

    @property
    def name(self) -> str:
        """The features in words."""
        return ", ".join(sorted(self.features)) or "linear"


def _cases() -> list[Case]:
    one = ("fee", "step", "curve", "bent", "cvar", "max_moves", "min_move", "group", "turnover")
    mixes = [{each} for each in one]
    mixes += [
        {"fee", "step"},
        {"fee", "curve", "max_moves"},
        {"fee", "cvar", "max_moves"},
        {"bent", "cvar"},
        {"step", "cvar", "max_moves"},
        {"min_move", "max_moves"},
    ]
    mixes += [mix | {"on grid"} for mix in mixes if "step" in mix]
    several: list[set[str]] = [set(), *({*mix, "max_moves"} for mix in ((), ["fee"], ["step"], ["curve"], ["cvar"]))]
    several += [{"step", "max_moves", "on grid"}]
    cases = [Case("explain", 10, 1, frozenset(mix)) for mix in mixes]
    cases += [Case("explain", 5, 3, frozenset(mix)) for mix in several]
    cases += [Case("allocate", 50, 1, frozenset(mix)) for mix in ({"step", "on grid"}, {"step"})]
    cases += [Case("allocate", 20, 4, frozenset(mix)) for mix in ({"curve", "cvar"}, {"curve", "fee"}, {"min_move"})]
    return cases


def problem(case: Case, seed: int) -> AllocationProblem:
    """One problem of a case; the same seed gives the same problem. A day's horizon, max change 0.2."""
    size, has = case.protocols, case.features
    random = np.random.default_rng([seed, size, case.periods])
    names = [f"p{i:02d}" for i in range(size)]
    rates, current = 1.0 + random.random((size, case.periods)), random.dirichlet(np.ones(size))
    if "on grid" in has:
        current = np.bincount(random.integers(0, size, 20), minlength=size) * 0.05
    specs = []
    for i, name in enumerate(names):
        given: dict[str, Any] = {"move_cost": float(random.uniform(1.0, 9.0))}
        if "fee" in has:
            given["move_fee"] = float(random.uniform(0.1, 0.6))
        if "step" in has:
            given["step"] = 0.05
        specs.append(ProtocolSpec(name, _earnings(has, rates[i], i, random), **given))
    half = float(current[::2].sum()) + 0.05
    limits = Limits(
        max_change=0.2,
        max_moves=3 if "max_moves" in has else None,
        min_move=0.05 if "min_move" in has else 0.0,
        max_turnover=0.3 if "turnover" in has else None,
        groups=(Group("half", tuple(names[::2]), max_share=half),) if "group" in has else (),
    )
    risk: dict[str, Any] = {}
    if "cvar" in has:
        factors = {name: random.uniform(0.5, 1.5, 8).tolist() for name in names}
        risk = {"scenarios": Scenarios(factors=factors), "risk": CVaR(0.75, 0.5)}
    return AllocationProblem(
        specs,
        dict(zip(names, current.tolist(), strict=True)),
        periods=case.periods,
        horizon_hours=24.0,
        allow_idle="step" in has,
        limits=limits,
        **risk,
    )


def _earnings(has: frozenset[str], rates: Any, i: int, random: np.random.Generator) -> Any:
    """Flat rates, or for every other protocol a curve of three pieces: concave, or one that rises late."""
    if not has & {"curve", "bent"} or i % 2:
        return tuple(rates.tolist()) if rates.size > 1 else float(rates[0])
    slopes = rates[0] * np.sort(random.uniform(0.3, 1.2, 3))[::-1]
    if "bent" in has:
        slopes = slopes[[1, 0, 2]]
    earned = np.cumsum(slopes[:2] * (0.1, 0.15))
    return EarningsCurve((0.0, 0.1, 0.25), (0.0, float(earned[0]), float(earned[1])), float(slopes[2]))


def measure(smoke: bool, repeats: int) -> list[Row]:
    """Every case; the smallest of each with `smoke`. `repeats` is not used: these times are long."""
    del repeats
    cases = _cases()
    return [_row(case, SEEDS[:1] if smoke else SEEDS) for case in (cases[:1] if smoke else cases)]


def _row(case: Case, seeds: range) -> Row:
    seconds, complete = [], True
    for seed in seeds:
        asked = problem(case, seed)
        if case.what == "allocate":
            spent, plan = _timed(lambda asked=asked: allocate(asked))  # type: ignore[misc]
            complete &= plan.status == "optimal"
        else:
            made = allocate(asked)
            spent, why = _timed(lambda made=made: explain(made))  # type: ignore[misc]
            complete &= not why.left_out and not any("budget" in stay.because for stay in why.stays)
        seconds.append(spent)
    return Row(case.what, case.name, case.protocols, case.periods, median(seconds), max(seconds), complete)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = process_time()
    result = work()
    return process_time() - started, result


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| what | case | protocols | periods | middle | longest | complete |", "|---|---|---:|---:|---:|---:|---|"]
    lines += [
        f"| {row.what} | {row.case} | {row.protocols} | {row.periods} | {row.seconds:.3f} | {row.longest:.3f} | "
        f"{'yes' if row.complete else 'no'} |"
        for row in rows
    ]
    return "\n".join(lines)
