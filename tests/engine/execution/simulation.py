"""Deterministic simulation: one seed, one history. Virtual time, a world that misbehaves, an oracle that watches.

The world's adapters fail before and after the effect, refuse, hang, say yes and do nothing, and (in the mode `late`)
take effect up to fifteen minutes after nobody waits any more; in the mode `slow` some say that a change takes ten
minutes, and it does, while the engine works in cycles that wait for nothing; reads fail, hang, are not numbers or
negative; the wall clock jumps; the engine's process is killed between any two awaits and around any write of the
journal, and starts again.

Invariants, by the names under which a violation is reported:

capacity             the shares never sum to more than capacity
divergence           no difference between the shares and the journal stays silent
one effect per key   one call and one effect for each idempotency key
hold and budget      hold times and the budget of plans per hour hold by true time
journal before act   the journal has the row of each call before the call
loud halt            a halt opens an alert
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reallot.engine.contracts.adapter import Capabilities
from reallot.engine.contracts.configs import ReallocationConfig
from reallot.engine.execution.executor import WAITS
from reallot.engine.ledger.sqlite_journal import MemoryJournal
from reallot.errors import DataError, ErrorKind, ProtocolError, ReallocationError
from reallot.orchestration.reallocation import ReallocationEngine
from tests.engine.execution.divergence import Divergence
from tests.orchestration.worlds import START, LoopClock, VirtualLoop, _cancel_all, plan

FAULTY_CYCLES = 72
CALM_SECONDS = 45 * 60.0
CYCLE_SECONDS = 150.0
EPS = 1e-6
SLOW = timedelta(minutes=10)


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Result:
    """What the oracle saw: violations as (invariant, text), how much happened, and seconds of silent divergence."""

    seed: int
    violations: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    idle_divergence: list[float] = field(default_factory=list)

    def wrong(self, invariant: str, text: str) -> None:
        self.violations.append((invariant, text))


class SimClock(LoopClock):
    """The loop's time since the last boot; the wall clock can be wrong."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.boot, self._booted = "boot-1", 0.0

    def monotonic(self) -> float:
        return self._loop.time() - self._booted

    def reboot(self) -> None:
        self.boot, self._booted = f"boot-{self._loop.time()}", self._loop.time()


class SimWorld:
    """True shares, and the oracle's eyes on every call and every effect."""

    def __init__(
        self, rng: random.Random, loop: asyncio.AbstractEventLoop, result: Result, late: bool, slow: bool
    ) -> None:
        self.rng, self.loop, self.result, self.late = rng, loop, result, late
        names = ["alpha", "beta", "gamma", "delta", "omega"][: rng.randint(2, 5)]
        parts = [rng.randint(1, 6) for _ in names]
        full = rng.choice([1.0, 1.0, 0.9])
        self.shares = {name: full * part / sum(parts) for name, part in zip(names, parts, strict=True)}
        self.adapters = {name: SimAdapter(self, name) for name in names}
        self.slow = {name for name in names if slow and rng.random() < 0.6}
        self.faulty = True
        self.apply_fault, self.read_fault = rng.choice(
            [(0.1, 0.02), (0.35, 0.1), (0.6, 0.05), (0.2, 0.3), (0.85, 0.02)]
        )
        self.dark_until = dict.fromkeys(names, 0.0)
        self.journal: MemoryJournal | None = None
        self.config = ReallocationConfig()
        self.keys: Counter[str] = Counter()
        self.effects: Counter[str] = Counter()
        self.moves: dict[tuple[int, int], float] = {}
        self.moved: dict[str, tuple[tuple[int, int], float]] = {}
        self.generation = 0
        self.divergence = Divergence(loop, result.idle_divergence)

    def watch(self) -> None:
        """To be called whenever shares, journal or process may have changed."""
        if self.journal is not None:
            self.divergence.look(self.shares, self.journal)

    def called(self, name: str, share: float, key: str) -> None:
        """A call arrives: its key, the hold, the budget and the journal are looked at."""
        now, wrong = self.loop.time(), self.result.wrong
        self.result.counts["calls"] += 1
        own = f"{self.generation}/{key}"
        self.keys[own] += 1
        if self.keys[own] > 1:
            wrong("one effect per key", f"{key} was called twice")
        row = self.journal._database.rows(  # type: ignore[union-attr]
            "SELECT protocol, after, state, kind, operation FROM step WHERE id = ?", (int(key.split("-")[1]),)
        )
        if not row or row[0][0] != name or abs(row[0][1] - share) > EPS or row[0][2] != "sent":
            wrong("journal before act", f"{name} was asked for {share} as {key}, and the journal says {row}")
            return
        if row[0][3] != "move":
            return
        operation = (self.generation, row[0][4])
        hold = self.config.min_hold_duration.total_seconds()
        before = self.moved.get(name)
        if before is not None and before[0] != operation and now - before[1] < hold - EPS:
            wrong("hold and budget", f"{name} moved {now - before[1]:.0f} s after its last move; hold {hold:.0f} s")
        self.moved[name] = (operation, now)
        if operation not in self.moves:
            self.moves[operation] = now
            recent = sum(1 for at in self.moves.values() if now - at < 3600.0 - EPS)
            if recent > self.config.max_per_hour:
                wrong("hold and budget", f"{recent} plans within an hour")

    def effect(self, name: str, share: float, key: str) -> None:
        """A share really changes: its key and capacity are looked at."""
        self.effects[key] += 1
        if self.effects[key] > 1:
            self.result.wrong("one effect per key", f"{key} took effect twice")
        self.shares[name] = share
        self.watch()
        total = sum(self.shares.values())
        if total > 1.0 + EPS:
            self.result.wrong("capacity", f"{total:.4f} of capacity 1 at {self.loop.time():.0f} s")


