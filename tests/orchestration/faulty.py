"""Protocols whose sources and targets fail in windows of time, as tests of the laws mix them, each by its name."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta

from reallot.adapters.simulated import SimulatedAdapter
from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.clock import ManualClock
from reallot.engine.contracts.records import ProtocolStatus
from reallot.errors import ErrorKind, ProtocolError

HOUR = 3600.0
SOURCES = ("out", "zero", "jump", "stale")
"""Faults of what is read: no answer, an exact 0, a thousandfold, a value that grows old."""
TARGETS = ("refuses", "caps", "keeps", "ignores", "rounds", "slow", "late")
"""Faults of what is asked for: refused; no more than now; no less; yes, and nothing done; whole twentieths; ten minutes
until it is in force, which its adapter says, or does not."""
SLOW = timedelta(minutes=10)
NOISE = 0.0005
"""Shares are read so far off, where they are noisy."""


@dataclass
class Window:
    """A fault from one time to another, hours since the start. asked are the hours at which it said no."""

    kind: str
    begins: float
    ends: float
    asked: list[float] = field(default_factory=list)


class Faulty:
    """One simulated protocol, spoiled from outside in these windows. noisy shares are read a little off."""

    def __init__(
        self, adapter: SimulatedAdapter, clock: ManualClock, windows: list[Window], noisy: bool = False
    ) -> None:
        self.adapter, self.clock, self.windows, self.noisy = adapter, clock, windows, noisy
        self._read, self._ask, self._share = adapter.get_status, adapter.apply_allocation, adapter.get_allocation
        self._last: ProtocolStatus | None = None
        self._draw = random.Random(adapter.name)
        adapter.get_status, adapter.apply_allocation = self.get_status, self.apply_allocation
        adapter.capabilities = self.capabilities
        if noisy:
            adapter.get_allocation = self.get_allocation

    def window(self) -> Window | None:
        """The fault that there is now."""
        hours = self.clock.monotonic() / HOUR
        return next((each for each in self.windows if each.begins <= hours < each.ends), None)

    def capabilities(self) -> Capabilities:
        window = self.window()
        return Capabilities(delay=SLOW if window is not None and window.kind == "slow" else timedelta(0))

    def _off(self, share: float) -> float:
        return min(max(share + self._draw.uniform(-NOISE, NOISE), 0.0), 1.0) if self.noisy and share else share

    async def get_allocation(self) -> float:
        return self._off(await self._share())

    async def get_status(self) -> ProtocolStatus:
        status, window = await self._read(), self.window()
        kind = window.kind if window is not None else ""
        if kind == "out":
            raise ProtocolError("no route to host", ErrorKind.UNREACHABLE)
        if kind in ("zero", "jump"):
            status = status.model_copy(
                update={"earnings_per_hour": status.earnings_per_hour * (1e3 if kind == "jump" else 0)}
            )
        elif kind == "stale" and self._last is not None:
            seen = {"earnings_per_hour": self._last.earnings_per_hour, "source_time": self._last.source_time}
            status = status.model_copy(update=seen)
        else:
            self._last = status
        return status.model_copy(update={"allocation": self._off(status.allocation)}) if self.noisy else status

    async def apply_allocation(self, share: float) -> None:
        window, now = self.window(), self.adapter.share
        kind = window.kind if window is not None else ""
        self.adapter.late = SLOW if kind in ("slow", "late") else timedelta(0)
        most, least = now if kind in ("caps", "ignores") else 1.0, now if kind in ("keeps", "ignores") else 0.0
        taken = min(max(share, least), most)
        if window is not None and kind in TARGETS and (kind == "refuses" or abs(taken - share) > 1e-9):
            window.asked.append(self.clock.monotonic() / HOUR)
        if kind == "refuses":
            raise ProtocolError(f"refuses {share:g}", ErrorKind.REFUSED)
        await self._ask(round(taken * 20) / 20 if kind == "rounds" else taken)


def windows_of(draw: random.Random, kinds: tuple[str, ...], hours: float) -> list[Window]:
    """Faults one after another, with pauses between them."""
    found, at = [], draw.uniform(4.0, 10.0)
    while at < hours:
        length = draw.choice([0.5, 1.5, 3.0])
        found.append(Window(draw.choice(kinds), at, min(at + length, hours)))
        at += length + draw.uniform(3.0, 8.0)
    return found
