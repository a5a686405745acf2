"""Each rule of the problem by name, and what one unit more of it changes in the program.

The same table serves prices (the slope of the optimum in that direction) and conflicts (loosening at a price).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import AllocationProblem, CDaR, ShortfallChance
from ..problem.arrays import BoolArray, FloatArray, IntArray
from ..problem.goal import least_earnings
from ..program import LinearProgram
from ..program.elastic import Loosening, side
from .change_rules import both_ways as limits_of_change
from .change_rules import limit_of
from .goals import goal_unit
from .risk import scenario_unit


@dataclass(frozen=True)
class Rule:
    """A limit that can be given one unit more.

    name       as in `prices`: "capacity", "turnover", "held relay", "max_change storage", "resource cpu" ...
    kind       its first word; "capacity lower" is the other direction of an equality, used for conflicts only
    subject    the protocol, resource or group, or ""
    limit      what it is now, in its own unit
    loosening  what one unit more changes
    """

    name: str
    kind: str
    subject: str
    limit: float
    loosening: Loosening


def rules(problem: AllocationProblem, program: LinearProgram, *, both_ways: bool = False) -> list[Rule]:
    """Every rule with a number to loosen, shared ones first; with `both_ways` equalities in each direction."""
    result = _shared(problem, program, both_ways=both_ways)
    if both_ways and "budget" in program.row_slices and not problem.allow_idle:
        rows = _rows(program, "budget")
        lower = Loosening("capacity lower", row_lower=side(rows, -1.0), row_upper=side(rows, -1.0))
        result.append(Rule("capacity lower", "capacity lower", "", float(problem.available or 0.0), lower))
    return result + _own(problem, program)


def _shared(problem: AllocationProblem, program: LinearProgram, *, both_ways: bool) -> list[Rule]:
    result = []

    def add(name: str, kind: str, subject: str, limit: float, *blocks: str, equal: bool = False) -> None:
        rows = np.concatenate([_rows(program, block) for block in blocks])
        both = {"row_lower": side(rows)} if equal else {}
        result.append(Rule(name, kind, subject, limit, Loosening(name, row_upper=side(rows), **both)))

    if "budget" in program.row_slices:
        add("capacity", "capacity", "", float(problem.available or 0.0), "budget", equal=not problem.allow_idle)
    if "bought" in program.row_slices:
        add("turnover", "turnover", "", float(np.min(problem.arrays.max_turnover)), "bought", "sold")  # type: ignore[arg-type]
    if "hold_after_change" in program.row_slices:
        periods = float(problem.limits.hold_after_change)
        add("hold_after_change", "hold_after_change", "", periods, "hold_after_change")
    if "max_moves" in program.row_slices:
        add("max_moves", "max_moves", "", float(problem.limits.max_moves or 0), "max_moves")
    if problem.risk is not None or problem.limits.largest is not None:
        result += _at_risk(problem, program)
    if "total_moves" in program.row_slices:
        add("total_moves", "total_moves", "", float(problem.limits.max_total_moves or 0), "total_moves")
    if "total_cost" in program.row_slices:
        add("total_cost", "total_cost", "", problem.limits.max_total_cost or 0.0, "total_cost")
    if "near" in program.row_slices:
        add("near", "near", "", problem.limits.near.within, "near")  # type: ignore[union-attr]
    if "goal" in program.row_slices:
        lower = side(_rows(program, "goal"), -1.0 / goal_unit(problem))
        result.append(
            Rule("goal", "goal", "", float(least_earnings(problem.goals) or 0.0), Loosening("goal", row_lower=lower))
        )
    for key, capacity in problem.resources.items():
        add(f"resource {key}", "resource", key, float(np.min(capacity)), f"resource {key}")
    return result + _groups(problem, program) + _relations(problem, program, both_ways=both_ways)


def _at_risk(problem: AllocationProblem, program: LinearProgram) -> list[Rule]:
    """The bound on the largest shares, and limits of drawdown and of a shortfall."""
    result, risk, largest = [], problem.risk, problem.limits.largest
    if largest is not None:
        result.append(_ceiling(program, "largest", "", largest.at_most))
    if isinstance(risk, CDaR) and risk.max_drawdown is not None:
        upper = side(_rows(program, "max_drawdown"), 1.0 / scenario_unit(problem))
        loosening = Loosening("max_drawdown", row_upper=upper)
        result.append(Rule("max_drawdown", "max_drawdown", "", risk.max_drawdown, loosening))
    if isinstance(risk, ShortfallChance):
        result.append(_ceiling(program, "chance", "", risk.chance))
        lower = side(_rows(program, "earnings_floor"), -problem.horizon_hours / scenario_unit(problem))
        floor = Loosening("earnings_floor", row_lower=lower)
        result.append(Rule("earnings_floor", "earnings_floor", "", risk.floor, floor))
    return result


def _groups(problem: AllocationProblem, program: LinearProgram) -> list[Rule]:
    """Ceilings and floors of groups and of their counts."""
    result = []
    for group in problem.limits.groups:
        if group.max_share is not None:
            result.append(_ceiling(program, "group", group.name, group.max_share))
        if group.max_active is not None:
            result.append(_ceiling(program, "active", group.name, float(group.max_active)))
        if group.min_share:
            result.append(_floor(program, "group_floor", group.name, group.min_share))
        if group.min_active:
            result.append(_floor(program, "active_floor", group.name, float(group.min_active)))
    return result


def _relations(problem: AllocationProblem, program: LinearProgram, *, both_ways: bool) -> list[Rule]:
    """Relations between shares: each side by itself, and an equality as one limit unless `both_ways`."""
    result = []
    for rule in problem.limits.rules:
        low, high = rule.bounds
        if rule.equals is not None and not both_ways:
            name = f"rule {rule.name}"
            sides = [side(_rows(program, block)) for block in (name, f"rule_floor {rule.name}")]
            shifted = Loosening(name, row_upper=sides[0], row_lower=sides[1])
            result.append(Rule(name, "rule", rule.name, rule.equals, shifted))
            continue
        if high is not None:
            result.append(_ceiling(program, "rule", rule.name, high))
        if low is not None:
            result.append(_floor(program, "rule_floor", rule.name, low))
    return result


def _ceiling(program: LinearProgram, kind: str, subject: str, limit: float) -> Rule:
    """The rule of a row block that is bounded above."""
    name = f"{kind} {subject}".rstrip()
    return Rule(name, kind, subject, limit, Loosening(name, row_upper=side(_rows(program, name))))


def _floor(program: LinearProgram, kind: str, subject: str, limit: float) -> Rule:
    """The rule of a row block that is bounded below: one unit more of it is one unit less of the floor."""
    name = f"{kind} {subject}"
    return Rule(name, kind, subject, limit, Loosening(name, row_lower=side(_rows(program, name), -1.0)))


def _own(problem: AllocationProblem, program: LinearProgram) -> list[Rule]:
    """held, limits of change, max_share, min_share, lock_in and decrease_floor of each protocol."""
    data = problem.arrays
    grid = np.arange(data.periods * data.size).reshape(data.periods, data.size)
    share, increase, decrease = (program.column_slices[name].start for name in ("share", "increase", "decrease"))
    result = []
    most = problem.table["max_share"].tolist()
    everywhere = np.ones(data.periods, dtype=bool)
    free = np.isfinite(data.max_change) & ~data.one_unit & ~data.held
    changes = limits_of_change(problem) if problem.limits.has_directions else {"max_change": (free, free)}
    for i, protocol in enumerate(problem.names):
        limited = [("held", float(data.current[i]), 1.0, data.held[:, i], data.held[:, i])]
        limited += [
            (kind, *limit_of(problem, kind, i), up[:, i], down[:, i])
            if kind != "max_change"
            else (kind, float(data.max_change[:, i].max()), 1.0, up[:, i], down[:, i])
            for kind, (up, down) in changes.items()
            if up[:, i].any() or down[:, i].any()
        ]
        for kind, limit, each, up, down in limited:
            places = np.concatenate([increase + grid[up, i], decrease + grid[down, i]])
            if places.size and each > 0.0:
                name = f"{kind} {protocol}"
                result.append(Rule(name, kind, protocol, limit, Loosening(name, column_upper=side(places, each))))
        varies = problem.end is not None or bool(problem.table.varying)
        own = [("max_share", everywhere, most[i])] if most[i] == most[i] else []
        for kind, when, limit in _ceilings(problem, i, most[i]) if varies else own:
            name = f"{kind} {protocol}"
            upper = side(share + grid[when, i])
            result.append(Rule(name, kind, protocol, limit, Loosening(name, column_upper=upper)))
        for kind, when, limit in _floors(problem, i):
            if when.any() and limit > 0.0:
                name = f"{kind} {protocol}"
                lower = side(share + grid[when, i], -1.0)
                result.append(Rule(name, kind, protocol, limit, Loosening(name, column_lower=lower)))
    return result


def floor_kind(problem: AllocationProblem, i: int) -> str:
    """Which rule is the floor of protocol i in the first period: min_share, decrease_floor or lock_in."""
    return next(kind for kind, when, _ in _floors(problem, i) if when[0])


def _ceilings(problem: AllocationProblem, i: int, most: float) -> list[tuple[str, BoolArray, float]]:
    """(kind, periods in which it is the lowest ceiling, ceiling) of protocol i, whose max_share begins with `most`."""
    result, everywhere = [], np.ones(problem.periods, dtype=bool)
    ended = None if problem.end is None else problem.end.at_most.get(problem.names[i])
    varying = problem.table.varying.get(i, {}).get("max_share", (most,))
    if ended is not None and not ended > varying[-1]:
        everywhere[-1] = False
        result.append(("end_at_most", ~everywhere, ended))
    if most == most and everywhere.any():
        result.append(("max_share", everywhere, min(varying)))
    return result


def _floors(problem: AllocationProblem, i: int) -> list[tuple[str, BoolArray, float]]:
    """(kind, periods in which it is the highest floor, floor) of protocol i."""
    spec, data = problem.specs[i], problem.arrays
    periods, height = np.arange(problem.periods), data.lower[:, i]
    shrink = min(float(data.current[i]), spec.decrease_floor)
    floors: list[tuple[str, FloatArray, float]] = [
        ("min_share", np.broadcast_to(spec.min_share, (problem.periods,)), np.max(spec.min_share)),
        ("decrease_floor", np.full(problem.periods, shrink), shrink),
    ]
    if spec.lock_in is not None:
        locked = np.where(periods < spec.lock_in.until, spec.lock_in.share, 0.0)
        floors.append(("lock_in", locked, spec.lock_in.share))
    if problem.end is not None and (least := problem.end.at_least.get(spec.name)) is not None:
        floors.append(("end_at_least", np.where(periods == problem.periods - 1, least, 0.0), least))
    taken = np.zeros(problem.periods, dtype=bool)
    result = []
    for kind, floor, limit in floors:
        when = (floor == height) & ~taken
        taken = taken | when
        result.append((kind, when, limit))
    return result


def _rows(program: LinearProgram, block: str) -> IntArray:
    span = program.row_slices[block]
    return np.arange(span.start, span.stop)
