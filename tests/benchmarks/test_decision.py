"""The benchmark of decisions: worlds come from their seeds, changes are undone, figures are what they say."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks import decision_runs, decision_tables, worlds
from benchmarks.candidates import CANDIDATES, runs, tables
from benchmarks.decision_changes import CHANGES, SETTINGS, settings
from benchmarks.decision_runs import Case, Job, Source, run
from reallot.policy import experts, follow_the_leading_expert
from reallot.policy.base import Observation, Terms
from reallot.policy.follow_the_leading_expert import Replay
from reallot.policy.forecast import ridge
from reallot.policy.registry import policy
from reallot.policy.regret_budget import RegretBudget

SHORT = Source("world", "mixed", 1000, steps=120)
CASE = Case(SHORT, 0.1, "replay", "", 120, 4, net=15.0, never=10.0, optimum=20.0, milliseconds=0.5)


@pytest.mark.parametrize("family", decision_runs.FAMILIES)
def test_a_world_is_its_seed(family: str) -> None:
    step_hours, rates = worlds.world(family, 3)
    again, other = worlds.world(family, 3)[1], worlds.world(family, 4)[1]
    assert (step_hours, len(rates)) in worlds.CLOCKS and rates.shape[1] in worlds.SIZES
    assert np.array_equal(rates, again) and not np.array_equal(rates, other)
    assert np.isfinite(rates).all() and 0.09 < rates.mean() < 101.0


def test_seeds_that_served_to_choose_are_not_measured() -> None:
    chosen = {*range(32), *range(100, 108), *range(200, 210), *range(300, 350), *range(400, 416)}
    assert not chosen & set(decision_runs.SEEDS) and set(decision_runs.CHANGED_SEEDS) <= set(decision_runs.SEEDS)
    assert {name for _, _, names in SETTINGS for name in names} == {name for _, name, _, _ in settings()}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_undone(change: str) -> None:
    before = [dict(vars(place)) for place in (ridge, experts, follow_the_leading_expert)]
    fit = ridge.PooledRidge._fit
    with pytest.raises(ZeroDivisionError), CHANGES[change]():
        raise ZeroDivisionError
    assert [dict(vars(place)) for place in (ridge, experts, follow_the_leading_expert)] == before
    assert ridge.PooledRidge._fit is fit


HEAVY = Source("world", "heavy", 1004, steps=300)


@cache
def unchanged() -> Case:
    """What is decided without a change."""
    return next(case for case in run(Job(HEAVY, 0.1)) if case.policy == decision_runs.DEFAULT)


@pytest.mark.slow
@pytest.mark.parametrize("change", [change for change in CHANGES if change])
def test_a_change_changes_what_is_decided(change: str) -> None:
    (changed,) = run(Job(HEAVY, 0.1, change))
    assert changed.change == change and math.isnan(changed.optimum)
    assert changed.net != unchanged().net


def test_with_the_work_function_first_it_leads() -> None:
    terms = Terms(("relay", "compute"), 1.0, move_cost=1.0)
    seen = Observation(terms, 1, np.array([0.5, 0.5]), np.array([1.0, 2.0]))
    for change, leader in (("", "value"), ("work function leads first", "work function")):
        with CHANGES[change]():
            default = policy("replay")
            assert isinstance(default, RegretBudget)
            rule = default.policy
            assert isinstance(rule, Replay)
            rule.decide(seen)
            assert rule.leader.startswith(leader)


def test_the_share_of_the_gain_lies_between_never_and_the_optimum() -> None:
    assert CASE.gain == 0.5 and not CASE.below
    assert replace(CASE, net=9.0).below and replace(CASE, net=9.0).gain == pytest.approx(-0.1)
    assert math.isnan(replace(CASE, optimum=10.0).gain)


def test_a_trace_of_quotes_counts_with_them_only() -> None:
    with_signal, without = (Source("trace", decision_runs.QUOTED, signal=signal) for signal in (True, False))
    assert with_signal.counted and not without.counted
    cases = [replace(CASE, source=source) for source in (with_signal, without)]
    assert decision_tables.counted(cases) == cases[:1]


def test_differences_are_taken_source_by_source() -> None:
    one, other = SHORT, replace(SHORT, seed=1001)
    nets = {(one, "replay"): 15.0, (one, "ema"): 12.0, (other, "replay"): 18.0, (other, "ema"): 19.0}
    cases = [replace(CASE, source=source, policy=name, net=net) for (source, name), net in nets.items()]
    by_policy = decision_tables.by_policy
    apart = decision_tables.paired(cases, 0.1, by_policy("replay"), by_policy("ema"))
    assert apart == pytest.approx([0.3, -0.1])


def found(candidate: str, gains: list[float], part: str = runs.CHECK) -> list[runs.Gain]:
    return [
        runs.Gain(runs.Place(part, "walk", str(place), days), candidate, gain)
        for days in runs.COSTS
        for place, gain in enumerate(gains)
    ]


def test_a_candidate_is_better_that_gains_on_check_worlds_and_hurts_nowhere() -> None:
    default, one, two, *_ = CANDIDATES
    rows = found(default, [0.1, 0.2, 0.3]) + found(one, [0.2, 0.3, 0.3]) + found(two, [0.1, 0.2, 0.31])
    assert tables.better(rows) == [one]
    hurt = [replace(row, gain=-0.5) if row.candidate == one and row.place.days == 0.1 else row for row in rows]
    assert tables.better(hurt) == []
    assert "+0.067 ± 0.033 (2 up, 0 down)" in tables.table(rows)


@pytest.mark.slow
def test_a_run_of_candidates_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALLOT_TRACES", str(tmp_path / "none"))
    kept, (first, second) = tmp_path / "found.jsonl", runs.places(smoke=True)
    whole = list(runs.run(True, kept))
    assert {row.place for row in whole} == {first, second} and {row.candidate for row in whole} == {*CANDIDATES}
    kept.write_text("".join(kept.read_text().splitlines(keepends=True)[: len(CANDIDATES)]))
    before = kept.read_text()
    assert list(runs.run(True, kept)) == whole and kept.read_text().startswith(before)
