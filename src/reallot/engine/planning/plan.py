"""A question with its plan, and the plan as a record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from ...allocation.allocate import allocate
from ...allocation.result import Allocation
from ...errors import Infeasible
from ...text.numbers import usd
from ..contracts.records import AllocationPlan
from .confidence import confidence
from .opportunities import DUST
from .problem_builder import Question
from .rate_estimation import RateRules

Sure = Callable[[Mapping[str, float]], float | None]
"""Changes of share by protocol to the probability that they pay."""


class Answer:
    """The plan that a question gets: `careful` as it was decided, `plan` at the rates as they are.

    Both are None where rates alone settle that nothing moves, or no split meets the limits: `stays` says which.
    `sure` is how sure the policy is of changes of share, where it said what share is worth. Raises SolverFailed where
    no certified plan came back, InvalidInput where specs or limits do not fit.
    """

    def __init__(self, asked: Question, rules: RateRules, sure: Sure | None = None) -> None:
        self.asked, self.rules = asked, rules
        self._sure = sure if asked.by_policy else None
        self.careful: Allocation | None = None
        self.stays = ""
        if asked.settled is not None:
            most, least = (usd(rate) if math.isfinite(rate) else "nothing" for rate in asked.settled)
            self.stays = (
                f"stay: what is added would bring at most {most} USD/h after its cost, what goes at least {least}"
            )
            return
        try:
            self.careful = allocate(asked.problem)
        except Infeasible as error:
            self.stays = f"stay: no split meets all limits: {error}"

    @property
    def moves(self) -> bool:
        """True where the plan changes any share."""
        return self.careful is not None and bool(self.careful.moved.size)

    @cached_property
    def plan(self) -> Allocation | None:
        """The plan at the rates as they are."""
        if self.careful is None or not self.moves:
            return self.careful
        return replace(self.careful, problem=self.asked.plain)

    def confidence(self, changes: Mapping[str, float], net_benefit: float) -> float | None:
        """P(net benefit > 0) of these changes of share; None where nothing changes, or too little is known to say."""
        if not changes:
            return None
        if self._sure is not None:
            return self._sure(changes)
        now, hours = self.asked.shares, self.asked.config.horizon_hours
        gains = {name: self.asked.gain(name, now[name], now[name] + change) for name, change in changes.items()}
        return confidence(gains, net_benefit, hours, self.asked.known, self.rules)

    def record(self, created: datetime) -> AllocationPlan:
        """The plan as a record."""
        asked, plan, careful = self.asked, self.plan, self.careful
        common: dict[str, Any] = {
            "created_at": created,
            "id": f"{created:%Y%m%dT%H%M%S}-{asked.fingerprint[:8]}",
            "current": dict(asked.shares),
            "current_earnings": asked.earned,
            "horizon_hours": asked.config.horizon_hours,
            "expires_at": created + asked.config.plan_lifetime,
            "fingerprint": asked.fingerprint,
        }
        if plan is None or careful is None:
            held = [f"held: {', '.join(sorted(asked.held))}"] if asked.held else []
            return AllocationPlan(
                allocation=dict(asked.shares),
                estimated_improvement=0.0,
                estimated_cost=0.0,
                net_benefit=0.0,
                roi_percent=0.0,
                confidence=None,
                reasons=(self.stays, *held, *asked.reasons),
                **self._proof(),
                **common,
            )
        shares = dict(zip(asked.names, plan.schedule[0].tolist(), strict=True))
        cost, net = plan.cost, plan.net_benefit
        changes = {move.protocol: move.change for move in plan.moves if abs(move.change) > DUST}
        return AllocationPlan(
            allocation=asked.shares | {name: min(max(shares[name], 0.0), 1.0) for name in changes},
            estimated_improvement=plan.improvement_per_hour,
            estimated_cost=cost,
            net_benefit=net,
            roi_percent=100.0 * net / cost if cost > 0.0 else 0.0,
            confidence=self.confidence(changes, net if asked.by_policy else careful.net_benefit),
            reasons=(*plan.reasons, *asked.reasons),
            prices={name: (_finite(price.low), _finite(price.high)) for name, price in careful.prices.items()},
            certificate={key: _plain(value) for key, value in vars(careful.certificate).items()},
            **common,
        )

    def _proof(self) -> dict[str, Any]:
        """Price and certificate of staying where rates settle it: any price of capacity between the two proves it."""
        if self.asked.settled is None:
            return {}
        most, least = self.asked.settled
        worth = self.asked.earned * self.asked.config.horizon_hours
        certificate = {"objective": worth, "bound": worth, "gap": 0.0, "worst_residual": 0.0, "bound_from": "rates"}
        return {"prices": {"capacity": (_finite(most), _finite(least))}, "certificate": certificate}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return _finite(value) if isinstance(value, float) else value
