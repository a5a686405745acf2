"""PrometheusAdapter: a number that a Prometheus server knows, by a PromQL expression; reads only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.records import ProtocolStatus
from ..engine.contracts.secrets import redact
from ..engine.contracts.validation import share as share_of
from ..errors import ErrorKind, ProtocolError
from .http import Http
from .price import LivePrice
from .reading import Reader, look_up
from .series import Series, Unit, exact
from .times import moment_of


class PrometheusAdapter(Reader):
    """Evaluates `query` at the server, which must answer with one series, or one number.

    query         PromQL, such as 'sum(rate(node_payout_cents_total[6h])) * 3600'
    series, unit  what its result is; a rate in USD/h unless told otherwise
    share         PromQL of the share in force, or the share
    healthy       PromQL of 1 or 0: its own verdict
    demand        PromQL of the share that it has demand for: more would earn nothing
    quote         PromQL of what is offered for a full share, also while nothing is held; in the unit of the earnings
    price         what one unit is worth, where that is read at an address and not written down

    No series at all is NEVER_REPORTED, several are a mistake in the query, NaN is no number.

    >>> PrometheusAdapter("disk", "disk_usd_per_hour")
    PrometheusAdapter('disk', 'http://127.0.0.1:9090')
    """

    def __init__(
        self,
        name: str,
        query: str,
        url: str = "http://127.0.0.1:9090",
        *,
        series: Series | None = None,
        unit: Unit | None = None,
        share: str | float | None = None,
        healthy: str | None = None,
        demand: str | None = None,
        quote: str | None = None,
        price: LivePrice | None = None,
        most: float | None = None,
        bearer_env: str | None = None,
        basic_env: tuple[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=10),
        min_interval: timedelta = timedelta(0),
        clock: Clock | None = None,
    ) -> None:
        series = series or Series()
        patience = 5 * timeout + (timedelta(0) if price is None else price.timeout)
        super().__init__(
            name,
            series,
            unit or Unit(),
            share=None if isinstance(share, str) else share,
            most=most,
            clock=clock,
            price=price,
            capabilities=Capabilities(acts=False, timeout=patience, min_interval=min_interval, cadence=series.cadence),
        )
        self._http = Http(url, bearer_env=bearer_env, basic_env=basic_env, timeout=timeout)
        self._query, self._share_query = query, share if isinstance(share, str) else None
        self._healthy, self._demand, self._quote = healthy, demand, quote

    def __repr__(self) -> str:
        return f"PrometheusAdapter({self.name!r}, {self._http.origin!r})"

    async def get_status(self) -> ProtocolStatus:
        """Earnings that follow from the query's result; raises ProtocolError."""
        await self.know_price()
        share = None if self._share_query is None else await self.get_allocation()
        try:
            value, at = await self._ask(self._query)
            status = self.status(value, f"{self.name}: the query's result", at=at)
        except ProtocolError as error:
            if self._quote is None or error.kind is not ErrorKind.NEVER_REPORTED:
                raise
            status = self.unpaid(error)
        healthy, wanted = [
            None if query is None else (await self._ask(query))[0] for query in (self._healthy, self._demand)
        ]
        status = self.completed(status, share=share, healthy=healthy, wanted=wanted)
        return status if self._quote is None else await self._with_quote(status, self._quote)

    async def get_allocation(self) -> float:
        """The share by its query, or the one it was told of."""
        if self._share_query is None:
            return await super().get_allocation()
        return share_of(exact((await self._ask(self._share_query))[0], f"{self.name}: the share"))

    async def _with_quote(self, status: ProtocolStatus, query: str) -> ProtocolStatus:
        try:
            return self.quoted(status, [(await self._ask(query))[0]], f"{self.name}: the quote")
        except ProtocolError as error:
            return self.unquoted(status, error)

    async def close(self) -> None:
        """Closes its connections."""
        await super().close()
        await self._http.close()

    async def _ask(self, query: str) -> tuple[Any, datetime | None]:
        """The result as text, and the moment it is of."""
        try:
            found = await self._http.get("/api/v1/query", {"query": query})
        except ProtocolError as error:
            if "status 422" in str(error):  # it could not be carried out: too long, too much
                raise ProtocolError(str(error), ErrorKind.TRANSIENT) from None
            raise
        if look_up(found, "status", self.name) != "success":
            raise ProtocolError(f"{self.name}: the query failed", ErrorKind.SHAPE)
        kind, result = (look_up(found, f"data.{key}", self.name) for key in ("resultType", "result"))
        if kind == "vector":
            if not isinstance(result, list):
                raise ProtocolError(f"{self.name}: a vector without a list", ErrorKind.SHAPE)
            if not result:
                raise ProtocolError(f"{self.name}: no series matches the query", ErrorKind.NEVER_REPORTED)
            if len(result) > 1:
                raise ProtocolError(
                    f"{self.name}: {len(result)} series match the query; make one of them, by sum(...)", ErrorKind.SHAPE
                )
            result = result[0].get("value") if isinstance(result[0], Mapping) else None
        elif kind != "scalar":
            raise ProtocolError(
                f"{self.name}: the query gives a {redact(str(kind), 20)}, not one number", ErrorKind.SHAPE
            )
        if not isinstance(result, list) or len(result) != 2 or not isinstance(result[1], str):
            raise ProtocolError(f"{self.name}: a result that is no pair of time and number", ErrorKind.SHAPE)
        return result[1], moment_of(result[0])
