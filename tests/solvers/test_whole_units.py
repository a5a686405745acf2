"""Sums of whole units: as good as a second reading of the rules, with the rates that a search finds."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.explain import Case, problem
from reallot import AllocationProblem, Limits, ProtocolSpec, allocate
from reallot.allocation.no_trade_rates import thresholds
from reallot.allocation.rate_search import RateSearch
from reallot.allocation.time_budget import TimeBudget
from reallot.allocation.unit_rates import UnitRates, why_ineligible
from reallot.solvers.single_period import whole_units
from tests import independent_model as model
from tests.machine import slower
from tests.strategies import budget
from tests.test_independent_model import ROUNDING, off_by, problems, same, worth


def off_grid(size: int, *, idle: bool, features: tuple[str, ...] = ("step",)) -> AllocationProblem:
    """Shares off their grids of 0.05."""
    return replace(problem(Case("allocate", size, 1, frozenset(features)), 0), allow_idle=idle)


def summed(asked: AllocationProblem) -> float | None:
    """The best worth by sums of units; None where there is no plan."""
    best = whole_units.options(asked).best()
    assert best is not None
    return None if np.isneginf(best[1]) else best[1]


@pytest.mark.slow
@budget(0.5)
@given(asked=problems(always=("all in steps",)))
def test_sums_are_worth_what_a_second_reading_of_the_rules_says(asked: AllocationProblem) -> None:
    asked = replace(asked, limits=replace(asked.limits, plan_fee=0.0))  # what a whole plan pays is no part of its sums
    if whole_units.why_ineligible(asked) is not None:
        return
    found = summed(asked)
    assert same(found, model.best(asked)) or same(found, model.best(off_by(asked, -ROUNDING)))
    assert same(worth(asked), found)


@pytest.mark.slow
@budget(0.2)
@given(asked=problems(always=("all in steps",)), data=st.data())
def test_the_best_with_each_option_is_the_best_of_a_problem_that_holds_it_there(
    asked: AllocationProblem, data: st.DataObject
) -> None:
    if whole_units.why_ineligible(asked) is not None:
        return
    options = whole_units.options(asked)
    each = options.best_with_each(-np.inf)
    assert each is not None
    i, k = data.draw(st.sampled_from(np.argwhere(np.isfinite(options.worth)).tolist() or [(0, 0)]))
    share = float(options.share[i, k])
    found = summed(replace(asked, protocols=[
        replace(spec, min_share=share, max_share=share, entry_share=0.0, lock_in=None) if at == i else spec
        for at, spec in enumerate(asked.specs)
    ])) if np.isfinite(options.worth[i, k]) else None  # fmt: skip
    assert same(None if np.isneginf(each[i, k]) else float(each[i, k]), found)


@pytest.mark.slow
@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("features", [("step",), ("step", "fee"), ("step", "max_moves"), ("step", "curve", "min_move")])
def test_rates_are_those_of_a_search(features: tuple[str, ...], idle: bool) -> None:
    plan = allocate(off_grid(4, idle=idle, features=features))
    in_units, searched = UnitRates(plan), RateSearch(plan, TimeBudget(None))
    for i in np.flatnonzero(plan.schedule[0] == plan.problem.arrays.current).tolist():
        for sign in (1.0, -1.0):
            assert in_units.shift(i, sign) == pytest.approx(searched.shift(i, sign).low, abs=1e-7)


def test_sums_of_units_off_their_grid_by_hand() -> None:
    # a and b stand off the grid. Two may move: c takes 0.1 of the 0.15 that b gives, and 0.05 stays idle
    specs = [ProtocolSpec("a", 2.0, step=0.1), ProtocolSpec("b", 1.0, step=0.1), ProtocolSpec("c", 3.2, step=0.1)]
    asked = AllocationProblem(
        specs, {"a": 0.55, "b": 0.35, "c": 0.1}, allow_idle=True, limits=Limits(max_change=0.15, max_moves=2)
    )
    plan = allocate(asked)
    assert plan.shares.round(9).to_dict() == {"a": 0.55, "b": 0.2, "c": 0.2}
    assert plan.certificate.objective == pytest.approx(1.1 + 0.2 + 0.64) and plan.certificate.is_optimal
    # in c's place a could take 0.15: 1.4 + 0.2 + 0.32 is 0.02 USD less, which 0.15 of a share makes up for
    (a,) = thresholds(plan)
    assert a.takes_at == pytest.approx(2.0 + 0.02 / 0.15)


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("size", [10, 20])
def test_no_search_is_needed(size: int, idle: bool) -> None:
    began = process_time()
    options = whole_units.options(off_grid(size, idle=idle))
    best = options.best()
    assert best is not None and np.isfinite(best[1])
    assert process_time() - began < 0.5 * slower()


def test_too_many_sums_are_not_looked_into() -> None:
    assert whole_units.options(off_grid(50, idle=False)).best() is None


def test_a_rate_that_moves_nothing_within_the_limits_is_said_to_be_none() -> None:
    specs = [ProtocolSpec("a", 2.0, step=0.25), ProtocolSpec("b", 1.0, step=0.25, max_share=0.25)]
    plan = allocate(AllocationProblem(specs, {"a": 0.75, "b": 0.25}, limits=Limits(max_change=0.1)))
    assert why_ineligible(plan) is None
    assert [(stay.takes_at, stay.gives_at) for stay in thresholds(plan)] == [(None, None), (None, None)]


@pytest.mark.parametrize(
    ("limits", "more", "word"),
    [
        (Limits(max_turnover=0.1), {}, "turnover"),
        (Limits(max_change=0.01, allow_one_unit=True), {}, "allow_one_unit"),
        (Limits(), {"periods": 2}, "periods"),
        (Limits(), {"resources": {"cpu": 9.0}}, "resources"),
    ],
)
def test_what_couples_more_than_one_capacity_is_declined(limits: Limits, more: dict[str, object], word: str) -> None:
    specs = [ProtocolSpec("a", 2.0, step=0.25), ProtocolSpec("b", 1.0, step=0.25)]
    asked = AllocationProblem(specs, {"a": 0.75, "b": 0.25}, limits=limits, **more)  # type: ignore[arg-type]
    assert word in (whole_units.why_ineligible(asked) or "")


def test_a_protocol_that_moves_by_any_amount_is_declined() -> None:
    specs = [ProtocolSpec("a", 2.0, step=0.25), ProtocolSpec("b", 1.0)]
    assert "whole units" in (whole_units.why_ineligible(AllocationProblem(specs, {"a": 0.75, "b": 0.25})) or "")


@pytest.mark.parametrize("features", [("step",), ("step", "fee"), ("step", "max_moves")])
@pytest.mark.parametrize("idle", [True, False])
def test_shares_to_begin_with_never_change_what_is_best(features: tuple[str, ...], idle: bool) -> None:
    asked = off_grid(6, idle=idle, features=features)
    options, random = whole_units.options(asked), np.random.default_rng(0)
    best = options.best()
    assert best is not None and np.isfinite(best[1])
    drawn = [options.share[np.arange(6), random.integers(0, options.share.shape[1], 6)] for _ in range(20)]
    for known in (best[0], asked.arrays.current, np.full(6, 7.0), *drawn):
        again = options.best(known)
        assert again is not None and again[1] == pytest.approx(best[1], rel=1e-12)
        np.testing.assert_array_equal(again[0], best[0])


def test_shares_that_break_a_rule_are_worth_nothing_to_begin_with() -> None:
    asked = replace(off_grid(4, idle=True, features=("step", "max_moves")), capacity=0.5)
    options = whole_units.options(asked)
    assert np.isneginf(options._worth_of(np.full(4, 0.3)))  # above the capacity, and more moves than may be made
    best = options.best()
    assert best is not None and options._worth_of(best[0]) == pytest.approx(best[1], rel=1e-12)
    assert np.isneginf(options._worth_of(best[0] + 0.01))
