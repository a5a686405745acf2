"""The log of a run: changes, one line each, as text or as JSON; without secrets, in the run's own time."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ..engine.contracts.clock import Clock
from ..engine.contracts.secrets import redact
from ..runtime.events import LogEvent
from ..text.numbers import shown

LOGGER = "reallot.run"
MOST = 2000
"""Characters of a line."""


class _TextFormatter(logging.Formatter):
    """Text: time, what happened."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def moment(self, record: logging.LogRecord) -> datetime:
        """When it happened, by the run's clock."""
        at = getattr(record, "at", None)
        return at.astimezone(UTC) if isinstance(at, datetime) else self._clock.now()

    def format(self, record: logging.LogRecord) -> str:
        lead = "! " if record.levelno >= logging.WARNING else "  "
        return f"{self.moment(record):%m-%d %H:%M:%S} {lead}{_safe(record.getMessage())}"


class _JsonFormatter(_TextFormatter):
    """JSON: time, level, event, message, and the event's numbers."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": self.moment(record).isoformat(),
            "level": record.levelname.lower(),
            "event": getattr(record, "kind", "source"),
            "message": _safe(record.getMessage()),
        }
        fields = getattr(record, "fields", {})
        told |= {key: redact(value) if isinstance(value, str) else value for key, value in fields.items()}
        return json.dumps(told, allow_nan=False, ensure_ascii=False)


class _Handler(logging.Handler):
    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record))
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except Exception:
            self.handleError(record)


def _safe(text: str) -> str:
    """In one line, without secrets and control characters."""
    return shown(redact(text, MOST))


@contextmanager
def logging_to(write: Callable[[str], None], clock: Clock, *, as_json: bool = False) -> Iterator[None]:
    """While this lasts, every line of the library's logs goes to `write`."""
    logger, handler = logging.getLogger("reallot"), _Handler(write)
    handler.setFormatter((_JsonFormatter if as_json else _TextFormatter)(clock))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def tell(event: LogEvent) -> None:
    """One event as a log record."""
    extra = {"at": event.at, "kind": event.kind, "fields": event.fields}
    logging.getLogger(LOGGER).log(event.level, "%s", event.text, extra=extra)
