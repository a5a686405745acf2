"""EarningsOptimizer: metrics to rates, rates to a problem, the problem to a plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from ..engine.contracts.clock import Clock
from ..engine.contracts.configs import OptimizerConfig
from ..engine.contracts.power import PowerCost
from ..engine.contracts.records import AggregatedMetrics, AllocationPlan, OptimizationOpportunity
from ..engine.ledger.journal import KeptBooks
from ..engine.planning.earnings_at_shares import earnings_change
from ..engine.planning.exploration import LEAST_SHARE
from ..engine.planning.giving_way import giving_way
from ..engine.planning.learned_curves import LearnedCurves, shapes_at
from ..engine.planning.measured_shares import largest_first, measured, with_shares
from ..engine.planning.plan import Plan, PolicyConfidence, decided
from ..engine.planning.policy_values import limits_of_one_period, policy_values, specs_by_name
from ..engine.planning.problem_builder import SUM_TOLERANCE, PlanningProblem, planning_problem
from ..engine.planning.quotes import Payment
from ..engine.planning.rate_estimation import RateEstimate, Track, estimates, learn
from ..engine.planning.rate_rules import RateRules
from ..engine.planning.regret import within_regret_budget
from ..engine.planning.trying_again import trying_again
from ..engine.planning.warm_up import WarmUp, taught
from ..errors import ConfigurationError, DataError, InvalidInput, OptimizationError, SolverFailed, other_kind
from ..policy.confidence import is_below_gate
from ..problem import Limits, ProtocolSpec

ROUNDING = 1e-9
"""A threshold counts as reached within this, relatively."""

REMEMBERED = 10_000
"""Times of polls that are known to have been learned from."""


class EarningsOptimizer:
    """Learn what protocols earn, find the best move within the limits, and say whether it is worth it.

    Every poll that is shown, by whichever method, is learned from once. Curves that nobody gave are learned, and floors
    of exploration kept, where the configuration asks for it.

    Parameters
    ----------
    config
        Thresholds, limits of change, horizon and costs. None is the default.
    specs
        What is known of protocols, by name: curve (scaled to what it is seen to earn), floors, steps, costs.
    limits
        Further limits: groups, holds, turnover.
    clock
        The clock that is asked for the time of plans. None is the metrics' own time.
    rules
        How readings become rates (EWMA, outliers, age). None is the default.
    power
        Price of power. Metrics are taken to be of earnings after it.
    settle
        Seconds, by name, in which earnings after a change of share teach nothing; the spec's `warm_up_hours` at least.

    Raises
    ------
    ConfigurationError
        Where a setting is wrong.

    Examples
    --------
    >>> from reallot import EarningsOptimizer, OptimizerConfig
    >>> optimizer = EarningsOptimizer(OptimizerConfig(move_cost=0.5, horizon_hours=12.0))
    >>> optimizer.estimate_earnings_improvement({"relay": 0.5}, {"relay": 2.0})
    1.0
    """

    def __init__(
        self,
        config: OptimizerConfig | None = None,
        *,
        specs: Mapping[str, ProtocolSpec] | Iterable[ProtocolSpec] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        rules: RateRules | None = None,
        power: PowerCost | None = None,
        settle: Mapping[str, float] | None = None,
    ) -> None:
        if not isinstance(config, OptimizerConfig | None):
            raise ConfigurationError(other_kind("config", config, "an OptimizerConfig, or None for the default"))
        self.config = config or OptimizerConfig()
        least = LEAST_SHARE if self.config.explore == "floor" else RateRules.least_share
        window, first = float(self.config.analysis_window_hours), self.config.settle.total_seconds()
        self.rules = rules or RateRules(window_hours=window, least_share=least, settle_seconds=first)
        self._specs: Mapping[str, ProtocolSpec] = {} if specs is None else specs_by_name(specs)
        self._limits = Limits() if limits is None else limits_of_one_period(limits)
        self._clock, self._power = clock, power
        self._shapes = {s.name: s.curves[0] for s in self._specs.values() if not s.curves[0].is_flat}
        self._expected = {
            name: spec.curves[0].last_slope if spec.curves[0].is_flat else 1.0 for name, spec in self._specs.items()
        }
        self._tracks: dict[str, Track] = {}
        may_cost = self.config.move_cost != 0.0 or self.config.move_fee > 0.0 or bool(self._specs)
        self._policy = policy_values(self.config, self._specs, self._limits) if may_cost else None
        self._curves = None if self.config.curves == "given" else LearnedCurves(self.config.curves)
        self.paid: Mapping[str, Payment] = {}  # in an earlier process
        self._learned: dict[datetime, None] = {}
        self._last: AggregatedMetrics | None = None
        self._asked: AggregatedMetrics | None = None
        self._plans: dict[frozenset[str], Plan] = {}
        self._before: PlanningProblem | None = None
        waits = {name: 3600.0 * spec.warm_up_hours for name, spec in self._specs.items() if spec.warm_up_hours > 0.0}
        waits |= {name: max(seconds, waits.get(name, 0.0)) for name, seconds in (settle or {}).items()}
        self.warm_up, self._waits = WarmUp(waits) if waits else None, dict.fromkeys(waits, 0.0)

    def update_metrics(self, metrics: AggregatedMetrics) -> None:
        """Learn from one poll; a poll of a time that was learned already changes nothing.

        Parameters
        ----------
        metrics
            The poll.
        """
        if not isinstance(metrics, AggregatedMetrics):
            raise OptimizationError(other_kind("metrics", metrics, "the AggregatedMetrics that poll_all returned"))
        if metrics.timestamp in self._learned:
            return
        self._last, self._plans = metrics, {}
        if self._power is not None:
            metrics = self._power.gross(metrics)
        if self.warm_up is not None:
            metrics = taught(self.warm_up.marked(metrics))
        before = self._tracks if self._curves is None else self._curves.moved(self._tracks, metrics)
        self._tracks = learn(before, metrics, self.rules, self._shapes, self._waits, self.paid)
        if self._curves is not None:
            own = {name: track for name, track in self._tracks.items() if name not in self._shapes}
            self._curves.take(metrics, own)
        if self._policy is not None:
            self._policy.take(metrics, self._tracks)
        self._learned[metrics.timestamp] = None
        if len(self._learned) > REMEMBERED:
            del self._learned[next(iter(self._learned))]

    @property
    def books(self) -> KeptBooks | None:
        """The policy's books against never moving, to be kept over a restart; None where no policy is asked."""
        return None if self._policy is None else self._policy.kept

    def resume(self, books: KeptBooks) -> bool:
        """Go on with books of the regret budget that were kept, once the polls are as new as they are.

        Parameters
        ----------
        books
            What the ledger kept.

        Returns
        -------
        bool
            False where no policy is asked.
        """
        if self._policy is not None:
            self._policy.resume(books)
        return self._policy is not None

    @property
    def payments(self) -> dict[str, Payment]:
        """What was paid of quotes, by name, of protocols of whose quotes anything was paid."""
        known = {name: track.payment for name, track in self._tracks.items() if track.payment is not None}
        return {name: each for name, each in {**self.paid, **known}.items() if each.at is not None}

    def rates(self, metrics: AggregatedMetrics) -> dict[str, RateEstimate]:
        """Return what each protocol is taken to earn, before power.

        Parameters
        ----------
        metrics
            The newest poll.

        Returns
        -------
        dict
            By name, the rate (USD/h per unit of share) with its error and age, and why it is not used.
        """
        self.update_metrics(metrics)
        return self._rates_with_policy_values(metrics)

    def analyze_opportunities(
        self, metrics: AggregatedMetrics, *, held: Collection[str] = ()
    ) -> list[OptimizationOpportunity]:
        """Return the moves of the best plan as pairs of protocols.

        Parameters
        ----------
        metrics
            The newest poll.
        held
            Names of protocols that keep their share.

        Returns
        -------
        list
            OptimizationOpportunity records, the best first; empty where the plan is to stay.

        Raises
        ------
        OrchestrationError
            As `calculate_optimal_allocation` does.
        """
        return self._plan(metrics, held).opportunities()

    def calculate_optimal_allocation(self, metrics: AggregatedMetrics, *, held: Collection[str] = ()) -> AllocationPlan:
        """Find the best plan within all limits, or the plan to stay.

        Where no split meets the limits the plan is to stay, and its reasons name the rules in conflict.

        Parameters
        ----------
        metrics
            The newest poll.
        held
            Names of protocols that keep their share.

        Returns
        -------
        AllocationPlan
            Shares, money (USD) and reasons.

        Raises
        ------
        DataError
            Where the shares are above the capacity.
        OptimizationError
            Where nothing is known, or nothing certified came back.
        """
        return self._plan(metrics, held).record(self._clock.now() if self._clock else metrics.timestamp)

    def next_best(self, shares: Mapping[str, float], refused: Collection[str]) -> dict[str, float]:
        """Find who is given what some protocols would not take, in the plan for the last metrics.

        What was held then stays held.

        Parameters
        ----------
        shares
            Shares in force now, by name.
        refused
            Names that would not take more.

        Returns
        -------
        dict
            Shares by name, only of protocols that grow.
        """
        if not isinstance(shares, Mapping) or not all(isinstance(each, (int, float)) for each in shares.values()):
            raise OptimizationError(other_kind("shares", shares, "shares by name"))
        if not isinstance(refused, Collection):
            raise OptimizationError(other_kind("refused", refused, "names of protocols"))
        if (metrics := self._asked) is None:
            return {}
        held, changed = frozenset().union(*list(self._plans)[-1:]), with_shares(metrics, shares, refused)
        try:
            wanted = self._planned(changed, held).record(metrics.timestamp)
        except (InvalidInput, OptimizationError, DataError, SolverFailed):
            return {}
        return {name: wanted.allocation[name] for name, change in largest_first(wanted.moves) if change > 0.0}

    def asked(self, metrics: AggregatedMetrics | None = None, *, held: Collection[str] = ()) -> PlanningProblem:
        """Return the exact problem that a plan answers, to be kept and decided again.

        Parameters
        ----------
        metrics
            The poll of the plan; the last one that was decided on where it is left out.
        held
            Names of protocols that keep their share.

        Returns
        -------
        PlanningProblem
            The problem, with what it was made of.

        Raises
        ------
        OptimizationError
            Nothing was asked yet.
        """
        if (asked := metrics or self._asked) is None:
            raise OptimizationError("nothing was asked yet; poll first")
        return self._plan(asked, held).problem

    def should_reallocate(
        self, opportunities: list[OptimizationOpportunity], current_plan: AllocationPlan | None = None
    ) -> bool:
        """Decide whether a plan is worth it: both thresholds are reached, and it surely enough pays for itself.

        A plan that mends limits which present shares break, or that gives up what may not be held now, is worth it
        whatever it earns.

        Parameters
        ----------
        opportunities
            The moves of the plan.
        current_plan
            The plan. Without one, the improvement is the sum of the opportunities.

        Returns
        -------
        bool
            True where the improvement reaches (>=) both thresholds. Percent are of what staying earns, and only looked
            at where that is known and above 0.
        """
        if not isinstance(current_plan, AllocationPlan | None):
            raise OptimizationError(other_kind("current_plan", current_plan, "an AllocationPlan, or None"))
        if current_plan is not None and (current_plan.breaks or current_plan.urgent):
            return current_plan.allocation != current_plan.current
        if not opportunities:
            return False
        if current_plan is None:
            try:
                improvement = math.fsum(each.earnings_improvement for each in opportunities)
            except (TypeError, AttributeError):
                wanted = "the list that analyze_opportunities returned"
                raise OptimizationError(other_kind("opportunities", opportunities, wanted)) from None
            plan = self._plans.get(frozenset())
            earned = None if plan is None else plan.problem.earned
        else:
            improvement, earned = current_plan.estimated_improvement, current_plan.current_earnings
            if current_plan.net_benefit <= 0.0 or current_plan.allocation == current_plan.current:
                return False
            sure = current_plan.confidence
            if sure is not None and is_below_gate(sure, self.config.min_confidence):
                return False
        needed = self.config.min_improvement_threshold
        if earned is not None and earned > 0.0:
            needed = max(needed, self.config.min_improvement_percent / 100.0 * earned)
        return improvement > 0.0 and improvement >= needed * (1.0 - ROUNDING)

    def estimate_earnings_improvement(
        self, new_allocation: Mapping[str, float], earnings_rates: Mapping[str, float]
    ) -> float:
        """Return what shares would earn more than those last seen.

        Parameters
        ----------
        new_allocation
            Shares by name.
        earnings_rates
            Rates by name (USD/h per unit of share).

        Returns
        -------
        float
            USD/h. Before any metrics were seen, all that the shares earn.

        Raises
        ------
        InvalidInput
            Where a share changes without a rate.
        CalculationError
            Where the sum is no finite number.
        """
        now = {} if self._last is None else self._last.allocation_by_protocol
        return earnings_change(now, new_allocation, earnings_rates)

    def _rates_with_policy_values(self, metrics: AggregatedMetrics) -> dict[str, RateEstimate]:
        """Rates, with what the policy makes of them where it does: not where learned curves bend.

        Where capacity stands idle, what was given up is worth what it was when it was read last, however long ago: to
        try it costs nothing that is earned elsewhere.
        """
        rules = self.rules
        if self.config.allow_idle and math.fsum(metrics.allocation_by_protocol.values()) < 1.0 - SUM_TOLERANCE:
            rules = replace(rules, fresh_hours=rules.window_hours)
        rates = estimates(self._tracks, metrics, rules, self._expected)
        if self._policy is None or (self._curves is not None and self._curves.curves()):
            return rates
        for name, worth in self._policy.worth.items():
            if name in rates:
                rates[name] = rates[name]._replace(worth=worth)
        return rates

    def _plan(self, metrics: AggregatedMetrics, held: Collection[str]) -> Plan:
        """The plan for these metrics; made once for each set of held protocols."""
        self.update_metrics(metrics)
        if metrics is not self._asked:
            self._asked, self._plans = metrics, {}
        try:
            key = frozenset(held)
        except TypeError:
            raise OptimizationError(other_kind("held", held, "names of protocols")) from None
        if key not in self._plans:
            try:
                self._plans[key] = self._planned(metrics, key)
            except InvalidInput as error:
                raise OptimizationError(f"specs or limits do not fit what was polled: {error}") from error
            except SolverFailed as error:
                raise OptimizationError(f"no certified plan came back: {error}") from error
        return self._plans[key]

    def _planned(self, metrics: AggregatedMetrics, held: frozenset[str]) -> Plan:
        rates = self._rates_with_policy_values(metrics)
        sure = None if self._policy is None else self._policy.confidence
        shapes = {} if self._curves is None else shapes_at(self._curves.curves(), metrics.allocation_by_protocol)
        power = None if self._power is None else self._power.rates(metrics.timestamp)
        specs, limits, read = self._specs, self._limits, metrics.allocation_by_protocol
        if metrics.tolerances or math.fsum(read.values()) > 1.0 + SUM_TOLERANCE:
            metrics, specs, limits = measured(metrics, specs, limits)
        problem = planning_problem(metrics, rates, self.config, specs, limits, held, self._before, shapes, power)
        if metrics.allocation_by_protocol is not read:
            problem = replace(problem, read=read)
        self._before = problem
        if metrics.away and (urgent := giving_way(problem, metrics.away)) is not None:
            return decided(urgent, self.rules, sure)
        plan = decided(problem, self.rules, sure)
        if self._policy is not None and (bounded := within_regret_budget(plan, self._policy)) is not None:
            return decided(bounded, self.rules, sure)
        stays = plan.careful is None or not plan.careful.moved.size
        if stays and self.config.allow_idle and (again := trying_again(problem)) is not None:
            return decided(again, self.rules, sure)
        if problem.least and plan.careful is not None and plan.careful.moved.size:
            return self._with_exploration_floors(plan, metrics, sure)
        return plan

    def _with_exploration_floors(self, plan: Plan, metrics: AggregatedMetrics, sure: PolicyConfidence | None) -> Plan:
        """The plan; or one that also raises what lacks its exploration floor, where it is still worth its moves."""
        with suppress(InvalidInput, SolverFailed):  # floors are nothing that has to be
            both = None if (raising := plan.problem.raising()) is None else decided(raising, self.rules, sure)
            if both is not None and both.careful is not None:
                return both if self.should_reallocate(both.opportunities(), both.record(metrics.timestamp)) else plan
        return plan
