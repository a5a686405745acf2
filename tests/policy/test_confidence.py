"""What is said of plans: the regression by hand, when there is a number, nothing of the future, and if it is so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import InvalidInput, Limits
from reallot.policy.base import FloatArray, Observation, Terms, Values
from reallot.policy.confidence import HALF_LIFE_STEPS, LEAST_ERRORS, LEAST_OWN, LEAST_SHADOWS, Confidence, judged_over
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.platt_calibration import FIRST, RIDGE, Logistic, fit
from reallot.policy.registry import policy
from reallot.policy.regret_budget import RegretBudget
from reallot.policy.reliability import reliability
from reallot.policy.value_policy import ValueLP

SEEDS = st.integers(0, 2**32 - 1)


def terms(size: int, cost: float = 0.0, fee: float = 0.0, turnover: float = 0.2) -> Terms:
    names = tuple(f"p{place}" for place in range(size))
    return Terms(names, 1.0, cost, fee, Limits(max_turnover=turnover))


def normal(score: float) -> float:
    return 0.5 * (1.0 + math.erf(score / math.sqrt(2.0)))


def test_the_regression_by_hand() -> None:
    """At score 0 only a is learned: 30 of weight with p = 1 / (1 + 1/e) at a = 1 and the ridge's pull of 3 agree."""
    p = 1.0 / (1.0 + math.exp(-1.0))
    weights = np.array([30.0 * p + 3.0, 30.0 * (1.0 - p) - 3.0])
    a, b = fit(np.zeros(2), np.array([True, False]), weights)
    assert (a, b) == pytest.approx((1.0, 1.7), abs=1e-9)


