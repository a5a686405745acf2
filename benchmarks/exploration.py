"""What looking costs where only what holds a share is read: floors, probes, and bonuses, against reading everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

import numpy as np
import pandas as pd

from reallot import Limits, Setting
from reallot.backtest.accounting import account
from reallot.backtest.result import Backtest
from reallot.backtest.run import run_all
from reallot.backtest.simulate import Course, walk
from reallot.policy.base import Decision, Observation, Policy, Values, decided
from reallot.policy.probing import AHEAD_HOURS, Probing
from reallot.policy.reading_age import Staleness
from reallot.policy.registry import policy

from .worlds import FAMILIES, Drawing, Floats

DEFAULT = "replay"
STREAM = 78
SEEDS = (900, 901)
"""What was open in probes and bonuses was looked at on the seeds 910 and 911."""
SIZES = (10, 25)
CHOSEN = ("mixed", "walk", "season", "regime", "fast")
STEP_HOURS, STEPS, SMOKE_STEPS = 5.0 / 60.0, 2016, 288
COST, CHANGE, HOLD, NOISE = 0.25, 0.2, "15m", 0.2
"""USD per unit moved at a mean rate of 1 USD/h, most that a share changes in a step, hold, and noise of readings."""
BETA = 0.25
"""Deviations that the upper confidence bound adds, and Thompson's draws are multiplied by: the best of 0.06, 0.25 and 1
on seed 910. With a whole one both lose to never moving."""
FULL, FLOOR = "everything is read", "floor: 0.5 % each, 5 % at most"
RECOVERED, WITHIN, PUBLISHED = 0.98, 0.03, 0.66 - 0.71
"""To reach by the floor: so much of the earnings of who reads everything, and a capture no further below theirs than
the design's own table has it, less 0.03."""


class Bonus:
    """A policy's values with a bonus on whole shares: what the design found worse. `draws` makes it Thompson's."""

    def __init__(self, inner: Policy, draws: bool) -> None:
        self.name = f"{inner.name}, {'Thompson' if draws else 'UCB'}"
        self._inner, self._draws = inner, draws
        self._stale: Staleness | None = None
        self._random, self._drawn = np.random.default_rng(5), np.zeros(0)

    def decide(self, observation: Observation) -> Decision:
        """Values with the bonus; the inner policy sees what there is to see."""
        size, every = observation.terms.size, max(1, round(1.0 / observation.terms.step_hours))
        if self._stale is None:
            self._stale = Staleness(size)
        self._stale.take(observation.rates)
        answer = decided(self._inner.decide(observation), observation.terms, self.name)
        if not isinstance(answer, Values):
            return answer
        if self._draws and (observation.step % every == 0 or not self._drawn.size):
            self._drawn = self._random.standard_normal(size)
        times = self._drawn if self._draws else np.ones(size)
        return Values(answer.values + BETA * AHEAD_HOURS * times * self._stale.deviations())


@dataclass(frozen=True)
class Scheme:
    """One way of looking: the policy around the default one, and what of the setting is other."""

    name: str
    around: Callable[[Policy], Policy]
    setting: dict[str, Any]


def _as_is(inner: Policy) -> Policy:
    return inner


BANDIT: dict[str, Any] = {"feedback": "bandit", "explore": "none"}
SCHEMES = (
    Scheme(FULL, _as_is, {}),
    Scheme(FLOOR, _as_is, {"feedback": "bandit"}),
    Scheme("two probes of 1 %", lambda inner: Probing(inner, 0.01), {**BANDIT, "least": 0.01}),
    Scheme("two probes of 2 %", lambda inner: Probing(inner, 0.02), {**BANDIT, "least": 0.02}),
    Scheme("UCB on the whole share", lambda inner: Bonus(inner, draws=False), BANDIT),
    Scheme("Thompson sampling", lambda inner: Bonus(inner, draws=True), BANDIT),
    Scheme("no exploration", _as_is, BANDIT),
)


@dataclass(frozen=True)
class Looked:
    """One way in worlds of one size, means over worlds.

    earned    of the optimum's net earnings
    of_full   of what the same policy earns that reads everything
    capture   (policy - never) / (optimum - never)
    worst     the smallest capture
    plans     steps with a change
    cpu       processor milliseconds a step
    asked     least `of_full` and least capture; None where nothing is asked
    """

    size: int
    scheme: str
    earned: float
    of_full: float
    capture: float
    worst: float
    plans: float
    cpu: float
    asked: tuple[float, float] | None = None

    @property
    def reached(self) -> str:
        """In a word; "" where nothing was asked."""
        if self.asked is None:
            return ""
        return "yes" if self.of_full >= self.asked[0] and self.capture >= self.asked[1] else "no"