class SimAdapter:
    """One protocol that misbehaves as its world says."""

    takes_key = True

    def __init__(self, world: SimWorld, name: str) -> None:
        self.world, self.name = world, name

    def capabilities(self) -> Capabilities:
        return Capabilities(delay=SLOW if self.name in self.world.slow else timedelta(0))

    async def get_status(self) -> Any:
        raise ProtocolError("no status here", ErrorKind.NEVER_REPORTED)

    async def get_allocation(self) -> float:
        world, rng = self.world, self.world.rng
        if world.faulty and world.loop.time() < world.dark_until[self.name]:
            raise ProtocolError("the network is down", ErrorKind.UNREACHABLE)
        if world.faulty and rng.random() < world.read_fault:
            fault = rng.choice(["fail", "hang", "nan", "negative"])
            world.result.counts[f"read {fault}"] += 1
            if fault == "fail":
                raise ProtocolError("no route to host", ErrorKind.UNREACHABLE)
            if fault == "hang":
                await world.loop.create_future()
            return float("nan") if fault == "nan" else -0.25
        if rng.random() < 0.2:
            await asyncio.sleep(rng.random())
        return world.shares[self.name]

    async def apply_allocation(self, share: float, key: str = "") -> None:
        world, rng = self.world, self.world.rng
        world.called(self.name, share, key)
        fault, own = "", f"{world.generation}/{key}"
        if world.faulty and rng.random() < world.apply_fault:
            kinds = ["before", "after", "refuse", "hang", "hang after", "ignore"]
            fault = rng.choice([*kinds, "late", "late"] if world.late else kinds)
        world.result.counts[f"apply {fault or 'ok'}"] += 1
        if world.faulty and rng.random() < 0.08:
            # an outage that begins in the middle of a move
            world.result.counts["outages"] += 1
            world.dark_until[self.name] = world.loop.time() + rng.choice([60.0, 300.0, 1800.0])
        if fault in ("", "after", "hang after"):
            # the effect is the world's: it comes whether or not anybody still waits
            takes = rng.uniform(0.0, SLOW.total_seconds()) if self.name in world.slow else rng.random()
            world.loop.call_later(takes, world.effect, self.name, share, own)
        if fault == "late":
            world.loop.call_later(rng.uniform(30.0, 870.0), world.effect, self.name, share, own)
        if fault in ("hang", "hang after", "late"):
            await world.loop.create_future()
        if fault == "refuse":
            raise ProtocolError("not now", ErrorKind.REFUSED)
        if fault == "before":
            raise ProtocolError("connection reset", ErrorKind.TRANSIENT)
        await asyncio.sleep(1.0 + rng.random())
        if fault == "after":
            raise ProtocolError("connection reset", ErrorKind.TRANSIENT)


