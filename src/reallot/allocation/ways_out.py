"""What to do about a conflict: rules loosened alone or together, by amounts that were tried as they are printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np

from ..errors import InvalidInput, Relaxation
from ..formulation import Rule, formulate, rules
from ..formulation.change_rules import RELEASED
from ..problem import AllocationProblem
from ..problem.rule_text import as_text
from ..program import LinearProgram
from ..program.elastic import Loosening
from ..text.numbers import typed
from .least_loosening import least_loosening
from .relax import relax

HasPlan = Callable[[AllocationProblem], bool]
"""Whether a problem has a plan, by whoever will be asked for one."""
Amounts = dict[str, tuple[Rule, float]]
"""By a rule's name: the rule, and by how much it is loosened."""
ZERO = 1e-9
"""Loosening below this is none."""
DIGITS = (4, 6, 9, 12)
"""Significant digits of an amount: as few as are enough."""
MARGINS = (1e-9, 1e-8, 1e-7, 1e-6)
"""What is added, as part of the amount, where the amount itself is too little by a solver's tolerance."""
MOST_TYPED = len("by 0.0123456789")
"""Longer than this, all of a floor is "to 0"."""
ROUNDS = 8
"""How often a joint loosening that is not enough yet is added to."""
FLOORS = ("end_at_least", "min_share", "lock_in", "decrease_floor", "group_floor")
"""Kinds of rules that cannot be lowered below 0."""
COUNTS = ("max_moves", "total_moves", "active", "active_floor")
"""Kinds of rules that count, and are loosened by whole numbers."""


@dataclass(frozen=True)
class WaysOut:
    """Single rules whose loosening is enough, cheapest first; where there are none, what to loosen together."""

    alone: tuple[Relaxation, ...]
    together: tuple[Relaxation, ...]


def ways_out(
    problem: AllocationProblem,
    program: LinearProgram,
    table: Sequence[Rule],
    candidates: Sequence[Rule],
    has_plan: HasPlan,
) -> WaysOut:
    """The relaxations of `problem`, each tried with `has_plan`.

    `program` is the problem's, formulated wide, and `table` has its rules; `candidates` has those that may be enough
    alone.
    """
    found = []
    everyone = _everyone(problem, table) if any(rule.kind == "max_change" for rule in candidates) else []
    for rule in [*candidates, *everyone]:
        least = least_loosening(program, [rule])
        if not math.isfinite(least.total):
            continue
        enough = _tried(problem, rule, float(least.amounts[0]), has_plan)
        if enough is not None:
            found.append((least.total, rule.name, enough))
    alone = tuple(entry[2] for entry in sorted(found, key=lambda entry: entry[:2]))
    return WaysOut(alone, () if alone else _together(problem, program, table, has_plan))


def _everyone(problem: AllocationProblem, table: Sequence[Rule]) -> list[Rule]:
    """max_change as the one number, or the one list by period, that it is: raised for all protocols."""
    limit, own = problem.limits.max_change, [rule for rule in table if rule.kind == "max_change" and rule.subject]
    if isinstance(limit, dict) or not own or (len(own) == 1 and not isinstance(limit, tuple)):
        return []
    where = np.concatenate([rule.loosening.column_upper[0] for rule in own])
    together = Loosening("max_change", column_upper=(where, np.ones(where.size)))
    return [Rule("max_change", "max_change", "", own[0].limit, together)]


def _tried(problem: AllocationProblem, rule: Rule, needed: float, has_plan: HasPlan) -> Relaxation | None:
    """The relaxation of one rule by the shortest amount that is enough; None where none is."""
    for amount in _amounts(rule, needed):
        if _helps(problem, {rule.name: (rule, amount)}, has_plan):
            return Relaxation(rule.name, amount, text_of(problem, rule, amount))
    return None


def _amounts(rule: Rule, needed: float) -> Iterator[float]:
    """Amounts that may be enough, as somebody would type them: first those with few digits."""
    if rule.kind in RELEASED:
        yield needed
    elif rule.kind in COUNTS:
        least = max(1, math.ceil(needed - 1e-6))
        yield from (float(least), float(least + 1))
    else:
        yield from dict.fromkeys(_at_most_all(rule, rounded_up(needed, digits)) for digits in DIGITS)
        more = (rounded_up(needed * (1.0 + margin) + margin * ZERO, 12) for margin in MARGINS)
        yield from (_at_most_all(rule, amount) for amount in more)


def _at_most_all(rule: Rule, amount: float) -> float:
    """The amount, or all that there is of a floor."""
    return min(amount, rule.limit) if rule.kind in FLOORS else amount


def rounded_up(amount: float, digits: int) -> float:
    """At so many significant digits, rounded up, but for the noise of a solver."""
    if amount <= 0.0:
        return 0.0
    unit = Decimal(1).scaleb(Decimal(amount).adjusted() - digits + 1)
    return float(((Decimal(amount) / unit - Decimal("1e-4")).to_integral_value(ROUND_CEILING)) * unit)


def _helps(problem: AllocationProblem, amounts: Amounts, has_plan: HasPlan) -> bool:
    """True where the problem has a plan with all these rules loosened."""
    eased = _relaxed(problem, amounts)
    return eased is not None and has_plan(eased)


def _relaxed(problem: AllocationProblem, amounts: Amounts) -> AllocationProblem | None:
    """The problem with all these rules loosened; None where one of them cannot be."""
    try:
        for name, (_, amount) in amounts.items():
            problem = relax(problem, name, amount)
    except InvalidInput:
        return None
    return problem


