"""ProtocolCoordinator: asks every adapter at once, and makes one record of what they say."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType

from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.power import PowerCost
from ..engine.contracts.records import AggregatedMetrics, ProtocolStatus
from ..engine.contracts.validation import MOST_JUMP
from ..engine.planning.reachable_shares import steps_and_floors
from ..engine.polling.source import Source, ask_all, utilization_of
from ..errors import ConfigurationError, CoordinationError, ProtocolError, near_miss, other_kind

logging.getLogger("reallot").addHandler(logging.NullHandler())
_METHODS = ("get_status", "get_allocation", "apply_allocation")


class ProtocolCoordinator:
    """Poll all registered adapters at once; none delays or fails another.

    A protocol that does not answer keeps its last value, with its age in `stale`. One that never reported a value is
    left out. After a failure it is asked again after 1, 2, 4 ... 120 s (exponential backoff; an hour at most after
    refused logins), or when it says so itself (Retry-After).

    Parameters
    ----------
    max_history_size
        Number of polls kept.
    clock
        The clock that is asked for the time. None is the system's.
    power
        Price of power, which is taken off the earnings of protocols that report their watts. None takes nothing off.
    away
        A function that says which protocols may hold nothing now, and why. None is no protocol.
    most_jump
        Earnings that grow by more than this factor at once, at the same share, are shown to a person first.

    Raises
    ------
    ConfigurationError
        Where `max_history_size` is no whole number of 1 or more.

    Notes
    -----
    An adapter awaits what it waits for. One that blocks the event loop blocks all; `reallot run` says which.

    Examples
    --------
    >>> import asyncio
    >>> from reallot import ProtocolCoordinator
    >>> from reallot.adapters.simulated import SimulatedAdapter
    >>> coordinator = ProtocolCoordinator()
    >>> coordinator.register_adapter("storage", SimulatedAdapter("storage", 2.0, share=0.25))
    >>> asyncio.run(coordinator.poll_all()).earnings_by_protocol
    {'storage': 0.5}
    """

    def __init__(
        self,
        max_history_size: int = 1000,
        *,
        clock: Clock | None = None,
        power: PowerCost | None = None,
        away: Callable[[], Mapping[str, str]] | None = None,
        most_jump: float = MOST_JUMP,
    ) -> None:
        if isinstance(max_history_size, bool) or not isinstance(max_history_size, int) or max_history_size < 1:
            raise ConfigurationError(f"max_history_size is {max_history_size!r}; it must be a whole number, 1 or more")
        if max_history_size > sys.maxsize:
            raise ConfigurationError(f"max_history_size is above {sys.maxsize}, which no memory holds")
        self._clock, self._power, self._away, self._most_jump = clock or SystemClock(), power, away, most_jump
        self._sources: dict[str, Source] = {}
        self._adapters: dict[str, ProtocolAdapter] = {}
        self._history: deque[AggregatedMetrics] = deque(maxlen=max_history_size)

    @property
    def adapters(self) -> Mapping[str, ProtocolAdapter]:
        """The registered adapters by name; read only."""
        return MappingProxyType(self._adapters)

    @property
    def last_update(self) -> datetime | None:
        """Time at which the last poll ended; None before the first."""
        return self._history[-1].timestamp if self._history else None

    def register_adapter(self, protocol_name: str, adapter: ProtocolAdapter) -> None:
        """Add an adapter under a name of its own.

        Parameters
        ----------
        protocol_name
            Name of the protocol.
        adapter
            Its adapter.

        Raises
        ------
        ConfigurationError
            Where the name is taken, or the object is no adapter.
        """
        if not isinstance(protocol_name, str) or not protocol_name.strip() or protocol_name != protocol_name.strip():
            raise ConfigurationError(
                f"protocol_name is {_shown(protocol_name)}; give a name without spaces around it, then the adapter"
            )
        if protocol_name in self._sources:
            raise ConfigurationError(
                f"{protocol_name!r} is registered already; give the second one a name of its own, or close this one"
            )
        if isinstance(adapter, type):
            raise ConfigurationError(f"{protocol_name!r}: {adapter.__name__} is a class; give an instance of it")
        missing = [name for name in _METHODS if not callable(getattr(adapter, name, None))]
        if missing:
            has = [name for name in dir(adapter) if not name.startswith("_")]
            raise ConfigurationError(
                f"{protocol_name!r}: a {type(adapter).__name__} is no adapter, it has no {', '.join(missing)}; "
                f"{near_miss(missing[0], has)}"
            )
        self._adapters[protocol_name] = adapter
        self._sources[protocol_name] = Source(protocol_name, adapter, self._clock, self._power, self._most_jump)

    @property
    def took(self) -> dict[str, tuple[float, float]]:
        """By name, when its last call began (monotonic seconds) and how long it took (seconds)."""
        return {name: each.took for name, each in self._sources.items() if each.took is not None}

    async def poll_all(self) -> AggregatedMetrics:
        """Ask every protocol that is due, all at once; this ends within the longest timeout among them.

        Returns
        -------
        AggregatedMetrics
            Earnings (USD/h), shares and readings.

        Raises
        ------
        CoordinationError
            Where nothing is registered, or nothing answers and nothing was ever known.
        """
        if not self._sources:
            raise CoordinationError("no adapter is registered; call register_adapter(name, adapter) first")
        sources = list(self._sources.values())
        await ask_all(sources)  # those that are due: after a back-off, Retry-After, min_interval
        metrics = self._aggregate(sources).like(self._history[-1] if self._history else None)
        self._history.append(metrics)
        return metrics

    async def get_protocol_status(self, protocol_name: str) -> ProtocolStatus:
        """Return the reading of one protocol, asked for now if it is due.

        Parameters
        ----------
        protocol_name
            Name of the protocol.

        Returns
        -------
        ProtocolStatus
            The reading.

        Raises
        ------
        CoordinationError
            Where the name is unknown.
        """
        source = self._source(protocol_name)
        await source.refresh()
        if source.status is None:
            raise CoordinationError(f"{protocol_name!r} hangs in a call that cannot be ended")
        return source.status

    async def get_metrics_history(self) -> list[AggregatedMetrics]:
        """Return all polls that are kept.

        Returns
        -------
        list
            AggregatedMetrics, the oldest first.
        """
        return list(self._history)

    async def get_metrics_for_period(self, start: datetime, end: datetime) -> list[AggregatedMetrics]:
        """Return the polls of a period.

        Parameters
        ----------
        start, end
            The period (aware), both ends included.

        Returns
        -------
        list
            AggregatedMetrics, the oldest first.

        Raises
        ------
        CoordinationError
            Where a time is naive, or the start is after the end.
        """
        for name, moment in (("start", start), ("end", end)):
            if not isinstance(moment, datetime) or moment.tzinfo is None:
                raise CoordinationError(f"{name} is {moment!r}; give an aware datetime, such as datetime.now(UTC)")
        if start > end:
            raise CoordinationError(f"the period starts at {start.isoformat()}, after its end {end.isoformat()}")
        return [metrics for metrics in self._history if start <= metrics.timestamp <= end]

    def resume(self, protocol_name: str) -> None:
        """Let a protocol be asked at once: its login was mended, or the back-off is too long.

        Parameters
        ----------
        protocol_name
            Name of the protocol.
        """
        self._source(protocol_name).resume()

    def accept(self, protocol_name: str) -> None:
        """Believe a protocol's earnings from now on, after a person has seen that they jumped.

        Parameters
        ----------
        protocol_name
            Name of the protocol.
        """
        self._source(protocol_name).plausible.accept()

    def remember(self, metrics: AggregatedMetrics) -> None:
        """Take up a poll from before a restart.

        Levels of the last day are believed again, and what was doubted still is.

        Parameters
        ----------
        metrics
            The poll.
        """
        if not isinstance(metrics, AggregatedMetrics):
            raise CoordinationError(other_kind("metrics", metrics, "the AggregatedMetrics of a poll"))
        seconds = self._clock.monotonic() - (self._clock.now() - metrics.timestamp).total_seconds()
        for name in self._sources.keys() & metrics.earnings_by_protocol.keys() - metrics.stale.keys():
            value, share = metrics.earnings_by_protocol[name], metrics.allocation_by_protocol.get(name)
            with suppress(ProtocolError):  # it was held back then
                self._sources[name].plausible.admit(value, share, seconds)

    def next_poll_in(self, protocol_name: str) -> float:
        """Return the time until a protocol may be asked again.

        Parameters
        ----------
        protocol_name
            Name of the protocol.

        Returns
        -------
        float
            Seconds; an hour at most after refused logins.
        """
        return self._source(protocol_name).waits

    def inherit(self, before: ProtocolCoordinator, names: Collection[str]) -> None:
        """Go on where another coordinator stood: with its polls, and with what it last read.

        Parameters
        ----------
        before
            The coordinator that stood before; it is not used any more.
        names
            Protocols whose adapter is the same in both.
        """
        if not isinstance(before, ProtocolCoordinator):
            raise CoordinationError(other_kind("before", before, "the coordinator that stood before"))
        if not isinstance(names, Collection):
            raise CoordinationError(other_kind("names", names, "names of protocols"))
        for name in names:
            before._source(name)
        self._sources |= {name: before._sources[name] for name in names}
        self._history.extend(before._history)

    async def close(self, *, except_for: Collection[str] = ()) -> None:
        """End calls that hang, and close every adapter that can be closed; calling it again is harmless.

        Parameters
        ----------
        except_for
            Protocols that stay as they are: another coordinator inherits them.
        """
        if not isinstance(except_for, Collection):
            raise CoordinationError(other_kind("except_for", except_for, "names of protocols"))
        await asyncio.gather(*(each.close() for name, each in self._sources.items() if name not in except_for))

    async def __aenter__(self) -> ProtocolCoordinator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _source(self, name: str) -> Source:
        if not isinstance(name, str) or name not in self._sources:
            raise CoordinationError(f"no protocol {_shown(name)} is registered; {near_miss(name, self._sources)}")
        return self._sources[name]

    def _aggregate(self, sources: list[Source]) -> AggregatedMetrics:
        earnings = {source.name: source.value for source in sources if source.value is not None}
        statuses = {source.name: source.status for source in sources if source.status is not None}
        if not earnings and not any(status.connected for status in statuses.values()):
            told = "; ".join(f"{name}: {status.message}" for name, status in list(statuses.items())[:5])
            raise CoordinationError(f"none of {len(sources)} protocols answers, and nothing is known of any: {told}")
        able = {source.name: source.capabilities() for source in sources}
        ages = {source.name: source.age(able[source.name]) for source in sources}
        stale = {name: age for name, age in ages.items() if age is not None}
        total, carried = math.fsum(earnings.values()), math.fsum(earnings[name] for name in stale)
        limited = [
            (name, can)
            for name, can in able.items()
            if any(isinstance(share, (int, float)) and share for share in (can.step, can.floor))
        ]
        steps, floors = steps_and_floors(limited) if limited else ({}, {})
        slack = {name: asked for name, can in able.items() if can.share_tolerance and (asked := can.slack)}
        doubts = [(each.name, each.plausible) for each in sources if each.plausible.doubt]
        return AggregatedMetrics(
            timestamp=self._clock.now(),
            total_earnings_per_hour=total,
            measured_earnings_per_hour=total - carried,
            earnings_by_protocol=earnings,
            allocation_by_protocol={each.name: each.allocation for each in sources if each.allocation is not None},
            resource_utilization=utilization_of(sources),
            connection_status={each.name: each.status is not None and each.status.connected for each in sources},
            statuses=statuses,
            stale=stale,
            steps=steps,
            floors=floors,
            tolerances=slack,
            away={} if self._away is None else dict(self._away()),
            doubted={name: seen.base for name, seen in doubts if seen.base is not None and not seen.fell},
            fallen={name: seen.base for name, seen in doubts if seen.base is not None and seen.fell},
        )


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else f"a {type(value).__name__}"
