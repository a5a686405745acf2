"""Records, arrays, frames and files say the same problem; what is wrong in a large one is named as in a small one."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    EarningsCurve,
    InvalidInput,
    Limits,
    ProtocolSpec,
    Tiers,
    allocate,
    problem_from_dict,
    problem_from_frame,
    problem_to_dict,
)
from tests.strategies import KINDS, LINEAR, budget, problems

NUMBERS = [each.name for each in fields(ProtocolSpec) if each.name not in ("name", "curve", "lock_in", "uses")]
OTHERS = [each.name for each in fields(AllocationProblem) if each.name not in ("protocols", "current")]
RECORDS = AllocationProblem(
    [ProtocolSpec("relay", 2.0, max_share=0.5), ProtocolSpec("compute", 1.0, move_cost=0.1)],
    {"relay": 0.3, "compute": 0.7},
)
MANY = 20_000


def others(problem: AllocationProblem) -> dict[str, Any]:
    return {key: getattr(problem, key) for key in OTHERS}


def framed(problem: AllocationProblem) -> pd.DataFrame:
    """A frame that says the same: rates where earnings are flat, curves as objects, numbers with gaps."""
    specs = problem.specs
    flat = [isinstance(spec.curve, EarningsCurve) and spec.curve.is_flat for spec in specs]
    table: dict[str, Any] = {
        "rate": [spec.curve.last_slope if each else np.nan for spec, each in zip(specs, flat, strict=True)],  # type: ignore[union-attr]
        "current": [problem.current[spec.name] for spec in specs],
    }
    for key in NUMBERS:
        table[key] = [np.nan if (value := getattr(spec, key)) is None else value for spec in specs]
    table["curve"] = [None if each else given_curve(spec) for spec, each in zip(specs, flat, strict=True)]
    table["lock_in"] = [spec.lock_in for spec in specs]
    table["uses"] = [dict(spec.uses) or None for spec in specs]
    table = {
        key: pd.Series(
            values, dtype=object if key in ("curve", "lock_in", "uses") or Tiers in map(type, values) else float
        )
        for key, values in table.items()
    }
    return pd.DataFrame(table).set_index(pd.Index(problem.names, dtype=object))


def given_curve(spec: ProtocolSpec) -> Any:
    return list(spec.curve) if isinstance(spec.curve, tuple) else spec.curve


def as_arrays(problem: AllocationProblem) -> AllocationProblem:
    specs = problem.specs
    curves = {
        spec.name: spec.curve
        for spec in specs
        if isinstance(spec.curve, tuple) or not spec.curve.is_flat  # type: ignore[union-attr]
    }
    uses = {key: [spec.uses.get(key) for spec in specs] for key in problem.resources}
    result = AllocationProblem.from_arrays(
        problem.names,
        [np.nan if spec.name in curves else spec.curve.last_slope for spec in specs],  # type: ignore[union-attr]
        list(problem.current.values()),
        curves=curves,
        lock_in={spec.name: spec.lock_in for spec in specs if spec.lock_in is not None},
        uses=uses,
        **{key: [getattr(spec, key) for spec in specs] for key in NUMBERS},
        **{key: value for key, value in others(problem).items() if key != "rates"},
    )
    return result if problem.rates is None else result.update(rates=problem.rates)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@budget(0.3)
@given(data=st.data())
def test_records_arrays_frames_and_files_make_equal_problems(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    frame = framed(problem)
    same = [
        AllocationProblem.from_frame(frame, **others(problem)),
        problem_from_frame(frame, **others(problem)),
        as_arrays(problem),
        problem_from_dict(json.loads(json.dumps(problem_to_dict(problem)))),
        AllocationProblem(list(problem.specs), problem.current, **others(problem)),
        copy.deepcopy(problem),
        pickle.loads(pickle.dumps(problem)),
    ]
    for each in same:
        assert each == problem and hash(each) == hash(problem) and repr(each) == repr(problem)
        assert each.specs == problem.specs and each.current == problem.current and each.rates == problem.rates
        assert [each[name] for name in each.names] == list(each.specs)
        np.testing.assert_array_equal(each.arrays.lower, problem.arrays.lower)
        np.testing.assert_array_equal(each.arrays.rate, problem.arrays.rate)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINEAR)
@budget(0.1)
@given(data=st.data())
def test_equal_problems_have_equal_plans(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    try:
        plan = allocate(problem)
    except Exception as error:
        with pytest.raises(type(error)):
            allocate(as_arrays(problem))
        return
    assert allocate(as_arrays(problem)) == plan
    assert allocate(AllocationProblem.from_frame(framed(problem), **others(problem))) == plan


def test_a_row_is_a_record_when_it_is_asked_for() -> None:
    problem = AllocationProblem.from_arrays(["relay", "compute"], [2.0, 1.0], [0.3, 0.7], max_share=[0.5, None])
    assert problem["relay"] == ProtocolSpec("relay", 2.0, max_share=0.5)
    assert list(problem.protocols) == [problem["relay"], problem["compute"]]
    assert problem.protocols[-1] == ProtocolSpec("compute", 1.0) and len(problem.protocols) == 2


@pytest.mark.parametrize("order", [("relay", "compute"), ("compute", "relay")])
def test_arrays_say_their_order(order: tuple[str, ...]) -> None:
    rates, shares = {"relay": 1.0, "compute": 3.0}, {"relay": 0.6, "compute": 0.4}
    after = RECORDS.update(
        order=order,
        rates=np.array([rates[name] for name in order]),
        current=np.array([shares[name] for name in order]),
    )
    assert after == RECORDS.update(rates=rates, current=shares)
    assert after.rates == {"relay": (1.0,), "compute": (3.0,)} and after.current == shares


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": np.array([1.0, 2.0]), "order": ["relay", "rely"]}, "order names 'rely'.*did you mean 'relay'"),
        ({"rates": np.array([1.0]), "order": ["relay"]}, "order has 1 names, the problem 2 protocols"),
        ({"rates": np.array([1.0, 2.0, 3.0]), "order": ["relay", "compute"]}, "one number for each of the 2 names"),
        ({"rates": np.array([1.0, np.nan]), "order": ["relay", "compute"]}, r"rates compute \(USD/h\) is nan"),
        ({"rates": np.array([[1.0, 2.0], [1.0, 2.0]]), "order": ["relay", "compute"]}, r"\(periods, protocols\)"),
        ({"current": np.array([0.4, -0.1]), "order": ["relay", "compute"]}, "current compute is -0.1; it must be at"),
        ({"current": [0.4, True], "order": ["relay", "compute"]}, "current compute is True; it must be a number"),
        ({"rates": np.array([1.0, 2.0])}, "rates is a ndarray; give a mapping or a pandas Series"),
    ],
)
def test_a_wrong_array_is_refused_in_words(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        RECORDS.update(**changes)


def test_an_array_of_rates_has_nan_where_there_is_a_curve() -> None:
    curve = EarningsCurve.through([(0, 0), (0.3, 0.9)])
    problem = AllocationProblem({"relay": curve, "compute": 1.0}, {"relay": 0.3, "compute": 0.7})
    after = problem.update(rates=np.array([np.nan, 2.0]), order=problem.names)
    assert after == problem.update(rates={"compute": 2.0}) and after["relay"].curve == curve
    with pytest.raises(InvalidInput, match="rates names 'relay', which has a curve"):
        problem.update(rates=np.array([1.0, 2.0]), order=problem.names)


def test_what_did_not_change_is_shared() -> None:
    after = RECORDS.update(rates=np.array([1.0, 2.0]), order=RECORDS.names)
    assert after.protocols is RECORDS.protocols and after.current_shares is RECORDS.current_shares
    assert RECORDS.rates is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": [1.0, "x"]}, r"compute: rate \(USD/h\) is 'x'; it must be a number"),
        ({"rates": [1.0, np.nan]}, r"compute: rate \(USD/h\) is nan; it must be a finite number"),
        ({"max_shar": 0.5}, "there is no field 'max_shar'; did you mean 'max_share'"),
        ({"move_cost": [0.1, -1.0]}, "compute: move_cost is -1; it must be at least 0"),
        ({"move_cost": [0.1]}, "move_cost is .*; give one number for each of 2 protocols, in their order"),
        ({"min_share": 0.2, "max_share": [0.5, 0.1]}, "compute: min_share 0.2 is above max_share 0.1"),
        ({"step": [0.5, 1e-9]}, "compute: step is 1e-09; units are at least"),
        ({"warm_up_earns": [0.5, 2.0]}, "compute: warm_up_earns is 2; it must be between 0 and 1"),
        ({"curves": {"relai": 1.0}}, "curves names 'relai', which is not there; did you mean 'relay'"),
        ({"current": [0.4, None]}, "current compute is None; it must be a number"),
        ({"names": ["relay", "relay"]}, "protocols names 'relay' more than once"),
        ({"names": ["relay", 3]}, "a protocol's name is 3; give a non-empty string"),
    ],
)
def test_a_wrong_column_is_named_with_its_protocol(arguments: dict[str, Any], message: str) -> None:
    given = {"names": ["relay", "compute"], "rates": [2.0, 1.0], "current": [0.3, 0.7], **arguments}
    with pytest.raises(InvalidInput, match=message):
        AllocationProblem.from_arrays(**given)


def test_rates_may_be_given_for_each_period() -> None:
    problem = AllocationProblem.from_arrays(
        ["relay", "compute"], np.array([[2.0, 1.0], [1.0, 3.0]]), [0.3, 0.7], periods=2
    )
    assert problem.rates == {"relay": (2.0, 1.0), "compute": (1.0, 3.0)}


def large(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = {"rate": rng.random(MANY), "current": rng.dirichlet(np.ones(MANY)), "move_cost": np.full(MANY, 0.1)}
    return pd.DataFrame(table | columns, index=[f"p{i:05d}" for i in range(MANY)])


@pytest.mark.parametrize("key", ["rate", "current", "move_cost"])
@pytest.mark.parametrize("value", [np.nan, -1.0, 1e16])
def test_a_bad_cell_of_a_large_frame_is_named_with_its_row_and_column(key: str, value: float) -> None:
    frame = large()
    frame.iloc[17_431, frame.columns.get_loc(key)] = value
    if (key, value) == ("rate", -1.0):
        assert AllocationProblem.from_frame(frame)["p17431"].curve == EarningsCurve.flat(-1.0)
        return
    with pytest.raises(InvalidInput, match=rf"p17431\.?.*{key if key != 'current' or value != -1.0 else 'is -1'}"):
        AllocationProblem.from_frame(frame)


@pytest.mark.slow
def test_a_bad_cell_of_a_large_frame_is_found_at_once() -> None:
    frame = large()
    frame.iloc[17_431, 2] = -1.0
    seconds = []
    for _ in range(5):
        started = process_time()
        with pytest.raises(InvalidInput, match=r"protocols\.p17431\.move_cost is -1; it must be at least 0"):
            AllocationProblem.from_frame(frame)
        seconds.append(process_time() - started)
    assert min(seconds) < 0.05


def test_where_no_limit_is_by_name_no_table_of_names_is_made() -> None:
    names, limits = [f"p{i}" for i in range(50)], Limits(max_change=0.1, max_turnover=0.2)
    problem = AllocationProblem.from_arrays(names, np.arange(50.0), np.full(50, 0.02), limits=limits)
    framed = AllocationProblem.from_frame(pd.DataFrame({"rate": np.arange(50.0), "current": 0.02}, index=names))
    for each in (problem, framed, problem.update(rates=np.ones(50), order=problem.names)):
        assert allocate(each).certificate.is_optimal
        assert "place" not in vars(each.table)


def test_a_text_among_numbers_is_named() -> None:
    frame = large().astype(object)
    frame.iloc[17_431, 2] = "0.1"
    with pytest.raises(InvalidInput, match=r"protocols\.p17431\.move_cost is '0.1'; it must be a number"):
        AllocationProblem.from_frame(frame)


def test_rows_are_aligned_by_name_whatever_their_order() -> None:
    frame = framed(RECORDS)
    plan = allocate(AllocationProblem.from_frame(frame.iloc[::-1]))
    assert plan.shares[list(RECORDS.names)].to_dict() == allocate(RECORDS).shares.to_dict()


@pytest.mark.parametrize("dtype", ["Float64", "float32", "Int64", "int8"])
def test_every_kind_of_number_is_a_number(dtype: str) -> None:
    frame = pd.DataFrame({"rate": pd.Series([2, 1], index=["relay", "compute"], dtype=dtype), "current": [1.0, 0.0]})
    assert AllocationProblem.from_frame(frame) == AllocationProblem(
        {"relay": 2.0, "compute": 1.0}, {"relay": 1.0, "compute": 0.0}
    )


def test_a_frame_says_where_a_limit_belongs() -> None:
    frame = pd.DataFrame({"rate": [1.0], "max_turnover": [0.2]}, index=["relay"])
    with pytest.raises(InvalidInput, match=r"unknown key 'max_turnover'; give it as an argument, limits=Limits\("):
        AllocationProblem.from_frame(frame)
    with pytest.raises(InvalidInput, match=r"unknown key 'reserve'; give it as an argument, reserve=\.\.\."):
        AllocationProblem.from_frame(frame.rename(columns={"max_turnover": "reserve"}))


def test_frames_of_polars_are_taken_by_their_column_of_names() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed; it comes with the extra test")
    table = {"rate": [2, 1], "current": [0.3, 0.7], "max_share": [0.5, None], "move_cost": [0.0, 0.1]}
    frame = polars.DataFrame({"name": ["relay", "compute"], **table})
    assert AllocationProblem.from_frame(frame) == RECORDS
    assert AllocationProblem.from_frame(frame, limits=Limits(max_change=0.1)).limits.max_change == 0.1
    with pytest.raises(InvalidInput, match="no column 'name'"):
        AllocationProblem.from_frame(frame.drop("name"))
    with pytest.raises(InvalidInput, match="names protocol 'relay' more than once"):
        AllocationProblem.from_frame(polars.concat([frame, frame]))
    with pytest.raises(InvalidInput, match="unknown key 'rat'; did you mean 'rate'"):
        AllocationProblem.from_frame(frame.rename({"rate": "rat"}))
    with pytest.raises(InvalidInput, match=r"protocols\.relay\.rate is None"):
        AllocationProblem.from_frame(frame.with_columns(rate=polars.lit(None)))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"rate": 1e16, "curve": [[0, 0], [0.3, 0.9]]}, r"protocols\.compute\.rate is 1e\+16; numbers go up to"),
        ({"rate": 1.0, "curve": [[0, 0], [0.3, 0.9]]}, r"protocols\.compute: both rate and curve are given"),
        ({"rate": None, "curve": None}, r"protocols\.compute\.rate is None; it must be a number"),
        ({"rate": None, "curve": [[0, 0], []]}, r"protocols\.compute\.curve"),
        ({"rate": None, "curve": [[0, 0], [0.5, 1], [0.3, 2]]}, "breakpoints must rise strictly: 0.3 follows 0.5"),
        ({"uses": {"cpu": "x"}}, r"protocols\.compute\.uses\.cpu is 'x'; it must be a number"),
        ({"uses": {3: 1.0}}, r"protocols\.compute\.uses"),
        ({"lock_in": {"shar": 0.1}}, r"protocols\.compute\.lock_in: unknown key 'shar'; did you mean 'share'"),
        ({"lock_in": 3}, r"protocols\.compute\.lock_in is 3; it must be a table"),
    ],
)
def test_what_is_more_than_a_number_is_named_as_in_a_file(cells: dict[str, Any], message: str) -> None:
    columns = {"rate": 2.0, "curve": None, "uses": None, "lock_in": None}
    rows = [columns, columns | {"rate": 1.0} | cells]
    frame = pd.DataFrame(rows, index=["relay", "compute"], dtype=object)
    with pytest.raises(InvalidInput, match=message):
        AllocationProblem.from_frame(frame, resources={"cpu": 1.0})


def test_curves_of_a_frame_may_be_points_curves_or_one_a_period() -> None:
    curve = EarningsCurve.through([(0, 0), (0.3, 0.9)])
    cells = [[[0, 0], [0.3, 0.9]], curve, [curve, EarningsCurve.flat(1.0)], EarningsCurve.flat(2.0)]
    frame = pd.DataFrame({"curve": pd.Series(cells, index=list("abcd"), dtype=object)})
    found = AllocationProblem.from_frame(frame, periods=2)
    expected = [curve, curve, (curve, EarningsCurve.flat(1.0)), EarningsCurve.flat(2.0)]
    assert [spec.curve for spec in found.specs] == expected


@budget(0.2)
@given(st.permutations(range(4)), st.sampled_from(["rates", "current", "max_share", "move_cost"]))
def test_a_series_is_aligned_by_its_names_whatever_their_order(order: list[int], key: str) -> None:
    names = [f"p{i}" for i in range(4)]
    numbers = {"rates": [1.0, 2.0, 3.0, 4.0], "current": [0.1, 0.2, 0.3, 0.4]}
    numbers |= {"max_share": [0.5, 0.6, 0.7, 0.8], "move_cost": [0.0, 0.1, 0.2, 0.3]}
    series = pd.Series(numbers[key], index=names).iloc[order]
    problem = AllocationProblem.from_arrays(names, **{**numbers, key: series})
    assert problem == AllocationProblem.from_arrays(names, **numbers)
    if key in ("rates", "current"):
        told = problem.update(**{key: series}, order=names)
        assert told.current == problem.current and told.arrays.rate.tolist() == problem.arrays.rate.tolist()


@pytest.mark.parametrize("key", ["rates", "current", "max_share"])
def test_a_masked_entry_is_one_that_is_not_given(key: str) -> None:
    numbers = {"rates": [1.0, 2.0], "current": [0.5, 0.5], "max_share": [0.5, 0.7]}
    masked = {**numbers, key: np.ma.array(numbers[key], mask=[False, True])}
    if key == "max_share":
        assert AllocationProblem.from_arrays(["a", "b"], **masked)["b"].max_share is None
        return
    with pytest.raises(InvalidInput, match=r"b.* is nan"):
        AllocationProblem.from_arrays(["a", "b"], **masked)
    with pytest.raises(InvalidInput, match=r"b.* is nan"):
        AllocationProblem.from_arrays(["a", "b"], **numbers).update(**{key: masked[key]}, order=["a", "b"])


def test_arrays_of_other_libraries_are_taken_in_the_order_that_is_said() -> None:
    pl = pytest.importorskip("polars")
    problem = RECORDS.update(rates=pl.Series([5.0, 6.0]), current=pl.Series([0.6, 0.4]), order=["compute", "relay"])
    assert problem.arrays.rate.tolist() == [[6.0, 5.0]] and problem.current == {"relay": 0.4, "compute": 0.6}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AllocationProblem.from_frame(pd.DataFrame({"rate": [], "current": []})), "the frame has no rows"),
        (lambda: RECORDS.update(rates=np.ones(2), order="rc"), "order is 'rc'; give a list of names"),
        (
            lambda: AllocationProblem.from_arrays(["a"], pd.DataFrame({"a": [1.0, 2.0]}), [1.0], periods=2),
            "rates is a DataFrame; give rates=",
        ),
        (lambda: AllocationProblem.from_arrays(["a"], [1.0], [1.0], max_share={"a": 0.5}), "give one number for each"),
        (
            lambda: AllocationProblem.from_arrays(["a"], pd.Series([1.0], index=["b"]), [1.0]),
            "whose index is not the names",
        ),
    ],
)
def test_what_is_no_column_of_numbers_in_order_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
