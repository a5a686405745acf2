"""The terminal that a run was started from, and whether it is still there."""

from __future__ import annotations

import os

STREAMS = (0, 1, 2)


class Terminal:
    """What stood at the start: streams that were a terminal, and one that controls the process."""

    def __init__(self) -> None:
        self._streams = [each for each in STREAMS if os.isatty(each)]
        self._controls = _controlled()

    def gone(self) -> bool:
        """True where any of it is not there any more: it was closed, or the connection to it ended."""
        return any(not os.isatty(each) for each in self._streams) or (self._controls and not _controlled())


def _controlled() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except (OSError, AttributeError):
        return False
    return True