def world(family: str, seed: int, size: int, steps: int = STEPS) -> pd.DataFrame:
    """True rates of a week of five minutes, USD/h, mean 1; the same seed gives the same world."""
    draw = np.random.default_rng([STREAM, seed, list(FAMILIES).index(family), size])
    rates: Floats = FAMILIES[family](Drawing(draw, STEP_HOURS, STEPS, size, draw.normal(size=size)))
    rates = np.maximum(rates, 0.0)
    clock = pd.date_range("2026-01-01", periods=steps, freq="5min")
    return pd.DataFrame(rates[:steps] / rates.mean(), index=clock, columns=[f"p{i:02d}" for i in range(size)])


def setting(seed: int, changed: dict[str, Any]) -> Setting:
    """What a step costs and may do, in all worlds."""
    limits = Limits(max_change=CHANGE)
    return Setting(limits=limits, cost_usd=COST, hold=HOLD, noise=NOISE, seed=seed, **changed)


def measure(smoke: bool, repeats: int) -> list[Looked]:
    """All ways in all worlds; a few hours of one world in smoke mode. Nothing but times depends on `repeats`."""
    sizes, seeds = (SIZES[:1], SEEDS[:1]) if smoke else (SIZES, SEEDS)
    return [row for size in sizes for row in _of_size(size, seeds, smoke)]


def _of_size(size: int, seeds: Sequence[int], smoke: bool) -> Iterator[Looked]:
    walked: dict[str, list[Walked]] = {scheme.name: [] for scheme in SCHEMES}
    for family in CHOSEN[:1] if smoke else CHOSEN:
        for seed in seeds:
            rates = world(family, seed, size, SMOKE_STEPS if smoke else STEPS)
            both = run_all(rates, "never", setting(seed, {}))
            for scheme in SCHEMES:
                walked[scheme.name].append(_walked(scheme, both, seed))
    full = _looked(size, FULL, walked[FULL], walked[FULL])
    for scheme in SCHEMES:
        row = _looked(size, scheme.name, walked[scheme.name], walked[FULL])
        asks = scheme.name == FLOOR and not smoke
        yield replace(row, asked=(RECOVERED, full.capture + PUBLISHED - WITHIN)) if asks else row


@dataclass(frozen=True)
class Walked:
    """One way through one world: USD, steps with a change, processor seconds a step."""

    net: float
    never: float
    optimum: float
    plans: int
    seconds: float

    @property
    def capture(self) -> float:
        """(policy - never) / (optimum - never)."""
        return (self.net - self.never) / (self.optimum - self.never)


def _walked(scheme: Scheme, both: Backtest, seed: int) -> Walked:
    course = Course.of(both.table, setting(seed, scheme.setting))
    before = time.process_time()
    shares = walk(scheme.around(policy(DEFAULT)), course)
    seconds = (time.process_time() - before) / both.table.steps
    books = account(shares, course.start, course.table.rates, course.terms)
    plans = int((books.changed > 0.0).sum())
    return Walked(float(books.net.sum()), both.never.net, both.optimum.net, plans, seconds)


def _looked(size: int, scheme: str, walked: Sequence[Walked], full: Sequence[Walked]) -> Looked:
    captures = [each.capture for each in walked]
    return Looked(
        size,
        scheme,
        fmean(each.net / each.optimum for each in walked),
        fmean(each.net / other.net for each, other in zip(walked, full, strict=True)),
        fmean(captures),
        min(captures),
        fmean(each.plans for each in walked),
        1e3 * median(each.seconds for each in walked),
    )


def table(rows: Sequence[Looked]) -> str:
    """Markdown."""
    lines = [
        "| n | way | of the optimum | of who reads all | capture | worst | plans | CPU, a step | asked | reached |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for row in rows:
        numbers = f"{row.earned:.3f} | {row.of_full:.3f} | {row.capture:.2f} | {row.worst:.2f} | {row.plans:.0f}"
        asked = "" if row.asked is None else f"{row.asked[0]:.2f} and capture {row.asked[1]:.2f}"
        lines.append(f"| {row.size} | {row.scheme} | {numbers} | {row.cpu:.2f} ms | {asked} | {row.reached} |")
    return "\n".join(lines)


ABOUT = (
    f"Only what holds a share is read. The default policy, {STEPS:,} steps of five minutes, the families "
    f"{', '.join(CHOSEN)} of `worlds.py`, {len(SEEDS)} seeds each; {COST:g} USD per unit moved at a mean rate of "
    f"1 USD/h, a share changes by {CHANGE:g} a step at most, holds of {HOLD}, readings with {NOISE:.0%} noise, from "
    "the equal split. "
    "Means over worlds; capture is (policy - never) / (optimum - never), and the optimum has no floors. Probes last an "
    "hour and begin where the expected improvement pays for them; what holds less than a probe is not read there. UCB "
    "and Thompson sampling put their bonus on whole shares. What is asked of the floor is .98 of the earnings of who "
    "reads everything, and a capture no further below than the design's own table has it (.71 and .66), less 0.03."
)
