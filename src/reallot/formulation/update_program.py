"""The program of a problem that is like an earlier one: other numbers on the same blocks, nothing assembled again."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ..problem import AllocationProblem, CDaR, CVaR, Limits, ShortfallChance, WorstCase
from ..problem.arrays import FloatArray
from ..program import LinearProgram
from .integer_rules import has_choices
from .moves import budget, counts_moves, movement, share_columns, turnover
from .resources import group_rows, resource_rows, rule_rows
from .risk import expected_weight

PLAIN = {"share", "increase", "decrease"}
"""Column blocks of a program whose numbers follow from the problem's arrays by themselves."""
ON_PLAIN = {
    *("max_change", "max_turnover", "held", "groups", "rules", "plan_fee", "min_gain"),
    *("max_increase", "max_decrease", "max_change_relative", "only_increase", "only_decrease"),
}
"""Limits that are bounds and rows on these columns, or no part of the program: they may differ from the earlier."""


def formulate_again(
    problem: AllocationProblem, before: AllocationProblem, program: LinearProgram
) -> LinearProgram | None:
    """formulate(problem), made from `program`, which is formulate(before); None where only formulating anew will do.

    Other rates take new gains, whatever the rules (but risk whose rows hold rates). Where shares and their changes
    are all columns there are, other current shares, limits, capacities and hours are new bounds and limits as well.
    """
    if problem.goal is not None or before.goal is not None or problem.limits.max_total_cost is not None:
        return None
    if isinstance(problem.risk, (CVaR, CDaR, WorstCase, ShortfallChance)) or not _same(
        problem, before, "protocols", "periods", "scenarios", "risk"
    ):
        return None
    if _tiers(problem) != _tiers(before):
        return None
    if _same(problem, before, *(field.name for field in fields(problem) if field.name != "rates")):
        return program.with_numbers(gain=_gain(problem, program))
    if not _is_plain(problem, before, program):
        return None
    columns = share_columns(problem, expected_weight(problem))
    rows = [movement(problem), *budget(problem), *turnover(problem)]
    rows += [*resource_rows(problem), *group_rows(problem), *rule_rows(problem)]
    if [block.name for block in rows] != [block.name for block in program.rows]:
        return None
    row_lower, row_upper = program.row_lower.copy(), program.row_upper.copy()
    for block in rows:
        span = program.row_slices[block.name]
        row_lower[span], row_upper[span] = block.lower, block.upper
    return program.with_numbers(
        gain=np.concatenate([block.gain for block in columns]),
        lower=np.concatenate([block.lower for block in columns]),
        upper=np.concatenate([block.upper for block in columns]),
        row_lower=row_lower,
        row_upper=row_upper,
    )


def _tiers(problem: AllocationProblem) -> list[list[float]]:
    """The prices of tiers, which costs that never pay may cut at other rates."""
    data = problem.arrays
    return (
        []
        if data.tiers is None and data.turnover_tiers is None
        else [each.extra.tolist() for each in (data.tiers, data.turnover_tiers) if each is not None]
    )


def _same(problem: AllocationProblem, before: AllocationProblem, *names: str) -> bool:
    return all(getattr(problem, name) == getattr(before, name) for name in names)


def _gain(problem: AllocationProblem, program: LinearProgram) -> FloatArray:
    """The program's gains (columns,) with those of shares and their changes from `problem`."""
    gain = program.gain.copy()
    for block in share_columns(problem, expected_weight(problem)):
        gain[program.column_slices[block.name]] = block.gain
    return gain


def _is_plain(problem: AllocationProblem, before: AllocationProblem, program: LinearProgram) -> bool:
    """True where both problems have columns for shares and changes only, and the same resources, groups and rules."""
    return (
        set(program.column_slices) == PLAIN
        and not has_choices(problem)
        and not counts_moves(problem).any()
        and all(_same_limit(problem, before, field.name) for field in fields(Limits) if field.name not in ON_PLAIN)
        and problem.resources.keys() == before.resources.keys()
        and _summed(problem) == _summed(before)
    )


def _same_limit(problem: AllocationProblem, before: AllocationProblem, name: str) -> bool:
    return bool(getattr(problem.limits, name) == getattr(before.limits, name))


def _summed(problem: AllocationProblem) -> list[tuple[str, dict[int, float]]]:
    """What each row on a sum of a group's or a rule's shares is of: its name and weights."""
    limits, place = problem.limits, problem.table.place
    groups = [(group.name, {place[name]: 1.0 for name in group.members}) for group in limits.groups]
    return groups + [(rule.name, rule.weights(place, limits.groups)) for rule in limits.rules]
