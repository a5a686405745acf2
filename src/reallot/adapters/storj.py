"""StorjAdapter: a Storj storage node, by its own dashboard's API; reads only.

What is easily read wrongly there: payouts are US cents of the month so far (UTC), net of what is held; the expectation
beside them is the node's own extrapolation; the held rate of a sum is always 0; `available` was the allocated space
and is now the free one; a node never reached reports a ping in year 1; unknown paths answer 200 with a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.records import ProtocolStatus, ResourceUtilization, SeriesKind
from ..engine.contracts.secrets import redact
from ..errors import ErrorKind, ProtocolError
from .http import Http
from .reading import Detail, Reader, both, look_up
from .series import Resets, Series, Unit, exact
from .times import moment_of

MONTHLY = Series(
    SeriesKind.COUNTER, resets=Resets.MONTH, window=timedelta(hours=24), cadence=timedelta(hours=12), dip=0.5
)
SILENT_AFTER = timedelta(hours=3)
"""A node that no satellite has reached for so long is not well."""
_FREE_PART = 0.05
_PARTS = ("egressBandwidthPayout", "egressRepairAuditPayout", "diskSpacePayout")


@dataclass(frozen=True)
class Payout:
    """One month of `estimated-payout`, in US cents: `net` is `gross` less `held`."""

    net: Decimal
    held: Decimal
    gross: Decimal

    @classmethod
    def of(cls, document: Any, month: str) -> Payout:
        """`month` is "currentMonth" or "previousMonth"; raises ProtocolError(SHAPE), also where the sum cannot be."""
        found = look_up(document, month, "estimated-payout")
        net = exact(look_up(found, "payout", month), f"{month}.payout")
        held = exact(found.get("held", 0), f"{month}.held")
        parts = [exact(found[part], f"{month}.{part}") for part in _PARTS if found.get(part) is not None]
        if min(net, held, *parts, Decimal(0)) < 0:
            raise ProtocolError(f"{month} has a payout below zero", ErrorKind.SHAPE)
        gross = sum(parts, Decimal(0)) if len(parts) == len(_PARTS) else net + held
        if net + held > 2 * gross + 10 or gross > 2 * (net + held) + 10:
            raise ProtocolError(
                f"{month}: a payout of {net:.2f} and {held:.2f} held cannot be of {gross:.2f} cents earned",
                ErrorKind.SHAPE,
            )
        return cls(net, held, gross)

    @property
    def held_rate(self) -> float:
        """Part of the earnings that is held back, 0 to 0.75."""
        total = self.net + self.held
        return float(self.held / total) if total else 0.0


@dataclass(frozen=True)
class Disk:
    """Space in bytes, whichever meaning the node's version gives its fields."""

    allocated: int
    used: int
    free: int

    @classmethod
    def of(cls, document: Any) -> Disk:
        """From `diskSpace`: since `allocated` is there, `available` is free; before, it was the allocated space."""
        found = look_up(document, "diskSpace", "sno")
        used, available = (_bytes(found, key) for key in ("used", "available"))
        trash = _bytes(found, "trash") if found.get("trash") is not None else 0
        if found.get("allocated") is not None:
            return cls(_bytes(found, "allocated"), used, available)
        return cls(available, used + trash, max(available - used - trash, 0))

    @property
    def in_use(self) -> float:
        """Part of the allocated space that is taken, 0 to 1."""
        return min(max(1.0 - self.free / self.allocated, 0.0), 1.0) if self.allocated else 1.0


def _bytes(found: Any, key: str) -> int:
    value = exact(look_up(found, key, "diskSpace"), f"diskSpace.{key}")
    if value < 0:
        raise ProtocolError(f"diskSpace.{key} is below zero", ErrorKind.SHAPE)
    return int(value)


