"""What can forbid a move: pure functions that answer with who, until when and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...text.durations import format_duration
from ..contracts.configs import Mode, ReallocationConfig
from ..contracts.move_state import MoveState


@dataclass(frozen=True)
class Blocked:
    """The answer of a guard that refuses.

    Parameters
    ----------
    by
        "hold", "budget", "confirmation", "ledger", "halted", "busy", "outdated", "expired", "mode", ...
    until
        Time at which it may be tried again. None where waiting does not help.
    reason
        The cause in words, with the numbers.
    """

    by: str
    until: datetime | None
    reason: str


@dataclass(frozen=True)
class Change:
    """One protocol's share, from and to."""

    protocol: str
    before: float
    after: float

    @property
    def releases(self) -> bool:
        """True where it gives capacity back."""
        return self.after < self.before

    @property
    def reversed(self) -> Change:
        """The other way round."""
        return Change(self.protocol, self.after, self.before)

    def is_passed_by(self, share: float) -> bool:
        """True where a share is beyond what was asked for, on the same side of where it was."""
        got, asked = share - self.before, self.after - self.before
        return got * asked > 0.0 and abs(got) > abs(asked) + FINEST


@dataclass(frozen=True)
class Rules:
    """What the guards and the machine go by; seconds, and shares of capacity.

    tolerance, own  shares within this are the same: of all protocols, and of those that have one of their own
    watching        why this engine only watches and moves nothing, for as long as it runs; None where it may act
    away            protocols that may hold nothing now: they are given no more, not even by a move under way
    gives_way       True where one of them waits for the end of the move under way: it goes no further
    """

    hold_seconds: float = 3600.0
    max_per_hour: int = 4
    auto_rollback: bool = True
    most_rollbacks: int = 3
    tolerance: float = 1e-6
    capacity: float = 1.0
    watching: Blocked | None = None
    own: Mapping[str, float] = field(default_factory=dict, hash=False)
    away: frozenset[str] = frozenset()
    gives_way: bool = False

    def slack(self, name: str) -> float:
        """How far a share of this protocol may be read from what it is."""
        return self.own.get(name, self.tolerance)

    def slack_of(self, names: Iterable[str]) -> float:
        """The same of the sum of these; at least that of one."""
        return max(sum(self.own.get(name, self.tolerance) for name in names), self.tolerance)

    def fits(self, shares: Mapping[str, float]) -> bool:
        """True where these shares together are no more than the capacity."""
        return sum(shares.values()) <= self.capacity + self.slack_of(shares)

    def same(self, name: str, size: float) -> float:
        """How far a share may be read from what it was asked for, where it changes by `size`: less than halfway."""
        return min(self.own.get(name, self.tolerance), max(abs(size) / 2.0, FINEST))

    @classmethod
    def of(cls, config: ReallocationConfig, capacity: float = 1.0, observe_only: str = "") -> Rules:
        """The rules that a configuration asks for; `observe_only` is why the ledger may only be read."""
        watching = Blocked("ledger", None, observe_only) if observe_only else None
        if watching is None and config.mode in (Mode.OBSERVE, Mode.ADVISE):
            watching = Blocked("mode", None, f"the mode is {config.mode.value}: nothing is moved")
        return cls(
            config.min_hold_duration.total_seconds(),
            config.max_per_hour,
            config.auto_rollback,
            config.most_rollbacks,
            config.share_tolerance,
            capacity,
            watching,
        )


FINEST = 1e-6
"""Shares that differ by less are one share, whoever measures them."""


