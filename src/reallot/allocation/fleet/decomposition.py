"""A large fleet by prices: hosts answer to prices of shared rows until bound and plan meet.

Prices come from the last plan, or from samples of the fleet, each the start for a larger one. Then all hosts answer,
and the box step method (`prices.py`) lowers the bound. Once its model promises little more, hosts whose last answers
agree are taken as they are. The others mix their answers in one small program (`last_columns.py`), whose prices are
asked once more. Every round is whole, so every bound is true, whoever answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from ...problem.arrays import FloatArray, IntArray
from .last_columns import Mixture, mixture
from .prices import BoxStep
from .shard import OpenUnits, RoundAnswer

GROUPS, GROUPS_AT = 40, 10_000
"""Groups of so many hosts that give a cut each round, more with the root of the hosts.

Fewer take more rounds, more make a larger program of each round.
"""
SWITCH, AT_HOSTS = 2e-4, 10_000
"""The promise, as a part of the bound, below which open hosts are looked at; smaller for larger fleets."""
MOST_ROUNDS, MOST_POLISHED = 80, 16
KEPT, KEPT_OF_MANY, MANY = 8, 4, 20_000
"""Rounds whose answers are remembered, in fleets of few and of many hosts."""
WARM, WARM_LEAST = 0.006, 0.0015
"""Half of the box's sides around given prices: a part of the price, and at least one of a usual price."""
HARDLY = 0.1
"""A box that promises less than this part of the gap is left, even where it binds."""
FIRST = 0.5
"""The same around no prices at all, of a usual price."""
BEYOND = 1e4
"""Usual prices that a unit beyond a row costs: no row is worth more."""


class Crew(Protocol):
    """Shards of a fleet, wherever they are worked on."""

    def ask(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """What each shard answers to a method of `Shard`, in the order of the shards; arguments come one per shard."""


class Here:
    """The shards in this process, one after the other."""

    def __init__(self, shards: Sequence[Any]) -> None:
        self.shards = list(shards)

    def ask(self, method: str, *arguments: Sequence[Any]) -> list[Any]:
        """What each shard answers."""
        return [getattr(shard, method)(*given) for shard, *given in zip(self.shards, *arguments, strict=True)]


@dataclass(frozen=True)
class Progress:
    """One round, for who watches."""

    round: int
    bound: float
    plan: float
    gap: float
    hosts: int


Tell = Callable[[Progress], None]


class HostsFailed(Exception):
    """Some hosts have no plan of their own: `places`."""

    def __init__(self, places: IntArray) -> None:
        super().__init__("hosts without a plan")
        self.places = places


@dataclass(frozen=True)
class Decomposed:
    """The outcome: prices and bound, and the mixture of answers that is the plan, None where there is none."""

    prices: FloatArray
    bound: float
    plan: Mixture | None
    opened: Sequence[OpenUnits]
    rounds: int

    @property
    def open(self) -> int:
        """Number of units whose answers are mixed."""
        return 0 if self.plan is None else self.plan.open


class Decomposition:
    """One run over a crew; `shards` is the number of its shards and `hosts` that of all hosts."""

    def __init__(
        self,
        crew: Crew,
        shards: int,
        hosts: int,
        room: FloatArray,
        *,
        gap: float,
        stake: float,
        deadline: float,
        tell: Tell | None = None,
    ) -> None:
        self.crew, self.shards, self.hosts, self.room = crew, shards, hosts, room
        self.gap, self.stake, self.deadline, self.tell = gap, stake, deadline, tell
        self.bound, self.best, self.rounds = np.inf, np.zeros(room.size), 0
        self.kept = KEPT if hosts <= MANY else KEPT_OF_MANY
        self.usual = np.zeros(room.size)

    def answer(self, prices: FloatArray, plan: float = -np.inf) -> RoundAnswer:
        """One round: all shards answer, their groups side by side."""
        given: list[RoundAnswer] = self.crew.ask("answer", [prices] * self.shards, [self.kept] * self.shards)
        failed = np.concatenate([each.failed for each in given])
        if failed.size:
            raise HostsFailed(failed)
        bound = float(prices @ self.room) + sum(each.bound for each in given)
        self.rounds += 1
        if bound < self.bound:
            self.bound, self.best = bound, prices
        if self.tell is not None:
            self.tell(Progress(self.rounds, self.bound, plan, self.missing(plan), self.hosts))
        value, use = np.concatenate([each.value for each in given]), np.concatenate([each.use for each in given])
        return RoundAnswer(bound, value, use, failed)

    def missing(self, plan: float) -> float:
        """The gap between the best bound and a plan, as a part of the money at stake."""
        if not np.isfinite(plan):
            return float("inf")
        return max(0.0, self.bound - plan) / max(abs(plan), self.stake)

    def run(self, start: FloatArray | None, radius: FloatArray | None) -> Decomposed:
        """Bound and plan, from prices to begin with, where there are any."""
        rows = self.room.size
        first = self.answer(np.zeros(rows) if start is None else start)
        if not rows:
            opened = self.crew.ask("open_units")
            none = np.zeros(0)
            return Decomposed(self.best, self.bound, mixture(opened, self.room, none, none), opened, self.rounds)
        worth = max(abs(float(first.value.sum())), self.stake)
        self.usual = worth / np.maximum(np.abs(first.use).sum(axis=0), 1e-12 + worth * 1e-12)
        self.usual = np.where(
            np.abs(first.use).sum(axis=0) > 0.0, self.usual, worth / np.maximum(np.abs(self.room), 1.0)
        )
        if radius is None:
            radius = FIRST * self.usual if start is None else np.maximum(WARM * start, WARM_LEAST * self.usual)
        given = self.best if start is None else start
        master = BoxStep(self.room, given, radius, BEYOND * self.usual)
        master.add(given, first.bound, first.value, first.use)
        switch = SWITCH * min(1.0, (AT_HOSTS / self.hosts) ** 0.5)
        step = master.step()
        for _ in range(MOST_ROUNDS):
            promise = (self.bound - step.model) / max(abs(self.bound), self.stake)
            settled = (step.inside and promise < switch) or self.missing(step.plan) <= self.gap
            if settled or promise < self.gap * HARDLY or self._is_late():
                break
            answered = self.answer(step.prices, step.plan)
            master.add(step.prices, answered.bound, answered.value, answered.use)
            step = master.step()
        return self._polished(step.prices)

    def _polished(self, prices: FloatArray) -> Decomposed:
        """The plan of open hosts' answers, and rounds at its prices until it meets the bound."""
        self.kept += MOST_POLISHED
        plan, opened = None, list[OpenUnits]()
        nothing, most = np.zeros(self.room.size), BEYOND * self.usual
        for _ in range(MOST_POLISHED):
            self.answer(prices, -np.inf if plan is None else plan.value)
            opened = self.crew.ask("open_units")
            plan = mixture(opened, self.room, nothing, most)
            if self.missing(plan.value) <= self.gap or self._is_late():
                break
            prices = plan.prices
        return Decomposed(self.best, self.bound, plan, opened, self.rounds)

    def _is_late(self) -> bool:
        return perf_counter() > self.deadline

    def shares(self, found: Decomposed, into: FloatArray) -> FloatArray:
        """The plan's shares (hosts, protocols), written into `into`."""
        assert found.plan is not None
        units, answers = [each.unit for each in found.opened], [each.answer for each in found.opened]
        for given in self.crew.ask("plan", units, answers, found.plan.parts):
            for places, shares in given:
                into[places] = shares
        return into