class StorjAdapter(Reader):
    """One storage node. Earnings are what will be paid out (net of held), USD/h, from differences of the month so far.

    Until there are readings of half a day, the mean of the month before stands in, and `details["basis"]` says so.
    `demand_limited` is True while there is free space: more disk would earn nothing yet.

    >>> StorjAdapter()
    StorjAdapter('storj', 'http://127.0.0.1:14002')
    """

    def __init__(
        self,
        name: str = "storj",
        url: str = "http://127.0.0.1:14002",
        *,
        share: float | None = None,
        most: float | None = 50.0,
        timeout: timedelta = timedelta(seconds=10),
        min_interval: timedelta = timedelta(minutes=5),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            name,
            MONTHLY,
            Unit("cent"),
            share=share,
            most=most,
            clock=clock,
            capabilities=Capabilities(
                acts=False, timeout=timeout + timedelta(seconds=1), min_interval=min_interval, cadence=MONTHLY.cadence
            ),
        )
        self._http = Http(url, timeout=timeout)

    def __repr__(self) -> str:
        return f"StorjAdapter({self.name!r}, {self._http.origin!r})"

    async def get_status(self) -> ProtocolStatus:
        """Earnings, disk and health; raises ProtocolError, NEVER_REPORTED for a node that nobody has reached."""
        payouts, node = await both(self._http.get("/api/sno/estimated-payout"), self._http.get("/api/sno/"))
        now = self._clock.now()
        current = Payout.of(payouts, "currentMonth")
        disk, (healthy, health) = Disk.of(node), _health(node)
        pinged = moment_of(look_up(node, "lastPinged", "sno"))
        if pinged is None:
            raise ProtocolError(f"{self.name}: no satellite has ever reached this node", ErrorKind.NEVER_REPORTED)
        details: dict[str, Detail] = {
            "basis": "differences of the month so far",
            "month_net_usd": self.unit.usd(current.net),
            "month_held_usd": self.unit.usd(current.held),
            "held_rate": current.held_rate,
            "disk_allocated_bytes": disk.allocated,
            "disk_free_bytes": disk.free,
            **health,
        }
        others: dict[str, Any] = {
            "healthy": healthy and now - pinged <= SILENT_AFTER,
            "demand_limited": disk.allocated > 0 and disk.free > _FREE_PART * disk.allocated,
            "utilization": ResourceUtilization(disk=disk.in_use),
        }
        try:
            return self.status(current.net, "currentMonth.payout", details=details, **others)
        except ProtocolError as error:
            before = self._month_before(payouts, now) if error.kind is ErrorKind.NEVER_REPORTED else None
            if before is None:
                raise
        return ProtocolStatus(
            protocol=self.name,
            connected=True,
            earnings_per_hour=self.earnings(before, "previousMonth.payout"),
            allocation=self._share,
            observed_at=now,
            series=SeriesKind.COUNTER,
            details={**details, "basis": "mean of the month before"},
            **others,
        )

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()

    def _month_before(self, payouts: Any, now: datetime) -> Decimal | None:
        """Cents per hour of the whole month before; None where nothing was earned in it."""
        if not isinstance(payouts, Mapping) or payouts.get("previousMonth") is None:
            return None
        net = Payout.of(payouts, "previousMonth").net
        end = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        hours = (end - (end - timedelta(days=1)).replace(day=1)) / timedelta(hours=1)
        return net / Decimal(hours) if net else None


def _health(node: Any) -> tuple[bool, dict[str, Detail]]:
    """(well, what to show): no satellite may have suspended or disqualified it, and it must know one."""
    listed = node.get("satellites") if isinstance(node, Mapping) else None
    satellites = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    out = {state: sum(each.get(state) is not None for each in satellites) for state in ("disqualified", "suspended")}
    version = look_up(node, "version", "sno") if "version" in node else None
    details: dict[str, Detail] = {"satellites": len(satellites), **out}
    if isinstance(version, str):
        details["version"] = redact(version, 40)
    if isinstance(node.get("upToDate"), bool):
        details["up_to_date"] = node["upToDate"]
    return bool(satellites) and not any(out.values()), details
