"""How far a long piece of work is: a bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from time import monotonic

from .durations import format_duration

WIDTH = 30


class Bar:
    """Drawn again whenever it is called with (done, all); nothing where standard error is no terminal.

    what  the things that are counted: "backtests"
    """

    def __init__(self, what: str) -> None:
        self._what, self._begun = what, monotonic()

    def __call__(self, done: int, of: int) -> None:
        """Draw the bar again at `done` of `of`."""
        if not sys.stderr.isatty():
            return
        spent = monotonic() - self._begun
        left = f"{format_duration(spent / done * (of - done))} left" if 0 < done < of else format_duration(spent)
        full, end = WIDTH * done // of, "" if done < of else "\n"
        sys.stderr.write(f"\r{'#' * full}{'-' * (WIDTH - full)} {done}/{of} {self._what}, {left:<12}{end}")
        sys.stderr.flush()
