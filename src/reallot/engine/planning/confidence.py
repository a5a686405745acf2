"""How sure a plan is: the probability that its net benefit is above 0, from how rates spread in the past."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .rate_estimation import RateEstimate, RateRules

SLOPE, MOST = 1.7, 4.0
"""P = 1 / (1 + exp(-SLOPE * score)): nearly the normal distribution; scores beyond MOST count as MOST."""


def confidence(
    gains: Mapping[str, float],
    net_benefit: float,
    horizon_hours: float,
    estimates: Mapping[str, RateEstimate],
    rules: RateRules,
) -> float | None:
    """P(net benefit > 0), in (0, 1); None where fewer than `rules.least_blocks` past stretches tell of all that moves.

    `gains` is, by protocol that moves, the change of its earnings (USD/h) for each unit of its rate. What the plan
    would have gained in each past stretch, g[m] = sum_i gains[i] * rate[m, i], spreads with deviation sd over n of
    them, and

        score = net benefit / (horizon * sd * sqrt((1 + 1/n) * (n - 1) / (n - 3)))

    The last factor is that of a forecast from n values (the spread of Student's t), so that more evidence of the same
    spread is worth more; so is a larger benefit, and a smaller spread.

    >>> from reallot.engine.planning.rate_estimation import Block
    >>> rules = RateRules(least_blocks=4)
    >>> past = tuple(Block(number, rate, 1.0) for number, rate in enumerate((1.9, 2.1, 1.9, 2.1)))
    >>> round(confidence({"relay": 0.2}, 0.48, 24.0, {"relay": RateEstimate("relay", 2.0, 2.0, past=past)}, rules), 2)
    0.68
    """
    if not gains:
        return None
    known = [(gain, estimates[name].blocks) for name, gain in gains.items() if name in estimates]
    common = set.intersection(*(set(blocks) for _, blocks in known)) if len(known) == len(gains) else set()
    n = len(common)
    if n < max(rules.least_blocks, 4):
        return None
    numbers = sorted(common)
    past = list(map(sum, zip(*([gain * blocks[number] for number in numbers] for gain, blocks in known), strict=True)))
    mean = math.fsum(past) / n
    sd = math.sqrt(math.fsum((gain - mean) ** 2 for gain in past) / (n - 1))
    spread = horizon_hours * sd * math.sqrt((1.0 + 1.0 / n) * (n - 1.0) / (n - 3.0))
    score = MOST if spread * MOST <= abs(net_benefit) else abs(net_benefit) / spread
    return 1.0 / (1.0 + math.exp(-SLOPE * math.copysign(score, net_benefit)))
