"""Why this plan, in a few sentences that need no further solving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .wording import amount, percent, usd

if TYPE_CHECKING:
    from .allocation import Allocation

MOST_REASONS = 12
SAME = 1e-9
"""Shares closer than this are one."""


def reasons(plan: Allocation) -> tuple[str, ...]:
    """A few sentences on `plan`, largest moves first, with no further solving."""
    hours = plan.problem.horizon_hours
    lines = []
    moves = sorted(plan.moves, key=lambda move: -abs(move.change))
    for move in moves[:MOST_REASONS]:
        verb = "takes" if move.change > 0 else "gives"
        cost = f" for {usd(move.cost)} USD" if move.cost else ""
        lines.append(
            f"{move.protocol} {verb} {percent(abs(move.change))} ({amount(move.before)} -> {amount(move.after)}): "
            f"{move.gain / hours:+.4g} USD/h{cost}{_stop(plan, move.protocol)}"
        )
    if len(moves) > MOST_REASONS:
        lines.append(f"and {len(moves) - MOST_REASONS} smaller moves")
    if moves:
        lines.append(
            f"net benefit {usd(plan.net_benefit)} USD over {hours:g} h: {plan.improvement_per_hour:+.4g} USD/h "
            f"x {hours:g} h - cost {usd(plan.cost)} USD"
        )
    elif not plan.notes or "best plan" not in plan.notes[0]:
        lines.append("stay: no move that the limits allow is worth more than it costs")
    if not plan.can_stay:
        lines.append("staying is not possible: the present shares break a rule")
    held = [name for name in plan.problem.names if plan.problem.limits.held_until(name, plan.problem.periods)]
    if held:
        lines.append(f"held: {', '.join(held[:MOST_REASONS])}" + (" ..." if len(held) > MOST_REASONS else ""))
    return (*lines, *plan.notes)


def _stop(plan: Allocation, name: str) -> str:
    stop = stopped_by(plan, plan.problem.names.index(name))
    return f", {stop}" if stop else ""


def stopped_by(plan: Allocation, i: int) -> str:
    """Which of its own limits ended the move of protocol i, "" where none did."""
    data = plan.problem.arrays
    share, now = float(plan.schedule[0, i]), float(data.current[i])
    if abs(abs(share - now) - float(data.max_change[0, i])) < SAME:
        return f"at max_change {amount(float(data.max_change[0, i]))}"
    if share > now and share >= data.upper[0, i] - SAME:
        return f"full: max_share {amount(float(data.upper[0, i]))}"
    if share < now and 0.0 < share <= data.lower[0, i] + SAME:
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
