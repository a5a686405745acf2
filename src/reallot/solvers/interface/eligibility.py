"""Why a path that takes one capacity and one kind of move cannot answer: the reasons that several paths share."""

from __future__ import annotations

from ...problem import AllocationProblem, CDaR, CVaR, RateUncertainty, ShortfallChance, WorstCase


def coupled(problem: AllocationProblem, path: str, *, groups: bool = False) -> str | None:
    """What couples protocols beyond one capacity, in words; None where nothing does.

    path    its name
    groups  True where it takes groups
    """
    if problem.capacity is None:
        return f"there is no capacity that the shares sum to; the {path} path needs one"
    if problem.goal is not None:
        return f"a goal takes the place of the most earnings; the {path} path finds the most"
    data = problem.arrays
    varies = problem.table.varying or data.totals is not None or data.end_value is not None
    if varies and (why_not := by_period(problem, path)) is not None:
        return why_not
    if problem.limits.near is not None:
        return f"shares near to a split couple protocols; the {path} path takes one capacity only"
    if problem.resources:
        return f"resources ({', '.join(problem.resources)}) couple protocols; the {path} path takes one capacity only"
    if problem.limits.groups and not groups:
        return f"group {problem.limits.groups[0].name} couples protocols; the {path} path takes one capacity only"
    if problem.limits.largest is not None:
        return f"a bound on the largest shares couples protocols; the {path} path takes one capacity only"
    if problem.limits.has_budgets:
        key = "max_total_cost" if problem.limits.max_total_moves is None else "max_total_moves"
        return f"{key} couples protocols; the {path} path takes one capacity only"
    if problem.limits.rules:
        return f"rule {problem.limits.rules[0].name} couples protocols; the {path} path takes one capacity only"
    return None if problem.risk is None else _at_risk(problem)


def _at_risk(problem: AllocationProblem) -> str | None:
    """How the measure of risk couples protocols, in words; None where it counts for nothing."""
    if isinstance(problem.risk, CVaR) and problem.risk.weight > 0.0:
        return "CVaR couples protocols through the scenarios"
    if isinstance(problem.risk, RateUncertainty):
        return "the budget of uncertainty couples protocols"
    if isinstance(problem.risk, (CDaR, WorstCase, ShortfallChance)):
        return f"{type(problem.risk).__name__} couples protocols through the scenarios"
    return None


def by_period(problem: AllocationProblem, path: str) -> str | None:
    """What differs by period, or is worth something at the end, in words; None where nothing does."""
    data, table = problem.arrays, problem.table
    if data.end_value is not None:
        return f"shares are worth something at the end; the {path} path weighs earnings and costs alone"
    if problem.periods == 1:
        return None
    if data.totals is not None:
        return f"the capacity differs by period; the {path} path takes one"
    for i, own in table.varying.items():
        if costs := sorted(own.keys() - {"min_share", "max_share"}):
            return f"{costs[0]} of {problem.names[i]} differs by period; the {path} path takes one"
    return None


def tiered(problem: AllocationProblem, path: str) -> str | None:
    """Which costs come in tiers, in words, for a path that takes one price a protocol; None where none do."""
    tiers = problem.arrays.tiers
    if tiers is not None:
        name = problem.names[int(tiers.owner[0])]
        return f"the move cost of {name} comes in tiers; the {path} path takes one price per unit"
    if problem.limits.turnover_cost is not None:
        return f"turnover_cost is a price on all changes together; the {path} path takes each protocol's own costs"
    return None


def one_sided(problem: AllocationProblem, path: str) -> str | None:
    """Which limit of change differs by direction, in words, for a path that takes one limit; None where none does."""
    limits = problem.limits
    if not limits.has_directions:
        return None
    keys = ("max_increase", "max_decrease", "max_change_relative", "only_increase", "only_decrease")
    named = next(key for key in keys if getattr(limits, key) not in (None, ()))
    return f"{named} limits changes by direction; the {path} path takes max_change alone"


def falling(problem: AllocationProblem) -> str | None:
    """Whose tiers fall, so that it is a choice which one a change reaches; None where nobody's do."""
    tiers = problem.arrays.tiers
    if tiers is None or not tiers.falls.any():
        return None
    k = int(tiers.falls.argmax())
    return (
        f"the move cost of {problem.names[int(tiers.owner[k])]} falls from {tiers.before[k]:g} to {tiers.price[k]:g} "
        f"USD per unit above {tiers.start[k]:g}: whether a change reaches that tier is a choice"
    )


def chosen(problem: AllocationProblem) -> str | None:
    """What makes it a choice which protocols move; None where nothing does."""
    if problem.arrays.has_fee:
        return "a fee per move makes it a choice of which protocols move"
    if problem.limits.max_moves is not None:
        return f"max_moves {problem.limits.max_moves} makes it a choice of which protocols move"
    if problem.limits.hold_after_change and problem.periods > 1:
        return f"hold_after_change {problem.limits.hold_after_change} makes it a choice of when protocols move"
    return None


def all_or_nothing(problem: AllocationProblem) -> str | None:
    """What makes a move or a share all or nothing; None where nothing does."""
    if problem.limits.min_move > 0.0:
        return f"min_move {problem.limits.min_move:g} makes each move all or nothing"
    if problem.arrays.has_units:
        return "entry shares or indivisible units make shares all or nothing"
    return None
