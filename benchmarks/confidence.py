"""Is a plan's confidence true? What the default policy said of the plans it took, against what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reallot import Setting
from reallot.backtest.accounting import account
from reallot.backtest.plan_confidence import PlanConfidence, gains
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import RateTable, read_table
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.reliability import Reliability, reliability

from . import traces
from .worlds import FAMILIES, Floats, world

NAMES = (
    "energy_load_eu_2020_2021",
    "energy_sell_us_2020_2021",
    "funding_2021_2022",
    "mining_nicehash_201802",
    "mining_zpool_201802",
    "gpu_rental_a100_2025",
)
SIGNALS = {"mining_zpool_201802": "mining_zpool_201802_signal"}
COSTS = (0.1, 1.0)
SEEDS = range(1100, 1104)
"""Of the made worlds; nothing was chosen on them."""
DRAWS = 1000
FEW = 10
"""Plans below which nothing is said of how true the numbers are."""


@dataclass(frozen=True)
class Taken:
    """The plans that were taken, one entry each.

    said   probability that it pays; NaN where too little was known
    hours  over which it is judged; NaN where nothing was known
    paid   1 where it had earned its cost back by then, 0 where not, NaN where the trace ends before
    block  number of the stretch of time, a day or the longest of these hours if that is more, in which it was made
    """

    said: Floats
    hours: Floats
    paid: Floats
    block: Floats


@dataclass(frozen=True)
class Truth:
    """How true the numbers are.

    hours   over which plans are judged, the median
    base    part that paid; mean: what was said of them on average
    brier   of what was said, and always_base of who says the base rate, known in hindsight; who says 0.5 has 0.25
    low, high  95 % interval of brier - always_base, by drawing blocks of time anew
    ece     expected calibration error, and the ends of its interval
    """

    hours: float
    base: float
    mean: float
    brier: float
    always_base: float
    low: float
    high: float
    ece: float
    ece_low: float
    ece_high: float


@dataclass(frozen=True)
class Judged:
    """One set at one cost, k days of mean earnings for moving everything.

    plans  taken; over: which ended within the trace; said: of these, with a number; true: None below FEW
    """

    what: str
    k: float
    plans: int
    over: int
    said: int
    true: Truth | None


@dataclass(frozen=True)
class Bin:
    """Plans of one kind of sets at one cost of which a probability from `low` to `high` was said."""

    what: str
    k: float
    low: float
    high: float
    said: float
    happened: float
    count: int


def taken(table: RateTable, k: float) -> Taken:
    """Every plan that the policy takes on the reference problem, with what it said of it and what came of it."""
    course, heard = Course.of(table, Setting(cost_days=k)), PlanConfidence()
    shares = walk(Replay(), course, heard)
    changes = np.diff(np.vstack([course.start, shares]), axis=0)
    steps = np.flatnonzero(changes.any(axis=1))
    said, hours = heard.of(steps)
    costs = account(shares, course.start, table.rates, course.terms).cost[steps]
    net = gains(changes[steps], steps, hours, table) - costs
    longest = max(24.0, float(np.nanmax(hours, initial=0.0)))
    block = np.asarray(steps * table.step_hours // longest, dtype=float)
    return Taken(said, hours, np.where(np.isnan(net), np.nan, net > 0.0), block)


def judged(what: str, k: float, sets: Sequence[Taken]) -> tuple[Judged, Reliability | None]:
    """The figures of several traces together; the diagram is None where there are too few plans."""
    said, paid = np.concatenate([each.said for each in sets]), np.concatenate([each.paid for each in sets])
    block = np.concatenate([1e6 * place + each.block for place, each in enumerate(sets)])
    over = ~np.isnan(paid)
    both = over & ~np.isnan(said)
    counts = (len(said), int(over.sum()), int(both.sum()))
    if counts[2] < FEW:
        return Judged(what, k, *counts, None), None
    seen = reliability(said[both], paid[both])
    better, off = _drawn(said[both], paid[both], block[both])
    low, high, ece_low, ece_high = (float(np.quantile(each, q)) for each in (better, off) for q in (0.025, 0.975))
    hours = float(np.median(np.concatenate([each.hours for each in sets])[both]))
    known = (hours, seen.base, float(said[both].mean()), seen.brier, seen.base_brier)
    return Judged(what, k, *counts, Truth(*known, low, high, seen.ece, ece_low, ece_high)), seen


def _drawn(said: Floats, paid: Floats, block: Floats) -> tuple[Floats, Floats]:
    """Brier score less that of the base rate, and ECE, of DRAWS draws of whole blocks."""
    draw = np.random.default_rng(1)
    names, place = np.unique(block, return_inverse=True)
    of = [np.flatnonzero(place == number) for number in range(len(names))]
    better, off = np.empty(DRAWS), np.empty(DRAWS)
    for number in range(DRAWS):
        rows = np.concatenate([of[each] for each in draw.integers(len(of), size=len(of))])
        seen = reliability(said[rows], paid[rows])
        better[number], off[number] = seen.brier - seen.base_brier, seen.ece
    return better, off


def measure(smoke: bool, repeats: int) -> list[Judged | Bin]:
    """Every trace and the made worlds at both costs; in smoke mode one short made world."""
    rows: list[Judged | Bin] = []
    for k in COSTS:
        made = list(_made(k, smoke))
        real = {} if smoke or traces.folder() is None else {name: taken(_trace(name), k) for name in NAMES}
        for name, plans in real.items():
            rows.append(judged(name, k, [plans])[0])
        for what, sets in (("all traces", list(real.values())), ("made worlds", made)):
            if not sets:
                continue
            row, seen = judged(what, k, sets)
            rows += [row, *(() if seen is None else _bins(what, k, seen))]
    return rows


def _bins(what: str, k: float, seen: Reliability) -> Iterator[Bin]:
    for place in np.flatnonzero(seen.counts).tolist():
        low, high = float(seen.edges[place]), float(seen.edges[place + 1])
        yield Bin(what, k, low, high, float(seen.said[place]), float(seen.happened[place]), int(seen.counts[place]))


def _made(k: float, smoke: bool) -> Iterator[Taken]:
    for seed in SEEDS[:1] if smoke else SEEDS:
        for family in list(FAMILIES)[:1] if smoke else FAMILIES:
            hours, rates = world(family, seed)
            rates = rates[:400] if smoke else rates
            names = tuple(f"p{place:02d}" for place in range(rates.shape[1]))
            yield taken(RateTable(family, names, np.arange(len(rates)) * hours, rates, hours), k)


def _trace(name: str) -> RateTable:
    folder = traces.folder()
    assert folder is not None
    signal = folder / f"{SIGNALS[name]}.csv.gz" if name in SIGNALS else None
    return read_table(folder / f"{name}.csv.gz", signal=signal)


def left_out() -> str:
    """What could not be measured here, in words."""
    return "" if traces.folder() is not None else "traces left out, no data; point REALLOT_TRACES at their folder"


def table(rows: Sequence[Judged | Bin]) -> str:
    """Both tables as Markdown."""
    lines = [
        "| set | k | plans | over | with a number | judged over, h | paid | said | Brier | base rate | 0.5 "
        "| Brier less base rate's, 95 % | ECE, 95 % |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if not isinstance(row, Judged):
            continue
        line = f"| {row.what} | {row.k:g} | {row.plans:,} | {row.over:,} | {row.said:,} |"
        if row.true is None:
            lines.append(f"{line} too few{' |' * 8}")
            continue
        true = row.true
        numbers = (
            f"{true.hours:g} | {true.base:.2f} | {true.mean:.2f} | {true.brier:.3f} | {true.always_base:.3f} | 0.25"
        )
        spans = f"{true.low:+.3f} to {true.high:+.3f} | {true.ece:.3f} ({true.ece_low:.3f} to {true.ece_high:.3f})"
        lines.append(f"{line} {numbers} | {spans} |")
    lines += ["", "| set | k | said from | to | mean said | paid | plans |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        if isinstance(row, Bin):
            numbers = f"{row.low:.1f} | {row.high:.1f} | {row.said:.2f} | {row.happened:.2f} | {row.count:,}"
            lines.append(f"| {row.what} | {row.k:g} | {numbers} |")
    return "\n".join(lines)


ABOUT = (
    "The default policy on the reference problem; k is the cost of moving everything in days of mean earnings. A plan "
    "has paid where the shares it changed had earned more than it cost by the end of the horizon over which it was "
    "judged, the one where it looked surest. Only plans that were taken, that are over, and of which something was "
    f"said count; below {FEW} of them nothing is said here. Plans overlap: intervals are from drawing whole stretches "
    f"of time anew (a day, or the longest horizon if that is more), {DRAWS:,} times. The base rate's Brier score knows "
    f"in hindsight how many paid. Made worlds: nine families, seeds {SEEDS[0]} to {SEEDS[-1]}, on which nothing was "
    "chosen."
)
