"""Where the newest board lies, and who is told of it: one call from the engine a cycle, the rest on another loop."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from ..engine.ledger.event_log import KeptEvent
from . import frames
from .access import Caller
from .board import Board
from .mailbox import Mailbox
from .never_moving import NeverMoving, kept
from .problems import Problem

MOST_STREAMS, MOST_OF_ONE = 1050, 20
"""Streams at once: of all, and of one token to read."""
RECENT = 1000
"""Events that a client which comes back is told without asking the ledger."""
log = logging.getLogger("reallot.service")


@dataclass(eq=False)
class Client:
    """One stream: whose it is, where it comes from, and what waits for it; `is_good` tells that its token still is."""

    caller: Caller
    peer: str
    transport: str
    is_good: Callable[[], bool] = lambda: True
    mailbox: Mailbox = field(default_factory=Mailbox)
    waked: asyncio.Event = field(default_factory=asyncio.Event)
    closing: bool = False


class Hub:
    """The newest board, the newest events, and the clients.

    dismissed, skipped  clients that were too slow, and states that they were not sent
    watch               is told of each board and event, on the server's loop
    """

    def __init__(self, board: Board, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.board = board
        self.now = now
        self.text = frames.encoded(frames.state(board))
        self.recent: deque[tuple[int, str]] = deque(maxlen=RECENT)
        self.never = kept()
        self.clients: set[Client] = set()
        self.dismissed = self.skipped = 0
        self.watch: Callable[[Board | None, tuple[KeptEvent, ...]], None] = lambda board, events: None
        self._of: dict[str, int] = defaultdict(int)
        self._loop: asyncio.AbstractEventLoop | None = None

    def remember(self, events: Iterable[KeptEvent]) -> None:
        """Takes what happened in earlier processes, the oldest first, for clients that come back after a restart."""
        self.recent.extend((each.seq, frames.encoded(frames.event(each))) for each in events)

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop of the server; before that nothing is published."""
        self._loop = loop

    def publish(self, board: Board | None, events: tuple[KeptEvent, ...] = ()) -> None:
        """From any thread: a newer board, and what happened. It returns at once."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self.take, board, events)

    def take(self, board: Board | None, events: tuple[KeptEvent, ...] = ()) -> None:
        """On the server's loop: every client is given what is new."""
        now = monotonic()
        told = [(each.seq, frames.encoded(frames.event(each))) for each in events]
        self.recent.extend(told)
        self.watch(board, events)
        renamed = board is not None and board.names != self.board.names
        if board is not None:
            self.board, self.text = board, frames.encoded(frames.state(board))
            if board.at is not None and board.never is not None:
                self.never.append(NeverMoving(board.at, board.never))
        for client in self.clients:
            for _, text in told:
                client.mailbox.put_event(text, now)
            if board is not None:
                if renamed:
                    client.mailbox.put_event(self.hello_for(client), now)
                client.mailbox.put_state(self.text, now)
            client.waked.set()

    def hello_for(self, client: Client, *, gap: bool = False) -> str:
        """The first message of one client."""
        caller = client.caller
        return frames.encoded(frames.hello(self.board, self.now(), caller.scope, caller.name, gap=gap))

    def join(self, client: Client) -> None:
        """One more client, which is given the newest state. Raises Problem where there are too many."""
        name = client.caller.name
        if len(self.clients) >= MOST_STREAMS:
            raise Problem(503, "busy", f"{MOST_STREAMS} streams are open already", retry_after=10.0)
        if client.caller.scope == "read" and self._of[name] >= MOST_OF_ONE:
            raise Problem(429, "rate", f"the token {name} has {MOST_OF_ONE} streams open already", retry_after=10.0)
        self._of[name] += 1
        self.clients.add(client)

    def leave(self, client: Client) -> None:
        """The end of one; again is harmless."""
        if client in self.clients:
            self.clients.discard(client)
            self._of[client.caller.name] -= 1
            self.skipped += client.mailbox.skipped

    def dismiss(self, client: Client) -> None:
        """Says who was too slow, and what it was behind by."""
        self.dismissed += 1
        behind = client.mailbox.behind(monotonic())
        log.warning(
            "a stream was closed, since its client is too slow: token %s, %s from %s; %s",
            client.caller.name,
            client.transport,
            client.peer,
            behind,
        )
        self.leave(client)

    def missed(self, after: int) -> tuple[list[str], bool]:
        """Events after this one that are still known, and True where some are not."""
        known = list(self.recent)
        if not known:
            return [], after < self.board.last_event
        gap = not known[0][0] - 1 <= after <= known[-1][0]
        return [text for seq, text in known if seq > after], gap

    def end(self) -> None:
        """From any thread: every client is told that the server ends."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for client in list(self.clients):
            client.closing = True
            client.waked.set()
