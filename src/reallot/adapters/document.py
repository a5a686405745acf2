"""DocumentReader: what adapters share that find all they know in one document, each part by its path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.records import ProtocolStatus
from ..errors import ErrorKind, ProtocolError
from .price import LivePrice
from .reading import Reader, look_up, path_of
from .series import Series, Unit


class DocumentReader(Reader, ABC):
    """Earnings, share, health, demand and quote out of one document; whoever derives from it says how to get that.

    value, time, share, healthy, demand, quote
             paths, as in HttpJsonAdapter; `share` may be a number where it never changes
    dollars  True where "$1.75" is a number
    """

    def __init__(
        self,
        name: str,
        series: Series | None,
        unit: Unit | None,
        *,
        value: str,
        time: str | None,
        share: str | float | None,
        healthy: str | None,
        demand: str | None,
        quote: str | None,
        price: LivePrice | None,
        dollars: bool,
        most: float | None,
        clock: Clock | None,
        capabilities: Capabilities,
        time_zone: str | None,
    ) -> None:
        super().__init__(
            name,
            series or Series(),
            unit or Unit(),
            share=None if isinstance(share, str) else share,
            most=most,
            clock=clock,
            capabilities=capabilities,
            time_zone=time_zone,
            price=price,
        )
        self._value, self._time, self._dollars = value, time, dollars
        self._share_path = share if isinstance(share, str) else None
        self._healthy, self._demand, self._quote = healthy, demand, quote
        for path in (value, *(each for each in (time, self._share_path, healthy, demand, quote) if each)):
            path_of(path)

    @abstractmethod
    async def document(self) -> Any:
        """The document as it is now; raises ProtocolError."""

    async def get_status(self) -> ProtocolStatus:
        """Earnings that follow from the number at its path, and all that stands beside it; raises ProtocolError."""
        document = await self.document()
        await self.know_price()
        share = None if self._share_path is None else self.share_in(document, self._share_path)
        what, at = f"{self.name}: {self._value}", self.time_at(document, self._time)
        try:
            status = self.status(self._at(document, self._value), what, at=at, dollars=self._dollars)
        except ProtocolError as error:
            if self._quote is None or error.kind is not ErrorKind.NEVER_REPORTED:
                raise
            status = self.unpaid(error)
        healthy, wanted = (
            None if path is None else look_up(document, path, self.name) for path in (self._healthy, self._demand)
        )
        status = self.completed(status, share=share, healthy=healthy, wanted=wanted)
        return status if self._quote is None else self._with_quote(status, document, self._quote)

    async def get_allocation(self) -> float:
        """The share at its path, or the one it was told of."""
        if self._share_path is None:
            return await super().get_allocation()
        return self.share_in(await self.document(), self._share_path)

    def _with_quote(self, status: ProtocolStatus, document: Any, path: str) -> ProtocolStatus:
        try:
            return self.quoted(status, self._at(document, path), f"{self.name}: {path}", dollars=self._dollars)
        except ProtocolError as error:
            return self.unquoted(status, error)

    def _at(self, document: Any, path: str) -> list[Any]:
        """What stands at a path: several where it names several."""
        found = look_up(document, path, self.name)
        return found if "[*]" in path else [found]
