"""The hosts of a fleet as arrays (hosts, protocols), and which of their rules only a program of their own can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...problem import AllocationProblem, CDaR, Limits, ProtocolSpec, ShortfallChance, WorstCase
from ...problem.arrays import BoolArray, FloatArray, IntArray
from ...problem.by_value import ByValue


@dataclass(frozen=True, eq=False)
class HostTable(ByValue):
    """What each host may do on its own; shapes are (hosts, protocols), or (hosts,) where that is said.

    Parameters
    ----------
    rate
        USD/h per unit of the host's share.
    current, lower, upper, max_change
        Shares in the host's unit of capacity; `upper` and `max_change` are infinite where there is no limit.
    cost_in, cost_out
        USD paid per unit of share taken on, and given away.
    lost
        USD that one unit of added share loses while it warms up.
    there
        True where the host has the protocol.
    uses
        Use of each shared resource by one unit of share, by name.
    hours, total
        (hosts,) length of the horizon (hours), and the capacity that the shares sum to.
    idle
        (hosts,) True where the shares may sum to less.
    turnover
        (hosts,) largest turnover of the host; infinite where there is none.
    alone
        (hosts,) True where arrays do not hold all rules of the host: its own problem does.
    """

    rate: FloatArray
    current: FloatArray
    lower: FloatArray
    upper: FloatArray
    max_change: FloatArray
    cost_in: FloatArray
    cost_out: FloatArray
    lost: FloatArray
    there: BoolArray
    uses: dict[str, FloatArray]
    hours: FloatArray
    total: FloatArray
    idle: BoolArray
    turnover: FloatArray
    alone: BoolArray

    @property
    def shape(self) -> tuple[int, int]:
        """Hosts and protocols."""
        return self.current.shape[0], self.current.shape[1]

    def rows(self, places: IntArray | slice) -> HostTable:
        """The hosts at `places` alone."""
        cut = {field.name: getattr(self, field.name) for field in fields(self)}
        uses = {name: array[places] for name, array in cut.pop("uses").items()}
        return HostTable(uses=uses, **{name: array[places] for name, array in cut.items()})

    def gain(self) -> FloatArray:
        """USD over the horizon that one unit of share earns."""
        return self.rate * self.hours[:, None]

    def box(self) -> tuple[FloatArray, FloatArray]:
        """Least and largest share that bounds and largest change leave, neither below 0 nor above what counts."""
        low = np.maximum(self.lower, self.current - self.max_change)
        widest = np.maximum(np.maximum(self.total[:, None], self.current), self.lower)
        high = np.minimum(np.minimum(self.upper, widest), self.current + self.max_change)
        return np.where(self.there, np.maximum(low, 0.0), 0.0), np.where(self.there, high, 0.0)

    def worth(self, shares: FloatArray) -> FloatArray:
        """(hosts,) USD over the horizon that `shares` are worth more than staying, as far as arrays can say."""
        change = shares - self.current
        result = row_sums(self.rate, change) * self.hours
        if self.is_symmetric:
            result -= row_sums(self.cost_in, np.abs(change))
        else:
            taken = np.maximum(change, 0.0)
            result -= row_sums(self.cost_in + self.lost, taken) + row_sums(self.cost_out, taken - change)
        return result

    @cached_property
    def is_symmetric(self) -> bool:
        """True where taking on and giving away cost the same, and nothing is lost while it warms up."""
        same = self.cost_in is self.cost_out or np.array_equal(self.cost_in, self.cost_out)
        return same and not self.lost.any()


def row_sums(one: FloatArray, other: FloatArray) -> FloatArray:
    """(hosts,) sum of products over the protocols; each row is summed alone, wherever it stands."""
    result: FloatArray = np.einsum("hp,hp->h", one, other)
    return result


def in_the_table(limits: Limits) -> bool:
    """True where the table holds all of a host's limits: it has max_change, max_turnover and held."""
    return replace(limits, max_change=None, max_turnover=None, held=frozenset()) == Limits()


def not_in_a_fleet(problem: AllocationProblem) -> str | None:
    """Which cost or limit of a host a fleet cannot weigh against other hosts', in words; None where there is none."""
    if isinstance(problem.risk, (CDaR, WorstCase, ShortfallChance)):
        return f"risk measured by {type(problem.risk).__name__}"
    if problem.table.varying or problem.end is not None:
        return "numbers by period or conditions at the end"
    return limits_not_in_a_fleet(problem.limits)


