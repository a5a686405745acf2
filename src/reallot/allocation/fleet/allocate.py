"""allocate_fleet(fleet, limits): the plan for all hosts at once, compared with staying and certified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from ...errors import Infeasible, SolverFailed
from ...problem.arrays import FloatArray
from ...problem.validation import by_name, number, of_kind, seconds, yes_or_no
from ...program import Certificate, Status
from .conflict_at_prices import why_no_plan_at_prices
from .decomposition import HostsFailed, Tell
from .equal_hosts import Summed, summed
from .executors import crew_of, require_executor
from .fleet import Fleet
from .fleet_program import FleetProgram
from .host_program import host_program
from .infeasible import by_sites, hosts_without_plan, why_no_plan
from .judge import Judged, judge
from .large import LargeFleet
from .limits import FleetLimits
from .plan import FleetPlan
from .round_line import RoundLine
from .rows import Row, rows_of
from .site_block import MOST_EXCLUSIVE
from .whole import EQUAL, solve_whole

PRICES = "prices of shared limits"
"""Where the bound of a decomposition comes from: each host's own proof at these prices."""
LINEAR = 1_000
"""Hosts up to which one linear program is quickest, as measured."""
SEARCHED_AT_ONCE, SEARCHED = 30, 600
"""Hosts with whole numbers up to which one program is searched at once, and from the plan that prices found."""
TOLERANCE = 1e-9
"""What no rule of a plan is broken by more than."""


