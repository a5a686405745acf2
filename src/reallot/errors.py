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


def how_to_install(extra: str) -> str:
    """The command that brings an extra, for those who installed from an index and for those with a clone.

    >>> how_to_install("plot")
    "pip install 'reallot[plot]' (in a clone: pip install '.[plot]')"
    """
    return f"pip install 'reallot[{extra}]' (in a clone: pip install '.[{extra}]')"


class ReallotError(Exception):
    """Base of every error that this library raises on purpose.

    Examples
    --------
    >>> from reallot import AllocationProblem, ReallotError
    >>> try:
    ...     AllocationProblem({"relay": 2.1}, {"rely": 1.0})
    ... except ReallotError as error:
    ...     type(error).__name__
    'InvalidInput'
    """


class InvalidInput(ReallotError, ValueError):
    """The call itself is wrong: a name, a number, a unit or a shape must be fixed by the caller."""


@dataclass(frozen=True)
class Relaxation:
    """One rule, loosened alone by `amount` (in its own unit), makes the problem feasible; `text` says so."""

    rule: str
    amount: float
    text: str


@dataclass(frozen=True)
class Conflict:
    """Rules that no split meets together.

    Parameters
    ----------
    rules
        Their names.
    amount
        The least total loosening, in shares (a resource counts by its own capacity).
    relaxations
        Single rules whose loosening is enough, the cheapest first. Each has been tried.
    message
        All of it in words.
    """

    rules: tuple[str, ...]
    amount: float
    relaxations: tuple[Relaxation, ...]
    message: str


class Infeasible(ReallotError):
    """No split meets all rules at once: one of them must be loosened.

    Parameters
    ----------
    message
        The rules in conflict, the amount and the ways out, in words.
    conflict
        The rules by name, the least total loosening and the single relaxations that work.
        None where the problem is infeasible by no more than rounding.
    """

    def __init__(self, message: str, conflict: Conflict | None = None) -> None:
        super().__init__(message)
        self.conflict = conflict


class SolverFailed(ReallotError):
    """No certified answer came back: another solver or more time may help."""


class ErrorKind(StrEnum):
    """The reason why a protocol has no value now, from which the next step follows.

    Attributes
    ----------
    AUTH
        The login was refused. The engine asks rarely until a person mends it.
    RATE_LIMITED
        The source was asked too often. The engine waits.
    TRANSIENT
        The failure is of the moment. The engine tries again, later each time (exponential backoff).
    SHAPE
        The source answered, but not what it should: another version, unit or page.
    UNREACHABLE
        The source did not answer at all.
    NEVER_REPORTED
        The source answers and has not reported a value yet.
    REFUSED
        The source refused a change. The change is not tried again.
    UNKNOWN
        A change may or may not have happened. The engine reads it back.
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
    """Base of every error around a decision: in polling, moving and watching."""


class CoordinationError(OrchestrationError):
    """A poll as a whole could not be made: no protocol is registered, or none answered."""


class OptimizationError(OrchestrationError):
    """The optimizer could make no plan of these metrics."""


class ReallocationError(OrchestrationError):
    """A move may not be made now, or did not end as planned.

    Parameters
    ----------
    reason
        The cause in words, with the numbers.
    by
        The guard that refused: "hold", "budget", "confirmation", "ledger", "halted", "busy", "outdated" ...
    until
        The time (aware) at which the move may be tried again. None where waiting does not help.
    """

    def __init__(self, reason: str, *, by: str = "", until: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.by, self.until = reason, by, until


class MonitoringError(OrchestrationError):
    """The monitor does not have the report or alert that was asked for."""


class ProtocolError(OrchestrationError):
    """One protocol did not answer as it should; the other protocols are not affected.

    Parameters
    ----------
    message
        The cause in words.
    kind
        The reason, from which the engine's next step follows.
    retry_after_seconds
        Seconds for which the source asks to be left alone. None where it does not say.
    """

    def __init__(
        self, message: str, kind: ErrorKind = ErrorKind.TRANSIENT, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.retry_after_seconds = kind, retry_after_seconds


class ConfigurationError(OrchestrationError):
    """A setting is wrong; the message names the file, the key, the rule and the near miss.

    Attributes
    ----------
    faults
        All faults of a file, one sentence each. The message tells the first few.
    """

    faults: tuple[str, ...] = ()


class DataError(OrchestrationError):
    """The ledger could not be read or written; the message names the file."""


class CalculationError(OrchestrationError):
    """A number came out that is impossible: not finite, or on the wrong side of its bound."""


def other_kind(what: str, value: object, wanted: str) -> str:
    """The sentence where something of another kind was given: "metrics is a str; give ..."."""
    return f"{what} is {'None' if value is None else f'a {type(value).__name__}'}; give {wanted}"


def near_miss(name: object, known: Iterable[str]) -> str:
    """The sentence that helps after an unknown name: the nearest known one, or all of them."""
    from difflib import get_close_matches

    names = [str(each) for each in known]
    close = get_close_matches(name if isinstance(name, str) else "", names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"known: {listed}" if names else "none are known"
