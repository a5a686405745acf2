"""Candidates against the default: made worlds to choose on, others to check with, and recorded traces.

Every result is one line of a file, and what stands there is not run again: a run that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from reallot.backtest.accounting import account
from reallot.backtest.hindsight import hindsight
from reallot.backtest.settings import Setting
from reallot.backtest.simulate import Course, walk
from reallot.backtest.table import RateTable

from .. import traces, worlds
from ..decision_runs import COSTS, FAMILIES, NOTHING, Source
from ..public_traces import DOMAINS
from . import CANDIDATES

CHOOSING, CHECKING = range(3000, 3016), range(3100, 3108)
"""Seeds of made worlds: neither served for anything before, and candidates were fixed before either was run."""
MOST_STEPS, MOST_SIZE = 300, 10
"""Of a made world: it is read so much more slowly, and of its alternatives the first ones are taken."""
TRACE_STEPS = 800
SMOKE_STEPS = 60
CHOOSE, CHECK, TRACE = "choose", "check", "trace"
FIRST_COST = COSTS[-1]
"""Run first: the cost at which candidates should help."""


@dataclass(frozen=True)
class Place:
    """Where candidates are compared.

    part   CHOOSE, CHECK or TRACE
    group  the family of a world, or the domain of a trace
    days   cost of a full move, in days of mean earnings
    """

    part: str
    group: str
    name: str
    days: float


@dataclass(frozen=True)
class Gain:
    """(net - never) / (optimum - never) of one candidate at one place; NaN where there is nothing to gain."""

    place: Place
    candidate: str
    gain: float


def places(smoke: bool) -> list[Place]:
    """All of them, those at the highest cost first; a few in smoke mode."""
    costs = [FIRST_COST] if smoke else sorted(COSTS, reverse=True)
    made = [
        Place(part, family, str(seed), days)
        for days in costs
        for part, seeds in ((CHOOSE, CHOOSING), (CHECK, CHECKING))
        for seed in (seeds[:1] if smoke else seeds)
        for family in (FAMILIES[-1:] if smoke else FAMILIES)
    ]
    if traces.folder() is None:
        return made
    domains = dict([next(iter(DOMAINS.items()))]) if smoke else DOMAINS
    recorded = [
        Place(TRACE, domain, name, days)
        for days in costs
        for domain, names in domains.items()
        for name in (names[:1] if smoke else names)
    ]
    return sorted([*made, *recorded], key=lambda place: -place.days)


def table_of(place: Place, smoke: bool) -> RateTable:
    """The rates of a place."""
    if place.part == TRACE:
        return Source("trace", place.name, steps=SMOKE_STEPS if smoke else TRACE_STEPS).table()
    step_hours, rates = worlds.world(place.group, int(place.name))
    slower = -(-len(rates) // (SMOKE_STEPS if smoke else MOST_STEPS))
    rates = rates[::slower, :MOST_SIZE]
    names = tuple(f"p{each:02d}" for each in range(rates.shape[1]))
    hours = step_hours * slower
    return RateTable(f"{place.group} {place.name}", names, np.arange(len(rates)) * hours, rates, hours)


def gains(place: Place, smoke: bool) -> list[Gain]:
    """Every candidate at one place."""
    table = table_of(place, smoke)
    if not table.rates.mean() > 0.0:
        return [Gain(place, name, float("nan")) for name in CANDIDATES]
    setting = Setting(cost_days=place.days)
    course = Course.of(table, setting)
    never = table.step_hours * float(table.rates.mean(axis=1).sum())
    optimum = hindsight(setting.whole_problem(table)).net
    most, found = optimum - never, []
    for name, make in CANDIDATES.items():
        net = float(account(walk(make(), course), course.start, table.rates, course.terms).net.sum())
        found.append(Gain(place, name, (net - never) / most if most > NOTHING * abs(optimum) else float("nan")))
    return found


def run(smoke: bool, kept: Path | None) -> Iterator[Gain]:
    """What is kept, then what is not: each is kept as soon as it is found."""
    known: dict[Place, list[Gain]] = {}
    if kept is not None and kept.exists():
        for line in kept.read_text().splitlines():
            row = json.loads(line)
            gain = Gain(Place(**row["place"]), row["candidate"], row["gain"])
            known.setdefault(gain.place, []).append(gain)
    for place in places(smoke):
        rows = known.get(place, [])
        if {row.candidate for row in rows} < CANDIDATES.keys():
            rows = gains(place, smoke)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with kept.open("a") as file:
                    file.write("".join(json.dumps(asdict(row)) + "\n" for row in rows))
        yield from rows


def cut(row: Gain) -> Gain:
    """With a gain below -1 as -1: one place must not decide."""
    return replace(row, gain=max(row.gain, -1.0))
