"""Floors that capacity cannot hold all at once, which no reading can change: they are found when a file is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..problem.limits import Group
from ..text.numbers import amount


def floors_above(most: float, floors: Mapping[str, float], groups: Iterable[Group]) -> str:
    """The floors whose sum is above `most`, as a sentence; "" where they fit.

    Groups count by what their floor asks for beyond those of their members. Of groups that share a member, the first
    counts.
    """
    told = [f"{name} {amount(floor)}" for name, floor in floors.items() if floor > 0.0]
    total, counted = sum(floors.values()), set[str]()
    for group in groups:
        more = (group.min_share or 0.0) - sum(floors.get(name, 0.0) for name in group.members)
        if more > 0.0 and counted.isdisjoint(group.members):
            counted |= set(group.members)
            total += more
            told.append(f"group {group.name} {amount(group.min_share or 0.0)}")
    if total <= most:
        return ""
    return f"the floors take {amount(total)} together, and there is 1: lower min_share of {', '.join(told)}"
