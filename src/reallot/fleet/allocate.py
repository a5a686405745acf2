"""allocate_fleet(fleet, limits): the plan for all hosts at once, compared with staying and certified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import perf_counter

import numpy as np

from ..errors import SolverFailed
from ..problem.arrays import FloatArray
from ..problem.validation import by_name, number, of_kind, seconds
from ..program import Certificate, Status
from .fleet import Fleet
from .fleet_program import FleetProgram
from .infeasible import why_no_plan
from .judge import Judged, judge
from .limits import FleetLimits
from .plan import FleetPlan
from .rows import Row, rows_of
from .whole import EQUAL, solve_whole

TOLERANCE = 1e-9
"""What no rule of a plan is broken by more than."""


def allocate_fleet(
    fleet: Fleet,
    limits: FleetLimits | None = None,
    *,
    gap: float = 1e-6,
    prices: Mapping[str, float] | None = None,
    time_limit_seconds: float | None = None,
) -> FleetPlan:
    """Find the best plan for all hosts of a fleet under their own and their shared limits.

    Parameters
    ----------
    fleet
        The hosts.
    limits
        The limits that they share. None is none: each host then decides alone.
    gap
        Largest gap between the plan and a bound that is proved, as a part of the money at stake.
    prices
        Prices to begin with, by name: `prices` of the last plan. Unknown names are left out.
    time_limit_seconds
        Seconds after which the best plan found is returned, with status "stopped" and its gap.

    Returns
    -------
    FleetPlan
        Shares, money, proof and prices.

    Raises
    ------
    InvalidInput
        Where an argument is wrong, or a limit names what the fleet does not have.
    Infeasible
        Where no plan meets all rules; the message names the hosts, or the shared limits and the amount.
    SolverFailed
        Where no certified plan came back.

    Examples
    --------
    >>> from reallot import Fleet, FleetLimits, allocate_fleet
    >>> fleet = Fleet.from_arrays([[2.0, 1.0], [3.0, 1.0]], [[0.0, 1.0]], protocols=["storj", "relay"])
    >>> plan = allocate_fleet(fleet, FleetLimits(turnover=0.5))
    >>> plan.shares.tolist(), plan.prices["turnover"]
    ([[0.0, 1.0], [0.5, 0.5]], 2.0)
    """
    started = perf_counter()
    of_kind(fleet, Fleet, "the fleet", "give Fleet(hosts) or Fleet.from_frame(frame)")
    limits = FleetLimits() if limits is None else limits
    of_kind(limits, FleetLimits, "limits", "give FleetLimits(protocol_caps=..., turnover=...)")
    gap = number(gap, "gap", 0.0)
    time_limit = seconds(time_limit_seconds)
    rows = rows_of(fleet, limits)
    _known(prices, rows)
    weigher = _Weigher(fleet, limits, rows)
    whole = FleetProgram(fleet, limits, rows)
    formulated = perf_counter()
    answer = solve_whole(whole, time_limit, weigher.stay if weigher.can_stay else None)
    if answer.shares is None:
        raise why_no_plan(whole)
    solved = perf_counter()
    shares, judged = weigher.better(answer.shares)
    certificate = weigher.certificate(judged, answer.bound, answer.source, gap)
    _require(certificate)
    done = perf_counter()
    return FleetPlan(
        fleet=fleet,
        limits=limits,
        shares=shares,
        status="optimal" if certificate.is_optimal and answer.status is Status.OPTIMAL else "stopped",
        solver="whole",
        solver_reason=f"{len(fleet)} hosts are one program of {answer.columns} columns",
        certificate=certificate,
        prices={row.name: float(p) for row, p in zip(rows, answer.prices, strict=True) if not math.isnan(p)},
        timings={
            "formulate": formulated - started,
            "solve": solved - formulated,
            "certify": done - solved,
            "total": done - started,
        },
    )


class _Weigher:
    """Weighs plans of one fleet against staying."""

    def __init__(self, fleet: Fleet, limits: FleetLimits, rows: tuple[Row, ...]) -> None:
        self.fleet, self.limits, self.rows = fleet, limits, rows
        self.stay = np.where(fleet.table.there, fleet.table.current, 0.0)
        self.staying = judge(fleet, limits, rows, self.stay)
        self.can_stay = self.staying.residual <= TOLERANCE
        self.stake = _stake(fleet)

    def better(self, shares: FloatArray) -> tuple[FloatArray, Judged]:
        """The plan, or staying where that is possible and the plan is worth no more than rounding."""
        judged = judge(self.fleet, self.limits, self.rows, shares)
        if self.can_stay and judged.net_benefit <= EQUAL * self.stake:
            return self.stay, self.staying
        return shares, judged

    def certificate(self, judged: Judged, bound: float, source: str, gap: float) -> Certificate:
        """The proof of a plan: its worst violation, and its distance from the bound."""
        worth = judged.net_benefit
        scale = max(abs(worth), self.stake, float(np.finfo(float).tiny))
        known = math.isfinite(bound)
        return Certificate(
            objective=worth,
            worst_residual=judged.residual,
            worst_place=judged.place,
            integrality=0.0,
            bound=max(bound, worth) if known else None,
            bound_from=source if known else "nothing",
            gap=max(0.0, bound - worth) / scale if known else None,
            scale=scale,
            tolerance=TOLERANCE,
            gap_tolerance=max(gap, TOLERANCE),
        )


def _stake(fleet: Fleet) -> float:
    """The most that one host's share may earn, lose or cost over the horizon, USD."""
    table = fleet.table
    gain = np.where(table.there, np.abs(table.gain()), 0.0)
    most = float(gain.max(initial=0.0))
    for problem in fleet.alone.values():
        slopes = [np.abs(problem.arrays.rate).max()]
        if problem.arrays.pieces is not None:
            slopes.append(np.abs(problem.arrays.pieces.slopes).max())
        most = max(most, problem.horizon_hours * float(max(slopes)))
    return most


def _require(certificate: Certificate) -> None:
    if not certificate.is_feasible:
        raise SolverFailed(f"the plan for the fleet fails its certificate: {certificate} at {certificate.worst_place}")


def _known(prices: Mapping[str, float] | None, rows: tuple[Row, ...]) -> FloatArray | None:
    """(rows,) the prices to begin with; None where none are given."""
    if prices is None:
        return None
    given = by_name(prices, "prices")
    found = {name: number(price, f"price of {name} (USD)", 0.0) for name, price in given.items()}
    return np.array([found.get(row.name, 0.0) for row in rows])
