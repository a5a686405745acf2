"""The reference problem: every policy whose rule is fully said earns what is published with the traces.

What is published of rules that look at quotes is of quotes as they are; shipped rules blend them with what was paid.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import traces
from reallot.backtest.accounting import account
from reallot.backtest.settings import Setting
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import RateTable, read_table
from reallot.policy.base import Decision, Observation, Policy, decided
from reallot.policy.registry import policy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        traces.folder() is None,
        reason="no traces beside the repository (../shared/data); point REALLOT_TRACES at their folder to run this",
    ),
]

POLICIES = ("best-fixed", "greedy", "profit-switching", "follow-the-leader", "work-function", "ema")
# trace, cost in days of mean earnings, optimum (USD), and for each policy its share of the optimum and of the gain
PUBLISHED = """
energy_load_eu_2020_2021 0.1 1080689.8 0.956/0.57 0.702/-1.88 0.889/-0.08 0.953/0.55 0.972/0.73 0.974/0.75
energy_sell_us_2020_2021 0.1 1804980.2 0.812/0.69 0.889/0.82 0.890/0.82 0.807/0.68 0.934/0.89 0.939/0.90
funding_2021_2022      0.01 854766.78 0.645/0.42 0.788/0.66 0.801/0.68 0.628/0.40 0.800/0.68 0.828/0.72
funding_2021_2022      0.1  842941.05 0.654/0.43 0.781/0.64 0.796/0.67 0.636/0.40 0.807/0.68 0.828/0.72
funding_2021_2022      1    789192.9  0.698/0.48 0.640/0.38 0.666/0.43 0.676/0.45 0.804/0.67 0.758/0.59
mining_nicehash_201802 0.01 1624.8361 0.985/0.96 0.813/0.55 0.898/0.75 0.984/0.96 0.993/0.98 0.957/0.90
mining_nicehash_201802 0.1  1602.6578 0.992/0.98 -0.732/-3.27 0.106/-1.20 0.990/0.97 0.968/0.92 0.949/0.88
mining_nicehash_201802 1    1494.8898 0.994/0.98 -17.474/-49.89 -8.510/-25.20 0.975/0.93 0.826/0.52 0.797/0.44
mining_zpool_201802    0.01 2041.5132 0.964/0.91 0.482/-0.29 0.492/-0.26 0.288/-0.77 0.751/0.38 0.592/-0.02
mining_zpool_201802    0.1  1997.8772 0.978/0.94 -2.479/-7.95 -2.398/-7.74 0.271/-0.88 0.886/0.71 0.590/-0.05
mining_zpool_201802    1    1821.5415 0.998/0.99 -35.312/-109.16 -34.450/-106.55 0.031/-1.94 0.597/-0.22 0.493/-0.54
gpu_rental_a100_2025   0.01 111381.15 0.911/0.80 0.990/0.98 0.999/1.00 0.911/0.80 0.997/0.99 0.986/0.97
gpu_rental_a100_2025   0.1  110925.08 0.913/0.80 0.975/0.94 0.999/1.00 0.913/0.80 0.995/0.99 0.986/0.97
gpu_rental_a100_2025   1    106987.94 0.929/0.83 0.809/0.54 0.999/1.00 0.929/0.83 0.956/0.90 0.986/0.97
"""
CASES = [tuple(line.split()) for line in PUBLISHED.strip().splitlines()]
CELLS = [
    pytest.param(name, float(days), float(best), which, cell, id=f"{name}-{days}-{which}")
    for name, days, best, *cells in CASES
    for which, cell in zip(POLICIES, cells, strict=True)
]
NEVER = {
    "energy_load_eu_2020_2021": 968922.54,
    "energy_sell_us_2020_2021": 717544.93,
    "funding_2021_2022": 328256.83,
    "mining_nicehash_201802": 952.25516,
    "mining_zpool_201802": 1221.1274,
    "gpu_rental_a100_2025": 62528.25,
}
_tables: dict[str, RateTable] = {}


class AsQuoted:
    """A policy that is shown quotes in place of what was paid, as they are."""

    def __init__(self, rule: Policy) -> None:
        self.name, self._rule = rule.name, rule

    def decide(self, observation: Observation) -> Decision:
        rates = observation.rates if observation.quotes is None else observation.quotes
        return decided(self._rule.decide(replace(observation, rates=rates, quotes=None)), observation.terms, self.name)


def table_of(name: str) -> RateTable:
    """The trace, with its signal where it has one."""
    if name not in _tables:
        folder = traces.folder()
        assert folder is not None
        signal = folder / f"{name}_signal.csv.gz"
        _tables[name] = read_table(folder / f"{name}.csv.gz", signal=signal if signal.exists() else None)
    return _tables[name]


def net_of(which: str, table: RateTable, setting: Setting) -> float:
    """What a policy earns less what it pays, USD."""
    course = Course.of(table, setting)
    rule = policy(which)
    shares = walk(rule if which in ("best-fixed", "never") else AsQuoted(rule), course)
    return float(account(shares, course.start, table.rates, course.terms).net.sum())


@pytest.mark.parametrize(("name", "days", "best", "which", "cell"), CELLS)
def test_a_policy_earns_what_is_published(name: str, days: float, best: float, which: str, cell: str) -> None:
    net, never = net_of(which, table_of(name), Setting(cost_days=days)), NEVER[name]
    of_optimum, of_gain = map(float, cell.split("/"))
    assert net / best == pytest.approx(of_optimum, abs=0.00051)
    assert (net - never) / (best - never) == pytest.approx(of_gain, abs=0.0051)


def test_blended_with_what_was_paid_the_same_quotes_lose_nothing() -> None:
    """Profit switching at the least cost: 0.97 of the gain, where quotes as they are lose 0.26 of it."""
    name, best = "mining_zpool_201802", 2041.5132
    table, setting = table_of(name), Setting(cost_days=0.01)
    course = Course.of(table, setting)
    shares = walk(policy("profit-switching"), course)
    net = float(account(shares, course.start, table.rates, course.terms).net.sum())
    assert (net - NEVER[name]) / (best - NEVER[name]) > 0.9


@pytest.mark.parametrize("name", NEVER)
def test_never_earns_what_is_published(name: str) -> None:
    assert net_of("never", table_of(name), Setting()) == pytest.approx(NEVER[name], rel=1e-7)
