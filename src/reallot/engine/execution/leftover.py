"""Capacity that a move set free and nobody took: handed on to the next best, or given back to those who gave it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..contracts.validation import capabilities_of
from ..ledger.journal import Operation
from .executor import Executor
from .guards import FINEST, Change, Rules, close_to
from .late_changes import comes_late
from .learned_limits import learned_step, whole
from .move_events import Balanced, Event

MOST_BALANCES = 2
"""So often what is left is handed on or given back; after that it stays free."""


@dataclass(frozen=True)
class Leftover:
    """What is left of a move in which not all was taken.

    size      share of capacity that is nobody's and was to be somebody's
    achieved  True where some of the move is in force that is worth keeping
    shares    in force now; `refused` would not take what they were asked for
    givers    changes that give it back, those who gave last first
    steps     in which protocols take shares, by name
    """

    size: float
    achieved: bool
    shares: Mapping[str, float]
    refused: frozenset[str]
    givers: tuple[Change, ...]
    steps: Mapping[str, float] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Who is given what is left; nobody where nothing was achieved: then all goes back."""
        return _within(self.givers, self.size, self.steps) if self.achieved else ()

    def handed_on(self, wanted: Mapping[str, float]) -> Leftover:
        """The same where others are offered it first, up to the shares in `wanted`."""
        offered = [
            Change(name, self.shares[name], share)
            for name, share in wanted.items()
            if name in self.shares and name not in self.refused and share > self.shares[name] + FINEST
        ]
        if not offered:
            return self
        giving_back = [each for each in self.givers if each.protocol not in wanted]
        return replace(self, achieved=True, givers=(*offered, *giving_back))


def leftover(operation: Operation, shares: Mapping[str, float], refused: Collection[str], rules: Rules) -> Leftover:
    """What `operation` left of its capacity, by the shares in force."""
    before, after = operation.before, operation.after

    def is_there(name: str, share: float) -> bool:
        return abs(shares[name] - share) <= rules.same(name, after.get(name, share) - share)

    size = min(sum(after.values()), rules.capacity) - sum(shares.values())
    planned = [name for name in before if abs(after.get(name, before[name]) - before[name]) > FINEST]
    takers = [name for name in planned if after[name] > before[name]]
    moved = [name for name in before if not is_there(name, before[name])]
    achieved = any(name in moved and shares[name] > before[name] for name in before) or (not takers and bool(moved))
    givers = [name for name in reversed(planned) if name in moved and shares[name] < before[name]]
    back = tuple(Change(name, shares[name], before[name]) for name in givers)
    return Leftover(max(size, 0.0), achieved, shares, frozenset(refused), back)


async def balance(executor: Executor, refused: Collection[str], reason: str, until: datetime | None) -> Event:
    """What becomes of capacity that was given up and not taken by those who refused."""
    for name in executor.calls:
        if (reading := await executor.read(name)).share is None:
            return Balanced(executor.now(), rollback_reason=f"{reason}; {name} cannot be read: {reading.reason}")
    most, _ = await executor.possible()
    if not executor.rules.fits(most):  # a call that seemed to be over came after all
        for name, each in executor.calls.items():
            if each.detail and close_to(executor.seen[name], each.after, executor.rules.slack(name)):
                took = timedelta(seconds=executor.books.age(each.at))
                await comes_late(executor, name, took)
        return Balanced(executor.now(), rollback_reason=f"{reason}; together they have {sum(most.values()):.4f} now")
    if executor.rules.gives_way:
        return Balanced(executor.now(), until=until)  # what is left is for the plan after that
    executor.balances += 1
    rest = leftover(executor.opened, executor.in_force(), refused, executor.rules)
    rest = replace(rest, steps=await _steps(executor))
    is_left = rest.size > executor.rules.slack_of(executor.calls)
    if is_left and executor.balances == 1 and executor.next_best is not None:
        rest = rest.handed_on(executor.next_best(executor.in_force(), refused))
    if rest.changes and executor.balances <= MOST_BALANCES:
        return Balanced(executor.now(), rest.changes)
    return Balanced(executor.now(), rollback_reason="" if rest.achieved else reason, until=until)


async def _steps(executor: Executor) -> dict[str, float]:
    """The steps in which protocols take shares, as their adapters say or as they showed."""
    learned, adapters = (await executor.standing()).learned, executor.adapters
    return {name: max(capabilities_of(each).step, learned_step(learned, name)) for name, each in adapters.items()}


def _within(changes: Collection[Change], size: float, steps: Mapping[str, float]) -> tuple[Change, ...]:
    """The changes, as far as so much capacity goes, in whole steps."""
    found = []
    for each in changes:
        part = min(each.after - each.before, size)
        if (step := steps.get(each.protocol, 0.0)) and part < each.after - each.before - FINEST:
            part = whole(each.before + part, step) - each.before
        if part > FINEST:
            found.append(replace(each, after=each.before + part))
            size -= part
    return tuple(found)
