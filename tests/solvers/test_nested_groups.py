"""Nested groups by merging marginal gains: the same optimum, prices and conflicts as by a linear program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import AllocationProblem, EarningsCurve, Group, Infeasible, Limits, ProtocolSpec, allocate
from tests.test_independent_model import EXAMPLES


def nested(seed: int, size: int, depth: int, *, contradict: bool = True) -> AllocationProblem:
    """Protocols with curves, costs, bounds and ties, in groups cut in two and two again; some contradict each other."""
    random = np.random.default_rng(seed)
    names, idle = [f"p{i:04d}" for i in range(size)], bool(random.integers(2))
    current = random.dirichlet(np.ones(size)) * (0.8 if idle else 1.0)
    specs = []
    for name, share in zip(names, current.tolist(), strict=True):
        bent = EarningsCurve((0.0, 0.3), (0.0, 1.0), float(random.integers(0, 3)))
        curve = bent if random.random() < 0.3 else float(random.integers(-1, 6))
        most = None if random.random() < 0.5 else max(share, float(random.random()))
        specs.append(ProtocolSpec(name, curve, move_cost=float(random.choice([0.0, 0.1, 0.5])), max_share=most))
    groups: list[Group] = []

    def cut(low: int, high: int, level: int) -> None:
        if high <= low or level == 0:
            return
        now, kind = float(current[low:high].sum()), random.integers(4)
        cap = None if kind == 0 else now + float(random.choice([0.0, 0.05, 0.2]))
        floor = None if kind == 1 else max(0.0, now - float(random.choice([0.0, 0.05, 0.2, -0.02 * contradict])))
        floor = floor if floor is None or cap is None else min(floor, cap)
        groups.append(Group(f"g{low}-{high}", names[low:high], cap, None, floor))  # type: ignore[arg-type]
        if high - low > 1:
            middle = int(random.integers(low + 1, high))
            cut(low, middle, level - 1)
            cut(middle, high, level - 1)

    cut(0, max(1, size - int(random.integers(0, 2))), depth)
    return AllocationProblem(
        specs,
        dict(zip(names, current.tolist(), strict=True)),
        allow_idle=idle,
        horizon_hours=24,
        limits=Limits(groups=groups, max_change=0.3 if random.random() < 0.5 else None),  # type: ignore[arg-type]
    )


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_nested_groups_have_the_optimum_prices_and_conflicts_of_a_linear_program(seed: int, size: int) -> None:
    problem = nested(seed, size, 3)
    try:
        plan = allocate(problem)
    except Infeasible as one:
        with pytest.raises(Infeasible) as other:
            allocate(problem, solver="highs")
        assert str(other.value) == str(one)
        return
    assert plan.solver == "exact" and plan.certificate.bound_from == "row prices"
    by_program = allocate(problem, solver="highs")
    scale = max(1.0, by_program.certificate.scale)
    assert plan.certificate.objective == pytest.approx(by_program.certificate.objective, abs=1e-9 * scale)
    assert plan.prices.keys() == by_program.prices.keys()
    for name, price in by_program.prices.items():
        assert plan.prices[name] == pytest.approx(price, abs=1e-7), name


def test_five_hundred_protocols_in_groups_of_groups_are_proved_without_a_program() -> None:
    plan = allocate(nested(3, 500, 4, contradict=False))
    assert plan.solver == "exact" and plan.certificate.is_optimal and "program" not in vars(plan)
    assert "nested groups" in plan.solver_reason


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"groups": (Group("g", ("a", "b"), 0.6), Group("h", ("b", "c"), 0.6))}, "groups g and h overlap"),
        ({"groups": (Group("g", ("a", "b"), max_active=1),)}, "choice|counts its active|all or nothing"),
        ({"groups": (Group("g", ("a", "b"), 0.6),), "max_turnover": 0.2}, "turnover limit couples protocols"),
        ({"groups": (Group("g", ("a", "b"), 0.6),), "rules": ("a <= 0.5",)}, "rule a <= 0.5 couples protocols"),
    ],
)
def test_what_is_not_nested_goes_to_a_program_with_the_reason(limits: dict[str, object], why: str) -> None:
    problem = AllocationProblem(
        {"a": 3.0, "b": 2.0, "c": 1.0}, {"a": 0.3, "b": 0.0, "c": 0.7}, limits=Limits(**limits)  # type: ignore[arg-type]
    )  # fmt: skip
    plan = allocate(problem)
    assert plan.solver == "highs"
    assert any(part in plan.solver_reason for part in why.split("|"))


def test_a_plan_of_nested_groups_that_stays_has_no_dust() -> None:
    groups = (Group("g", ("a", "b"), max_share=0.7, min_share=0.2),)
    problem = AllocationProblem(
        dict.fromkeys("abc", 1.0), {"a": 0.1, "b": 0.2, "c": 0.7}, limits=Limits(groups=groups)
    )  # fmt: skip
    assert allocate(problem).shares.to_dict() == problem.current
