"""Every public door answers a wrong value with InvalidInput: a table of doors against hostile values."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    CVaR,
    EarningsCurve,
    Group,
    Infeasible,
    InvalidInput,
    Limits,
    LockIn,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    Setting,
    allocate,
    allocate_many,
    backtest,
    certify,
    explain,
    formulate,
    frontier,
    hindsight,
    problem_from_dict,
    problem_from_frame,
    problem_to_dict,
    read_problem,
    reliability,
    session,
    solve,
    sweep,
)

RATES, NOW = {"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}
ONE = {"rate": 1, "current": 1}
TIMES = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
TABLE = pd.DataFrame({"a": [1.0, 2.0, 1.0], "b": [3.0, 4.0, 3.0]}, index=TIMES)


def problem(**others: Any) -> AllocationProblem:
    return AllocationProblem(RATES, NOW, **others)


MANY = allocate_many([[1.0, 2.0]], [[0.5, 0.5]])
PROGRAM = formulate(problem())
COUNTED = problem(limits=Limits(max_moves=1))


def door(call: Callable[..., Any], key: str) -> Callable[[Any], Any]:
    return lambda value: call(**{key: value})


DOORS: dict[str, Callable[[Any], Any]] = {
    "allocate": allocate,
    "allocate solver": lambda value: allocate(problem(), solver=value),
    "allocate time limit": lambda value: allocate(problem(), time_limit_seconds=value),
    "allocate time limit of HiGHS": lambda value: allocate(COUNTED, solver="highs", time_limit_seconds=value),
    "explain": explain,
    "frontier": frontier,
    "session": session,
    "session solver": lambda value: session(problem(), solver=value),
    "session time limit": lambda value: session(COUNTED, time_limit_seconds=value).solve(),
    "formulate": formulate,
    "solve": solve,
    "solve solver": lambda value: solve(PROGRAM, value),
    "solve time limit": lambda value: solve(PROGRAM, time_limit_seconds=value),
    "certify": lambda value: certify(value, PROGRAM),
    "certify values": lambda value: certify(PROGRAM, value),
    "hindsight": hindsight,
    "hindsight window": lambda value: hindsight(problem(), window=value),
    "hindsight time limit": lambda value: hindsight(problem(), time_limit_seconds=value),
    "protocols": lambda value: AllocationProblem(value, NOW),
    "current": lambda value: AllocationProblem({"a": 1.0}, value),
    "a rate": lambda value: AllocationProblem({"a": value}, {"a": 1.0}),
    "a share": lambda value: AllocationProblem({"a": 1.0}, {"a": value}),
    "problem[name]": lambda value: problem()[value],
    "held entry": lambda value: problem(limits=Limits(held=[value])),
    "max_change by name": lambda value: problem(limits=Limits(max_change={"a": value})),
    "max_change per period": lambda value: problem(limits=Limits(max_change=[value])),
    "group name": lambda value: Limits(groups=(Group(value, ("a",), max_share=0.5),)),
    "group members": lambda value: problem(limits=Limits(groups=(Group("g", value, max_share=0.5),))),
    "group member": lambda value: problem(limits=Limits(groups=(Group("g", (value,), max_share=0.5),))),
    "group share": lambda value: Group("g", ("a",), max_share=value),
    "group count": lambda value: Group("g", ("a",), max_active=value),
    "lock_in share": lambda value: LockIn(value),
    "lock_in until": lambda value: LockIn(0.1, value),
    "protocol name": lambda value: ProtocolSpec(value, 1.0),
    "protocol curve": lambda value: ProtocolSpec("a", value),
    "protocol curves": lambda value: ProtocolSpec("a", [value]),
    "flat": EarningsCurve.flat,
    "of": EarningsCurve.of,
    "through": EarningsCurve.through,
    "a point": lambda value: EarningsCurve.through([(0, 0), value]),
    "a coordinate": lambda value: EarningsCurve.through([(0, 0), (value, value)]),
    "pieces": EarningsCurve.pieces,
    "a piece": lambda value: EarningsCurve.pieces([(value, value)]),
    "curve shares": lambda value: EarningsCurve(value, (0.0,), 1.0),
    "curve earnings": lambda value: EarningsCurve((0.0,), value, 1.0),
    "curve slope": lambda value: EarningsCurve((0.0,), (0.0,), value),
    "curve factor": EarningsCurve.flat(1.0).scaled,
    "curve value": EarningsCurve.flat(1.0).value,
    "curve marginal": EarningsCurve.flat(1.0).marginal,
    "scenario rates": lambda value: problem(scenarios=Scenarios(value)),
    "scenario rates of one": lambda value: problem(scenarios=Scenarios({"a": value})),
    "a scenario rate": lambda value: problem(scenarios=Scenarios({"a": [value]})),
    "scenario factors": lambda value: problem(scenarios=Scenarios(factors=value)),
    "probabilities": lambda value: Scenarios({"a": [1.0, 2.0]}, probabilities=value),
    "a probability": lambda value: Scenarios({"a": [1.0, 2.0]}, probabilities=[value, value]),
    "CVaR level": lambda value: CVaR(value),
    "CVaR weight": lambda value: CVaR(0.5, value),
    "radius": lambda value: problem(risk=RateUncertainty(value)),
    "radius by name": lambda value: RateUncertainty({"a": value}),
    "budget": lambda value: RateUncertainty(1.0, value),
    "from_dict": problem_from_dict,
    "from_dict protocols": lambda value: problem_from_dict({"protocols": value}),
    "from_dict protocol": lambda value: problem_from_dict({"protocols": {"a": value}}),
    "from_dict rate": lambda value: problem_from_dict({"protocols": {"a": {**ONE, "rate": value}}}),
    "from_dict curve": lambda value: problem_from_dict({"protocols": {"a": {"curve": value, "current": 1}}}),
    "from_dict lock_in": lambda value: problem_from_dict({"protocols": {"a": {**ONE, "lock_in": value}}}),
    "from_dict current": lambda value: problem_from_dict({"protocols": {"a": {"rate": 1}}, "current": value}),
    "from_dict held": lambda value: problem_from_dict({"protocols": {"a": ONE}, "limits": {"held": value}}),
    "from_dict groups": lambda value: problem_from_dict({"protocols": {"a": ONE}, "limits": {"groups": value}}),
    "from_dict group": lambda value: problem_from_dict({"protocols": {"a": ONE}, "limits": {"groups": [value]}}),
    "from_frame": problem_from_frame,
    "from_frame cell": lambda value: problem_from_frame(
        pd.DataFrame({"rate": pd.Series([value], index=["a"], dtype=object), "current": 1.0})
    ),
    "to_dict": problem_to_dict,
    "read_problem": read_problem,
    "many rates": lambda value: allocate_many(value, [[0.5, 0.5]]),
    "many current": lambda value: allocate_many([[1.0, 2.0]], value),
    "many rate": lambda value: allocate_many([[value, 1.0]], [[0.5, 0.5]]),
    "many share": lambda value: allocate_many([[1.0, 2.0]], [[value, 0.5]]),
    "many problem": MANY.problem,
    "many problem names": lambda value: MANY.problem(0, value),
    "many allocation": MANY.allocation,
    "backtest": backtest,
    "backtest policies": lambda value: backtest(TABLE, value),
    "backtest policy": lambda value: backtest(TABLE, [value]),
    "backtest setting": lambda value: backtest(TABLE, "never", value),
    "backtest signal": lambda value: backtest(TABLE, "never", signal=value),
    "backtest step_hours": lambda value: backtest(TABLE, "never", step_hours=value),
    "backtest[name]": lambda value: backtest(TABLE, "never")[value],
    "sweep": lambda value: sweep(value, "never"),
    "sweep list": lambda value: sweep([value], "never"),
    "sweep table": lambda value: sweep({"t": value}, "never"),
    "sweep setting": lambda value: sweep({"t": TABLE}, "never", value),
    "sweep vary": lambda value: sweep({"t": TABLE}, "never", vary=value),
    "sweep vary values": lambda value: sweep({"t": TABLE}, "never", vary={"cost_usd": value}),
    "sweep signals": lambda value: sweep({"t": TABLE}, "never", signals=value),
    "sweep executor": lambda value: sweep({"t": TABLE}, "never", executor=value),
    "sweep step_hours": lambda value: sweep({"t": TABLE}, "never", step_hours=value),
    "reliability said": lambda value: reliability(value, [True]),
    "reliability happened": lambda value: reliability([0.5], value),
    "reliability bins": lambda value: reliability([0.5], [True], value),
}
DOORS |= {f"problem {f.name}": door(problem, f.name) for f in fields(AllocationProblem) if f.kw_only}
DOORS |= {
    f"change {f.name}": lambda value, key=f.name: session(problem()).change(**{key: value})  # type: ignore[misc]
    for f in fields(AllocationProblem)
}
DOORS |= {
    f"protocol {f.name}": lambda value, key=f.name: ProtocolSpec("a", 1.0, **{key: value})  # type: ignore[misc]
    for f in fields(ProtocolSpec)
    if f.kw_only
}
DOORS |= {
    f"limits {f.name}": lambda value, key=f.name: problem(limits=Limits(**{key: value}))  # type: ignore[misc]
    for f in fields(Limits)
}
DOORS |= {
    f"many {key}": lambda value, key=key: allocate_many([[1.0, 2.0]], [[0.5, 0.5]], **{key: value})  # type: ignore[misc]
    for key in (
        *("lower", "upper", "max_change", "held", "move_cost", "max_turnover", "horizon_hours", "mask", "solver"),
    )
}
DOORS |= {
    f"setting {f.name}": lambda value, key=f.name: backtest(TABLE, "never", Setting(**{key: value}))  # type: ignore[misc]
    for f in fields(Setting)
}

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
HOSTILE: dict[str, Any] = {
    "None": None,
    "10**400": 10**400,
    "0-d array": np.array(0.5),
    "one-element array": np.array([0.5]),
    "2-d array": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "0-d object": np.array(None),
    "text": "5",
    "bytes": b"1",
    "bytearray": bytearray(b"1"),
    "True": True,
    "np.True_": np.True_,
    "NaN": math.nan,
    "infinity": math.inf,
    "1e16": 1e16,
    "-1": -1,
    "complex": 1j,
    "Decimal NaN": decimal.Decimal("NaN"),
    "pd.NA": pd.NA,
    "NaT": pd.NaT,
    "datetime64": np.datetime64("2026-01-01"),
    "timedelta": datetime.timedelta(1),
    "DataFrame": FRAME,
    "Series of others": pd.Series({"x": 1.0, "y": 2.0}),
    "empty table": {},
    "table of others": {1: 2},
    "table of texts": {"a": "5"},
    "empty list": [],
    "list of None": [None],
    "list of objects": [object()],
    "list of texts": ["x", "y"],
    "ragged": [[1], [2, 3]],
    "set": {1},
    "generator": None,
    "class": int,
    "object": object(),
    "problem": problem(),
}


def answers(call: Callable[[Any], Any], value: Any) -> None:
    """Calls a door; whatever else than an answer or one of the two errors for a question is raised."""
    try:
        call(value)
    except InvalidInput as error:
        assert len(str(error)) < 600
    except Infeasible:
        pass  # it was understood


@pytest.mark.parametrize("call", DOORS.values(), ids=DOORS)
def test_a_door_takes_a_value_or_answers_with_invalid_input(call: Callable[[Any], Any]) -> None:
    for name, value in HOSTILE.items():
        answers(call, iter(()) if name == "generator" else value)


@pytest.mark.parametrize(
    "name", ["a rate", "protocol step", "many rates", "allocate solver", "sweep executor", "current"]
)
def test_a_number_of_more_digits_than_python_writes_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        DOORS[name](10**6000)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([*HOSTILE]).map(HOSTILE.get),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abx"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(DOORS.keys() - {"read_problem", "sweep list", "sweep table", "sweep"})), value=JUNK)
def test_no_nest_of_values_passes_a_door_unseen(name: str, value: Any) -> None:
    answers(DOORS[name], value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: allocate(FRAME), "problem_from_frame(frame)"),
        (lambda: allocate({}), "problem_from_dict(table)"),
        (lambda: allocate("problem.toml"), "read_problem(path)"),
        (lambda: allocate([[1.0]]), "allocate_many(rates, current)"),
        (lambda: allocate(allocate(problem())), "its attribute `problem`"),
        (lambda: explain(problem()), "explain(allocate(problem))"),
        (lambda: hindsight(FRAME), "backtest(table)"),
        (lambda: session(FRAME), "problem_from_frame(frame)"),
        (lambda: AllocationProblem(FRAME, NOW), "problem_from_frame(frame)"),
        (lambda: backtest(TABLE, ["never"], {"cost_days": 1}), "Setting(cost_days=1)"),
        (lambda: solve(problem()), "allocate(problem)"),
    ],
)
def test_a_value_of_the_wrong_kind_is_shown_the_right_door(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        call()
    assert message in str(error.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: EarningsCurve.flat(np.True_),
        lambda: ProtocolSpec("a", b"1"),
        lambda: allocate(problem(), time_limit_seconds=math.nan),
        lambda: allocate(problem(), time_limit_seconds="5"),
        lambda: allocate_many([["1.0", "2.0"]], [[0.5, 0.5]]),
        lambda: allocate_many([[True, 2.0]], [[0.5, 0.5]]),
        lambda: allocate_many([[1e16, 2.0]], [[0.5, 0.5]]),
        lambda: allocate_many([[1.0, 2.0]], [[0.5, 0.5]], max_turnover=[]),
        lambda: allocate_many(np.ma.masked_array([[1.0, 2.0]], [[True, False]]), [[0.5, 0.5]]),
        lambda: Scenarios({"a": {1.0, 2.0}}),
    ],
)
def test_what_only_looks_like_a_number_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput):
        call()


def test_shares_in_percent_are_named_as_the_likely_slip() -> None:
    with pytest.raises(
        InvalidInput, match=r"current sums to 100, capacity is 1: this looks like percent; give fractions"
    ):
        AllocationProblem(RATES, {"a": 40, "b": 60})
    with pytest.raises(InvalidInput, match="looks like percent"):
        session(problem()).change(current={"a": 40.0, "b": 60.0})
    plan = allocate(AllocationProblem(RATES, {"a": 40, "b": 60}, capacity=100, limits=Limits(max_change=20)))
    assert plan.shares.to_dict() == {"a": 20.0, "b": 80.0}
    assert plan.reasons[0].startswith("a gives 20 % (40.00 -> 20.00)")


def test_a_limit_in_percent_that_limits_nothing_is_noted() -> None:
    plan = allocate(problem(limits=Limits(max_change=20)))
    assert plan.shares.to_dict() == {"a": 0.0, "b": 1.0}
    assert plan.notes == ("max_change 20 limits nothing: shares are parts of capacity 1, and 20 % of it is 0.2",)
    assert not allocate(problem(limits=Limits(max_change=1.0))).notes


def test_the_rules_that_the_present_shares_break_are_named() -> None:
    plan = allocate(
        AllocationProblem([ProtocolSpec("a", 1.0, max_share=0.4), ProtocolSpec("b", 2.0)], {"a": 0.5, "b": 0.7})
    )
    broken = "they sum to 1.2, capacity is 1 and a holds 0.50, above max_share 0.40"
    assert f"staying is not possible: the present shares break a rule: {broken}" in plan.reasons


LABELS = ("x", "y", "z")


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(LABELS),
    rows=st.permutations(("first", "second")),
    rates=st.lists(st.lists(st.floats(0, 9), min_size=3, max_size=3), min_size=2, max_size=2),
)
def test_labels_decide_and_positions_do_not(order: list[str], rows: list[str], rates: list[list[float]]) -> None:
    frame = pd.DataFrame(rates, index=["first", "second"], columns=list(LABELS))
    current = pd.Series([0.2, 0.3, 0.5], index=list(LABELS))
    cost, hours = pd.Series([0.1, 0.2, 0.3], index=list(LABELS)), pd.Series([1.0, 2.0], index=["first", "second"])
    plain = allocate_many(rates, [0.2, 0.3, 0.5], move_cost=[0.1, 0.2, 0.3], horizon_hours=[1.0, 2.0], max_change=0.25)
    mixed = allocate_many(
        frame, current[order], move_cost=cost[order], horizon_hours=hours[rows], max_change=pd.Series(0.25, index=order)
    )
    assert np.array_equal(plain.shares, mixed.shares)
    assert mixed.names == LABELS
    assert mixed.problem(1).current == {"x": 0.2, "y": 0.3, "z": 0.5}


@pytest.mark.parametrize(
    ("current", "message"),
    [
        (pd.Series([0.5, 0.5], index=["x", "w"]), "current names protocol 'w', which rates does not"),
        (pd.Series([1.0], index=["x"]), "current does not name protocol 'y', which rates does"),
        (pd.Series([0.5, 0.5]), "current names protocol 0, which rates does not"),
        (pd.Series([0.5, 0.5], index=["x", "x"]), "current names protocol 'x' more than once"),
        ({"x": 0.5, "y": 0.5}, "give an array, or a pandas Series by protocol"),
    ],
)
def test_labels_that_differ_are_refused(current: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        allocate_many(pd.DataFrame([[1.0, 2.0]], columns=["x", "y"]), current)
    assert message in str(error.value)
