"""Forecasts with bands: nothing looks ahead, bands hold as often as they say, scenarios move as the past did."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, CVaR, InvalidInput, ProtocolSpec, allocate
from reallot.policy.forecast.bands import MEMBERS, BandForecaster, calibrated, rows_needed
from reallot.policy.forecast.base import Forecast, Forecaster
from reallot.policy.forecast.conformal import GAMMA_FAR, GAMMA_NEAR, LEVELS, adapted, gammas, ranks_outside, replay
from reallot.policy.forecast.rate_table import history, typical_sizes
from reallot.policy.forecast.simple_forecasts import Past, pooled_ridge, seasonal_naive, smoothing
from reallot.problem.arrays import FloatArray

STEPS = 4


def table(values: FloatArray, names: list[str] | None = None) -> pd.DataFrame:
    """Hourly rates from 2026 on."""
    hours = pd.date_range("2026-01-01", periods=len(values), freq="h", tz="UTC")
    return pd.DataFrame(values, index=hours, columns=names or [f"p{i:02}" for i in range(values.shape[1])])


def daily(rows: int = 400, series: int = 3, seed: int = 0, noise: float = 0.2) -> pd.DataFrame:
    """Rates around 3 USD/h that swing over the day, with independent noise."""
    random = np.random.default_rng(seed)
    day = np.sin(2.0 * np.pi * np.arange(rows)[:, None] / 24.0 + np.arange(series))
    return table(3.0 + day + random.normal(0.0, noise, (rows, series)))


@pytest.fixture(scope="module")
def rates() -> pd.DataFrame:
    return daily()


# what looks ahead


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.__name__)
@pytest.mark.parametrize("season", [1, 24])
def test_changing_the_future_never_changes_what_a_member_said_before(
    member: Callable[[Past], FloatArray], season: int
) -> None:
    values = daily(360).to_numpy()
    before = member(Past(values, 150, STEPS, season))
    for row in (150, 201, 358):
        other = values.copy()
        other[row + 1 :] = np.random.default_rng(1).normal(50.0, 30.0, other[row + 1 :].shape)
        after = member(Past(other, 150, STEPS, season))
        known = row - 150 + 1
        # linear algebra repeats itself to rounding only
        np.testing.assert_allclose(after[:known], before[:known], rtol=1e-10, err_msg=f"row {row}")
        if known + STEPS < len(before):
            assert not np.allclose(before[known + STEPS :], after[known + STEPS :])


def test_changing_the_future_changes_no_past_error_and_no_past_band() -> None:
    rates = daily(600)
    past = history(rates, STEPS)
    other = rates.copy()
    other.iloc[-30:] *= 7.0
    before, after = (calibrated(each, STEPS, MEMBERS, replayed=80) for each in (past, history(other, STEPS)))
    came = len(before.errors) - 30
    for h in range(1, STEPS + 1):
        known = slice(came - h)
        np.testing.assert_allclose(after.errors[known, h - 1], before.errors[known, h - 1], atol=1e-10)
    assert np.array_equal(before.sizes, after.sizes)
    held, other_held = before.held(), after.held()
    assert len(held) > 30
    assert np.array_equal(held[:-30], other_held[:-30])
    assert not np.array_equal(held, other_held)


def test_later_rows_do_not_change_a_forecast_made_before(rates: pd.DataFrame) -> None:
    first, again = (BandForecaster().fit(part, STEPS) for part in (rates.iloc[:300], rates.iloc[:300].copy()))
    pd.testing.assert_frame_equal(first.mean, again.mean)
    assert first.mean.index[0] == rates.index[300]


# members


def test_what_was_a_season_ago_is_the_latest_one_known() -> None:
    values = np.arange(60.0)[:, None]
    said = seasonal_naive(Past(values, 59, 30, 24))
    assert said[0, :, 0].tolist() == [*range(36, 60), *range(36, 42)]


@pytest.mark.parametrize("member", [smoothing, pooled_ridge], ids=lambda member: member.__name__)
def test_a_member_learns_a_pattern_without_noise(member: Callable[[Past], FloatArray]) -> None:
    values = daily(600, noise=0.0).to_numpy()
    said = member(Past(values, 595, STEPS, 24))
    assert np.abs(said[0] - values[596:600]).max() < 0.1


# bands


@pytest.mark.slow
def test_bands_on_stationary_noise_hold_as_often_as_they_say() -> None:
    made = daily(700, series=40, seed=3)
    forecast = BandForecaster().fit(made.iloc[:-24], 24)
    came = made.iloc[-24:].to_numpy()
    for level, slack in ((0.8, 0.05), (0.95, 0.03)):
        low, high = (forecast.quantile(q).to_numpy() for q in ((1.0 - level) / 2.0, (1.0 + level) / 2.0))
        assert np.mean((low <= came) & (came <= high)) == pytest.approx(level, abs=slack)
        assert forecast.coverage(level).to_numpy().mean() == pytest.approx(level, abs=slack)


def test_bands_that_adapt_hold_where_the_noise_grows() -> None:
    made = daily(600, series=6, seed=4).to_numpy(copy=True)
    made[-120:] += np.random.default_rng(5).normal(0.0, 1.0, (120, 6))
    fixed, adaptive = (BandForecaster(adapt=adapt).fit(table(made), 1).coverage(0.8) for adapt in (False, True))
    assert fixed.to_numpy().mean() < 0.72
    assert adaptive.to_numpy().mean() == pytest.approx(0.8, abs=0.04)


def test_one_more_outcome_changes_the_part_outside_by_the_formula() -> None:
    outside, aimed, gamma = np.array([0.1, 0.1]), np.array([0.2, 0.2]), np.array([0.05, 0.01])
    missed = np.array([True, False])
    assert adapted(outside, aimed, missed, gamma) == pytest.approx([0.1 + 0.05 * (0.2 - 1.0), 0.1 + 0.01 * 0.2])


def test_bands_adapt_faster_up_to_six_steps_ahead() -> None:
    assert gammas(8).tolist() == [GAMMA_NEAR] * 6 + [GAMMA_FAR] * 2


@given(outside=st.floats(0.0, 1.0), window=st.integers(2, 400))
def test_a_band_leaves_out_no_more_errors_than_its_part(outside: float, window: int) -> None:
    rank = int(ranks_outside(np.array(outside), window))
    assert 1 <= rank <= (window + 1) // 2
    assert rank == 1 or 2.0 * rank / (window + 1) <= outside + 1e-8
    assert 2.0 * (rank + 1) / (window + 1) > outside - 1e-8


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_replayed_bands_are_those_of_the_definition(steps: int) -> None:
    """One forecast after the other, with lists: outcomes of h steps ahead are known h steps later."""
    window, moments = 20, 90
    random = np.random.default_rng(steps)
    errors = random.normal(size=(moments, steps, 2)) * np.linspace(1.0, 4.0, moments)[:, None, None]
    for h in range(1, steps + 1):
        errors[moments - h :, h - 1] = np.nan
    found = replay(errors, window, gammas(steps))
    level = int(np.flatnonzero(np.isclose(LEVELS, 0.2))[0])
    first = 2 * steps - 2 + window
    for h in range(1, steps + 1):
        for series in range(2):
            outside = np.array(LEVELS)
            waiting: dict[int, FloatArray] = {}
            held = {}
            for now in range(first - h, moments - 1):  # the forecast made after `now` outcomes is of outcome now + h
                if now >= first:
                    outside = outside + gammas(steps)[h - 1] * (LEVELS - waiting.pop(now))
                known = sorted(errors[now - h - k + 1, h - 1, series] for k in range(window))
                if now + h < moments - 1:
                    came = errors[now + 1, h - 1, series]
                    waiting[now + h] = np.array([_misses(known, came, part) for part in outside])
                    held[now + h] = not _misses(known, came, np.sort(outside)[level], endless=False)
            assert found.outside[:, h - 1, series] == pytest.approx(np.sort(outside))
            assert found.held[level, :, h - 1, series].tolist() == [held[j] for j in range(first, moments - 1)]


def _misses(known: list[float], came: float, outside: float, *, endless: bool = True) -> bool:
    """Whether a band of the sorted errors `known` misses; of a part too small for them it is endless, or all."""
    rank = int(np.floor(min(max(outside, 0.0), 1.0) * (len(known) + 1) / 2.0 + 1e-9))
    if rank < 1 and endless:
        return False
    rank = min(max(rank, 1), (len(known) + 1) // 2)
    return not known[rank - 1] <= came <= known[-rank]


def test_quantiles_never_fall_as_the_probability_rises(rates: pd.DataFrame) -> None:
    forecast = BandForecaster().fit(rates, STEPS)
    stack = np.stack([forecast.quantile(q).to_numpy() for q in np.linspace(0.001, 0.999, 149)])
    assert (np.diff(stack, axis=0) >= 0.0).all()
    assert (stack[0] < stack[-1]).all()


def test_zeros_negatives_and_spikes_do_not_explode() -> None:
    random = np.random.default_rng(2)
    made = random.normal(0.5, 1.0, (400, 5))
    made[:, 1] = np.where(random.random(400) < 0.5, 0.0, 4.0)  # often nothing
    made[:, 2] = 0.0
    made[350:, 2] = 1.0  # nothing at all while the scale was fixed
    made[::60, 3] = 9_000.0
    made[:, 4] = 0.0
    made[-1, 3] = 9_000.0  # a spike now, and past errors as large as a spike
    forecast = BandForecaster().fit(table(made), STEPS)
    for found in (forecast.mean, forecast.quantile(0.025), forecast.quantile(0.975)):
        assert np.isfinite(found.to_numpy()).all()
        assert (np.abs(found.to_numpy()) <= 3.0 * np.abs(made).max(axis=0) + 1e-9).all()
    assert (forecast.mean.to_numpy() <= made.max(axis=0) + 1e-9).all()
    assert (forecast.mean["p04"] == 0.0).all()
    assert (forecast.quantile(0.01)["p01"] >= 0.0).all(), "it never was negative"
    assert (forecast.quantile(0.05)["p00"] < 0.0).all()


def test_a_median_of_what_is_not_zero_is_the_typical_size() -> None:
    assert typical_sizes(np.array([[0.0, 4.0, 0.0], [-3.0, 2.0, 0.0], [0.0, 6.0, 0.0]])).tolist() == [3.0, 4.0, 3.5]
    assert typical_sizes(np.zeros((3, 2))).tolist() == [1.0, 1.0]


def test_scaling_rates_scales_everything(rates: pd.DataFrame) -> None:
    small = BandForecaster().fit(rates, STEPS)
    large = BandForecaster().fit(rates * 1_000.0, STEPS)
    for q in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(large.quantile(q), 1_000.0 * small.quantile(q), rtol=1e-9)
    np.testing.assert_allclose(large.mean, 1_000.0 * small.mean, rtol=1e-9)
    pd.testing.assert_frame_equal(large.coverage(), small.coverage())


def test_the_order_of_columns_changes_nothing(rates: pd.DataFrame) -> None:
    turned = rates[rates.columns[::-1]]
    straight, other = (BandForecaster().fit(each, STEPS) for each in (rates, turned))
    for q in (0.05, 0.9):
        np.testing.assert_allclose(other.quantile(q)[rates.columns], straight.quantile(q), rtol=1e-9)


# scenarios


@pytest.fixture(scope="module")
def tied() -> pd.DataFrame:
    """One rises when the other falls, the third is on its own."""
    random = np.random.default_rng(6)
    both, own = random.normal(0.0, 0.5, 600), random.normal(0.0, 0.5, 600)
    return table(np.stack([5.0 + both, 4.0 - 0.8 * both, 3.0 + own], axis=1), ["relay", "compute", "storage"])


def paths(forecast: Forecast, n: int, seed: int = 0) -> FloatArray:
    """(scenarios, steps, protocols)"""
    drawn = forecast.scenarios(n, seed).rates
    return np.stack([np.array(drawn[name], dtype=float) for name in forecast.mean.columns], axis=-1)


def test_scenarios_keep_who_moves_with_whom(tied: pd.DataFrame) -> None:
    drawn = paths(BandForecaster().fit(tied, STEPS), 300)
    for step in range(STEPS):
        found = np.corrcoef(drawn[:, step].T).reshape(3, 3)
        assert found[0, 1] < -0.95
        assert abs(found[0, 2]) < 0.25


def test_scenarios_keep_what_follows_what() -> None:
    random = np.random.default_rng(7)
    walk = table(100.0 + np.cumsum(random.normal(size=(600, 2)), axis=0))
    drawn = paths(BandForecaster(season=1).fit(walk, 6), 300)
    # steps of a random walk add up: the fourth step shares four sixths of the sixth's variance
    found = np.corrcoef(drawn[:, 3, 0], drawn[:, 5, 0]).reshape(2, 2)
    assert found[0, 1] == pytest.approx(np.sqrt(4.0 / 6.0), abs=0.12)


def test_all_past_paths_together_have_the_mean_and_the_order_does_not_matter(tied: pd.DataFrame) -> None:
    forecast = BandForecaster().fit(tied, STEPS)
    every = paths(forecast, forecast.window)
    np.testing.assert_allclose(every.mean(axis=0), forecast.mean, rtol=1e-12)
    some = paths(forecast, 2 * forecast.window, seed=5)
    np.testing.assert_allclose(some.mean(axis=0), forecast.mean, rtol=1e-12)
    assert np.array_equal(np.sort(some[: forecast.window], axis=0), np.sort(every, axis=0))


def test_the_same_seed_draws_the_same_scenarios(tied: pd.DataFrame) -> None:
    forecast = BandForecaster().fit(tied, STEPS)
    assert forecast.scenarios(50, 1) == forecast.scenarios(50, 1)
    assert forecast.scenarios(50, 1) != forecast.scenarios(50, 2)


def test_a_problem_takes_the_scenarios_and_plans_against_the_worst_of_them(tied: pd.DataFrame) -> None:
    forecast = BandForecaster().fit(tied, STEPS)
    protocols = [ProtocolSpec(str(name), 1.0) for name in tied.columns]
    shares = []
    for weight in (0.0, 1.0):
        problem = AllocationProblem(
            protocols,
            {"relay": 1.0, "compute": 0.0, "storage": 0.0},
            horizon_hours=float(STEPS),
            periods=STEPS,
            scenarios=forecast.scenarios(100, 0),
            risk=CVaR(0.9, weight),
        )
        shares.append(allocate(problem).shares.to_dict())
    assert shares[0]["relay"] == pytest.approx(1.0)
    assert 0.0 < shares[1]["compute"] < 1.0, "the one that rises when the other falls is worth its lower mean"


def test_scenarios_of_one_period_are_means_of_their_paths(tied: pd.DataFrame) -> None:
    forecast = BandForecaster().fit(tied, STEPS)
    drawn, short = forecast.scenarios(30, 3), forecast.scenarios(30, 3, periods=1)
    for name in map(str, tied.columns):
        assert np.ravel(np.array(short.rates[name])) == pytest.approx(np.mean(drawn.rates[name], axis=1))
    with pytest.raises(InvalidInput, match="4 steps do not make 3 equal periods"):
        forecast.scenarios(30, 3, periods=3)


# the edge


def test_the_default_is_a_forecaster_and_gives_a_forecast(rates: pd.DataFrame) -> None:
    assert isinstance(BandForecaster(), Forecaster)
    assert isinstance(BandForecaster().fit(rates, 1), Forecast)


def test_the_index_goes_on_where_the_table_ends(rates: pd.DataFrame) -> None:
    ahead = BandForecaster().fit(rates, STEPS).mean
    assert list(ahead.index) == list(pd.date_range(rates.index[-1], periods=STEPS + 1, freq="h")[1:])
    assert list(ahead.columns) == list(rates.columns)
    numbered = BandForecaster().fit(rates.reset_index(drop=True), 2).mean
    assert numbered.index.tolist() == [400, 401]


@pytest.mark.parametrize(("step", "season"), [("5min", 288), ("1h", 24), ("8h", 3), ("1D", 1), ("7h", 1)])
def test_a_season_is_a_day_of_the_clock(step: str, season: int) -> None:
    index = pd.date_range("2026-01-01", periods=10, freq=step, tz="UTC")
    assert history(pd.DataFrame({"a": range(10)}, index=index), 1).season == season


def broken(change: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    return change(daily())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda r: r * np.where(np.arange(len(r)) == 7, np.nan, 1.0)[:, None],
            r"'p00' is nan at 2026-01-01 07:00:00\+00:00 \(3 such cells",
        ),
        (lambda r: r.replace(r.iloc[3, 1], np.inf), "'p01' is inf at 2026-01-01 03"),
        (lambda r: r.drop(r.index[50]), "clock of rates is not even: 2026-01-03 03:00:00.* follows 2026-01-03 01"),
        (lambda r: r.iloc[::-1], "clock of rates is not even"),
        (lambda r: pd.concat([r.iloc[:9], r.iloc[8:]]), "clock of rates is not even"),
        (lambda r: r.set_axis(r.index.astype(str), axis=0), "give times"),
        (lambda r: r.set_axis(["a", "b", "a"], axis=1), "two columns 'a'"),
        (lambda r: r.assign(p01="much"), "'p01' holds what is not a number"),
        (lambda r: r[[]], "no columns"),
        (lambda r: r.iloc[:1], "1 rows"),
        (lambda r: r.iloc[: rows_needed(STEPS, 24) - 1], "175 rows; 4 steps ahead with a season of 24 need 176"),
        (lambda r: r.to_numpy(), "rates is a ndarray; give a DataFrame"),
    ],
    ids=["nan", "inf", "gap", "backwards", "twice", "texts", "names", "words", "empty", "one", "short", "array"],
)
def test_a_table_that_cannot_be_learned_from_says_what_and_where(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        BandForecaster().fit(broken(change), STEPS)


def test_the_fewest_rows_are_enough_and_say_that_no_band_was_made_before() -> None:
    forecast = BandForecaster().fit(daily(rows_needed(STEPS, 24)), STEPS)
    assert forecast.window == 100
    assert np.isfinite(forecast.quantile(0.9).to_numpy()).all()
    assert forecast.coverage().shape == (STEPS, 3)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda f: f.quantile(0.0), "q is 0"),
        (lambda f: f.quantile(1.2), "q is 1.2"),
        (lambda f: f.coverage(0.83), "level 0.83 were not followed; give one of 0.995, 0.99"),
        (lambda f: f.scenarios(0, 1), "n is 0"),
        (lambda f: f.scenarios(5, 1.5), "seed is 1.5"),
    ],
    ids=["lowest", "highest", "level", "none", "seed"],
)
def test_what_a_forecast_cannot_say_raises(rates: pd.DataFrame, ask: Callable[[Forecast], object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        ask(BandForecaster().fit(rates, STEPS))


@pytest.mark.parametrize("steps", [0, -1, 2.0, True])
def test_steps_are_a_whole_number_of_at_least_one(rates: pd.DataFrame, steps: object) -> None:
    with pytest.raises(InvalidInput, match="steps is"):
        BandForecaster().fit(rates, steps)  # type: ignore[arg-type]
