"""A configuration that is read again: what the engine goes by afterwards, and what it says that it took."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import pytest

from reallot.cli.beside import Beside
from reallot.engine.contracts.clock import ManualClock
from reallot.runtime.build import build
from reallot.runtime.config import Config, config_from_text
from reallot.runtime.runner import Runner
from tests.orchestration.polls import START

NOON_ONLY, NEVER_NOON = 'hours = ["12:00-13:00"]', 'hours = ["13:00-12:00"]'


def config(hours: str = "", every: str = "5m", more: str = "") -> Config:
    return config_from_text(
        f'[coordinator]\nevery = "{every}"\n[reallocation]\nmode = "automatic"\n'
        f'[protocols.a]\nadapter = "simulated"\nshare = 0.6\nrate = 0.02\n{hours}\n'
        f'[protocols.b]\nadapter = "simulated"\nshare = 0.4\nrate = 0.06\n{more}\n'
    )


class Read:
    """A runner and what it told, which reads one configuration after another."""

    def __init__(self, first: Config) -> None:
        self.told: list[str] = []
        clock = ManualClock(START.replace(hour=12))
        self.runner = Runner(build(first, clock=clock), lambda event: self.told.append(event.text))

    def again(self, following: Config) -> None:
        async def swapped() -> None:
            self.runner.reload(lambda: following)
            async for _ in self.runner.cycles(asyncio.Event(), self.runner.parts.clock.now()):
                pass

        asyncio.run(swapped())

    def away(self) -> set[str]:
        engine = self.runner.parts.engine
        return set() if engine.away is None else set(engine.away())


@pytest.mark.parametrize("before", ["", NOON_ONLY, NEVER_NOON])
@pytest.mark.parametrize("after", ["", NOON_ONLY, NEVER_NOON])
def test_who_may_hold_nothing_is_known_by_the_new_configuration(before, after):
    read = Read(config(before))
    read.again(config(after))
    assert read.away() == ({"a"} if after == NEVER_NOON else set())
    asyncio.run(read.runner.parts.close())


def test_what_needs_a_new_start_is_named_and_is_not_said_to_be_taken():
    read = Read(config())
    read.again(
        config(more='[[notify.targets]]\ncommand = ["true"]\n[service]\nhosts = ["box"]\n[simulation]\nseed = 9')
    )
    told = [text for text in read.told if "was not taken" in text]
    assert told == [f"{key} was not taken: it needs a new start" for key in KEYS]
    assert "the configuration was read again: nothing that is used changed" in read.told
    asyncio.run(read.runner.parts.close())


KEYS = ("[simulation] seed", "[notify] targets", "[service] hosts")


def test_systemd_waits_as_long_as_the_new_configuration_asks_for(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(path))
        there.settimeout(5.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "300000000")
        read = Read(config())
        beside = Beside.of(read.runner.parts, print, simulated=False)
        beside.cycle(read.runner)
        read.again(config(every="1h"))
        beside.cycle(read.runner)
        told = [there.recv(200).decode() for _ in range(2)]
        asyncio.run(read.runner.parts.close())
    assert told[1] == f"WATCHDOG=1\nWATCHDOG_USEC={timedelta(hours=3, minutes=5) // timedelta(microseconds=1)}"
