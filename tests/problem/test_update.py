"""A changed problem is the one that would have been made anew, however little of it was looked at again."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, EarningsCurve, InvalidInput
from reallot.problem.arrays import DERIVED
from tests.strategies import KINDS, budget, problems, rates, shares

TWO = AllocationProblem({"relay": 2.0, "compute": 1.0}, {"relay": 0.4, "compute": 0.6}, periods=2)


def assert_same(one: AllocationProblem, other: AllocationProblem) -> None:
    """Equal records with equal arrays."""
    assert one == other and one.names == other.names
    for field in fields(one.arrays):
        here, there = getattr(one.arrays, field.name), getattr(other.arrays, field.name)
        if isinstance(here, np.ndarray):
            np.testing.assert_array_equal(here, there, err_msg=field.name)
    assert len(one.arrays.curved) == len(other.arrays.curved)
    for curve, same in zip(one.arrays.curved, other.arrays.curved, strict=True):
        np.testing.assert_array_equal(curve.widths, same.widths)
        np.testing.assert_array_equal(curve.slopes, same.slopes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@budget(0.2)
@given(data=st.data())
def test_other_rates_and_shares_are_as_if_made_anew(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    flat = [spec.name for spec in problem.specs if isinstance(spec.curve, EarningsCurve) and spec.curve.is_flat]
    series = st.lists(rates(), min_size=problem.periods, max_size=problem.periods)
    table = data.draw(st.dictionaries(st.sampled_from(flat), series)) if flat else {}
    current = data.draw(st.dictionaries(st.sampled_from(problem.names), shares()))
    after = problem.update(rates=table, current=current)
    anew = replace(problem, rates={**(problem.rates or {}), **table}, current={**problem.current, **current})
    assert_same(after, anew)
    assert_same(after.update(current=problem.current), replace(anew, current=problem.current))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@budget(0.2)
@given(data=st.data())
def test_other_curves_are_as_if_made_anew(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    curve = st.one_of(
        rates().map(EarningsCurve.flat),
        st.tuples(rates(), shares(), rates()).map(
            lambda each: EarningsCurve((0.0, each[1] + 0.1), (0.0, each[0]), each[2])
        ),
    )
    for _ in range(2):
        curves = [data.draw(curve) for _ in problem.specs]
        specs = [replace(spec, curve=curve) for spec, curve in zip(problem.specs, curves, strict=True)]
        try:
            anew = replace(problem, protocols=specs)
        except InvalidInput:
            with pytest.raises(InvalidInput):
                problem.earning(curves)
            return
        after = problem.earning(curves)
        assert_same(after, anew)
        assert after.table == anew.table
        problem = after


@pytest.mark.parametrize(
    "given_rates",
    [
        {"relay": 3.0},
        {"relay": (3.0, 3.0)},
        {"relay": [3, 3]},
        {"relay": np.array([3.0, 3.0])},
        {"relay": np.float64(3.0)},
    ],
)
def test_rates_come_in_many_forms_and_are_kept_in_one(given_rates: dict[str, object]) -> None:
    after = TWO.update(rates=given_rates)
    assert_same(after, replace(TWO, rates={"relay": (3.0, 3.0)}))
    assert {type(rate) for rate in after.rates["relay"]} == {float}


def test_the_problem_that_was_changed_stays_as_it_was() -> None:
    before = TWO.arrays.rate.copy()
    TWO.update(rates={"relay": 9.0}, current={"relay": 0.0})
    assert TWO.rates is None and TWO.current == {"relay": 0.4, "compute": 0.6}
    np.testing.assert_array_equal(TWO.arrays.rate, before)


def test_rates_can_be_taken_back() -> None:
    assert TWO.update(rates={"relay": 9.0}).update(rates=None) == TWO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": {"rellay": 1.0}}, "did you mean 'relay'"),
        ({"rates": {"relay": True}}, "must be a number"),
        ({"rates": {"relay": "3.0"}}, "rates relay"),
        ({"rates": {"relay": (1.0, float("nan"))}}, "finite"),
        ({"rates": {"relay": (1.0, 1e16)}}, "larger unit"),
        ({"rates": {"relay": (1.0, 2.0, 3.0)}}, "3 entries for 2 periods"),
        ({"current": {"relay": -0.1}}, "at least 0"),
        ({"current": {"relay": float("inf")}}, "finite"),
        ({"current": None}, "nothing is aligned by position"),
        ({"current": {"relay": 0.1, "storage": 0.2}}, "current names 'storage'"),
        ({"resources": {"cpu": 1.0}}, "resources names 'cpu'"),
        ({"horizon": 24.0}, "no 'horizon'; did you mean 'horizon_hours'"),
    ],
)
def test_what_is_wrong_is_refused_as_in_a_new_problem(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TWO.update(**change)


def test_a_protocol_with_a_curve_takes_no_rate() -> None:
    curved = replace(TWO, protocols={"relay": EarningsCurve((0.0, 0.5), (0.0, 1.0), 0.5), "compute": 1.0})
    with pytest.raises(InvalidInput, match="which has a curve"):
        curved.update(rates={"relay": 3.0})


def test_what_is_derived_from_arrays_follows_the_fields_that_change() -> None:
    problem = AllocationProblem({"a": 2.0, "b": 1.0}, {"a": 0.5, "b": 0.5})
    data = problem.arrays
    kept = {name: getattr(data, name) for name, each in vars(type(data)).items() if isinstance(each, cached_property)}
    assert kept.keys() == {"rank", *DERIVED.values()}
    for name in ("fee", "warm_up", "entry", "step"):
        changed = data.changed(**{name: np.array([0.0, 0.5])})
        assert getattr(changed, DERIVED[name]) and not getattr(data, DERIVED[name])
    assert data.changed(rate=data.rate + 1.0).rank is data.rank
