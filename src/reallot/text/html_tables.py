"""Results as HTML for notebooks: one look for all, and every text escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from numbers import Real
from typing import Any

from .numbers import count, shown

MOST_ROWS = 60
"""Rows of a table that are shown; a last line counts the others."""
NOISE = 1e-14
"""What sums of ordinary numbers leave over by rounding: shown as 0."""


def result_as_html(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    sentences: Iterable[str] = (),
    text: str = "",
    about: str = "",
) -> str:
    """A title, a table with its first column as row names, sentences or aligned text below it, and small print.

    Numbers have four significant digits, and None is an empty cell.

    >>> result_as_html("1 plan", ["protocol", "share"], [["<disk>", 0.25]]).count("&lt;disk&gt;")
    1
    """
    cells = "".join(f"<th>{_safe(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th>{_cell(row[0])}</th>{''.join(f'<td>{_cell(each)}</td>' for each in row[1:])}</tr>"
        for row in rows[:MOST_ROWS]
    )
    if more := max(len(rows) - MOST_ROWS, 0):
        body += f'<tr><th colspan="{len(head)}">and {count(more, "row")} more</th></tr>'
    listed = "".join(f"<li>{_safe(line)}</li>" for line in sentences)
    parts = [
        f"<p><strong>{_safe(title)}</strong></p>",
        f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>",
        f"<ul>{listed}</ul>" if listed else "",
        f"<pre>{_safe(text)}</pre>" if text else "",
        f"<p><small>{_safe(about)}</small></p>" if about else "",
    ]
    return f'<div class="reallot">{"".join(parts)}</div>'


def _cell(value: Any) -> str:
    if value is None:
        return ""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return f"{0.0 if abs(value) < NOISE else value:.4g}" if is_number else _safe(str(value))


def _safe(text: str) -> str:
    """Text that neither acts as markup nor hides: control characters are written out."""
    return "\n".join(escape(shown(line)) for line in text.split("\n"))
