"""Who may ask for what: tokens with a scope, and the names by which a browser may have come here. Pure functions."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit

from ..errors import DataError, InvalidInput, near_miss

Scope = Literal["none", "read", "act"]
SCOPES: tuple[Scope, ...] = ("read", "act")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
STARTS_KEPT, START_LIFE = 5, timedelta(days=30)
"""Tokens that starts have printed go on being good, so that an open page outlives a restart: so many, so long."""
SUBPROTOCOL, TOKEN_PREFIX = "reallot.v1", "token."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True)
class Caller:
    """Who a token belongs to; `name` is the actor of what is asked for with it."""

    name: str
    scope: Scope

    def may(self, scope: Scope) -> bool:
        """True where this scope is within its own."""
        return scope == "none" or self.scope == "act" or self.scope == scope


@dataclass(frozen=True)
class Token:
    """A token as it is kept: never itself, only its SHA-256."""

    name: str
    scope: Scope
    sha256: str
    created: datetime
    expires: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """True until it expires."""
        return self.expires is None or now < self.expires


class Tokens:
    """The tokens of a ledger, in `tokens.json` (mode 0600); in memory without a folder. May raise DataError."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "tokens.json"
        self._tokens: list[Token] = []
        self._read: object = None
        self._lock = Lock()

    def all(self) -> list[Token]:
        """Those that are kept, as the file says now: what another process revokes is gone at once."""
        if self.path is None:
            return list(self._tokens)
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{self.path}: {error}") from error
        with self._lock:
            if (stamp := (found.st_mtime_ns, found.st_size, found.st_ino)) != self._read:
                self._tokens, self._read = _tokens_of(self.path), stamp
            return list(self._tokens)

    def new(self, scope: Scope, name: str, life: timedelta | None, now: datetime | None = None) -> str:
        """Makes one and returns it: nobody can read it again. Raises InvalidInput for a name that is taken."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{name[:60]!r} names no token; give 1 to 40 letters, digits, '.', '_' or '-'")
        now, known = now or datetime.now(UTC), self.all()
        if name in {each.name for each in known if each.is_good(now)}:
            raise InvalidInput(f"there is a token {name!r}; revoke it first, or give another name")
        text = secrets.token_urlsafe(32)
        made = Token(name, scope, digest(text), now, None if life is None else now + life)
        self._write([*(each for each in known if each.name != name), made])
        return text

    def start(self, now: datetime | None = None) -> str:
        """The token that a start prints; those of the last few starts stay good for a month."""
        now = now or datetime.now(UTC)
        kept = [each for each in self.all() if each.is_good(now)]
        starts = [each for each in kept if each.name.startswith("start-")]
        old = {each.sha256 for each in starts[: max(0, len(starts) - STARTS_KEPT + 1)]}
        self._write([each for each in kept if each.sha256 not in old])
        return self.new("act", f"start-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}", START_LIFE, now)

    def revoke(self, name: str) -> None:
        """Forgets one; raises InvalidInput where there is none of this name."""
        known = self.all()
        if name not in {each.name for each in known}:
            raise InvalidInput(f"there is no token {name[:60]!r}; {near_miss(name, [each.name for each in known])}")
        self._write([each for each in known if each.name != name])

    def caller(self, text: str, now: datetime | None = None) -> Caller | None:
        """Who a token belongs to; None for one that is not known, or not good any more."""
        now, asked, found = now or datetime.now(UTC), digest(text), None
        for each in self.all():  # all of them, so that the time says nothing
            if secrets.compare_digest(each.sha256, asked) and each.is_good(now):
                found = Caller(each.name, each.scope)
        return found

    def _write(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        if self.path is None:
            return
        rows = [
            {
                "name": each.name,
                "scope": each.scope,
                "sha256": each.sha256,
                "created": each.created.isoformat(),
                "expires": None if each.expires is None else each.expires.isoformat(),
            }
            for each in tokens
        ]
        fresh = self.path.with_name("tokens.json.new")
        try:
            with suppress(FileNotFoundError):
                fresh.unlink()
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump({"tokens": rows}, file, indent=1)
            fresh.replace(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: {error}") from error


def _tokens_of(path: Path) -> list[Token]:
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["tokens"]
        return [
            Token(
                str(row["name"]),
                "act" if row["scope"] == "act" else "read",
                str(row["sha256"]),
                datetime.fromisoformat(row["created"]),
                None if row["expires"] is None else datetime.fromisoformat(row["expires"]),
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{path} holds no tokens that can be read; delete it, and make new ones") from None


def digest(text: str) -> str:
    """SHA-256 of a token, which is random: no salt is needed."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Refusal:
    """Why a request is turned away, before anything of it is looked at."""

    status: int
    kind: str
    detail: str
    retry_after: float | None = None


