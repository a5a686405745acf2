"""Every error of the library on one page, grouped by what the caller does next.

ReallotError
    InvalidInput     fix the call: a name, a number, a unit or a shape is wrong
    Infeasible       loosen a limit: no split meets all rules; the message names them and the amount
    SolverFailed     try another solver, or give it more time: nothing certified came back
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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


def near_miss(name: object, known: Iterable[str]) -> str:
    """The sentence that helps after an unknown name: the nearest known one, or all of them."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"known: {listed}" if names else "none are known"
