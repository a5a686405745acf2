"""The engine through histories in which everything goes wrong, and broken engines that the same histories must find.

REALLOT_SEEDS="5000,2000" runs so many seeds without and with the repair loop and late effects; else 300 and 150 of them
in the profile ci, 100 and 50 in others.
"""

from __future__ import annotations

import os

import pytest

from tests.engine.execution.defects import DEFECTS, ENTERED, PLANTED
from tests.engine.execution.simulation import simulate

MANY = "300,150" if os.environ.get("HYPOTHESIS_PROFILE") in ("ci", "nightly") else "100,50"
PLAIN, LATE = (int(each) for each in os.environ.get("REALLOT_SEEDS", MANY).split(","))
CHUNK = 50
MOST_SEEDS = 200


def chunks(seeds):
    return [range(start, min(start + CHUNK, seeds)) for start in range(0, seeds, CHUNK)]


def wrong(results):
    return [f"seed {each.seed}: {each.violations[0]}" for each in results if each.violations]


def worst_stretch(results):
    """The 99th percentile over histories of the longest silent divergence in each, s."""
    longest = sorted(max(each.idle_divergence, default=0.0) for each in results)
    return longest[(len(longest) * 99 - 1) // 100]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(PLAIN), ids=str)
def test_no_history_violates_an_invariant_or_diverges_in_silence(seeds):
    """Without late effects nothing is ever other than an idle engine believes."""
    results = [simulate(each) for each in seeds]
    assert not wrong(results)
    assert not any(each.idle_divergence for each in results)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(LATE), ids=str)
def test_nor_does_one_with_late_effects_and_the_repair_loop(seeds):
    assert not wrong([simulate(each, late=True) for each in seeds])


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(LATE), ids=str)
def test_nor_does_one_whose_changes_take_ten_minutes_and_are_looked_for_between_cycles(seeds):
    results = [simulate(each, late=True, slow=True) for each in seeds]
    assert not wrong(results)
    assert sum(each.counts["no: busy"] for each in results) > len(results)


@pytest.mark.slow
def test_an_engine_that_looks_every_minute_is_not_deceived_for_more_than_two():
    """With late effects and a cycle of 60 s, the 99th percentile of the longest idle divergence is <= 120 s."""
    results = [simulate(each, late=True, cycle=60.0) for each in range(max(100, LATE // 2))]
    assert not wrong(results)
    assert worst_stretch(results) <= 120.0


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFECTS)
def test_every_planted_defect_is_found(name):
    """Within 200 histories each, with the repair loop and without it, as the defect has it."""
    plant, how = DEFECTS[name]
    with plant():
        found = next((seed for seed in range(MOST_SEEDS) if simulate(seed, **how).violations), None)
    assert found is not None, f"{name} passes {MOST_SEEDS} seeds"
    assert PLANTED == ENTERED, f"{name} replaces {', '.join(sorted(PLANTED - ENTERED))}, which nobody runs"


def test_a_seed_is_one_history():
    one, two = simulate(11, late=True), simulate(11, late=True)
    assert (one.counts, one.idle_divergence) == (two.counts, two.idle_divergence)
    assert one.counts["calls"] and one.counts["crashes"]


@pytest.mark.slow
def test_the_histories_are_as_bad_as_they_should_be():
    """Every fault, an engine that was killed, halted, resumed and waited: or the other tests say little."""
    total = simulate(0, late=True).counts
    for seed in range(1, 25):
        total += simulate(seed, late=True).counts
    faults = ["ok", "before", "after", "refuse", "hang", "hang after", "ignore", "late"]
    wanted = [f"apply {each}" for each in faults] + [f"read {each}" for each in ("fail", "hang", "nan", "negative")]
    wanted += ["crashes", "jumps", "entries", "no: hold", "no: budget", "no: rolled_back", "no: settling"]
    assert not [each for each in wanted if total[each] < 5]
    assert total["no: halted"] and total["resumed"]
