"""A planning problem with its allocation: as a plan record, as pairs worth moving between, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from ...allocation.allocate import allocate
from ...allocation.result import Allocation
from ...allocation.standing import broken_by_staying
from ...errors import Infeasible
from ...text.numbers import finite, usd
from ..contracts.records import AllocationPlan, OptimizationOpportunity
from .limits_out_of_reach import nearest
from .problem_builder import PlanningProblem
from .rate_estimation import RateEstimate
from .rate_rules import RateRules

IDLE = "idle"
"""Stands where a protocol would: capacity that nobody has."""
DUST = 1e-12
"""Shares below this are rounding."""
HARD_TO_TAKE_BACK = ("move_fee", "step", "entry_share", "decrease_floor", "warm_up_hours")
"""Numbers of a ProtocolSpec that make its moves hard to undo."""
SLOPE, MOST = 1.7, 4.0
"""P = 1 / (1 + exp(-SLOPE * score)): nearly the normal distribution; scores beyond MOST count as MOST."""

PolicyConfidence = Callable[[Mapping[str, float]], float | None]
"""From changes of share by protocol to the probability that they pay, as the policy sees it."""


class Plan:
    """The allocation of a planning problem, seen twice: decided at careful rates, valued at expected ones.

    careful   the allocation as it was decided; None where the plan is to stay without one
    expected  the same shares at the expected rates: by these a plan brings so much
    stays     why the plan is to stay, where there is no allocation
    breaks    which limits the present shares break that one plan cannot meet; "" where there are none
    conflict  why no plan brings them nearer; "" where one does, or will after a rest

    `policy_confidence` counts only where the policy says what share is worth.
    """

    def __init__(
        self,
        problem: PlanningProblem,
        rules: RateRules,
        policy_confidence: PolicyConfidence | None,
        careful: Allocation | None,
        stays: str = "",
        breaks: str = "",
        conflict: str = "",
    ) -> None:
        self.problem, self.careful, self.expected, self.stays = problem, careful, careful, stays
        self.breaks, self.conflict = breaks, conflict
        self._rules, self._policy_confidence = rules, policy_confidence if problem.by_policy else None
        self._moves: list[_PlannedMove] = []
        if careful is not None and careful.moved.size:
            self.expected = replace(careful, problem=problem.expected)
            for move, same in zip(self.expected.moves, careful.moves, strict=True):
                if abs(change := move.after - move.before) > DUST:
                    self._moves.append(_PlannedMove(move.protocol, change, move.gain, same.gain, same.cost))

    def record(self, created: datetime) -> AllocationPlan:
        """The plan as a record."""
        problem, expected, careful = self.problem, self.expected, self.careful
        read = {**problem.shares, **problem.read}
        common: dict[str, Any] = {
            "created_at": created,
            "id": f"{created:%Y%m%dT%H%M%S}-{problem.fingerprint[:8]}",
            "current": read,
            "current_earnings": problem.earned,
            "horizon_hours": problem.config.horizon_hours,
            "expires_at": created + problem.config.plan_lifetime,
            "fingerprint": problem.fingerprint,
            "breaks": self.breaks,
            "conflict": self.conflict,
        }
        if expected is None or careful is None:
            held = [f"held: {', '.join(sorted(problem.held))}"] if problem.held else []
            return AllocationPlan(
                allocation=read,
                estimated_improvement=0.0,
                estimated_cost=0.0,
                net_benefit=0.0,
                roi_percent=0.0,
                confidence=None,
                reasons=(self.stays, *held, *problem.reasons),
                **self._proof(),
                **common,
            )
        if problem.urgent:
            common["urgent"] = problem.urgent
        elif not careful.can_stay and not self.breaks and not problem.raised:
            common["breaks"] = broken_by_staying(careful.problem)
        shares = dict(zip(problem.names, expected.schedule[0].tolist(), strict=True))
        cost, net = expected.cost, expected.net_benefit
        changes = {move.name: move.change for move in self._moves}
        return AllocationPlan(
            allocation=read | {name: min(max(shares[name], 0.0), 1.0) for name in changes},
            estimated_improvement=expected.improvement_per_hour,
            estimated_cost=cost,
            net_benefit=net,
            roi_percent=100.0 * net / cost if cost > 0.0 else 0.0,
            confidence=self._confidence(changes, net if problem.by_policy else careful.net_benefit),
            reasons=(*((problem.urgent,) if problem.urgent else ()), *expected.reasons, *problem.reasons),
            prices={name: (finite(price.low), finite(price.high)) for name, price in careful.prices.items()},
            certificate={key: finite(value) for key, value in vars(careful.certificate).items()},
            **common,
        )

    def opportunities(self) -> list[OptimizationOpportunity]:
        """The plan's moves as pairs: what earns least by marginal rates gives to what will earn most. Best first.

        A protocol's marginal rate is the mean slope of its earnings over what it gives or takes, so that improvements
        sum to the plan's own. By its net benefit at careful rates, less its part of what both changes cost, each pair
        is judged.
        """
        hours = self.problem.config.horizon_hours
        sides: tuple[list[_Side], list[_Side]] = ([], [])
        for name, change, gain, careful_gain, cost in self._moves:
            size = abs(change)
            side = _Side(name, size, gain / (hours * change), careful_gain / (hours * change), cost / size)
            sides[change > 0.0].append(side)
        given, taken = (sum(side.share for side in each) for each in sides)
        if abs(taken - given) > DUST * 1e3:
            sides[taken < given].append(_Side(IDLE, abs(taken - given), 0.0, 0.0, 0.0))
        givers = sorted(sides[False], key=lambda side: (side.rate, side.name))
        takers = sorted(sides[True], key=lambda side: (-side.rate, side.name))
        found = []
        while takers and givers:
            giver, taker = givers[0], takers[0]
            share = min(taker.share, giver.share)
            found.append(self._pair(giver, taker, share))
            for side, queue in ((giver, givers), (taker, takers)):
                left = side.share - share
                queue[:1] = [side._replace(share=left)] if left > DUST * 1e3 else []
        return sorted(found, key=lambda pair: (-pair.earnings_improvement, pair.from_protocol, pair.to_protocol))

    def _pair(self, giver: _Side, taker: _Side, share: float) -> OptimizationOpportunity:
        """One pair of protocols to move between.

        Its complexity is the mean of three: how much moves, how many protocols the plan touches, and whether this pair
        is hard to undo.
        """
        problem, hours = self.problem.careful, self.problem.config.horizon_hours
        changes = {side.name: sign * share for side, sign in ((giver, -1.0), (taker, 1.0)) if side.name != IDLE}
        net = share * (hours * (taker.careful - giver.careful) - taker.cost - giver.cost)
        many = max(0.0, len(self._moves) - 2.0) / max(1.0, len(problem.names) - 2.0)
        places = [problem.table.place[name] for name in changes]
        columns = [problem.table.given[key] for key in HARD_TO_TAKE_BACK if key in problem.table.given]
        sticky = any(place in problem.table.lock_ins or any(column[place] for column in columns) for place in places)
        idle = self.problem.config.idle_rate if self.problem.allow_idle else 0.0  # rates are what is earned beyond it
        return OptimizationOpportunity(
            from_protocol=giver.name,
            to_protocol=taker.name,
            current_rate=giver.rate + idle,
            projected_rate=taker.rate + idle,
            earnings_improvement=share * (taker.rate - giver.rate),
            confidence=self._confidence(changes, net),
            complexity=min(1.0, (min(share, 1.0) + many + float(sticky)) / 3.0),
        )

    def _confidence(self, changes: Mapping[str, float], net_benefit: float) -> float | None:
        """P(net benefit > 0) of these changes of share; None where nothing changes, or too little is known to say."""
        if self._policy_confidence is not None:
            return self._policy_confidence(changes) if changes else None
        problem = self.problem
        now, hours = problem.shares, problem.config.horizon_hours
        gains = {name: problem.gain(name, now[name], now[name] + change) for name, change in changes.items()}
        return confidence(gains, net_benefit, hours, problem.known, self._rules)

    def _proof(self) -> dict[str, Any]:
        """Price and certificate of staying where rates settle it: any price of capacity between the two proves it."""
        if self.problem.settled is None:
            return {}
        most, least = self.problem.settled
        worth = self.problem.earned * self.problem.config.horizon_hours
        certificate = {"objective": worth, "bound": worth, "gap": 0.0, "worst_residual": 0.0, "bound_from": "rates"}
        return {"prices": {"capacity": (finite(most), finite(least))}, "certificate": certificate}


def decided(problem: PlanningProblem, rules: RateRules, policy_confidence: PolicyConfidence | None) -> Plan:
    """The certified optimum, or to stay where rates alone settle it or no split meets all limits."""
    allocation, stays = None, ""
    if problem.settled is not None:
        most, least = (usd(rate) if math.isfinite(rate) else "nothing" for rate in problem.settled)
        stays = f"stay: what is added would bring at most {most} USD/h after its cost, what goes at least {least}"
    elif problem.shared.nearest is not None:
        return _nearest_plan(problem, rules, policy_confidence)
    else:
        try:
            allocation = allocate(problem.careful)
        except Infeasible as error:
            return _nearest_plan(problem, rules, policy_confidence, str(error))
    return Plan(problem, rules, policy_confidence, allocation, stays)


def _nearest_plan(
    problem: PlanningProblem, rules: RateRules, policy_confidence: PolicyConfidence | None, conflict: str = ""
) -> Plan:
    """The best plan among those that come as near to all limits as one can; else to stay.

    `conflict` says why no plan meets them all, where that was just found out.
    """
    if conflict and problem.raised:
        return Plan(problem, rules, None, None)
    shared = problem.shared
    found = shared.nearest = shared.nearest or nearest(problem.careful, problem.resting, conflict)
    if found.easing is None:
        stays = f"stay: no split meets all limits: {found.conflict}"
        return Plan(problem, rules, policy_confidence, None, stays, found.breaks, found.conflict)
    eased = problem.eased(found)
    return Plan(eased, rules, policy_confidence, allocate(eased.careful), "", found.breaks, found.conflict)


class _PlannedMove(NamedTuple):
    """One protocol's change of share; its gains at expected and careful rates and its cost (USD over the horizon)."""

    name: str
    change: float
    gain: float
    careful_gain: float
    cost: float


