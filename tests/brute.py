"""An independent reference written from the problem, not the program: every share vector on a grid, in plain Python.

Nothing of the library's arithmetic is used: only the fields of the problem's records. Rules are read from the records'
descriptions: `broken_rules` says which a schedule breaks, `worth` what it is worth (USD over the horizon), `best` tries
every schedule on a grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

from reallot import AllocationProblem, CVaR, EarningsCurve, ProtocolSpec, RateUncertainty, Tiers

NEAR = 1e-9
Shares = tuple[float, ...]


def earnings(curve: EarningsCurve, share: float) -> float:
    """USD/h at `share`: interpolation between the breakpoints, the last slope beyond them."""
    points = list(zip(curve.shares, curve.earnings, strict=True))
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= share <= x1:
            return y0 + (y1 - y0) * (share - x0) / (x1 - x0)
    x, y = points[-1]
    return y + curve.last_slope * (share - x)


def rising_part(curve: EarningsCurve, low: float, high: float) -> float:
    """What the pieces with a positive slope add between two shares, USD/h: what warms up."""
    cuts = sorted({low, high, *(share for share in curve.shares if low < share < high)})
    return sum(max(earnings(curve, b) - earnings(curve, a), 0.0) for a, b in pairwise(cuts))


def curve_in(problem: AllocationProblem, spec: ProtocolSpec, period: int) -> EarningsCurve:
    """The curve of a protocol in a period, rates per period included, scenarios left out."""
    if problem.rates is not None and spec.name in problem.rates:
        return EarningsCurve((0.0,), (0.0,), problem.rates[spec.name][period])
    return spec.curve[period] if isinstance(spec.curve, tuple) else spec.curve


def scenario_curves(problem: AllocationProblem, spec: ProtocolSpec, period: int) -> list[EarningsCurve]:
    """The curve in each scenario; the one curve where there are none."""
    curve, scenarios = curve_in(problem, spec, period), problem.scenarios
    if scenarios is None:
        return [curve]
    for table in (scenarios.rates, scenarios.factors):
        if spec.name in table:
            values = [path[period] if len(path) > 1 else path[0] for path in table[spec.name]]
            if table is scenarios.rates:
                return [EarningsCurve((0.0,), (0.0,), value) for value in values]
            return [
                EarningsCurve(curve.shares, tuple(f * y for y in curve.earnings), f * curve.last_slope) for f in values
            ]
    return [curve] * len(scenarios.probabilities or ())


def probabilities(problem: AllocationProblem) -> list[float]:
    """One per scenario; certainty where there are none."""
    return [1.0] if problem.scenarios is None else list(problem.scenarios.probabilities or ())


def worth(problem: AllocationProblem, schedule: list[Shares]) -> float:
    """Expected earnings less costs over the horizon, with the problem's risk: USD."""
    hours = problem.horizon_hours / problem.periods
    chances = probabilities(problem)
    outcomes, cost = [0.0] * len(chances), 0.0
    before = tuple(problem.current[spec.name] for spec in problem.specs)
    for period, now in enumerate(schedule):
        for spec, old, new in zip(problem.specs, before, now, strict=True):
            curves = scenario_curves(problem, spec, period)
            for s, curve in enumerate(curves):
                outcomes[s] += hours * earnings(curve, new)
            cost += change_cost(spec, old, new)
            lost_hours = min(spec.warm_up_hours * (1.0 - spec.warm_up_earns), hours)
            if new > old and lost_hours > 0.0:
                cost += lost_hours * rising_part(mean_curve(curves, chances), old, new)
        taken = sum(max(new - old, 0.0) for old, new in zip(before, now, strict=True))
        given = sum(max(old - new, 0.0) for old, new in zip(before, now, strict=True))
        if problem.limits.change_cost is not None:
            pairs = zip(before, now, strict=True)
            cost += sum(tiered(problem.limits.change_cost, abs(new - old)) for old, new in pairs)
        if problem.limits.turnover_cost is not None:
            cost += tiered(problem.limits.turnover_cost, max(taken, given))
        before = now
    start = tuple(problem.current[spec.name] for spec in problem.specs)
    if any(now != start for now in schedule):
        cost += problem.limits.plan_fee
    mean = sum(chance * outcome for chance, outcome in zip(chances, outcomes, strict=True))
    if isinstance(problem.risk, CVaR):
        tail = worst_mean(outcomes, chances, problem.risk.level)
        return (1.0 - problem.risk.weight) * mean + problem.risk.weight * tail - cost
    if isinstance(problem.risk, RateUncertainty):
        return mean - cost - worst_shortfall(problem, problem.risk, schedule, hours)
    return mean - cost


def change_cost(spec: ProtocolSpec, old: float, new: float) -> float:
    """Proportional cost and fee of one change, USD."""
    if new == old:
        return 0.0
    taking = spec.move_cost if spec.move_cost_in is None else spec.move_cost_in
    giving = spec.move_cost if spec.move_cost_out is None else spec.move_cost_out
    return spec.move_fee + (tiered(taking, new - old) if new > old else tiered(giving, old - new))


