"""Why it moved, why it stayed, and what each limit costs: an Allocation in words and numbers that add up."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..problem.by_value import ByValue
from ..problem.objective import value
from ..problem.validation import of_kind, seconds
from ..text.columns import table
from ..text.numbers import amount, count, shown, usd
from .result import Allocation
from .time_budget import OutOfTime, TimeBudget, default_seconds

if TYPE_CHECKING:
    import pandas as pd

    from .limit_costs import LimitCost
    from .no_trade_rates import NoTradeRange


@dataclass(frozen=True, eq=False)
class MoveReason(ByValue):
    """Why one protocol changed; money is USD over the horizon.

    Gain less cost is its own contribution to the plan's net benefit; these add up to it over all moves, less what
    `turnover_cost` and `plan_fee` take for all together.

    Parameters
    ----------
    protocol
        Name of the protocol.
    change
        Change of its share.
    gain
        Change of its earnings, and of what its share is worth at the end.
    cost
        Transaction cost of the change.
    charges
        What the shared rules take for the move: the amount of the rule used times its price (a credit where the move
        gives some back).

    Attributes
    ----------
    net_benefit
        Gain - cost - sum of charges: what is left for the move itself. It is never negative, but for a fee or unit,
        which the prices given these choices cannot see.
    """

    protocol: str
    change: float
    gain: float
    cost: float
    charges: Mapping[str, float]

    @property
    def net_benefit(self) -> float:
        """gain - cost - sum of charges, USD over the horizon."""
        return self.gain - self.cost - sum(self.charges.values())


@dataclass(frozen=True, eq=False)
class Answer(ByValue):
    """One of the three answers: shares by name and net earnings per hour (costs spread over the horizon), USD/h."""

    shares: Mapping[str, float]
    net_per_hour: float


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(ByValue):
    """A plan explained: its moves, the protocols that stay, and what the limits cost.

    Parameters
    ----------
    plan
        The plan that is explained.
    moves
        The reason for each changed share, in the protocols' order.
    stays
        For each protocol that stays, the rate at which it would move (the no-trade range).
    limits
        What each limit costs (USD/h), the dearest first.
    answers
        Three earnings: "today", "within limits", and "limits widened" (no change, turnover, move or hold limits).
    left_out
        What could not be worked out within the time budget, in words.

    Examples
    --------
    >>> from reallot import AllocationProblem, allocate, explain
    >>> why = explain(allocate(AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7})))
    >>> [move.protocol for move in why.moves], sorted(why.answers)
    (['relay', 'compute'], ['limits widened', 'today', 'within limits'])
    """

    plan: Allocation
    moves: tuple[MoveReason, ...]
    stays: tuple[NoTradeRange, ...]
    limits: tuple[LimitCost, ...]
    answers: Mapping[str, Answer]
    left_out: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the moves as a table.

        Returns
        -------
        pandas.DataFrame
            One row per move: change (share), gain, cost, each charge and net_benefit (USD over the horizon).
        """
        import pandas as pd

        rows = [
            {
                "change": move.change,
                "gain": move.gain,
                "cost": move.cost,
                **move.charges,
                "net_benefit": move.net_benefit,
            }
            for move in self.moves
        ]
        return pd.DataFrame(rows, index=pd.Index([move.protocol for move in self.moves], name="protocol")).fillna(0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain values, ready for JSON.

        Returns
        -------
        dict
            Numbers, text, lists and tables only.
        """
        return {
            "moves": [
                {
                    "protocol": move.protocol,
                    "change": move.change,
                    "gain": move.gain,
                    "cost": move.cost,
                    "charges": dict(move.charges),
                    "net_benefit": move.net_benefit,
                }
                for move in self.moves
            ],
            "stays": [vars(stay) for stay in self.stays],
            "limits": [vars(limit) for limit in self.limits],
            "answers": {name: vars(answer) for name, answer in self.answers.items()},
            "left_out": list(self.left_out),
        }

    def __str__(self) -> str:
        lines = [*_answer_lines(self), *_move_lines(self), *_stay_lines(self), *_limit_lines(self), *_note_lines(self)]
        return "\n".join(shown(line) for text in lines for line in text.split("\n"))

    def __repr__(self) -> str:
        return f"<Explanation of {self.plan!r}>"

    def _repr_html_(self) -> str:
        from ..text.html_tables import result_as_html

        frame = self.to_frame()
        title = f"why {count(len(self.moves), 'protocol')} moved and {len(self.stays)} stayed (USD over the horizon)"
        text = "\n".join([*_answer_lines(self), *_stay_lines(self), *_limit_lines(self), *_note_lines(self)])
        rows = list(frame.itertuples())
        return result_as_html(title, ["protocol", *frame.columns], rows, text=text, about=repr(self.plan))


def explain(plan: Allocation, *, budget_seconds: float | Literal["auto"] | None = "auto") -> Explanation:
    """Explain a plan: per move, per protocol that stays and per limit.

    Parts of the problem are solved again where that is needed, what limits cost first, then the rates of the largest
    shares.

    Parameters
    ----------
    plan
        A plan from `allocate` or a session.
    budget_seconds
        Seconds of processor time for all searches together. What does not end in time is left out, and the explanation
        says so. "auto" is 0.025 s for each share of one period and 0.05 s for each of several, at least 0.25 s and at
        most 2 s. None is no limit.

    Returns
    -------
    Explanation
        The reasons; printed, it is a text for people.

    Raises
    ------
    InvalidInput
        Where the argument is no plan.

    Examples
    --------
    >>> from reallot import AllocationProblem, Limits, allocate, explain
    >>> problem = AllocationProblem(
    ...     {"relay": 2.0, "compute": 1.0}, {"relay": 0.3, "compute": 0.7}, limits=Limits(max_change=0.2))
    >>> why = explain(allocate(problem))
    >>> [(move.protocol, round(move.net_benefit, 9)) for move in why.moves], round(why.limits[0].usd_per_hour, 9)
    ([('relay', 0.2), ('compute', 0.0)], 0.5)
    """
    door = "allocate(problem) makes the plan: explain(allocate(problem))"
    of_kind(plan, Allocation, "the plan", door)
    from .limit_costs import limit_costs, widened
    from .no_trade_rates import thresholds

    problem = plan.problem
    free = widened(problem)
    limit = default_seconds(problem) if budget_seconds == "auto" else seconds(budget_seconds, "budget_seconds")
    budget, left_out = TimeBudget(limit), []
    budget.waiting = 2 * len(problem.names)  # about: two rates of each that stayed, and what limits cost
    answers = {
        "today": Answer(dict(problem.current), plan.stay_value.net / problem.horizon_hours),
        "within limits": _answer(plan),
    }
    limits: tuple[LimitCost, ...] = ()
    stays: tuple[NoTradeRange, ...] = ()
    for _ in range(2):  # what did not end in its part of the time is tried again in what the others leave
        if "limits widened" not in answers:
            with suppress(OutOfTime):
                answers["limits widened"] = _answer(plan if free == problem else budget.allocate(free))
        limits, unknown = limit_costs(plan, budget, limits)
        stays = stays or (thresholds(plan, budget=budget) if problem.goal is None else ())
        if not unknown and "limits widened" in answers:
            break
        budget.waiting = 1
    if "limits widened" not in answers:
        left_out.append(f"what wider limits would earn is not known: {budget}")
    left_out += [f"what {name} costs is not known: {budget}" for name in unknown]
    return Explanation(plan, move_reasons(plan), stays, limits, answers, tuple(left_out))


def move_reasons(plan: Allocation) -> tuple[MoveReason, ...]:
    """Gain, cost and charges of every protocol that changes in any period, in the protocols' order."""
    from .charges import charges

    by_rule = charges(plan) if plan.problem.goal is None else {}
    moved = (plan.schedule != plan.problem.arrays.current).any(axis=0)
    gain = ((plan.value.earnings - plan.stay_value.earnings) * plan.value.hours).sum(axis=0)
    if (worth := plan.problem.arrays.end_value) is not None:
        gain = gain + worth * (plan.schedule[-1] - plan.problem.arrays.current)
    cost = plan.value.costs.sum(axis=0)
    change = plan.schedule[0] - plan.problem.arrays.current
    result = []
    for i in np.flatnonzero(moved):
        own = {rule: float(charge[i]) for rule, charge in by_rule.items() if charge[i] != 0.0}
        result.append(MoveReason(plan.problem.names[i], float(change[i]), float(gain[i]), float(cost[i]), own))
    return tuple(result)


def _answer(plan: Allocation) -> Answer:
    net = value(plan.problem, plan.schedule).net / plan.problem.horizon_hours
    shares = {name: float(share) for name, share in zip(plan.problem.names, plan.schedule[0], strict=True)}
    return Answer(shares, net)


def _answer_lines(why: Explanation) -> list[str]:
    rows = []
    for name, answer in why.answers.items():
        largest = sorted(answer.shares.items(), key=lambda item: -item[1])[:6]
        split = ", ".join(f"{protocol} {amount(share)}" for protocol, share in largest if share > 0.0)
        rows.append([f"  {name}", usd(answer.net_per_hour), split])
    return ["three answers (USD/h after costs)", table(rows, right=[1])]


def _move_lines(why: Explanation) -> list[str]:
    if not why.moves:
        return ["", "no moves"]
    lines = ["", "why it moved (USD over the horizon), with what shared rules charge for the move or credit it with"]
    for move in why.moves:
        parts = "".join(_charge(rule, charge) for rule, charge in move.charges.items())
        sum_of = f"{usd(move.gain)} gain - {usd(move.cost)} cost{parts} = {usd(move.net_benefit)}"
        lines.append(f"  {move.protocol} {move.change:+.4g}: {sum_of}")
    total = sum(move.gain - move.cost for move in why.moves)
    shared = [
        f"{usd(cost)} for {name}"
        for name, cost in (("turnover_cost", why.plan.value.turnover_cost), ("plan_fee", why.plan.value.plan_fee))
        if cost
    ]
    less = f", less {' and '.join(shared)} of all together," if shared else ""
    total -= why.plan.value.turnover_cost + why.plan.value.plan_fee
    lines.append(f"  gains less costs{less} add up to the plan's net benefit: {usd(total)}")
    return lines


def _charge(rule: str, charge: float) -> str:
    """What a shared rule takes for a move, or credits it with: " - 4.08 for capacity", " + 4.08 from capacity"."""
    return f" - {usd(charge)} for {rule}" if charge >= 0.0 else f" + {usd(-charge)} from {rule}"


def _stay_lines(why: Explanation) -> list[str]:
    if not why.stays:
        return []
    lines = ["", "why the others stayed"]
    lines += [f"  {stay}" for stay in why.stays[:30]]
    return lines + ([f"  and {len(why.stays) - 30} more"] if len(why.stays) > 30 else [])


def _limit_lines(why: Explanation) -> list[str]:
    costly = [limit for limit in why.limits if limit.usd_per_hour > 0.0]
    if not why.limits:
        return []
    if not costly:
        return ["", "no limit costs anything now"]
    unit = "USD/h" if why.plan.problem.goal is None else "in what the goal counts"
    lines = ["", f"what each limit costs ({unit}, that limit alone taken away)"]
    lines.append(table([[f"  {limit.name}", usd(limit.usd_per_hour)] for limit in costly[:20]]))
    free = len(why.limits) - len(costly)
    return lines + ([f"  {free} other {'limit costs' if free == 1 else 'limits cost'} nothing"] if free else [])


def _note_lines(why: Explanation) -> list[str]:
    from .no_trade_rates import NOT_ALL

    notes = [*why.plan.notes, *why.left_out]
    if why.left_out or any(NOT_ALL in stay.because for stay in why.stays):
        notes.append("explain(plan, budget_seconds=None) searches until all of it is known")
    return ["", *notes] if notes else []


__all__ = ["Answer", "Explanation", "MoveReason", "explain", "move_reasons"]
