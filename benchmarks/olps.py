"""Published results of online portfolio selection on four sets of price relatives, the best constant mix certified.

The data are not part of this repository; see `traces.folder`. Wealth is what 1 becomes, without costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import traces

Floats = NDArray[np.float64]

PUBLISHED = {
    "olps_nyse_o": ("14.4973", "54.1404", "27.0752", "250.5971", "27.0949"),
    "olps_nyse_n": ("18.0566", "83.5063", "31.5517", "120.3208", "31.0001"),
    "olps_tse": ("1.6129", "6.2792", "1.5952", "6.7800", "1.5935"),
    "olps_sp500": ("1.3416", "3.7792", "1.6487", "4.0686", "1.6333"),
}
"""Of each set, as printed with the data: market, best stock, uniform and best CRP, and EG."""
KINDS = ("market", "best stock", "uniform CRP", "best CRP", "EG, eta 0.05")
RATE = 0.05
LEAST_WEIGHT = 1e-13
"""Last weight of the barrier: the bound is then within periods * n * weight of the wealth, as a part of it."""


@dataclass(frozen=True)
class Wealth:
    """One set of price relatives.

    wealth  by KINDS
    bound   no constant mix ends with more
    """

    name: str
    days: int
    stocks: int
    wealth: tuple[float, ...]
    bound: float

    @property
    def shown(self) -> tuple[str, ...]:
        """The wealths with as many digits as are published."""
        return tuple(f"{value:.4f}" for value in self.wealth)

    @property
    def agrees(self) -> bool:
        """True where every digit does, and the bound leaves none of them open."""
        return self.shown == PUBLISHED[self.name] and f"{self.bound:.4f}" == self.shown[3]


def load(name: str) -> Floats:
    """(days, stocks) price relatives; raises FileNotFoundError saying where they were looked for."""
    import pandas as pd

    place = traces.folder()
    if place is None:
        raise FileNotFoundError(f"no {name}.csv.gz; point REALLOT_TRACES at the folder that holds the traces")
    return pd.read_csv(place / f"{name}.csv.gz", index_col=0).to_numpy(dtype=float)


def best_mix(relatives: Floats) -> tuple[Floats, float]:
    """The constant mix that ends with the most, (stocks,), and a bound on the mean logarithm of any mix's growth.

    Newton steps on mean(log(x . b)) + weight * sum(log b) with sum b = 1, the weight falling to LEAST_WEIGHT. The bound
    is Cover's (1984): no mix grows by more than mean(log(x . b)) + log(max_i mean(x_i / (x . b))), for any b.

    >>> mix, bound = best_mix(np.array([[2.0, 0.5], [0.5, 2.0]]))
    >>> mix.round(6).tolist(), round(float(np.exp(bound)), 6)
    ([0.5, 0.5], 1.25)
    """
    days, size = relatives.shape
    mix, weight = np.full(size, 1.0 / size), 1.0
    while True:
        for _ in range(50):
            relative = relatives / (relatives @ mix)[:, None]
            slope = relative.mean(axis=0) + weight / mix
            bend = relative.T @ relative / days + np.diag(weight / mix**2)
            system = np.block([[bend, np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
            # with stocks that are hardly held scaled to size 1, so that the least weight loses no digits
            scale = np.append(mix, 1.0)
            step = (scale * np.linalg.solve(system * np.outer(scale, scale), scale * np.append(slope, 0.0)))[:-1]
            fall = float(np.min(step / mix))
            mix = mix + step * (1.0 if fall > -0.9 else 0.9 / -fall)
            mix /= mix.sum()
            if np.abs(step / mix).max() < 1e-7:
                break
        if weight <= LEAST_WEIGHT:
            break
        weight = max(weight / 10.0, LEAST_WEIGHT)
    growth = relatives @ mix
    best = float((relatives / growth[:, None]).mean(axis=0).max())
    return mix, float(np.log(growth).mean()) + float(np.log(best))


def exponentiated(relatives: Floats) -> float:
    """Wealth by exponentiated gradient with RATE (Helmbold, Schapire, Singer, Warmuth 1998)."""
    mix, wealth = np.full(relatives.shape[1], 1.0 / relatives.shape[1]), 1.0
    for row in relatives:
        growth = float(mix @ row)
        wealth *= growth
        mix = mix * np.exp(RATE * row / growth)
        mix /= mix.sum()
    return wealth


def wealth(name: str) -> Wealth:
    """One set, from its file."""
    relatives = load(name)
    days, stocks = relatives.shape
    mix, bound = best_mix(relatives)
    each = relatives.prod(axis=0)
    values = (
        float(each.mean()),
        float(each.max()),
        float(relatives.mean(axis=1).prod()),
        float((relatives @ mix).prod()),
        exponentiated(relatives),
    )
    return Wealth(name, days, stocks, values, float(np.exp(days * bound)))


def measure(smoke: bool) -> list[Wealth]:
    """All sets, or the smallest one; nothing where there are no data."""
    if traces.folder() is None:
        return []
    return [wealth(name) for name in (["olps_sp500"] if smoke else PUBLISHED)]


def table(rows: Sequence[Wealth]) -> str:
    """Markdown; beside each wealth the published digits where they differ."""
    lines = [f"| set | days x stocks | {' | '.join(KINDS)} | best CRP, bound less wealth | every digit |"]
    lines.append("| --- | ---: |" + " ---: |" * (len(KINDS) + 1) + " --- |")
    for row in rows:
        pairs = zip(row.shown, PUBLISHED[row.name], strict=True)
        cells = [ours if ours == theirs else f"{ours} ({theirs})" for ours, theirs in pairs]
        cells += [f"{row.bound - row.wealth[3]:.1e}", "yes" if row.agrees else "no"]
        lines.append(f"| {row.name} | {row.days} x {row.stocks} | {' | '.join(cells)} |")
    return "\n".join(lines)
