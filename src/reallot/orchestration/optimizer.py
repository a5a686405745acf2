"""EarningsOptimizer: metrics to rates, rates to a problem, the problem to a plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from ..engine.contracts.clock import Clock
from ..engine.contracts.records import AggregatedMetrics, AllocationPlan, OptimizationOpportunity, OptimizerConfig
from ..engine.planning.exploration import LEAST_SHARE
from ..engine.planning.learned_curves import LearnedCurves, shapes_at
from ..engine.planning.opportunities import opportunities
from ..engine.planning.plan import Answer
from ..engine.planning.policy_values import Outlook
from ..engine.planning.problem_builder import Question, question
from ..engine.planning.rate_estimation import RateEstimate, RateRules, Track, estimates, learn
from ..errors import CalculationError, InvalidInput, OptimizationError, SolverFailed, near_miss
from ..problem import EarningsCurve, Limits, ProtocolSpec

ROUNDING = 1e-9
"""A threshold counts as reached within this, relatively."""

REMEMBERED = 10_000
"""Times of polls that are known to have been learned from."""


class EarningsOptimizer:
    """Learns what protocols earn, and says what the best move within the limits is and whether it is worth it.

    config  thresholds, limits of change, horizon and costs
    specs   by name, what is known of a protocol: its curve (scaled to what it is seen to earn), floors, steps, costs
    limits  further limits: groups, holds, turnover
    clock   time of plans; without one it is the metrics' own time
    rules   how readings become rates

    Curves that nobody gave are learned, and floors of exploration kept, where the configuration asks for it. Every poll
    that is shown, by whichever method, is learned from once.
    """

    def __init__(
        self,
        config: OptimizerConfig | None = None,
        *,
        specs: Mapping[str, ProtocolSpec] | Iterable[ProtocolSpec] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        rules: RateRules | None = None,
    ) -> None:
        self.config = config or OptimizerConfig()
        least = LEAST_SHARE if self.config.explore == "floor" else RateRules.least_share
        self.rules = rules or RateRules(window_hours=float(self.config.analysis_window_hours), least_share=least)
        self._specs = _by_name(specs)
        self._limits, self._clock = limits or Limits(), clock
        self._shapes = {s.name: s.curves[0] for s in self._specs.values() if not s.curves[0].is_flat}
        self._tracks: dict[str, Track] = {}
        self._outlook = Outlook(self.config, self._specs, self._limits)
        self._curves = None if self.config.curves == "given" else LearnedCurves(self.config.curves)
        self._learned: dict[datetime, None] = {}
        self._last: AggregatedMetrics | None = None
        self._asked: AggregatedMetrics | None = None
        self._answers: dict[frozenset[str], Answer] = {}
        self._before: Question | None = None

    def update_metrics(self, metrics: AggregatedMetrics) -> None:
        """Learns from one poll; a poll of a time that was learned already changes nothing."""
        if metrics.timestamp in self._learned:
            return
        before = self._tracks if self._curves is None else self._curves.moved(self._tracks, metrics)
        self._tracks = learn(before, metrics, self.rules, self._shapes)
        if self._curves is not None:
            own = {name: track for name, track in self._tracks.items() if name not in self._shapes}
            self._curves.take(metrics, own)
        self._outlook.take(metrics, self._tracks)
        self._last, self._answers = metrics, {}
        self._learned[metrics.timestamp] = None
        if len(self._learned) > REMEMBERED:
            del self._learned[next(iter(self._learned))]

    def rates(self, metrics: AggregatedMetrics) -> dict[str, RateEstimate]:
        """What each protocol is taken to earn, by name, with error, age and why it is not used."""
        self.update_metrics(metrics)
        return self._known(metrics)

    def analyze_opportunities(
        self, metrics: AggregatedMetrics, *, held: Collection[str] = ()
    ) -> list[OptimizationOpportunity]:
        """The best plan's moves as pairs, best first; empty where the plan is to stay. Raises as the plan does.

        Protocols in `held` keep their share, as in the plan.
        """
        answer = self._answer(metrics, held)
        if answer.careful is None or answer.plan is None:
            return []
        return opportunities(answer.plan, answer.careful, answer.confidence)

    def calculate_optimal_allocation(self, metrics: AggregatedMetrics, *, held: Collection[str] = ()) -> AllocationPlan:
        """The best plan within all limits, or to stay; protocols in `held` keep their share.

        Where no split meets the limits the plan is to stay, and its reasons name the rules in conflict. Raises
        DataError for shares above capacity, OptimizationError where nothing is known or nothing certified came back.
        """
        return self._answer(metrics, held).record(self._clock.now() if self._clock else metrics.timestamp)

    def asked(self, metrics: AggregatedMetrics, *, held: Collection[str] = ()) -> Question:
        """The exact problem that the plan for these metrics answers: to be kept, and decided again."""
        return self._answer(metrics, held).asked

    def should_reallocate(
        self, opportunities: list[OptimizationOpportunity], current_plan: AllocationPlan | None = None
    ) -> bool:
        """True where the improvement reaches (>=) both thresholds, and the plan surely enough pays for itself.

        The improvement is the plan's, or the sum of the opportunities without one; percent are of what staying earns,
        and only looked at where that is known and above 0.
        """
        if not opportunities:
            return False
        if current_plan is None:
            improvement = math.fsum(each.earnings_improvement for each in opportunities)
            answer = self._answers.get(frozenset())
            earned = None if answer is None else answer.asked.earned
        else:
            improvement, earned = current_plan.estimated_improvement, current_plan.current_earnings
            if current_plan.net_benefit <= 0.0 or not current_plan.moves:
                return False
            if current_plan.confidence is not None and current_plan.confidence < self.config.min_confidence:
                return False
        needed = self.config.min_improvement_threshold
        if earned is not None and earned > 0.0:
            needed = max(needed, self.config.min_improvement_percent / 100.0 * earned)
        return improvement > 0.0 and improvement >= needed * (1.0 - ROUNDING)

    def estimate_earnings_improvement(
        self, new_allocation: Mapping[str, float], earnings_rates: Mapping[str, float]
    ) -> float:
        """USD/h that `new_allocation` earns more than the shares last seen, at rates in USD/h for share 1.0.

        Before any metrics were seen, all that it earns. Raises InvalidInput for a share that changes without a rate,
        CalculationError for a sum that is no number.
        """
        now = {} if self._last is None else self._last.allocation_by_protocol
        terms = []
        for name in {**now, **new_allocation}:
            change = new_allocation.get(name, 0.0) - now.get(name, 0.0)
            if change != 0.0:
                if name not in earnings_rates:
                    raise InvalidInput(f"no rate for {name!r}; {near_miss(name, earnings_rates)}")
                terms.append(change * earnings_rates[name])
        total = math.fsum(term for term in terms if math.isfinite(term))
        if not all(math.isfinite(term) for term in terms):
            raise CalculationError("shares and rates must be finite numbers; one of them is not")
        return total

    def _known(self, metrics: AggregatedMetrics) -> dict[str, RateEstimate]:
        """Rates, with what the policy makes of them where it does: not where learned curves bend."""
        known, worth = estimates(self._tracks, metrics, self.rules), self._outlook.worth
        if self._curves is not None and self._curves.curves():
            return known
        for name in worth.keys() & known.keys():
            known[name] = known[name]._replace(worth=worth[name])
        return known

    def _answer(self, metrics: AggregatedMetrics, held: Collection[str]) -> Answer:
        self.update_metrics(metrics)
        if metrics is not self._asked:
            self._asked, self._answers = metrics, {}
        key = frozenset(held)
        if key not in self._answers:
            try:
                known, shapes = self._known(metrics), self._shapes_at(metrics)
                asked = question(metrics, known, self.config, self._specs, self._limits, key, self._before, shapes)
                self._before = asked
                self._answers[key] = self._looking(Answer(asked, self.rules, self._outlook.confidence), metrics)
            except InvalidInput as error:
                raise OptimizationError(f"specs or limits do not fit what was polled: {error}") from error
            except SolverFailed as error:
                raise OptimizationError(f"no certified plan came back: {error}") from error
        return self._answers[key]

    def _shapes_at(self, metrics: AggregatedMetrics) -> dict[str, EarningsCurve]:
        """Learned curves at the present shares."""
        return {} if self._curves is None else shapes_at(self._curves.curves(), metrics.allocation_by_protocol)

    def _looking(self, answer: Answer, metrics: AggregatedMetrics) -> Answer:
        """The answer; or, where it moves, one that sets floors of exploration too and is still worth its moves."""
        raising = answer.asked.raising() if answer.moves else None
        if raising is None:
            return answer
        try:
            both = Answer(raising, self.rules, self._outlook.confidence)
        except (InvalidInput, SolverFailed):
            return answer  # floors are nothing that has to be
        if both.plan is None or both.careful is None:
            return answer
        pairs = opportunities(both.plan, both.careful, both.confidence)
        return both if self.should_reallocate(pairs, both.record(metrics.timestamp)) else answer


def _by_name(specs: Mapping[str, ProtocolSpec] | Iterable[ProtocolSpec] | None) -> dict[str, ProtocolSpec]:
    if specs is None:
        return {}
    given = dict(specs) if isinstance(specs, Mapping) else {spec.name: spec for spec in specs}
    for name, spec in given.items():
        if not isinstance(spec, ProtocolSpec) or spec.name != name:
            raise InvalidInput(f"specs has {spec!r} under {name!r}; give ProtocolSpec records by their own names")
    return given