Make = Callable[..., ReallocationEngine]


class Simulation:
    """One seed. `make` builds an engine (perhaps a broken one); `engines` run at once, a `cycle` in seconds each."""

    def __init__(
        self,
        seed: int,
        late: bool,
        make: Make = ReallocationEngine,
        engines: int = 1,
        keep: bool = True,
        repair: bool | None = None,
        cycle: float = CYCLE_SECONDS,
        slow: bool = False,
    ) -> None:
        self.rng = random.Random(seed)
        self.loop = VirtualLoop(lambda ready: self.rng.randrange(ready))
        self.result = Result(seed)
        self.late, self.make, self.engines, self.keep = late, make, engines, keep
        self.repair = late if repair is None else repair
        self.cycle, self.faulty_seconds = cycle, FAULTY_CYCLES * cycle
        self.slow = slow
        self.world = SimWorld(self.rng, self.loop, self.result, late, slow)
        self.clock = SimClock(self.loop)
        self.jumps = seed % 4 != 0
        self.world.config = self.config = ReallocationConfig(
            min_hold_duration=timedelta(seconds=self.rng.choice([0, 600, 3600])),
            max_per_hour=self.rng.choice([2, 4]),
            late_effects=timedelta(minutes=15 if late else self.rng.choice([0, 0, 15])),
        )
        self.alerts: list[Any] = []
        self.confirmed = [dict(self.world.shares)]
        self.crash_chance = self.rng.choice([0.0, 0.004, 0.02])
        self._new_journal()

    def run(self) -> Result:
        """Runs it to its end."""
        try:
            self.loop.run_until_complete(self._all())
        finally:
            _cancel_all(self.loop)
            self.loop.close()
            if self.world.journal is not None:
                self.world.journal.close()
        return self.result

    async def _all(self) -> None:
        for _ in range(6 if self.jumps else 0):
            self.loop.call_later(self.rng.uniform(0, self.faulty_seconds), self._jump)
        await asyncio.gather(*(self._supervise() for _ in range(self.engines)))
        self._at_the_end()

    def _jump(self) -> None:
        self.clock.off += self.rng.choice([60.0, -60.0, 7200.0, -7200.0])
        self.result.counts["jumps"] += 1

    def _new_journal(self) -> None:
        journal = MemoryJournal()
        once = journal._database._once

        def crashing(work: Callable[[Any], Any]) -> Any:
            if self.world.faulty and self.rng.random() < self.crash_chance:
                raise Crash("before a write")
            done = once(work)
            self.world.watch()
            if self.world.faulty and self.rng.random() < self.crash_chance:
                raise Crash("after a write")
            return done

        journal._database._once = crashing  # type: ignore[method-assign]
        self.world.journal = journal
        self.world.generation += 1

    async def _supervise(self) -> None:
        """The process: started, killed, started again; calm at the end."""
        crashes = 0
        end = self.loop.time() + self.faulty_seconds
        while self.loop.time() < end:
            task = asyncio.ensure_future(self._process(end))
            lives = self.rng.expovariate(1 / 3000.0) if crashes < 6 else end
            await asyncio.wait({task}, timeout=min(lives, end - self.loop.time()))
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Crash):
                raise error
            crashes += 1
            self.result.counts["crashes"] += 1
            if not self.keep:
                self._new_journal()
            if not self.jumps and self.rng.random() < 0.3:
                self.clock.reboot()
            await asyncio.sleep(self.rng.uniform(2.0, 300.0))
        self.world.faulty = False
        engine = self._engine()
        calm = self.loop.time() + CALM_SECONDS
        while self.loop.time() < calm:
            await self._entry(engine.recover(self.world.adapters))
            await asyncio.sleep(self.cycle)

    def _engine(self) -> ReallocationEngine:
        return self.make(
            self.config, ledger=self.world.journal, clock=self.clock, on_alert=self.alerts.append, repair=self.repair
        )

    async def _process(self, end: float) -> None:
        engine = self._engine()
        with self.world.divergence.engine_at_work(self.world.watch):
            await self._work(engine, end)

    async def _work(self, engine: ReallocationEngine, end: float) -> None:
        while self.loop.time() < end:
            if self.rng.random() < 0.6:
                wanted = self._plan()
                self.confirmed.append(dict(wanted.allocation))
                await self._entry(engine.execute_reallocation(wanted, self.world.adapters))
            else:
                await self._entry(engine.recover(self.world.adapters))
            self._loud(engine)
            if engine.journal.halted() and self.rng.random() < 0.2:
                await self._person(engine)
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * self.cycle)

    async def _entry(self, entry: Any) -> None:
        waits = WAITS.set(self.rng.choice([0.0, 10.0]) if self.slow else math.inf)
        try:
            await entry
        except ReallocationError as error:
            self.result.counts[f"no: {error.by}"] += 1
        except DataError:
            self.result.counts["no: data"] += 1
        else:
            self.result.counts["entries"] += 1
        finally:
            WAITS.reset(waits)

    async def _person(self, engine: ReallocationEngine) -> None:
        """Somebody looks: goes back to the confirmed shares where the engine repairs, or takes them as they are."""
        self.result.counts["resumed"] += 1
        if self.late:
            await engine.resume()
        else:
            self.confirmed.append(dict(self.world.shares))
            await self._entry(engine.resume(self.world.adapters))

    def _plan(self) -> Any:
        """Some shares to others, sometimes from shares that are not those in force."""
        shares = dict(self.world.shares)
        names = self.rng.sample(sorted(shares), self.rng.randint(2, len(shares)))
        givers = names[: len(names) // 2 or 1]
        allocation, freed = dict(shares), 0.0
        for name in givers:
            part = shares[name] * self.rng.choice([0.25, 0.5, 1.0])
            allocation[name], freed = shares[name] - part, freed + part
        takers = names[len(givers) :]
        for name in takers:
            allocation[name] = min(1.0, shares[name] + freed / len(takers))
        if self.rng.random() < 0.05:
            shares[names[0]] = min(1.0, shares[names[0]] + 0.05)
        number = self.rng.randrange(10**9)
        return plan(shares, allocation, id=f"plan-{number}", created_at=START)

    def _loud(self, engine: ReallocationEngine) -> None:
        journal = engine.journal
        if not journal.halted():
            return
        opened = [each for each in journal.alerts() if each.key == "halted" and each.recovered_at is None]
        if len(opened) != 1 or not any(each.key == "halted" for each in self.alerts):
            self.result.wrong("loud halt", f"halted with {len(opened)} alerts")

    def _at_the_end(self) -> None:
        journal, shares = self.world.journal, self.world.shares
        assert journal is not None
        if journal.halted():
            self.result.counts["halted"] += 1
            if not any(each.key == "halted" and each.recovered_at is None for each in journal.alerts()):
                self.result.wrong("loud halt", "halted without an alert")
            return
        if journal.open_operation() is not None:
            self.result.wrong("divergence", f"still open at the end: {journal.open_operation()}")
        committed = journal.committed()
        if not _same(shares, committed):
            self.result.wrong("divergence", f"shares are {shares}, the journal says {committed}")
        kept = {each.key.removeprefix("drift:") for each in self.alerts if each.key.startswith("drift:")}
        others = {name: share for name, share in shares.items() if name not in kept}  # that nobody keeps changing
        # a slow move goes over outages: what cannot be read counts as its most, and less may be left to give
        trimmed = self.slow and (last := journal.last_committed()) is not None and _same(shares, dict(last.after))
        if not trimmed and not any(_same(others, {name: each[name] for name in others}) for each in self.confirmed):
            self.result.wrong("divergence", f"shares are {shares}, which no plan asked for")


def _same(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[name] - other[name]) <= EPS for name in one)


def simulate(seed: int, late: bool = False, **more: Any) -> Result:
    """The whole history of one seed."""
    return Simulation(seed, late, **more).run()
