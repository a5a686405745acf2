"""HttpJsonAdapter: any JSON endpoint, by paths to its fields, its unit and the kind of its series."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.secrets import redact
from ..errors import ErrorKind, ProtocolError
from .document import DocumentReader
from .http import Http
from .price import LivePrice
from .reading import look_up, path_of
from .series import Series, Unit


class HttpJsonAdapter(DocumentReader):
    """Reads one number at one address. Raises ConfigurationError for what cannot be; errors of reading have a kind.

    url           the document's address, without secrets
    value         path to the number: "currentMonth.payout"; "nodes[*].earned" adds up
    series, unit  what the number is
    time          path to the moment it is of; a day in place of a moment covers that day
    time_zone     of times without a zone: "Europe/Berlin"; without it they are refused
    share         path to the share in force
    healthy       path to true or false (1 or 0): its own verdict
    demand        path to the share that it has demand for: more would earn nothing
    quote         path to what is offered for a full share, also while nothing is held; in the unit of the earnings
    price         what one unit is worth, where that is read at another address and not written down
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
        quote: str | None = None,
        price: LivePrice | None = None,
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
        patience = timeout + timedelta(seconds=1) + (timedelta(0) if price is None else price.timeout)
        super().__init__(
            name,
            series,
            unit,
            value=value,
            time=time,
            share=share,
            healthy=healthy,
            demand=demand,
            quote=quote,
            price=price,
            dollars=dollars,
            most=most,
            clock=clock,
            capabilities=Capabilities(acts=False, timeout=patience, min_interval=min_interval, cadence=series.cadence),
            time_zone=time_zone,
        )
        self._http = Http(
            url,
            bearer_env=bearer_env,
            basic_env=basic_env,
            headers_env=headers_env,
            params_env=params_env,
            timeout=timeout,
        )
        self._expect = dict(expect or {})
        for path in self._expect:
            path_of(path)

    def __repr__(self) -> str:
        return f"HttpJsonAdapter({self.name!r}, {self._http.origin!r})"

    async def document(self) -> Any:
        """What the address answers, where all is there that is expected; raises ProtocolError."""
        document = await self._http.get()
        for path, wanted in self._expect.items():
            found = look_up(document, path, self.name)
            if found != wanted:
                raise ProtocolError(
                    f"{self.name}: {path} is {redact(str(found), 40)!r}, not {wanted!r}: its meaning may have changed",
                    ErrorKind.SHAPE,
                )
        return document

    async def close(self) -> None:
        """Closes its connections."""
        await super().close()
        await self._http.close()
