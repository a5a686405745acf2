"""A price that is read, not written down: what one token, point or unit of another currency is worth now, in USD."""

from __future__ import annotations

from datetime import timedelta

from ..engine.contracts.clock import Clock
from ..engine.contracts.secrets import redact
from ..errors import ConfigurationError, ErrorKind, ProtocolError
from .http import Http
from .reading import look_up, path_of
from .series import MONEY, exact


class LivePrice:
    """USD for one unit, at an address of its own that answers in JSON.

    url, value  the address, and the path to the price in its answer
    unit        what the price is in: usd, cent, millicent or micro_usd
    every       it is asked at most so often; between, the price stands
    lasts       where it does not answer, the last price stands for so long; then there are no earnings to tell
    bearer_env, headers_env, params_env, timeout
                as in `Http`

    A price of 0 or below is none.

    >>> LivePrice("http://127.0.0.1:8081/token", "usd")
    LivePrice('http://127.0.0.1:8081', 'usd')
    """

    def __init__(
        self,
        url: str,
        value: str,
        *,
        unit: str = "usd",
        every: timedelta = timedelta(minutes=5),
        lasts: timedelta = timedelta(hours=1),
        bearer_env: str | None = None,
        headers_env: dict[str, str] | None = None,
        params_env: dict[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        if unit not in MONEY:
            raise ConfigurationError(f"the price is in {unit!r}; it must be in one of {', '.join(MONEY)}")
        path_of(value)
        self._http = Http(url, bearer_env=bearer_env, headers_env=headers_env, params_env=params_env, timeout=timeout)
        self._value, self._unit, self._every, self._lasts = value, unit, every, lasts
        self.timeout = timeout
        self._usd: float | None = None
        self._asked = self._answered = float("-inf")

    def __repr__(self) -> str:
        return f"LivePrice({self._http.origin!r}, {self._value!r})"

    async def usd(self, clock: Clock) -> float:
        """USD for one unit; raises ProtocolError, with the kind of the failure, where no price stands any more."""
        now = clock.monotonic()
        if self._usd is not None and now - self._asked < self._every.total_seconds():
            return self._usd
        try:
            found = look_up(await self._http.get(), self._value, "the price")
            price = float(exact(found, "the price") * MONEY[self._unit])
            if price <= 0.0:
                raise ProtocolError(f"the price is {redact(str(found), 20)}, which is none", ErrorKind.SHAPE)
        except ProtocolError as error:
            if self._usd is None or now - self._answered >= self._lasts.total_seconds():
                raise ProtocolError(
                    f"no price to count by: {error}", error.kind, retry_after_seconds=error.retry_after_seconds
                ) from None
            self._asked = now
            return self._usd
        self._usd, self._asked, self._answered = price, now, now
        return price

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()