class _Side(NamedTuple):
    """One end of a pair: what is left of its share, its marginal rates (USD/h) and its cost (USD), per share."""

    name: str
    share: float
    rate: float
    careful: float
    cost: float


def confidence(
    gains: Mapping[str, float],
    net_benefit: float,
    horizon_hours: float,
    estimates: Mapping[str, RateEstimate],
    rules: RateRules,
) -> float | None:
    """P(net benefit > 0), in (0, 1); None where fewer than `rules.least_blocks` past stretches tell of all that moves.

    `gains` is, by protocol that moves, the change of its earnings (USD/h) for each unit of its rate. What the plan
    would have gained in each past stretch, g[m] = sum_i gains[i] * rate[m, i], spreads with deviation sd over n of
    them, and

        score = net benefit / (horizon * sd * sqrt((1 + 1/n) * (n - 1) / (n - 3)))

    The last factor is that of a forecast from n values (the spread of Student's t), so that more evidence of the same
    spread is worth more; so is a larger benefit, and a smaller spread.

    >>> from reallot.engine.planning.rate_estimation import RateBlock
    >>> rules = RateRules(least_blocks=4)
    >>> past = tuple(RateBlock(number, rate, 1.0) for number, rate in enumerate((1.9, 2.1, 1.9, 2.1)))
    >>> round(confidence({"relay": 0.2}, 0.48, 24.0, {"relay": RateEstimate("relay", 2.0, 2.0, past=past)}, rules), 2)
    0.68
    """
    if not gains:
        return None
    known = [(gain, estimates[name].blocks) for name, gain in gains.items() if name in estimates]
    common = set.intersection(*(set(blocks) for _, blocks in known)) if len(known) == len(gains) else set()
    n = len(common)
    if n < max(rules.least_blocks, 4):
        return None
    numbers = sorted(common)
    past = list(map(sum, zip(*([gain * blocks[number] for number in numbers] for gain, blocks in known), strict=True)))
    mean = math.fsum(past) / n
    sd = math.sqrt(math.fsum((gain - mean) ** 2 for gain in past) / (n - 1))
    spread = horizon_hours * sd * math.sqrt((1.0 + 1.0 / n) * (n - 1.0) / (n - 3.0))
    score = MOST if spread * MOST <= abs(net_benefit) else abs(net_benefit) / spread
    return 1.0 / (1.0 + math.exp(-SLOPE * math.copysign(score, net_benefit)))
