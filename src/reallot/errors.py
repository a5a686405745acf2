"""Every error of the library on one page, grouped by what the caller does next.

ReallotError
    InvalidInput     fix the call: a name, a number, a unit or a shape is wrong
    Infeasible       loosen a limit: no split meets all rules; the message names them and the amount
    SolverFailed     try another solver, or give it more time: nothing certified came back
    OrchestrationError
        CoordinationError    a poll as a whole could not be made
        OptimizationError    no plan could be made of the metrics
        ReallocationError    a move may not be made now, or did not end as planned: `by`, `until`, `reason`
        MonitoringError      a report or an alert was asked for that is not there
        ProtocolError        one protocol did not answer or refused: `kind` says what to do next
        ConfigurationError   fix the configuration: it names the file and the key
        DataError            the ledger could not be read or written: acting stops, observing goes on
        CalculationError     a number came out that cannot be: nothing is done with it
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReallotError(Exception):
    """Base of every error that this library raises on purpose."""


class InvalidInput(ReallotError, ValueError):
    """The question itself is wrong: fix the call."""


@dataclass(frozen=True)
class Relaxation:
    """One rule, loosened alone by `amount` (in its own unit), makes the problem feasible; `text` says so."""

    rule: str
    amount: float
    text: str


@dataclass(frozen=True)
class Conflict:
    """Rules that no split meets together.

    rules        their names
    amount       the least total loosening, in shares (a resource counts by its own capacity)
    relaxations  single rules whose loosening is enough, cheapest first; each has been tried
    message      all of it in words
    """

    rules: tuple[str, ...]
    amount: float
    relaxations: tuple[Relaxation, ...]
    message: str


class Infeasible(ReallotError):
    """No split meets all rules at once: loosen one of them.

    `conflict` holds the rules by name, the amount and the single relaxations that work.
    """

    def __init__(self, message: str, conflict: Conflict | None = None) -> None:
        super().__init__(message)
        self.conflict = conflict


class SolverFailed(ReallotError):
    """No certified answer came back: try another solver or allow more time."""


class ErrorKind(StrEnum):
    """Why a protocol has no value now; what to do next follows from it.

    AUTH            the login was refused: ask seldom until somebody mends it
    RATE_LIMITED    asked too often: wait
    TRANSIENT       a failure of the moment: try again, later each time
    SHAPE           it answered, but not what it should: a version, a unit or a page of text
    UNREACHABLE     no answer at all
    NEVER_REPORTED  it answers, and has not reported a value yet
    REFUSED         a change was refused: do not try it again
    UNKNOWN         a change may or may not have happened: read it back
    """

    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    TRANSIENT = "transient"
    SHAPE = "shape"
    UNREACHABLE = "unreachable"
    NEVER_REPORTED = "never_reported"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class OrchestrationError(ReallotError):
    """Base of what goes wrong around a decision: polling, moving, watching."""


class CoordinationError(OrchestrationError):
    """A poll as a whole could not be made: nothing is registered, or nothing answered."""


class OptimizationError(OrchestrationError):
    """No plan could be made of these metrics."""


class ReallocationError(OrchestrationError):
    """A move may not be made now, or did not end as planned.

    by      the guard that says so: "hold", "budget", "confirmation", "ledger", "halted", "busy", "outdated" ...
    until   when it may be tried again, aware; None where that is not a matter of time
    reason  in words, with the numbers
    """

    def __init__(self, reason: str, *, by: str = "", until: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.by, self.until = reason, by, until


class MonitoringError(OrchestrationError):
    """What was asked of the monitor is not there."""


class ProtocolError(OrchestrationError):
    """One protocol did not answer as it should; the others are not touched by that.

    kind                 what to do next
    retry_after_seconds  how long it asks to be left alone; None where it does not say
    """

    def __init__(
        self, message: str, kind: ErrorKind = ErrorKind.TRANSIENT, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.retry_after_seconds = kind, retry_after_seconds


class ConfigurationError(OrchestrationError):
    """A setting is wrong; the message names the file, the key, the rule and the near miss.

    faults  all that is wrong in a file, one sentence each; the message tells the first few
    """

    faults: tuple[str, ...] = ()


class DataError(OrchestrationError):
    """The ledger could not be read or written; the message names the file."""


class CalculationError(OrchestrationError):
    """A number came out that cannot be (not finite, or on the wrong side of what is possible)."""


def near_miss(name: object, known: Iterable[str]) -> str:
    """The sentence that helps after an unknown name: the nearest known one, or all of them."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name if isinstance(name, str) else "", names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"known: {listed}" if names else "none are known"
