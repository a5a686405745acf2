"""The problems that are measured. Rates are a few USD per hour, a move costs about what a day of a good one gains."""

from __future__ import annotations

import numpy as np

from reallot import AllocationProblem, CVaR, EarningsCurve, Limits, ProtocolSpec, Scenarios

from .registry import Build, spec

ALL = ("exact", "highs", "scipy", "pulp")
PROGRAMS = ("highs", "scipy", "pulp")
PERIODS = ("horizon", *PROGRAMS)
FEES = ("fees", *PROGRAMS)


def _names(count: int) -> list[str]:
    return [f"p{i:04d}" for i in range(count)]


def _current(names: list[str], random: np.random.Generator) -> dict[str, float]:
    return dict(zip(names, random.dirichlet(np.ones(len(names))).tolist(), strict=True))


@spec("one period, one capacity, concave curves, max change and turnover", (5, 20, 100, 1000), ALL)
def single(size: int, random: np.random.Generator) -> Build:
    names = _names(size)
    current = _current(names, random)
    slopes = -np.sort(-random.lognormal(0.7, 0.5, (size, 3)), axis=1)
    costs = random.uniform(0.0, 2.0, size)

    def build() -> AllocationProblem:
        specs = [
            ProtocolSpec(name, EarningsCurve.pieces([(s[0], 0.1), (s[1], 0.3), (s[2], 0.6)]), move_cost=cost)
            for name, s, cost in zip(names, slopes.tolist(), costs.tolist(), strict=True)
        ]
        limits = Limits(max_change=0.2, max_turnover=0.3, held=names[:1])
        return AllocationProblem(specs, current, horizon_hours=24, limits=limits)

    return build


@spec("24 periods with forecast rates; the size is the number of protocols", (5, 20, 100), PERIODS, {"pulp": 20})
def multi_period(size: int, random: np.random.Generator) -> Build:
    names = _names(size)
    current = _current(names, random)
    steps = np.cumsum(random.normal(0.0, 0.1, (24, size)), axis=0)
    rates = dict(zip(names, np.exp(0.7 + steps).T.tolist(), strict=True))
    costs = random.uniform(0.0, 2.0, size).tolist()

    def build() -> AllocationProblem:
        specs = [ProtocolSpec(name, 1.0, move_cost=cost) for name, cost in zip(names, costs, strict=True)]
        limits = Limits(max_change=0.2, max_turnover=0.3)
        return AllocationProblem(specs, current, horizon_hours=24, periods=24, rates=rates, limits=limits)

    return build


@spec("cpu, memory, disk and bandwidth shared beside the capacity", (5, 20, 100, 1000), PROGRAMS)
def resources(size: int, random: np.random.Generator) -> Build:
    names = _names(size)
    current = _current(names, random)
    kinds = ("cpu", "memory", "disk", "bandwidth")
    uses = random.uniform(0.1, 2.0, (size, len(kinds)))
    taken = np.array(list(current.values())) @ uses
    rates = random.lognormal(0.7, 0.5, size).tolist()

    def build() -> AllocationProblem:
        specs = [
            ProtocolSpec(name, rate, move_cost=1.0, uses=dict(zip(kinds, use, strict=True)))
            for name, rate, use in zip(names, rates, uses.tolist(), strict=True)
        ]
        most = dict(zip(kinds, (1.05 * taken).tolist(), strict=True))
        return AllocationProblem(
            specs, current, horizon_hours=24, allow_idle=True, resources=most, limits=Limits(max_change=0.2)
        )

    return build


@spec("a fee for every protocol that moves: a mixed-integer program", (5, 20, 100), FEES, {"pulp": 20})
def fees(size: int, random: np.random.Generator) -> Build:
    names = _names(size)
    current = _current(names, random)
    rates = random.lognormal(0.7, 0.5, size).tolist()
    fees = random.uniform(0.05, 0.5, size).tolist()

    def build() -> AllocationProblem:
        specs = [ProtocolSpec(name, rate, move_fee=fee) for name, rate, fee in zip(names, rates, fees, strict=True)]
        return AllocationProblem(specs, current, horizon_hours=24, limits=Limits(max_change=0.2))

    return build


@spec("CVaR over scenarios, 20 protocols; the size is the number of scenarios", (20, 100, 500), PROGRAMS, {"pulp": 100})
def cvar(size: int, random: np.random.Generator) -> Build:
    names = _names(20)
    current = _current(names, random)
    mean = random.lognormal(0.7, 0.5, 20)
    paths = dict(zip(names, (mean * random.lognormal(0.0, 0.4, (size, 20))).T.tolist(), strict=True))

    def build() -> AllocationProblem:
        specs = [ProtocolSpec(name, rate, move_cost=0.5) for name, rate in zip(names, mean.tolist(), strict=True)]
        return AllocationProblem(
            specs,
            current,
            horizon_hours=24,
            scenarios=Scenarios(rates=paths),
            risk=CVaR(level=0.9, weight=0.5),
            limits=Limits(max_change=0.2),
        )

    return build
