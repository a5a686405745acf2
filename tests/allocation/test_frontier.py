"""The frontier of gain against turnover is what a solve at each limit gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Infeasible, InvalidInput, Limits, ProtocolSpec, allocate, frontier
from tests.strategies import LINEAR, budget, problems


def limited(problem: AllocationProblem, turnover: float) -> AllocationProblem:
    from dataclasses import replace

    return replace(problem, limits=replace(problem.limits, max_turnover=turnover))


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.slow
@budget(0.5)
@given(data=st.data())
def test_every_point_of_the_frontier_is_the_best_plan_within_that_turnover(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    if sum(problem.current.values()) > (problem.available or 0.0) + 1e-12 and problem.allow_idle:
        return  # what stands above capacity is no idle capacity, and turnover counts it differently
    try:
        table = frontier(problem)
    except Infeasible:
        with pytest.raises(Infeasible):
            allocate(limited(problem, 10.0))
        return
    assert (np.diff(table["turnover"]) > 0.0).all()
    middles = (table["turnover"].to_numpy()[1:] + table["turnover"].to_numpy()[:-1]) / 2
    for turnover in [*table["turnover"], *middles, table["turnover"].iloc[-1] + 0.1]:
        plan = allocate(limited(problem, turnover + 1e-12))
        least, most = np.interp([turnover, turnover + 1e-12], table["turnover"], table["net_benefit"])
        near = 1e-8 * plan.certificate.scale
        assert least - near <= plan.net_benefit <= most + near


def test_prices_are_the_slopes_between_corners_by_hand() -> None:
    # b (3) takes from a (1): 2 USD/h per unit for 0.5, then from c (2): 1 USD/h; over 10 h at cost 1 a unit moved
    specs = [ProtocolSpec("a", 1.0, move_cost=1.0), ProtocolSpec("b", 3.0), ProtocolSpec("c", 2.0)]
    table = frontier(AllocationProblem(specs, {"a": 0.5, "b": 0.0, "c": 0.5}, horizon_hours=10))
    assert table["turnover"].tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert table["net_benefit"].tolist() == pytest.approx([0.0, 0.5 * (20 - 1), 0.5 * (20 - 1) + 0.5 * 10])
    assert table["price"].tolist() == pytest.approx([1.9, 1.0, 0.0])


def test_below_the_forced_turnover_there_is_no_row() -> None:
    # a must fall from 0.6 to 0.3 whatever it earns
    specs = [ProtocolSpec("a", 1.0, max_share=0.3), ProtocolSpec("b", 1.0)]
    table = frontier(AllocationProblem(specs, {"a": 0.6, "b": 0.4}))
    assert table["turnover"].iloc[0] == pytest.approx(0.3)


def test_a_problem_with_fees_has_no_frontier_from_one_solve() -> None:
    problem = AllocationProblem([ProtocolSpec("a", 1.0, move_fee=1.0)], {"a": 1.0})
    with pytest.raises(InvalidInput, match="a fee per move"):
        frontier(problem)


def test_an_infeasible_problem_says_why() -> None:
    with pytest.raises(Infeasible, match="held protocols already take"):
        frontier(AllocationProblem({"a": 1.0}, {"a": 1.0}, capacity=0.5, limits=Limits(held={"a"})))
