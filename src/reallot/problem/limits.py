"""What may not change, or not by much: max change, turnover, number and size of moves, holds, groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidInput
from .validation import brief, by_name, in_order, names_in, number, several, whole, yes_or_no


@dataclass(frozen=True)
class Group:
    """A cap on several protocols together.

    Parameters
    ----------
    name
        Name of the group.
    members
        Names of its protocols.
    max_share
        Largest sum of their shares, in the unit of capacity. None is no cap.
    max_active
        Largest number of them with a share above zero. None is no cap.

    Examples
    --------
    >>> from reallot import Group
    >>> Group("relays", ("relay", "bridge"), max_share=0.5).members
    ('relay', 'bridge')
    """

    name: str
    members: tuple[str, ...]
    max_share: float | None = None
    max_active: int | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not isinstance(self.name, str) or not self.name:
            raise InvalidInput(f"a group's name is {brief(self.name)}; give a non-empty string")
        put(self, "members", tuple(names_in(self.members, f"group {self.name}: members")))
        if not self.members or len(set(self.members)) != len(self.members):
            raise InvalidInput(f"group {self.name}: members must be a non-empty list of different names")
        if self.max_share is not None:
            put(self, "max_share", number(self.max_share, f"group {self.name}: max_share", 0.0))
        if self.max_active is not None:
            put(self, "max_active", whole(self.max_active, f"group {self.name}: max_active", 0))
        if self.max_share is None and self.max_active is None:
            raise InvalidInput(f"group {self.name} has no rule; give max_share, max_active or both")


@dataclass(frozen=True)
class Limits:
    """The rules of change for one plan; shares are in the unit of capacity.

    One number holds for every period.

    Parameters
    ----------
    max_change
        Largest absolute change of one protocol per period: one number, a mapping with one per protocol (protocols
        left out have no limit), or a list with one per period.
    max_turnover
        Largest turnover per period: half of the sum of absolute changes, idle capacity counted as one more place.
        One number, or a list with one per period.
    max_moves
        Largest number of protocols that change per period.
    min_move
        Smallest change worth making: each change is 0 or at least this.
    min_gain
        Least net benefit over the horizon (USD) for which a plan is worth it. Below it the plan is to stay.
    held
        Names that may not change in any period, or {name: period} for "not before that period". Periods count from 0,
        so 1 means "not now".
    groups
        Caps on several protocols together.
    allow_one_unit
        Where one unit (`step`) or the entry share is larger than `max_change`: True lets exactly one unit move all the
        same. Otherwise such a protocol is reported as unreachable.

    Raises
    ------
    InvalidInput
        Where a limit is negative or not a number, or two groups share a name.

    Examples
    --------
    >>> from reallot import Limits
    >>> limits = Limits(max_change=0.2, max_turnover=0.3, held=["relay"])
    >>> limits.max_change, sorted(limits.held)
    (0.2, ['relay'])
    """

    max_change: float | Mapping[str, float] | Sequence[float] | None = None
    max_turnover: float | Sequence[float] | None = None
    max_moves: int | None = None
    min_move: float = 0.0
    min_gain: float = 0.0
    held: Iterable[str] | Mapping[str, int] = field(default_factory=frozenset)
    groups: tuple[Group, ...] = ()
    allow_one_unit: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "max_change", _per_period_or_name(self.max_change, "max_change"))
        turnover = _per_period_or_name(self.max_turnover, "max_turnover")
        if isinstance(turnover, dict):
            raise InvalidInput("max_turnover is by name; it is one number for the whole plan, or one per period")
        put(self, "max_turnover", turnover)
        if self.max_moves is not None:
            put(self, "max_moves", whole(self.max_moves, "max_moves", 0))
        put(self, "min_move", number(self.min_move, "min_move", 0.0))
        put(self, "min_gain", number(self.min_gain, "min_gain (USD)", 0.0))
        if isinstance(self.held, str):
            raise InvalidInput(f"held is {self.held!r}; give a set of names, such as {{{self.held!r}}}")
        if hasattr(self.held, "items"):
            held = by_name(self.held, "held")
            put(self, "held", {name: whole(until, f"held {name} until (period)", 0) for name, until in held.items()})
        else:
            put(self, "held", frozenset(names_in(self.held, "held")))
        put(self, "groups", tuple(several(self.groups, "groups", "Group records")))
        for group in self.groups:
            if not isinstance(group, Group):
                raise InvalidInput(f"groups holds {brief(group)}; give Group(name, members, max_share=...)")
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise InvalidInput(f"two groups have the same name: {', '.join(sorted(names))}")
        put(self, "allow_one_unit", yes_or_no(self.allow_one_unit, "allow_one_unit"))

    def __hash__(self) -> int:
        return hash((self.max_moves, self.min_move, self.min_gain, frozenset(self.held), self.groups))

    def held_until(self, name: str, periods: int) -> int:
        """Return the first period in which a protocol may change.

        Parameters
        ----------
        name
            Name of the protocol.
        periods
            Number of periods of the problem.

        Returns
        -------
        int
            `periods` where the protocol is held throughout, 0 where it is free.
        """
        if isinstance(self.held, dict):
            return min(int(self.held.get(name, 0)), periods)
        return periods if name in frozenset(self.held) else 0


def _per_period_or_name(
    value: float | Mapping[str, float] | Sequence[float] | None, what: str
) -> float | dict[str, float] | tuple[float, ...] | None:
    if value is None:
        return None
    if hasattr(value, "items"):
        return {name: number(limit, f"{what} {name}", 0.0) for name, limit in by_name(value, what).items()}
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1:
        given = in_order(value, what, "numbers, one per period")
        return tuple(number(limit, f"{what} in period {t}", 0.0) for t, limit in enumerate(given))
    return number(value, what, 0.0)
