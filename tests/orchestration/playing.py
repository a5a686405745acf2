"""A run of the engine on a clock moved by hand: a configuration, simulated protocols, what was told and done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from reallot.engine.contracts.configs import Mode
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.runner import Runner

HEAD = """
[coordinator]
every = "{every}"
[optimizer]
min_improvement_threshold = 0.001
[monitor]
low_earnings_threshold = 0.0
optimization_threshold = 1000.0
flat_line = "30d"
"""


def simulated(name: str, share: float, *keys: str) -> str:
    """A table of config.toml."""
    return "\n".join([f"[protocols.{name}]", 'adapter = "simulated"', f"share = {share}", *keys, ""])


class _Watched(list):
    """Changes of a simulated protocol: at each of them, in the middle of a move too, it is seen how much is in use."""

    def __init__(self, played: Play) -> None:
        super().__init__()
        self.played = played

    def append(self, change: tuple[datetime, float]) -> None:
        super().append(change)
        now, used = self.played.parts.clock.monotonic(), 0.0
        for each in self.played.adapters.values():
            used += next((share for at, share in reversed(each._coming) if at <= now), each._share)
        self.played.most = max(self.played.most, used)


class Play:
    """A run: `shares` at every cycle, `told` as it came, adapters to be spoiled between two stretches.

    most  the most capacity that was in use at any change
    """

    def __init__(self, protocols: str, *, every: str = "5m", head: str = HEAD, ledger: Path | None = None) -> None:
        config = config_from_text(head.format(every=every) + protocols)
        acts = None if config.names_mode else Mode.AUTOMATIC
        self.parts = build(config, simulate=True, ledger=ledger, mode=acts)
        self.told: list = []
        self.hours: list[float] = []
        self.shares: list[tuple[datetime, dict[str, float]]] = []
        self.polled: list[datetime] = []
        self.runner = Runner(self.parts, self.told.append)
        self.adapters = self.parts.coordinator.adapters
        self.most = sum(self.now().values())
        for each in self.adapters.values():
            each.changes = _Watched(self)

    def go(self, hours: float, each: Callable[[Play], None] | None = None, *, fails: bool = False) -> Play:
        """So many hours; `each` is called after every cycle. Steps of a cycle may fail only where it `fails`."""
        until = self.parts.clock.now() + timedelta(hours=hours)

        async def run() -> None:
            async for result in self.runner.cycles(asyncio.Event(), until):
                assert fails or not result.errors, result.errors
                self.polled.append(result.metrics.timestamp)
                self.shares.append((self.parts.clock.now(), self.now()))
                self.most = max(self.most, sum(self.now().values()))
                if each is not None:
                    each(self)

        asyncio.run(run())
        return self

    def go_for(self, hours: float, each: Callable[[Play], None], between: Callable[[Play], None] | None = None) -> Play:
        """So many hours of time that passes, whatever the wall clock says; `between` cycles somebody may act."""
        clock = self.parts.clock
        until = clock.monotonic() + 3600.0 * hours
        while clock.monotonic() < until:
            self.go(0.0, each)
            if between is not None:
                between(self)
            clock.advance(self.parts.config.coordinator.every.total_seconds())
        return self

    def now(self) -> dict[str, float]:
        """Shares in force."""
        return {name: adapter.share for name, adapter in self.adapters.items()}

    def of(self, kind: str) -> list[str]:
        """What was told of one kind."""
        return [event.text for event in self.told if event.kind == kind]

    def alerts(self, key: str) -> int:
        """How often an alert began."""
        return sum(event.kind == "alert" and event.fields["key"] == key for event in self.told)

    def ends(self, key: str) -> int:
        """How often an alert was told to be over."""
        return sum(event.kind == "recovered" and event.fields["key"] == key for event in self.told)

    def assert_alerts_begin_and_end_in_turn(self) -> None:
        """No alert begins twice without an end, none ends that did not begin."""
        lasting: Counter[str] = Counter()
        for event in self.told:
            if event.kind in ("alert", "recovered"):
                lasting[event.fields["key"]] += 1 if event.kind == "alert" else -1
                assert lasting[event.fields["key"]] in (0, 1), (event.kind, event.fields["key"])

    def changes(self, name: str) -> int:
        """How often a protocol was asked for another share."""
        journal = self.parts.engine.journal
        return sum(each.protocol == name for each in journal.changes())

    def close(self) -> None:
        """Lets go of the ledger."""
        asyncio.run(self.parts.close())
