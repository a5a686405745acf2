"""Every hand-solved case on every backend that can: shares, money, prices, certificate."""

from __future__ import annotations

import pytest

from reallot import Allocation, AllocationProblem, Infeasible, InvalidInput, allocate
from reallot.solvers import BACKENDS
from reallot.solvers.single_period import concave_curves
from tests.known import IMPOSSIBLE, ITEMS, KNOWN, Known
from tests.known_cases.units import entering, gpus

CLOSE = {"exact": 1e-9, "horizon": 1e-9, "fees": 1e-9, "highs": 1e-9, "scipy": 1e-9, "pulp": 1e-6}


def takes(solver: str, problem: AllocationProblem) -> bool:
    """True where the backend does not decline the problem."""
    why_ineligible = BACKENDS[solver].why_ineligible
    return why_ineligible is None or why_ineligible(problem) is None


ANSWERED = [
    pytest.param(case, solver, id=f"{case}-{solver}")
    for case in KNOWN
    for solver in BACKENDS
    if takes(solver, case.problem)
]


@pytest.mark.parametrize(("case", "solver"), ANSWERED)
def test_shares_money_prices_and_certificate_are_those_found_by_hand(case, solver):
    plan = allocate(case.problem, solver=solver)
    assert plan.solver == solver and plan.status == "optimal"
    _shares_are_those_found_by_hand(case, plan)
    _money_is_that_found_by_hand(case, plan)
    for name, interval in case.prices.items():
        assert name in plan.prices, f"{name} is not among {list(plan.prices)}"
        assert tuple(plan.prices[name]) == pytest.approx(interval, abs=CLOSE[solver]), name
    assert plan.certificate.is_feasible
    if case.problem.limits.min_gain == 0.0:
        assert plan.certificate.is_optimal


def _shares_are_those_found_by_hand(case: Known, plan: Allocation) -> None:
    close = max(CLOSE[plan.solver], case.shares_to)
    if case.shares is not None:
        assert plan.shares.to_dict() == pytest.approx(dict(case.shares), abs=close)
    for period, shares in enumerate(case.later, start=1):
        planned = dict(zip(plan.problem.names, plan.schedule[period], strict=True))
        assert planned == pytest.approx(dict(shares), abs=close)


def _money_is_that_found_by_hand(case: Known, plan: Allocation) -> None:
    close = BACKENDS[plan.solver].tolerance * max(1.0, plan.certificate.scale)
    assert plan.net_benefit == pytest.approx(case.net_benefit, abs=close)
    assert plan.cost == pytest.approx(case.cost, abs=close)
    if case.earnings_per_hour is not None:
        assert plan.earnings_per_hour == pytest.approx(case.earnings_per_hour, abs=close)
        hours = case.problem.horizon_hours
        worth = case.worth if case.worth is not None else case.earnings_per_hour * hours - case.cost
        assert plan.certificate.objective == pytest.approx(worth, abs=close)


@pytest.mark.parametrize("case", KNOWN, ids=str)
def test_the_automatic_choice_agrees_and_says_why(case):
    why_not = concave_curves.why_ineligible(case.problem)
    plan = allocate(case.problem)
    assert plan.solver == next((name for name in ("exact", "fees") if takes(name, case.problem)), "highs")
    assert plan.net_benefit == pytest.approx(case.net_benefit, abs=1e-9 * max(1.0, plan.certificate.scale))
    if plan.solver == "highs":
        assert why_not is not None and why_not in plan.solver_reason
        with pytest.raises(InvalidInput, match="declines"):
            allocate(case.problem, solver="exact")


@pytest.mark.parametrize("case", IMPOSSIBLE, ids=str)
@pytest.mark.parametrize("solver", BACKENDS)
def test_what_no_split_meets_is_said_in_words_and_numbers(case, solver):
    if not takes(solver, case.problem):
        solver = "auto"
    with pytest.raises(Infeasible) as caught:
        allocate(case.problem, solver=solver)
    conflict = caught.value.conflict
    assert conflict is not None
    assert set(conflict.rules) == case.rules
    assert conflict.amount == pytest.approx(case.amount, abs=1e-7)
    for words in case.words:
        assert words in str(caught.value)


def test_a_unit_past_max_change_is_reported_as_unreachable():
    assert "gpu unreachable: unit 25 % > limit 20 %" in allocate(gpus(max_change=0.2)).notes


def test_an_entry_share_past_max_change_is_reported_as_unreachable():
    assert "a unreachable: entry 30 % > limit 20 %" in allocate(entering(max_change=0.2)).notes


@pytest.mark.parametrize("problem", [gpus, entering])
def test_a_jump_past_max_change_is_reported_and_not_called_unreachable(problem):
    notes = allocate(problem(max_change=0.2, allow_one_unit=True)).notes
    assert any("20 %" in note for note in notes)
    assert not any("unreachable" in note for note in notes)


def test_a_unit_within_max_change_has_no_note():
    assert allocate(gpus(max_change=0.25)).notes == ()


def test_every_item_has_cases_with_different_names():
    assert all(ITEMS.values())
    names = [case.name for case in (*KNOWN, *IMPOSSIBLE)]
    assert len(set(names)) == len(names)


def test_each_backend_answers_many_of_them():
    for solver in BACKENDS:
        answered = [param for param in ANSWERED if param.values[1] == solver]
        least = {"exact": 25, "horizon": 3, "fees": 3}
        assert len(answered) >= least.get(solver, len(KNOWN)), solver