@given(SEEDS)
@settings(max_examples=30)
def test_the_regression_is_where_its_slope_is_zero(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    scores, true, weights = drawn.uniform(-4, 4, 60), drawn.random(60) < 0.6, drawn.uniform(0.0, 3.0, 60)
    a, b = fit(scores, true, weights)
    p = 1.0 / (1.0 + np.exp(-(a + b * scores)))
    assert (weights * (p - true)).sum() + RIDGE * (a - FIRST[0]) == pytest.approx(0.0, abs=1e-6)
    slope = (weights * scores * (p - true)).sum() + RIDGE * (b - FIRST[1])
    assert slope == pytest.approx(0.0, abs=1e-6) if b > 0.0 else slope >= -1e-6


@given(SEEDS)
@settings(max_examples=30)
def test_bins_change_next_to_nothing_and_forgetting_is_a_smaller_weight(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    scores = drawn.normal(size=300) * 2.0
    true = drawn.random(300) < 1.0 / (1.0 + np.exp(-scores))
    learned = Logistic()
    learned.see(scores[:200], true[:200], 1.0)
    learned.forget(0.5)
    learned.see(scores[200:], true[200:], 0.25)
    weights = np.repeat([0.5, 0.25], [200, 100])
    assert learned.curve == pytest.approx(fit(np.clip(scores, -4.0, 4.0), true, weights), abs=5e-3)
    assert learned.count == 300


@given(SEEDS)
def test_a_better_score_is_never_less_sure(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    learned, scores = Logistic(), np.linspace(-6.0, 6.0, 25)
    learned.see(drawn.normal(size=50), drawn.random(50) < drawn.random(), drawn.uniform(0.1, 2.0))
    said = [learned.at(score) for score in scores.tolist()]
    assert (np.diff(said) >= 0.0).all() and said[0] >= 0.0 and said[-1] <= 1.0
    assert said[3] == said[4] and said[4] <= said[5], "scores are cut at 4"


def test_scores_that_say_the_opposite_are_left_aside() -> None:
    learned = Logistic()
    scores = np.repeat([-2.0, 2.0], 200)
    learned.see(scores, scores < 0.0, 1.0)
    assert learned.curve[1] == 0.0
    assert learned.at(3.0) == learned.at(-3.0) == pytest.approx(0.5)


def test_nothing_is_said_before_enough_is_over() -> None:
    """Two steps to a plan's end: so ten forecasts are over after twelve, and then plans have scores."""
    drawn, own = np.random.default_rng(1), terms(2)
    sure, shares, change = Confidence(own, np.array([2.0])), np.array([0.5, 0.5]), np.array([0.01, -0.01])
    for step in range(1, 100):
        sure.take(shares, drawn.normal(size=2), drawn.normal(size=(1, 2)))
        sure.imagined(np.tile(change, (2, 1)), np.zeros(2))
        scored_since = LEAST_ERRORS + 2
        own_over = max(0, step - scored_since - 2)
        shadows_over = 2 * max(0, step - scored_since - 1)
        enough = own_over >= LEAST_OWN and shadows_over >= LEAST_SHADOWS
        assert (sure.of(change) is not None) == enough, step
        shares = shares + (change if step % 2 else -change)


@pytest.mark.parametrize(("own", "shadows", "known"), [(9, 60, False), (60, 29, False), (10, 30, True)])
def test_both_kinds_of_plans_are_needed(own: int, shadows: int, known: bool) -> None:
    drawn, sure = np.random.default_rng(2), Confidence(terms(2), np.array([1.0]))
    shares, change = np.array([0.5, 0.5]), np.array([0.01, -0.01])
    for step in range(100):
        sure.take(shares, drawn.normal(size=2), drawn.normal(size=(1, 2)))
        if LEAST_ERRORS < step <= LEAST_ERRORS + shadows:
            sure.imagined(change[None], np.zeros(1))
        if LEAST_ERRORS < step <= LEAST_ERRORS + own:
            shares = shares + (change if step % 2 else -change)
    assert (sure.of(change) is not None) is known


def test_without_shadows_the_plans_taken_are_enough_and_what_changes_nothing_has_no_number() -> None:
    drawn, sure = np.random.default_rng(3), Confidence(terms(3), np.array([1.0]), shadows=False)
    shares, change = np.full(3, 1.0 / 3.0), np.array([0.01, 0.0, -0.01])
    for step in range(40):
        sure.take(shares, drawn.normal(size=3), drawn.normal(size=(1, 3)))
        shares = shares + (change if step % 2 else -change)
    said = sure.of(change)
    assert said is not None and 0.0 < said < 1.0
    assert sure.of(np.zeros(3)) is None
    with pytest.raises(InvalidInput, match="for 3 alternatives; give one finite number each"):
        sure.of(np.zeros(2))
    with pytest.raises(InvalidInput, match=r"sums to 0\.01"):
        sure.of([0.01, 0.0, 0.0])


def test_a_certain_gain_and_a_certain_loss_are_told_apart_where_nothing_was_ever_missed() -> None:
    sure, shares = Confidence(terms(2, 0.5), np.array([1.0]), shadows=False), np.array([0.5, 0.5])
    rates, change = np.array([2.0, 1.0]), np.array([0.1, -0.1])
    for step in range(40):
        sure.take(shares, rates, np.array([[0.5, -0.5]]))
        shares = shares + (change if step % 2 else -change)
    up, down = sure.of(change), sure.of(-change)
    assert up is not None and down is not None and up > 0.95 and down < 0.05


def test_shares_that_come_or_go_are_no_plan() -> None:
    drawn, sure = np.random.default_rng(4), Confidence(terms(2), np.array([1.0]), shadows=False)
    for step in range(60):
        sure.take(np.array([0.5, 0.5 if step % 2 else 0.3]), drawn.normal(size=2), drawn.normal(size=(1, 2)))
    assert sure.own.count == 0


def replayed(seed: int, steps: int, trust: float, costs: float) -> tuple[FloatArray, ...]:
    """(said, what a normal curve says of the score, true probability, paid) of plans an optimiser picks.

    Forecasts z, of which `trust` comes true under noise of 1; the plan is from the worst forecast to the best one, and
    shadows do it with forecasts that are off a little. One step is the horizon.
    """
    drawn, size, part = np.random.default_rng(seed), 6, 0.1
    sure, shares = Confidence(terms(size, costs), np.array([1.0])), np.full(size, 1.0 / size)
    forecast = np.zeros(size)
    rows: list[tuple[FloatArray, float | None, float, float, float]] = []
    for _ in range(steps):
        rates = trust * forecast + drawn.normal(size=size)
        if len(rows):
            change, said, score = rows[-1][:3]
            paid = float(change @ rates > costs * part)
            gain = float(trust * (change @ forecast) - costs * part) / (part * math.sqrt(2.0))
            rows[-1] = (change, said, score, normal(gain), paid)
        forecast = drawn.normal(size=size)
        sure.take(shares, rates, (forecast - forecast.mean())[None])
        changes = np.zeros((4, size))
        for rule in range(4):
            seen = forecast + 0.3 * drawn.normal(size=size) * (rule > 0)
            changes[rule, np.argmax(seen)], changes[rule, np.argmin(seen)] = part, -part
        sure.imagined(changes[1:], np.full(3, costs * part))
        judged = sure._judged(changes[0])
        rows.append((changes[0], sure.of(changes[0]), 0.0 if judged is None else float(judged[0][0]), 0.0, 0.0))
        shares = shares + changes[0]
    known = [(said, normal(score), true, paid) for _, said, score, true, paid in rows[:-1] if said is not None]
    return tuple(np.array(each) for each in zip(*known, strict=True))


def test_a_plan_is_judged_over_the_horizon_where_it_looks_surest() -> None:
    """A is better for a step, B from then on: going to A pays in one step, going to B in four."""
    drawn, sure = np.random.default_rng(11), Confidence(terms(2), np.array([1.0, 4.0]), shadows=False)
    for _ in range(50):
        noise = 0.1 * drawn.normal(size=2)
        sure.take(np.array([0.5, 0.5]), np.array([1.0, 1.0]) + noise, np.array([[0.2, -0.2], [-0.2, 0.2]]))
    assert sure.over([0.1, -0.1]) == 1.0 and sure.over([-0.1, 0.1]) == 4.0
    assert sure.over([0.0, 0.0]) is None
    assert Confidence(terms(2), np.array([1.0])).over([0.1, -0.1]) is None


@given(SEEDS)
@settings(max_examples=10)
def test_what_forecasts_missed_is_remembered_over_each_horizon(seed: int) -> None:
    drawn, hours = np.random.default_rng(seed), np.array([1.0, 3.0, 8.0])
    sure, rates, seen = Confidence(terms(3), hours), drawn.normal(size=(40, 3)), drawn.normal(size=(40, 3, 3))
    for row, forecasts in zip(rates, seen, strict=True):
        sure.take(np.full(3, 1.0 / 3.0), row, forecasts)
    apart = rates - rates.mean(axis=1, keepdims=True)
    for place, ahead in enumerate((1, 3, 8)):
        errors = np.array(
            [apart[t + 1 : t + 1 + ahead].sum(axis=0) - ahead * seen[t, place] for t in range(40 - ahead)]
        )
        weights = 0.5 ** (np.arange(len(errors))[::-1] / HALF_LIFE_STEPS)
        mean = weights @ errors / weights.sum()
        square = (errors * weights[:, None]).T @ errors / weights.sum()
        assert sure._means[place] == pytest.approx(mean, abs=1e-9)
        assert sure._squares[place] == pytest.approx(square, abs=1e-9)


@pytest.mark.slow
def test_it_is_true_where_the_truth_is_known() -> None:
    said, _, true, _ = replayed(5, 1200, trust=1.0, costs=2.0)
    assert np.abs(said - true)[500:].mean() < 0.03
    assert said.max() > 0.9 and said.min() < 0.3


@pytest.mark.slow
def test_an_optimisers_plans_are_less_sure_than_their_scores_and_it_is_said() -> None:
    """Forecasts of which 0.2 comes true: the best-looking plan seems nearly certain, and pays little more than half."""
    said, raw, true, paid = replayed(6, 1200, trust=0.2, costs=0.2)
    ours, naive = (reliability(each[500:], paid[500:]) for each in (said, raw))
    assert naive.said[~np.isnan(naive.said)].max() > 0.9 and naive.ece > 0.2
    assert ours.ece < 0.05 and ours.brier < naive.brier - 0.05
    assert np.abs(said - true)[500:].mean() < 0.05


def test_half_is_forgotten_in_its_half_life() -> None:
    drawn, sure = np.random.default_rng(7), Confidence(terms(2), np.array([1.0]), shadows=False)
    sure.own.see(np.zeros(1000), np.ones(1000, dtype=bool), 1.0)
    for _ in range(round(HALF_LIFE_STEPS)):
        sure.take(np.array([0.5, 0.5]), drawn.normal(size=2), np.zeros((1, 2)))
    other = Logistic()
    other.see(np.zeros(500), np.ones(500, dtype=bool), 1.0)
    assert sure.own.curve == pytest.approx(other.curve, abs=1e-6)


@pytest.mark.parametrize(
    ("step", "cost", "hours"), [(1.0, 0.0, 64.0), (1.0, 24.0, 128.0), (1 / 12, 0.24, 4.0), (1 / 12, 24.0, 128.0)]
)
def test_a_plan_is_judged_over_up_to_48_steps_or_until_the_mean_rate_earns_five_moves(
    step: float, cost: float, hours: float
) -> None:
    own = Terms(("a", "b"), step, cost)
    horizons = np.maximum(step, 0.5) * 2.0 ** np.arange(11)
    assert horizons[: judged_over(horizons, own, np.ones(2))][-1] == hours
    assert judged_over(horizons, own, np.zeros(2)) == (11 if cost else judged_over(horizons, own, np.ones(2)))


def wandering(seed: int, steps: int, size: int) -> FloatArray:
    drawn, rows = np.random.default_rng(seed), np.zeros((steps, size))
    for step in range(1, steps):
        rows[step] = 0.9 * rows[step - 1] + 0.3 * drawn.normal(size=size)
    result: FloatArray = 2.0 + rows + 0.1 * drawn.normal(size=rows.shape)
    return result


def followed(rates: FloatArray, mine: Replay | ValueLP, cost: float = 0.3) -> list[tuple[float | None, bool]]:
    """Step by step: what is said of going towards the best value, and whether the policy asks for values at all."""
    own, shares, seen = terms(rates.shape[1], cost), np.full(rates.shape[1], 1.0 / rates.shape[1]), []
    for step, row in enumerate(rates, 1):
        answer = mine.decide(Observation(own, step, shares, row))
        change = np.zeros(len(shares))
        values = answer.values if isinstance(answer, Values) else row
        best, worst = int(np.argmax(values)), int(np.argmin(np.where(shares > 1e-9, values, np.inf)))
        if values[best] - values[worst] > cost and best != worst:
            change[best], change[worst] = (part := min(0.2, shares[worst])), -part
        seen.append((mine.confidence(change), isinstance(answer, Values)))
        if isinstance(answer, Values):
            assert answer.per_hour is not None and answer.hours == 64.0
            assert abs(answer.per_hour.sum()) < 1e-9
            assert (mine.judged_over(change) in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)) == (change.any() and step > 10)
            shares = shares + change
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("make", [Replay, ValueLP])
def test_a_policy_says_how_sure_its_plans_are_and_nothing_hangs_on_what_comes_later(
    make: type[Replay] | type[ValueLP],
) -> None:
    rates = wandering(8, 400, 4)
    other = rates.copy()
    other[300:] = wandering(9, 100, 4)
    one, two = followed(rates, make()), followed(other, make())
    assert one[:300] == two[:300] and one[300:] != two[300:]
    assert one[0][0] is None
    said = [sure for sure, _ in one if sure is not None]
    assert len(said) > 10 and 0.0 < min(said) < max(said) < 1.0


@pytest.mark.slow
def test_a_gate_keeps_steps_that_are_known_to_be_less_sure() -> None:
    rates = wandering(10, 300, 4)
    free, shut = followed(rates, Replay()), followed(rates, Replay(1.0))
    assert all(asks for _, asks in free)
    since = next(step for step, (_, asks) in enumerate(shut) if not asks)
    assert all(sure is None for sure, _ in shut[:since])
    assert sum(not asks for _, asks in shut) > 10


def test_cautious_is_replay_with_a_gate_and_a_gate_is_a_probability() -> None:
    mine = policy("cautious")
    assert isinstance(mine, RegretBudget) and mine.name == "cautious"
    assert isinstance(mine.policy, Replay) and mine.policy._gate == 0.6
    assert Replay().confidence([0.1, -0.1]) is None and Replay().judged_over([0.1, -0.1]) is None
    with pytest.raises(InvalidInput, match=r"gate \(a probability\)"):
        Replay(1.5)


def test_reliability_counts_what_was_said() -> None:
    said, happened = [0.0, 0.05, 0.3, 0.35, 0.7, 1.0], [0, 0, 1, 0, 1, 1]
    seen = reliability(said, happened)
    assert seen.counts.tolist() == [2, 0, 0, 2, 0, 0, 0, 1, 0, 1] and seen.count == 6
    assert seen.said[[0, 3, 7, 9]] == pytest.approx([0.025, 0.325, 0.7, 1.0])
    assert seen.happened[[0, 3, 7, 9]] == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert seen.brier == pytest.approx((0.05**2 + 0.7**2 + 0.35**2 + 0.3**2) / 6)
    assert seen.ece == pytest.approx((2 * 0.025 + 2 * 0.175 + 0.3 + 0.0) / 6)
    assert seen.base_brier == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("said", "happened", "message"),
    [
        ([], [], "not empty"),
        ([0.5], [1, 0], "two lists of one length"),
        ([0.5, 1.2], [1, 0], "said holds 1.2"),
        ([0.5, math.nan], [1, 0], "plans without one are left out"),
        ([0.5], [2], "happened holds 2; give 0 or 1"),
    ],
)
def test_what_is_no_probability_is_refused(said: list[float], happened: list[float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        reliability(said, happened)
    with pytest.raises(InvalidInput, match="bins is 0"):
        reliability([0.5], [1], bins=0)
