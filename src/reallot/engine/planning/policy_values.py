"""What the optimizer's policy expects: polls on an even clock, shown to the same policy that a backtest runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from ...errors import ConfigurationError, InvalidInput, other_kind
from ...policy.base import Observation, Target, Terms, Values, decided
from ...policy.registry import insured
from ...policy.regret_budget import HOME, Books, RegretBudget
from ...problem import Limits, ProtocolSpec
from ...problem.tiers import first_price
from ..contracts.configs import RATES, OptimizerConfig
from ..contracts.records import AggregatedMetrics
from ..ledger.journal import KeptBooks
from .rate_estimation import Track

HOUR = 3600.0
BALANCED = 1e-6
"""Changes of share that sum to 0 within this take nothing idle into use."""
KEPT = 576
"""Steps that are kept for a policy that has to start again, because protocols came: two days of five minutes. Showing
them again takes a fifth of a second for ten protocols, while nothing else runs."""
LEAST_STEPS = 24
"""Before so many steps the policy is not asked: the rates themselves are."""


class ClockStep(NamedTuple):
    """One step of the clock: what each protocol earned for a full share (USD/h), and the shares."""

    rates: Mapping[str, float]
    shares: Mapping[str, float]


def policy_values(config: OptimizerConfig, specs: Mapping[str, ProtocolSpec], limits: Limits) -> PolicyValues | None:
    """The configured policy's values; None where there are none, moving is free, or a given curve bends.

    A policy's values are for a unit of share, whatever the share, and only differences between them count: where moving
    is free there is nothing to weigh. Where earnings bend, what is earned now decides.
    """
    costs = [(first_price(config.move_cost), config.move_fee)]
    costs += [(spec.cost_in + spec.cost_out, spec.move_fee) for spec in specs.values()]
    flat = all(spec.curves[0].is_flat for spec in specs.values())
    counts = config.policy != RATES and flat and any(cost > 0.0 or fee > 0.0 for cost, fee in costs)
    return PolicyValues(config, specs, limits) if counts else None


class PolicyValues:
    """A policy that watches the polls, and what it makes of them.

    Readings are averaged over steps of `config.decision_step`; one that is missing in a step is missing for the
    policy too. When protocols come the policy starts again and is shown the steps that are kept.

    Where curves are learned the policy is shown the polls all the same: the optimizer leaves out what it says while
    one of them bends.

    turnover  largest part of the capacity that the regret budget allows a plan to move
    home      shares to go back to, by name, while the budget is spent; else empty
    """

    def __init__(self, config: OptimizerConfig, specs: Mapping[str, ProtocolSpec], limits: Limits) -> None:
        self._config, self._specs, self._limits = config, specs, limits
        self._policy: RegretBudget | None = None
        self._terms: Terms | None = None
        self._steps: deque[ClockStep] = deque(maxlen=KEPT)
        self._until: datetime | None = None
        self._kept: KeptBooks | None = None
        self._present: frozenset[str] = frozenset()
        self._seen: dict[str, list[float]] = {}
        self._number: int | None = None
        self._count = 0
        self._worth: dict[str, float] = {}
        self.turnover, self.home = 1.0, dict[str, float]()

    @property
    def books(self) -> Books | None:
        """What moving brought and cost against never moving."""
        return None if self._policy is None else self._policy.books

    @property
    def kept(self) -> KeptBooks | None:
        """The books as they outlive this process, and a policy that starts again; None where nothing was seen yet."""
        books = self.books
        if self._kept is not None or books is None or self._until is None or self._terms is None:
            return self._kept
        start = dict(zip(self._terms.names, books.start.tolist(), strict=True))
        money = books.gained, books.spent, books.never, books.earned
        return KeptBooks(self._until, start, *money, books.goes_home)

    def resume(self, kept: KeptBooks) -> None:
        """Goes on with these books from the first step on that is not in them."""
        self._kept = kept

    @property
    def worth(self) -> Mapping[str, float]:
        """USD/h, by protocol, that one unit of share is taken to bring over the horizon; empty where nothing is said.

        Only differences are the policy's: their level is what is earned now.
        """
        return self._worth

    def confidence(self, changes: Mapping[str, float]) -> float | None:
        """P(net benefit > 0) of these changes of share, by the policy; None where it says nothing about them."""
        if self._policy is None or self._terms is None or not changes.keys() <= set(self._terms.names):
            return None
        change = np.array([changes.get(name, 0.0) for name in self._terms.names])
        if abs(change.sum()) > BALANCED or not change.any():
            return None  # capacity put to use or left idle, or nothing: a policy moves what is in use
        return self._policy.confidence(change - change.sum() / np.count_nonzero(change) * (change != 0.0))

    def take(self, metrics: AggregatedMetrics, tracks: Mapping[str, Track]) -> None:
        """One poll more, with what has been learned from it."""
        number = _step_of(metrics.timestamp, self._config.decision_step)
        if self._number is not None and number != self._number and self._seen:
            means = {name: sum(values) / len(values) for name, values in self._seen.items()}
            self._present = frozenset(metrics.allocation_by_protocol)
            began = datetime.fromtimestamp(self._number * self._config.decision_step.total_seconds(), UTC)
            self._show(ClockStep(means, {name: track.share for name, track in tracks.items()}), began)
            self._seen = {}
        self._number = number
        for name, track in tracks.items():
            if track.polled == metrics.timestamp:
                self._seen.setdefault(name, []).append(track.last)

    def _show(self, step: ClockStep, began: datetime) -> None:
        self._steps.append(step)
        names = tuple(sorted(step.shares))
        if self._terms is None or names != self._terms.names:
            self._kept = self.kept
            self._policy, self._terms, self._count = (
                insured(self._config.policy, self._config.max_regret),
                self._made(names),
                0,
            )
            for earlier in list(self._steps)[:-1]:
                self._ask(earlier)
        if self._kept is not None and began > self._kept.until and self.books is not None:
            self._go_on(self._kept, self.books)
        self._ask(step)
        self._until = began
        if self._kept is not None and began >= self._kept.until and self.books is not None:
            self._go_on(self._kept, self.books)
            self._limit(self.books, step)

    def _go_on(self, kept: KeptBooks, books: Books) -> None:
        """The kept books in place of those of this process, once all protocols of their home have been read.

        Where one of these is gone the books begin anew.
        """
        assert self._terms is not None
        names = self._terms.names
        unread = {name for name, share in kept.start.items() if share > HOME and name not in names}
        self._kept = kept if unread and unread <= self._present else None
        if unread:
            return
        books.start = np.array([kept.start.get(name, 0.0) for name in names])
        books.gained, books.spent, books.never, books.earned = kept.gained, kept.spent, kept.never, kept.earned
        books.goes_home = kept.homeward

    def _limit(self, books: Books, step: ClockStep) -> None:
        """What these books allow after a step that was decided on others."""
        assert self._terms is not None
        names = self._terms.names
        shares = np.array([step.shares.get(name, 0.0) for name in names])
        if books.full_move == 0.0:
            return
        if books.is_homeward(shares):
            self._worth, self.home = {}, dict(zip(names, books.start.tolist(), strict=True))
        else:
            self.turnover = min(self.turnover, books.room(shares))

    def _ask(self, step: ClockStep) -> None:
        assert self._policy is not None and self._terms is not None
        terms, names = self._terms, self._terms.names
        self._count += 1
        rates = np.array([step.rates.get(name, np.nan) for name in names])
        shares = np.array([step.shares.get(name, 0.0) for name in names])
        answer = decided(self._policy.decide(Observation(terms, self._count, shares, rates)), terms, self._policy.name)
        self._worth, self.home = {}, {}
        self.turnover = 1.0 if answer is None else answer.turnover
        if isinstance(answer, Target):
            self.home = dict(zip(names, answer.shares.tolist(), strict=True))
        if self._count < LEAST_STEPS or np.isnan(rates).all() or not isinstance(answer, Values):
            return
        hours, level = self._config.horizon_hours, float(np.nanmean(rates))
        values = answer.values - answer.values.mean()
        self._worth = dict(zip(names, (level + values / hours).tolist(), strict=True))

    def _made(self, names: tuple[str, ...]) -> Terms:
        config, specs = self._config, self._specs
        costs = [_cost(specs.get(name), first_price(config.move_cost)) for name in names]
        fees = [config.move_fee if name not in specs else specs[name].move_fee or config.move_fee for name in names]
        most, given = config.max_allocation_change, self._limits.max_change
        change = min(most, given) if isinstance(given, float) else most
        turnover = self._limits.max_turnover if isinstance(self._limits.max_turnover, float) else None
        return Terms(
            names,
            config.decision_step.total_seconds() / HOUR,
            sum(costs) / len(costs),
            sum(fees) / len(fees),
            Limits(max_change=change, max_turnover=turnover),
        )


def _step_of(moment: datetime, step: timedelta) -> int:
    return int(moment.timestamp() // step.total_seconds())


def _cost(spec: ProtocolSpec | None, otherwise: float) -> float:
    """USD for a unit of share that goes from one protocol to another, as far as this one's part goes."""
    if spec is None or (spec.cost_in == 0.0 and spec.cost_out == 0.0):
        return otherwise
    return spec.cost_in + spec.cost_out


def limits_of_one_period(limits: Limits) -> Limits:
    """Limits for plans of one period at a time; raises ConfigurationError for what needs several."""
    if not isinstance(limits, Limits):
        raise ConfigurationError(other_kind("limits", limits, "Limits, or None for none"))
    if limits.hold_after_change:
        raise ConfigurationError(
            f"hold_after_change is {limits.hold_after_change} periods planned together; an engine plans one at a time: "
            "set min_hold_duration of [reallocation], or ReallocationConfig(min_hold_duration=...)"
        )
    return limits


def specs_by_name(specs: Mapping[str, ProtocolSpec] | Iterable[ProtocolSpec]) -> dict[str, ProtocolSpec]:
    """Specs by their own names; raises InvalidInput where one stands under another."""
    given = dict(specs) if isinstance(specs, Mapping) else {spec.name: spec for spec in specs}
    for name, spec in given.items():
        if not isinstance(spec, ProtocolSpec) or spec.name != name:
            raise InvalidInput(f"specs has {spec!r} under {name!r}; give ProtocolSpec records by their own names")
    return given