def close_to(one: float, other: float, tolerance: float) -> bool:
    """True where two shares are the same; what is not a number is near nothing.

    >>> close_to(0.3, 0.3, 1e-6), close_to(float("nan"), float("nan"), 1e-6)
    (True, False)
    """
    return abs(one - other) <= tolerance


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Two shares with as many decimals as tell them apart, four at least.

    >>> told_apart(0.3, 0.4), told_apart(0.5, 0.50000023)
    (('0.3000', '0.4000'), ('0.5000000', '0.5000002'))
    """
    texts = ("", "")
    for digits in range(4, 17):
        texts = f"{one:.{digits}f}", f"{other:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return texts


def changes_of(
    before: Mapping[str, float], after: Mapping[str, float], names: Sequence[str], tolerance: float
) -> tuple[Change, ...]:
    """What has to change, releases first, then by name."""
    found = [
        Change(name, before[name], after[name])
        for name in sorted(names)
        if not close_to(before[name], after[name], tolerance)
    ]
    return (*(each for each in found if each.releases), *(each for each in found if not each.releases))


def held(ages: Mapping[str, float], now: datetime, rules: Rules) -> dict[str, datetime]:
    """Protocols that still rest, with the end; `ages` are seconds since each one's last change."""
    return {
        name: now + timedelta(seconds=rules.hold_seconds - age)
        for name, age in ages.items()
        if age < rules.hold_seconds
    }


def hold_blocks(changes: Sequence[Change], ages: Mapping[str, float], now: datetime, rules: Rules) -> Blocked | None:
    """A protocol that changed less than a hold ago stays."""
    resting = held({each.protocol: ages[each.protocol] for each in changes if each.protocol in ages}, now, rules)
    if not resting:
        return None
    name = max(resting, key=lambda each: (resting[each], each))
    reason = f"{name} changed {format_duration(ages[name])} ago and rests for {format_duration(rules.hold_seconds)}"
    return Blocked("hold", resting[name], reason)


def budget_blocks(plan_ages: Sequence[float], now: datetime, rules: Rules) -> Blocked | None:
    """No more than `max_per_hour` plans in any hour; `plan_ages` are seconds since each plan."""
    recent = sorted(age for age in plan_ages if age < 3600.0)
    if len(recent) < rules.max_per_hour:
        return None
    if rules.max_per_hour == 0:
        return Blocked("budget", None, "max_per_hour is 0: no plan is carried out")
    until = now + timedelta(seconds=3600.0 - recent[rules.max_per_hour - 1])
    return Blocked("budget", until, f"{len(recent)} plans in the last hour, of {rules.max_per_hour} allowed")


def room_for(name: str, possible: Mapping[str, float], rules: Rules) -> float:
    """The most that one protocol can have beside what the others may have at this moment."""
    return rules.capacity - sum(share for other, share in possible.items() if other != name)


def capacity_blocks(
    change: Change, possible: Mapping[str, float], free_at: datetime | None, rules: Rules
) -> Blocked | None:
    """A share may grow only into what nobody has and nobody may still take.

    possible  the most that each protocol may have at this moment: read, or asked for with the outcome unknown
    free_at   when the unknown ones are no longer possible
    """
    # the most that this one may have counts as well: an older call to it may still arrive
    taken = sum(share for name, share in possible.items() if name != change.protocol)
    wanted = max(change.after, possible.get(change.protocol, 0.0))
    if taken + wanted <= rules.capacity + rules.tolerance or change.after <= change.before:
        return None
    reason = (
        f"{change.protocol} at {change.after:.4f} would make {taken + wanted:.4f} of capacity {rules.capacity:g}: "
        f"the others have, or may still take, {taken:.4f}"
    )
    return Blocked(MoveState.SETTLING if free_at else "capacity", free_at, reason)


def outdated(expected: Mapping[str, float], read: Mapping[str, float], rules: Rules) -> Blocked | None:
    """The plan starts from other shares than those in force, among those that were read."""
    for name, share in expected.items():
        if name in read and not close_to(share, read[name], rules.slack(name)):
            planned, now = told_apart(share, read[name])
            reason = f"the plan starts from {name} at {planned}, and it is at {now}"
            return Blocked(MoveState.OUTDATED, None, reason)
    return None


def expired(expires_at: datetime | None, now: datetime) -> Blocked | None:
    """The plan is too old to be acted on."""
    if expires_at is None or now < expires_at:
        return None
    return Blocked(MoveState.EXPIRED, None, f"the plan was good until {expires_at:%Y-%m-%d %H:%M:%S} UTC")


def end_of_hold(at: datetime, rules: Rules) -> datetime | None:
    """When what changes now may change again."""
    return at + timedelta(seconds=rules.hold_seconds) if rules.hold_seconds > 0.0 else None