def tiered(price: float | Tiers, size: float) -> float:
    """What a change of so much costs at one price, or at prices by tiers: USD."""
    if not isinstance(price, Tiers):
        return price * size
    cost, left = 0.0, size
    for width, unit in price.steps:
        part = left if width is None else min(left, width)
        cost, left = cost + unit * part, left - part
    return cost


def mean_curve(curves: list[EarningsCurve], chances: list[float]) -> EarningsCurve:
    """The expected curve; scenarios of one protocol share their breakpoints."""
    total = [
        sum(chance * curve.earnings[k] for chance, curve in zip(chances, curves, strict=True))
        for k in range(len(curves[0].shares))
    ]
    slope = sum(chance * curve.last_slope for chance, curve in zip(chances, curves, strict=True))
    return EarningsCurve(curves[0].shares, tuple(total), slope)


def worst_mean(outcomes: list[float], chances: list[float], level: float) -> float:
    """Mean outcome over the worst 1 - level of the probability."""
    left, total = 1.0 - level, 0.0
    for outcome, chance in sorted(zip(outcomes, chances, strict=True)):
        part = min(chance, left)
        total, left = total + part * outcome, left - part
    return total / (1.0 - level)


def worst_shortfall(problem: AllocationProblem, risk: RateUncertainty, schedule: list[Shares], hours: float) -> float:
    """The largest loss if `budget` protocols fall short by their radius over the whole horizon, USD."""
    losses = []
    for i, spec in enumerate(problem.specs):
        radius = risk.radius.get(spec.name, 0.0) if isinstance(risk.radius, dict) else risk.radius
        losses.append(hours * float(radius) * sum(now[i] for now in schedule))
    left, total = risk.budget, 0.0
    for loss in sorted(losses, reverse=True):
        total, left = total + min(left, 1.0) * loss, max(left - 1.0, 0.0)
    return total


def at(limit: object, name: str, period: int) -> float | None:
    """A limit given as one number, by name, or per period; None where there is none."""
    if isinstance(limit, dict):
        return limit.get(name)
    if isinstance(limit, tuple):
        return float(limit[period])
    return None if limit is None else float(limit)  # type: ignore[arg-type]


def broken_rules(problem: AllocationProblem, schedule: list[Shares], near: float = NEAR) -> list[str]:
    """Every rule that a schedule breaks by more than `near`, in words."""
    broken = []
    before = tuple(problem.current[spec.name] for spec in problem.specs)
    stayed, moved_at = [True] * len(before), [-1 - problem.limits.hold_after_change] * len(before)
    for period, now in enumerate(schedule):
        stayed = [s and abs(a - b) <= near for s, a, b in zip(stayed, before, now, strict=True)]
        wrong = static_rules(problem, now, period, stayed, near) + change_rules(problem, before, now, period, near)
        for i, (old, new) in enumerate(zip(before, now, strict=True)):
            if abs(new - old) > near:
                if period - moved_at[i] <= problem.limits.hold_after_change:
                    wrong.append(f"{problem.names[i]} changes again too soon")
                moved_at[i] = period
        broken += [f"{rule} in period {period}" for rule in wrong]
        before = now
    return broken


def static_rules(problem: AllocationProblem, now: Shares, period: int, stayed: list[bool], near: float) -> list[str]:
    """Rules about where shares may be. `stayed` says which protocols never left their present share."""
    broken = []
    for spec, share, same in zip(problem.specs, now, stayed, strict=True):
        name = spec.name
        floor = max(spec.min_share, min(spec.decrease_floor, problem.current[name]))
        if spec.lock_in is not None and period < spec.lock_in.until:
            floor = max(floor, spec.lock_in.share)
        if share < floor - near or share < -near:
            broken.append(f"{name} below its floor")
        if spec.max_share is not None and share > spec.max_share + near:
            broken.append(f"{name} above max_share")
        if near < share < spec.entry_share - near and not same:
            broken.append(f"{name} below its entry share")
        if spec.step > 0.0 and abs(share / spec.step - round(share / spec.step)) > near and not same:
            broken.append(f"{name} not in whole units")
    total = sum(now)
    if problem.capacity is not None:
        room = problem.capacity - problem.reserve
        if total > room + near or (total < room - near and not problem.allow_idle):
            broken.append("capacity")
    for key, most in problem.resources.items():
        if sum(spec.uses.get(key, 0.0) * x for spec, x in zip(problem.specs, now, strict=True)) > most + near:
            broken.append(f"resource {key}")
    for group in problem.limits.groups:
        held = [x for spec, x in zip(problem.specs, now, strict=True) if spec.name in group.members]
        if group.max_share is not None and sum(held) > group.max_share + near:
            broken.append(f"group {group.name}")
        if group.max_active is not None and sum(x > near for x in held) > group.max_active:
            broken.append(f"active {group.name}")
        if group.min_share is not None and sum(held) < group.min_share - near:
            broken.append(f"group {group.name} below its floor")
        if group.min_active is not None and sum(x > near for x in held) < group.min_active:
            broken.append(f"too few active in group {group.name}")
    for rule in problem.limits.rules:
        of = {spec.name: (spec.name,) for spec in problem.specs}
        of |= {group.name: group.members for group in problem.limits.groups}
        share = {spec.name: x for spec, x in zip(problem.specs, now, strict=True)}
        total = sum(weight * share[name] for key, weight in rule.coefficients.items() for name in of[key])
        least, most = (rule.equals, rule.equals) if rule.equals is not None else (rule.at_least, rule.at_most)
        if (most is not None and total > most + near) or (least is not None and total < least - near):
            broken.append(f"rule {rule.name}")
    return broken


