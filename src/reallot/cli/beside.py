"""What goes on beside the cycles of `reallot run`: messages to people, and the watchdog of systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from ..runtime.build import Parts
from ..runtime.events import LogEvent
from ..runtime.runner import Runner

if TYPE_CHECKING:
    from ..service.notify.sender import Notifier


STEP = timedelta(minutes=5)
"""Longest time that a step within a cycle may take."""


class Beside:
    """Told of each event and after each cycle; none of it delays a cycle.

    notifier  who tells people; None where nobody is told
    """

    def __init__(self, tell: Callable[[LogEvent], None], notifier: Notifier | None, watchdog: str) -> None:
        self._tell, self.notifier, self._watchdog = tell, notifier, watchdog
        self._patience: str | None = None  # what systemd was told last
        if notifier is not None:
            from ..service.notify.conditions import Conditions

            self._conditions = Conditions()
            notifier.start()

    @classmethod
    def of(cls, parts: Parts, tell: Callable[[LogEvent], None], *, simulated: bool) -> Beside | None:
        """What the configuration and the environment ask for; None where that is nothing, or time is simulated."""
        watchdog = os.environ.get("NOTIFY_SOCKET", "")
        if simulated or not (watchdog or parts.config.notify.targets):
            return None
        notifier = None
        if parts.config.notify.targets:
            from ..service.notify.sender import Notifier

            notifier = Notifier(parts.config.notify, parts.clock, folder=parts.ledger.folder, tell=tell)
        return cls(tell, notifier, watchdog)

    def tell(self, event: LogEvent) -> None:
        """Tells the log, and people where they want to know."""
        self._tell(event)
        if self.notifier is not None and (notice := self._conditions.happened(event)) is not None:
            self.notifier.hear(notice)

    def cycle(self, runner: Runner) -> None:
        """After a cycle."""
        if self.notifier is not None:
            self.notifier.cycle(self._conditions.holds(runner))
        if not self._watchdog:
            return
        before, self._patience = self._patience, _patience(runner.parts)
        ready = "READY=1\n" if before is None else ""
        self._systemd(f"{ready}WATCHDOG=1" + (f"\n{self._patience}" if self._patience != (before or "") else ""))

    def end(self) -> None:
        """At the end of the run."""
        if self._watchdog:
            self._systemd("STOPPING=1")
        if self.notifier is not None:
            self.notifier.stop()

    def _systemd(self, text: str) -> None:
        """Tells systemd; nothing waits for it, and nothing fails where it is not there."""
        address = f"\0{self._watchdog[1:]}" if self._watchdog.startswith("@") else self._watchdog
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.setblocking(False)
            there.sendto(text.encode(), address)


def _patience(parts: Parts) -> str:
    """How long systemd waits for the next sign of life, where it watches at all: by how often the engine polls."""
    if "WATCHDOG_USEC" not in os.environ:
        return ""
    return f"WATCHDOG_USEC={(3 * parts.config.coordinator.every + STEP) // timedelta(microseconds=1)}"
