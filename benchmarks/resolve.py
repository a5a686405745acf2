"""A fleet with several resources, solved again as rates change: a kept model against building and solving afresh."""

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


def measure(smoke: bool, repeats: int) -> list[Row]:
    """The model alone, its program there on both sides; then whole decisions, certified and with ties settled."""
    hosts = FEWEST if smoke else HOSTS
    problems = fleet(hosts)
    size = f"{hosts} x {PROTOCOLS} x {len(KINDS)}"
    return [
        *race("resolve", size, *_models(problems), variants=VARIANTS, repeats=repeats),
        *race("resolve", f"{size}, whole", *_decisions(problems), variants=VARIANTS, repeats=repeats),
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
