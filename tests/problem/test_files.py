"""Problems from files, tables and frames: every key is read, none is overlooked, and what is wrong is named."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import (
    AllocationProblem,
    Closest,
    CVaR,
    EarningsCurve,
    End,
    Goal,
    Group,
    InvalidInput,
    Largest,
    Limits,
    LinearRule,
    LockIn,
    Near,
    ProtocolSpec,
    RateUncertainty,
    Scenarios,
    Tiers,
    allocate,
)
from reallot.problem.files import problem_from_dict, problem_from_frame, problem_to_dict, read_problem
from tests.strategies import KINDS, problems

EXAMPLE = """
horizon_hours = 24
[limits]
max_change = 0.2
held = ["relay"]
[protocols.storage]
current = 0.4
curve = [[0, 0], [0.3, 0.9], [0.6, 1.2]]     # share, USD per hour
max_share = 0.6
move_cost = 0.02                             # USD per unit of |change| of this protocol's share
move_fee = 0.05                              # USD once, if this protocol's share changes at all
[protocols.relay]
current = 0.4
rate = 2.1
max_share = 0.5
[protocols.compute]
current = 0.2
rate = 1.7
move_cost = 0.01
"""

TWO = {"protocols": {"relay": {"rate": 2.0, "current": 0.3}, "compute": {"rate": 1.0, "current": 0.7}}}
"""The smallest problem worth asking."""

EVERYTHING = AllocationProblem(
    [
        ProtocolSpec(
            "storage",
            EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)]),
            min_share=0.1,
            max_share=0.6,
            entry_share=0.1,
            step=0.1,
            decrease_floor=0.2,
            lock_in=LockIn(0.2, 1),
            move_cost=0.02,
            move_cost_in=0.03,
            move_cost_out=0.0,
            move_fee=0.05,
            warm_up_hours=1,
            warm_up_earns=0.5,
            uses={"disk": 10},
        ),
        ProtocolSpec("relay", 2.1),
        ProtocolSpec("compute", (EarningsCurve((0, 0.2), (0, 1), 0.5), EarningsCurve.flat(2))),
        ProtocolSpec("archive", (EarningsCurve.flat(1), EarningsCurve.flat(2))),
    ],
    {"storage": 0.4, "relay": 0.3, "compute": 0.1, "archive": 0.0},
    capacity=0.95,
    reserve=0.05,
    allow_idle=True,
    horizon_hours=24,
    periods=2,
    limits=Limits(
        max_change={"storage": 0.2},
        max_turnover=[0.3, 0.4],
        max_moves=3,
        min_move=0.01,
        min_gain=0.001,
        held={"relay": 1},
        groups=(Group("disks", ("storage", "archive"), 0.8, 1, 0.1, 1),),
        allow_one_unit=True,
        rules=(
            LinearRule({"relay": 1.0, "disks": -2.0}, at_most=0.9, at_least=-2.0),
            LinearRule({"compute": 1.0}, equals=0.1, name="kept"),
        ),
        turnover_cost=Tiers([(0.1, 0.5), (None, 0.75)]),
        plan_fee=0.125,
        near=Near({"archive": 0.125}, within=0.5),
        max_increase=0.25,
        max_decrease=0.5,
        max_change_relative=0.75,
        only_increase={"storage"},
        only_decrease={"archive"},
        hold_after_change=1,
        change_cost=Tiers([(0.2, 0.0), (None, 3.0)]),
        largest=Largest(2, 0.9),
        max_total_moves=3,
        max_total_cost=0.5,
    ),
    goal=[Goal(at_least=0.5, minimise="cost"), Closest({"relay": 0.25})],
    resources={"disk": 8},
    rates={"relay": [2.1, 2.2]},
    scenarios=Scenarios(factors={"storage": [1, [0.5, 0.7]]}, probabilities=[0.25, 0.75]),
    risk=CVaR(0.9, 0.5),
    end=End(at_least={"relay": 0.125}, values={"storage": 0.25}),
)


def written_as_toml(table: Mapping[str, Any]) -> str:
    """A plain table as one TOML document of inline values; JSON's strings and numbers are TOML's too."""

    def inline(value: Any) -> str:
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{json.dumps(key)} = {inline(entry)}" for key, entry in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(inline, value)) + "]"
        return json.dumps(value)

    return "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in table.items())


def complaint(data: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        problem_from_dict(data)
    return str(caught.value)


def with_relay(**keys: Any) -> dict[str, Any]:
    """TWO with other keys for the relay."""
    return {"protocols": {"relay": keys, "compute": {"rate": 1.0, "current": 1.0}}}


def test_the_example_file_is_the_problem_written_in_python(tmp_path: Path) -> None:
    path = tmp_path / "problem.toml"
    path.write_text(EXAMPLE)
    storage = ProtocolSpec(
        "storage",
        EarningsCurve.through([(0, 0), (0.3, 0.9), (0.6, 1.2)]),
        max_share=0.6,
        move_cost=0.02,
        move_fee=0.05,
    )
    relay, compute = ProtocolSpec("relay", 2.1, max_share=0.5), ProtocolSpec("compute", 1.7, move_cost=0.01)
    assert read_problem(path) == AllocationProblem(
        [storage, relay, compute],
        {"storage": 0.4, "relay": 0.4, "compute": 0.2},
        horizon_hours=24,
        limits=Limits(max_change=0.2, held={"relay"}),
    )


def test_the_example_file_has_the_answer_worked_out_by_hand(tmp_path: Path) -> None:
    # relay is held at 0.4, so storage and compute share 0.6. Storage earns 3 USD/h per unit up to 0.3, then 1; compute
    # earns 1.7 throughout. Below 0.3 storage is better, above it compute is: move 0.1 from storage to compute.
    # Earnings 0.9 + 0.84 + 0.51 = 2.25, today 1.0 + 0.84 + 0.34 = 2.18: +0.07 USD/h, 1.68 USD in 24 h.
    # Cost 0.02 * 0.1 + 0.05 (storage) + 0.01 * 0.1 (compute) = 0.053 USD, net 1.627 USD.
    path = tmp_path / "problem.toml"
    path.write_text(EXAMPLE)
    plan = allocate(read_problem(path))
    assert plan.shares.to_dict() == pytest.approx({"storage": 0.3, "relay": 0.4, "compute": 0.3})
    assert plan.earnings_per_hour == pytest.approx(2.25)
    assert plan.improvement_per_hour == pytest.approx(0.07)
    assert plan.cost == pytest.approx(0.053)
    assert plan.net_benefit == pytest.approx(1.627)


def test_every_field_of_every_record_can_be_said_in_a_file() -> None:
    table = problem_to_dict(EVERYTHING)
    assert problem_from_dict(table) == EVERYTHING
    assert set(table) == {field.name for field in fields(AllocationProblem)} - {"current"}
    assert set(table["limits"]) == {field.name for field in fields(Limits)}
    storage = {field.name for field in fields(ProtocolSpec)} - {"name"} | {"current"}
    assert set(table["protocols"]["storage"]) == storage


@pytest.mark.parametrize(
    "changes",
    [
        {"capacity": None, "reserve": 0.0, "protocols": [ProtocolSpec("storage", 1.0, max_share=2.0)]},
        {"risk": RateUncertainty({"storage": 0.1}, 1.5)},
        {"risk": RateUncertainty(0.2)},
        {"risk": CVaR()},
    ],
)
def test_problems_with_other_kinds_of_values_come_back_equal(changes: dict[str, Any]) -> None:
    plain = {
        "protocols": [ProtocolSpec("storage", EarningsCurve((0.0,), (1.0,), 2.0))],
        "current": {"storage": 0.5},
        "scenarios": Scenarios(factors={"storage": [1, 2]}),
    }
    problem = AllocationProblem(**(plain | changes))
    assert problem_from_dict(problem_to_dict(problem)) == problem


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["toml", "json"])
@given(data=st.data())
def test_any_problem_written_to_a_file_comes_back_equal(
    suffix: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    problem = data.draw(problems(data.draw(st.sampled_from(sorted(KINDS)))))
    path = tmp_path_factory.getbasetemp() / f"problem.{suffix}"
    table = problem_to_dict(problem)
    path.write_text(written_as_toml(table) if suffix == "toml" else json.dumps(table, allow_nan=False))
    assert read_problem(path) == problem


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**TWO, "horizon_hour": 1}, "unknown key 'horizon_hour'; did you mean 'horizon_hours'?"),
        ({**TWO, "max_change": 0.2}, "unknown key 'max_change'; it belongs under [limits]"),
        ({**TWO, "limits": {"max_chance": 0.2}}, "limits: unknown key 'max_chance'; did you mean 'max_change'?"),
        (
            {**TWO, "limits": {"horizon_hours": 24}},
            "limits: unknown key 'horizon_hours'; it belongs at the top of the file, before the first [table]",
        ),
        (
            {**TWO, "limits": {"groups": [{"name": "ip", "member": ["relay"]}]}},
            "limits.groups[0]: unknown key 'member'; did you mean 'members'?",
        ),
        (with_relay(rat=2), "protocols.relay: unknown key 'rat'; did you mean 'rate'?"),
        (
            with_relay(rate=2, lock_in={"shares": 1}),
            "protocols.relay.lock_in: unknown key 'shares'; did you mean 'share'?",
        ),
        (with_relay(curve={"share": [0]}), "protocols.relay.curve: unknown key 'share'; did you mean 'shares'?"),
        ({**TWO, "risk": {"levle": 0.9}}, "risk: unknown key 'levle'; did you mean 'level'?"),
        ({**TWO, "scenarios": {"rate": {}}}, "scenarios: unknown key 'rate'; did you mean 'rates'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_near_miss(data: Any, message: str) -> None:
    assert complaint(data) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "the problem is []; it must be a table of keys and values"),
        ({}, "protocols is missing; give at least one, as [protocols.NAME] with a rate or a curve"),
        ({"protocols": [1]}, "protocols is [1]; it must be a table of keys and values"),
        ({"protocols": {}}, "protocols is empty; give at least one"),
        ({"protocols": {"relay": 2.0}}, "protocols.relay is 2.0; it must be a table of keys and values"),
        ({**TWO, "limits": {"max_change": "a"}}, "limits.max_change is 'a'; it must be a number"),
        (
            {**TWO, "limits": {"max_change": {"rely": 1}}},
            "max_change names 'rely', which is not there; did you mean 'relay'?",
        ),
        ({**TWO, "limits": {"max_change": -1}}, "limits.max_change is -1; it must be at least 0"),
        ({**TWO, "limits": {"held": "relay"}}, "limits.held is 'relay'; it must be a list"),
        ({**TWO, "limits": {"held": [1]}}, "limits.held[0] is 1; it must be a name"),
        ({**TWO, "limits": {"held": ["rely"]}}, "held names 'rely', which is not there; did you mean 'relay'?"),
        ({**TWO, "limits": {"groups": [{"name": "ip"}]}}, "limits.groups[0].members is missing"),
        ({**TWO, "limits": {"groups": {}}}, "limits.groups is {}; it must be a list"),
        ({**TWO, "limits": {"groups": [{"name": 3, "members": []}]}}, "limits.groups[0].name is 3; it must be a name"),
        ({**TWO, "limits": None}, "limits is None; it must be a table of keys and values"),
        ({**TWO, "horizon_hours": "day"}, "horizon_hours is 'day'; it must be a number"),
        ({**TWO, "horizon_hours": math.nan}, "horizon_hours is nan; it must be a finite number"),
        ({**TWO, "horizon_hours": 10**400}, "horizon_hours is 1000000000000000"),
        ({**TWO, "allow_idle": "yes"}, "allow_idle is 'yes'; give True or False"),
        ({**TWO, "capacity": "all"}, "capacity is 'all'; it must be a number"),
        ({**TWO, "rates": {"relay": 3}}, "rates.relay is 3; it must be a list"),
        ({**TWO, "resources": 3}, "resources is 3; it must be a table of keys and values"),
        ({**TWO, "scenarios": {"rates": {"relay": 3}}}, "scenarios.rates.relay is 3; it must be a list"),
        ({**TWO, "scenarios": {"probabilities": 1}}, "scenarios.probabilities is 1; it must be a list"),
        ({**TWO, "risk": {}}, "risk: give level and weight (CVaR), or radius and budget"),
        ({**TWO, "risk": {"radius": 1, "level": 1}}, "risk: give level and weight (CVaR), or radius and budget"),
        ({**TWO, "risk": {"budget": 1}}, "risk.radius is missing"),
        (
            {**TWO, "current": {"relay": 1}},
            "current.relay is given and so is protocols.relay.current; give one of them",
        ),
        ({**TWO, "current": {"rely": 1}}, "current names 'rely', which is not there; did you mean 'relay'?"),
        (with_relay(current=0.5), "protocols.relay: neither rate nor curve is given; give one of them"),
        (with_relay(rate=1, curve=[[0, 0]]), "protocols.relay: both rate and curve are given; give one of them"),
        (with_relay(rate="x"), "protocols.relay.rate is 'x'; it must be a number"),
        (with_relay(rate=[1, True]), "protocols.relay.rate in period 1 is True; it must be a number"),
        (with_relay(rate=1, move_cost="x"), "protocols.relay.move_cost is 'x'; it must be a number"),
        (with_relay(rate=1, min_share=2, max_share=1), "protocols.relay.min_share 2 is above max_share 1"),
        (with_relay(rate=1, lock_in=3), "protocols.relay.lock_in is 3; it must be a table of keys and values"),
        (with_relay(rate=1, uses={"cpu": "x"}), "protocols.relay.uses.cpu is 'x'; it must be a number"),
        (with_relay(curve=[0.3, 0.9]), "protocols.relay.curve is [0.3, 0.9]; give points, such as"),
        (
            with_relay(curve=[[0, 0], [0.3]]),
            "protocols.relay.curve: ",
        ),
        (
            with_relay(curve=[[0, 0], [0.5, 1], [0.3, 2]]),
            "protocols.relay.curve: breakpoints must rise strictly: 0.3 follows 0.5",
        ),
        (
            with_relay(curve=[[[0, 0], [1, 1]], [[1, 1]]]),
            "protocols.relay.curve of period 1: a curve starts at share 0, this one at 1",
        ),
        (with_relay(curve="x"), "protocols.relay.curve is 'x'; it must be a number"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(data: Any, message: str) -> None:
    assert complaint(data).startswith(message)


def test_a_share_that_is_left_out_is_zero_and_current_may_stand_in_one_table() -> None:
    table = {"current": {"relay": 1.0}, "protocols": {"relay": {"rate": 2.0}, "compute": {"rate": 1.0}}}
    assert problem_from_dict(table).current == {"relay": 1.0, "compute": 0.0}


def test_a_rate_may_be_given_per_period() -> None:
    table = {"periods": 2, "protocols": {"relay": {"rate": [1.0, 3.0], "current": 1.0}}}
    assert problem_from_dict(table)["relay"].curve == (EarningsCurve.flat(1.0), EarningsCurve.flat(3.0))


def test_scenario_rates_replace_one_rate_per_period() -> None:
    # relay earns 1 then 3 as it stands; the two scenarios say 0 throughout or 6 throughout: 3 expected
    table = {
        "periods": 2,
        "protocols": {"relay": {"rate": [1.0, 3.0], "current": 1.0}},
        "scenarios": {"rates": {"relay": [0.0, [6.0, 6.0]]}},
    }
    assert allocate(problem_from_dict(table)).earnings_per_hour == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.toml", None, "there is no such file"),
        ("broken.toml", b"a = = 1", "not valid TOML: "),
        ("broken.json", b"{", "not valid JSON: "),
        ("latin.toml", b"# \xe9", "not UTF-8 text (byte 2); save it as UTF-8"),
        ("problem.yaml", b"", "the name ends in '.yaml'; give a .toml or .json file"),
        ("empty.toml", b"", "protocols is missing"),
        ("empty.json", b"", "not valid JSON: "),
        ("deep.json", b"[" * 100_000, "not valid JSON: "),
        ("twice.json", b'{"periods": 1, "periods": 2}', "the key 'periods' stands twice in one object"),
        ("nan.toml", b"protocols.relay.rate = nan", "protocols.relay.rate is nan; it must be a finite number"),
        ("inf.json", b'{"protocols": {"relay": {"rate": Infinity}}}', "protocols.relay.rate is inf; it must be"),
        (
            "date.toml",
            b"horizon_hours = 2020-01-01\nprotocols.a.rate = 1",
            "horizon_hours is 2020-01-01",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_problem(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_directory_is_not_a_problem(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"this is a directory; give a \.toml or \.json file"):
        read_problem(tmp_path)


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "problem.toml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    assert read_problem(path).horizon_hours == 24.0


def test_a_frame_gives_protocols_by_name_whatever_the_order_of_its_columns() -> None:
    frame = pd.DataFrame(
        {
            "max_share": [0.5, np.nan],
            "current": [0.4, 0.6],
            "rate": [np.nan, 1.7],
            "curve": [[[0, 0], [0.3, 0.9]], None],
            "lock_in": [{"share": 0.1, "until": 1}, None],
        },
        index=["storage", "compute"],
    )
    storage = ProtocolSpec(
        "storage", EarningsCurve.through([(0, 0), (0.3, 0.9)]), max_share=0.5, lock_in=LockIn(0.1, 1)
    )
    current = {"storage": 0.4, "compute": 0.6}
    expected = AllocationProblem([storage, ProtocolSpec("compute", 1.7)], current, horizon_hours=24)
    assert problem_from_frame(frame, horizon_hours=24) == expected
    assert problem_from_frame(frame[sorted(frame.columns)], horizon_hours=24) == expected


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"rate": [1.0]}, "the frame is a dict; give a pandas DataFrame with protocols in its index"),
        (pd.DataFrame({"rat": [1.0]}, index=["a"]), "the frame: unknown key 'rat'; did you mean 'rate'?"),
        (pd.DataFrame({"rate": [1.0]}), "the frame's index holds 0; it must hold the protocols' names"),
        (pd.DataFrame({"rate": [1.0, 2.0]}, index=["a", "a"]), "the frame names protocol 'a' more than once"),
        (
            pd.DataFrame([[1.0, 2.0]], columns=["rate", "rate"], index=["a"]),
            "the frame names column 'rate' more than once",
        ),
        (pd.DataFrame({"name": ["a"], "rate": [1.0]}), "the frame has a column 'name'; names are its index"),
        (pd.DataFrame({"rate": [np.nan]}, index=["a"]), "protocols.a.rate is nan; it must be a finite number"),
        (
            pd.DataFrame({"rate": [1.0], "move_cost": [None]}, index=["a"]),
            "protocols.a.move_cost is None; it must be a number",
        ),
        (
            pd.DataFrame({"rate": [1.0], "current": [np.nan]}, index=["a"]),
            "protocols.a.current is nan; it must be a finite number",
        ),
        (
            pd.DataFrame({"current": [1.0]}, index=["a"]),
            "protocols.a: neither rate nor curve is given; give one of them",
        ),
    ],
)
def test_a_wrong_frame_is_refused_in_words(frame: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        problem_from_frame(frame)
    assert str(caught.value).startswith(message)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in a plain table that is no table or list, with the keys that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from leaves(entry, (*path, key))
    if not isinstance(value, dict | list):
        yield path, value


def replaced(table: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of a table in which another value stands at that place."""
    other = inner = json.loads(json.dumps(table))
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return other


