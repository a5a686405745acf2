"""Reader: what adapters share that read one number: paths into documents, times, and the status it becomes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.records import ProtocolStatus, ResourceUtilization
from ..engine.contracts.validation import EARLIEST_YEAR, amount
from ..errors import ConfigurationError, ErrorKind, ProtocolError, near_miss
from .meter import Meter
from .series import Series, Unit, exact

Detail = str | float | int | bool | None
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


def moment_of(value: Any) -> datetime | None:
    """A time a source reports (ISO text, Unix seconds or milliseconds); None for never, unset and unreadable ones."""
    moment = None
    with suppress(ValueError, OverflowError, OSError, TypeError):
        if isinstance(value, str) and not value.strip().replace(".", "").isdigit():
            moment = datetime.fromisoformat(value.strip())
        elif value is not None and not isinstance(value, bool):
            seconds = float(value)
            moment = datetime.fromtimestamp(seconds / 1000.0 if seconds > 1e11 else seconds, UTC)
    if moment is None or moment.tzinfo is None or moment.year < EARLIEST_YEAR:
        return None
    return moment.astimezone(UTC)


async def both(one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
    """Both answers, or the first error; nothing is left running."""
    found: list[Any] = list(await asyncio.gather(one, other, return_exceptions=True))
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return found[0], found[1]


class Reader:
    """The part of an adapter that turns a reported number into a status, and that does not act.

    share  given to the protocol by other means, where it is known
    most   USD/h beyond which a unit must be wrong
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
    ) -> None:
        if share is not None and not (isinstance(share, (int, float)) and 0.0 <= share <= 1.0):
            raise ConfigurationError(f"{name}: share {share!r} is not in [0, 1]")
        self.name, self.series, self.unit = name, series, unit
        self._share, self._most, self._clock = share, most, clock or SystemClock()
        self._capabilities, self._meter = capabilities, Meter(series)

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
        """Nothing is open."""

    def status(
        self,
        value: Any,
        what: str,
        *,
        at: datetime | None = None,
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
        rate = self._meter.read(sum(numbers, Decimal(0)), now, self._clock.monotonic(), event=at)
        if rate is None:
            raise ProtocolError(f"{what}: a first reading; a rate needs a later one", ErrorKind.NEVER_REPORTED)
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

    def earnings(self, rate: Decimal, what: str) -> float:
        """USD/h of a rate in the native unit; raises ProtocolError(SHAPE) where that cannot be."""
        usd = amount(self.unit.usd(rate), f"{what} (USD/h)")
        if self._most is not None and usd > self._most:
            raise ProtocolError(
                f"{what} means {usd:g} USD/h, over the {self._most:g} that are possible: is its unit right?",
                ErrorKind.SHAPE,
            )
        return usd
