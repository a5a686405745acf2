"""Which protocols may hold nothing now, and why: the hours of the day, and commands that say that somebody needs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta

from ..adapters.command import run_program
from ..engine.contracts.clock import Clock
from ..errors import ProtocolError
from .operation import OperatingRules

PATIENCE = timedelta(seconds=10)
"""A command that says whether somebody is busy ends within this."""
PROMPT = timedelta(seconds=3)
"""Polls wait so long for these commands: of one that needs longer, what it said before stands meanwhile."""
_log = logging.getLogger("reallot.run.availability")


class Availability:
    """Looked at before each poll; what begins and what ends is told once.

    operations  by protocol, of those that have hours or a busy command
    zone        of hours that name none

    A command that cannot be run says nothing: the protocol is taken to be free, and that is told.
    """

    def __init__(self, operations: Mapping[str, OperatingRules], zone: str, clock: Clock) -> None:
        self._operations, self._zone, self._clock = operations, zone, clock
        self._busy: dict[str, bool] = {}
        self._failing: dict[str, str] = {}
        self._asking: dict[str, asyncio.Task[bool | str]] = {}
        self._told: dict[str, str] = {}

    def without(self, names: Collection[str]) -> list[str]:
        """Leaves those out whose share nobody can change; returns which of them had hours or a command."""
        gone = [name for name in self._operations if name in names]
        self._operations = {name: each for name, each in self._operations.items() if name not in gone}
        return gone

    async def look(self, patience: timedelta = PROMPT) -> dict[str, str]:
        """Runs the commands, all at once; returns why those that could not be run could not, by protocol.

        It waits for them no longer than `patience`; what is not over then is heard the next time.
        """
        asking = {name: task for name, task in self._asking.items() if not task.cancelled()}
        for name, each in self._operations.items():
            if each.busy_command and name not in asking:
                asking[name] = asyncio.ensure_future(self._is_busy(name))
        if asking:
            await asyncio.wait(asking.values(), timeout=patience.total_seconds())
        answers = {name: task.result() for name, task in asking.items() if task.done()}
        self._asking = {name: task for name, task in asking.items() if not task.done()}
        failing = {name: why for name, why in self._failing.items() if name in self._asking}
        failing |= {name: why for name, why in answers.items() if isinstance(why, str)}
        self._busy |= {name: busy is True for name, busy in answers.items()}
        for name, why in failing.items():
            if name not in self._failing:
                _log.warning("%s: busy_command cannot be asked, so it is taken to be free: %s", name, why)
        for name in self._failing.keys() - failing.keys():
            _log.info("%s: busy_command answers again", name)
        self._failing = failing
        self._tell()
        return failing

    async def close(self) -> None:
        """Ends commands that are still asked."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        self._asking = {}

    def away(self) -> dict[str, str]:
        """Who may hold nothing now, with the reason."""
        now, found = self._clock.now(), {}
        for name, each in self._operations.items():
            if not each.is_open(now, self._zone):
                hours = ", ".join(each.hours or ())
                found[name] = f"outside of its hours ({hours}, {each.time_zone or self._zone})"
            elif self._busy.get(name):
                found[name] = "its busy_command says that somebody needs the machine"
        return found

    async def _is_busy(self, name: str) -> bool | str:
        """Whether the command ended with 0; why not, where it could not be run."""
        command = self._operations[name].busy_command or []
        try:
            code, _, _ = await run_program(command, name=name, seconds=PATIENCE.total_seconds())
        except ProtocolError as error:
            return str(error).removeprefix(f"{name}: ")
        return code == 0

    def _tell(self) -> None:
        now = self.away()
        for name in now.keys() - self._told.keys():
            _log.info("%s may hold nothing now: %s", name, now[name])
        for name in self._told.keys() - now.keys():
            _log.info("%s may hold capacity again", name)
        self._told = now
