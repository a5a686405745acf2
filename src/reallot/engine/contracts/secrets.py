"""Secrets: named by their environment variable, read when used, and struck out of every text that leaves."""

from __future__ import annotations

import os
import re

from ...errors import ErrorKind, ProtocolError

LONGEST = 300
"""Characters of a foreign text that are kept."""
LEAST = 4
"""Shorter values are not struck out: they would take ordinary words with them."""
_seen: set[str] = set()
_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}"), r"\1 ***"),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s@]+@"), r"\1***@"),
    (
        re.compile(
            r"(?i)([\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|authorization)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+"
        ),
        r"\1***",
    ),
)


class Secret:
    """A value in the environment, by the variable's name: the value is in no repr, and struck out of every message.

    >>> Secret("NODE_TOKEN")
    Secret('NODE_TOKEN')
    """

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def __repr__(self) -> str:
        return f"Secret({self.variable!r})"

    def value(self) -> str:
        """The value as it is now; raises ProtocolError(AUTH), naming the variable, where it is not set."""
        found = os.environ.get(self.variable, "")
        if not found:
            raise ProtocolError(f"the environment variable {self.variable} is not set", ErrorKind.AUTH)
        if not found.isprintable():
            raise ProtocolError(f"the environment variable {self.variable} holds a line break", ErrorKind.AUTH)
        remember(found)
        return found


def remember(value: str) -> None:
    """`value` is struck out of texts from now on, as it is and as addresses, JSON, HTML and logins write it."""
    if len(value) < LEAST or value in _seen:
        return
    from base64 import b64encode
    from html import escape
    from json import dumps
    from urllib.parse import quote, quote_plus

    written = (quote(value), quote(value, safe=""), quote_plus(value), dumps(value)[1:-1], repr(value)[1:-1])
    _seen.update((value, *written, escape(value), b64encode(value.encode()).decode().rstrip("=")))


def redact(text: str, longest: int = LONGEST) -> str:
    """`text` in one line of at most `longest` characters, without known secrets and without what looks like one.

    >>> redact("GET http://me:pw@127.0.0.1/x?api_key=12345 failed")
    'GET http://***@127.0.0.1/x?api_key=*** failed'
    """
    if not text:
        return ""
    for value in sorted(_seen, key=len, reverse=True):
        text = text.replace(value, "***")
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * longest]).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."
