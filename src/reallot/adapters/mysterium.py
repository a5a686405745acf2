"""MysteriumAdapter: a Mysterium node, by its local API; reads only.

`earnings_total_tokens` is what all sessions ever brought, settled or not: a counter in wei, as text, since it does
not fit into a double. `human` is rounded, `earnings` is what is not settled yet and drops at a settlement.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..engine.contracts.adapter import Capabilities
from ..engine.contracts.clock import Clock
from ..engine.contracts.records import ProtocolStatus, SeriesKind
from ..engine.contracts.secrets import Secret, remember
from ..errors import ErrorKind, ProtocolError
from .http import Http
from .reading import Detail, Reader, look_up
from .series import Series, Unit, exact


class MysteriumAdapter(Reader):
    """One node; all its registered identities are added up.

    price_usd     USD for one MYST; without it the node has no value
    user_env, password_env
                  variables with the login, where the node asks for one

    >>> MysteriumAdapter(price_usd=0.2)
    MysteriumAdapter('mysterium', 'http://127.0.0.1:4050')
    """

    def __init__(
        self,
        name: str = "mysterium",
        url: str = "http://127.0.0.1:4050",
        *,
        price_usd: float | None = None,
        user_env: str | None = None,
        password_env: str | None = None,
        share: float | None = None,
        most: float | None = 50.0,
        window: timedelta = timedelta(hours=6),
        timeout: timedelta = timedelta(seconds=10),
        min_interval: timedelta = timedelta(minutes=1),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            name,
            Series(SeriesKind.COUNTER, window=window),
            Unit("wei", price_usd),
            share=share,
            most=most,
            clock=clock,
            capabilities=Capabilities(acts=False, timeout=2 * timeout, min_interval=min_interval),
        )
        self._http = Http(url, timeout=timeout)
        self._login = (Secret(user_env), Secret(password_env)) if user_env and password_env else None
        self._token: str | None = None

    def __repr__(self) -> str:
        return f"MysteriumAdapter({self.name!r}, {self._http.origin!r})"

    async def get_status(self) -> ProtocolStatus:
        """Earnings of all registered identities, and whether a service runs; raises ProtocolError."""
        listed = look_up(await self._get("/identities"), "identities", self.name)
        if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
            raise ProtocolError(f"{self.name}: identities are no list of objects", ErrorKind.SHAPE)
        totals, unsettled = [], 0.0
        for identity in listed[:20]:
            found = await self._get(f"/identities/{_name(identity)}")
            state = look_up(found, "registration_status", self.name)
            if state != "Registered":
                continue
            totals.append(look_up(found, "earnings_total_tokens.wei", self.name))
            unsettled += float(exact(look_up(found, "earnings_tokens.wei", self.name), "earnings_tokens")) / 1e18
        if not totals:
            raise ProtocolError(f"{self.name}: no identity is registered", ErrorKind.NEVER_REPORTED)
        services = await self._get("/services")
        running = _running(services, self.name)
        details: dict[str, Detail] = {
            "identities": len(totals),
            "services_running": running,
            "unsettled_myst": unsettled,
        }
        # an identity that is gone takes its total along: the meter knows a dip from a reset
        return self.status(totals, "earnings_total_tokens", healthy=running > 0, details=details)

    async def close(self) -> None:
        """Closes its connections, and forgets its token."""
        self._token = None
        await self._http.close()

    async def _get(self, path: str) -> Any:
        """The document at `path`; where a login is known, it is made once, and again when its token has ended."""
        if self._login is not None and self._token is None:
            await self._log_in()
        try:
            return await self._http.get(path, bearer=self._token)
        except ProtocolError as error:
            if error.kind is not ErrorKind.AUTH or self._login is None:
                raise
        await self._log_in()
        return await self._http.get(path, bearer=self._token)

    async def _log_in(self) -> None:
        if self._login is None:
            return
        user, password = (secret.value() for secret in self._login)
        self._token = None
        try:
            _, found = await self._http.ask("POST", "/auth/authenticate", body={"username": user, "password": password})
        except ProtocolError as error:
            kind = ErrorKind.TRANSIENT if error.kind is ErrorKind.UNKNOWN else error.kind  # a login changes nothing
            raise ProtocolError(str(error), kind, retry_after_seconds=error.retry_after_seconds) from None
        token = look_up(found, "token", self.name)
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise ProtocolError(f"{self.name}: a login without a token", ErrorKind.SHAPE)
        remember(token)
        self._token = token


def _name(identity: Mapping[str, Any]) -> str:
    """An identity's id, which becomes part of a path."""
    found = identity.get("id")
    if not isinstance(found, str) or not found.isalnum() or not found.isascii():
        raise ProtocolError("an identity without a sound id", ErrorKind.SHAPE)
    return found


def _running(services: Any, where: str) -> int:
    if not isinstance(services, list):
        raise ProtocolError(f"{where}: services are no list", ErrorKind.SHAPE)
    return sum(isinstance(each, Mapping) and each.get("status") == "Running" for each in services)
