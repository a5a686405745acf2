"""Solved again as rates change: a fleet with several resources, and choices; what is kept against starting afresh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reallot import (
    Allocation,
    AllocationProblem,
    Group,
    Limits,
    LinearProgram,
    ProtocolSpec,
    allocate,
    certify,
    formulate,
    session,
)
from reallot.solvers.programs.highs import HighsModel

from .race import Contender, Row, Unequal, race

HOSTS, PROTOCOLS, KINDS = 100, 10, ("cpu", "memory", "disk", "bandwidth")
FEWEST = 5
VARIANTS = 6
EQUAL = 1e-9
CHOICES = ("fees and groups", "counts", "entry shares", "units")
SMALL, LARGE = 6, 30
"""Protocols of a question in whole numbers."""
SEED = 5


def fleet(hosts: int) -> list[AllocationProblem]:
    """Variants of one question: every protocol on every host, four resources each, a cap on each protocol's sum.

    Rates change by up to 1 % from one variant to the next question.
    """
    random = np.random.default_rng([SEED, hosts])
    uses = random.uniform(0.2, 1.0, (PROTOCOLS, len(KINDS)))
    room = random.uniform(0.5, 1.5, (hosts, len(KINDS)))
    rates = np.outer(random.uniform(0.5, 1.5, hosts), random.lognormal(0.7, 0.5, PROTOCOLS))
    rates *= random.uniform(0.8, 1.2, rates.shape)
    names = [[f"h{h:03d}.p{p}" for p in range(PROTOCOLS)] for h in range(hosts)]
    resources = {f"h{h:03d}.{kind}": float(room[h, j]) for h in range(hosts) for j, kind in enumerate(KINDS)}
    groups = tuple(Group(f"p{p}", tuple(names[h][p] for h in range(hosts)), 0.12 * hosts) for p in range(PROTOCOLS))

    def variant(factors: Any) -> AllocationProblem:
        specs = [
            ProtocolSpec(
                names[h][p],
                float(rates[h, p] * factors[h, p]),
                uses={f"h{h:03d}.{kind}": float(uses[p, j]) for j, kind in enumerate(KINDS)},
            )
            for h in range(hosts)
            for p in range(PROTOCOLS)
        ]
        current = {spec.name: 0.0 for spec in specs}
        return AllocationProblem(
            specs, current, capacity=None, resources=resources, allow_idle=True, limits=Limits(groups=groups)
        )

    return [variant(random.uniform(0.99, 1.01, rates.shape)) for _ in range(VARIANTS)]


def choosing(kind: str, size: int) -> list[AllocationProblem]:
    """Variants of one question in whole numbers: a cost per unit moved, and fees, counted moves, entry shares or units.

    Rates change by up to 1 % from one variant to the next question.
    """
    random = np.random.default_rng([SEED, size])
    names = [f"p{i:03d}" for i in range(size)]
    rates, costs = random.lognormal(0.7, 0.5, size), random.uniform(0.05, 0.5, size).tolist()
    shares, extra, limits = random.dirichlet(np.ones(size)), {}, Limits(max_change=0.2)
    if kind == "fees and groups":
        extra["move_fee"] = random.uniform(0.0, 0.4, size).tolist()
        thirds = tuple(Group(f"g{k}", tuple(names[k::3]), max_share=0.5) for k in range(3))
        limits = Limits(max_change=0.2, groups=thirds)
    elif kind == "counts":
        limits = Limits(max_change=0.2, max_moves=4, min_move=0.02)
    elif kind == "entry shares":
        extra["entry_share"], limits = [0.08] * size, Limits(max_change=0.3, max_moves=5)
        shares = np.where(np.arange(size) < 5, 0.2, 0.0)
    else:
        extra["step"], shares = [0.02] * size, np.round(50.0 * shares) / 50.0

    def variant(factors: Any) -> AllocationProblem:
        specs = [
            ProtocolSpec(name, rate, move_cost=cost, **{key: values[i] for key, values in extra.items()})
            for i, (name, rate, cost) in enumerate(zip(names, (rates * factors).tolist(), costs, strict=True))
        ]
        current = dict(zip(names, shares.tolist(), strict=True))
        return AllocationProblem(specs, current, allow_idle=True, horizon_hours=24.0, limits=limits)

    return [variant(random.uniform(0.99, 1.01, size)) for _ in range(VARIANTS)]


def measure(smoke: bool, repeats: int) -> list[Row]:
    """The model alone, its program there on both sides; whole decisions, certified and with ties settled; choices."""
    hosts = FEWEST if smoke else HOSTS
    problems = fleet(hosts)
    size = f"{hosts} x {PROTOCOLS} x {len(KINDS)}"
    choices = [
        row
        for kind in CHOICES
        for row in race(
            "resolve",
            f"{SMALL if smoke else LARGE}, {kind}",
            *_decisions(choosing(kind, SMALL if smoke else LARGE)),
            variants=VARIANTS,
            repeats=repeats,
        )
    ]
    return [
        *race("resolve", size, *_models(problems), variants=VARIANTS, repeats=repeats),
        *race("resolve", f"{size}, whole", *_decisions(problems), variants=VARIANTS, repeats=repeats),
        *choices,
    ]


def _models(problems: list[AllocationProblem]) -> tuple[list[Contender], list[Contender]]:
    programs = [formulate(problem) for problem in problems]
    kept, worth = HighsModel(programs[0]), _certified(programs)

    def again(k: int) -> Any:
        kept.change_gain(programs[k].gain)
        return kept.solve()

    def anew(k: int) -> Any:
        return HighsModel(programs[k]).solve()

    ours = Contender("kept", "HighsModel kept, gains changed, solved from the last basis", again, worth, EQUAL)
    return [ours], [Contender("new", "new HighsModel, passed and solved from nothing", anew, worth, EQUAL)]


def _decisions(problems: list[AllocationProblem]) -> tuple[list[Contender], list[Contender]]:
    rates = [{spec.name: (spec.curves[0].last_slope,) for spec in problem.specs} for problem in problems]
    kept = session(problems[0])

    def again(k: int) -> Allocation:
        return kept.change(rates=rates[k]).solve()

    def anew(k: int) -> Allocation:
        return allocate(replace(problems[0], rates=rates[k]), solver="highs")

    def worth(k: int, plan: Allocation) -> float:
        return plan.certificate.objective

    ours = Contender("kept", "a session: new rates to a certified plan, ties settled", again, worth, EQUAL)
    theirs = Contender("new", "allocate() with solver highs: the same from a new record", anew, worth, EQUAL)
    return [ours], [theirs]


def _certified(programs: list[LinearProgram]) -> Callable[[int, Any], float]:
    def worth(k: int, solution: Any) -> float:
        certificate = certify(programs[k], solution.values, solution.row_prices)
        if not certificate.is_optimal:
            raise Unequal(f"HiGHS: {certificate} at {certificate.worst_place}")
        return certificate.objective

    return worth
