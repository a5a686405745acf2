"""What a schedule earns and costs, by hand; curves at their breakpoints."""

from __future__ import annotations

import numpy as np
import pytest

from reallot import AllocationProblem, EarningsCurve, ProtocolSpec
from reallot.problem.objective import turnover, value

CURVE = EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)])


def test_a_curve_is_read_between_and_beyond_its_points():
    assert [CURVE.value(share) for share in (0.0, 0.15, 0.3, 0.45, 0.6, 1.0)] == pytest.approx(
        [0.0, 0.45, 0.9, 1.05, 1.2, 1.2]
    )


def test_the_slopes_of_a_curve_differ_at_a_breakpoint():
    assert CURVE.marginal(0.3) == pytest.approx((1.0, 3.0))
    assert CURVE.marginal(0.4) == pytest.approx((1.0, 1.0))
    assert CURVE.marginal(0.0) == pytest.approx((3.0, 3.0))
    assert CURVE.marginal(0.6) == pytest.approx((0.0, 1.0))


def test_points_give_the_curve_back():
    assert EarningsCurve.through(CURVE.points()) == CURVE
    assert EarningsCurve.flat(2.0).points() is None


def test_a_scaled_curve_earns_the_same_multiple_everywhere():
    assert CURVE.scaled(2.0).value(0.45) == pytest.approx(2.1)
    assert CURVE.scaled(2.0).slopes == pytest.approx((6.0, 2.0, 0.0))


@pytest.mark.parametrize(
    ("curve", "concave"),
    [
        (CURVE, True),
        (EarningsCurve.flat(-1.0), True),
        (EarningsCurve.through([(0, 0), (0.4, 0.2), (0.6, 1.6)]), False),
        (EarningsCurve.through([(0, 0), (0.1, 0.1), (0.3, 0.3), (1.0, 1.0)]), True),
        (EarningsCurve.pieces([(1, 0.1), (1 + 1e-15, 0.2)]), True),
        (EarningsCurve.pieces([(-1, 0.5)]), False),
    ],
)
def test_concave_means_that_slopes_never_rise(curve, concave):
    assert curve.is_concave is concave


def test_a_schedule_is_worth_its_earnings_less_its_costs():
    specs = [
        ProtocolSpec("a", CURVE, move_cost=0.1, move_fee=0.05, warm_up_hours=1.0, warm_up_earns=0.5),
        ProtocolSpec("b", 2.0, move_cost_in=0.3, move_cost_out=0.2),
    ]
    problem = AllocationProblem(specs, {"a": 0.2, "b": 0.8}, horizon_hours=4, periods=2)
    worth = value(problem, np.array([[0.4, 0.6], [0.4, 0.6]]))
    # a earns 0.9 + 0.1 = 1.0, b 1.2; two periods of two hours: 2.2 * 4
    assert worth.earnings == pytest.approx(np.array([[1.0, 1.2], [1.0, 1.2]]))
    assert worth.earnings_per_hour == pytest.approx(2.2)
    # 0.2 * 0.1 and 0.2 * 0.2, once; a's fee once
    assert worth.move_cost == pytest.approx(np.array([[0.02, 0.04], [0.0, 0.0]]))
    assert worth.move_fee == pytest.approx(np.array([[0.05, 0.0], [0.0, 0.0]]))
    # half an hour of what was added: 0.1 at slope 3 and 0.1 at slope 1
    assert worth.warm_up == pytest.approx(np.array([[0.2, 0.0], [0.0, 0.0]]))
    assert worth.cost == pytest.approx(0.31)
    assert worth.net == pytest.approx(8.8 - 0.31)


def test_a_warm_up_never_loses_more_than_the_period_earns():
    problem = AllocationProblem([ProtocolSpec("a", 2.0, warm_up_hours=10.0)], {"a": 0.0}, horizon_hours=4)
    worth = value(problem, np.array([[1.0]]))
    assert worth.warm_up == pytest.approx(np.array([[8.0]]))
    assert worth.net == pytest.approx(0.0)


def test_a_loss_does_not_warm_up():
    problem = AllocationProblem([ProtocolSpec("a", -2.0, warm_up_hours=1.0)], {"a": 0.0}, horizon_hours=4)
    assert value(problem, np.array([[1.0]])).warm_up == pytest.approx(np.array([[0.0]]))


def test_staying_costs_nothing():
    problem = AllocationProblem([ProtocolSpec("a", CURVE, move_cost=1, move_fee=1, warm_up_hours=1)], {"a": 1.0})
    assert value(problem, np.array([[1.0]])).cost == 0.0


def test_turnover_counts_idle_capacity_as_one_more_place():
    problem = AllocationProblem({"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 0.2}, allow_idle=True, periods=2)
    # 0.1 more and 0.2 less: the larger; then 0.4 from idle
    assert turnover(problem, np.array([[0.6, 0.0], [0.6, 0.4]])) == pytest.approx(np.array([0.2, 0.4]))


def test_a_full_reshuffle_is_a_turnover_of_one():
    problem = AllocationProblem({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.0})
    assert turnover(problem, np.array([[0.0, 1.0]])) == pytest.approx(np.array([1.0]))
