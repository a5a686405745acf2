"""Why a plan that would move something was not worth it, in words and with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..engine.contracts.configs import OptimizerConfig
from ..engine.contracts.records import AllocationPlan
from ..engine.planning.rate_estimation import RateEstimate
from ..policy.confidence import is_below_gate
from ..text.numbers import listed, percent, shown, usd


class Declined(NamedTuple):
    """What kept a plan from being worth its move; `key` is the same while it is the same reason."""

    key: str
    text: str


def why_declined(plan: AllocationPlan, config: OptimizerConfig) -> Declined | None:
    """The first reason, in the order in which they are asked; None where the plan moves nothing.

    >>> from datetime import UTC, datetime
    >>> shares = {"current": {"a": 1.0, "b": 0.0}, "allocation": {"a": 0.8, "b": 0.2}}
    >>> numbers = {"estimated_improvement": 0.008, "estimated_cost": 0.0, "net_benefit": 0.2, "roi_percent": 0.0}
    >>> plan = AllocationPlan(created_at=datetime.now(UTC), horizon_hours=24.0, confidence=None, **shares, **numbers)
    >>> why_declined(plan, OptimizerConfig(min_improvement_threshold=0.25)).text
    'b would bring +0.008 USD/h, below 0.25 (min_improvement_threshold)'
    """
    takers = sorted(name for name, change in plan.moves.items() if change > 0.0)
    if plan.allocation == plan.current or not plan.moves:
        return None
    names = ", ".join(map(shown, takers)) or "to give up shares"
    brings = f"{names} would bring {usd(plan.estimated_improvement, sign=True)} USD/h"
    earned = plan.current_earnings
    if plan.net_benefit <= 0.0:
        cost, hours = usd(plan.estimated_cost), f"{plan.horizon_hours:g} h"
        return Declined(f"cost {names}", f"{brings}, and the move costs {cost} USD: it is not earned back in {hours}")
    if plan.confidence is not None and is_below_gate(plan.confidence, config.min_confidence):
        rule = f"{plan.confidence:.2f}, below {config.min_confidence:g} (min_confidence)"
        return Declined(f"confidence {names}", f"{brings}; the chance that it pays is {rule}")
    if plan.estimated_improvement < config.min_improvement_threshold:
        rule = f"below {usd(config.min_improvement_threshold)} (min_improvement_threshold)"
        return Declined(f"threshold {names}", f"{brings}, {rule}")
    part = config.min_improvement_percent / 100.0
    if earned is not None and plan.estimated_improvement < part * earned:
        rule = f"below {percent(part)} of the {usd(earned)} that are earned (min_improvement_percent)"
        return Declined(f"percent {names}", f"{brings}, {rule}")
    return None


def why_waiting(known: Mapping[str, RateEstimate], least: int, *, keeps: bool) -> Declined | None:
    """Why first readings move nothing, and what helps; None where no protocol is new.

    least  readings that it takes
    keeps  True where readings outlive the process

    >>> why_waiting({"b": RateEstimate("b", 2.0, readings=1, is_new=True)}, 3, keeps=True).text
    'b is new, read 1 of the 3 times that it takes before readings move capacity; set rate under [protocols.NAME] \
where you know it'
    """
    new = [name for name, each in known.items() if each.is_new]
    if not new:
        return None
    fewest = min(known[name].readings for name in new)
    text = (
        f"{listed(list(map(shown, new)), 'and')} {'are' if len(new) > 1 else 'is'} new, read {fewest} of the {least} "
        f"times that it takes before readings move capacity; set rate under [protocols.NAME] where you know it"
    )
    return Declined("new", text if keeps else f"{text}, or [ledger] path, so that a start remembers readings")