def change_rules(problem: AllocationProblem, before: Shares, now: Shares, period: int, near: float) -> list[str]:
    """Rules about changes."""
    broken, limits = [], problem.limits
    changes = [b - a for a, b in zip(before, now, strict=True)]
    for spec, old, new, change in zip(problem.specs, before, now, changes, strict=True):
        until = limits.held.get(spec.name, 0) if isinstance(limits.held, dict) else None
        is_held = spec.name in limits.held if until is None else period < until
        if is_held and abs(change) > near:
            broken.append(f"{spec.name} is held")
        most = at(limits.max_change, spec.name, period)
        if most is not None and abs(change) > most + near and not one_unit(problem, spec, old, new, most, near):
            broken.append(f"{spec.name} changes by more than max_change")
        up, down = at(limits.max_increase, spec.name, period), at(limits.max_decrease, spec.name, period)
        part = at(limits.max_change_relative, spec.name, period)
        if up is not None and change > up + near:
            broken.append(f"{spec.name} increases by more than max_increase")
        if down is not None and -change > down + near:
            broken.append(f"{spec.name} decreases by more than max_decrease")
        if part is not None and abs(change) > part * problem.current[spec.name] + near:
            broken.append(f"{spec.name} changes by more than its part")
        if (change > near and spec.name in limits.only_decrease) or (
            change < -near and spec.name in limits.only_increase
        ):
            broken.append(f"{spec.name} changes in the wrong direction")
        if near < abs(change) < limits.min_move - near:
            broken.append(f"{spec.name} changes by less than min_move")
    turnover = at(limits.max_turnover, "", period)
    taken, given = sum(max(c, 0.0) for c in changes), sum(max(-c, 0.0) for c in changes)
    if turnover is not None and max(taken, given) > turnover + near:
        broken.append("turnover")
    if limits.max_moves is not None and sum(abs(c) > near for c in changes) > limits.max_moves:
        broken.append("max_moves")
    return broken


def one_unit(problem: AllocationProblem, spec: ProtocolSpec, old: float, new: float, most: float, near: float) -> bool:
    """True where a change past max change is the one unit that is allowed: a step, the entry, or back to nothing."""
    if not problem.limits.allow_one_unit:
        return False
    entry = spec.entry_share
    if spec.step > 0.0:
        entry = spec.step * -(-entry // spec.step) if entry % spec.step > near else entry
    if spec.step > most and abs(new - old) <= spec.step + near:
        return True
    entered = old <= near and abs(new - entry) <= near
    left = new <= near and old <= entry + near
    return entry > most and (entered or left)


def vectors(problem: AllocationProblem, grid: int) -> list[Shares]:
    """Every share vector on the grid (the present shares among them) that could meet the rules about shares."""
    places = []
    for spec in problem.specs:
        room = 1.0 if problem.capacity is None else problem.capacity
        top = room if spec.max_share is None else spec.max_share
        here = {k / grid for k in range(round(grid * max(room, top)) + 1) if k / grid <= top + NEAR}
        places.append(sorted(here | {problem.current[spec.name]}))
    free = [True] * len(places)
    last = problem.periods
    # a lock-in may end before the last period, so its floor is left to the check of each schedule
    return [
        now
        for now in product(*places)
        if not [rule for rule in static_rules(problem, now, last, free, NEAR) if "floor" not in rule]
    ]


def schedules(problem: AllocationProblem, grid: int) -> Iterator[list[Shares]]:
    """Every schedule on the grid that breaks no rule."""
    candidates = vectors(problem, grid)
    start = tuple(problem.current[spec.name] for spec in problem.specs)

    def extend(done: list[Shares], before: Shares) -> Iterator[list[Shares]]:
        period = len(done)
        if period == problem.periods:
            if not broken_rules(problem, done):
                yield done
            return
        for now in candidates:
            if not change_rules(problem, before, now, period, NEAR):
                yield from extend([*done, now], now)

    yield from extend([], start)


def best(problem: AllocationProblem, grid: int) -> float | None:
    """What the best schedule on the grid is worth (USD over the horizon); None where none meets all rules."""
    values = [worth(problem, schedule) for schedule in schedules(problem, grid)]
    return max(values) if values else None
