"""Infeasible, in words and numbers: the rules in conflict, the amount, and the single relaxations that work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import Conflict, InvalidInput, Relaxation
from ..formulation import Rule, formulate, rules
from ..problem import AllocationProblem
from ..problem.per_period import in_first
from ..text.numbers import amount as shown
from ..text.numbers import apart, listed
from ..text.numbers import shown as visible
from .least_loosening import is_feasible, least_loosening
from .ways_out import ZERO, HasPlan, WaysOut, ways_out

MOST_TRIED = 60
"""Where whole numbers are in the way, each rule is a search: with more rules, only the involved are tried."""
COUNTS_FOR_NOTHING = 1e-7
"""A rule that counts less than this in a proof is no part of it."""


def find_conflict(problem: AllocationProblem, *, has_plan: HasPlan = is_feasible) -> Conflict:
    """Which rules of an infeasible `problem` conflict, by how much, and what would help.

    The rules come from the prices of the elastic program (Farkas' lemma: they prove that no split exists); where
    only whole numbers stand in the way, from the least set of loosenings. Every way out was tried with `has_plan`.
    Raises InvalidInput if the problem is feasible.
    """
    # limits get loosened in here: rows that only switch columns on must not stand in the way
    program = formulate(problem, wide=True)
    table = rules(problem, program, both_ways=True)
    least = least_loosening(program, table, relaxed=True)
    whole = least.total <= ZERO
    if whole:
        least = least_loosening(program, table)
        if least.total <= ZERO:
            raise InvalidInput("the problem is feasible: there is no conflict to explain")
        involved = [rule for rule, much in zip(table, least.amounts, strict=True) if much > ZERO]
    else:
        involved = [rule for rule, counts in zip(table, least.counted, strict=True) if counts > COUNTS_FOR_NOTHING]
    candidates = table if whole and len(table) <= MOST_TRIED else involved
    ways = ways_out(problem, program, table, candidates, has_plan)
    if whole:
        helps = {entry.rule for entry in (*ways.alone, *ways.together)} | {rule.name for rule in involved}
        involved = [rule for rule in table if rule.name in helps]
    what = _whole_sentence(involved) if whole else _what(problem, involved, ways.alone)
    message = f"{what}; {_in_words(involved, ways)}"
    return Conflict(tuple(rule.name for rule in involved), least.total, ways.alone, visible(message))


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
        forced = apart(limit + needed["turnover"], limit)
        return f"moves of {forced} are forced{because}, max_turnover is {shown(limit)}"
    for rule in involved:
        if rule.kind in ("resource", "group") and rule.name in needed:
            others = [_named(other) for other in involved if other is not rule]
            amount = apart(rule.limit + needed[rule.name], rule.limit)
            total = f"{amount} of {rule.name} is needed, there is {shown(rule.limit)}"
            return f"{total} ({', '.join(others)})" if others else total
    return f"these rules cannot be met together: {', '.join(_named(rule) for rule in involved)}"


def _whole_sentence(involved: Sequence[Rule]) -> str:
    """The conflict where fractions would do and whole numbers do not."""
    names = listed([_named(rule) for rule in involved], "and")
    return f"units, entry shares or counts leave no split that meets {names}"


_OWN = {
    *("held", "max_change", "max_increase", "max_decrease", "max_change_relative", "only_increase", "only_decrease"),
    *("max_share", "min_share", "lock_in", "decrease_floor", "end_at_least", "end_at_most"),
}
_CAPACITY = {"capacity", "capacity lower"}
_GROUP_FLOORS = {"group_floor": "min_share", "active_floor": "min_active"}


def _capacity_sentence(problem: AllocationProblem, own: Sequence[Rule], *, is_full: bool) -> str:
    """What may not shrink takes more than capacity, or what may grow takes less."""
    data, available = problem.arrays, float(problem.available or 0.0)
    capacity = f"capacity {shown(available)}"
    if problem.reserve:
        capacity += f" ({shown(in_first(problem.capacity or 0.0))} less reserve {shown(in_first(problem.reserve))})"
    sign = -1.0 if is_full else 1.0
    kind_of = {rule.subject: rule.kind for rule in own}
    parts, total = [], 0.0
    for i, name in enumerate(problem.names):
        change = (data.up if sign > 0.0 else data.down)[0, i]
        reach = float(np.clip(data.current[i] + sign * change, data.lower[0, i], data.upper[0, i]))
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
        return f"{who} {apart(total, available)} ({inside}) of {capacity}"
    return f"at most {apart(total, available)} ({inside}) of {capacity} can be placed"


def _is(rule: Rule) -> str:
    if rule.kind in ("only_increase", "only_decrease"):
        return f"{rule.kind} from {shown(rule.limit)}"
    return f"held at {shown(rule.limit)}" if rule.kind == "held" else f"{rule.kind} {shown(rule.limit)}"


def _named(rule: Rule) -> str:
    if rule.kind in ("max_moves", "total_moves", "active", "hold_after_change"):
        return f"{rule.name} {rule.limit:.0f}"
    if rule.kind == "goal":
        return f"the goal of at least {shown(rule.limit)} USD/h"
    if rule.kind in ("rule", "rule_floor"):
        return f"rule {rule.subject}"
    if rule.kind in _GROUP_FLOORS:
        limit = f"{rule.limit:.0f}" if rule.kind == "active_floor" else shown(rule.limit)
        return f"{_GROUP_FLOORS[rule.kind]} {limit} of group {rule.subject}"
    if rule.kind in ("only_increase", "only_decrease"):
        return f"{rule.name} from {shown(rule.limit)}"
    if rule.kind == "held":
        return f"{rule.subject} held at {shown(rule.limit)}"
    return f"{rule.name.removesuffix(' lower')} {shown(rule.limit)}"


def _in_words(involved: Sequence[Rule], ways: WaysOut) -> str:
    """The single relaxations; where none is enough alone, the set that is enough together."""
    if not ways.alone:
        if not ways.together:
            return "no set of rules to loosen together was found in time; no single rule is enough"
        return f"no single rule is enough; together, {listed([entry.text for entry in ways.together], 'and')}"
    held = [rule.name for rule in involved if rule.kind == "held"]
    freeing = [entry for entry in ways.alone if entry.rule.startswith("held ")]
    others = [entry.text for entry in ways.alone if not entry.rule.startswith("held ")][:3]
    release = []
    if freeing:
        one_of_all = len(freeing) == len(held) > 1
        release = ["release one of them"] if one_of_all else [entry.text for entry in freeing[:3]]
    first_is_release = ways.alone[0] in freeing
    return listed([*release, *others] if first_is_release or len(freeing) > 1 else [*others, *release])
