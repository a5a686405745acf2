"""First weights of forecasts: variances against what series were made of, weights against covariances written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot.policy.forecast.features import Features
from reallot.policy.forecast.kriging import Kriging
from reallot.policy.forecast.variogram import Variogram, keeps

SEEDS = st.integers(0, 2**32 - 1)


def fitted(rows: np.ndarray, longest: int = 64, read: np.ndarray | None = None) -> np.ndarray:
    found = Variogram(rows.shape[1], longest, 1.0)
    for step, row in enumerate(rows):
        found.take(row, None if read is None else read[step])
    return found.variances()


@given(SEEDS, st.integers(1, 60))
def test_weights_are_those_of_covariances_written_out(seed: int, readings: int) -> None:
    """Features are sums over all readings with known weights, so their covariances are sums over pairs of them."""
    drawn = np.random.default_rng(seed)
    variances, decays = drawn.uniform(0.0, 1.0, keeps().size), np.array([0.7, 0.9, 0.99])
    steps = np.array([1, 2, 8])
    kriging = Kriging(decays, keeps(), steps)
    for _ in range(readings):
        kriging.take()
    ages = np.arange(readings)[::-1]
    sums = [ages == 0, *((1.0 - d) * d**ages / (1.0 - d**readings) for d in decays), np.full(readings, 1.0 / readings)]
    features = np.array(sums, dtype=float)

    def covariance(lag: np.ndarray) -> np.ndarray:
        return (variances * keeps() ** np.abs(lag)[..., None]).sum(axis=-1)

    inside = features @ covariance(ages[:, None] - ages) @ features.T
    found = kriging.weights(variances)
    for place, h in enumerate(steps):
        across = features @ covariance(ages[:, None] + np.arange(1, h + 1)).mean(axis=1)
        # equal features make many weights right: what counts is that they say the same as the best ones
        assert inside @ found[place] == pytest.approx(across, rel=1e-4, abs=1e-4 * float(across.max()))


def test_a_level_in_noise_is_shrunk_by_how_long_it_was_seen() -> None:
    """Noise of variance 4 about levels of variance 1: after t readings their mean counts 1 / (1 + 4 / t), no more."""
    variances = np.zeros(keeps().size)
    variances[0], variances[-1] = 4.0, 1.0
    kriging = Kriging(np.array([0.5]), keeps(), np.array([1, 32]))
    for readings in range(1, 40):
        kriging.take()
        for weights in kriging.weights(variances):
            assert weights.sum() == pytest.approx(1.0 / (1.0 + 4.0 / readings), rel=1e-5)


def test_what_has_never_changed_is_believed_as_it_was_last_read() -> None:
    """Rates that stood still until one jumped: the last reading says what it earns, not the mean of before."""
    rows = np.repeat(np.array([[0.5, -0.5, 0.25, -0.25]]), 200, axis=0)
    rows[190:, 0] = 1.0
    rows -= rows.mean(axis=1, keepdims=True)
    kriging = Kriging(np.array([0.9, 0.99]), keeps(), np.array([4]))
    for _ in rows:
        kriging.take()
    weights = kriging.weights(fitted(rows))[0]
    assert weights[0] > 0.75 and weights[0] > 4.0 * np.abs(weights[1:]).max()


@pytest.mark.parametrize("scale", [0, 2, 4, 7], ids=["noise", "2 steps", "8 steps", "64 steps"])
def test_variances_lie_near_the_time_scale_they_were_made_with(scale: int) -> None:
    """The fit is stopped early, so that it spreads them; their middle is within some doublings of the true scale."""
    drawn, keep = np.random.default_rng(scale), float(keeps()[scale])
    rows = drawn.normal(size=(4000, 8))
    for step in range(1, len(rows)):
        rows[step] = keep * rows[step - 1] + np.sqrt(1.0 - keep**2) * rows[step]
    found = fitted(rows, 512)
    assert found @ np.arange(found.size) / found.sum() == pytest.approx(scale, abs=2.5)


@given(SEEDS)
def test_variances_go_with_the_square_of_the_unit(seed: int) -> None:
    rows = np.cumsum(np.random.default_rng(seed).normal(size=(50, 3)), axis=0)
    assert fitted(1e4 * rows) == pytest.approx(1e8 * fitted(rows), rel=1e-9)


@pytest.mark.slow
@given(SEEDS)
def test_what_is_carried_on_does_not_count_as_standing_still(seed: int) -> None:
    """Every second reading left out at random: variances as of the readings that there were, not of flat stretches."""
    drawn = np.random.default_rng(seed)
    rows, read = drawn.normal(size=(400, 6)), drawn.random((400, 6)) < 0.5
    read[0] = True
    carried = rows.copy()
    for step in range(1, len(rows)):
        carried[step] = np.where(read[step], rows[step], carried[step - 1])
    every = np.random.default_rng(seed).normal(size=(400, 6))
    assert fitted(carried, read=read)[0] == pytest.approx(fitted(every)[0], rel=0.25)
    assert fitted(carried)[0] < 0.6 * fitted(every)[0]
    assert np.array_equal(fitted(rows, read=np.ones(rows.shape, dtype=bool)), fitted(rows))


def test_where_nothing_differs_there_is_no_variance_and_no_weight() -> None:
    found = fitted(np.zeros((5, 3)))
    assert not found.any()
    kriging = Kriging(np.array([0.5]), keeps(), np.array([1]))
    kriging.take()
    assert not kriging.weights(found).any()


def test_a_days_shape_is_over_the_hours_of_the_horizon() -> None:
    """Two alternatives that swing against each other; the shape says what the next 1, 6 and 30 hours were like."""
    steps, hours = np.array([1, 6, 24, 30]), np.arange(24 * 60)
    wave = np.sin(2.0 * np.pi * hours / 24.0)
    features = Features(2, 1.0, steps)
    for value in wave:
        features.take(np.array([1.0 + value, 1.0 - value]))
    ahead = np.sin(2.0 * np.pi * np.arange(24 * 60, 24 * 60 + 30) / 24.0)
    wanted = [ahead[:1].mean(), ahead[:6].mean(), 0.0, ahead[:30].mean()]
    assert features.shapes[:, 0] == pytest.approx(wanted, abs=1e-9)
    assert features.shapes[:, 1] == pytest.approx(-features.shapes[:, 0])
