"""What one client has not been sent yet: bounded, whatever the client does. No loop and no clock of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

MOST_EVENTS = 256
BEHIND_SECONDS, MOST_MISSED = 30.0, 2


class Fate(StrEnum):
    """What becomes of a client: it goes on, it has to list the events anew, or it is dismissed."""

    KEEP = "keep"
    RESYNC = "resync"
    DISMISS = "dismiss"


@dataclass
class Mailbox:
    """The newest state and the events that wait; texts, as they are sent.

    skipped  states that a newer one took the place of
    missed   sends in a row that did not end in time
    since    steady seconds at which the oldest thing that waits came in; None where nothing waits
    """

    wants_states: bool = True
    wants_events: bool = True
    skipped: int = 0
    missed: int = 0
    since: float | None = None
    _state: str | None = None
    _events: deque[str] = field(default_factory=deque)
    _gap: bool = False

    def put_state(self, frame: str, now: float) -> None:
        """The newest state takes the place of one that was not sent: it says all that the other said."""
        if not self.wants_states:
            return
        self.skipped += self._state is not None
        self._state = frame
        self._came(now)

    def put_event(self, frame: str, now: float) -> None:
        """One more event; where too many wait all are dropped, and the client is told that there is a gap."""
        if not self.wants_events or self._gap:
            return
        if len(self._events) >= MOST_EVENTS:
            self._events.clear()
            self._gap = True
        else:
            self._events.append(frame)
        self._came(now)

    def forget_events(self) -> None:
        """Those that wait are told another way."""
        self._events.clear()
        self._gap = False

    def take(self) -> str | None:
        """What is sent next: events in their order, then the state. None where nothing waits."""
        found: str | None
        if self._events:
            found = self._events.popleft()
        else:
            found, self._state = self._state, None
        if self.is_empty:
            self.since = None
        return found

    def sent(self, now: float) -> None:
        """What was taken last has gone out."""
        self.missed = 0
        if self.since is not None:
            self.since = now

    def failed(self) -> None:
        """What was taken last did not go out in time."""
        self.missed += 1

    def resynced(self) -> None:
        """The client was told of the gap, and takes events again."""
        self._gap = False
        if self.is_empty:
            self.since = None

    def fate(self, now: float) -> Fate:
        """What becomes of the client now."""
        behind = self.since is not None and now - self.since >= BEHIND_SECONDS
        if self.missed >= MOST_MISSED or behind:
            return Fate.DISMISS
        return Fate.RESYNC if self._gap else Fate.KEEP

    def behind(self, now: float) -> str:
        """How far it is behind, for the line that says why it was dismissed."""
        waits = 0.0 if self.since is None else now - self.since
        state = " and a state" if self._state is not None else ""
        return f"{len(self._events)} events{state} wait since {waits:.0f} s, {self.skipped} states were skipped"

    @property
    def is_empty(self) -> bool:
        """True where nothing waits."""
        return self._state is None and not self._events and not self._gap

    def __len__(self) -> int:
        """Number of frames that wait."""
        return len(self._events) + (self._state is not None)

    def _came(self, now: float) -> None:
        if self.since is None:
            self.since = now
