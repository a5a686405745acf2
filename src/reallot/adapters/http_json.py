"""HttpJsonAdapter: any JSON endpoint, by paths to its fields, its unit and the kind of its series."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.records import ProtocolStatus
from ..engine.contracts.secrets import redact
from ..errors import ErrorKind, ProtocolError
from .http import Http
from .reading import Reader, look_up, path_of
from .series import Series, Unit


class HttpJsonAdapter(Reader):
    """Reads one number at one address. Raises ConfigurationError for what cannot be; errors of reading have a kind.

    url           the document's address, without secrets
    value         path to the number: "currentMonth.payout"; "nodes[*].earned" adds up
    series, unit  what the number is
    time          path to the moment it is of; a day in place of a moment covers that day
    time_zone     of times without a zone: "Europe/Berlin"; without it they are refused
    share         path to the share in force
    healthy       path to true or false (1 or 0): its own verdict
    demand        path to the share that it has demand for: more would earn nothing
    expect        path to value: what must stand there, such as {"result.unit": "Mh/s"}; else the reading is refused
    dollars       True where "$1.75" is a number
    most          USD/h beyond which a unit must be wrong

    >>> HttpJsonAdapter("disk", "http://127.0.0.1:8080/pay", value="month.cents", series=Series("counter"))
    HttpJsonAdapter('disk', 'http://127.0.0.1:8080')
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        value: str,
        series: Series | None = None,
        unit: Unit | None = None,
        time: str | None = None,
        time_zone: str | None = None,
        healthy: str | None = None,
        demand: str | None = None,
        share: str | float | None = None,
        expect: Mapping[str, object] | None = None,
        dollars: bool = False,
        most: float | None = None,
        bearer_env: str | None = None,
        basic_env: tuple[str, str] | None = None,
        headers_env: Mapping[str, str] | None = None,
        params_env: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=10),
        min_interval: timedelta = timedelta(0),
        clock: Clock | None = None,
    ) -> None:
        series = series or Series()
        super().__init__(
            name,
            series,
            unit or Unit(),
            share=None if isinstance(share, str) else share,
            most=most,
            clock=clock,
            time_zone=time_zone,
            capabilities=Capabilities(
                acts=False, timeout=timeout + timedelta(seconds=1), min_interval=min_interval, cadence=series.cadence
            ),
        )
        self._http = Http(
            url,
            bearer_env=bearer_env,
            basic_env=basic_env,
            headers_env=headers_env,
            params_env=params_env,
            timeout=timeout,
        )
        self._value, self._time, self._dollars = value, time, dollars
        self._share_path = share if isinstance(share, str) else None
        self._healthy, self._demand = healthy, demand
        self._expect = dict(expect or {})
        for path in (value, *(each for each in (time, self._share_path, healthy, demand) if each), *self._expect):
            path_of(path)

    def __repr__(self) -> str:
        return f"HttpJsonAdapter({self.name!r}, {self._http.origin!r})"

    async def get_status(self) -> ProtocolStatus:
        """Earnings that follow from the number; raises ProtocolError."""
        document = await self._http.get()
        for path, wanted in self._expect.items():
            found = look_up(document, path, self.name)
            if found != wanted:
                raise ProtocolError(
                    f"{self.name}: {path} is {redact(str(found), 40)!r}, not {wanted!r}: its meaning may have changed",
                    ErrorKind.SHAPE,
                )
        at = self.time_at(document, self._time)
        value = look_up(document, self._value, self.name)
        value = value if "[*]" in self._value else [value]
        status = self.status(value, f"{self.name}: {self._value}", at=at, dollars=self._dollars)
        share = None if self._share_path is None else self.share_in(document, self._share_path)
        healthy, wanted = (
            None if path is None else look_up(document, path, self.name) for path in (self._healthy, self._demand)
        )
        return self.completed(status, share=share, healthy=healthy, wanted=wanted)

    async def get_allocation(self) -> float:
        """The share at its path, or the one it was told of."""
        if self._share_path is None:
            return await super().get_allocation()
        return self.share_in(await self._http.get(), self._share_path)

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()
