"""What holds up the event loop is found, named by adapter, file and line, and told while it lasts and after."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading

import pytest

from reallot.errors import ErrorKind, ProtocolError
from reallot.runtime.build import build
from reallot.runtime.config import config_from_text
from reallot.runtime.loop_watchdog import LoopWatch
from reallot.runtime.runner import Runner

CONFIG = """
[coordinator]
every = "10ms"
[reallocation]
mode = "observe"
[monitor]
mute = "0s"
[protocols.relay]
adapter = "simulated"
share = 1.0
rate = 1.0
"""


class Time:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Looks:
    """An adapter that is looked at from another thread in the middle of its call, so late on a clock moved by hand."""

    def __init__(self, late: list[float]) -> None:
        self.late, self.time, self.told = late, Time(), list[str]()
        self.watch = LoopWatch(lambda: {"storage": self}, self.told.append, limit=2.0, still=10.0, seconds=self.time)
        self.watch.attend()

    async def get_status(self) -> None:
        self.waits()

    def waits(self) -> None:
        wait_elsewhere(self)


def wait_elsewhere(adapter: Looks) -> None:
    """What blocks is not the adapter's own line."""
    for seconds in adapter.late:
        adapter.time.now += seconds
        other = threading.Thread(target=adapter.watch.look)
        other.start()
        other.join()


def looked_at(*late: float) -> Looks:
    adapter = Looks([0.5, *late])  # a beat is every half second
    asyncio.run(adapter.get_status())
    adapter.watch.beat()
    return adapter


def line_of(function: object, words: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if words in line)


def test_the_adapter_its_line_and_what_it_waits_in_are_named():
    (found,) = looked_at(1.5, 1.5).watch.taken()
    own = line_of(Looks.waits, "wait_elsewhere(")
    assert (found.name, found.key, found.seconds) == ("storage", "blocked:storage", 3.0)
    assert f"in storage, Looks.waits ({__file__}, line {own}), which waits in " in found.text
    assert "stood still for 3s" in found.text


def test_what_lasts_less_is_nothing_to_tell():
    adapter = looked_at(1.0, 0.9)
    assert (adapter.watch.taken(), adapter.told) == ([], [])


def test_what_does_not_end_is_told_meanwhile_and_once():
    adapter = looked_at(2.0, 7.0, 2.0, 5.0)
    (told,) = adapter.told
    assert told.startswith("the event loop stands still, for 11s so far, in storage, Looks.waits (")
    assert [each.seconds for each in adapter.watch.taken()] == [16.0]
    assert adapter.watch.taken() == []


def test_outside_of_adapters_the_innermost_line_is_named():
    clock = Time()
    watch = LoopWatch(dict, pytest.fail, seconds=clock, frames=lambda: {threading.get_ident(): sys._getframe()})
    watch.attend()
    clock.now += 3.0
    watch.look()
    watch.beat()
    (found,) = watch.taken()
    assert (found.name, found.key) == ("", "blocked:loop")
    assert f"{__file__}, line " in found.text and "<lambda>" in found.text


def test_where_no_thread_ran_nobody_is_blamed():
    """A process that was paused, or a call that keeps the interpreter to itself."""
    clock = Time()
    watch = LoopWatch(dict, pytest.fail, seconds=clock)
    watch.attend()
    clock.now += 60.5
    watch.beat()
    (found,) = watch.taken()
    assert found.text == (
        "the event loop stood still for 1m and all threads with it: the process was paused, or one call let none "
        "of them run"
    )


def test_a_late_look_does_not_blame_the_next_one():
    clock = Time()
    watch = LoopWatch(dict, pytest.fail, seconds=clock, frames=lambda: {threading.get_ident(): sys._getframe()})
    watch.attend()
    for _ in range(2):
        clock.now += 2.0
        watch.look()
        clock.now += 1.0
        watch.beat()
    one, two = watch.taken()
    assert one.where == two.where != ""


class Blocks:
    """A plug-in that waits without awaiting, once: until the watching thread has seen it for long enough."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen, look = threading.Event(), LoopWatch.look

        def looks(watch: LoopWatch) -> None:
            look(watch)
            if watch._seen is not None and watch._seconds() - watch._last - watch._every >= watch._limit:
                self.seen.set()

        monkeypatch.setattr(LoopWatch, "look", looks)

    async def get_status(self) -> None:
        if not self.seen.is_set():
            self.seen.wait(60.0)
        raise ProtocolError("nothing yet", ErrorKind.NEVER_REPORTED)

    async def get_allocation(self) -> float:
        return 0.0

    async def apply_allocation(self, share: float) -> None:
        raise ProtocolError("it only reads", ErrorKind.REFUSED)


def test_a_running_engine_raises_an_alert_tells_it_keeps_it_and_says_when_it_is_over(tmp_path, monkeypatch):
    """A real block, where the loop may stand still for 0.1 s; longer ones differ in numbers only."""
    parts = build(config_from_text(CONFIG), ledger=tmp_path / "books")
    parts.coordinator.register_adapter("plug-in", Blocks(monkeypatch))
    told, alerts = [], []

    async def two_cycles():
        runner, stop = Runner(parts, told.append, stall_limit=0.1), asyncio.Event()
        async for result in runner.cycles(stop):
            alerts.append([each for each in result.alerts if each.key == "blocked:plug-in"])
            if len(alerts) == 3:
                stop.set()
        kept = [each for each in parts.ledger.journal.alerts() if each.key == "blocked:plug-in"]
        await parts.close()
        return kept

    kept = asyncio.run(two_cycles())
    line = line_of(Blocks.get_status, "self.seen.wait")
    # the last beat before the block, or the first one after it, may belong to another cycle
    (began, ended) = [each for cycle in alerts for each in cycle]
    assert f"in plug-in, Blocks.get_status ({__file__}, line {line})" in began.message
    assert began.recovered_at is None and ended.recovered_at is not None
    assert ended.message.startswith("over after ")
    lines = [(each.kind, each.level) for each in told if "plug-in" in each.text and "stood still" in each.text]
    assert lines == [("alert", logging.WARNING), ("recovered", logging.INFO)]
    assert [each.recovered_at is not None for each in kept] == [True]
    assert not [each for each in threading.enumerate() if each.name == "reallot-loop-watch"]


def test_simulated_time_is_not_watched():
    parts = build(config_from_text(CONFIG), simulate=True)

    async def threads():
        cycles = Runner(parts, lambda event: None).cycles(asyncio.Event(), parts.clock.now())
        return [each.name async for _ in cycles for each in threading.enumerate()]

    found = asyncio.run(threads())
    assert found and "reallot-loop-watch" not in found
    asyncio.run(parts.close())