def limits_not_in_a_fleet(limits: Limits) -> str | None:
    """The same of limits alone."""
    if limits.change_cost is not None:
        return "change_cost"
    return "budgets over the horizon" if limits.has_budgets else None


def why_alone(problem: AllocationProblem) -> str | None:
    """What of a host's rules arrays cannot hold, in words; None where they hold all."""
    data, limits = problem.arrays, problem.limits
    reasons = {
        "earnings curves": data.pieces is not None,
        "fees": data.has_fee,
        "units or entry shares": data.has_units,
        "resources of its own": bool(problem.resources),
        "no capacity": data.total is None,
        "limits beside max_change, max_turnover and held": not in_the_table(limits),
        "a measure of risk": problem.risk is not None,
        "costs in tiers": data.tiers is not None,
    }
    found = [reason for reason, holds in reasons.items() if holds]
    return ", ".join(found) or None


def table_of(problems: Sequence[AllocationProblem], protocols: Sequence[str]) -> HostTable:
    """The table of hosts given as problems, its columns in the order of `protocols`."""
    place = {name: i for i, name in enumerate(protocols)}
    shape = (len(problems), len(protocols))
    nothing = {"upper": np.inf, "max_change": np.inf}
    numbers = ("rate", "current", "lower", "upper", "max_change", "cost_in", "cost_out", "lost")
    grid = {name: np.full(shape, nothing.get(name, 0.0)) for name in numbers}
    there, uses = np.zeros(shape, dtype=bool), dict[str, FloatArray]()
    hours, total, turnover = np.empty(shape[0]), np.ones(shape[0]), np.full(shape[0], np.inf)
    idle, alone = np.zeros(shape[0], dtype=bool), np.zeros(shape[0], dtype=bool)
    for h, problem in enumerate(problems):
        data, at = problem.arrays, [place[name] for name in problem.names]
        paid = data.as_given
        own = {
            "rate": data.rate[0],
            "current": data.current,
            "lower": data.lower[0],
            "upper": data.upper[0],
            "max_change": data.max_change[0],
            "cost_in": paid.cost_in,
            "cost_out": paid.cost_out,
            "lost": paid.warm_up * np.maximum(data.rate[0], 0.0),
        }
        for name, values in own.items():
            grid[name][h, at] = values
        there[h, at], hours[h] = True, problem.horizon_hours
        total[h] = 1.0 if data.total is None else data.total
        idle[h], alone[h] = problem.allow_idle, why_alone(problem) is not None
        if data.max_turnover is not None:
            turnover[h] = data.max_turnover[0]
        for i, used in problem.table.uses.items():
            for name, use in used.items():
                uses.setdefault(name, np.zeros(shape))[h, at[i]] = use
    return HostTable(
        **grid, there=there, uses=uses, hours=hours, total=total, idle=idle, turnover=turnover, alone=alone
    )


def problem_of(table: HostTable, h: int, protocols: Sequence[str]) -> AllocationProblem:
    """Host `h` of the table as a problem of its own; only where arrays hold all its rules."""
    at = np.flatnonzero(table.there[h]).tolist()
    hours = float(table.hours[h])

    def entry(values: NDArray[Any], i: int) -> float:
        return float(values[h, i])

    specs = []
    for i in at:
        rate, upper, lost = entry(table.rate, i), entry(table.upper, i), entry(table.lost, i)
        warm_up = lost / rate if lost > 0.0 else 0.0
        specs.append(
            ProtocolSpec(
                protocols[i],
                rate,
                min_share=entry(table.lower, i),
                max_share=upper if np.isfinite(upper) else None,
                move_cost_in=entry(table.cost_in, i),
                move_cost_out=entry(table.cost_out, i),
                warm_up_hours=warm_up,
            )
        )
    change = {protocols[i]: entry(table.max_change, i) for i in at if np.isfinite(table.max_change[h, i])}
    turnover = float(table.turnover[h])
    limits = Limits(max_change=change or None, max_turnover=turnover if np.isfinite(turnover) else None)
    return AllocationProblem(
        specs,
        {protocols[i]: entry(table.current, i) for i in at},
        capacity=float(table.total[h]),
        allow_idle=bool(table.idle[h]),
        horizon_hours=hours,
        limits=limits,
    )
