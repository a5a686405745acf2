"""Secrets: named by their environment variable, read when used, and struck out of every text that leaves."""

from __future__ import annotations

import os
import re

from ...errors import ErrorKind, ProtocolError

LONGEST = 300
"""Characters of a foreign text that are kept."""
LEAST = 4
"""Shorter values are not struck out: they would take ordinary words with them."""
PREFIX = 8
"""A secret's first signs are struck out too where there are so many of them; its scheme ("https://") does not count."""
_seen: dict[str, int] = {}
"""Each way to write a secret, in small letters: the least length of a prefix that is struck out."""
# No pattern may begin with a repetition: on a long text, each sign of it would be tried as a beginning.
_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}"), r"\1 ***"),
    (re.compile(r"://[^/\s@]+@"), "://***@"),
    (
        re.compile(
            r"(?i)((?:token|secret|passw(?:or)?d|api[_-]?key|authorization)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+"
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
    if len(value) < LEAST or _small(value) in _seen:
        return
    from base64 import b64encode
    from html import escape
    from json import dumps
    from urllib.parse import quote, quote_plus

    scheme = value[: value.find("://") + 3] if "://" in value else ""
    for write in (
        str,
        quote,
        lambda text: quote(text, safe=""),
        quote_plus,
        lambda text: dumps(text)[1:-1],
        lambda text: repr(text)[1:-1],
        escape,
        lambda text: b64encode(text.encode()).decode().rstrip("="),
    ):
        written = write(value)
        _seen[_small(written)] = min(len(write(scheme)) + PREFIX, len(written))


def redact(text: str, longest: int = LONGEST) -> str:
    """`text` in one line of at most `longest` characters, without known secrets and without what looks like one.

    A known secret is found in capital and small letters, and where only its first `PREFIX` signs or more are there.
    Work grows with `longest` and with the secrets, not with the text: whatever a source says holds nobody up.

    >>> redact("GET http://me:pw@127.0.0.1/x?api_key=12345 failed")
    'GET http://***@127.0.0.1/x?api_key=*** failed'
    """
    if not text:
        return ""
    overlap = max(map(len, _seen), default=0)
    kept = text[: 4 * longest + overlap]
    told = _without_known(kept)
    if len(kept) < len(text):  # the cut may have left the beginning of a secret: no such beginning is longer than this
        told = told[: max(len(told) - overlap, 0)]
    for shape, instead in _SHAPES:
        told = shape.sub(instead, told)
    told = " ".join("".join(sign if sign.isprintable() else " " for sign in told).split())
    return told if len(told) <= longest else told[: longest - 3] + "..."


def _small(text: str) -> str:
    """In small letters, sign by sign: as long as the text."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := sign.lower()) == 1 else sign for sign in text)


def _without_known(text: str) -> str:
    """`text` with *** in place of every known secret and of every prefix of one that is long enough."""
    small, spans = _small(text), []
    for value, least in _seen.items():
        for part in (value, value[:least]):
            at = small.find(part)
            while at >= 0:
                end = at + len(part)
                while end - at < len(value) and end < len(small) and small[end] == value[end - at]:
                    end += 1
                spans.append((at, end))
                at = small.find(part, end)
    kept, done = [], 0
    for at, end in sorted(spans):
        if at >= done:
            kept += [text[done:at], "***"]
        done = max(done, end)
    return "".join(kept) + text[done:]


def words_of(error: BaseException) -> str:
    """What an error says, without secrets. One of a plug-in's own may fail to say anything."""
    try:
        return redact(str(error))
    except Exception:
        return "an error that cannot be put into words"
