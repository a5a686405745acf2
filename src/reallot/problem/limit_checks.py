"""Limits checked: what each may be, and what contradicts another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidInput
from .largest import Largest
from .linear_rule import LinearRule
from .soft import Soft
from .tiers import Tiers, as_tiers
from .validation import by_name, names_in, number, of_kind, per_period_or_name, several, whole


def soft_limits(given: Mapping[str, Any]) -> dict[str, Any]:
    """The soft ones among max_turnover and max_change, as records or as files say them, as the costs that they are.

    Raises InvalidInput for a turnover by name, and where such a cost is given as well.
    """
    result: dict[str, Any] = {}
    for limit, cost in (("max_turnover", "turnover_cost"), ("max_change", "change_cost")):
        soft = given[limit]
        if hasattr(soft, "items"):
            if set(by_name(soft, limit)) == {"limit", "price"}:
                soft = Soft(**soft)
            elif limit == "max_turnover":
                raise InvalidInput("max_turnover is by name; it is one number for the whole plan, or one per period")
        if isinstance(soft, Soft):
            if given[cost] is not None:
                raise InvalidInput(f"{limit} is soft, and {cost} is given; put both prices into {cost}")
            result |= {limit: None, cost: soft.tiers}
    return result


def rules_of(given: Any) -> tuple[LinearRule, ...]:
    """The rules as records; raises InvalidInput where one is none, or two have one name."""
    listed = several(given, "rules", 'rules, such as ["relay <= 2 * compute"]')
    rules = tuple(rule if isinstance(rule, LinearRule) else LinearRule.of_text(rule) for rule in listed)
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"two rules have the same name: {name}")
    return rules


BY_PROTOCOL = ("max_change", "max_increase", "max_decrease", "max_change_relative", "only_increase", "only_decrease")
"""Fields of Limits that may be by protocol."""
BY_DIRECTION: Mapping[str, tuple[()] | int | None] = {
    "max_increase": None,
    "max_decrease": None,
    "max_change_relative": None,
    "only_increase": (),
    "only_decrease": (),
    "hold_after_change": 0,
    "change_cost": None,
    "largest": None,
    "max_total_moves": None,
    "max_total_cost": None,
}
"""Limits of change by direction, as a part, in time and over the horizon, with what they are where none is given."""


def directions(given: Mapping[str, Any]) -> dict[str, Any]:
    """These limits checked; raises InvalidInput where one cannot be, or two contradict one another."""
    result: dict[str, Any] = {key: per_period_or_name(given[key], key) for key in list(given)[:3]}
    if isinstance(result["max_change_relative"], tuple):
        raise InvalidInput("max_change_relative is per period; give one part of the present share, or one by name")
    for key in ("only_increase", "only_decrease"):
        value = given[key]
        if isinstance(value, str):
            raise InvalidInput(f"{key} is {value!r}; give a set of names, such as {{{value!r}}}")
        result[key] = frozenset(names) if (names := names_in(value, key)) else ()
    if both := sorted({*result["only_increase"]} & {*result["only_decrease"]}):
        raise InvalidInput(f"{both[0]} is in only_increase and in only_decrease; name it in one of them, or in held")
    result["has_directions"] = any(each not in (None, ()) for each in result.values())
    if given["change_cost"] is not None:
        result["change_cost"] = rising_tiers(given["change_cost"], "change_cost")
    if given["largest"] is not None:
        of_kind(given["largest"], Largest, "largest", "give Largest(count, at_most=...)")
    moves, cost = given["max_total_moves"], given["max_total_cost"]
    result["max_total_moves"] = None if moves is None else whole(moves, "max_total_moves", 0)
    result["max_total_cost"] = None if cost is None else number(cost, "max_total_cost (USD)", 0.0)
    result["has_budgets"] = moves is not None or cost is not None
    result["hold_after_change"] = whole(given["hold_after_change"], "hold_after_change (periods)", 0)
    return result


def rising_tiers(value: Any, what: str = "turnover_cost") -> Tiers:
    """Tiers that do not fall; raises InvalidInput for others."""
    tiers = as_tiers(value, what)
    if not tiers.is_rising:
        prices = ", ".join(f"{price:g}" for price in tiers.prices)
        raise InvalidInput(
            f"{what} has prices {prices}; a price on changes of all protocols may not fall: let them rise, "
            "and plan_fee for a fixed part"
        )
    return tiers
