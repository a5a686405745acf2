"""A search that stops before its end gives its best plan, the proved gap, and says so in every output."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from reallot import Allocation, AllocationProblem, Limits, ProtocolSpec, allocate, formulate, session
from reallot.cli.plan_text import plan_text
from reallot.cli.screen import Screen
from reallot.formulation import complete
from reallot.program import Status
from reallot.solvers.backends import search_seconds
from reallot.solvers.programs import mixed_integer
from tests.machine import slower


def off_grid(size: int = 50) -> AllocationProblem:
    """Shares off their grids of 0.05, all of the capacity: sums that hardly ever fit, so that no search ends soon.

    A turnover limit that never binds keeps them from being summed without a search.
    """
    random = np.random.default_rng(1)
    rates, costs, current = random.random(size), random.uniform(1.0, 9.0, size), random.dirichlet(np.ones(size))
    names = [f"p{k:02d}" for k in range(size)]
    rows = zip(names, rates.tolist(), costs.tolist(), strict=True)
    specs = [ProtocolSpec(name, 1.0 + rate, move_cost=cost, step=0.05) for name, rate, cost in rows]
    shares, limits = dict(zip(names, current.tolist(), strict=True)), Limits(max_turnover=1.0)
    return AllocationProblem(specs, shares, horizon_hours=24.0, limits=limits)


def is_told(plan: Allocation) -> None:
    """The stopped search and its gap are in the reasons, the values, the text and the page."""
    certificate = plan.certificate
    assert plan.status == "stopped" and certificate.is_feasible and not certificate.is_optimal
    assert certificate.bound_from == "branch and bound" and certificate.gap is not None and 0.0 < certificate.gap < 0.1
    more = certificate.bound - certificate.objective  # type: ignore[operator]
    note = plan.notes[0]
    assert note.startswith("the search stopped before its end: another plan may be worth up to ")
    assert f"{more:.2g}"[:3] in note and note.endswith("% (proved)")
    assert note in plan.reasons and note in str(plan)
    assert plan.to_dict()["status"] == "stopped" and note in plan.to_dict()["reasons"]
    assert json.loads(plan.to_json())["certificate"]["gap"] == certificate.gap
    text = plan_text(plan, Screen(width=400))
    assert note in text and "Stopped by the time limit" in text
    assert not any("no move that the limits allow" in reason for reason in plan.reasons)


@pytest.mark.slow
def test_a_search_that_does_not_end_stops_by_itself_and_tells_its_proved_gap() -> None:
    began = process_time()
    plan = allocate(off_grid())
    assert process_time() - began < 20.0 * slower()
    is_told(plan)
    assert plan.net_benefit > 0.0  # staying is feasible: what is found is better


@pytest.mark.slow
def test_a_time_limit_of_ones_own_stops_it_sooner() -> None:
    plan = allocate(off_grid(), time_limit_seconds=0.5)
    assert plan.timings["total"] < 4.0
    is_told(plan)


def test_without_a_limit_of_ones_own_a_search_has_five_seconds_and_infinity_is_no_limit() -> None:
    assert search_seconds(None) == 5.0
    assert search_seconds(math.inf) is None
    assert search_seconds(0.25) == 0.25
    live = session(off_grid(3))
    live.solve()
    assert live._search_seconds == 5.0


def test_a_search_without_time_gives_the_point_that_is_known_and_no_bound() -> None:
    problem = off_grid(4)
    program = formulate(problem)
    staying = complete(problem, program, problem.arrays.staying)
    solution = mixed_integer.solve(program.beginning_at(staying), time_limit_seconds=0.0)
    assert solution.status is Status.STOPPED and not solution.proved and solution.bound is None
    assert solution.values is not None and program.objective(solution.values) == program.objective(staying)


def test_a_plan_without_any_bound_says_that_its_gap_is_not_known() -> None:
    plan = allocate(off_grid(4), time_limit_seconds=0.0)
    assert plan.status == "stopped" and plan.certificate.gap is None
    assert "the search stopped before its end: how much better another plan could be is not known" in plan.reasons
    assert "gap unknown" in str(plan.certificate)
    assert json.loads(plan.to_json())["certificate"]["bound"] is None


def test_a_plan_that_a_stopped_search_found_and_min_gain_sets_aside_is_not_called_none() -> None:
    problem = AllocationProblem({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 0.0}, limits=Limits(min_gain=5.0))
    stopped = replace(allocate(problem), status="stopped")
    assert any(reason.startswith("the best plan is worth 1") for reason in stopped.reasons)
    assert not any(reason.startswith("stay: ") for reason in stopped.reasons)