def _together(
    problem: AllocationProblem, program: LinearProgram, table: Sequence[Rule], has_plan: HasPlan
) -> tuple[Relaxation, ...]:
    """Rules that are enough together, none of which can be left out; nothing where none were found."""
    found = (_enough(problem, program, table, digits, has_plan) for digits in DIGITS)
    amounts = next((each for each in found if each is not None), {})
    for name in sorted(amounts, key=lambda name: amounts[name][1]):
        fewer = {key: each for key, each in amounts.items() if key != name}
        if fewer and _helps(problem, fewer, has_plan):
            amounts = fewer
    return tuple(Relaxation(key, by, text_of(problem, rule, by)) for key, (rule, by) in amounts.items())


def _enough(
    problem: AllocationProblem, program: LinearProgram, table: Sequence[Rule], digits: int, has_plan: HasPlan
) -> Amounts | None:
    """The least amounts at so many digits, and what more they bring to bear; None where they do not end in a plan.

    A protocol that is released meets its max_change, so that this is loosened next.
    """
    amounts: Amounts = {}
    for _ in range(ROUNDS):
        table = _by_the_letter(problem, table)
        least = least_loosening(program, table)
        added = [each for each in zip(table, least.amounts.tolist(), strict=True) if each[1] > ZERO]
        if not math.isfinite(least.total):
            return None
        for rule, much in added:
            whole = float(math.ceil(much - 1e-6)) if rule.kind in COUNTS else much
            first, before = amounts.get(rule.name, (rule, 0.0))
            amounts[rule.name] = first, _at_most_all(first, rounded_up(before + whole, digits))
        if not added:
            amounts = {name: (rule, _a_little_more(rule, by)) for name, (rule, by) in amounts.items()}
        eased = None if "capacity" in amounts and "capacity lower" in amounts else _relaxed(problem, amounts)
        if eased is None:
            return None
        if has_plan(eased):
            return amounts
        program = formulate(eased, wide=True)
        table = rules(eased, program, both_ways=True)
    return None


def _a_little_more(rule: Rule, amount: float) -> float:
    """An amount that is too little by a solver's tolerance, and now is not."""
    if rule.kind in (*COUNTS, *RELEASED):
        return amount
    return _at_most_all(rule, rounded_up(amount * (1.0 + 1e-6), 9))


def _by_the_letter(problem: AllocationProblem, table: Sequence[Rule]) -> Sequence[Rule]:
    """Rules as they can be loosened: a max_change per period only for all protocols at once."""
    if not isinstance(problem.limits.max_change, tuple):
        return table
    return [rule for rule in table if rule.kind != "max_change"] + _everyone(problem, table)


def text_of(problem: AllocationProblem, rule: Rule, amount: float) -> str:
    """What to do about one rule, with the amount as it is typed."""
    by, of = f"by {typed(amount)}", f" of {rule.subject}" if rule.subject else ""
    if rule.kind in FLOORS and amount == rule.limit and len(by) > MOST_TYPED:
        by = "to 0"
    if rule.kind in ("rule", "rule_floor"):
        side = "upper" if rule.kind == "rule" else "lower"
        loose = next(each for each in problem.limits.rules if each.name == rule.subject).loosened(**{side: amount})
        return f"loosen rule {rule.subject} {by}, to {as_text(loose.coefficients, *loose.bounds, digits=DIGITS[-1])}"
    return {
        "capacity": f"raise capacity {by}",
        "capacity lower": f"allow idle capacity (or lower capacity {by})",
        "turnover": f"raise max_turnover {by}",
        "max_moves": f"raise max_moves by {amount:.0f}",
        "total_moves": f"raise max_total_moves by {amount:.0f}",
        "total_cost": f"raise max_total_cost {by} USD",
        "largest": f"raise at_most of the largest shares {by}",
        "max_drawdown": f"raise max_drawdown {by} USD",
        "chance": f"raise the chance of a shortfall {by}",
        "earnings_floor": f"lower the floor of earnings {by} USD/h",
        "resource": f"raise resource {rule.subject} {by}",
        "group": f"raise max_share of group {rule.subject} {by}",
        "active": f"raise max_active of group {rule.subject} by {amount:.0f}",
        "group_floor": f"lower min_share of group {rule.subject} {by}",
        "active_floor": f"lower min_active of group {rule.subject} by {amount:.0f}",
        "end_at_least": f"lower at_least of {rule.subject} at the end {by}",
        "end_at_most": f"raise at_most of {rule.subject} at the end {by}",
        "near": f"raise within of near {by}",
        "goal": f"lower at_least of the goal {by} USD/h",
        "held": f"release {rule.subject}",
        "max_increase": f"raise max_increase{of} {by}",
        "max_decrease": f"raise max_decrease{of} {by}",
        "max_change_relative": f"raise max_change_relative{of} {by}",
        "only_increase": f"let {rule.subject} decrease: take it out of only_increase",
        "only_decrease": f"let {rule.subject} increase: take it out of only_decrease",
        "hold_after_change": "set hold_after_change to 0",
        "max_change": f"raise max_change{of} {by}",
        "max_share": f"raise max_share{of} {by}",
        "min_share": f"lower min_share{of} {by}",
        "lock_in": f"lower the lock-in{of} {by}",
        "decrease_floor": f"lower decrease_floor{of} {by}",
    }[rule.kind] + (_floor_left(problem, rule, amount) if rule.kind == "decrease_floor" and by != "to 0" else "")


def _floor_left(problem: AllocationProblem, rule: Rule, amount: float) -> str:
    """The floor to be typed, where the one given is above the present share and only part of it is in force."""
    if problem[rule.subject].decrease_floor <= problem.current[rule.subject]:
        return ""
    return f", to {typed(relax(problem, rule.name, amount)[rule.subject].decrease_floor)}"
