"""The limits that the hosts of a fleet share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import InvalidInput
from ...problem.validation import brief, by_name, number, whole


@dataclass(frozen=True)
class FleetLimits:
    """Limits that all hosts of a fleet meet together.

    Amounts of capacity are shares times the size of their host; money is USD.

    Parameters
    ----------
    protocol_caps
        {protocol: most units of capacity that it may hold in the whole fleet}.
    protocol_floors
        {protocol: least units of capacity that it holds in the whole fleet}.
    turnover
        Most units of capacity that may move: half of the sum of absolute changes.
    move_budget
        Most that all moves may cost (USD paid: proportional costs and fees).
    moving_hosts
        Largest number of hosts with any change.
    resources
        {resource: {site: capacity}}, or {resource: capacity} for the fleet as one. A host uses the sum of its shares
        times their `uses`, in the unit of that resource.
    exclusive
        {protocol: "site"}: at most one host of each site holds a share of it. A host without a site is on its own.

    Raises
    ------
    InvalidInput
        Where a limit is negative or not a number.

    Examples
    --------
    >>> from reallot import FleetLimits
    >>> limits = FleetLimits(protocol_caps={"storj": 400}, turnover=12.5, exclusive={"mysterium": "site"})
    >>> limits.protocol_caps, limits.turnover
    ({'storj': 400.0}, 12.5)
    """

    protocol_caps: Mapping[str, float] = field(default_factory=dict)
    protocol_floors: Mapping[str, float] = field(default_factory=dict)
    turnover: float | None = None
    move_budget: float | None = None
    moving_hosts: int | None = None
    resources: Mapping[str, Mapping[str, float] | float] = field(default_factory=dict)
    exclusive: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        for key in ("protocol_caps", "protocol_floors"):
            put(self, key, _amounts(getattr(self, key), key))
        if self.turnover is not None:
            put(self, "turnover", number(self.turnover, "turnover (units of capacity)", 0.0))
        if self.move_budget is not None:
            put(self, "move_budget", number(self.move_budget, "move_budget (USD)", 0.0))
        if self.moving_hosts is not None:
            put(self, "moving_hosts", whole(self.moving_hosts, "moving_hosts", 0))
        resources: dict[str, Mapping[str, float] | float] = {}
        for name, value in by_name({} if self.resources is None else self.resources, "resources").items():
            what = f"resource {name}"
            resources[name] = _amounts(value, what) if hasattr(value, "items") else number(value, what, 0.0)
        put(self, "resources", resources)
        exclusive = dict(by_name({} if self.exclusive is None else self.exclusive, "exclusive"))
        for name, group in exclusive.items():
            if group != "site":
                raise InvalidInput(
                    f"exclusive {name} is {brief(group)}; give 'site': at most one host of each site holds the protocol"
                )
        put(self, "exclusive", exclusive)

    def __hash__(self) -> int:
        return hash((tuple(self.protocol_caps), tuple(self.protocol_floors), self.turnover, self.move_budget))

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as plain values, without those that are not given.

        Returns
        -------
        dict
            Numbers, text and tables only; `FleetLimits(**limits.to_dict())` is equal.
        """
        given = {key: value for key, value in vars(self).items() if value is not None and value != {}}
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in given.items()}


def _amounts(table: Any, what: str) -> dict[str, float]:
    given = {} if table is None else by_name(table, what)
    return {name: number(value, f"{what} {name}", 0.0) for name, value in given.items()}
