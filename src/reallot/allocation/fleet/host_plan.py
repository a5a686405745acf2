"""One host of a fleet's plan as an Allocation of its own, at the fleet's prices."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...formulation.evaluate import ByProgram
from ...formulation.formulate import formulate
from ...problem import AllocationProblem, EarningsCurve, ProtocolSpec, Tiers
from ...problem.arrays import FloatArray
from ...program import certify
from ...solvers.backends import runner
from ..allocate import plan_of
from ..result import Allocation
from .fleet import Fleet
from .host_program import host_program
from .limits import FleetLimits
from .rows import Charges, Row, SharedRows

TOLERANCE = 1e-9
SEARCH_SECONDS = 2.0
"""For a host with whole numbers."""


@dataclass(frozen=True)
class Decided:
    """What a plan for a fleet says that one host's plan is made of.

    shares  (hosts, protocols)
    prices  (rows,) USD over the horizon; 0 where a row has none
    slack   USD by which the fleet's plan may miss its bound; infinite where it is not known
    notes   what shared limits cost, in words
    """

    fleet: Fleet
    limits: FleetLimits
    rows: tuple[Row, ...]
    shares: FloatArray
    prices: FloatArray
    status: str
    slack: float
    notes: tuple[str, ...]


def host_plan(plan: Decided, h: int) -> Allocation:
    """The plan of host `h` with the problem that it has at the fleet's prices."""
    fleet = plan.fleet
    own = fleet.problem_at(h)
    at = [fleet.protocols.index(name) for name in own.names]
    schedule = plan.shares[[h]][:, at]
    charges = SharedRows.of(fleet, plan.rows).within(np.array([h])).charges(plan.prices)
    share = np.broadcast_to(charges.share, (1, len(fleet.protocols)))[0, at]
    problem = _without_others(plan, h, at_prices(own, share, charges), schedule)
    judge = ByProgram(problem, formulate(problem))
    bound, claimed_by = _bound(own, problem)
    proof = certify(
        judge.program,
        judge.at(schedule).values,
        claimed_bound=None if bound is None else bound + problem.limits.plan_fee,
        claimed_by=claimed_by,
    )
    if problem.limits.plan_fee > 0.0:
        proof = judge.with_plan_fee(proof, judge.at(schedule))
    slack = plan.slack / proof.scale if math.isfinite(plan.slack) else 0.0
    said = "; ".join(plan.notes)
    return Allocation(
        problem=problem,
        schedule=schedule,
        status=plan.status,
        solver="fleet",
        solver_reason=f"one host of a plan for {len(fleet)}, at the prices of their shared limits",
        certificate=replace(proof, gap_tolerance=max(TOLERANCE, slack)),
        can_stay=judge.can_stay(),
        note=f"in the fleet, {said}" if said else "no shared limit of the fleet costs anything",
    )


def _bound(own: AllocationProblem, problem: AllocationProblem) -> tuple[float | None, str]:
    """What no plan of the host is worth more than at the fleet's prices, and who says so.

    `min_gain` is of the host's own money, which prices do not change.
    """
    if own.limits.min_gain == 0.0:
        best = plan_of(problem, "auto", SEARCH_SECONDS)
        return best.certificate.bound, f"{best.solver}: {best.certificate.bound_from}"
    charged = replace(problem, limits=replace(problem.limits, min_gain=own.limits.min_gain))
    program = host_program(own).with_numbers(gain=host_program(charged).gain)
    return runner("highs", SEARCH_SECONDS)(program).bound, "highs"


def at_prices(problem: AllocationProblem, share: FloatArray, charges: Charges) -> AllocationProblem:
    """The host's problem with its use of shared limits charged: `share` (protocols,) USD per unit of share held."""
    hours, data = problem.horizon_hours, problem.arrays
    paid, moved = 1.0 + charges.paid, float(charges.moved.ravel()[0]) if charges.moved.size else 0.0
    specs = []
    for i, spec in enumerate(problem.specs):
        per_hour = float(share[i]) / hours
        (curve,) = spec.curves
        lost = 0.0
        changes: dict[str, Any] = {}
        if curve.is_flat:
            lost = float(data.as_given.warm_up[i]) * max(float(data.rate[0, i]), 0.0)
            changes = {"warm_up_hours": 0.0}
        specs.append(
            replace(
                spec,
                curve=_lowered(curve if problem.rates is None else _rate_of(problem, i), per_hour),
                move_cost_in=_dearer(spec, spec.move_cost_in, paid, moved + lost),
                move_cost_out=_dearer(spec, spec.move_cost_out, paid, moved),
                move_fee=spec.move_fee * paid,
                **changes,
            )
        )
    limits = problem.limits
    turnover = None if limits.turnover_cost is None else _priced(limits.turnover_cost, paid, 0.0)
    limits = replace(limits, turnover_cost=turnover, plan_fee=limits.plan_fee * paid, min_gain=0.0)
    return replace(problem, protocols=specs, rates=None, limits=limits)


def _dearer(spec: ProtocolSpec, own: float | Tiers | None, paid: float, more: float) -> float | Tiers:
    """The cost of one direction, `paid` times what it is and so much more for each unit (USD)."""
    cost = spec.move_cost if own is None else own
    return _priced(cost, paid, more) if isinstance(cost, Tiers) else cost * paid + more


def _priced(tiers: Tiers, paid: float, more: float) -> Tiers:
    return Tiers([(width, price * paid + more) for width, price in tiers.steps])


def _rate_of(problem: AllocationProblem, i: int) -> EarningsCurve:
    (curve,) = problem.specs[i].curves
    return EarningsCurve.flat(float(problem.arrays.rate[0, i])) if curve.is_flat else curve


def _lowered(curve: EarningsCurve, per_hour: float) -> EarningsCurve:
    """The curve with every slope lower by so many USD/h per unit of share."""
    if curve.is_flat:
        return EarningsCurve.flat(curve.last_slope - per_hour)
    earnings = [e - per_hour * s for s, e in zip(curve.shares, curve.earnings, strict=True)]
    return EarningsCurve(curve.shares, tuple(earnings), curve.last_slope - per_hour)


def _without_others(plan: Decided, h: int, problem: AllocationProblem, schedule: FloatArray) -> AllocationProblem:
    """The problem without the exclusive protocols that another host of the site may hold."""
    if plan.fleet.hosts[h] not in plan.fleet.sites:
        return problem
    off = [
        name
        for name, share in zip(problem.names, schedule[0], strict=True)
        if name in plan.limits.exclusive and share == 0.0
    ]
    specs = [replace(spec, max_share=0.0) if spec.name in off else spec for spec in problem.specs]
    return replace(problem, protocols=specs) if off else problem
