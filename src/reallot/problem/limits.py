"""What may not change, or not by much: max change, turnover, number and size of moves, holds, groups."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..errors import InvalidInput
from .goal import Near
from .largest import Largest
from .limit_checks import (
    BY_DIRECTION,
    BY_PROTOCOL,
    directions,
    rising_tiers,
    rules_of,
    soft_limits,
)
from .linear_rule import LinearRule
from .soft import Soft
from .tiers import Tiers
from .validation import (
    brief,
    by_name,
    known_names,
    names_in,
    number,
    of_kind,
    per_period_or_name,
    several,
    whole,
    yes_or_no,
)


@dataclass(frozen=True)
class Group:
    """Bounds on several protocols together.

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
    min_share
        Smallest sum of their shares, in the unit of capacity. None is no floor.
    min_active
        Smallest number of them with a share. A member then holds nothing, or at least its entry share or unit, and in
        any case 1e-6. None is no floor.

    Raises
    ------
    InvalidInput
        Where a bound is no number, or contradicts another one or the number of members.

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
    min_share: float | None = None
    min_active: int | None = None

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
        if self.min_share is not None:
            put(self, "min_share", number(self.min_share, f"group {self.name}: min_share", 0.0))
        if self.min_active is not None:
            put(self, "min_active", whole(self.min_active, f"group {self.name}: min_active", 0))
            if self.min_active > len(self.members):
                count = len(self.members)
                raise InvalidInput(f"group {self.name}: min_active {self.min_active} is above its {count} members")
        bounds = (self.min_share, self.max_share, self.min_active, self.max_active)
        if bounds == (None,) * 4:
            rules = "give max_share, max_active or both, or min_share, min_active"
            raise InvalidInput(f"group {self.name} has no rule; {rules}")
        for low, high, what in ((*bounds[:2], "share"), (*bounds[2:], "active")):
            if low is not None and high is not None and low > high:
                raise InvalidInput(f"group {self.name}: min_{what} {low:g} is above max_{what} {high:g}")

    @property
    def counts(self) -> bool:
        """True where the group bounds how many of its members are active."""
        return self.max_active is not None or self.min_active is not None

    def among(self, names: Container[str]) -> Group | None:
        """Return the group of those members that there are; None where there is none.

        Parameters
        ----------
        names
            Names of the protocols that there are.

        Returns
        -------
        Group or None
            The same bounds, with no more active than there are members.
        """
        members = tuple(name for name in self.members if name in names)
        if not members:
            return None
        least = None if self.min_active is None else min(self.min_active, len(members))
        return replace(self, members=members, min_active=least)


