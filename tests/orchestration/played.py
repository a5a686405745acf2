"""Runs for scenarios: a configuration with simulated protocols, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
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
{optimizer}
[monitor]
low_earnings_threshold = 0.0
optimization_threshold = 1000.0
flat_line = "30d"
{more}
"""


class Played:
    """A run: what was told, and the shares at every cycle."""

    def __init__(
        self, protocols: str, *, every: str = "5m", more: str = "", optimizer: str = "", ledger: Path | None = None
    ) -> None:
        config = config_from_text(HEAD.format(every=every, more=more, optimizer=optimizer) + protocols)
        acts = None if config.names_mode else Mode.AUTOMATIC
        self.parts = build(config, simulate=True, ledger=ledger, mode=acts)
        self.told = []
        self.shares = []
        self.runner = Runner(self.parts, self.told.append)

    def go(self, hours: float) -> Played:
        until = self.parts.clock.now() + timedelta(hours=hours)

        async def run():
            async for result in self.runner.cycles(asyncio.Event(), until):
                assert result.errors == {}
                self.shares.append((result.started_at, self.now()))

        asyncio.run(run())
        return self

    def now(self) -> dict[str, float]:
        return {name: adapter.share for name, adapter in self.parts.coordinator.adapters.items()}

    def of(self, kind: str) -> list[str]:
        return [event.text for event in self.told if event.kind == kind]

    def alerts(self, key: str) -> int:
        return sum(event.kind == "alert" and event.fields["key"] == key for event in self.told)

    def close(self) -> None:
        asyncio.run(self.parts.close())


def simulated(name: str, share: float, *keys: str) -> str:
    return "\n".join([f"[protocols.{name}]", 'adapter = "simulated"', f"share = {share}", *keys, ""])
