"""Looking at what is not held: expected improvement by integration, staleness, and probes that last and go back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import InvalidInput, Limits, Setting
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import RateTable, read_table
from reallot.policy.base import Decision, FloatArray, Observation, Terms, Values
from reallot.policy.baselines import Never
from reallot.policy.exploration import BUDGET, FLOOR, expected_improvement, exploration_floors
from reallot.policy.probing import Probing
from reallot.policy.reading_age import Staleness
from reallot.policy.registry import policy

SEEDS = st.integers(0, 2**32 - 1)
BLIND = Setting(cost_usd=0.001, feedback="bandit", explore="none", limits=Limits(max_turnover=0.2))


def table(rates: FloatArray, minutes: int = 20) -> RateTable:
    index = pd.date_range("2026-01-01", periods=len(rates), freq=f"{minutes}min", tz="UTC")
    return read_table(pd.DataFrame(rates, index=index, columns=[f"p{i}" for i in range(rates.shape[1])]))


def wandering(seed: int, steps: int = 120, size: int = 5) -> FloatArray:
    drawn = np.random.default_rng(seed)
    return 2.0 + np.cumsum(0.2 * drawn.standard_normal((steps, size)), axis=0)


@given(behind=st.floats(-3.0, 3.0), deviation=st.floats(0.05, 4.0))
def test_expected_improvement_is_the_integral(behind: float, deviation: float) -> None:
    x = np.linspace(-behind - 12.0 * deviation, -behind + 12.0 * deviation, 200_001)
    density = np.exp(-0.5 * ((x + behind) / deviation) ** 2) / (deviation * math.sqrt(2.0 * math.pi))
    integral = float((np.maximum(x, 0.0) * density).sum() * (x[1] - x[0]))
    found = expected_improvement(np.array([behind]), np.array([deviation]))
    assert found[0] == pytest.approx(integral, rel=1e-6, abs=1e-9)


def test_what_is_known_for_sure_improves_by_what_it_is_ahead() -> None:
    found = expected_improvement(np.array([-2.0, 0.0, 2.0, 1e9]), np.array([0.0, 0.0, 0.0, 1e-9]))
    assert found.tolist() == [2.0, 0.0, 0.0, 0.0]


@given(SEEDS)
def test_floors_are_small_within_bounds_and_leave_what_is_closed(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    size = int(drawn.integers(1, 40))
    low = drawn.dirichlet(np.ones(size)) * drawn.choice([0.0, 0.5, 1.0]) * (drawn.random(size) < 0.5)
    high = np.maximum(low, drawn.choice([0.0, 0.001, 0.3, 1.0], size))
    floors = exploration_floors(low, high)
    assert (floors >= low).all() and (floors <= high).all()
    assert (floors[high <= low] == low[high <= low]).all()
    assert (floors - low).sum() <= min(BUDGET, 1.0 - low.sum() if low.sum() < 1.0 else 0.0) + 1e-12
    assert (floors <= np.maximum(low, FLOOR)).all()
    allowed = high > low
    if low.sum() < 0.9:
        wanted = np.minimum(min(FLOOR, BUDGET / max(allowed.sum(), 1)), high)
        assert (floors[allowed] >= wanted[allowed] - 1e-15).all()


def test_a_walk_is_unsure_by_the_root_of_its_age_and_a_fresh_reading_not_at_all() -> None:
    drawn, stale = np.random.default_rng(0), Staleness(6)
    for row in np.cumsum(0.1 * drawn.standard_normal((4000, 6)), axis=0):
        stale.take(row)
    assert not stale.deviations().any()
    unread = np.full(6, np.nan)
    found = []
    for _ in range(64):
        stale.take(unread)
        found.append(stale.deviations().mean())
    assert (np.diff(found) >= 0.0).all()
    for age in (8, 16, 64):
        # a step of the walk counts as noise of readings
        assert found[age - 1] == pytest.approx(0.1 * math.sqrt(age - 1), rel=0.35)


def test_noise_alone_leaves_nothing_to_find_out() -> None:
    drawn, stale = np.random.default_rng(0), Staleness(6)
    for row in 1.0 + 0.1 * drawn.standard_normal((4000, 6)):
        stale.take(row)
    for _ in range(100):
        stale.take(np.full(6, np.nan))
    assert stale.deviations().max() < 0.02


def test_what_moves_together_is_no_reason_to_look() -> None:
    drawn, stale = np.random.default_rng(0), Staleness(4)
    for common in np.cumsum(drawn.standard_normal(1000)):
        stale.take(np.full(4, common))
    stale.take(np.full(4, np.nan))
    assert stale.deviations().max() < 1e-9


def test_what_was_never_read_may_be_far_from_what_was() -> None:
    stale = Staleness(3)
    assert not stale.deviations().any()
    stale.take(np.array([2.0, np.nan, np.nan]))
    assert stale.deviations().tolist() == pytest.approx([0.0, 0.6, 0.6])


class Rests:
    """Stays, and keeps what shares it was shown."""

    name = "rests"

    def __init__(self, seen: list[FloatArray]) -> None:
        self.seen = seen

    def __deepcopy__(self, memo: object) -> Rests:
        return self

    def decide(self, observation: Observation) -> Decision:
        self.seen.append(observation.shares)
        return None


def runs(probed: FloatArray) -> list[int]:
    """Lengths of what is true without a break, those that reach the end left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], probed])))
    return [int(end - begin) for begin, end in zip(edges[::2], edges[1::2], strict=False)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_probes_last_their_hour_and_are_given_back(count: int) -> None:
    rows, shown = table(wandering(3)), list[FloatArray]()
    start = {"p0": 0.6, "p1": 0.4, "p2": 0.0, "p3": 0.0, "p4": 0.0}
    course = Course.of(rows, replace(BLIND, start=start, least=0.02))
    shares = walk(Probing(Rests(shown), share=0.02, count=count), course)
    probed = shares[:, 2:] > 1e-9
    assert probed.any(axis=0).all()
    assert shares[:, 2:][probed] == pytest.approx(0.02)
    assert {length for each in probed.T for length in runs(each)} == {3}
    assert probed.sum(axis=1).max() == count
    assert shares.sum(axis=1) == pytest.approx(1.0)
    quiet = ~probed.any(axis=1)
    assert shares[quiet] == pytest.approx(np.tile(course.start, (int(quiet.sum()), 1)))
    assert np.array(shown) == pytest.approx(np.tile(course.start, (len(shown), 1)))


def test_no_probe_where_it_cannot_pay() -> None:
    rows = table(wandering(3))
    start = {"p0": 1.0, "p1": 0.0, "p2": 0.0, "p3": 0.0, "p4": 0.0}
    for changed in ({"cost_usd": 1000.0}, {"move_fee": 1000.0}):
        course = Course.of(rows, replace(BLIND, start=start, **changed))
        shares = walk(Probing(Never(), share=0.02), course)
        assert (shares == course.start).all()


def test_no_probe_of_what_is_held_or_may_not_be_so_large() -> None:
    start = {"p0": 1.0, "p1": 0.0, "p2": 0.0, "p3": 0.0, "p4": 0.0}
    limits = Limits(max_turnover=0.2, held={"p1"})
    setting = replace(BLIND, start=start, max_share={"p2": 0.01}, limits=limits)
    shares = walk(Probing(Never(), share=0.02), Course.of(table(wandering(3)), setting))
    assert not shares[:, 1:3].any() and shares[:, 3:].any(axis=0).all()


@pytest.mark.parametrize("name", ["value", "work-function", "profit-switching"])
def test_where_everything_is_read_there_are_no_probes(name: str) -> None:
    course = Course.of(table(wandering(5)), Setting(cost_usd=0.2))
    assert np.array_equal(walk(Probing(policy(name)), course), walk(policy(name), course))


@pytest.mark.slow
@given(SEEDS)
def test_probes_keep_to_all_limits(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    limits = Limits(max_turnover=float(drawn.choice([0.015, 0.2])), max_change=float(drawn.choice([0.05, 1.0])))
    hold = int(drawn.choice([0, 2]))
    setting = replace(
        BLIND,
        limits=limits,
        hold=f"{20 * hold}m" if hold else 0.0,
        max_share=float(drawn.choice([1.0, 0.5])),
        least=0.01,
        max_per_hour=None if drawn.random() < 0.5 else 2,
    )
    name = str(drawn.choice(["value", "work-function", "never", "greedy"]))
    course = Course.of(table(wandering(seed, 60)), setting)
    shares = walk(Probing(policy(name), 0.01), course)
    change = np.diff(np.vstack([course.start, shares]), axis=0)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert (shares >= -1e-12).all() and (shares <= course.terms.high[0] + 1e-9).all()
    assert (np.abs(change).sum(axis=1) / 2.0 <= limits.max_turnover + 1e-9).all()  # type: ignore[operator]
    assert (np.abs(change) <= limits.max_change + 1e-9).all()  # type: ignore[operator]
    for places in (change != 0.0).T:
        assert (np.diff(np.flatnonzero(places)) >= hold).all()


@pytest.mark.slow
def test_a_better_place_that_nobody_holds_is_found() -> None:
    steps = 300
    rates = np.ones((steps, 4)) + 0.05 * np.random.default_rng(0).standard_normal((steps, 4))
    rates[:60, 3] -= 0.5
    rates[60:, 3] += 2.0
    rates[:60, 0] += 0.5
    course = Course.of(table(rates), replace(BLIND, cost_usd=0.05, least=0.01))
    alone, probing = (walk(each, course)[-1, 3] for each in (policy("value"), Probing(policy("value"))))
    assert alone < 0.05 and probing > 0.9


def test_values_say_how_far_they_look() -> None:
    """What is worth knowing for longer is looked at where a short look would not pay."""

    class Says:
        name = "says"

        def __init__(self, hours: float) -> None:
            self.hours = hours

        def decide(self, observation: Observation) -> Decision:
            return Values(np.zeros(observation.terms.size), None, self.hours)

    terms, shares = Terms(("a", "b", "c"), 1.0, move_cost=1.0), np.array([1.0, 0.0, 0.0])
    for hours, probes in ((0.01, 0), (100.0, 2)):
        probing = Probing(Says(hours))
        probing.decide(Observation(terms, 1, shares, np.array([1.0, np.nan, np.nan])))
        assert len(probing.probed) == probes


@pytest.mark.parametrize(
    ("given_", "message"), [({"share": 0.0}, "share"), ({"hours": 0.0}, "hours"), ({"count": -1}, "count")]
)
def test_a_wrong_probe_is_refused(given_: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Probing(Never(), **given_)  # type: ignore[arg-type]


class Sums:
    """Values that sum up all that was read, the newest reading carried on: their gaps grow with time."""

    name = "sums"

    def __init__(self) -> None:
        self.newest = self.summed = np.zeros(0)

    def decide(self, observation: Observation) -> Decision:
        if not self.newest.size:
            self.newest = self.summed = np.zeros(observation.rates.size)
        self.newest = np.where(np.isnan(observation.rates), self.newest, observation.rates)
        self.summed = self.summed + self.newest * observation.terms.step_hours
        return Values(self.summed)


def test_a_rule_that_sums_up_its_past_is_probed_for_as_long_as_it_lasts() -> None:
    drawn, rates = np.random.default_rng(7), np.full((900, 6), 2.0)
    for step in range(1, len(rates)):  # they wander, and come back within days
        rates[step] = 2.0 + 0.99 * (rates[step - 1] - 2.0) + 0.05 * drawn.standard_normal(6)
    course = Course.of(table(rates), replace(BLIND, least=0.01))
    late = walk(Probing(Sums(), share=0.01), course)[-300:]
    probed = (late > 1e-9) & (late < 0.011)
    assert probed.any(axis=1).mean() > 0.5
