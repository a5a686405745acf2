"""A plan's moves as pairs: who gives to whom, and what that brings."""

from __future__ import annotations

from collections.abc import Callable

from ...allocation.moves import Move
from ...allocation.result import Allocation
from ..contracts.records import OptimizationOpportunity

IDLE = "idle"
"""Stands where a protocol would: capacity that nobody has."""
DUST = 1e-12
"""Shares below this are rounding."""

Confidence = Callable[[dict[str, float], float], float | None]
"""From changes of share by protocol, and the net benefit (USD), to the probability that it is above 0."""


def opportunities(plan: Allocation, careful: Allocation, confidence: Confidence) -> list[OptimizationOpportunity]:
    """The plan's moves, matched: what earns least by marginal rates gives to what will earn most. Best first.

    A protocol's marginal rate is the mean slope of its earnings over what it gives or takes, so that improvements sum
    to the plan's own. `careful` is the same plan at careful rates: by these, less its part of what both changes cost,
    a pair is judged.
    """
    hours = plan.problem.horizon_hours
    sides: dict[int, list[_Side]] = {1: [], -1: []}
    for move, same in zip(plan.moves, careful.moves, strict=True):
        if abs(move.change) > DUST:
            sides[1 if move.change > 0.0 else -1].append(_Side.of(move, same, hours))
    taken, given = (sum(side.amount for side in sides[sign]) for sign in (1, -1))
    if abs(taken - given) > DUST * 1e3:
        sides[-1 if taken > given else 1].append(_Side(IDLE, abs(taken - given), 0.0, 0.0, 0.0))
    takers = sorted(sides[1], key=lambda side: (-side.rate, side.name))
    givers = sorted(sides[-1], key=lambda side: (side.rate, side.name))
    found = []
    while takers and givers:
        taker, giver = takers[0], givers[0]
        amount = min(taker.amount, giver.amount)
        found.append(_pair(plan, giver, taker, amount, confidence))
        for side, queue in ((taker, takers), (giver, givers)):
            side.amount -= amount
            if side.amount <= DUST * 1e3:
                queue.pop(0)
    return sorted(found, key=lambda pair: (-pair.earnings_improvement, pair.from_protocol, pair.to_protocol))


class _Side:
    """One end of a move: its name, how much is left, its marginal rates (USD/h) and its cost (USD), per share."""

    __slots__ = ("amount", "careful", "cost", "name", "rate")

    def __init__(self, name: str, amount: float, rate: float, careful: float, cost: float) -> None:
        self.name, self.amount, self.rate, self.careful, self.cost = name, amount, rate, careful, cost

    @classmethod
    def of(cls, move: Move, careful: Move, hours: float) -> _Side:
        change = move.change
        rate, less = move.gain / (hours * change), careful.gain / (hours * change)
        return cls(move.protocol, abs(change), rate, less, careful.cost / abs(change))


def _pair(
    plan: Allocation, giver: _Side, taker: _Side, amount: float, confidence: Confidence
) -> OptimizationOpportunity:
    improvement = amount * (taker.rate - giver.rate)
    net = amount * (plan.problem.horizon_hours * (taker.careful - giver.careful) - taker.cost - giver.cost)
    changes = {side.name: sign * amount for side, sign in ((giver, -1.0), (taker, 1.0)) if side.name != IDLE}
    return OptimizationOpportunity(
        from_protocol=giver.name,
        to_protocol=taker.name,
        current_rate=giver.rate,
        projected_rate=taker.rate,
        earnings_improvement=improvement,
        confidence=confidence(changes, net),
        complexity=_complexity(plan, changes, amount),
    )


def _complexity(plan: Allocation, changes: dict[str, float], amount: float) -> float:
    """Mean of three: how much moves, how many protocols the plan touches, and whether this pair is hard to undo."""
    names, touched = plan.problem.names, len(plan.moves)
    size = min(amount, 1.0)
    many = max(0.0, touched - 2.0) / max(1.0, len(names) - 2.0)
    specs = [plan.problem[name] for name in changes]
    sticky = any(
        s.move_fee or s.step or s.entry_share or s.decrease_floor or s.warm_up_hours or s.lock_in for s in specs
    )
    return min(1.0, (size + many + float(sticky)) / 3.0)
