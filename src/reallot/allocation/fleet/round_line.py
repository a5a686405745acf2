"""The rounds of a fleet on a terminal: one line, written over and over."""

from __future__ import annotations

import sys

from ...text.numbers import usd
from .decomposition import Progress


class RoundLine:
    """Writes round, bound and gap over the last line; nothing where standard error is no terminal."""

    def __call__(self, progress: Progress) -> None:
        """Write the line of one round."""
        if not sys.stderr.isatty():
            return
        gap = "" if progress.gap == float("inf") else f", gap {progress.gap:.1e}"
        line = f"round {progress.round} of {progress.hosts:,} hosts: bound {usd(progress.bound)} USD{gap}"
        sys.stderr.write(f"\r{line:<78}")
        sys.stderr.flush()
