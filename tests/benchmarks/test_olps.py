"""Published wealths of online portfolio selection come out to every digit, and the best constant mix is proved."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import olps, traces


@pytest.mark.slow
@pytest.mark.skipif(
    traces.folder() is None,
    reason="no traces beside the repository (../shared/data); point REALLOT_TRACES at their folder to run this",
)
@pytest.mark.parametrize("name", olps.PUBLISHED)
def test_wealths_agree_in_every_digit_that_is_published(name: str) -> None:
    found = olps.wealth(name)
    assert found.shown == olps.PUBLISHED[name]
    assert found.wealth[3] <= found.bound * (1.0 + 1e-12)
    assert found.agrees


def test_no_mix_grows_faster_than_the_bound() -> None:
    random = np.random.default_rng(3)
    relatives = np.exp(0.1 * random.normal(size=(200, 5)))
    mix, bound = olps.best_mix(relatives)
    grown = float(np.log(relatives @ mix).mean())
    assert grown <= bound <= grown + 1e-11
    assert mix.min() >= 0.0 and mix.sum() == pytest.approx(1.0, abs=1e-12)
    for other in random.dirichlet(np.full(5, 0.3), 300):
        assert np.log(relatives @ other).mean() <= bound


def test_a_stock_that_is_always_better_is_the_whole_mix() -> None:
    relatives = np.array([[1.1, 1.0], [1.2, 1.1], [0.9, 0.8]])
    mix, _ = olps.best_mix(relatives)
    assert mix == pytest.approx([1.0, 0.0], abs=1e-9)
