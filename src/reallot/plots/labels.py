"""Text that fits: names shortened so that they stay different, sentences in lines of a given width."""

from __future__ import annotations

from collections.abc import Sequence

from .paper import plain, width_of


def distinct(names: Sequence[str], points: float, size: float) -> list[str]:
    """Names as labels of at most so many points, each different from the others: cut at the end, inside, at the begin.

    Where they differ only in what every cut takes away, they are numbered.
    """
    for cut in (_end, _inside, _begin):
        labels = [name if width_of(name, size) <= points else cut(name, points / size) for name in names]
        if len(set(labels)) == len(set(names)):
            return [plain(label, len(label)) for label in labels]
    return [plain(f"{place + 1}: {_end(name, points / size - 3.0)}", len(name) + 9) for place, name in enumerate(names)]


def wrapped(text: str, points: float, size: float, indent: str = "") -> list[str]:
    """`text` in lines of at most so many points, cut between words, and inside one that is longer than a line."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line.strip() else line + word
        if width_of(longer, size) <= points:
            line = longer
            continue
        if line.strip():
            lines.append(line)
        line = indent + word
        while width_of(line, size) > points:
            room = _end(line, points / size, "")
            lines.append(room)
            line = indent + line[len(room) :]
    return [*lines, line]


def _end(name: str, room: float, mark: str = "…") -> str:
    """As much of the begin as fits into `room`, in sizes of the font."""
    left = room - width_of(mark, 1.0)
    for place, sign in enumerate(name):
        left -= width_of(sign, 1.0)
        if left < 0.0:
            return name[: max(place, 1)] + mark
    return name


def _begin(name: str, room: float) -> str:
    return _end(name[::-1], room)[::-1]


def _inside(name: str, room: float) -> str:
    return f"{_end(name, room / 2.0)}{_end(name[::-1], room / 2.0, '')[::-1]}"
