"""Reader: what adapters share that read one number: paths into documents, times, and the status it becomes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.records import ProtocolStatus, ResourceUtilization, SeriesKind
from ..engine.contracts.validation import MOST_EARNINGS, UNREAD_QUOTE, amount
from ..engine.contracts.validation import share as share_of
from ..errors import ConfigurationError, ErrorKind, ProtocolError, near_miss
from .meter import DailyAmounts, Meter
from .series import Series, Unit, exact
from .times import DAY, MOST_AHEAD, end_of, time_of, zone_of

Detail = str | float | int | bool | None
MOST_DEMAND = 5.0
"""A protocol that has demand for a share beyond this says it in another unit."""
FIRST_READING = "a first reading; a rate needs a later one"
"""What is said of a total that was read once: nothing is wrong with it."""
_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(\d+|\*)\]")


def path_of(text: str) -> tuple[str | int, ...]:
    """The steps of a path such as "nodes[0].earned" or "nodes[*].earned" (all of them); raises ConfigurationError."""
    found = list(_STEP.finditer(text)) if isinstance(text, str) else []
    if not found or "".join(match.group() for match in found) != text:
        raise ConfigurationError(f'{text!r} is no path; write it like "currentMonth.payout" or "nodes[*].earned"')
    return tuple(int(each[2]) if each[2] and each[2] != "*" else each[2] or each[1] for each in found)


def look_up(document: Any, path: str, where: str) -> Any:
    """What stands at `path`, a list for a path with [*]; raises ProtocolError(SHAPE) where it is not there."""
    found = document
    for place, step in enumerate(steps := path_of(path)):
        if step == "*":
            if not isinstance(found, list):
                raise ProtocolError(f"{where}: {path} looks for a list where there is none", ErrorKind.SHAPE)
            rest = "".join(
                f"[{each}]" if isinstance(each, int) or each == "*" else f".{each}" for each in steps[place + 1 :]
            )
            return [look_up(each, rest.lstrip("."), where) for each in found] if rest else found
        if isinstance(step, int):
            if not isinstance(found, list) or step >= len(found):
                raise ProtocolError(f"{where}: {path} looks for entry {step}, which is not there", ErrorKind.SHAPE)
        elif not isinstance(found, Mapping) or step not in found:
            known = near_miss(step, _some(found)) if isinstance(found, Mapping) else "there is no object"
            raise ProtocolError(f"{where}: {path}: no {step!r}; {known}", ErrorKind.SHAPE)
        found = found[step]
    return found


def _some(document: Mapping[Any, Any]) -> list[str]:
    """Its first keys, cut short: enough to help, whatever it holds."""
    return [str(key)[:60] for key in islice(document, 100)]


def _truth(value: Any, what: str) -> bool:
    """true or false, or 1 or 0 as a number or a text; raises ProtocolError(SHAPE)."""
    if isinstance(value, bool):
        return value
    number = exact(value, what)
    if number not in (0, 1):
        raise ProtocolError(f"{what} is {number:g}, neither true nor false", ErrorKind.SHAPE)
    return bool(number)


async def both(one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
    """Both answers, or the first error; nothing is left running."""
    found: list[Any] = list(await asyncio.gather(one, other, return_exceptions=True))
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return found[0], found[1]


class UnitPrice(Protocol):
    """What one unit is worth, read again and again: a `LivePrice`."""

    async def usd(self, clock: Clock) -> float:
        """USD for one unit now; raises ProtocolError."""

    async def close(self) -> None:
        """Closes its connections."""


class Reader:
    """The part of an adapter that turns a reported number into a status, and that does not act.

    share  given to the protocol by other means, where it is known
    most   USD/h, earned or lost, beyond which a unit must be wrong
    time_zone
           of times that the source writes without one
    price  what one unit is worth, where that is read and not written down
    """

    def __init__(
        self,
        name: str,
        series: Series,
        unit: Unit,
        *,
        share: float | None,
        most: float | None,
        clock: Clock | None,
        capabilities: Capabilities,
        time_zone: str | None = None,
        price: UnitPrice | None = None,
    ) -> None:
        if share is not None and not (isinstance(share, (int, float)) and 0.0 <= share <= 1.0):
            raise ConfigurationError(f"{name}: share {share!r} is not in [0, 1]")
        self.name, self.series, self.unit = name, series, unit
        self._share, self._most, self._clock = share, most, clock or SystemClock()
        self._capabilities, self._meter = capabilities, Meter(series)
        self._price = price
        self._days, self._zone = DailyAmounts(series.window), zone_of(time_zone, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def capabilities(self) -> Capabilities:
        """It reads only, unless it says otherwise."""
        return self._capabilities

    async def get_allocation(self) -> float:
        """The share it was told of; raises ProtocolError(NEVER_REPORTED) where it was told none."""
        if self._share is None:
            raise ProtocolError(f"{self.name} does not know its share", ErrorKind.NEVER_REPORTED)
        return self._share

    async def apply_allocation(self, share: float) -> None:
        """Raises ProtocolError(REFUSED): it reads only."""
        raise ProtocolError(f"{self.name} only reads; combine it with an adapter that acts", ErrorKind.REFUSED)

    async def close(self) -> None:
        """Closes what asks for the price; nothing else is open."""
        if self._price is not None:
            await self._price.close()

    def time_at(self, document: Any, path: str | None) -> datetime | date | None:
        """The time at `path`; None without a path, and for an event that never came. Raises ProtocolError."""
        if path is None:
            return None
        value = look_up(document, path, self.name)
        try:
            found = time_of(value, self._zone)
        except ProtocolError as error:
            raise ProtocolError(f"{self.name}: {path}: {error}", error.kind) from None
        moment = found if found is None or isinstance(found, datetime) else end_of(found, self._zone) - DAY
        if moment is not None and moment - self._clock.now() > MOST_AHEAD:
            raise ProtocolError(
                f"{self.name}: {path}: {found} lies more than {MOST_AHEAD.days} days ahead", ErrorKind.SHAPE
            )
        if found is None and self.series.kind is not SeriesKind.EVENT:
            raise ProtocolError(f"{self.name}: {path} says that it has never reported", ErrorKind.NEVER_REPORTED)
        return found

    def status(
        self,
        value: Any,
        what: str,
        *,
        at: datetime | date | None = None,
        dollars: bool = False,
        healthy: bool | None = None,
        demand_limited: bool | None = None,
        utilization: ResourceUtilization | None = None,
        details: Mapping[str, Detail] | None = None,
    ) -> ProtocolStatus:
        """The status that follows from one more reading; raises NEVER_REPORTED until a rate can be told."""
        now = self._clock.now()
        numbers = [exact(each, what, dollars=dollars) for each in (value if isinstance(value, list) else [value])]
        if not numbers:
            raise ProtocolError(f"{what}: an empty list", ErrorKind.NEVER_REPORTED)
        total, day = sum(numbers, Decimal(0)), None
        if at is not None and not isinstance(at, datetime):
            day = end_of(at, self._zone)
            at = min(day, now)
        if day is not None and self.series.kind is SeriesKind.EVENT:
            rate: Decimal | None = self._days.read(total, day, now)
        else:
            rate = self._meter.read(total, now, self._clock.monotonic(), event=at)
        if rate is None:
            raise ProtocolError(f"{what}: {FIRST_READING}", ErrorKind.NEVER_REPORTED)
        return ProtocolStatus(
            protocol=self.name,
            connected=True,
            earnings_per_hour=self.earnings(rate, what),
            allocation=self._share,
            utilization=utilization or ResourceUtilization(),
            observed_at=now,
            source_time=at,
            series=self.series.kind,
            healthy=healthy,
            demand_limited=demand_limited,
            details=dict(details or {}),
        )

    def completed(self, status: ProtocolStatus, *, share: float | None, healthy: Any, wanted: Any) -> ProtocolStatus:
        """`status` with the share in force, the source's own verdict, and whether it has demand for more.

        healthy, wanted  as reported: true or false (1 or 0), and a share; None where nobody says. More than the share
                         that it has demand for would earn nothing
        Raises ProtocolError(SHAPE).
        """
        share = status.allocation if share is None else share
        changes: dict[str, Any] = {"allocation": share}
        if healthy is not None:
            changes["healthy"] = _truth(healthy, f"{self.name}: its health")
        if wanted is not None and share is not None:
            demand = amount(exact(wanted, f"{self.name}: its demand"), f"{self.name}: its demand")
            if demand > MOST_DEMAND:
                told = f"{demand:g}; a share is a part of 1, and at most {MOST_DEMAND:g} is believed: is it in percent?"
                raise ProtocolError(f"{self.name}: its demand is {told}", ErrorKind.SHAPE)
            changes["demand_limited"] = demand <= share + 1e-9
        return status.model_copy(update=changes)

    def unpaid(self, error: ProtocolError) -> ProtocolStatus:
        """A status without earnings, where `error` says that none were reported yet, and something else is known."""
        return ProtocolStatus(
            protocol=self.name,
            connected=True,
            earnings_per_hour=None,
            allocation=self._share,
            observed_at=self._clock.now(),
            error=error.kind,
            message=str(error),
            series=self.series.kind,
        )

    def quoted(self, status: ProtocolStatus, value: list[Any], what: str, *, dollars: bool = False) -> ProtocolStatus:
        """`status` with what is offered for a full share, as reported: in the unit of the earnings, over `per`.

        Raises ProtocolError(SHAPE), or (NEVER_REPORTED) for null.
        """
        total = sum((exact(each, what, dollars=dollars) for each in value), Decimal(0))
        hours = Decimal(repr(self.series.per.total_seconds())) / 3600
        return status.model_copy(update={"quote": self.earnings(total / hours, what)})

    def unquoted(self, status: ProtocolStatus, error: ProtocolError) -> ProtocolStatus:
        """`status` where the quote cannot be read: what was paid stands all the same, and the message says why."""
        told = f"{UNREAD_QUOTE}: {error}"
        return status.model_copy(update={"message": f"{status.message}; {told}" if status.message else told})

    async def know_price(self) -> None:
        """Reads what a unit is worth now, where that is no number written down; raises ProtocolError."""
        if self._price is not None:
            self.unit = replace(self.unit, price=await self._price.usd(self._clock))

    def share_in(self, document: Any, path: str) -> float:
        """The share at `path`; raises ProtocolError(SHAPE), or (NEVER_REPORTED) for null."""
        return share_of(exact(look_up(document, path, self.name), f"{self.name}: the share"))

    def earnings(self, rate: Decimal, what: str) -> float:
        """USD/h of a rate in the native unit, a loss below 0; raises ProtocolError(SHAPE) where that cannot be."""
        usd = amount(self.unit.usd(rate), f"{what} (USD/h)", least=-MOST_EARNINGS)
        if self._most is not None and abs(usd) > self._most:
            raise ProtocolError(
                f"{what} means {usd:g} USD/h, over the {self._most:g} that are possible: is its unit right?",
                ErrorKind.SHAPE,
            )
        return usd
