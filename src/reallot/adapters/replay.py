"""ReplayAdapter: a recorded table of rates, read at the clock's time; what was not recorded is not known."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock, SystemClock
from ..engine.contracts.records import ProtocolStatus
from ..engine.contracts.validation import MOST_EARNINGS, amount
from ..errors import ConfigurationError, ErrorKind, ProtocolError, near_miss


class ReplayAdapter:
    """Replay one recorded protocol: it earns the rate last recorded times the share in force.

    Parameters
    ----------
    name
        Name of the protocol.
    rates
        Moment to rate (USD/h per unit of share): a mapping, a pandas Series or pairs. Moments are aware datetimes, ISO
        texts with a zone, or Unix seconds. An empty, None or NaN rate is a gap.
    share
        Share in force at the start; it follows `apply_allocation` at once.
    clock
        The clock that is asked for the time. None is the system's.
    start
        Moment of the clock at which the recording begins. None leaves the recorded moments as they are.
    hold
        Time for which the last rate stands where no next one follows. None is twice the usual distance.

    Raises
    ------
    ConfigurationError
        Where a moment or a rate cannot be read.

    Examples
    --------
    >>> import asyncio
    >>> from datetime import UTC, datetime
    >>> from reallot import ReplayAdapter
    >>> from reallot.engine.contracts.clock import ManualClock
    >>> clock = ManualClock(datetime(2026, 1, 1, 1, 30, tzinfo=UTC))
    >>> rates = {"2026-01-01T00:00:00Z": 2.0, "2026-01-01T01:00:00Z": 3.0}
    >>> asyncio.run(ReplayAdapter("relay", rates, share=0.5, clock=clock).get_status()).earnings_per_hour
    1.5
    """

    def __init__(
        self,
        name: str,
        rates: Any,
        *,
        share: float = 0.0,
        clock: Clock | None = None,
        start: datetime | None = None,
        hold: timedelta | None = None,
    ) -> None:
        self.name, self._clock = name, clock or SystemClock()
        pairs = sorted(_readings(rates, name), key=lambda pair: pair[0])
        twice = next((after for (before, _), (after, _) in pairwise(pairs) if after == before), None)
        if not pairs or twice is not None:
            said = f"{twice.isoformat()} is recorded twice" if twice else "nothing is recorded"
            raise ConfigurationError(f"{name}: {said}; give one rate for each moment")
        shift = timedelta(0) if start is None else _moment(start, name) - pairs[0][0]
        self._moments = [moment + shift for moment, _ in pairs]
        self._rates = [rate for _, rate in pairs]
        gaps = [(after - before).total_seconds() for before, after in pairwise(self._moments)]
        self._cadence = timedelta(seconds=median(gaps)) if gaps else timedelta(hours=1)
        self._hold = 2 * self._cadence if hold is None else hold
        self._share = _share(share, name)

    def __repr__(self) -> str:
        return f"ReplayAdapter({self.name!r}, {len(self._rates)} rates from {self._moments[0].isoformat()})"

    @property
    def first(self) -> datetime:
        """The first recorded moment, on the clock."""
        return self._moments[0]

    @property
    def last(self) -> datetime:
        """The last recorded moment, on the clock."""
        return self._moments[-1]

    def capabilities(self) -> Capabilities:
        """Return what the adapter can do.

        Returns
        -------
        Capabilities
            It acts at once; its cadence is the usual distance of recorded moments.
        """
        return Capabilities(cadence=self._cadence)

    async def get_status(self) -> ProtocolStatus:
        """Return the earnings of the share in force.

        Returns
        -------
        ProtocolStatus
            Earnings (USD/h), share and the time of the recorded rate.

        Raises
        ------
        ProtocolError
            Before the recording, in its gaps and after its end.
        """
        now = self._clock.now()
        place = bisect_right(self._moments, now) - 1
        if place < 0:
            raise ProtocolError(
                f"{self.name}: the recording begins at {self.first.isoformat()}", ErrorKind.NEVER_REPORTED
            )
        if now - self._moments[place] > self._hold:
            raise ProtocolError(
                f"{self.name}: nothing is recorded between {self._moments[place].isoformat()} and {now.isoformat()}",
                ErrorKind.UNREACHABLE,
            )
        rate = self._rates[place]
        if rate is None:
            raise ProtocolError(
                f"{self.name}: a gap at {self._moments[place].isoformat()} in the recording", ErrorKind.TRANSIENT
            )
        return ProtocolStatus(
            protocol=self.name,
            connected=True,
            earnings_per_hour=rate * self._share,
            allocation=self._share,
            observed_at=now,
            source_time=self._moments[place],
            details={"rate_usd_per_hour": rate},
        )

    async def get_allocation(self) -> float:
        """Return the share in force.

        Returns
        -------
        float
            Fraction of capacity.
        """
        return self._share

    async def apply_allocation(self, share: float) -> None:
        """Put a share in force at once; the recorded rates stay as they are.

        Parameters
        ----------
        share
            Fraction of capacity.

        Raises
        ------
        ProtocolError
            With kind REFUSED where the number is no share.
        """
        try:
            self._share = _share(share, self.name)
        except ConfigurationError as error:
            raise ProtocolError(str(error), ErrorKind.REFUSED) from None

    async def close(self) -> None:
        """Do nothing: nothing is open."""


def replay_adapters(
    table: Any,
    *,
    shares: Mapping[str, float] | None = None,
    clock: Clock | None = None,
    start: datetime | None = None,
    hold: timedelta | None = None,
) -> dict[str, ReplayAdapter]:
    """Make one replay adapter for each protocol of a table.

    Parameters
    ----------
    table
        A CSV file (moments in the first column, names in the first line), a DataFrame (moments, protocols), or mappings
        by name. Rates are USD/h per unit of share.
    shares
        Shares in force at the start, by name; 0 where left out.
    clock
        The clock that is asked for the time. None is the system's.
    start
        Moment of the clock at which the recording begins. None leaves the recorded moments as they are.
    hold
        Time for which the last rate stands. None is twice the usual distance.

    Returns
    -------
    dict
        A ReplayAdapter by name.

    Raises
    ------
    ConfigurationError
        Where the table cannot be read.

    Examples
    --------
    >>> from reallot import replay_adapters
    >>> rates = {"2026-01-01T00:00:00Z": 2.0, "2026-01-01T01:00:00Z": 3.0}
    >>> adapters = replay_adapters({"relay": rates}, shares={"relay": 0.5})
    >>> adapters["relay"].first.isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    columns = _columns(table)
    for name in shares or {}:
        if name not in columns:
            raise ConfigurationError(f"shares name {name!r}, which is not recorded; {near_miss(name, columns)}")
    if start is not None:  # protocols that began later stay later
        first = min((moment for name, rates in columns.items() for moment, _ in _readings(rates, name)), default=start)
        shift = _moment(start, "start") - first
        columns = {name: [(m + shift, rate) for m, rate in _readings(rates, name)] for name, rates in columns.items()}
    return {
        name: ReplayAdapter(name, rates, share=(shares or {}).get(name, 0.0), clock=clock, hold=hold)
        for name, rates in columns.items()
    }


