"""Text in columns and sentences in lines, by the columns that characters take on a terminal; and tables as CSV."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Collection, Sequence

LEAST_FOLD = 24
"""A last column is never folded to less."""


def table(rows: Sequence[Sequence[str]], right: Collection[int] = (), width: int | None = None) -> str:
    """Rows of text in aligned columns; those in `right` end where their column ends, the last is folded at `width`."""
    widths = [max(cells(row[j]) for row in rows) for j in range(len(rows[0]))]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    lines = []
    for row in rows:
        blanks = [" " * (widths[j] - cells(text)) for j, text in enumerate(row)]
        parts = [blanks[j] + text if j in right else text + blanks[j] for j, text in enumerate(row)]
        if width is not None:
            parts[-1] = f"\n{' ' * indent}".join(_wrapped(row[-1], max(width - indent, LEAST_FOLD)))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def comma_separated(rows: Sequence[Sequence[object]]) -> str:
    r"""Rows as CSV, the head first: numbers with all their digits, nothing where a value is not known.

    >>> comma_separated([["protocol", "share"], ["disk, old", 0.25], ["relay", None]])
    'protocol,share\n"disk, old",0.25\nrelay,'
    """
    import csv
    from io import StringIO

    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().removesuffix("\n")


def folded(text: str, width: int) -> str:
    """A sentence over as many lines as `width` columns ask for; those after the first stand four columns in."""
    return "\n    ".join(_wrapped(text, width - 4))


def cells(text: str) -> int:
    """Columns that `text` takes: two for wide characters, none for marks that sit on the one before."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _wrapped(text: str, width: int) -> list[str]:
    """`text` cut between words into lines of at most `width`, longer only where a word is."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False) or [""]