def allocate_fleet(
    fleet: Fleet,
    limits: FleetLimits | None = None,
    *,
    gap: float = 1e-6,
    prices: Mapping[str, float] | None = None,
    executor: Any = None,
    progress: bool | Tell = False,
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
    executor
        Where the hosts of a large fleet answer to prices: a number of processes, an executor with `submit`, a Dask
        Client, or the module ray after ray.init(). None is here. The plan is the same, whatever works on it.
    progress
        A function, called with a record (round, bound, plan, gap, hosts) after every round. True writes a line on
        standard error where that is a terminal.
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
    start = _known(prices, rows)
    deadline = started + (math.inf if time_limit is None else time_limit)
    weigher = _Weigher(fleet, limits, rows)
    kinds = summed(fleet, limits)
    tell = progress if callable(progress) else RoundLine() if yes_or_no(progress, "progress") else None
    if executor is not None:
        require_executor(executor)
    task = _FleetTask(kinds, limits, weigher, start, gap, deadline, time_limit, executor, tell)
    answer = task.answer()
    solved = perf_counter()
    shares, judged = weigher.better(answer.shares[kinds.kind] if len(kinds.fleet) < len(fleet) else answer.shares)
    certificate = weigher.certificate(judged, answer.bound, answer.source, gap)
    _require(certificate)
    done = perf_counter()
    return FleetPlan(
        fleet=fleet,
        limits=limits,
        shares=shares,
        status="optimal" if certificate.is_optimal and not answer.is_stopped else "stopped",
        solver=answer.solver,
        solver_reason=answer.reason,
        certificate=certificate,
        prices={row.name: float(p) for row, p in zip(rows, answer.prices, strict=True) if not math.isnan(p)},
        rounds=answer.rounds,
        timings={"solve": solved - started, "certify": done - solved, "total": done - started},
    )


@dataclass(frozen=True)
class _FleetAnswer:
    """What one of the two ways found; shares are (kinds of hosts, protocols)."""

    shares: FloatArray
    prices: FloatArray
    bound: float
    source: str
    is_stopped: bool
    solver: str
    reason: str
    rounds: int = 0


@dataclass(frozen=True)
class _FleetTask:
    """A fleet to be planned, its equal hosts summed."""

    kinds: Summed
    limits: FleetLimits
    weigher: _Weigher
    start: FloatArray | None
    gap: float
    deadline: float
    time_limit_seconds: float | None
    executor: Any
    tell: Tell | None

    @property
    def _said(self) -> str:
        """How many hosts there are, in words."""
        kinds, hosts = len(self.kinds.fleet), len(self.weigher.fleet)
        return f"{hosts:,} hosts" if kinds == hosts else f"{hosts:,} hosts of {kinds:,} different kinds"

    def answer(self) -> _FleetAnswer:
        """By one program or by prices, whichever is quicker; where whole numbers leave a gap, by both."""
        hosts = len(self.kinds.fleet)
        if len(self.limits.exclusive) > MOST_EXCLUSIVE:
            return self.as_one(f"sites are answered for {MOST_EXCLUSIVE} exclusive protocols at most")
        if not self._has_choices:
            return self.as_one(f"up to {LINEAR:,} hosts that is quickest") if hosts <= LINEAR else self.at_prices()
        if hosts <= SEARCHED_AT_ONCE:
            return self.as_one("few hosts with whole numbers are searched at once")
        found = self.at_prices()
        if hosts > SEARCHED or self._missed(found) <= self.gap or perf_counter() > self.deadline:
            return found
        try:
            searched = self.as_one("prices left a gap of whole numbers", found.shares)
        except (Infeasible, SolverFailed):
            return found
        return replace(searched, bound=min(found.bound, searched.bound), rounds=found.rounds)

    @property
    def _has_choices(self) -> bool:
        """True where hosts or protocols are counted in whole numbers."""
        if self.limits.moving_hosts is not None or self.limits.exclusive:
            return True
        return any(host_program(problem).is_mixed_integer for problem in self.kinds.fleet.alone.values())

    def _missed(self, answer: _FleetAnswer) -> float:
        """The gap of an answer."""
        judged = judge(self.weigher.fleet, self.limits, self.weigher.rows, answer.shares)
        gap = self.weigher.certificate(judged, answer.bound, answer.source, self.gap).gap
        return math.inf if gap is None or judged.residual > TOLERANCE else gap

    def as_one(self, why: str, known: FloatArray | None = None) -> _FleetAnswer:
        """By one program; `known` is a plan to begin a search with."""
        fleet, weigher = self.kinds.fleet, self.weigher
        whole = FleetProgram(fleet, self.limits, rows_of(fleet, self.limits), self.kinds.counts)
        if known is None and weigher.can_stay and len(fleet) == len(weigher.fleet):
            known = weigher.stay
        try:
            answer = solve_whole(whole, self.time_limit_seconds, known)
        except SolverFailed:
            if self.time_limit_seconds is None or not weigher.can_stay:
                raise
            nothing = np.full(len(weigher.rows), math.nan)
            reason = f"{self._said} were not planned within {self.time_limit_seconds:g} s: all stay"
            return _FleetAnswer(fleet.table.current.copy(), nothing, math.inf, "nothing", True, "whole", reason)
        if answer.shares is None:
            raise why_no_plan(whole)
        reason = f"{self._said} are one program of {answer.columns:,} columns: {why}"
        stopped = answer.status is not Status.OPTIMAL
        return _FleetAnswer(answer.shares, answer.prices, answer.bound, answer.source, stopped, "whole", reason)

    def at_prices(self) -> _FleetAnswer:
        """By prices and columns."""
        fleet, rows = self.kinds.fleet, rows_of(self.kinds.fleet, self.limits)
        large = LargeFleet(fleet, self.limits, rows, self.kinds.counts)
        makers = large.makers()
        crew, close = crew_of(self.executor if len(makers) > 1 else None, makers)
        try:
            found, shares = large.solve(
                crew,
                len(makers),
                self.start,
                gap=self.gap,
                stake=self.weigher.stake,
                deadline=self.deadline,
                tell=self.tell,
            )
        except HostsFailed as failed:
            bad = np.zeros(len(fleet), dtype=bool)
            bad[failed.places] = True
            raise (hosts_without_plan(fleet, bad) or by_sites(fleet, self.limits)) from None
        finally:
            close()
        late = perf_counter() > self.deadline
        if shares is None:
            if not self.weigher.can_stay and not late:
                raise why_no_plan_at_prices(large.shared, self.kinds.counts) or SolverFailed(
                    f"no plan was found in {found.rounds} rounds, and none is worth more than {found.bound:.6g} USD; "
                    "loosen a shared limit a little"
                )
            shares = fleet.table.current.copy()
        reason = f"{self._said} are planned by prices: {found.rounds} rounds, {found.open:,} hosts mixed in the last"
        return _FleetAnswer(shares, found.prices, found.bound, PRICES, late, "decomposition", reason, found.rounds)


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
