"""The plan of a fleet: shares of all hosts, money, proof, prices of shared limits, and any one host explained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...problem.arrays import FloatArray
from ...problem.by_value import ByValue
from ...program import Certificate
from ...text.numbers import amount, count, finite, shown, usd
from ..result import Allocation
from .fleet import Fleet
from .judge import Judged, judge
from .limits import FleetLimits
from .rows import Row, rows_of

if TYPE_CHECKING:
    import pandas as pd

BINDS = 1e-7
"""A shared limit binds where less than this part of it is left."""
SHOWN = 12
"""Lines of a table that is shown to people."""


class FleetMove(NamedTuple):
    """The change of one protocol's share on one host.

    Parameters
    ----------
    host, protocol
        Names.
    before, after
        Shares in the host's unit of capacity.
    gain
        Change of its earnings over the horizon (USD), at the host's flat rate; NaN where that host has a curve.
    units
        Units of capacity that move: the change times the size of the host.
    """

    host: str
    protocol: str
    before: float
    after: float
    gain: float
    units: float

    @property
    def change(self) -> float:
        """The share after the move less the share before."""
        return self.after - self.before


class SharedLimit(NamedTuple):
    """One shared limit under a plan.

    Parameters
    ----------
    name
        Name of the limit, as in `prices`.
    used, limit
        What the plan uses, and the limit, in `unit`.
    unit
        "units" of capacity, "USD", "hosts", or the name of a resource.
    price
        USD over the horizon that one unit more is worth (one less, for a floor). NaN where there is no price.
    binds
        True where nothing of the limit is left.
    """

    name: str
    used: float
    limit: float
    unit: str
    price: float
    binds: bool

    def __str__(self) -> str:
        worth = "" if not self.price > 0.0 else f": each unit more is worth {usd(self.price)} USD"
        if self.name.startswith("protocol floor"):
            worth = worth.replace("each unit more", "each unit less")
        return f"{shown(self.name)} is {self.used:.6g} of {self.limit:.6g} {self.unit}{worth}"


@dataclass(frozen=True, eq=False, repr=False)
class FleetPlan(ByValue):
    """A certified plan for a fleet, as `allocate_fleet` returns it; money is USD over the horizon.

    Parameters
    ----------
    fleet, limits
        What was decided.
    shares
        (hosts, protocols) the plan, read only, in the order of `fleet.hosts` and `fleet.protocols`.
    status
        "optimal" where the gap is within what was asked for; "stopped" where the time ended first.
    solver, solver_reason
        "whole" (one program) or "decomposition", and why.
    certificate
        Worst violation of any host's rules and of the shared limits, and the gap to a bound that no solver is trusted
        for.
    prices
        {shared limit: USD over the horizon that one unit more is worth}; for a floor, one unit less.
    rounds
        How often all hosts answered to prices; 0 for one program.
    timings
        Seconds spent, by part.

    Examples
    --------
    >>> from reallot import Fleet, FleetLimits, allocate_fleet
    >>> fleet = Fleet.from_arrays([[2.0, 1.0], [3.0, 1.0]], [[0.0, 1.0]], protocols=["storj", "relay"])
    >>> plan = allocate_fleet(fleet, FleetLimits(protocol_caps={"storj": 1.0}))
    >>> plan.shares.tolist(), round(plan.net_benefit, 9), round(plan.prices["protocol cap storj"], 9)
    ([[0.0, 1.0], [1.0, 0.0]], 2.0, 1.0)
    """

    fleet: Fleet
    limits: FleetLimits
    shares: FloatArray
    status: str
    solver: str
    solver_reason: str
    certificate: Certificate
    prices: Mapping[str, float]
    rounds: int = 0
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self.shares.flags.writeable = False

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The shared limits as rows."""
        return rows_of(self.fleet, self.limits)

    @cached_property
    def judged(self) -> Judged:
        """The plan weighed: worth by host, and use by row."""
        return judge(self.fleet, self.limits, self.rows, self.shares)

    @property
    def net_benefit(self) -> float:
        """Worth of the plan less the worth of staying (USD over the horizon), after all costs."""
        return self.judged.net_benefit

    @property
    def bound(self) -> float:
        """What no plan is worth more than, beyond staying (USD over the horizon)."""
        bound = self.certificate.bound
        return math.inf if bound is None else bound

    @property
    def gap(self) -> float:
        """(bound - net benefit) / the money at stake; infinite where no bound is known."""
        return math.inf if self.certificate.gap is None else self.certificate.gap

    @property
    def shared_limits(self) -> tuple[SharedLimit, ...]:
        """Every shared limit with its use and price, in the order of `FleetLimits`."""
        found = []
        for row, used in zip(self.rows, self.judged.used.tolist(), strict=True):
            left = row.sense * (row.limit - used)
            binds = left <= BINDS * max(1.0, abs(row.limit))
            found.append(SharedLimit(row.name, used, row.limit, row.unit, self.prices.get(row.name, math.nan), binds))
        return tuple(found)

    def moves(self, top: int | None = 100) -> tuple[FleetMove, ...]:
        """Return the moves to make, the largest first.

        Parameters
        ----------
        top
            How many of them, by units of capacity moved. None is all.

        Returns
        -------
        tuple of FleetMove
            The moves.
        """
        table = self.fleet.table
        change = self.shares - table.current
        units = np.abs(change) * self.fleet.sizes[:, None]
        host, protocol = np.nonzero(change)
        order = np.argsort(-units[host, protocol], kind="stable")[: None if top is None else top]
        gain = np.where(table.alone[:, None], np.nan, table.gain() * change)
        return tuple(
            FleetMove(
                self.fleet.hosts[h],
                self.fleet.protocols[p],
                float(table.current[h, p]),
                float(self.shares[h, p]),
                float(gain[h, p]),
                float(units[h, p]),
            )
            for h, p in zip(host[order], protocol[order], strict=True)
        )

    @property
    def moving_hosts(self) -> int:
        """Number of hosts with any change."""
        return int((self.shares != self.fleet.table.current).any(axis=1).sum())

    def host(self, name: str) -> Allocation:
        """Return one host's plan at the fleet's prices, ready for `explain`.

        The problem of the answer charges the host for its use of shared limits. Its rates are lower by the prices of
        caps and resources, and its moves dearer by those of turnover and budget. At these prices the host on its own
        chooses as the fleet does. The notes say what each shared limit costs.

        Parameters
        ----------
        name
            Name of the host.

        Returns
        -------
        Allocation
            The plan of this host; its money is at the fleet's prices.

        Raises
        ------
        InvalidInput
            Where there is no such host.
        """
        from .host_plan import Decided, host_plan

        place = self.fleet.place(name)
        limits = zip(self.rows, self.shared_limits, strict=True)
        said = [str(each) for row, each in limits if (each.binds or each.price > 0.0) and self._concerns(row, place)]
        prices = np.array([self.prices.get(row.name, 0.0) for row in self.rows])
        slack = self.gap * self.certificate.scale
        decided = Decided(self.fleet, self.limits, self.rows, self.shares, prices, self.status, slack, tuple(said))
        return host_plan(decided, place)

    def _concerns(self, row: Row, place: int) -> bool:
        """True where the host at `place` may use some of a shared limit."""
        if row.protocol >= 0:
            return bool(self.fleet.table.there[place, row.protocol])
        return row.hosts is None or place in row.hosts

    def to_frame(self) -> pd.DataFrame:
        """Return the plan as a long table.

        Returns
        -------
        pandas.DataFrame
            One row for each host and protocol: host, protocol, current, share and change.
        """
        import pandas as pd

        host, protocol = np.nonzero(self.fleet.table.there)
        current, share = self.fleet.table.current[host, protocol], self.shares[host, protocol]
        names, protocols = np.array(self.fleet.hosts, dtype=object), np.array(self.fleet.protocols, dtype=object)
        return pd.DataFrame(
            {
                "host": names[host],
                "protocol": protocols[protocol],
                "current": current,
                "share": share,
                "change": share - current,
            }
        )

    def to_dict(self, top: int | None = 100) -> dict[str, Any]:
        """Return the plan as plain values, ready for JSON.

        Parameters
        ----------
        top
            How many of the moves, the largest first. None is all.

        Returns
        -------
        dict
            Numbers, text, lists and tables only.
        """
        certificate = {key: finite(value) for key, value in asdict(self.certificate).items()}
        return {
            "status": self.status,
            "hosts": len(self.fleet),
            "protocols": list(self.fleet.protocols),
            "moving_hosts": self.moving_hosts,
            "net_benefit": self.net_benefit,
            "bound": finite(self.bound),
            "gap": finite(self.gap),
            "prices": dict(self.prices),
            "shared_limits": [
                {key: finite(value) for key, value in limit._asdict().items()} for limit in self.shared_limits
            ],
            "moves": [
                {key: finite(value) for key, value in (move._asdict() | {"change": move.change}).items()}
                for move in self.moves(top)
            ],
            "certificate": certificate,
            "solver": self.solver,
            "solver_reason": self.solver_reason,
            "rounds": self.rounds,
            "timings": dict(self.timings),
        }

    def to_json(self, indent: int | None = 2, top: int | None = None) -> str:
        """Return `to_dict` as JSON text, with all moves.

        Parameters
        ----------
        indent
            Spaces per level. None is one line.
        top
            How many of the moves, the largest first. None is all.

        Returns
        -------
        str
            The JSON text.
        """
        import json

        return json.dumps(self.to_dict(top), indent=indent, allow_nan=False)

    def _repr_html_(self) -> str:
        from ...text.html_tables import result_as_html

        return result_as_html(
            self._headline(),
            ["host", "protocol", "current", "share", "change"],
            [[m.host, m.protocol, m.before, m.after, f"{m.change:+.4g}"] for m in self.moves(SHOWN)],
            sentences=[str(limit) for limit in self.shared_limits[:SHOWN]],
            about=f"{self.solver}: {self.certificate}",
        )

    def _headline(self) -> str:
        moving = count(self.moving_hosts, "host") + (" moves" if self.moving_hosts == 1 else " move")
        return (
            f"{self.status}, {moving} of {len(self.fleet)}, net benefit {usd(self.net_benefit)} USD, gap {self.gap:.1e}"
        )

    def __repr__(self) -> str:
        return f"<FleetPlan: {self._headline()}, by {self.solver}>"

    def __str__(self) -> str:
        lines = [self._headline(), f"{self.solver}: {self.solver_reason}", ""]
        lines += [f"- {limit}" for limit in self.shared_limits[:SHOWN]]
        lines += [
            f"- {shown(m.host)}: {shown(m.protocol)} {amount(m.before)} -> {amount(m.after)}" for m in self.moves(SHOWN)
        ]
        return "\n".join(lines)
