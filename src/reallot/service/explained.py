"""Why a plan is what it is, as sentences and as rows whose sums are the plan's own numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..allocation.explain import Explanation, explain
from ..allocation.no_trade_rates import NoTradeRange
from ..allocation.result import Allocation
from ..allocation.time_budget import PATIENT
from ..engine.contracts.records import AllocationPlan
from ..engine.ledger.journal import Decision
from ..runtime.decision_replay import ReplayedDecision, replay
from ..text.numbers import amount, listed, shown, usd
from .frames import stamp


def why(decision: Decision, ends: Sequence[Decision]) -> dict[str, Any]:
    """The document of one decision, made again from its inputs; `ends` is what was decided on the plan later.

    Raises DataError where the inputs cannot be read.
    """
    again = replay(decision)
    plan, found = again.plan, again.allocation
    told = None if found is None else explain(found, budget_seconds=PATIENT)
    return finite(
        {
            "plan_id": decision.plan_id,
            "at": stamp(decision.at),
            "verdicts": [_verdict(each) for each in (decision, *ends)],
            "summary": _summary(plan, (decision, *ends)),
            "rows": [] if found is None or told is None else _rows(found, told),
            "stayed": [] if told is None else [_stay(each) for each in told.stays],
            "limits": []
            if told is None
            else [{"name": each.name, "costs_usd_per_hour": each.usd_per_hour} for each in told.limits],
            "answers": {}
            if told is None
            else {
                name: {"shares": dict(each.shares), "net_per_hour": each.net_per_hour}
                for name, each in told.answers.items()
            },
            "left_out": [] if told is None else list(told.left_out),
            "improvement": plan.estimated_improvement,
            "cost": plan.estimated_cost,
            "net_benefit": plan.net_benefit,
            "horizon_hours": plan.horizon_hours,
            "pays_back_hours": _pays_back(plan),
            "confidence": {"value": plan.confidence},
            "certificate": plan.certificate,
            "again": _again(again),
        }
    )


def _verdict(each: Decision) -> dict[str, Any]:
    return {"verdict": each.verdict.value, "at": stamp(each.at), "reason": each.reason}


def _summary(plan: AllocationPlan, decisions: Sequence[Decision]) -> list[str]:
    """What a person is told first."""
    found = []
    if plan.moves:
        found.append(f"It moves {listed([*_moved(plan, -1.0), *_moved(plan, 1.0)], 'and')}.")
        gain, cost = usd(plan.estimated_improvement, sign=True), usd(plan.estimated_cost)
        net = usd(plan.net_benefit, sign=True)
        found.append(f"It brings {gain} USD/h and costs {cost} USD: {net} USD over {plan.horizon_hours:g} h.")
    else:
        found.append("Every share stays as it is: nothing better is within the limits.")
    if plan.conflict:
        found.append(f"Limits are broken, and no plan mends that: {plan.conflict}.")
    for each in decisions:
        reason = f": {each.reason}" if each.reason else ""
        found.append(f"{each.verdict.words.capitalize()} at {each.at:%Y-%m-%d %H:%M:%S} UTC{reason}.")
    return found


def _moved(plan: AllocationPlan, way: float) -> list[str]:
    """Who goes this way, from which share to which."""
    return [
        f"{shown(name)} {amount(plan.current.get(name, 0.0))} -> {amount(plan.allocation.get(name, 0.0))}"
        for name, change in plan.moves.items()
        if change * way > 0.0
    ]


def _rows(found: Allocation, told: Explanation) -> list[dict[str, Any]]:
    """One row a move; the sums of `sum` are the plan's net benefit, USD over its horizon."""
    names = found.problem.names
    today = dict(zip(names, found.problem.current_shares.tolist(), strict=True))
    planned = dict(zip(names, found.schedule[0].tolist(), strict=True))
    return [
        {
            "protocol": move.protocol,
            "today": today[move.protocol],
            "plan": planned[move.protocol],
            "gain": move.gain,
            "cost": move.cost,
            "charged": [{"rule": rule, "usd": charge} for rule, charge in move.charges.items()],
            "sum": move.gain - move.cost,
        }
        for move in told.moves
    ]


def _stay(stay: NoTradeRange) -> dict[str, Any]:
    """What would have to be true for one that stays to move; rates at the margin, USD/h per unit of share."""
    return {
        "protocol": stay.protocol,
        "share": stay.share,
        "earns": stay.rate,
        "takes_above": stay.takes_at,
        "gives_below": stay.gives_at,
        "reason": stay.because,
    }


def _pays_back(plan: AllocationPlan) -> float | None:
    """Hours after which the move has earned what it costs; None where it never does."""
    if plan.estimated_improvement <= 0.0:
        return None
    return plan.estimated_cost / plan.estimated_improvement


def _again(again: ReplayedDecision) -> dict[str, Any]:
    return {"same": not again.differences, "differences": list(again.differences)}


def finite(content: dict[str, Any]) -> dict[str, Any]:
    """The same with null in place of numbers that are none."""

    def told(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: told(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [told(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {key: told(each) for key, each in content.items()}


def decided(number: int, each: Decision) -> dict[str, Any]:
    """A decision as it is listed."""
    try:
        plan = json.loads(each.plan) if each.plan else None
    except ValueError:
        plan = None
    return {
        "seq": number,
        "plan_id": each.plan_id,
        "at": stamp(each.at),
        "verdict": each.verdict.value,
        "reason": each.reason,
        "plan": plan,
        "has_inputs": bool(each.inputs),
    }
