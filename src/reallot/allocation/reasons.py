"""Why this plan, in a few sentences that need no further solving."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formulation.change_rules import binding
from ..formulation.drawdown import mean_drawdown
from ..formulation.risk import scenario_earnings
from ..formulation.scenario_sets import is_below, set_odds
from ..problem import AllocationProblem, CDaR, Closest, ShortfallChance, WorstCase
from ..problem.arrays import FloatArray, IntArray
from ..problem.objective import Value
from ..program import Certificate
from ..text.numbers import amount, percent, usd
from .standing import broken_by_staying

MOST_REASONS = 12
STOPPED = "the search stopped before its end"
SAME = 1e-9
"""Shares closer than this are one."""


def reasons(
    problem: AllocationProblem,
    schedule: FloatArray,
    plan: Value,
    stay: Value,
    moved: IntArray,
    can_stay: bool,
    notes: tuple[str, ...],
    no_move: str,
) -> tuple[str, ...]:
    """A few sentences on a plan, largest moves first, with no further solving.

    schedule    shares (periods, protocols)
    plan, stay  what the plan and staying earn and cost
    moved       positions of the protocols that change now
    can_stay    True where the present shares meet every rule
    notes       what else is worth knowing; they come last
    no_move     where the plan is to stay: what is said to be worth no more than it costs; "" where nothing is
    """
    hours, names = problem.horizon_hours, problem.names
    lines = []
    current, shares = problem.arrays.current, schedule[0]
    size = np.abs(shares - current)[moved]
    for i in moved[(-size).argsort(kind="stable")[:MOST_REASONS]].tolist():
        before, after, cost = current.item(i), shares.item(i), float(plan.costs[:, i].sum())
        gain = float((plan.earnings[:, i] - stay.earnings[:, i]).sum()) * plan.hours
        verb = "takes" if after > before else "gives"
        paid = f" for {usd(cost)} USD" if cost else ""
        stop = stopped_by(problem, shares, i)
        lines.append(
            f"{names[i]} {verb} {part(problem, abs(after - before))} ({amount(before)} -> {amount(after)}): "
            f"{usd(gain / hours, sign=True)} USD/h{paid}{', ' + stop if stop else ''}"
        )
    if moved.size > MOST_REASONS:
        lines.append(f"and {moved.size - MOST_REASONS} smaller moves")
    if moved.size:
        more = plan.earnings_per_hour - stay.earnings_per_hour
        ended = plan.end_value - stay.end_value
        at_end = f" {'+' if ended > 0.0 else '-'} {usd(abs(ended))} USD worth at the end" if ended else ""
        lines.append(
            f"net benefit {usd(plan.net - stay.net)} USD over {hours:g} h: {usd(more, sign=True)} USD/h "
            f"x {hours:g} h - cost {usd(plan.cost)} USD{at_end}"
        )
    elif no_move:
        lines.append(f"stay: {no_move} worth more than it costs")
    if not can_stay:
        lines.append(f"staying is not possible: the present shares break a rule: {broken_by_staying(problem)}")
    if plan.turnover_cost > 0.0 and problem.limits.turnover_cost is not None:
        lines += beyond_lines(problem, schedule, plan.turnover_cost)
    if isinstance(problem.risk, (CDaR, WorstCase, ShortfallChance)):
        lines += risk_lines(problem, schedule)
    if problem.limits.has_budgets:
        lines += total_lines(problem, schedule, plan)
    lines += change_cost_lines(problem, schedule) if problem.limits.change_cost is not None else []
    if problem.goal is not None:
        lines += goal_lines(problem, schedule, plan)
    if problem.limits.held:
        held = [name for name in problem.names if problem.limits.held_until(name, problem.periods)]
        if held:
            lines.append(f"held: {', '.join(held[:MOST_REASONS])}" + (" ..." if len(held) > MOST_REASONS else ""))
    return (*lines, *notes)


def beyond_lines(problem: AllocationProblem, schedule: FloatArray, paid: float) -> list[str]:
    """By how much turnover is above what is free of charge, as under a soft limit, and what that costs."""
    width, price = problem.limits.turnover_cost.steps[0]  # type: ignore[union-attr]
    free = float(width or 0.0) if price == 0.0 else 0.0
    change = np.diff(schedule, axis=0, prepend=problem.arrays.current[None, :])
    up, down = np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1)
    beyond = float(np.maximum(np.maximum(up, down) - free, 0.0).sum())
    return [f"turnover is {amount(beyond)} above the free {amount(free)}, for {usd(paid)} USD"]


def risk_lines(problem: AllocationProblem, schedule: FloatArray) -> list[str]:
    """What the measure of risk comes to under the plan."""
    risk, hours = problem.risk, problem.horizon_hours
    if isinstance(risk, CDaR):
        most = "" if risk.max_drawdown is None else f" of at most {usd(risk.max_drawdown)}"
        which = f"the worst {percent(1.0 - risk.level)} of drawdowns" if risk.level else "all drawdowns"
        return [f"the mean of {which} is {usd(mean_drawdown(problem, schedule))}{most} USD"]
    if isinstance(risk, ShortfallChance):
        below = float(is_below(problem, schedule, risk) @ np.asarray(problem.scenarios.probabilities))  # type: ignore[union-attr]
        chance = f"with a chance of {percent(below)}, of at most {percent(risk.chance)}"
        return [f"earnings fall below {usd(risk.floor)} USD/h {chance}"]
    assert isinstance(risk, WorstCase)
    earned = set_odds(problem, risk) @ scenario_earnings(problem, schedule) / hours
    worst, *others = sorted(zip(earned.tolist(), risk.sets, strict=True))[:MOST_REASONS]
    rest = "".join(f", {name} {usd(each)}" for each, name in others)
    return [f"worst case {worst[1]}: {usd(worst[0])} USD/h{rest}"]


def total_lines(problem: AllocationProblem, schedule: FloatArray, plan: Value) -> list[str]:
    """How much of the budgets over the horizon the plan uses."""
    limits, lines = problem.limits, []
    if limits.max_total_moves is not None:
        moves = int((np.diff(schedule, axis=0, prepend=problem.arrays.current[None, :]) != 0.0).sum())
        lines.append(f"the plan makes {moves} of at most {limits.max_total_moves} moves over the horizon")
    if limits.max_total_cost is not None:
        cost = plan.cost - plan.plan_fee
        lines.append(f"changes cost {usd(cost)} of at most {usd(limits.max_total_cost)} USD over the horizon")
    return lines


def change_cost_lines(problem: AllocationProblem, schedule: FloatArray) -> list[str]:
    """By how much changes are above what is free of `change_cost`, as under a soft limit, and what that costs."""
    price = problem.limits.change_cost
    assert price is not None
    free = price.starts[1] if price.prices[0] == 0.0 and len(price.starts) > 1 else 0.0
    change = np.abs(np.diff(schedule, axis=0, prepend=problem.arrays.current[None, :])).ravel()
    beyond, paid = float(np.maximum(change - free, 0.0).sum()), sum(map(price.cost, change.tolist()))
    return [f"changes are {amount(beyond)} above the free {amount(free)} of each, for {usd(paid)} USD"] if paid else []


def goal_lines(problem: AllocationProblem, schedule: FloatArray, plan: Value) -> list[str]:
    """What each goal came to."""
    change, lines = np.diff(schedule, axis=0, prepend=problem.arrays.current[None, :]), []
    up, down = np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1)
    for goal in problem.goals:
        if isinstance(goal, Closest):
            wanted = {problem.table.place[name]: share for name, share in goal.shares.items()}
            off = float(np.abs(schedule[:, list(wanted)] - list(wanted.values())).sum())
            lines.append(f"goal: as close to the wanted split as the limits allow, {amount(off)} off in sum")
            continue
        found = {
            "turnover": f"turnover {amount(float(np.maximum(up, down).sum()))}",
            "cost": f"cost {usd(plan.cost)} USD",
            "moves": f"{int((change != 0.0).sum())} moves",
        }[goal.minimise]
        least = "" if goal.at_least is None else f" for at least {usd(goal.at_least)} USD/h"
        lines.append(f"goal: earns {usd(plan.earnings_per_hour)} USD/h with the least {goal.minimise}{least}: {found}")
    return lines


def stopped_note(certificate: Certificate) -> str:
    """That the search did not end, and how much better than its plan another one could be, USD over the horizon."""
    if certificate.bound is None or certificate.gap is None:
        return f"{STOPPED}: how much better another plan could be is not known"
    by = certificate.bound_from if certificate.bound_from.startswith("claimed by") else "proved"
    more = max(0.0, certificate.bound - certificate.objective)
    return f"{STOPPED}: another plan may be worth up to {usd(more)} USD more, {percent(certificate.gap)} ({by})"


def part(problem: AllocationProblem, share: float) -> str:
    """A share in percent of the capacity; as the number it is where there is none."""
    capacity: Any = problem.capacity
    capacity = capacity[0] if isinstance(capacity, tuple) else capacity
    return percent(share / capacity) if capacity else amount(share)


def stopped_by(problem: AllocationProblem, shares: FloatArray, i: int) -> str:
    """Which of its own limits ended the move of protocol i to its share of `shares`, "" where none did."""
    data = problem.arrays
    share, now, most = shares.item(i), data.current.item(i), data.max_change.item(0, i)
    own = (data.up if share > now else data.down).item(0, i)
    if own < most and abs(abs(share - now) - own) < SAME:
        kinds = binding(problem, 1.0 if share > now else -1.0)
        return f"at {next(kind for kind, here in kinds.items() if here[0, i])}: no more than {amount(own)}"
    if abs(abs(share - now) - most) < SAME:
        return f"at max_change {amount(most)}"
    if share > now and share >= data.upper.item(0, i) - SAME:
        return f"full: max_share {amount(data.upper.item(0, i))}"
    if share < now and 0.0 < share <= data.lower.item(0, i) + SAME:
        return floor_of(problem, i)
    return ""


def floor_of(problem: AllocationProblem, i: int) -> str:
    """The rule that keeps the share of protocol i from falling further."""
    spec, floor = problem.specs[i], float(problem.arrays.lower[0, i])
    if spec.lock_in is not None and spec.lock_in.share == floor:
        return f"locked in at {amount(floor)}"
    if problem.periods == 1 and problem.end is not None and problem.end.at_least.get(spec.name) == floor:
        return f"at its floor at the end {amount(floor)}"
    if floor == (spec.min_share[0] if isinstance(spec.min_share, tuple) else spec.min_share):
        return f"at min_share {amount(floor)}"
    return f"at decrease_floor {amount(floor)}"


def notes_on(problem: AllocationProblem, schedule: FloatArray) -> tuple[str, ...]:
    """Sentences about units and entry shares that max change or turnover keep out, and about moves past max change."""
    data, limits = problem.arrays, problem.limits
    if not (data.has_units or limits.min_move > 0.0):
        return tuple(idle_limits(problem))
    result = idle_limits(problem)
    turnover = np.inf if data.max_turnover is None else float(data.max_turnover[0])
    for i, name in enumerate(problem.names):
        if data.held[0, i]:
            continue
        change, now = float(data.max_change[0, i]), float(data.current[i])
        for what, size in (("unit", float(data.step[i])), ("entry", _entry_gap(_entry(problem, i), now))):
            if size <= 0.0:
                continue
            moved = abs(float(schedule[0, i]) - now)
            if data.one_unit[i] and moved > change + 1e-12:
                allowed = f"one {what} past the limit {part(problem, change)} is allowed"
                result.append(f"{name} moves by {part(problem, moved)}: {allowed}, confirm it")
                break
            for rule, limit in (("limit", change), ("turnover", turnover)):
                if size > limit + 1e-12 and not (rule == "limit" and data.one_unit[i]):
                    result.append(f"{name} unreachable: {what} {part(problem, size)} > {rule} {part(problem, limit)}")
        if limits.min_move > change + 1e-12:
            result.append(
                f"{name} unreachable: smallest move {part(problem, limits.min_move)} > limit {part(problem, change)}"
            )
    return tuple(result)


def _entry(problem: AllocationProblem, i: int) -> float:
    """The least share protocol i can enter with: entry_share, in whole units where it comes in units."""
    entry, step = float(problem.arrays.entry[i]), float(problem.arrays.step[i])
    return entry if step == 0.0 else float(np.ceil(entry / step - 1e-9)) * step


def _entry_gap(entry: float, now: float) -> float:
    """How far a jump across the entry share is: into it from 0, or out of it from at most the entry share."""
    if entry <= 0.0 or now > entry:
        return 0.0
    return float(entry) if now == 0.0 else now


def idle_limits(problem: AllocationProblem) -> list[str]:
    """Notes on limits of change so large that they limit nothing: a percentage in place of a share, as a rule."""
    if problem.capacity is None:
        return []
    capacity = float(np.max(problem.capacity))
    whole = max(capacity, float(problem.arrays.current.sum()))
    notes = []
    for key in ("max_change", "max_turnover"):
        value = getattr(problem.limits, key)
        several = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        largest = max((each for each in several if each is not None), default=0.0)
        if whole < largest <= 100.0 * whole:
            of = f"shares are parts of capacity {capacity:g}, and {largest:g} % of it is"
            notes.append(f"{key} {largest:g} limits nothing: {of} {largest * capacity / 100.0:g}")
    return notes