def host_of(header: str) -> str | None:
    """The host of a Host header, lower-case and without its port; None where it is none."""
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", header.lower(), re.ASCII)
    return found[1] if found and int(found[2] or 0) <= 65535 else None


def wrong_host(values: Collection[str], hosts: Collection[str]) -> Refusal | None:
    """None where there is one Host header that names this server exactly."""
    host = host_of(next(iter(values))) if len(values) == 1 else None
    if host is not None and host in hosts:
        return None
    named = "no host that can be read" if host is None else f"the host {host[:80]!r}"
    return Refusal(421, "host", f"the request names {named}, which is not this server; add it to [service] hosts")


def is_opened(headers: Mapping[str, Iterable[str]]) -> bool:
    """True where a browser opens an address for a person, who may have found it in a message or on another page."""
    found = [list(headers.get(f"sec-fetch-{name}", ())) for name in ("mode", "dest")]
    return found == [["navigate"], ["document"]]


def wrong_origin(headers: Mapping[str, Iterable[str]], secure: bool, *, opened: bool = False) -> Refusal | None:
    """None where no page of another origin can have sent it: the Origin is that of Host, or no browser names any.

    opened  True where it opens a page that is the same for everybody: a link to that may stand anywhere
    """
    origins, sites = list(headers.get("origin", ())), list(headers.get("sec-fetch-site", ()))
    host = next(iter(headers.get("host", ("",)))).lower()
    told = "a page of another origin may not ask here; open this server's own page, or ask without a browser"
    if not opened and any(site not in ("same-origin", "none") for site in sites):
        return Refusal(403, "origin", told)
    if not origins:
        return None
    if len(origins) > 1:
        return Refusal(403, "origin", told)
    try:
        asked = urlsplit(origins[0].lower())
        port, bare = asked.port, asked.hostname
    except ValueError:
        return Refusal(403, "origin", told)
    if bare is None or asked.path or asked.query or asked.fragment or asked.username or asked.scheme not in _PORTS:
        return Refusal(403, "origin", told)
    own = urlsplit(f"//{host}")
    default = _PORTS[asked.scheme]
    same = (bare, port or default) == (own.hostname, own.port or default)
    if bare in _BARE_LOOPBACK:  # no proxy stands before it that would speak TLS
        same = same and asked.scheme == ("https" if secure else "http")
    return None if same else Refusal(403, "origin", told)


_PORTS = {"http": 80, "https": 443}
_BARE_LOOPBACK = {host.strip("[]") for host in LOOPBACK}


def bearer(headers: Mapping[str, Iterable[str]]) -> str | None:
    """The token of an Authorization header; None without one."""
    values = list(headers.get("authorization", ()))
    if len(values) != 1:
        return None
    kind, _, text = values[0].partition(" ")
    return text.strip() if kind.lower() == "bearer" and text.strip() else None


def offered(subprotocols: Iterable[str]) -> str | None:
    """The token among the subprotocols that a WebSocket offers; None where there is none, or another version."""
    names = list(subprotocols)
    found = [name.removeprefix(TOKEN_PREFIX) for name in names if name.startswith(TOKEN_PREFIX)]
    return found[0] if SUBPROTOCOL in names and len(found) == 1 and found[0] else None


class Bucket:
    """A rate: so many at once, and so many a second after that."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, float("-inf")

    def take(self, now: float) -> float:
        """0 where one may go on at `now` (steady seconds); else seconds until it may."""
        if now > self._at:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / self._rate
