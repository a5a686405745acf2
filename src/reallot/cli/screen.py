"""What a stream can show, and tables on it: by rich (extra `cli`) on a terminal, plain text elsewhere, one content."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ..text.columns import LEAST_FOLD, cells, folded, table

GREEN, RED, BOLD = "32", "31", "1"
FILE_WIDTH = 110
"""Columns of text where it goes to no terminal."""


@dataclass(frozen=True)
class Screen:
    """What a stream can show: `unicode` blocks and arrows, `color`, and how many columns of text."""

    unicode: bool = False
    color: bool = False
    width: int = 80

    @classmethod
    def of(cls, stream: Any) -> Screen:
        """Colour only on a terminal and with NO_COLOR unset; blocks only where the stream's encoding carries them."""
        try:
            "█░▓→".encode(stream.encoding or "ascii")
            unicode = True
        except (UnicodeEncodeError, LookupError, AttributeError):
            unicode = False
        is_terminal = bool(getattr(stream, "isatty", lambda: False)())
        color = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(unicode, color, _columns(stream) if is_terminal else FILE_WIDTH)

    def paint(self, text: str, code: str) -> str:
        """`text` in a colour (an ANSI code), where there is colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def folded(self, text: str) -> str:
        """A sentence over as many lines as the width asks for."""
        return folded(text, self.width)

    def table(self, rows: Sequence[Sequence[str]], right: Collection[int] = (), *, fold: bool = False) -> str:
        """Rows below the first, the head; columns in `right` are flush right; `fold` wraps the last at the width."""
        if self.color and has_rich():
            return _rich_table(rows, right, self.width if fold else None, self.unicode)
        head, *rest = table(rows, right, self.width if fold else None).split("\n")
        return "\n".join([self.paint(head, BOLD), *rest])


def has_rich() -> bool:
    """True where the extra `cli` is installed."""
    return find_spec("rich") is not None


def _rich_table(rows: Sequence[Sequence[str]], right: Collection[int], width: int | None, unicode: bool) -> str:
    """The table as rich draws it; no name in it is read as markup, and no cell is cut."""
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = [max(cells(row[j]) for row in rows) for j in range(len(rows[0]))]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    words = (cells(word) for row in rows for word in row[-1].split())  # none is cut: a longer one goes beyond the width
    last = widths[-1] if width is None else min(widths[-1], max(width - indent, LEAST_FOLD, *words))
    gap = (0, 1 if unicode else 2, 0, 0)  # the box itself is one column between two
    frame = box.SIMPLE_HEAD if unicode else None
    drawn = Table(box=frame, padding=gap, pad_edge=False, show_edge=False, header_style="bold")
    for j, name in enumerate(rows[0]):
        size = last if j == len(widths) - 1 else widths[j]
        drawn.add_column(Text(name), justify="right" if j in right else "left", min_width=size, max_width=size)
    for row in rows[1:]:
        drawn.add_row(*(Text(text) for text in row))
    text = StringIO()
    Console(file=text, force_terminal=True, color_system="standard", width=indent + last + len(widths) + 2).print(drawn)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip("\n").split("\n"))


def _columns(stream: Any) -> int:
    try:
        return max(40, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError, AttributeError):
        return 80
