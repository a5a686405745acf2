"""What went wrong as application/problem+json (RFC 9457): the library's own sentence, and what helps."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ..engine.contracts.secrets import redact
from ..errors import (
    ConfigurationError,
    DataError,
    ErrorKind,
    Infeasible,
    InvalidInput,
    MonitoringError,
    ProtocolError,
    ReallocationError,
)

BASE = "https://reallot.invalid/problems/"
MEDIA = "application/problem+json"
TITLES = {
    "invalid": "The request cannot be read as it is",
    "unknown": "There is nothing of this name",
    "infeasible": "No split meets all limits",
    "unsolved": "No certified plan was found",
    "precondition-required": "The request has to name what it was decided on",
    "outdated": "It was decided on something that is not so any more",
    "unauthenticated": "A token is needed",
    "scope": "The token may not do this",
    "host": "This server is not known by that name",
    "origin": "A page of another origin asks",
    "token-in-url": "A token stands in the address",
    "too-large": "The body is too large",
    "media-type": "The body is no JSON",
    "rate": "Too many requests",
    "busy": "Too much is asked at once",
    "slow": "The answer took too long",
    "no-readings": "There are no readings",
    "ledger": "The ledger cannot be used",
    "method": "The method is not known here",
    "key": "The idempotency key belongs to another action",
    "bug": "The server failed",
}
GUARDS_412 = ("outdated", "expired")


class Problem(Exception):
    """An answer that says no. `more` are further members; `retry_after` is in seconds."""

    def __init__(self, status: int, kind: str, detail: str, *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.retry_after, self.more = retry_after, more

    def body(self, instance: str) -> dict[str, Any]:
        """The document; `instance` is the request's id."""
        found = {
            "type": BASE + self.kind,
            "title": TITLES.get(self.kind, self.kind.replace("_", " ")),
            "status": self.status,
            "detail": redact(self.detail, 800),
            "instance": f"urn:reallot:request:{instance}",
            **{key: value for key, value in self.more.items() if value is not None},
        }
        return found if self.retry_after is None else {**found, "retry_after": math.ceil(self.retry_after)}

    def headers(self) -> dict[str, str]:
        """Those that go with it."""
        found = {} if self.retry_after is None else {"Retry-After": str(math.ceil(self.retry_after))}
        return {**found, "WWW-Authenticate": "Bearer"} if self.status == 401 else found

    def text(self, instance: str) -> bytes:
        """The document as it is sent."""
        return json.dumps(self.body(instance), ensure_ascii=False, allow_nan=False).encode()


def problem_of(error: Exception, now: datetime | None = None) -> Problem:
    """What is told of an exception of the library; of any other nothing but that it happened."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ReallocationError):
        return _refused(error, now or datetime.now(UTC))
    if isinstance(error, Infeasible):
        conflict = None if error.conflict is None else asdict(error.conflict)
        return Problem(422, "infeasible", str(error), conflict=conflict)
    if isinstance(error, ProtocolError):
        status = 504 if error.kind in (ErrorKind.UNREACHABLE, ErrorKind.TRANSIENT) else 502
        return Problem(status, error.kind.value, str(error), retry_after=error.retry_after_seconds)
    if isinstance(error, MonitoringError):
        return Problem(404, "no-readings", str(error))
    if isinstance(error, DataError):
        return Problem(503, "ledger", str(error), retry_after=5.0)
    if isinstance(error, (InvalidInput, ConfigurationError)):
        return Problem(422, "invalid", str(error))
    logging.getLogger("reallot.service").error("a request failed: %s", type(error).__name__)
    return Problem(500, "bug", "the server failed at this request; its log has the request's id")


def _refused(error: ReallocationError, now: datetime) -> Problem:
    kind = str(error.by) or "refused"
    if kind == "input":
        return Problem(422, "invalid", error.reason)
    until = None if error.until is None else error.until.astimezone(UTC).isoformat()
    after = None if error.until is None else max(0.0, (error.until - now).total_seconds())
    status = 412 if kind in GUARDS_412 else 409
    return Problem(status, kind, error.reason, retry_after=after, by=kind, until=until)
