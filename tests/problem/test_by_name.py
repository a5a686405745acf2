"""Input by name from pandas: another order gives the same answer, nothing is aligned by position."""

from __future__ import annotations

import pandas as pd
import pytest

from reallot import AllocationProblem, CVaR, InvalidInput, Limits, RateUncertainty, Scenarios, allocate

RATES = {"relay": 2.0, "compute": 1.5, "storage": 1.0}
NOW = {"relay": 0.2, "compute": 0.3, "storage": 0.5}
BACKWARDS = ["storage", "compute", "relay"]


def shares(problem):
    return allocate(problem).shares.to_dict()


@pytest.fixture
def expected():
    return shares(AllocationProblem(RATES, NOW, limits=Limits(max_change={"relay": 0.1, "storage": 0.2})))


def test_series_in_another_order_give_the_same_answer(expected):
    problem = AllocationProblem(
        pd.Series(RATES),
        pd.Series(NOW)[BACKWARDS],
        limits=Limits(max_change=pd.Series({"storage": 0.2, "relay": 0.1})),
    )
    assert problem.names == tuple(RATES)
    assert shares(problem) == expected == pytest.approx({"relay": 0.3, "compute": 0.4, "storage": 0.3})


def test_the_order_of_the_protocols_is_the_order_of_the_answer_only(expected):
    limits = Limits(max_change={"relay": 0.1, "storage": 0.2})
    plan = allocate(AllocationProblem(pd.Series(RATES)[BACKWARDS], NOW, limits=limits))
    assert list(plan.shares.index) == BACKWARDS
    assert plan.shares.to_dict() == expected


def test_a_series_without_a_name_raises():
    with pytest.raises(InvalidInput, match="current does not say where 'storage' stands"):
        AllocationProblem(RATES, pd.Series(NOW).drop("storage"))


def test_a_series_with_an_extra_name_raises_with_the_near_miss():
    with pytest.raises(InvalidInput, match=r"current names 'storrage'.*did you mean 'storage'\?"):
        AllocationProblem(RATES, pd.Series(NOW | {"storrage": 0.1}))


def test_a_series_with_numbers_for_names_raises():
    with pytest.raises(InvalidInput, match="current names 0, which is not there"):
        AllocationProblem(RATES, pd.Series([0.2, 0.3, 0.5]))


def test_a_series_with_a_name_twice_raises():
    twice = pd.Series([0.2, 0.3, 0.25, 0.25], index=["relay", "compute", "storage", "storage"])
    with pytest.raises(InvalidInput, match="current names 'storage' more than once"):
        AllocationProblem(RATES, twice)


def test_a_series_with_a_gap_raises():
    with pytest.raises(InvalidInput, match="current storage is nan"):
        AllocationProblem(RATES, pd.Series(NOW).reindex([*RATES]).mask(lambda now: now == 0.5))


def test_a_table_of_rates_is_read_by_column_name():
    table = pd.DataFrame({"storage": [1.0, 9.0], "relay": [2.0, 1.0], "compute": [1.5, 1.0]})
    problem = AllocationProblem(RATES, NOW, rates=table, periods=2, horizon_hours=2)
    plan = allocate(problem)
    assert plan.schedule_frame()["relay"].tolist() == [1.0, 0.0]
    assert plan.schedule_frame()["storage"].tolist() == [0.0, 1.0]
    assert plan.earnings_per_hour == pytest.approx((2.0 + 9.0) / 2)


def test_a_table_of_rates_with_times_for_rows_does_as_well():
    hours = pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC")
    table = pd.DataFrame({"relay": [2.0, 1.0]}, index=hours)
    problem = AllocationProblem(RATES, NOW, rates=table, periods=2)
    assert problem.arrays.rate[:, 0].tolist() == [2.0, 1.0]
    assert problem.arrays.rate[:, 1].tolist() == [1.5, 1.5]


def test_a_table_of_rates_with_a_strange_column_raises():
    with pytest.raises(InvalidInput, match=r"rates names 'relais'.*did you mean 'relay'\?"):
        AllocationProblem(RATES, NOW, rates=pd.DataFrame({"relais": [1.0]}))


def test_a_table_of_rates_with_the_wrong_number_of_rows_raises():
    with pytest.raises(InvalidInput, match="rates relay has 2 entries for 3 periods"):
        AllocationProblem(RATES, NOW, rates=pd.DataFrame({"relay": [1.0, 2.0]}), periods=3)


def test_a_table_of_rates_with_a_column_twice_raises():
    table = pd.DataFrame([[1.0, 2.0]], columns=["relay", "relay"])
    with pytest.raises(InvalidInput, match="rates names 'relay' more than once"):
        AllocationProblem(RATES, NOW, rates=table)


def test_scenarios_from_a_table_are_read_by_column_name():
    table = pd.DataFrame({"storage": [0.0, 5.0], "relay": [2.0, 2.0]})
    named = Scenarios(rates={"relay": [2.0, 2.0], "storage": [0.0, 5.0]}, probabilities=[0.9, 0.1])
    weights = pd.Series([0.9, 0.1])
    problems = [
        AllocationProblem(RATES, NOW, scenarios=scenarios, risk=CVaR(0.5))
        for scenarios in (named, Scenarios(rates=table, probabilities=weights))
    ]
    assert shares(problems[0]) == shares(problems[1])


def test_a_radius_from_a_series_is_read_by_name():
    radius = pd.Series({"storage": 0.1, "relay": 1.5})
    problems = [
        AllocationProblem(RATES, NOW, risk=RateUncertainty(given)) for given in (radius, {"relay": 1.5, "storage": 0.1})
    ]
    assert shares(problems[0]) == shares(problems[1])


def test_held_until_from_a_series_is_read_by_name():
    limits = Limits(held=pd.Series({"storage": 1}))
    problem = AllocationProblem(RATES, NOW, limits=limits, periods=2)
    assert problem.arrays.held.tolist() == [[False, False, True], [False, False, False]]


def test_groups_and_uses_may_come_from_series():
    from reallot import Group, ProtocolSpec

    spec = ProtocolSpec("relay", 2.0, uses=pd.Series({"memory": 4.0}))
    group = Group("pool", pd.Index(["relay", "compute"]), max_share=0.5)
    problem = AllocationProblem(
        {"compute": 1.0, "relay": spec},
        {"relay": 0.2, "compute": 0.3},
        resources=pd.Series({"memory": 1.0}),
        allow_idle=True,
        limits=Limits(groups=(group,)),
    )
    assert shares(problem) == pytest.approx({"compute": 0.25, "relay": 0.25})
