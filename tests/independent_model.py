"""A second reading of the documented rules: every choice tried in turn, each a linear program of its own.

Written from the records' descriptions for small problems of every kind but `allow_one_unit` and warm-up on curves over
several periods. Nothing of the library's arithmetic is used: scipy's `linprog` answers, on rows laid out here.

A choice says, for each protocol and period, whether it stays, rises or falls (where that counts), on which piece of its
curve it stands, how many units it has, and whether it is used at all. Given all choices the rest is linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product

import numpy as np
from scipy.optimize import linprog

from reallot import (
    AllocationProblem,
    CDaR,
    Closest,
    CVaR,
    EarningsCurve,
    Goal,
    ProtocolSpec,
    RateUncertainty,
    ShortfallChance,
    Tiers,
    WorstCase,
)
from tests.brute import at, mean_curve, probabilities, scenario_curves

NEAR = 1e-9
"""What the present shares may miss a limit by, and the largest change that is none, as documented."""
ROUNDING = 2e-12
"""Limits of change are met to the digit: only limits next to present shares are widened to them."""
INF = float("inf")


@dataclass(frozen=True)
class Option:
    """One choice for one protocol in one period: the share's box, its earnings there, and how it may change.

    lines  (slope, earnings less slope times share) in each scenario, USD/h
    line_in, line_out
           (price, cost less price times change) of the tier of falling prices that a change is charged by
    warm   (USD/h per unit of share, USD/h) that warm up, where the share before is known
    """

    low: float
    high: float
    lines: tuple[tuple[float, float], ...]
    warm: tuple[float, float] | None
    most_up: float
    most_down: float
    least_up: float = 0.0
    least_down: float = 0.0
    fee: float = 0.0
    moved: bool = False
    active: bool = True
    still: bool = False
    line_in: tuple[float, float] | None = None
    line_out: tuple[float, float] | None = None


def here(limit: float, present: float) -> float:
    """`limit`, or the present share where it is as near as rounding."""
    return present if abs(limit - present) <= NEAR * max(1.0, abs(present)) else limit


def bounds(problem: AllocationProblem, spec: ProtocolSpec, period: int) -> tuple[float, float]:
    """Floor and ceiling of a share in a period."""
    present = problem.current[spec.name]
    floor = max(each(spec.min_share, period), min(spec.decrease_floor, present))
    if spec.lock_in is not None and period < spec.lock_in.until:
        floor = max(floor, spec.lock_in.share)
    top = INF if spec.max_share is None else each(spec.max_share, period)
    if problem.end is not None and period == problem.periods - 1:
        floor = max(floor, problem.end.at_least.get(spec.name, 0.0))
        top = min(top, problem.end.at_most.get(spec.name, INF))
    return here(floor, present), here(top, present)


def each(value: float | tuple[float, ...], period: int) -> float:
    """The number of a period, of one value for all or one per period."""
    return value[period] if isinstance(value, tuple) else value


Piece = tuple[float, float, tuple[tuple[float, float], ...], tuple[float, float] | None]


def pieces(problem: AllocationProblem, spec: ProtocolSpec, period: int) -> list[Piece]:
    """(start, end, lines, warm) of each piece of a curve, cut at the present share where what is added warms up."""
    curves = scenario_curves(problem, spec, period)
    ends = [*curves[0].shares, INF]
    present = problem.current[spec.name]
    bends = len(curves[0].shares) > 1 or curves[0].earnings[0] != 0.0
    if bends and spec.warm_up_hours > 0.0:
        assert problem.periods == 1
        ends = sorted({*ends, present})
    mean, result = mean_curve(curves, probabilities(problem)), []
    for start, end in pairwise(ends):
        line = _line(mean, start)
        warm = None
        if bends and spec.warm_up_hours > 0.0:
            warm = (0.0, 0.0)
            if start >= present:
                before = sum(
                    max(_line(mean, x)[0], 0.0) * (y - x) for x, y in pairwise(ends) if x >= present and y <= start
                )
                rising = max(line[0], 0.0)
                warm = (rising, before - rising * start)
        result.append((start, end, tuple(_line(curve, start) for curve in curves), warm))
    return result


def _line(curve: EarningsCurve, start: float) -> tuple[float, float]:
    """(slope, earnings less slope times share) of the piece that begins at or before `start`, USD/h."""
    points = list(zip(curve.shares, curve.earnings, strict=True))
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= start < x1:
            slope = (y1 - y0) / (x1 - x0)
            return slope, y0 - slope * x0
    x, y = points[-1]
    return curve.last_slope, y - curve.last_slope * x


def sizes(problem: AllocationProblem, spec: ProtocolSpec) -> list[tuple[float, float, bool, bool]]:
    """(least, most, active, still) of each way to hold a share: none, some, a number of units, the odd one it has."""
    present, step = problem.current[spec.name], spec.step
    entry = here(spec.entry_share, present)
    room = 1.0 if problem.capacity is None else most_of(problem.capacity)
    top = max(room if spec.max_share is None else most_of(spec.max_share), present)
    mine = [group for group in problem.limits.groups if spec.name in group.members]
    grouped = any(group.max_active is not None or group.min_active is not None for group in mine)
    if any(group.min_active for group in mine):
        entry = max(entry, here(1e-6, present))
    if step > 0.0:
        units = [k for k in range(int(top / step + NEAR) + 1) if k == 0 or k * step >= entry - NEAR]
        ways = [(here(k * step, present), here(k * step, present), k > 0, False) for k in units]
        off = abs(present - round(present / step) * step)
        odd = off > NEAR * max(1.0, step, present) or NEAR < present < entry - NEAR
        return [*ways, (present, present, True, True)] if odd else ways
    if entry > 0.0:
        ways = [(0.0, 0.0, False, False), (entry, INF, True, False)]
        return [*ways, (present, present, True, True)] if NEAR < present < entry - NEAR else ways
    return [(0.0, 0.0, False, False), (0.0, INF, True, False)] if grouped else [(0.0, INF, True, False)]


def most_of(value: float | tuple[float, ...]) -> float:
    """The largest number of all periods."""
    return max(value) if isinstance(value, tuple) else value


def options(problem: AllocationProblem, spec: ProtocolSpec, period: int) -> list[Option]:
    """Every choice that bounds alone leave open."""
    limits, floor_ceiling = problem.limits, bounds(problem, spec, period)
    until = limits.held.get(spec.name, 0) if isinstance(limits.held, dict) else None
    is_held = spec.name in limits.held if until is None else period < until
    change = at(limits.max_change, spec.name, period)
    most = 0.0 if is_held or (change is not None and change <= NEAR) else INF if change is None else change
    fewest = isinstance(problem.goal, Goal) and problem.goal.minimise == "moves"
    rest = limits.hold_after_change > 0 and problem.periods > 1
    rest |= limits.max_total_moves is not None
    counts = most_of(spec.move_fee) > 0.0 or limits.max_moves is not None or limits.min_move > 0.0 or rest or fewest
    up, down = most_each_way(problem, spec, period, most)
    ways = [(up, down, 0.0, 0.0, 0.0, False)]
    if counts:
        least = limits.min_move
        ways = [(0.0, 0.0, 0.0, 0.0, 0.0, False)]
        if up > max(NEAR, least - NEAR):
            ways.append((up, 0.0, least, 0.0, each(spec.move_fee, period), True))
        if down > max(NEAR, least - NEAR):
            ways.append((0.0, down, 0.0, least, each(spec.move_fee, period), True))
    result = []
    costs = list(product(falling_lines(spec, "move_cost_in", period), falling_lines(spec, "move_cost_out", period)))
    for (low, high, active, still), (start, end, lines, warm), way, (line_in, line_out) in product(
        sizes(problem, spec), pieces(problem, spec, period), ways, costs
    ):
        box = max(floor_ceiling[0], low, start), min(floor_ceiling[1], high, end)
        if box[0] <= box[1] + NEAR:
            up, down, least_up, least_down, fee, moved = way
            box = box[0], max(box)
            changes = (up, down, least_up, least_down, fee, moved, active, still, line_in, line_out)
            result.append(Option(*box, lines, warm, *changes))
    return result


def most_each_way(problem: AllocationProblem, spec: ProtocolSpec, period: int, most: float) -> tuple[float, float]:
    """Largest increase and largest decrease, with `most` for both."""
    limits, name = problem.limits, spec.name
    part = at(limits.max_change_relative, name, period)
    both = min(most, INF if part is None else part * problem.current[name])
    given = at(limits.max_increase, name, period), at(limits.max_decrease, name, period)
    up, down = (min(both, INF if limit is None else limit) for limit in given)
    return 0.0 if name in limits.only_decrease else up, 0.0 if name in limits.only_increase else down


def cost_of(spec: ProtocolSpec, field: str, period: int) -> float | Tiers:
    """The cost of taking, or of giving, in a period."""
    own = getattr(spec, field)
    return each(spec.move_cost if own is None else own, period)


def cost_lines(cost: float | Tiers) -> list[tuple[float, float]]:
    """(price, cost less price times change) in each tier: rising prices cost the most of these, falling the least."""
    if not isinstance(cost, Tiers):
        return [(cost, 0.0)]
    result, start, paid = [], 0.0, 0.0
    for width, price in cost.steps:
        result.append((price, paid - price * start))
        if width is not None:
            start, paid = start + width, paid + price * width
    return result


def falls(cost: float | Tiers) -> bool:
    """True where a price is below the one before it; tiers that do both are left to the grid of `brute`."""
    prices = [price for price, _ in cost_lines(cost)]
    assert sorted(prices) == prices or sorted(prices, reverse=True) == prices
    return prices[-1] < prices[0]


def falling_lines(spec: ProtocolSpec, field: str, period: int) -> list[tuple[float, float] | None]:
    """The lines of falling prices, one of which is to be chosen; no choice where prices rise."""
    cost = cost_of(spec, field, period)
    return list(cost_lines(cost)) if falls(cost) else [None]


def reachable(option: Option, before: float) -> Option | None:
    """The choice seen from the share before the first period; None where it cannot be."""
    low, high = max(option.low, before - option.most_down), min(option.high, before + option.most_up)
    if option.moved and option.most_up > 0.0:
        if high - before <= max(NEAR, option.least_up - NEAR):
            return None
        low = max(low, min(before + option.least_up, high))
    if option.moved and option.most_down > 0.0:
        if before - low <= max(NEAR, option.least_down - NEAR):
            return None
        high = min(high, max(before - option.least_down, low))
    if low > high + ROUNDING:
        return None
    return Option(**{**vars(option), "low": low, "high": max(low, high)})


def choices(problem: AllocationProblem) -> Iterator[list[tuple[Option, ...]]]:
    """Every combination of choices, period by period, that the counting rules allow."""
    names = [spec.name for spec in problem.specs]
    table = []
    for period in range(problem.periods):
        row = [options(problem, spec, period) for spec in problem.specs]
        if period == 0:
            row = [
                [seen for option in each if (seen := reachable(option, problem.current[name])) is not None]
                for name, each in zip(names, row, strict=True)
            ]
        table.append([now for now in product(*row) if _counts_hold(problem, names, now, period)])
    for plan in product(*table):
        # an odd share may stay only as long as it never left
        left = [False] * len(names)
        fine = True
        for now in plan:
            fine &= not any(option.still and gone for option, gone in zip(now, left, strict=True))
            left = [gone or not option.still for option, gone in zip(now, left, strict=True)]
        total = sum(option.moved for now in plan for option in now)
        fine &= problem.limits.max_total_moves is None or total <= problem.limits.max_total_moves
        if fine and not _moves_too_soon(problem, plan):
            yield list(plan)


def _moves_too_soon(problem: AllocationProblem, plan: tuple[tuple[Option, ...], ...]) -> bool:
    """True where a protocol moves again within the periods for which it stays after a change."""
    rest = problem.limits.hold_after_change
    moves = [[t for t, now in enumerate(plan) if now[i].moved] for i in range(len(problem.specs))]
    return any(later - before <= rest for when in moves for before, later in pairwise(when))


def _counts_hold(problem: AllocationProblem, names: list[str], now: tuple[Option, ...], period: int) -> bool:
    limits = problem.limits
    if limits.max_moves is not None and sum(option.moved for option in now) > limits.max_moves:
        return False
    for group in limits.groups:
        active = sum(option.active for name, option in zip(names, now, strict=True) if name in group.members)
        if group.max_active is not None and active > group.max_active:
            return False
        if group.min_active is not None and active < group.min_active:
            return False
    if problem.capacity is not None:
        room = each(problem.capacity, period) - each(problem.reserve, period)
        wide = 1e-6 * max(1.0, room)
        return sum(option.low for option in now) <= room + wide and (
            problem.allow_idle or sum(option.high for option in now) >= room - wide
        )
    return True


def best(problem: AllocationProblem) -> float | None:
    """What the best plan is worth, USD over the horizon; None where no plan meets the rules."""
    goal = problem.goal
    fee = problem.limits.plan_fee if goal is None or (isinstance(goal, Goal) and goal.minimise == "cost") else 0.0
    values = [value - fee for plan in choices(problem) if (value := _linear(problem, plan)) is not None]
    if fee > 0.0:
        # or nothing moves at all, and no fee is paid
        still = replace(problem, limits=replace(problem.limits, held=set(problem.names)))
        values += [value for plan in choices(still) if (value := _linear(still, plan)) is not None]
    return max(values) if values else None


def _linear(problem: AllocationProblem, plan: list[tuple[Option, ...]]) -> float | None:
    """The best worth given all choices, by one linear program over share, increase and decrease."""
    specs, periods, hours = problem.specs, problem.periods, problem.horizon_hours / problem.periods
    size = len(specs)
    cells = periods * size
    present = [problem.current[spec.name] for spec in specs]
    chances, risk = np.array(probabilities(problem)), problem.risk
    # beside shares and changes: the tail's beginning and the misses of it, or the price and the parts of a worst case
    extra = 1 + chances.size if isinstance(risk, CVaR) else 1 + size if isinstance(risk, RateUncertainty) else 0
    # then what each change costs where prices rise, by taking and by giving, and what the turnover of a period does
    paid = 3 * cells + extra
    near, goal = problem.limits.near, problem.goal
    # beside these: how far each share is from what it is near to, and from what is wanted; turnover of each period
    far = paid + 2 * cells + periods
    # then peaks, drawdowns, where they begin to count and how far they are beyond; the worst set; the largest shares
    peaks = far + 2 * cells + periods
    steps = chances.size * periods
    worst = peaks + 3 * steps + 1
    top = worst + 1
    width = top + periods + cells
    gain, box, constant = np.zeros(width), [(0.0, 0.0)] * width, 0.0
    outcome, fixed = np.zeros((chances.size, width)), np.zeros(chances.size)
    fixed_by_period, charged_by_period = np.zeros((chances.size, periods)), np.zeros(periods)
    equal, equals, above, aboves = [], [], [], []

    def add(rows: list[np.ndarray], sides: list[float], entries: dict[int, float], side: float) -> None:
        row = np.zeros(width)
        for place, entry in entries.items():
            row[place] = entry
        rows.append(row)
        sides.append(side)

    for t, now in enumerate(plan):
        span = range(t * size, (t + 1) * size)
        before = fixed.copy(), constant
        for k, spec, option in zip(span, specs, now, strict=True):
            outcome[:, k] = (
                [hours * slope for slope, _ in option.lines] if len(option.lines) > 1 else (hours * option.lines[0][0])
            )
            fixed += (
                [hours * value for _, value in option.lines] if len(option.lines) > 1 else (hours * option.lines[0][1])
            )
            constant -= option.fee
            lost_hours = min(spec.warm_up_hours * (1.0 - spec.warm_up_earns), hours)
            slope = float(np.dot(chances, outcome[:, k])) / hours
            lost = lost_hours * max(slope, 0.0)
            if option.warm is not None:
                lost = 0.0
                gain[k] -= lost_hours * option.warm[0]
                constant -= lost_hours * option.warm[1]
            gain[cells + k] = -lost
            for way, field, line in ((0, "move_cost_in", option.line_in), (1, "move_cost_out", option.line_out)):
                change, charge = (1 + way) * cells + k, paid + way * cells + k
                if line is not None:
                    gain[change] -= line[0]
                    constant -= line[1]
                    continue
                gain[charge], box[charge] = -1.0, (0.0, INF)
                for price, rest in cost_lines(cost_of(spec, field, t)):
                    add(above, aboves, {change: price, charge: -1.0}, -rest)
            box[k] = (option.low, option.high)
            first = t == 0
            box[cells + k] = (0.0 if first else option.least_up, option.most_up)
            box[2 * cells + k] = (0.0 if first else option.least_down, option.most_down)
            entries = {k: 1.0, cells + k: -1.0, 2 * cells + k: 1.0}
            if not first:
                entries[k - size] = -1.0
            add(equal, equals, entries, present[k] if first else 0.0)
        if problem.limits.turnover_cost is not None:
            charge = paid + 2 * cells + t
            gain[charge], box[charge] = -1.0, (0.0, INF)
            for way, (price, rest) in product((1, 2), cost_lines(problem.limits.turnover_cost)):
                add(above, aboves, {way * cells + k: price for k in span} | {charge: -1.0}, -rest)
        fixed_by_period[:, t], charged_by_period[t] = fixed - before[0], constant - before[1]
        _shared(problem, t, present, add, (equal, equals, above, aboves), cells)
    weight, costs, charged = risk.weight if isinstance(risk, (CVaR, WorstCase)) else 0.0, gain.copy(), constant
    rows = (above, aboves)
    if problem.limits.max_total_cost is not None:
        add(above, aboves, dict(enumerate(-costs)), problem.limits.max_total_cost + charged)
    gain += (1.0 - weight) * (chances @ outcome)
    constant += (1.0 - weight) * float(chances @ fixed)
    if problem.end is not None:
        for i, spec in enumerate(specs):
            gain[(periods - 1) * size + i] += problem.end.values.get(spec.name, 0.0)
    box = [(low, max(low, high)) for low, high in box]
    if isinstance(risk, CVaR):
        # the tail's mean is the most of: begins - sum of chance times what outcomes miss it by / (1 - level)
        begins = 3 * cells
        gain[begins], gain[begins + 1 : paid] = weight, -weight * chances / (1.0 - risk.level)
        box[begins:paid] = [(None, None), *[(0.0, INF)] * chances.size]
        for s in range(chances.size):
            row = dict(enumerate(-outcome[s, : 3 * cells])) | {begins: 1.0, begins + 1 + s: -1.0}
            add(above, aboves, row, float(fixed[s]))
    elif isinstance(risk, CDaR):
        _drawdown(risk, chances, outcome, fixed_by_period, costs, charged_by_period, size, peaks, gain, box, add, rows)
    elif isinstance(risk, WorstCase):
        gain[worst], box[worst] = risk.weight, (None, None)
        for members in risk.sets.values():
            odds = np.zeros(chances.size)
            odds[list(members)] = chances[list(members)] / chances[list(members)].sum()
            add(above, aboves, dict(enumerate(-(odds @ outcome))) | {worst: 1.0}, float(odds @ fixed))
    elif isinstance(risk, RateUncertainty):
        # the largest sum of `budget` losses is the least of: budget * price + what losses are above the price
        price = 3 * cells
        gain[price], gain[price + 1 : paid] = -risk.budget, -1.0
        box[price:paid] = [(0.0, INF)] * (1 + size)
        for i, spec in enumerate(specs):
            radius = risk.radius.get(spec.name, 0.0) if isinstance(risk.radius, dict) else risk.radius
            row = {t * size + i: hours * float(radius) for t in range(periods)} | {price: -1.0, price + 1 + i: -1.0}
            add(above, aboves, row, 0.0)
    if problem.limits.largest is not None:
        largest = problem.limits.largest
        now = sum(sorted(present, reverse=True)[: largest.count])
        for t in range(periods):
            span = range(t * size, (t + 1) * size)
            box[top + t] = (0.0, INF)
            for k in span:
                box[top + periods + k] = (0.0, INF)
                add(above, aboves, {k: 1.0, top + t: -1.0, top + periods + k: -1.0}, 0.0)
            most = {top + t: float(largest.count)} | {top + periods + k: 1.0 for k in span}
            add(above, aboves, most, here(largest.at_most, now))
    for start, shares in ((far, near and near.shares), (far + cells, isinstance(goal, Closest) and goal.shares)):
        for k in range(cells):
            if shares and (name := specs[k % size].name) in shares:
                box[start + k] = (0.0, INF)
                add(above, aboves, {k: 1.0, start + k: -1.0}, shares[name])
                add(above, aboves, {k: -1.0, start + k: -1.0}, -shares[name])
    for t in range(periods):
        span = range(t * size, (t + 1) * size)
        if near is not None:
            now = sum(abs(problem.current[name] - share) for name, share in near.shares.items())
            add(above, aboves, {far + k: 1.0 for k in span}, here(near.within, now))
        box[far + 2 * cells + t] = (0.0, INF)
        for block in (cells, 2 * cells):
            add(above, aboves, {block + k: 1.0 for k in span} | {far + 2 * cells + t: -1.0}, 0.0)
    if isinstance(goal, Closest):
        gain, constant = np.zeros(width), 0.0
        gain[far + cells : far + 2 * cells] = -1.0
    elif isinstance(goal, Goal):
        if goal.at_least is not None:
            earned = -(chances @ outcome) / problem.horizon_hours
            add(above, aboves, dict(enumerate(earned)), float(chances @ fixed) / problem.horizon_hours - goal.at_least)
        moved = sum(option.moved for now in plan for option in now)
        gain, constant = {
            "turnover": (np.r_[np.zeros(peaks - periods), -np.ones(periods), np.zeros(width - peaks)], 0.0),
            "moves": (np.zeros(width), -float(moved)),
            "cost": (costs, charged),
        }[goal.minimise]
    best = None
    for below in _may_be_below(risk, chances):
        more, mores = list(above), list(aboves)
        if isinstance(risk, ShortfallChance):
            for s in set(range(chances.size)) - set(below):
                add(more, mores, dict(enumerate(-outcome[s])), float(fixed[s]) - risk.floor * problem.horizon_hours)
        found = linprog(
            -gain, np.array(more) if more else None, mores or None, np.array(equal), equals, box,
            options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
        )  # fmt: skip
        if found.status == 0 and (best is None or constant - found.fun > best):
            best = constant - found.fun
    return best


def _may_be_below(risk: object, chances: np.ndarray) -> list[tuple[int, ...]]:
    """The largest sets of scenarios that may earn less than the floor; one empty set where nothing asks for a floor."""
    if not isinstance(risk, ShortfallChance):
        return [()]
    sets = [each for k in range(chances.size + 1) for each in combinations(range(chances.size), k)]
    return [each for each in sets if sum(chances[list(each)]) <= risk.chance + NEAR]


def _drawdown(  # noqa: PLR0913
    risk, chances, outcome, fixed, costs, charged, size, start, gain, box, add, rows
) -> None:  # type: ignore[no-untyped-def]
    """Peaks of what has been earned, how far later sums are below them, and the mean of the worst.

    start  first of: peaks and drawdowns (scenarios, periods), the drawdown that counts, what is beyond it
    """
    periods = charged.size
    steps, cells = chances.size * periods, periods * size
    level = start + 2 * steps
    for place in range(start, level + 1 + steps):
        box[place] = (0.0, INF)
    odds = np.repeat(chances, periods) / ((1.0 - risk.level) * periods)
    for s in range(chances.size):
        for t in range(periods):
            so_far = np.zeros(gain.size)
            for k in range(gain.size):
                when = _period_of(k, cells, size, periods)
                if when is not None and when <= t:
                    so_far[k] = outcome[s, k] + costs[k]
            sum_fixed = float((fixed[s] + charged)[: t + 1].sum())
            here_, step = start + s * periods + t, s * periods + t
            # each peak is at least every sum up to it; a drawdown is the peak less the sum
            for later in range(t, periods):
                add(*rows, dict(enumerate(so_far)) | {start + s * periods + later: -1.0}, -sum_fixed)
            add(*rows, dict(enumerate(-so_far)) | {here_: 1.0, start + steps + step: -1.0}, sum_fixed)
            add(*rows, {start + steps + step: 1.0, level: -1.0, level + 1 + step: -1.0}, 0.0)
    if risk.max_drawdown is not None:
        add(*rows, {level: 1.0} | {level + 1 + step: odds[step] for step in range(steps)}, risk.max_drawdown)
    gain[level], gain[level + 1 : level + 1 + steps] = -risk.drawdown_weight, -risk.drawdown_weight * odds


def _period_of(place: int, cells: int, size: int, periods: int) -> int | None:
    """Which period a column of shares, changes or charges belongs to; None for all others."""
    if place < 5 * cells:
        return place % cells // size
    return place - 5 * cells if place < 5 * cells + periods else None


def _shared(problem: AllocationProblem, t: int, present: list[float], add, rows, cells: int) -> None:  # type: ignore[no-untyped-def]
    """The rules that protocols share in period `t`."""
    equal, equals, above, aboves = rows
    size, specs = len(problem.specs), problem.specs
    span = range(t * size, (t + 1) * size)
    if problem.capacity is not None:
        total = each(problem.capacity, t) - each(problem.reserve, t)
        now = sum(present)
        near = abs(total - now) <= NEAR * max(1.0, *present)
        if near and any(spec.step > 0.0 for spec in problem.specs):
            # shares on a grid may make either sum
            add(above, aboves, dict.fromkeys(span, 1.0), max(total, now))
            if not problem.allow_idle:
                add(above, aboves, dict.fromkeys(span, -1.0), -min(total, now))
        else:
            where = (above, aboves) if problem.allow_idle else (equal, equals)
            add(*where, dict.fromkeys(span, 1.0), now if near else total)
    turnover = at(problem.limits.max_turnover, "", t)
    if turnover is not None:
        add(above, aboves, {cells + k: 1.0 for k in span}, turnover)
        add(above, aboves, {2 * cells + k: 1.0 for k in span}, turnover)
    for key, most in problem.resources.items():
        uses = [spec.uses.get(key, 0.0) for spec in specs]
        now = sum(use * share for use, share in zip(uses, present, strict=True))
        add(above, aboves, dict(zip(span, uses, strict=True)), here(each(most, t), now))
    for group in problem.limits.groups:
        if group.min_share is not None:
            inside = [spec.name in group.members for spec in specs]
            now = sum(share for share, member in zip(present, inside, strict=True) if member)
            add(above, aboves, {k: -float(member) for k, member in zip(span, inside, strict=True)},
                -here(group.min_share, now))  # fmt: skip
        if group.max_share is not None:
            inside = [spec.name in group.members for spec in specs]
            now = sum(share for share, member in zip(present, inside, strict=True) if member)
            add(above, aboves, {k: float(member) for k, member in zip(span, inside, strict=True)},
                here(group.max_share, now))  # fmt: skip
    for rule in problem.limits.rules:
        members = {spec.name: (spec.name,) for spec in specs}
        members |= {group.name: group.members for group in problem.limits.groups}
        weight = dict.fromkeys(members, 0.0)
        for key, part in rule.coefficients.items():
            for name in members[key]:
                weight[name] += part
        row = {k: weight[spec.name] for k, spec in zip(span, specs, strict=True)}
        now = sum(weight[spec.name] * share for spec, share in zip(specs, present, strict=True))
        least = rule.at_least if rule.equals is None else rule.equals
        most = rule.at_most if rule.equals is None else rule.equals
        if most is not None:
            add(above, aboves, row, here(most, now))
        if least is not None:
            add(above, aboves, {k: -part for k, part in row.items()}, -here(least, now))