@dataclass(frozen=True)
class Limits:
    """The rules of change for one plan; shares are in the unit of capacity.

    One number holds for every period.

    Parameters
    ----------
    max_change
        Largest absolute change of one protocol per period: one number, a mapping with one per protocol (protocols
        left out have no limit), or a list with one per period. `Soft(0.2, price=3.0)` may be passed at a price per unit
        of each protocol's change: it becomes `change_cost`.
    max_turnover
        Largest turnover per period: half of the sum of absolute changes, idle capacity counted as one more place.
        One number, or a list with one per period. `Soft(0.2, price=3.0)` may be passed at a price per unit: it becomes
        `turnover_cost`.
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
        Bounds on several protocols together.
    allow_one_unit
        Where one unit (`step`) or the entry share is larger than `max_change`: True lets exactly one unit move all the
        same. Otherwise such a protocol is reported as unreachable.
    rules
        Relations between shares: LinearRule records, or texts such as "relay <= 2 * compute".
    turnover_cost
        Price of the turnover of a period, as `Tiers` that do not fall: all protocols' changes together, on top of their
        own costs.
    plan_fee
        Fixed cost of a plan (USD): paid once if anything moves at all, in whichever period.
    near
        A split that shares stay near to.
    max_increase, max_decrease
        Largest increase, and largest decrease, of one protocol per period, beside `max_change`: one number, a mapping
        by name, or a list with one per period.
    max_change_relative
        Largest change per period as a part of the present share: 0.2 is at most 20 % of what a protocol has now. One
        number, or by name. Who holds nothing stays without.
    only_increase, only_decrease
        Names of protocols whose shares may change in one direction only.
    hold_after_change
        Periods for which a protocol stays after a planned change, within the horizon. Backtests and engines go step by
        step: they have `Setting(hold=...)` and `min_hold_duration`.
    change_cost
        Price of each protocol's change in a period, as `Tiers` that do not fall, on top of its own costs.
    largest
        A bound on the sum of the largest shares, whichever they are.
    max_total_moves
        Largest number of changes over the horizon: a protocol counts once in each period in which it changes.
    max_total_cost
        Largest cost of all changes over the horizon (USD): proportional costs, tiers, fees and warm-up, `plan_fee`
        apart.

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

    max_change: float | Mapping[str, float] | Sequence[float] | Soft | None = None
    max_turnover: float | Sequence[float] | Soft | None = None
    max_moves: int | None = None
    min_move: float = 0.0
    min_gain: float = 0.0
    held: Iterable[str] | Mapping[str, int] = field(default_factory=frozenset)
    groups: tuple[Group, ...] = ()
    allow_one_unit: bool = False
    rules: tuple[LinearRule, ...] = ()
    turnover_cost: Tiers | None = None
    plan_fee: float = 0.0
    near: Near | None = None
    max_increase: float | Mapping[str, float] | Sequence[float] | None = None
    max_decrease: float | Mapping[str, float] | Sequence[float] | None = None
    max_change_relative: float | Mapping[str, float] | None = None
    only_increase: Iterable[str] = ()
    only_decrease: Iterable[str] = ()
    hold_after_change: int = 0
    change_cost: Tiers | None = None
    largest: Largest | None = None
    max_total_moves: int | None = None
    max_total_cost: float | None = None
    has_directions: ClassVar[bool] = False
    """True where anything limits changes by direction, or as a part of the present share."""
    names_protocols: ClassVar[bool] = False
    """True where any limit is by protocol."""
    has_budgets: ClassVar[bool] = False
    """True where moves or costs of the whole horizon are limited."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        given: tuple[Any, Any] = self.max_change, self.max_turnover
        if Soft in map(type, given) or hasattr(given[0], "items") or hasattr(given[1], "items"):
            vars(self).update(soft_limits(vars(self)))
            given = self.max_change, self.max_turnover
        put(self, "max_change", None if given[0] is None else per_period_or_name(given[0], "max_change"))
        put(self, "max_turnover", None if given[1] is None else per_period_or_name(given[1], "max_turnover"))
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
        if type(self.rules) is not tuple or self.rules:
            put(self, "rules", rules_of(self.rules))
        if self.turnover_cost is not None:
            put(self, "turnover_cost", rising_tiers(self.turnover_cost))
        put(self, "plan_fee", number(self.plan_fee, "plan_fee (USD)", 0.0))
        if self.near is not None:
            of_kind(self.near, Near, "near", "give Near(shares, within=...)")
        if any(getattr(self, key) is not default for key, default in BY_DIRECTION.items()):
            vars(self).update(directions({key: getattr(self, key) for key in BY_DIRECTION}))
        is_named = any(isinstance(getattr(self, key), (dict, frozenset)) for key in BY_PROTOCOL)
        put(self, "names_protocols", bool(is_named or self.held or self.groups or self.rules or self.near))

    def __hash__(self) -> int:
        return hash((self.max_moves, self.min_move, self.min_gain, frozenset(self.held), self.groups))

    def among(self, names: Collection[str]) -> Limits:
        """Return the limits of a problem that has only some of the protocols: those left out hold nothing.

        Parameters
        ----------
        names
            Names of the protocols that there are.

        Returns
        -------
        Limits
            Groups of their remaining members and rules of their remaining terms; what no protocol is left in is left
            out.
        """
        groups = tuple(few for group in self.groups if (few := group.among(names)) is not None)
        there = {*names, *(group.name for group in groups)}
        rules = []
        for rule in self.rules:
            left = {name: weight for name, weight in rule.coefficients.items() if name in there}
            if any(left.values()):
                rules.append(replace(rule, coefficients=left))
        near = self.near and {name: share for name, share in self.near.shares.items() if name in names}
        kept = replace(self.near, shares=near) if self.near is not None and near else None
        return replace(self, groups=groups, rules=tuple(rules), near=kept, **self._changes_among(names))

    def _changes_among(self, names: Collection[str]) -> dict[str, Any]:
        """The limits of one direction or of a part that are by name, for some of the protocols."""
        result: dict[str, Any] = {}
        for key in ("max_increase", "max_decrease", "max_change_relative"):
            if isinstance(value := getattr(self, key), dict):
                result[key] = {name: limit for name, limit in value.items() if name in names} or None
        for key in ("only_increase", "only_decrease"):
            if value := getattr(self, key):
                result[key] = [name for name in value if name in names]
        return result

    def fit(self, place: Mapping[str, int], periods: int) -> None:
        """Raise where the limits do not fit a problem.

        Parameters
        ----------
        place
            Position of each protocol by name.
        periods
            Number of periods of the problem.

        Raises
        ------
        InvalidInput
            Where a name is not there, or a list has not one entry per period.
        """
        known_names(self.held, place if self.held else (), "held")
        for key in BY_PROTOCOL:
            if isinstance(value := getattr(self, key), (dict, frozenset)):
                known_names(value, place, key)
        for key in ("max_change", "max_turnover", "max_increase", "max_decrease"):
            value = getattr(self, key)
            if isinstance(value, tuple) and len(value) != periods:
                raise InvalidInput(f"{key} has {len(value)} entries for {periods} periods; give one per period")
        for group in self.groups:
            known_names(group.members, place, f"group {group.name}")
        for rule in self.rules:
            rule.weights(place, self.groups)
        if self.near is not None:
            known_names(self.near.shares, place, "near")

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