def _columns(table: Any) -> dict[str, Any]:
    if isinstance(table, (str, Path)):
        return _from_csv(Path(table))
    if hasattr(table, "columns") or isinstance(table, Mapping):
        names = list(table.columns if hasattr(table, "columns") else table)
        return {str(name): table[name] for name in names}
    raise ConfigurationError(f"a recording is a {type(table).__name__}; give a CSV file, a DataFrame or a mapping")


def _from_csv(path: Path) -> dict[str, list[tuple[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    if len(lines) < 2 or len(lines[0]) < 2:
        raise ConfigurationError(f"{path}: give a first line with names, then a moment and the rates in each line")
    names = [name.strip() for name in lines[0][1:]]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{path}: its first line names a protocol twice")
    ragged = next((number for number, line in enumerate(lines, 1) if len(line) != len(lines[0])), None)
    if ragged is not None:
        raise ConfigurationError(f"{path}, line {ragged}: {len(lines[ragged - 1])} values for {len(lines[0])} columns")
    return {name: [(line[0], line[place]) for line in lines[1:]] for place, name in enumerate(names, 1)}


def _readings(rates: Any, name: str) -> list[tuple[datetime, float | None]]:
    pairs: Iterable[Any] = rates.items() if hasattr(rates, "items") else rates
    try:
        return [(_moment(moment, name), _rate(rate, name)) for moment, rate in pairs]
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name}: give moments and rates, as a mapping or pairs: {error}") from None


def _moment(value: Any, name: str) -> datetime:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        moment = datetime.fromtimestamp(value, UTC)
    elif isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
    elif hasattr(value, "to_pydatetime"):
        moment = value.floor("us").to_pydatetime()
    elif isinstance(value, datetime):
        moment = value
    else:
        raise ConfigurationError(f"{name}: {value!r} is no moment; give an aware datetime, an ISO text or Unix seconds")
    if moment.tzinfo is None:
        raise ConfigurationError(f"{name}: {moment.isoformat()} has no zone; write {moment.isoformat()}Z for UTC")
    return moment.astimezone(UTC)


def _rate(value: Any, name: str) -> float | None:
    if isinstance(value, str):
        value = float(value) if value.strip() else None
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("nan", "NaT", "<NA>"):
        return None
    try:
        return amount(value, "its rate (USD/h)", least=-MOST_EARNINGS)
    except ProtocolError as error:
        raise ConfigurationError(f"{name}: {error}") from None


def _share(value: Any, name: str) -> float:
    try:
        return min(amount(value, "the share", 1.0 + 1e-9), 1.0)
    except ProtocolError as error:
        raise ConfigurationError(f"{name}: {error}") from None
