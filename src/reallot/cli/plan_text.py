"""A plan as text for a terminal: the table, the money, the prices in words, the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..allocation.reasons import floor_of, stopped_by
from ..allocation.result import Allocation
from ..allocation.shadow_prices import Price
from ..text.columns import cells, comma_separated, table
from ..text.numbers import SAME, amount, change, share, shown, usd
from .screen import GREEN, RED, Screen

MOST_PERIODS = 8
"""Periods shown of a longer schedule."""


def plan_text(plan: Allocation, screen: Screen) -> str:
    """The whole answer: table, money, what it looks ahead to, prices, notes, certificate, solver."""
    parts = [plan_table(plan, screen), money_text(plan), schedule_table(plan, screen), prices_text(plan, screen)]
    parts += ["\n".join(f"Note: {note}." for note in plan.notes), proof_text(plan, screen)]
    return "\n\n".join(part for part in parts if part)


def plan_table(plan: Allocation, screen: Screen) -> str:
    """One row per protocol: today, plan, change, earnings (USD/h) and why."""
    problem, earnings = plan.problem, plan.value.earnings[0]
    now, then = problem.arrays.current, plan.schedule[0]
    money = _same_digits([*earnings, float(earnings.sum())])
    rows = [["", "today", "plan", "change", "USD/h", "why"]]
    for i, name in enumerate(problem.names):
        rows.append(
            [shown(name), share(now[i]), share(then[i]), change(then[i] - now[i]), money(earnings[i]), why(plan, i)]
        )
    before = max(0.0, (problem.available or 0.0) - float(now.sum()))
    if max(plan.idle, before) > SAME:
        rows.append(["(idle)", share(before), share(plan.idle), change(plan.idle - before), "", ""])
    sums = ("", "") if problem.available is None else (share(now.sum() + before), share(then.sum() + plan.idle))
    rows.append(["total", *sums, "", money(float(earnings.sum())), ""])
    return screen.table(rows, range(1, 5), fold=True)


def plan_csv(plan: Allocation) -> str:
    """The same table as CSV, without its sums."""
    problem, now, then = plan.problem, plan.problem.arrays.current, plan.schedule[0]
    rows: list[list[object]] = [["protocol", "share_today", "share_plan", "usd_per_hour", "why"]]
    for i, name in enumerate(problem.names):
        rows.append([name, float(now[i]), float(then[i]), float(plan.value.earnings[0, i]), why(plan, i)])
    return comma_separated(rows)


def why(plan: Allocation, i: int) -> str:
    """In a few words: what the change of protocol i brings, costs and stops at, or what keeps it where it is."""
    then, now = float(plan.schedule[0, i]), float(plan.problem.arrays.current[i])
    if then == now:
        return _why_stays(plan, i, then)
    gain = float(plan.value.earnings[0, i] - plan.stay_value.earnings[0, i])
    each = f"({usd(gain / (then - now))} per unit)"
    if abs(gain) < SAME:
        parts = ["earned nothing there" if then < now else "earns nothing more"]
    else:
        parts = [f"adds {usd(gain)} USD/h {each}" if gain > 0.0 else f"gives up {usd(-gain)} USD/h {each}"]
    if cost := float(plan.value.costs[0, i]):
        parts.append(f"costs {usd(cost)} USD")
    if stop := stopped_by(plan.problem, plan.schedule[0], i):
        parts.append(stop)
    return "; ".join(parts)


def _why_stays(plan: Allocation, i: int, now: float) -> str:
    data, limits, name = plan.problem.arrays, plan.problem.limits, plan.problem.names[i]
    until = limits.held_until(name, plan.problem.periods)
    if until:
        return "held" if until >= plan.problem.periods else f"held until period {until}"
    if now == 0.0 and (group := _full_group(plan, name)):
        return group
    if limits.max_moves is not None and len(plan.moves) >= limits.max_moves:
        return f"not among the best {limits.max_moves} moves"
    if now == 0.0:
        return "not worth starting" if plan.status == "optimal" else "not started"
    if now >= data.upper[0, i] - SAME:
        return f"full: max_share {amount(float(data.upper[0, i]))}"
    if 0.0 < now <= data.lower[0, i] + SAME:
        return floor_of(plan.problem, i)
    return "no change pays" if plan.status == "optimal" else "no change found that pays"


def _full_group(plan: Allocation, name: str) -> str:
    """Why protocol `name` cannot start: a group in which as many are active as may be; "" where there is none."""
    share_of = dict(zip(plan.problem.names, plan.schedule[0], strict=True))
    for group in plan.problem.limits.groups:
        active = sum(share_of[member] > 0.0 for member in group.members)
        if name in group.members and group.max_active is not None and active >= group.max_active:
            return f"{shown(group.name)} allows {group.max_active}"
    return ""


def money_text(plan: Allocation) -> str:
    """Earnings today and planned, cost, net benefit and when it has paid for itself, in sentences."""
    hours, today, more = plan.problem.horizon_hours, plan.stay_value.earnings_per_hour, plan.improvement_per_hour
    if not plan.moves and abs(plan.net_benefit) < SAME:
        none = "no move that the rules allow is worth more than it costs"
        none = none if plan.status == "optimal" else "the search found no move worth more than it costs"
        return f"Stay: earns {usd(today)} USD/h, and {none}."
    lines = [
        f"Earns {usd(plan.earnings_per_hour)} USD/h, today {usd(today)}: {usd(more, sign=True)} USD/h.",
        f"Over {hours:g} h: {usd(more * hours, sign=True)} USD earned, {usd(plan.cost)} USD spent on moves, "
        f"net {usd(plan.net_benefit, sign=True)} USD.",
    ]
    back = f"Paid back after {plan.cost / more:.2g} h. " if plan.cost > 0.0 and more > 0.0 else ""
    lines.append(f"{back}Turnover {amount(plan.turnover)}.")
    if not plan.can_stay:
        lines.append("Staying is not possible: the present shares break a rule.")
    return "\n".join(lines)


def schedule_table(plan: Allocation, screen: Screen) -> str:
    """The shares of later periods, "" where there is one period only."""
    periods = plan.problem.periods
    if periods == 1:
        return ""
    shown_periods = range(min(periods, MOST_PERIODS))
    rows = [["period", *(str(t) for t in shown_periods)]]
    rows += [
        [shown(name), *(share(float(plan.schedule[t, i])) for t in shown_periods)]
        for i, name in enumerate(plan.problem.names)
    ]
    more = f" (the first {MOST_PERIODS} of {periods})" if periods > MOST_PERIODS else ""
    head = f"Looking ahead{more}, {usd(plan.problem.arrays.hours)} h each; only period 0 is meant to be applied:"
    return f"{head}\n{screen.table(rows, range(1, len(rows[0])))}"


def prices_text(plan: Allocation, screen: Screen) -> str:
    """What one more unit of each limit is worth, in words."""
    lines, free = [], []
    for name, price in plan.prices.items():
        if abs(price.low) < SAME and (abs(price.high) < SAME or math.isinf(price.high)):
            free.append(_loosened(name))
        else:
            lines.append([f"  {_loosened(name)}", price_text(price)])
    text = table(lines) if lines else ""
    if free:
        text += ("\n" if text else "") + screen.folded(f"  nothing for {', '.join(free)}")
    if not text:
        return ""
    given = ", given these choices" if plan.program is not None and plan.program.is_mixed_integer else ""
    return f"Worth of one more unit (USD/h){given}:\n{text}"


def price_text(price: Price) -> str:
    """A price in words: one number, or what the next and the last unit are worth where they differ."""
    low, high = price
    if math.isinf(low) and math.isinf(high):
        return "cannot be more or less"
    if math.isinf(low):
        return f"more cannot be used; the last unit is worth {usd(high)}"
    if math.isinf(high):
        return f"{usd(low)}; without the last unit no plan is left"
    if abs(high - low) <= SAME * max(1.0, abs(low)):
        return usd(low)
    return f"{usd(low)} for the next, {usd(high)} for the last"


def _loosened(name: str) -> str:
    """What "one more" means for the limit of that name."""
    kind, _, subject = shown(name).partition(" ")
    return {
        "held": f"releasing {subject}",
        "max_change": f"a larger max_change of {subject}",
        "max_share": f"a larger max_share of {subject}",
        "min_share": f"a lower min_share of {subject}",
        "lock_in": f"a lower lock-in of {subject}",
        "decrease_floor": f"a lower decrease_floor of {subject}",
        "resource": f"more {subject}",
        "group": f"more for group {subject}",
    }.get(kind, f"more {kind}")


PROOFS = {"row prices": "row prices", "branch and bound": "row prices in every branch", "fees": "a search over fees"}
"""What a bound is proved from, by `Certificate.bound_from`."""


def proof_text(plan: Allocation, screen: Screen) -> str:
    """The certificate in a sentence, who solved it, why that one, and how long it took."""
    certificate = plan.certificate
    if certificate.gap is None:
        best = "how much better another plan could be is not known"
    else:
        claimed = certificate.bound_from.startswith("claimed by")
        by = certificate.bound_from if claimed else f"proved from {PROOFS.get(certificate.bound_from, 'a search')}"
        much = f" by more than {certificate.gap:.0e} of the money at stake" if certificate.gap > 0.0 else ""
        best = f"no plan is better{much} ({by})"
    rules = f"to {certificate.worst_residual:.0e}" if certificate.worst_residual > 0.0 else "exactly"
    stopped = " Stopped by the time limit." if plan.status != "optimal" else ""
    milliseconds = plan.timings.get("total", 0.0) * 1e3
    solver = f"Solver {plan.solver} ({plan.solver_reason}), {milliseconds:.0f} ms.{stopped}"
    return f"{screen.folded(f'Checked: every rule holds {rules}; {best}.')}\n{screen.folded(solver)}"


def picture(plan: Allocation, screen: Screen) -> str:
    """One bar per protocol: what it keeps, takes and gives up; the longest fills what width there is."""
    kept, taken, given = ("█", "▓", "░") if screen.unicode else ("#", "+", "-")
    arrow = "→" if screen.unicode else "->"
    now, then = plan.problem.arrays.current, plan.schedule[0]
    names = [shown(name) for name in plan.problem.names]
    label = max(cells(name) for name in names)
    room = max(10, min(60, screen.width - label - 24))
    unit = room / max(float(now.max()), float(then.max()), SAME)
    lines = []
    for i, name in enumerate(names):
        low, high = sorted((float(now[i]), float(then[i])))
        length, solid = round(high * unit), round(low * unit)
        if high > low and length == solid:
            length += 1
        part = screen.paint(taken * (length - solid), GREEN) if then[i] > now[i] else ""
        part = screen.paint(given * (length - solid), RED) if then[i] < now[i] else part
        moved = f" {arrow} {share(then[i])}" if then[i] != now[i] else ""
        blank = " " * (room + 1 - length)
        lines.append(f"{name}{' ' * (label - cells(name))}  {kept * solid}{part}{blank} {share(now[i])}{moved}")
    legend = f"{kept} kept   {screen.paint(taken, GREEN)} taken on   {screen.paint(given, RED)} given up"
    return "\n".join([*lines, f"{' ' * label}  {legend}"])


def _same_digits(values: Sequence[float]) -> Callable[[float], str]:
    """A function that writes money with as many decimals as the largest of `values` needs for four digits."""
    largest = max((abs(float(value)) for value in values), default=0.0)
    digits = 2 if largest == 0.0 else min(12, max(2, 3 - math.floor(math.log10(largest))))
    return lambda value: f"{float(value) + 0.0:.{digits}f}"
