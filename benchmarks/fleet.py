"""Fleets under shared limits: from nothing, warm, and how it grows, beside HiGHS on the whole program."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np

from reallot import Fleet, FleetLimits, allocate_fleet
from reallot.allocation.fleet.fleet_program import FleetProgram
from reallot.allocation.fleet.rows import rows_of
from reallot.program import Status
from reallot.solvers.programs.highs import HighsModel

PROTOCOLS, CAPS = 10, 8
SIZES = (10_000, 100_000, 1_000_000)
SMALLEST = 2_500
SITES, SMALLEST_SITES = 1_000, 40
AGAINST = 10_000
"""Hosts up to which HiGHS is asked for the whole program."""
SEED = 0
GAP = 1e-9
WARM = 0.01
"""How far each rate has moved since the last plan, one standard deviation."""


@dataclass(frozen=True)
class FleetRow:
    """One plan: what was asked, of whom, and what it took.

    seconds   processor seconds, compiled code loaded before
    gap       between plan and proven bound; None where a solver proves nothing
    memory    largest resident set so far (MB)
    """

    what: str
    hosts: int
    way: str
    seconds: float
    worth: float
    gap: float | None
    rounds: int
    memory: float


def fleet(hosts: int, rates_moved: int = 0) -> tuple[Fleet, FleetLimits]:
    """A fleet of ten protocols under eight caps, a turnover limit and a budget, most of which bind."""
    random = np.random.default_rng([SEED, hosts])
    base, size = random.lognormal(0.0, 0.35, PROTOCOLS), random.lognormal(0.0, 0.6, hosts)
    rates = base * random.lognormal(0.0, 0.25, (hosts, PROTOCOLS)) * size[:, None]
    open_to = random.random((hosts, PROTOCOLS)) < 0.85
    upper = np.where(open_to, random.uniform(0.3, 1.0, (hosts, PROTOCOLS)), 0.05)
    current = np.minimum(random.dirichlet(np.full(PROTOCOLS, 0.6), hosts), upper)
    room = upper - current
    current += room * ((1.0 - current.sum(axis=1)) / room.sum(axis=1))[:, None]
    cost = 0.6 * size[:, None] * random.uniform(0.5, 1.5, PROTOCOLS)
    used = (size[:, None] * current).sum(axis=0)
    moved = np.random.default_rng([SEED, hosts, 1])
    for _ in range(rates_moved):
        rates = rates * moved.normal(1.0, WARM, rates.shape)
    made = Fleet.from_arrays(
        rates, current, upper=upper, max_change=0.2, move_cost=cost, sizes=size, horizon_hours=24.0
    )
    caps = {f"p{p}": 1.02 * float(used[p]) for p in np.argsort(-base)[:CAPS]}
    total = float(size.sum())
    return made, FleetLimits(protocol_caps=caps, turnover=0.12 * total, move_budget=0.134 * total)


def sites(count: int) -> tuple[Fleet, FleetLimits]:
    """Sites of three hosts, two exclusive protocols that pay best, and a turnover limit over all."""
    random, hosts = np.random.default_rng([SEED, count]), 3 * count
    size = random.lognormal(0.0, 0.5, hosts)
    rates = random.lognormal(0.0, 0.35, PROTOCOLS) * random.lognormal(0.0, 0.25, (hosts, PROTOCOLS)) * size[:, None]
    rates[:, :2] *= 1.8
    current = np.concatenate([np.zeros((hosts, 2)), np.full((hosts, 8), 0.125)], axis=1)
    made = Fleet.from_arrays(
        rates,
        current,
        upper=0.6,
        move_cost=0.3 * size[:, None],
        sizes=size,
        horizon_hours=24.0,
        sites=[f"s{h % count}" for h in range(hosts)],
    )
    return made, FleetLimits(turnover=0.1 * float(size.sum()), exclusive={"p0": "site", "p1": "site"})


def measure(smoke: bool, repeats: int) -> list[FleetRow]:
    """A row for each plan, each made once: they take seconds; answers of HiGHS are checked against ours."""
    rows = []
    allocate_fleet(*fleet(2 * SMALLEST))  # loads compiled code
    for hosts in (SMALLEST,) if smoke else SIZES:
        first, cold = _ours("from nothing", fleet(hosts), GAP, None)
        rows.append(first)
        if hosts <= AGAINST:
            rows.append(_ours("rates moved 1 %, warm", fleet(hosts, 1), GAP, cold)[0])
            ways = ("simplex",) if smoke else ("simplex", "ipm")
            rows += [_highs(fleet(hosts), way, first.worth) for way in ways]
    count = SMALLEST_SITES if smoke else SITES
    rows.append(_ours(f"{count:,} sites, 2 exclusive", sites(count), 1e-3, None)[0])
    return rows


def _ours(
    what: str, asked: tuple[Fleet, FleetLimits], gap: float, prices: dict[str, float] | None
) -> tuple[FleetRow, dict[str, float]]:
    begun = process_time()
    plan = allocate_fleet(*asked, gap=gap, prices=prices)
    spent = process_time() - begun
    row = FleetRow(what, len(asked[0]), plan.solver, spent, plan.net_benefit, plan.gap, plan.rounds, _memory())
    return row, dict(plan.prices)


def _highs(asked: tuple[Fleet, FleetLimits], way: str, worth: float) -> FleetRow:
    """HiGHS on the whole program, made before the clock starts; raises AssertionError where its optimum is another."""
    made, limits = asked
    program = FleetProgram(made, limits, rows_of(made, limits)).program
    model = HighsModel(program)
    model.highs.setOptionValue("solver", way)
    begun = process_time()
    found = model.solve()
    spent = process_time() - begun
    assert found.status is Status.OPTIMAL and found.values is not None
    best = program.objective(found.values)
    if abs(best - worth) > 1e-6 * max(1.0, abs(best)):
        raise AssertionError(f"HiGHS finds {best:.9g} USD, the decomposition {worth:.9g}")
    return FleetRow("from nothing", len(made), f"HiGHS, {way}", spent, best, None, 0, _memory())


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def table(rows: Sequence[FleetRow]) -> str:
    """A line for each plan, and how processor time grows with the fleet."""
    lines = ["| what | hosts | way | CPU s | gap | rounds | MB |", "|---|--:|---|--:|--:|--:|--:|"]
    for row in rows:
        gap = "" if row.gap is None else f"{row.gap:.0e}"
        cells = (
            row.what,
            f"{row.hosts:,}",
            row.way,
            f"{row.seconds:.2f}",
            gap,
            str(row.rounds or ""),
            f"{row.memory:.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    text = "\n".join(lines)
    cold = [row for row in rows if row.what == "from nothing" and row.way == "decomposition"]
    if len(cold) < 2:
        return text
    slope = math.log(cold[-1].seconds / cold[0].seconds) / math.log(cold[-1].hosts / cold[0].hosts)
    return f"{text}\n\nSlope from {cold[0].hosts:,} to {cold[-1].hosts:,} hosts, in logarithms: {slope:.2f}."
