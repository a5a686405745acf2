"""A schedule meets the program exactly where it meets the problem, and is worth the same in both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from reallot import AllocationProblem, CVaR, RateUncertainty, certify, formulate
from reallot.formulation import complete, given_choices, schedule_of
from reallot.problem.objective import value
from tests.formulation.meets import broken
from tests.strategies import KINDS, budget, problems

GRID = 8
FILES = {
    "moves": (
        "flat rates",
        "idle and reserve",
        "turnover",
        "costs and warm-up",
        "floors",
        "fees",
        "max moves",
        "smallest move",
        "several periods",
        "fees over periods",
    ),
    "cost_tiers": ("tiers", "falling tiers"),
    "change_limits": ("directions", "hold after change"),
    "earnings": ("concave curves", "bent curves", "everything on one capacity"),
    "choices": (
        "entry shares",
        "units",
        "one unit past max change",
        "one of a group",
        "so many of a group",
        "choices over periods",
    ),
    "resources": ("resources and groups", "group floors and relations", "resources alone"),
    "risk": ("CVaR", "robust", "periods with groups and CVaR"),
}
every_file = pytest.mark.parametrize("file", FILES)


@st.composite
def schedules(draw: st.DrawFn, file: str) -> tuple[AllocationProblem, np.ndarray]:
    """A problem on a grid and shares on the same grid: staying, a few moves between two places, or anything."""
    kind = draw(st.sampled_from(FILES[file]))
    problem = draw(problems(kind, grid=GRID, sizes=(1, 4), periods=(2, 3)))
    assume((problem.arrays.lower <= problem.arrays.upper).all())
    size = len(problem.names)
    row = np.round(np.array([problem.current[name] for name in problem.names]) * GRID)
    rows = []
    for _ in range(problem.periods):
        row = row.copy()
        if draw(st.integers(0, 9)) == 0:
            row = np.array([float(draw(st.integers(0, GRID))) for _ in range(size)])
        for _ in range(draw(st.integers(0, 2))):
            taker, giver = draw(st.integers(0, size)), draw(st.integers(0, size))
            amount = float(draw(st.integers(0, 3)))
            amount = min(amount, row[giver]) if giver < size else amount
            for place, change in ((taker, amount), (giver, -amount)):
                if place < size:
                    row[place] += change
        rows.append(row / GRID)
    return problem, np.array(rows)


def worth(problem: AllocationProblem, schedule: np.ndarray) -> float:
    """Expected earnings, tail and worst case less costs, from the problem: USD over the horizon."""
    money = value(problem, schedule)
    if isinstance(problem.risk, CVaR):
        weight = problem.risk.weight
        return (1 - weight) * money.earnings.sum() * money.hours + weight * tail(problem, schedule) - money.cost
    if isinstance(problem.risk, RateUncertainty):
        radius = problem.risk.radius
        names, hours = problem.names, problem.horizon_hours / problem.periods
        radii = [radius.get(name, 0.0) if isinstance(radius, dict) else radius for name in names]
        losses = sorted((hours * r * s for r, s in zip(radii, schedule.sum(axis=0), strict=True)), reverse=True)
        parts = np.clip(problem.risk.budget - np.arange(len(losses)), 0.0, 1.0)
        return money.net - float(parts @ losses)
    return money.net


def tail(problem: AllocationProblem, schedule: np.ndarray) -> float:
    """Mean earnings over the worst 1 - level of the scenarios."""
    left, total = 1 - problem.risk.level, 0.0
    earnings = [earned(problem, schedule, s) for s in range(problem.scenarios.count)]
    for money, probability in sorted(zip(earnings, problem.scenarios.probabilities, strict=True)):
        part = min(left, probability)
        total, left = total + part * money, left - part
    return total / (1 - problem.risk.level)


def earned(problem: AllocationProblem, schedule: np.ndarray, s: int) -> float:
    """Earnings of scenario s over the horizon, USD."""
    total, hours = 0.0, problem.horizon_hours / problem.periods
    for i, spec in enumerate(problem.specs):
        for t, share in enumerate(schedule[:, i]):
            curve = spec.curve[t] if isinstance(spec.curve, tuple) else spec.curve
            money = curve.value(share)
            if spec.name in problem.scenarios.rates:
                path = problem.scenarios.rates[spec.name][s]
                money = share * path[t if len(path) > 1 else 0]
            elif spec.name in problem.scenarios.factors:
                path = problem.scenarios.factors[spec.name][s]
                money *= path[t if len(path) > 1 else 0]
            total += hours * money
    return total


@pytest.mark.slow
@every_file
@budget(1.5)
@given(data=st.data())
def test_a_schedule_meets_the_program_exactly_where_it_meets_the_problem(file, data):
    """... is worth the same there, is read back as it is, and meets what is left once its own choices are made."""
    problem, schedule = data.draw(schedules(file))
    why = broken(problem, schedule)
    event("meets all rules" if why is None else "breaks a rule")
    program = formulate(problem)
    point = complete(problem, program, schedule)
    certificate = certify(program, point)
    assert certificate.is_feasible == (why is None), f"{why}; program: {certificate} at {certificate.worst_place}"
    if why is not None:
        return
    assert program.objective(point) == pytest.approx(worth(problem, schedule), rel=1e-9, abs=1e-9)
    assert schedule_of(problem, program, point) == pytest.approx(schedule, abs=1e-12)
    left = given_choices(problem, program, point)
    assert not left.is_mixed_integer
    assert certify(left, point).is_feasible
    assert left.objective(point) == program.objective(point)


def test_every_kind_of_problem_belongs_to_a_file():
    assert sorted(kind for kinds in FILES.values() for kind in kinds) == sorted(KINDS)