@pytest.mark.parametrize("wrong", ["twelve", True, None])
def test_whatever_number_is_wrong_its_key_is_named(wrong: Any) -> None:
    table = problem_to_dict(EVERYTHING)
    records = (AllocationProblem, Limits, Goal, Group, LinearRule, ProtocolSpec)
    may_be_none = {field.name for each in records for field in fields(each) if field.default is None} | {"capacity"}
    for path, value in leaves(table):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if wrong is None and path[-1] in may_be_none:
            continue
        message = complaint(replaced(table, path, wrong))
        last = next(key for key in reversed(path) if isinstance(key, str))
        assert last in message and "it must be" in message, (path, message)


@given(st.data())
def test_whatever_key_is_misspelt_it_is_named_with_the_right_one(data: st.DataObject) -> None:
    table = problem_to_dict(EVERYTHING)
    known = [path for path, _ in leaves(table) if isinstance(path[-1], str) and path[-1].islower()]
    free = (
        "coefficients",
        "shares",
        "held",
        "max_change",
        "uses",
        "resources",
        "rates",
        "factors",
        "current",
        "at_least",
        "values",
    )  # their keys are names
    path = data.draw(st.sampled_from([path for path in known if len(path) == 1 or path[-2] not in free]))
    other = inner = json.loads(json.dumps(table))
    for key in path[:-1]:
        inner = inner[key]
    inner[f"{path[-1]}x"] = inner.pop(path[-1])
    message = complaint(other)
    assert f"unknown key '{path[-1]}x'; did you mean '{path[-1]}'?" in message


def test_several_faults_are_told_at_once() -> None:
    table = {"horizon_hours": "day", "limits": {"max_change": "a", "heldd": []}, "protocols": {"relay": {"rate": True}}}
    assert complaint(table) == (
        "horizon_hours is 'day'; it must be a number; limits.max_change is 'a'; it must be a number; "
        "limits: unknown key 'heldd'; did you mean 'held'?; protocols.relay.rate is True; it must be a number"
    )
