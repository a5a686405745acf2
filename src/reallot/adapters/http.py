"""Http: JSON over HTTP for adapters, every failure a kind; the only file that knows the client library."""

from __future__ import annotations

import asyncio
import json
import math
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

from ..engine.contracts.secrets import Secret, redact, remember
from ..errors import ConfigurationError, ErrorKind, ProtocolError, how_to_install

if TYPE_CHECKING:
    import httpx2

MOST_BYTES = 2 << 20
"""A longer body is not read to its end."""
_MOST_REDIRECTS = 3
_PASSWORD_FIELD = re.compile(rb"type\s{0,9}=\s{0,9}[\"']?password")
_TAG_SIGNS = 250
"""A tag's name stands at most so many signs before its type."""
_LOGIN_PATH = re.compile(r"(?i)\b(log-?in|sign-?in|auth|sso)\b")
_SECRET_KEY = re.compile(r"(?i)token|secret|passw|api[_-]?key|^key$|^auth")


class Http:
    """JSON from one server. Secrets are given by the name of their environment variable and read at each request.

    url          where paths start: "http://127.0.0.1:14002"
    bearer_env   variable with the token for "Authorization: Bearer"
    basic_env    variables with user and password
    headers_env  header to variable
    params_env   query parameter to variable
    timeout      of a whole request, redirects and body included

    Redirects are followed on the same server only. No proxy and no login of the environment is used.
    """

    def __init__(
        self,
        url: str,
        *,
        bearer_env: str | None = None,
        basic_env: tuple[str, str] | None = None,
        headers_env: Mapping[str, str] | None = None,
        params_env: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._url, self.timeout = _checked(url), timeout
        _library()  # here, so that no poll waits for its loading
        self._bearer = Secret(bearer_env) if bearer_env else None
        self._basic = (Secret(basic_env[0]), Secret(basic_env[1])) if basic_env else None
        self._headers = {name: Secret(variable) for name, variable in (headers_env or {}).items()}
        self._params = {name: Secret(variable) for name, variable in (params_env or {}).items()}
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"Http({self.origin!r})"

    @property
    def origin(self) -> str:
        """Scheme, host and port; what messages show."""
        return f"{self._url.scheme}://{self._url.netloc}"

    async def get(self, path: str = "", params: Mapping[str, str] | None = None, *, bearer: str | None = None) -> Any:
        """The JSON document at `path`, its fractions as Decimal; raises ProtocolError with a kind."""
        return (await self.ask("GET", path, params=params, bearer=bearer))[1]

    async def ask(
        self,
        method: str,
        path: str = "",
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        bearer: str | None = None,
    ) -> tuple[int, Any]:
        """(status below 300, document or None where the body is empty); raises ProtocolError with a kind.

        A request that changes something, and whose answer did not come, raises with kind UNKNOWN.
        """
        httpx2 = _library()
        where = f"{method} {self.origin}{(self._url.path + path).partition('?')[0]}"
        changes = method not in ("GET", "HEAD")
        headers, query = self._secrets(bearer)
        query |= dict(params or {})
        lost = ErrorKind.UNKNOWN if changes else ErrorKind.UNREACHABLE
        known = bool(headers or self._params or changes)
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                return await self._follow(method, path, query, headers, body, where)
        except ProtocolError as error:
            if error.kind is not ErrorKind.AUTH or known:
                raise
            # a CDN or a restart refuses passers-by for a moment
            pause = error.retry_after_seconds
            told = f"{error} (no login is configured)"
            raise ProtocolError(told, ErrorKind.TRANSIENT, retry_after_seconds=pause) from None
        except (TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout):
            raise ProtocolError(f"{where}: no answer within {self.timeout.total_seconds():g} s", lost) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            raise ProtocolError(f"{where}: no connection", ErrorKind.UNREACHABLE) from None
        except httpx2.DecodingError:
            raise ProtocolError(f"{where}: a body that cannot be unpacked", ErrorKind.SHAPE) from None
        except (httpx2.TransportError, httpx2.StreamError) as error:
            kind = ErrorKind.UNKNOWN if changes else ErrorKind.TRANSIENT
            raise ProtocolError(f"{where}: {type(error).__name__}", kind) from None
        except UnicodeError:  # whose own words tell a sign of it, and where it stands
            raise ProtocolError(f"{where}: a header with a sign that is not ASCII", ErrorKind.SHAPE) from None
        except (httpx2.InvalidURL, ValueError) as error:
            raise ProtocolError(f"{where}: {redact(str(error))}", ErrorKind.SHAPE) from None

    async def close(self) -> None:
        """Closes its connections; it may be used again."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            with suppress(Exception):
                await client.aclose()

    def _connected(self) -> httpx2.AsyncClient:
        httpx2, loop = _library(), asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = httpx2.AsyncClient(
                verify=_bare() if self._url.scheme == "http" else True,
                trust_env=False,
                timeout=self.timeout.total_seconds(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "reallot"},
                # no connection outlives its request: polls are minutes apart, and loops come and go
                limits=httpx2.Limits(max_connections=8, max_keepalive_connections=0),
            )
            self._loop = loop
        return self._client

    def _secrets(self, bearer: str | None) -> tuple[dict[str, str], dict[str, str]]:
        headers = {name: secret.value() for name, secret in self._headers.items()}
        token = bearer or (self._bearer.value() if self._bearer else None)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif self._basic:
            from base64 import b64encode

            user, password = (secret.value() for secret in self._basic)
            login = b64encode(f"{user}:{password}".encode()).decode()
            remember(login)
            headers["Authorization"] = f"Basic {login}"
        return headers, {name: secret.value() for name, secret in self._params.items()}

    async def _follow(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any, where: str
    ) -> tuple[int, Any]:
        own = dict(parse_qsl(self._url.query, keep_blank_values=True))
        url, params = f"{self.origin}{self._url.path}{path}", own | query
        for _ in range(_MOST_REDIRECTS + 1):
            request = self._connected().build_request(method, url, params=params or None, headers=headers, json=body)
            response = await self._connected().send(request, stream=True, follow_redirects=False)
            try:
                if response.is_redirect:
                    url = self._redirected(url, response.headers.get("location", ""), method, where)
                    params = {} if urlsplit(url).query else params
                    continue
                content = await _read(response, where)
            finally:
                await response.aclose()
            return response.status_code, _document(response, content, where)
        raise ProtocolError(f"{where}: redirected more than {_MOST_REDIRECTS} times", ErrorKind.SHAPE)

    def _redirected(self, url: str, location: str, method: str, where: str) -> str:
        target = urljoin(url, location)
        parts = urlsplit(target)
        if _LOGIN_PATH.search(parts.path):
            raise ProtocolError(f"{where}: sent to a login page", ErrorKind.AUTH)
        if (parts.scheme, parts.netloc) != (self._url.scheme, self._url.netloc):
            raise ProtocolError(f"{where}: redirected to another server", ErrorKind.SHAPE)
        if method != "GET":
            raise ProtocolError(f"{where}: redirected, and not followed", ErrorKind.REFUSED)
        return target


def _library() -> ModuleType:
    """The client library; raises ConfigurationError where it is not installed."""
    try:
        import httpx2
    except ImportError:
        raise ConfigurationError(f"adapters over HTTP need the extra http: {how_to_install('http')}") from None
    return httpx2


@cache
def _bare() -> ssl.SSLContext:
    """Trusts nobody: plain HTTP needs no certificates, whose loading takes longer than all the rest."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise ConfigurationError("a url is wrong; give one such as http://127.0.0.1:8080/api")
    if parts.username or parts.password:
        raise ConfigurationError("a url holds a login; put it into environment variables and name them (basic_env)")
    found = next((key for key, _ in parse_qsl(parts.query) if _SECRET_KEY.search(key)), None)
    if found:
        raise ConfigurationError(f"a url holds {found!r}; put its value into a variable and name it (params_env)")
    return parts._replace(path=parts.path.rstrip("/") if not parts.query else parts.path, fragment="")


async def _read(response: httpx2.Response, where: str) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MOST_BYTES:
            raise ProtocolError(f"{where}: more than {MOST_BYTES} bytes", ErrorKind.SHAPE)
    return bytes(content)


def _document(response: httpx2.Response, content: bytes, where: str) -> Any:
    """The document of an answer below 300; raises ProtocolError for all others and for what is no JSON."""
    status, kind = response.status_code, response.headers.get("content-type", "").lower()
    html = "html" in kind or content.lstrip()[:1] == b"<"
    if status >= 300:
        told = "" if html else _told(content)
        raise ProtocolError(
            f"{where}: status {status}{': ' + told if told else ''}",
            _kind_of(status),
            retry_after_seconds=_pause(response.headers.get("retry-after")),
        )
    if html:
        if _asks_for_password(content):
            raise ProtocolError(f"{where}: a login page", ErrorKind.AUTH)
        raise ProtocolError(f"{where}: a page of HTML, not JSON; does this version know the path?", ErrorKind.SHAPE)
    return parsed(content, where) if content.strip() else None


def _asks_for_password(page: bytes) -> bool:
    """True for a page with an <input type="password">."""
    page = page.lower()
    for field in islice(_PASSWORD_FIELD.finditer(page), 100):
        tag = page[max(field.start() - _TAG_SIGNS, 0) : field.start()].rpartition(b"<input")
        if tag[1] and b">" not in tag[2]:
            return True
    return False


def _kind_of(status: int) -> ErrorKind:
    if status in (401, 403, 407):
        return ErrorKind.AUTH
    if status == 429:
        return ErrorKind.RATE_LIMITED
    return ErrorKind.TRANSIENT if status >= 500 or status in (408, 425) else ErrorKind.SHAPE


def parsed(content: bytes | str, where: str) -> Any:
    """JSON as Python values, fractions as Decimal; raises ProtocolError(SHAPE), also for NaN and for a key twice."""
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError, ArithmeticError) as error:
        words = "nested too deeply" if isinstance(error, RecursionError) else redact(str(error))
        raise ProtocolError(f"{where}: no sound JSON: {words}", ErrorKind.SHAPE) from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _told(content: bytes) -> str:
    with suppress(ValueError, RecursionError):
        document = json.loads(content)
        if isinstance(document, dict):
            told = next((document[key] for key in ("error", "message", "detail") if key in document), "")
            told = told.get("message", "") if isinstance(told, dict) else told
            return redact(str(told))[:120]
    return ""


def _pause(value: str | None) -> float | None:
    """Seconds of a Retry-After, which may be a date; None where it says nothing sensible."""
    if not value:
        return None
    with suppress(ValueError):
        seconds = float(value)
        return seconds if math.isfinite(seconds) and seconds >= 0.0 else None
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
    return None
