"""What holds up the event loop: a thread watches its beat, and looks at what it runs where the beat is late."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType

from ..text.durations import format_duration

LIMIT_SECONDS = 2.0
"""A loop that stands still for so long is told of: longer than any decision takes, a fifth of the usual timeout."""
STILL_SECONDS = 10.0
"""One that stands still for so long is told of meanwhile: it may never go on, and then nobody else can say so."""
LOOKS = 4
"""So often in LIMIT_SECONDS the loop beats, and the thread looks: what it runs is noted once half of them are over."""
KEY = "blocked:"
"""Keys of alerts begin so."""
Seconds = Callable[[], float]
Frames = Callable[[], Mapping[int, FrameType]]


@dataclass(frozen=True)
class Stall:
    """The loop stood still once.

    name     the adapter in whose call it did; "" where it was in none
    where    file, line and function, in words
    seconds  for so long
    """

    name: str
    where: str
    seconds: float

    @property
    def key(self) -> str:
        """Of the alert: one for each adapter."""
        return KEY + (self.name or "loop")

    @property
    def text(self) -> str:
        """In words."""
        return f"the event loop stood still for {format_duration(self.seconds)} {self.where}"


class LoopWatch:
    """Watches the loop that it was started in.

    adapters  those that may be to blame, by name, as they are when asked
    tell      called from the watching thread, once for each time that the loop stands still for `still` seconds
    """

    def __init__(
        self,
        adapters: Callable[[], Mapping[str, object]],
        tell: Callable[[str], None],
        *,
        limit: float = LIMIT_SECONDS,
        still: float = STILL_SECONDS,
        seconds: Seconds = time.monotonic,
        frames: Frames = sys._current_frames,
    ) -> None:
        self._adapters, self._tell, self._seconds, self._frames = adapters, tell, seconds, frames
        self._limit, self._still, self._every = limit, still, limit / LOOKS
        self._beats, self._last, self._told = 0, seconds(), False
        self._seen: tuple[int, str, str] | None = None
        self._found: list[Stall] = []
        self._loop_thread = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins, with the running loop; nothing where it has begun."""
        if self._thread is not None:
            return
        self.attend()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._every, self._again)
        self._over.clear()
        self._thread = threading.Thread(target=self._watch, name="reallot-loop-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; again is harmless."""
        if self._timer is not None:
            self._timer.cancel()
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._timer = self._thread = None

    def attend(self) -> None:
        """From now on this thread's loop is what is watched."""
        self._loop_thread, self._last = threading.get_ident(), self._seconds()

    def beat(self) -> None:
        """The loop is alive: how late this comes is how long it stood still."""
        now = self._seconds()
        late = now - self._last - self._every
        if late >= self._limit:
            beat, name, where = self._seen or (-1, "", "")
            if beat != self._beats:  # the watching thread did not run either
                name, where = "", "and all threads with it: the process was paused, or one call let none of them run"
            self._found.append(Stall(name, where, late))
        self._beats, self._last, self._told, self._seen = self._beats + 1, now, False, None

    def look(self) -> None:
        """One look from another thread: what the loop runs is noted where its beat is late."""
        beat, late = self._beats, self._seconds() - self._last - self._every
        if late < self._limit / 2.0:
            return
        if self._seen is None or self._seen[0] != beat:
            frame = self._frames().get(self._loop_thread)
            self._seen = (beat, *_named(frame, self._adapters()))
        if late >= self._still and not self._told and beat == self._beats:
            self._told = True
            self._tell(f"the event loop stands still, for {format_duration(late)} so far, {self._seen[2]}")

    def taken(self) -> list[Stall]:
        """What was found since this was last asked."""
        found, self._found = self._found, []
        return found

    def _again(self) -> None:
        self.beat()
        self._timer = asyncio.get_running_loop().call_later(self._every, self._again)

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            if self._loop is not None and self._loop.is_running():
                self.look()


def _named(frame: FrameType | None, adapters: Mapping[str, object]) -> tuple[str, str]:
    """The adapter whose method runs, and where it stands; the innermost line where no adapter's does."""
    if frame is None:
        return "", "in a place that cannot be seen"
    innermost: FrameType = frame
    known = {id(adapter): name for name, adapter in adapters.items()}
    outer: FrameType | None = frame
    while outer is not None:
        name = known.get(id(outer.f_locals.get("self")))
        if name is not None:
            inside = "" if outer is innermost else f", which waits in {_place(innermost)}"
            return name, f"in {name}, {_place(outer)}{inside}"
        outer = outer.f_back
    return "", f"in {_place(innermost)}"


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({code.co_filename}, line {frame.f_lineno})"
