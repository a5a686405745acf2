"""A limit that stands exactly at a breakpoint has two slopes, and its price shows both."""

from __future__ import annotations

import pytest

import reallot as ra

CURVE = ra.EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])
"""3 USD/h per unit up to 0.3, then 1 up to 0.6, then nothing."""


@pytest.mark.parametrize("solver", ["exact", "highs"])
def test_capacity_that_ends_at_a_breakpoint_is_worth_less_than_its_last_unit(solver: str) -> None:
    """All 0.3 go to storage at 3. One more unit goes to the relay at 2, storage's next piece earns 1."""
    problem = ra.AllocationProblem({"storage": CURVE, "relay": 2.0}, {"storage": 0.0, "relay": 0.0}, capacity=0.3)
    assert ra.allocate(problem, solver=solver).prices["capacity"] == pytest.approx((2.0, 3.0))


@pytest.mark.parametrize("solver", ["exact", "highs"])
def test_a_max_share_that_ends_at_a_breakpoint_is_worth_what_comes_after_it(solver: str) -> None:
    """Storage is full at 0.3, the relay has 0.7 at 0.4. One more of max_share brings 1 - 0.4, the last 3 - 0.4."""
    storage = ra.ProtocolSpec("storage", CURVE, max_share=0.3)
    problem = ra.AllocationProblem([storage, ra.ProtocolSpec("relay", 0.4)], {"storage": 0.3, "relay": 0.7})
    assert ra.allocate(problem, solver=solver).prices["max_share storage"] == pytest.approx((0.6, 2.6))
