"""Infeasible, in words and numbers: the rules in conflict, the amount, and the single relaxations that work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import Conflict, InvalidInput, Relaxation
from ..formulation import Rule, formulate, rules
from ..problem import AllocationProblem
from ..program import LinearProgram, Status
from ..program.blocks import FloatArray
from ..program.elastic import Loosening, elastic
from ..solvers.programs.highs import HighsModel
from ..text.numbers import amount as shown
from ..text.numbers import listed
from ..text.numbers import shown as visible
from .relax import relax

ZERO = 1e-9
"""Loosening below this is none."""
MOST_TRIED = 60
"""Where whole numbers are in the way, each rule is a search: with more rules, only the involved are tried."""


def find_conflict(problem: AllocationProblem, program: LinearProgram | None = None) -> Conflict:
    """Which rules of an infeasible `problem` conflict, by how much, and what would help.

    The rules come from the prices of the elastic program (Farkas' lemma: they prove that no split exists); where
    only whole numbers stand in the way, from the least set of loosenings. Raises InvalidInput if it is feasible.
    """
    program = formulate(problem, wide=True) if program is None else program
    table = rules(problem, program, both_ways=True)
    total, loosened, counted = least_loosening(program, table, relaxed=True)
    whole = total <= ZERO
    if not whole:
        involved = [rule for rule, counts in zip(table, counted, strict=True) if counts > 1e-7]
    else:
        total, loosened, _ = least_loosening(program, table, relaxed=False)
        if total <= ZERO:
            raise InvalidInput("the problem is feasible: there is no conflict to explain")
        involved = [rule for rule, much in zip(table, loosened, strict=True) if much > ZERO]
    relaxations = _relaxations(problem, program, table if whole and len(table) <= MOST_TRIED else involved)
    least = _joint(
        problem, [(rule, much * _unit(rule)) for rule, much in zip(table, loosened, strict=True) if much > ZERO]
    )
    if whole:
        helps = {entry.rule for entry in relaxations} | {rule.name for rule in involved}
        involved = [rule for rule in table if rule.name in helps]
    what = _whole_sentence(involved) if whole else _what(problem, involved, relaxations)
    message = f"{what}; {_way_out(involved, relaxations, least)}"
    return Conflict(tuple(rule.name for rule in involved), total, relaxations, visible(message))


def least_loosening(
    program: LinearProgram, table: Sequence[Rule], *, relaxed: bool
) -> tuple[float, FloatArray, FloatArray]:
    """Least total loosening over `table`, how much of each rule, and how much each counts in the proof."""
    loosenings = [_scaled(rule) for rule in table]
    stretched = elastic(program, loosenings, _most(program))
    solution = HighsModel(stretched, relaxed=relaxed).solve()
    if solution.status is not Status.OPTIMAL or solution.values is None:
        return math.inf, np.zeros(len(table)), np.zeros(len(table))
    span = stretched.column_slices["loosened"]
    loosened = np.maximum(solution.values[span], 0.0)
    counted = np.zeros(len(table))
    if solution.row_prices is not None:
        counted = 1.0 + stretched.reduced_gain(solution.row_prices)[span]
    return float(loosened.sum()), loosened, counted


def _most(program: LinearProgram) -> float:
    """More than any loosening could need."""
    finite = [values[np.isfinite(values)] for values in (program.upper, program.row_lower, program.row_upper)]
    return 2.0 + 2.0 * float(np.abs(np.concatenate(finite)).max(initial=1.0))


def _unit(rule: Rule) -> float:
    """What counts as one: a resource by its capacity, everything else by itself."""
    return max(rule.limit, 1e-9) if rule.kind == "resource" else 1.0


def _scaled(rule: Rule) -> Loosening:
    unit = _unit(rule)
    if unit == 1.0:
        return rule.loosening
    where, step = rule.loosening.row_upper
    return replace(rule.loosening, row_upper=(where, step * unit))


def _everyone(problem: AllocationProblem, table: Sequence[Rule]) -> list[Rule]:
    """max_change as the one number it is, beside its effect on each protocol."""
    own = [rule for rule in table if rule.kind == "max_change"]
    per_name = isinstance(problem.limits.max_change, dict)
    if per_name or not own or (len(own) == 1 and not isinstance(problem.limits.max_change, tuple)):
        return []
    where = np.concatenate([rule.loosening.column_upper[0] for rule in own])
    together = Loosening("max_change", column_upper=(where, np.ones(where.size)))
    return [Rule("max_change", "max_change", "", own[0].limit, together)]


def _relaxations(
    problem: AllocationProblem, program: LinearProgram, candidates: Sequence[Rule]
) -> tuple[Relaxation, ...]:
    """The candidates that are enough alone, each tried on the problem itself, cheapest first."""
    found = []
    everyone = _everyone(problem, rules(problem, program)) if any(r.kind == "max_change" for r in candidates) else []
    for rule in [*candidates, *everyone]:
        needed, loosened, _ = least_loosening(program, [rule], relaxed=False)
        if not math.isfinite(needed):
            continue
        amount = _rounded(float(loosened[0]) * _unit(rule), rule)
        try:
            eased = relax(problem, rule.name, amount)
        except InvalidInput:
            continue
        if is_feasible(eased):
            found.append((needed, rule.name, Relaxation(rule.name, amount, _text(rule, amount))))
    return tuple(entry[2] for entry in sorted(found, key=lambda entry: entry[:2]))


def is_feasible(problem: AllocationProblem) -> bool:
    """True where some split meets all rules of `problem`."""
    program = formulate(problem)
    if (program.lower > program.upper).any():
        return False
    return HighsModel(program, gain=np.zeros(program.column_count)).solve().status is Status.OPTIMAL


def _rounded(amount: float, rule: Rule) -> float:
    """Rounded to nine digits, never below what is needed; whole for rules that count."""
    if rule.kind in ("max_moves", "active"):
        return float(math.ceil(amount - 1e-6))
    near = round(amount, 9)
    return near if near >= amount - 1e-10 else near + 1e-9


def _up(amount: float) -> float:
    """At four significant digits, rounded up: who types the number that is shown must get a feasible problem."""
    digits = 10.0 ** (3 - math.floor(math.log10(amount))) if amount > 0.0 else 1.0
    return math.ceil(amount * digits - 1e-4) / digits


def _text(rule: Rule, amount: float) -> str:
    amount = _up(amount)
    of = f" of {rule.subject}" if rule.subject else ""
    return {
        "capacity": f"raise capacity by {shown(amount)}",
        "capacity lower": f"allow idle capacity (or lower capacity by {shown(amount)})",
        "turnover": f"raise max_turnover by {shown(amount)}",
        "max_moves": f"raise max_moves by {amount:.0f}",
        "resource": f"raise resource {rule.subject} by {shown(amount)}",
        "group": f"raise max_share of group {rule.subject} by {shown(amount)}",
        "active": f"raise max_active of group {rule.subject} by {amount:.0f}",
        "held": f"release {rule.subject}",
        "max_change": f"raise max_change{of} by {shown(amount)}",
        "max_share": f"raise max_share{of} by {shown(amount)}",
        "min_share": f"lower min_share{of} by {shown(amount)}",
        "lock_in": f"lower the lock-in{of} by {shown(amount)}",
        "decrease_floor": f"lower decrease_floor{of} by {shown(amount)}",
    }[rule.kind]


def _joint(problem: AllocationProblem, loosened: Sequence[tuple[Rule, float]]) -> list[str]:
    """What to loosen together, in the rules' own terms; nothing where the amounts as they are typed are not enough."""
    texts = []
    for rule, much in loosened:
        amount = _rounded(much, rule) if rule.kind in ("max_moves", "active") else _up(much)
        try:
            problem = relax(problem, rule.name, amount)
        except InvalidInput:
            return []
        texts.append(_text(rule, amount))
    return texts if is_feasible(problem) else []


def _what(problem: AllocationProblem, involved: Sequence[Rule], relaxations: Sequence[Relaxation]) -> str:
    """The conflict in one sentence."""
    kinds = {rule.kind for rule in involved}
    own = [rule for rule in involved if rule.kind in _OWN]
    subjects = list(dict.fromkeys(rule.subject for rule in own))
    if own and len(own) == len(involved) and len(subjects) == 1:
        parts = " and ".join(f"{_is(rule)}" for rule in own)
        now = shown(problem.current[subjects[0]])
        return f"{subjects[0]} (now {now}) cannot meet its own rules: {parts}"
    if problem.periods == 1 and kinds & {"capacity", "capacity lower"} and not kinds - _OWN - _CAPACITY:
        return _capacity_sentence(problem, own, is_full="capacity" in kinds)
    needed = {relaxation.rule: relaxation.amount for relaxation in relaxations}
    if "turnover" in kinds and "turnover" in needed:
        limit = next(rule.limit for rule in involved if rule.kind == "turnover")
        others = [_named(rule) for rule in involved if rule.kind != "turnover"]
        because = f" by {listed(others, 'and')}" if others else ""
        return f"moves of {shown(limit + needed['turnover'])} are forced{because}, max_turnover is {shown(limit)}"
    for rule in involved:
        if rule.kind in ("resource", "group") and rule.name in needed:
            others = [_named(other) for other in involved if other is not rule]
            total = f"{shown(rule.limit + needed[rule.name])} of {rule.name} is needed, there is {shown(rule.limit)}"
            return f"{total} ({', '.join(others)})" if others else total
    return f"these rules cannot be met together: {', '.join(_named(rule) for rule in involved)}"


def _whole_sentence(involved: Sequence[Rule]) -> str:
    """The conflict where fractions would do and whole numbers do not."""
    names = listed([_named(rule) for rule in involved], "and")
    return f"units, entry shares or counts leave no split that meets {names}"


_OWN = {"held", "max_change", "max_share", "min_share", "lock_in", "decrease_floor"}
_CAPACITY = {"capacity", "capacity lower"}


def _capacity_sentence(problem: AllocationProblem, own: Sequence[Rule], *, is_full: bool) -> str:
    """What may not shrink takes more than capacity, or what may grow takes less."""
    data = problem.arrays
    capacity = f"capacity {shown(float(problem.available or 0.0))}"
    if problem.reserve:
        capacity += f" ({shown(float(problem.capacity or 0.0))} less reserve {shown(problem.reserve)})"
    sign = -1.0 if is_full else 1.0
    kind_of = {rule.subject: rule.kind for rule in own}
    parts, total = [], 0.0
    for i, name in enumerate(problem.names):
        reach = float(np.clip(data.current[i] + sign * data.max_change[0, i], data.lower[0, i], data.upper[0, i]))
        if data.held[0, i]:
            reach = float(data.current[i])
        if name in kind_of:
            total += reach
            parts.append((reach, name, kind_of[name]))
    all_held = all(kind == "held" for _, _, kind in parts)
    texts = [f"{name} {shown(share)}" + ("" if all_held else f" by {kind}") for share, name, kind in parts]
    inside = ", ".join(texts[:6]) + (f" and {len(texts) - 6} more" if len(texts) > 6 else "")
    if is_full:
        who = "held protocols already take" if all_held else "what may not shrink takes"
        return f"{who} {shown(total)} ({inside}) of {capacity}"
    return f"at most {shown(total)} ({inside}) of {capacity} can be placed"


def _is(rule: Rule) -> str:
    return f"held at {shown(rule.limit)}" if rule.kind == "held" else f"{rule.kind} {shown(rule.limit)}"


def _named(rule: Rule) -> str:
    if rule.kind in ("max_moves", "active"):
        return f"{rule.name} {rule.limit:.0f}"
    if rule.kind == "held":
        return f"{rule.subject} held at {shown(rule.limit)}"
    return f"{rule.name.removesuffix(' lower')} {shown(rule.limit)}"


def _way_out(involved: Sequence[Rule], relaxations: Sequence[Relaxation], together: Sequence[str]) -> str:
    """The single relaxations in words; where none is enough alone, the least set together."""
    if not relaxations:
        if len(together) == 1:
            return together[0]
        return (
            f"no single rule is enough; together, {listed([*together], 'and')}"
            if together
            else "no single rule is enough"
        )
    held = [rule.name for rule in involved if rule.kind == "held"]
    freeing = [entry for entry in relaxations if entry.rule.startswith("held ")]
    others = [entry.text for entry in relaxations if not entry.rule.startswith("held ")][:3]
    release = []
    if freeing:
        one_of_all = len(freeing) == len(held) > 1
        release = ["release one of them"] if one_of_all else [entry.text for entry in freeing[:3]]
    first_is_release = relaxations[0] in freeing
    return listed([*release, *others] if first_is_release or len(freeing) > 1 else [*others, *release])
