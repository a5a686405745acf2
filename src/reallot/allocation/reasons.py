"""Why this plan, in a few sentences that need no further solving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..text.numbers import amount, percent, usd

if TYPE_CHECKING:
    from .result import Allocation

MOST_REASONS = 12
SAME = 1e-9
"""Shares closer than this are one."""


def reasons(plan: Allocation) -> tuple[str, ...]:
    """A few sentences on `plan`, largest moves first, with no further solving."""
    hours = plan.problem.horizon_hours
    lines = []
    change = np.abs(plan.schedule[0] - plan.problem.arrays.current)[plan.moved]
    largest = plan.moved[(-change).argsort(kind="stable")[:MOST_REASONS]]
    names = plan.problem.names
    for i, before, after, gain, cost in plan.changes_of(largest):
        verb = "takes" if after > before else "gives"
        paid = f" for {usd(cost)} USD" if cost else ""
        stop = stopped_by(plan, i)
        lines.append(
            f"{names[i]} {verb} {percent(abs(after - before))} ({amount(before)} -> {amount(after)}): "
            f"{gain / hours:+.4g} USD/h{paid}{', ' + stop if stop else ''}"
        )
    if plan.moved.size > MOST_REASONS:
        lines.append(f"and {plan.moved.size - MOST_REASONS} smaller moves")
    if plan.moved.size:
        lines.append(
            f"net benefit {usd(plan.net_benefit)} USD over {hours:g} h: {plan.improvement_per_hour:+.4g} USD/h "
            f"x {hours:g} h - cost {usd(plan.cost)} USD"
        )
    elif not plan.notes or "best plan" not in plan.notes[0]:
        lines.append("stay: no move that the limits allow is worth more than it costs")
    if not plan.can_stay:
        lines.append("staying is not possible: the present shares break a rule")
    if plan.problem.limits.held:
        held = [name for name in plan.problem.names if plan.problem.limits.held_until(name, plan.problem.periods)]
        if held:
            lines.append(f"held: {', '.join(held[:MOST_REASONS])}" + (" ..." if len(held) > MOST_REASONS else ""))
    return (*lines, *plan.notes)


def stopped_by(plan: Allocation, i: int) -> str:
    """Which of its own limits ended the move of protocol i, "" where none did."""
    data = plan.problem.arrays
    share, now, most = plan.schedule.item(0, i), data.current.item(i), data.max_change.item(0, i)
    if abs(abs(share - now) - most) < SAME:
        return f"at max_change {amount(most)}"
    if share > now and share >= data.upper.item(0, i) - SAME:
        return f"full: max_share {amount(data.upper.item(0, i))}"
    if share < now and 0.0 < share <= data.lower.item(0, i) + SAME:
        return floor_of(plan, i)
    return ""


def floor_of(plan: Allocation, i: int) -> str:
    """The rule that keeps the share of protocol i from falling further."""
    spec, floor = plan.problem.specs[i], float(plan.problem.arrays.lower[0, i])
    if spec.lock_in is not None and spec.lock_in.share == floor:
        return f"locked in at {amount(floor)}"
    if floor == spec.min_share:
        return f"at min_share {amount(floor)}"
    return f"at decrease_floor {amount(floor)}"
